"""`POST /zip-file/`: the files of a form as one compressed archive. Nothing of them is ever on a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import islice
from mmap import mmap

from aiohttp import web

from tusserver.archive import Held, deflated
from tusserver.protocol.downloads import content_disposition, security_headers
from tusserver.protocol.entry_names import entry_name
from tusserver.protocol.refusals import BodyStalled, Refusal
from tusserver.web import multipart
from tusserver.web.auth import caller_of
from tusserver.web.body import body_facts
from tusserver.web.download import under_way
from tusserver.web.site import site_of
from tusserver.web.zip_room import Room

NAME = "files.zip"
MOST_FILES = 10_000
# What a form says about one file besides its bytes, at most.
FRAMING = 1024
# What is held for each file besides its bytes; for each request besides its files and the first few of them, and by
# those that are refused meanwhile and still send.
PER_FILE, FEW, PER_REQUEST = 2048, 256, 4 << 20
# Bytes per second. A phone on a poor line sends more; what is slower is better sent by a protocol that resumes.
SLOWEST = 16 << 10
# What is compressed in one step, and how many a thread makes before another request has its turn.
PIECE = 1 << 16
STEPS = 4


class NothingToZip(Refusal):
    """The form has no file."""

    status, code, title = 422, "no-files", "There is no file to make an archive of"


class FilesTooLarge(Refusal):
    """The files of the form together are larger than is held in memory, or too many."""

    status, code, title = 413, "files-too-large", "The files together are too large"


async def zip_files(request: web.Request) -> web.StreamResponse:
    """`POST /zip-file/`: every file of the form, whatever its field is called."""
    (await caller_of(request)).require()
    zipping = site_of(request).zipping
    length, most = body_facts(request).length, zipping.max_size
    if length is not None and length > most + MOST_FILES * FRAMING:
        raise _too_large(most)
    size = most if length is None else min(length, most)
    with zipping.room(size + PER_REQUEST) as room:
        return await _send(request, await _read_in_time(request, room, mmap(-1, max(1, size))))


async def _read_in_time(request: web.Request, room: Room, memory: mmap) -> list[Held]:
    """The files of the form, which may not keep its memory from others by coming a byte a minute.

    Raises:
        BodyStalled: status 503, and what `_read` does.
    """
    try:
        async with asyncio.timeout(site_of(request).settings.read_timeout + len(memory) / SLOWEST):
            return await _read(request, room, memory)
    except TimeoutError:
        raise BodyStalled(f"a form has to come with {SLOWEST} bytes a second; use tus over a slow line") from None


async def _read(request: web.Request, room: Room, memory: mmap) -> list[Held]:
    """The files of the form, in a mapping that the system gets back with the last of them.

    Raises:
        NothingToZip, BadMultipart: status 422; FilesTooLarge: status 413; ZipBusy, BodyStalled: status 503.
    """
    filled, files = 0, list[Held]()
    form = await multipart.begin(request)
    while (part := await multipart.next_part(request, form)) is not None:
        begin, label = filled, part.filename
        while data := await multipart.next_piece(request, part):
            if filled + len(data) > len(memory):
                raise _too_large(room.zipping.max_size)
            memory[filled : filled + len(data)] = data
            filled += len(data)
        # Small files that have arrived are read without waiting for anything, and others need their turn.
        await asyncio.sleep(0)
        # A form in a browser sends a file without a name where none was chosen.
        if not label:
            continue
        if len(files) >= FEW:
            room.take(PER_FILE)
        files.append(Held(entry_name(label, "file"), filled - begin, _pieces(memory, begin, filled)))
        if len(files) > MOST_FILES:
            raise FilesTooLarge(f"at most {MOST_FILES} files are taken", most=MOST_FILES)
    if not files:
        raise NothingToZip("send at least one file as a part with a filename")
    return files


def _too_large(most: int) -> FilesTooLarge:
    return FilesTooLarge(
        f"at most {most} bytes are taken, all files together; upload larger ones and use /zip", limit=most
    )


def _pieces(memory: mmap, begin: int, end: int) -> Iterator[bytes]:
    for at in range(begin, end, PIECE):
        yield memory[at : min(at + PIECE, end)]


async def _send(request: web.Request, files: list[Held]) -> web.StreamResponse:
    headers = {
        "Content-Type": "application/zip",
        "Content-Disposition": content_disposition(NAME, NAME, inline=False),
        "Cache-Control": "no-store",
        **security_headers(),
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    threads, patience = site_of(request).zipping.threads, site_of(request).settings.read_timeout
    with under_way(request):
        steps = deflated(files)
        # A thread has it only while there is something to compress, not while the client reads.
        while (made := await threads.run(partial(_next, steps))) is not None:
            async with asyncio.timeout(patience):
                await response.write(made)
    await response.write_eof()
    return response


def _next(steps: Iterator[bytes]) -> bytes | None:
    """What the next steps make together, None behind the last."""
    made = list(islice(steps, STEPS))
    return b"".join(made) if made else None
