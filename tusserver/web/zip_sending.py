"""Sending an archive: large files by sendfile, small ones gathered, and a CRC made where nobody has made it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

from aiohttp import web

from tusserver.archive import Archive, Part, Piece
from tusserver.protocol.errors import NotFound
from tusserver.web.download import open_file, send_file
from tusserver.web.site import site_of

# A sendfile takes half a millisecond to begin: above this that is less than to read the file and to write it.
SMALL = 1 << 20
# What is gathered before it is written.
GROUP = 1 << 20
MOST_PIECES = 256
# Files whose CRC is made at once.
CRCS = 8
SHORTER = "a file ends before its bytes do"


class Sending:
    """One archive on its way to one client."""

    def __init__(self, request: web.Request, archive: Archive) -> None:
        self._request, self._archive = request, archive
        site = site_of(request)
        self._store, self._infos, self._examiner = site.backends.store, site.backends.infos, site.examiner

    async def send(self, response: web.StreamResponse, start: int, end: int) -> None:
        """Write the bytes from `start` up to `end`.

        Raises:
            BackendError: a file has been removed meanwhile, or cannot be read.
            ConnectionError: the client is gone, or a file is shorter than it was.
        """
        group: list[Piece] = []
        size = 0
        for piece in self._archive.pieces(start, end):
            if piece.part is Part.DATA and piece.length > SMALL:
                await self._send_group(response, group)
                await self._send_large(response, piece)
                group, size = [], 0
                continue
            group.append(piece)
            size += piece.length
            if size >= GROUP or len(group) >= MOST_PIECES:
                await self._send_group(response, group)
                group, size = [], 0
        await self._send_group(response, group)

    async def _send_group(self, response: web.StreamResponse, group: Sequence[Piece]) -> None:
        lacking = [piece for piece in group if self._archive.lacks_crc(piece)]
        if lacking:
            # What needs none goes out at once: making one may take as long as reading a large file.
            first = group.index(lacking[0])
            early = self._archive.before_crc(lacking[0])
            await self._write(response, [*group[:first], early])
            await self._learn(list(dict.fromkeys(piece.index for piece in lacking)))
            group = [replace(lacking[0], start=early.end), *group[first + 1 :]]
        await self._write(response, group)

    async def _write(self, response: web.StreamResponse, group: Sequence[Piece]) -> None:
        files = [piece for piece in group if piece.part is Part.DATA]
        wanted = [(self._archive.id(piece.index), piece.start, piece.end) for piece in files]
        data = await self._store.read_many(wanted) if wanted else []
        if group:
            await response.write(_gathered(self._archive, group, iter(data)))
            # Nothing else need wait here where the client is quick and it is the directory that is sent.
            await asyncio.sleep(0)

    async def _send_large(self, response: web.StreamResponse, piece: Piece) -> None:
        id = self._archive.id(piece.index)
        path = await self._store.file(id)
        if path is not None:
            with await open_file(path) as opened:
                await send_file(self._request, opened, piece.start, piece.end)
            return
        rest = piece.length
        async for part in self._store.read(id, piece.start, piece.end):
            rest -= len(part)
            await response.write(part)
        if rest:
            raise ConnectionAbortedError(SHORTER)

    async def _learn(self, indexes: Sequence[int]) -> None:
        """Have the CRCs of these entries made; they are kept in the records from then on."""
        ids = list(map(self._archive.id, indexes))
        uploads = await self._infos.load_many(ids)
        if len(uploads) < len(set(ids)):
            raise NotFound("an upload was removed while its archive was sent")
        for begin in range(0, len(ids), CRCS):
            some = slice(begin, begin + CRCS)
            made = await asyncio.gather(*(self._examiner.crc32(uploads[id]) for id in ids[some]))
            for index, crc32 in zip(indexes[some], made, strict=True):
                self._archive.learn(index, crc32)


def _gathered(archive: Archive, group: Sequence[Piece], data: Iterator[bytes]) -> bytes:
    """The bytes of all these pieces, where `data` has what files have of them.

    Raises:
        ConnectionAbortedError: a file is shorter than it was.
    """
    made = [next(data) if piece.part is Part.DATA else archive.bytes_of(piece) for piece in group]
    if any(len(some) != piece.length for some, piece in zip(made, group, strict=True)):
        raise ConnectionAbortedError(SHORTER)
    return b"".join(made)
