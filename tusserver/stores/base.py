"""What a store of bytes promises. Every store passes `tests/contracts/store.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

Buffer = bytes | bytearray | memoryview
Digest = Callable[[Buffer], object]


class Flow(Enum):
    """How `Writer.pull` left the socket."""

    MORE = auto()  # there may be more at once
    RESTING = auto()  # nothing waits at this moment
    ENDED = auto()  # nothing will come: the sender is done, or the connection broke


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds of one id, as `Store.scan` tells it: bytes, and when they last changed (aware UTC)."""

    id: str
    size: int
    modified_at: datetime


class Writer(Protocol):
    """One upload open for appending. The caller holds the upload's lock; calls never overlap.

    `offset` is where the next byte goes, and is the truth also after an error: bytes below it are stored and
    survive a kill of the process from the moment `write` returned or raised.
    Cancelled: a call first ends what it has begun (a write keeps all of its bytes), then raises CancelledError. So when
    `close` has returned no byte is written any more, and the lock can be let go.
    Closed: every call but `close` raises ValueError.
    """

    @property
    def offset(self) -> int:
        """Bytes stored so far."""
        ...

    async def write(self, buffers: Sequence[Buffer]) -> None:
        """Append the buffers in their order. The event loop is never blocked.

        Raises:
            OutOfSpace: full; `offset` counts what still went in.
            Unavailable: the device failed.
        """
        ...

    async def cut(self, offset: int) -> None:
        """Drop every byte from `offset` on. Raises ValueError if that is past the present offset."""
        ...

    async def sync(self) -> None:
        """Return when every byte below `offset`, and the entry that leads to them, survives a power cut.

        Raises:
            OutOfSpace, Unavailable: they do not. Bytes that may be lost are dropped, and `offset` tells what is left.
        """
        ...

    async def close(self) -> None:
        """Release the descriptor, after a call that is still under way. May be called twice."""
        ...

    async def pull(self, source: int, count: int, took: Callable[[int], None], digest: Digest | None = None) -> Flow:
        """Append what waits in a socket, at most `count` bytes of it, the shortest way this store knows.

        Fair: it moves some megabytes at most, and keeps no thread while nothing comes; the caller asks again.

        Args:
            source: descriptor of a non-blocking stream socket that nobody else reads.
            took: told, in any thread, of bytes that left the socket; more than were stored if this raises.
            digest: given each piece in its order, one at a time in some thread; over when this returns.
        Raises:
            OutOfSpace, Unavailable: as `write`; what left the socket and was not stored is lost.
        """
        ...


class Store(Protocol):
    """Bytes by upload id. Ids are trusted to match `[A-Za-z0-9_-]{22}`: callers check them first.

    Missing: every method but `create`, `delete` and `scan` raises NotFound for an id that was never created.
    Concurrency: reading never waits for writing; two writers of one id are the caller's error (locks prevent it).
    Crash: after a kill a stored upload has the bytes of every finished `write`, perhaps a prefix of one under way.
    """

    async def open(self) -> None:
        """Make ready, once, before anything else. Raises Unavailable with one clear sentence."""
        ...

    async def close(self) -> None:
        """Release threads and descriptors."""
        ...

    async def create(self, id: str) -> None:
        """Make an empty upload. Raises Conflict if the id exists, OutOfSpace, Unavailable."""
        ...

    async def append(self, id: str, offset: int) -> Writer:
        """Open for appending at `offset`; bytes stored behind it are dropped first.

        Raises:
            Conflict: fewer than `offset` bytes are stored.
        """
        ...

    async def add(self, id: str, offset: int, data: bytes, *, is_new: bool = False) -> None:
        """What `append`, one `write` and `close` do, in one step; for data that is here as a whole.

        Args:
            is_new: with `create` before it; `offset` is 0.
        Raises:
            Conflict: as `append`, or `create`.
            OutOfSpace, Unavailable: nothing of it is stored, or an upload that is new not made.
        Cancelled: it is stored all the same.
        """
        ...

    async def size(self, id: str) -> int:
        """Bytes stored at this moment, also while a writer is at work."""
        ...

    def read(self, id: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but not including `end`, in pieces of at most 1 MiB; ends early where the stored
        bytes end. Raises NotFound at the first step; a deletion after that changes nothing."""
        ...

    async def read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """The bytes of several uploads, each from a start up to an end, fewer where its stored bytes end before.

        For many small ones, which cost a fraction of what they would alone; all are in memory at once. Raises NotFound
        if one is missing."""
        ...

    async def file(self, id: str) -> Path | None:
        """Where the bytes lie as one ordinary file, for sendfile; None if this store has no such file."""
        ...

    async def concatenate(self, parts: Sequence[str], into: str) -> int:
        """Replace the bytes of `into`, which was created, by those of `parts` in their order. Gives their number.

        Repeatable: after a crash in the middle the same call gives the same bytes. The parts are only read.
        Not synced: `append` at the end and `Writer.sync` do that.

        Raises:
            NotFound: a part or `into` is missing; nothing has changed.
            OutOfSpace: `into` is empty again.
            Conflict: `into` is one of the parts, or a part was cut meanwhile.
        """
        ...

    async def delete(self, id: str) -> int:
        """Remove the upload and give the bytes freed; 0 if it was not there. Works on a full disk."""
        ...

    def scan(self) -> AsyncIterator[Stored]:
        """Everything stored, in no order; for finding bytes that no record knows."""
        ...

    async def free(self) -> int | None:
        """Bytes that can still be stored, None if nobody knows."""
        ...
