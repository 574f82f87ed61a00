"""Bytes in memory: for tests, and a server that is to forget everything."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace
from tusserver.stores.base import Buffer, Digest, Flow, Store, Stored, Writer

PIECE = 1024 * 1024


class _File:
    __slots__ = ("data", "modified_at")

    def __init__(self, modified_at: datetime) -> None:
        self.data = bytearray()
        self.modified_at = modified_at


class MemoryStore:
    """A store that ends with its process. `capacity` bytes fit in, any number if it is None; it may be changed."""

    def __init__(self, *, capacity: int | None = None, clock: Callable[[], datetime] | None = None) -> None:
        self.capacity = capacity
        self._now = clock or (lambda: datetime.now(UTC))
        self._files: dict[str, _File] = {}

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        self._files.clear()

    async def create(self, id: str) -> None:
        if id in self._files:
            raise Conflict("there is such an upload already")
        self._files[id] = _File(self._now())

    async def append(self, id: str, offset: int) -> Writer:
        file = self._file(id)
        if len(file.data) < offset:
            raise Conflict(f"{len(file.data)} bytes are stored, not {offset}")
        del file.data[offset:]
        return MemoryWriter(self, file)

    async def add(self, id: str, offset: int, data: bytes, *, is_new: bool = False) -> None:
        if self.room(len(data)) < len(data):
            raise OutOfSpace("the memory set aside is full")
        if is_new:
            await self.create(id)
        writer = await self.append(id, offset)
        await writer.write([data])

    async def size(self, id: str) -> int:
        return len(self._file(id).data)

    async def read(self, id: str, start: int, end: int) -> AsyncIterator[bytes]:
        data = self._file(id).data
        for at in range(start, min(end, len(data)), PIECE):
            yield bytes(data[at : min(at + PIECE, end)])

    async def read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes]:
        return [bytes(self._file(id).data[start:end]) for id, start, end in wanted]

    async def file(self, id: str) -> Path | None:
        self._file(id)
        return None

    async def concatenate(self, parts: Sequence[str], into: str) -> int:
        if into in parts:
            raise Conflict("an upload cannot be a part of itself")
        target = self._file(into)
        whole = b"".join(self._file(part).data for part in parts)
        target.data.clear()
        if self.room(len(whole)) < len(whole):
            raise OutOfSpace("the memory set aside is full")
        target.data.extend(whole)
        self.touch(target)
        return len(whole)

    async def delete(self, id: str) -> int:
        file = self._files.pop(id, None)
        return 0 if file is None else len(file.data)

    async def scan(self) -> AsyncIterator[Stored]:
        for id, file in list(self._files.items()):
            yield Stored(id, len(file.data), file.modified_at)

    async def free(self) -> int | None:
        return None if self.capacity is None else self.room(self.capacity)

    def room(self, wanted: int) -> int:
        """How many of `wanted` more bytes fit in."""
        if self.capacity is None:
            return wanted
        return min(wanted, max(0, self.capacity - sum(len(file.data) for file in self._files.values())))

    def touch(self, file: _File) -> None:
        """A file was changed."""
        file.modified_at = self._now()

    def _file(self, id: str) -> _File:
        try:
            return self._files[id]
        except KeyError:
            raise NotFound("there is no such upload") from None


class MemoryWriter:
    """Appends to a file in memory."""

    def __init__(self, store: MemoryStore, file: _File) -> None:
        self._store, self._file = store, file
        self._is_closed = False

    @property
    def offset(self) -> int:
        return len(self._file.data)

    async def write(self, buffers: Sequence[Buffer]) -> None:
        self._check_open()
        for buffer in buffers:
            view = memoryview(buffer).cast("B")
            fitting = self._store.room(view.nbytes)
            self._file.data += view[:fitting]
            self._store.touch(self._file)
            if fitting < view.nbytes:
                raise OutOfSpace("the memory set aside is full")

    async def cut(self, offset: int) -> None:
        self._check_open()
        if not 0 <= offset <= self.offset:
            raise ValueError(f"cannot cut at {offset}: {self.offset} bytes are stored")
        del self._file.data[offset:]
        self._store.touch(self._file)

    async def sync(self) -> None:
        self._check_open()

    async def close(self) -> None:
        self._is_closed = True

    async def pull(self, source: int, count: int, took: Callable[[int], None], digest: Digest | None = None) -> Flow:
        self._check_open()
        try:
            data = os.read(source, min(count, PIECE))
        except BlockingIOError:
            return Flow.RESTING
        except ConnectionError:
            return Flow.ENDED
        if not data:
            return Flow.ENDED
        took(len(data))
        if digest is not None:
            digest(data)
        await self.write([data])
        return Flow.MORE

    def _check_open(self) -> None:
        if self._is_closed:
            raise ValueError("the writer is closed")


_store: type[Store] = MemoryStore
_writer: type[Writer] = MemoryWriter
