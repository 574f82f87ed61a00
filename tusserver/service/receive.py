"""Taking a body in: from wherever it comes to the end of an upload, in bounded memory, keeping every byte that arrived.

Reading and writing go on beside each other: while one batch is written in a thread, the next is gathered. What is
gathered is written as soon as the writer is free, so a sender that rests leaves nothing behind in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tusserver.protocol.checksums import NAME, Checksum, Hasher, new_hasher, parse_checksum
from tusserver.protocol.errors import BackendError
from tusserver.protocol.refusals import (
    ChecksumMismatch,
    Refusal,
    TrailerMissing,
)
from tusserver.protocol.rules import Room
from tusserver.service.sources import Ending, Source
from tusserver.stores.base import Store, Writer
from tusserver.workers import Workers

# Reading waits while this much is gathered and not yet written.
GATHER = 1 << 20
# A checksummed body up to this size is verified in memory before any of it is written.
# Every slow sender of one may hold that much, so it is small.
SMALL = 1 << 16
# From this size on it pays to have the rest of a body pulled past this process's memory.
POUR = 1 << 18
# A HEAD lets go a body whose sender has rested this many seconds: its client believes the connection dead.
RESTING = 1.0


class _Queue:
    """Batches on their way to the writer and to the hasher, at most `GATHER` bytes waiting."""

    def __init__(self, writer: Writer, hasher: Hasher | None, digests: Workers) -> None:
        self._writer, self._hasher, self._digests = writer, hasher, digests
        self._batch: list[bytes] = []
        self._waiting = 0
        self._flushing: asyncio.Task[None] | None = None

    async def put(self, data: bytes) -> None:
        """Take the next bytes; waits while too many are gathered. Raises what the writer raised."""
        self._batch.append(data)
        self._waiting += len(data)
        if self._flushing is not None and (self._flushing.done() or self._waiting >= GATHER):
            await self._flushing
            self._flushing = None
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def settle(self) -> None:
        """Return when everything taken is written. Raises what the writer raised."""
        if self._flushing is not None:
            await self._flushing
        await self._flush()

    async def _flush(self) -> None:
        while self._batch:
            batch, self._batch = self._batch, []
            self._waiting = 0
            if self._hasher is None:
                await self._writer.write(batch)
            else:
                await asyncio.gather(self._writer.write(batch), self._hash(self._hasher, batch))

    async def _hash(self, hasher: Hasher, batch: list[bytes]) -> None:
        def update() -> None:
            for data in batch:
                hasher.update(data)

        await self._digests.run(update)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a body: how much may come, what digest it must have, which numbered chunk it is."""

    room: Room
    checksum: Checksum | None = None
    has_checksum_trailer: bool = False
    is_atomic: bool = False
    chunk: int | None = None

    @property
    def is_checked(self) -> bool:
        """It counts as a whole or not at all."""
        return self.is_atomic or self.checksum is not None or self.has_checksum_trailer


@dataclass(frozen=True, slots=True)
class Outcome:
    """How taking a body in ended; where the upload stands is the writer's offset.

    Attributes:
        refusal: the body was discarded because of this.
        error: the store failed; what it stored before is kept, unless the body was to be checked.
    """

    ending: Ending
    refusal: Refusal | None = None
    error: BackendError | None = None


