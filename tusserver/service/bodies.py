"""The bodies that are being taken in, each into one upload whose lock is held, and the record that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tusserver.lockers.base import Hold
from tusserver.protocol.content import check_content
from tusserver.protocol.errors import BackendError
from tusserver.protocol.refusals import ContentTypeMismatch
from tusserver.protocol.rules import advanced
from tusserver.protocol.signatures import ENOUGH
from tusserver.protocol.uploads import Chunk, Upload
from tusserver.service.ledger import Ledger
from tusserver.service.receive import SMALL, Comparing, Outcome, Receiving, Wanted, judge_held
from tusserver.service.sources import Ending, HeldBody, LookedAt, Pull, Put, Source, check_came_whole
from tusserver.workers import Workers

# Seconds that a HEAD waits for bytes which arrived before their sender hung up: a client that comes back sends the
# fewer again. A disk that is slower than this must not keep it.
MOMENT = 1.0


class Entry:
    """The record of one upload, made with the first write of a new one."""

    def __init__(self, ledger: Ledger, *, is_new: bool = False) -> None:
        self._ledger = ledger
        self.is_new = is_new

    async def write(self, upload: Upload, *, durable: bool) -> None:
        if self.is_new:
            await self._ledger.create(upload, durable=durable)
            self.is_new = False
        else:
            await self._ledger.save(upload, durable=durable)


class Watched(LookedAt):
    """A body that ends as soon as the first bytes of its upload are found to be those of something else: what cannot be
    kept is not waited for. That it is so is judged again by what is stored."""

    def __init__(self, source: Source, head: bytes, content_type: str | None, lists: Sequence[Sequence[str]]) -> None:
        super().__init__(source)
        self._head = head
        self._content_type, self._lists = content_type, lists

    async def read(self) -> bytes:
        """What has arrived."""
        data = await super().read()
        if len(self._head) < ENOUGH:
            self._head += data[: ENOUGH - len(self._head)]
            if len(self._head) == ENOUGH and self._is_foreign():
                self._source.stop(Ending.FOREIGN)
        return data

    def _is_foreign(self) -> bool:
        try:
            for types in self._lists:
                check_content(self._content_type, self._head, types)
        except ContentTypeMismatch:
            return True
        return False

    @property
    def pourable(self) -> int:
        """None before the first bytes were seen."""
        return self._source.pourable if len(self._head) >= ENOUGH else 0

    async def pour(self, put: Put, pull: Pull) -> None:
        """As the body."""
        await self._source.pour(put, pull)

    @property
    def is_hung_up(self) -> bool:
        """As of the body."""
        return self._source.is_hung_up


@dataclass(frozen=True, slots=True)
class Placed:
    """Bytes of an upload that are stored: how many, and how they are made to survive a power cut."""

    offset: int
    sync: Callable[[], Awaitable[None]]


class Bodies:
    """All of one service."""

    def __init__(self, ledger: Ledger, digests: Workers) -> None:
        self._ledger, self._digests = ledger, digests
        self._active: dict[str, Receiving | Comparing] = {}
        self._awaited: dict[str, asyncio.Future[None]] = {}
        self.is_stopping = False

    @property
    def is_any(self) -> bool:
        """A body is being taken in."""
        return bool(self._active)

    def of(self, id: str) -> Receiving | Comparing | None:
        """The body that is on its way into an upload."""
        return self._active.get(id)

    @contextmanager
    def listening(self, hold: Hold, id: str, active: Receiving | Comparing) -> Iterator[None]:
        """In the block the body can be ended by those who want the upload, and with the server."""
        self._active[id] = active
        try:
            hold.listen(lambda: active.stop(Ending.WANTED), active.nudge)
            if self.is_stopping:
                active.stop(Ending.STOPPING)
            yield
        finally:
            del self._active[id]
            if (awaited := self._awaited.pop(id, None)) is not None:
                awaited.set_result(None)

    async def has_ended(self, id: str) -> bool:
        """The body of a sender who is gone has ended, and what had arrived is in the record; waits a moment for it."""
        if not self._active[id].is_hung_up:
            return False
        awaited = self._awaited.setdefault(id, asyncio.get_running_loop().create_future())
        await asyncio.wait((awaited,), timeout=MOMENT)
        return awaited.done()

    async def take(self, hold: Hold | None, upload: Upload, entry: Entry, source: Source, wanted: Wanted) -> Upload:
        """Take a body in and write the record, once unless unverified bytes had to be announced.

        Args:
            hold: the lock of the upload, None where that has no place in the store yet; then the body is small and has
                come.
        """
        held = None if wanted.has_checksum_trailer else source.held()
        if held is not None and (len(held) <= SMALL or hold is None):
            return await self._place(upload, entry, held, wanted, is_made=hold is not None)
        assert hold is not None
        source = source if held is None else HeldBody(held)
        # What has a digest is judged once that holds: a byte that fell over on the way is sent again and fails nothing.
        lists = [] if wanted.is_checked or upload.offset >= ENOUGH else self._ledger.checks.types_of(upload)
        if lists:
            source = Watched(source, await self._ledger.checks.head(upload), upload.content_type, lists)
        writer = await self._ledger.store.append(upload.id, upload.offset)

        async def mark() -> None:
            await entry.write(replace(upload, unverified=True), durable=self._ledger.is_always_durable)

        receiving = Receiving(source, writer, wanted, digests=self._digests, mark=mark)
        try:
            with self.listening(hold, upload.id, receiving):
                await source.accept()
                outcome = await receiving.run(self._ledger.store, upload.id)
                return await self._commit(upload, entry, Placed(writer.offset, writer.sync), wanted, outcome)
        finally:
            await writer.close()

    async def _place(self, upload: Upload, entry: Entry, data: bytes, wanted: Wanted, *, is_made: bool) -> Upload:
        """Take in a body that has come whole: in one call of the store, and there is nobody to wait for or to end.

        Args:
            is_made: the upload has its place in the store.
        """
        store, start = self._ledger.store, upload.offset
        refusal = judge_held(data, wanted, start)
        error: BackendError | None = None
        end = start
        if refusal is None and (data or not is_made):
            try:
                await store.add(upload.id, start, data, is_new=not is_made)
                end = start + len(data)
            except BackendError as failure:
                if entry.is_new:
                    raise
                error = failure
        placed = Placed(end, lambda: self._ledger.sync(upload.id, end))
        return await self._commit(upload, entry, placed, wanted, Outcome(Ending.WHOLE, refusal, error))

    async def _commit(self, upload: Upload, entry: Entry, placed: Placed, wanted: Wanted, outcome: Outcome) -> Upload:
        """Write what has become of the upload, then raise if its body was not taken as a whole."""
        is_kept = outcome.refusal is None and (outcome.ending is Ending.WHOLE or not wanted.is_checked)
        length = wanted.room.length if is_kept and outcome.error is None else upload.length
        after = advanced(upload, placed.offset, length, self._ledger.policy.limits, self._ledger.clock())
        if wanted.chunk is not None and is_kept and outcome.error is None:
            after = replace(after, last_chunk=Chunk(wanted.chunk, upload.offset, after.offset))
        if after.is_complete or upload.offset < ENOUGH <= after.offset:
            await self._ledger.check_type(after)
        after = self._ledger.before_scan(after)
        await self._ledger.check_whole(after)
        durable = self._ledger.is_durable(after)
        if durable:
            await placed.sync()
        if outcome.refusal is None or not entry.is_new:
            await entry.write(after, durable=durable)
        if after.is_withheld:
            self._ledger.scans.begin(after)
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            raise outcome.refusal
        if after.offset != after.length:
            check_came_whole(outcome.ending, after)
        return after

    def end_stalled(self, timeout: float) -> None:
        """End the bodies that brought no byte for `timeout` seconds."""
        for receiving in self._active.values():
            if receiving.rested > timeout:
                receiving.stop(Ending.STALLED)

    def stop(self) -> None:
        """Cut every running body at what has arrived, and every later one at once."""
        self.is_stopping = True
        for receiving in self._active.values():
            receiving.stop(Ending.STOPPING)
