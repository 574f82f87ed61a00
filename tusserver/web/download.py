"""GET of a finished upload: sendfile, one range, conditions. Waits for nobody."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
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
from tusserver.protocol.errors import NotFound, Unavailable
from tusserver.protocol.fields import Headers
from tusserver.protocol.refusals import TUS_VERSION, PreconditionFailed
from tusserver.protocol.uploads import Upload
from tusserver.web.auth import caller_of
from tusserver.web.site import site_of

log = logging.getLogger("tusserver.web")

# Writes the bytes from a start up to an end, behind the headers.
Sender = Callable[[web.StreamResponse, int, int], Awaitable[None]]


async def download(request: web.Request) -> web.StreamResponse:
    """The bytes, as a file unless browsers can show them safely.

    A complete upload never changes, so its id is its entity tag.
    """
    return await send(request, request.match_info["id"])


async def send(request: web.Request, id: str, *, inline: bool = True) -> web.StreamResponse:
    """The bytes of an upload, or those the request's Range asks for; without `inline` always as a file."""
    site = site_of(request)
    found = await site.service.download(id, await caller_of(request))
    whole = Representation(found.offset, f'"{found.id}"', found.completed_at or found.updated_at)
    headers = {"Cache-Control": "private, no-cache", "Tus-Resumable": TUS_VERSION, **_describe(found, inline=inline)}
    return await send_stored(request, found.id, whole, headers)


async def send_stored(
    request: web.Request, id: str, whole: Representation, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The bytes of an upload, as far as the request's conditions and its Range ask for them.

    Args:
        headers: of the answer with all of it, with `Cache-Control` and without what `whole` tells.
    Raises:
        PreconditionFailed, RangeUnsatisfiable, NotFound, Unavailable.
    """
    answer, told = _judge(request, whole, headers)
    if answer.status == 304:
        return web.Response(status=304, headers=told)
    store = site_of(request).backends.store
    path = await store.file(id)
    if path is not None:
        with await open_file(path) as opened:
            return await _send(request, answer, told, _file_sender(request, opened))

    async def read(response: web.StreamResponse, start: int, end: int) -> None:
        async for piece in store.read(id, start, end):
            await response.write(piece)

    return await _send(request, answer, told, read)


async def send_opened(
    request: web.Request, opened: BinaryIO, whole: Representation, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The same of a file, which the caller closes."""
    return await send_made(request, whole, headers, _file_sender(request, opened))


async def send_made(
    request: web.Request, whole: Representation, headers: Mapping[str, str], sender: Sender
) -> web.StreamResponse:
    """The same of whatever `sender` writes, which is asked for exactly the bytes that are wanted."""
    answer, told = _judge(request, whole, headers)
    if answer.status == 304:
        return web.Response(status=304, headers=told)
    return await _send(request, answer, told, sender)


def _judge(request: web.Request, whole: Representation, headers: Mapping[str, str]) -> tuple[Answer, dict[str, str]]:
    """How to answer, and with which headers."""
    answer = judge_get(conditions(request), whole)
    told = {"ETag": whole.etag}
    if whole.modified_at is not None:
        told["Last-Modified"] = format_date(whole.modified_at)
    if answer.status == 304:
        if request.method not in ("GET", "HEAD"):
            raise PreconditionFailed("If-None-Match or If-Modified-Since holds for what there is")
        return answer, told | {"Cache-Control": headers["Cache-Control"]}
    if answer.status == 206:
        told["Content-Range"] = f"bytes {answer.start}-{answer.end - 1}/{whole.length}"
    return answer, {"Accept-Ranges": "bytes", **headers, **told}


def conditions(request: web.Request) -> Headers:
    """The headers without a range that does not count: only GET has ranges. RFC 9110, 14.2."""
    fields = request.headers.copy()
    if request.method == "HEAD":
        fields.popall("Range", None)
    return fields


def _describe(found: Upload, *, inline: bool) -> dict[str, str]:
    content_type = content_type_of(found.content_type, found.filename)
    return {
        "Content-Type": content_type,
        "Content-Disposition": content_disposition(found.filename, found.id, inline=inline and is_inline(content_type)),
        **security_headers(),
    }


async def _send(request: web.Request, answer: Answer, headers: dict[str, str], sender: Sender) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = answer.end - answer.start
    await response.prepare(request)
    if request.method != "HEAD" and answer.end > answer.start:
        with under_way(request):
            await sender(response, answer.start, answer.end)
    await response.write_eof()
    return response


def _file_sender(request: web.Request, opened: BinaryIO) -> Sender:
    return lambda _, start, end: send_file(request, opened, start, end)


@contextmanager
def under_way(request: web.Request) -> Iterator[None]:
    """In the block an answer is being sent: what fails cuts the connection, for nothing else can be said any more."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:
        if not isinstance(error, NotFound):  # that was removed meanwhile
            log.error("%s %s was cut off: %r", request.method, request.rel_url.raw_path, error)
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