class Receiving:
    """One body on its way into one upload."""

    def __init__(
        self,
        source: Source,
        writer: Writer,
        wanted: Wanted,
        *,
        digests: Workers,
        mark: Callable[[], Awaitable[None]],
    ) -> None:
        """
        Args:
            digests: threads for digests, which are computed beside the writing.
            mark: writes into the record that unverified bytes follow; awaited before the first of them is written.
        """
        self._source, self._writer, self._wanted = source, writer, wanted
        self._digests, self._mark = digests, mark
        self._start = writer.offset
        self._hasher = new_hasher(wanted.checksum.algorithm) if wanted.checksum else None
        self._taken = 0

    @property
    def offset(self) -> int:
        """Bytes of the upload that are stored and count, at this moment."""
        return self._start if self._wanted.is_checked else self._writer.offset

    @property
    def rested(self) -> float:
        """Seconds since the last byte came."""
        return self._source.rested

    @property
    def is_hung_up(self) -> bool:
        """Nobody sends any more."""
        return self._source.is_hung_up

    def stop(self, why: Ending) -> None:
        """End the body now; its bytes are kept as if the connection had broken."""
        self._source.stop(why)

    def nudge(self) -> None:
        """Let go if the sender rests."""
        if self._source.rested > RESTING:
            self._source.stop(Ending.WANTED)

    async def run(self, store: Store, id: str) -> Outcome:
        """Take the body in. The writer is settled when this returns: no write is under way.

        A body that is refused, and a checked one that did not come whole, leaves nothing behind.
        """
        try:
            if self._wanted.is_checked:
                return await self._take_checked(store, id)
            return await self._take_plain()
        except BackendError as error:
            if self._wanted.is_checked:
                await self._writer.cut(self._start)
            return Outcome(self._source.ending or Ending.WHOLE, error=error)

    async def _take_plain(self) -> Outcome:
        ending = await self._pump(_Queue(self._writer, None, self._digests))
        if ending is Ending.OVERFLOW:
            await self._writer.cut(self._start)
            return Outcome(ending, self._wanted.room.refusal(self._start))
        return Outcome(ending)

    async def _pump(self, queue: _Queue) -> Ending:
        try:
            while data := await self._next():
                await queue.put(data)
                if POUR <= self._source.pourable <= self._wanted.room.size - self._taken:
                    await self._pour(queue)
        finally:
            await queue.settle()
        return self._ending()

    async def _pour(self, queue: _Queue) -> None:
        async def put(data: bytes) -> None:
            self._taken += len(data)
            await queue.put(data)
            await queue.settle()

        digest = None if self._hasher is None else self._hasher.update
        await self._source.pour(put, partial(self._writer.pull, digest=digest))

    async def _next(self) -> bytes:
        """The next bytes, b"" at the end and as soon as there are too many."""
        data = await self._source.read()
        self._taken += len(data)
        return b"" if self._taken > self._wanted.room.size else data

    def _ending(self) -> Ending:
        if self._taken > self._wanted.room.size:
            return Ending.OVERFLOW
        return self._source.ending or Ending.WHOLE

    async def _take_checked(self, store: Store, id: str) -> Outcome:
        first: list[bytes] = []
        while self._taken <= SMALL and (data := await self._next()):
            first.append(data)
        if self._taken <= min(SMALL, self._wanted.room.size):
            return await self._verify_small(first)
        if self._taken <= self._wanted.room.size:
            await self._mark()
            queue = _Queue(self._writer, self._hasher, self._digests)
            await queue.put(b"".join(first))
            await self._pump(queue)
        refusal = self._refusal() or await self._disagreement(store, id)
        if refusal is not None or self._ending() is not Ending.WHOLE:
            await self._writer.cut(self._start)
        return Outcome(self._ending(), refusal)

    async def _verify_small(self, pieces: list[bytes]) -> Outcome:
        refusal = self._refusal()
        if refusal is None and self._ending() is Ending.WHOLE:
            checksum = self._expected()
            if checksum is None or checksum.holds(_hashed(checksum, pieces)):
                await self._writer.write(pieces)
            else:
                refusal = ChecksumMismatch(checksum.algorithm, self._start)
        return Outcome(self._ending(), refusal)

    def _refusal(self) -> Refusal | None:
        """Why the body cannot count, before any digest is compared."""
        if self._ending() is Ending.OVERFLOW:
            return self._wanted.room.refusal(self._start)
        if self._ending() is not Ending.WHOLE:
            return None
        try:
            self._expected()
        except Refusal as refusal:
            return refusal
        return None

    def _expected(self) -> Checksum | None:
        """The checksum of the header or, now that the body is over, of the trailer. Raises a Refusal."""
        if not self._wanted.has_checksum_trailer:
            return self._wanted.checksum
        fields = self._source.trailer(NAME)
        if len(fields) != 1:
            raise TrailerMissing(self._start)
        return parse_checksum(fields[0])

    async def _disagreement(self, store: Store, id: str) -> Refusal | None:
        """A mismatch of what is stored and the digest; the bytes are read again where a trailer named the algorithm."""
        if self._ending() is not Ending.WHOLE:
            return None
        checksum, hasher = self._expected(), self._hasher
        if checksum is None:
            return None
        if hasher is None:
            hasher = new_hasher(checksum.algorithm)
            async for data in store.read(id, self._start, self._writer.offset):
                await self._digests.run(partial(hasher.update, data))
        return None if checksum.holds(hasher) else ChecksumMismatch(checksum.algorithm, self._start)


@dataclass(frozen=True, slots=True)
class Comparing:
    """A body that is held against what is stored up to `offset`, and stored nowhere."""

    source: Source
    offset: int

    @property
    def rested(self) -> float:
        """Seconds since the last byte came."""
        return self.source.rested

    @property
    def is_hung_up(self) -> bool:
        """Nobody sends any more."""
        return self.source.is_hung_up

    def stop(self, why: Ending) -> None:
        """End the body now."""
        self.source.stop(why)

    def nudge(self) -> None:
        """Let go if the sender rests."""
        if self.source.rested > RESTING:
            self.source.stop(Ending.WANTED)


def judge_held(data: bytes, wanted: Wanted, offset: int) -> Refusal | None:
    """Why a body that is in memory as a whole cannot count, None if it can."""
    if len(data) > wanted.room.size:
        return wanted.room.refusal(offset)
    checksum = wanted.checksum
    if checksum is None or checksum.holds(_hashed(checksum, [data])):
        return None
    return ChecksumMismatch(checksum.algorithm, offset)


def _hashed(checksum: Checksum, pieces: list[bytes]) -> Hasher:
    hasher = new_hasher(checksum.algorithm)
    for data in pieces:
        hasher.update(data)
    return hasher
