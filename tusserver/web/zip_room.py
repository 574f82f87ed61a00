"""The memory and the threads that all archives made in memory share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tusserver.protocol.refusals import Refusal
from tusserver.workers import Workers


class ZipBusy(Refusal):
    """Other archives have the memory that is set aside for them."""

    status, code, title = 503, "zip-busy", "Too many archives are made at the moment"

    def __init__(self) -> None:
        super().__init__("the memory for archives is in use; try again in a moment", headers={"Retry-After": "2"})


class Zipping:
    """What all requests share: the memory set aside for them, and the threads that compress.

    Args:
        max_size: bytes of all files of one request.
        memory: bytes of all requests at once. One alone is always taken.
    """

    def __init__(self, max_size: int, memory: int) -> None:
        self.max_size = max_size
        self._memory = memory
        self._used = 0
        # The others answer requests.
        self.threads = Workers("zip", max(1, len(os.sched_getaffinity(0)) // 2))

    @contextmanager
    def room(self, size: int) -> Iterator[Room]:
        """In the block so many bytes are this request's, and those that `Room.take` adds.

        All at once before the first is read: of many requests that get a little each, none would ever get enough.

        Raises:
            ZipBusy: status 503.
        """
        room = Room(self)
        try:
            room.take(size)
            yield room
        finally:
            self._used -= room.size

    def take(self, size: int, *, beside: int) -> None:
        """Set bytes aside for a request that has `beside` already. Raises ZipBusy."""
        if self._used > beside and self._used + size > self._memory:
            raise ZipBusy
        self._used += size

    async def close(self) -> None:
        """Let go of the threads."""
        await self.threads.close()


@dataclass(slots=True)
class Room:
    """Memory of one request, in bytes."""

    zipping: Zipping
    size: int = 0

    def take(self, size: int) -> None:
        """Have more of it. Raises ZipBusy."""
        self.zipping.take(size, beside=self.size)
        self.size += size
