"""GET of a finished upload: sendfile, one range, conditions. Waits for nobody."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from tusserver.protocol.dates import format_date
from tusserver.protocol.downloads import (
    Answer,
    Representation,
    content_disposition,
    content_type_of,
    is_inline,
    judge_get,
    security_headers,
)
from tusserver.protocol.errors import BackendError, NotFound, Unavailable
from tusserver.protocol.fields import Headers
from tusserver.protocol.refusals import TUS_VERSION
from tusserver.protocol.uploads import Upload
from tusserver.web.auth import caller_of
from tusserver.web.site import Site, site_of


async def download(request: web.Request) -> web.StreamResponse:
    """The bytes, as a file unless browsers can show them safely.

    A complete upload never changes, so its id is its entity tag.
    """
    return await send(request, request.match_info["id"])


async def send(request: web.Request, id: str, *, inline: bool = True) -> web.StreamResponse:
    """The bytes of an upload, or those the request's Range asks for; without `inline` always as a file."""
    site = site_of(request)
    found = await site.service.download(id, await caller_of(request))
    modified_at = found.completed_at or found.updated_at
    whole = Representation(found.offset, f'"{found.id}"', modified_at)
    answer = judge_get(conditions(request), whole)
    headers = {"ETag": whole.etag, "Last-Modified": format_date(modified_at), "Cache-Control": "private, no-cache"}
    if answer.status == 304:
        return web.Response(status=304, headers=headers)
    if answer.status == 206:
        headers["Content-Range"] = f"bytes {answer.start}-{answer.end - 1}/{whole.length}"
    return await _send(request, site, found, answer, headers | _describe(found, inline=inline))


def conditions(request: web.Request) -> Headers:
    """The headers without a range that does not count: only GET has ranges. RFC 9110, 14.2."""
    fields = request.headers.copy()
    if request.method == "HEAD":
        fields.popall("Range", None)
    return fields


def _describe(found: Upload, *, inline: bool) -> dict[str, str]:
    content_type = content_type_of(found.content_type, found.filename)
    return {
        "Accept-Ranges": "bytes",
        "Content-Type": content_type,
        "Content-Disposition": content_disposition(found.filename, found.id, inline=inline and is_inline(content_type)),
        "Tus-Resumable": TUS_VERSION,
        **security_headers(),
    }


async def _send(
    request: web.Request, site: Site, found: Upload, answer: Answer, headers: dict[str, str]
) -> web.StreamResponse:
    store = site.backends.store
    path = await store.file(found.id)
    opened = None if path is None else await open_file(path)
    try:
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.content_length = answer.end - answer.start
        await response.prepare(request)
        if request.method == "HEAD":
            pass
        elif opened is not None and answer.end > answer.start:
            await send_file(request, opened, answer.start, answer.end)
        elif opened is None:
            with under_way():
                async for piece in store.read(found.id, answer.start, answer.end):
                    await response.write(piece)
        await response.write_eof()
        return response
    finally:
        if opened is not None:
            opened.close()


@contextmanager
def under_way() -> Iterator[None]:
    """In the block an answer is being sent: what fails cuts the connection, for nothing else can be said any more."""
    try:
        yield
    except BackendError as error:
        raise ConnectionAbortedError("the answer cannot be sent to its end") from error


async def open_file(path: Path) -> BinaryIO:
    """The file, for reading. Raises NotFound, Unavailable."""
    try:
        return await asyncio.to_thread(path.open, "rb")
    except FileNotFoundError:
        raise NotFound(path.name) from None
    except OSError as error:  # too many open files, for one
        raise Unavailable(f"the disk answered {errno.errorcode.get(error.errno or 0)}") from error


async def send_file(request: web.Request, opened: BinaryIO, start: int, end: int) -> None:
    """Send the bytes from `start` up to `end` behind what was sent of the answer, without them passing through here.

    Raises:
        ConnectionError: the client is gone, or the file is shorter.
    """
    transport = request.transport
    if transport is None or transport.is_closing():
        raise ConnectionResetError("the client is gone")
    try:
        sent = await asyncio.get_running_loop().sendfile(transport, opened, start, end - start)
    except RuntimeError as error:  # asyncio says so of a transport that closes meanwhile
        raise ConnectionResetError("the client is gone") from error
    if sent < end - start:
        raise ConnectionAbortedError("the file ends before its bytes do")
