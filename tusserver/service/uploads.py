"""The one lifecycle of uploads under every door: start, chunk, complete, status, cleanup.

No door has logic of its own beyond parsing and answering.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial

from tusserver.extensions import Offer
from tusserver.lockers.base import Hold
from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.refusals import BodyCut, BodyStalled, Refusal, Stopping, TakenOver
from tusserver.protocol.requests import Append, BodyFacts, Creation
from tusserver.protocol.rules import (
    advanced,
    check_alive,
    judge_append,
    judge_creation,
    judge_download,
    judge_early,
    new_upload,
    room_of,
)
from tusserver.protocol.uploads import Kind, Upload
from tusserver.service.finals import Finals
from tusserver.service.ledger import Backends, Ledger, Policy, at
from tusserver.service.receive import Ending, Outcome, Receiving, Source, Wanted
from tusserver.stores.base import Writer
from tusserver.workers import Workers

log = logging.getLogger("tusserver.service")

# What a client hears whose body did not come whole; what of it was stored stays, unless it was to be checked.
CUT_SHORT: dict[Ending, type[Refusal]] = {
    Ending.CUT: BodyCut,
    Ending.WANTED: TakenOver,
    Ending.STALLED: BodyStalled,
    Ending.STOPPING: Stopping,
}


class UploadService:
    """The five acts on uploads. Every method raises a Refusal, or a BackendError that a backend raised."""

    def __init__(
        self,
        backends: Backends,
        offer: Offer,
        policy: Policy,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self.offer, self.policy, self.clock = offer, policy, clock
        self.ledger = Ledger(backends, policy, clock)
        self._finals = Finals(
            self.ledger,
            partial(self.status, nudge=False),
            may_be_unfinished=offer.has("concatenation-unfinished"),
        )
        self._new_id = new_id
        self._active: dict[str, Receiving] = {}
        self._digests = Workers("digest", 2)
        self.is_stopping = False

    # start

    async def start(self, creation: Creation, source: Source, owner: str | None = None) -> Upload:
        """Make an upload, with its first bytes if they come along; gives its record.

        Args:
            creation: its `parts` are ids.
            source: the body, read only where `creation.body` says that it is upload data.
        """
        judge_creation(creation, self.policy.limits)
        upload = new_upload(self._new_id(), creation, self.policy.limits, self.clock(), owner)
        if creation.kind is Kind.FINAL:
            return await self._finals.start(replace(upload, parts=creation.parts))
        await self.ledger.store.create(upload.id)
        if creation.body is not None:
            return await self._start_with_upload(upload, creation, creation.body, source)
        if upload.length == 0:
            upload = advanced(upload, 0, 0, self.policy.limits, self.clock())
        durable = self.ledger.is_durable(upload)
        if durable:
            await self.ledger.sync(upload.id, 0)
        await self.ledger.infos.create(upload, durable=durable)
        return upload

    async def _start_with_upload(self, upload: Upload, creation: Creation, body: BodyFacts, source: Source) -> Upload:
        wanted = Wanted(
            room_of(body, 0, creation.length, self.policy.limits), creation.checksum, creation.has_checksum_trailer
        )
        entry = _Entry(self.ledger, is_new=True)
        async with self.ledger.held(upload.id) as hold:
            try:
                after = await self._take(hold, upload, entry, source, wanted)
            except BaseException as error:
                # Its client was told no address. What came before a cut is kept for those who know it by name; the
                # rest would be an orphan.
                if entry.is_new or not isinstance(error, tuple(CUT_SHORT.values())):
                    await self.ledger.remove(upload)
                raise
        await self._finals.join_those_of(after)
        return after

    # chunk

    async def append(self, id: str, append: Append, source: Source) -> Upload:
        """Add bytes at the end of an upload; gives its record with the new offset.

        The present writer, if there is one, is asked to let go, but only once it is clear that this request fits.
        """
        judge_early(append, await self.ledger.load(id), self.policy.limits, self.clock())
        async with self.ledger.held(id) as hold:
            upload = await self.ledger.settled(await self.ledger.load(id))
            room = judge_append(append, upload, self.policy.limits, self.clock())
            if upload.is_complete:
                return upload
            wanted = Wanted(room, append.checksum, append.has_checksum_trailer)
            upload = await self._take(hold, upload, _Entry(self.ledger), source, wanted)
        await self._finals.join_those_of(upload)
        return upload

    async def _take(self, hold: Hold, upload: Upload, entry: _Entry, source: Source, wanted: Wanted) -> Upload:
        """Take a body in and write the record, once unless unverified bytes had to be announced."""
        writer = await self.ledger.store.append(upload.id, upload.offset)

        async def mark() -> None:
            await entry.write(replace(upload, unverified=True), durable=self.ledger.is_always_durable)

        receiving = Receiving(source, writer, wanted, digests=self._digests, mark=mark)
        self._active[upload.id] = receiving
        try:
            hold.listen(lambda: receiving.stop(Ending.WANTED), receiving.nudge)
            if self.is_stopping:
                receiving.stop(Ending.STOPPING)
            await source.accept()
            outcome = await receiving.run(self.ledger.store, upload.id)
            return await self._commit(upload, entry, writer, wanted, outcome)
        finally:
            del self._active[upload.id]
            await writer.close()

    async def _commit(self, upload: Upload, entry: _Entry, writer: Writer, wanted: Wanted, outcome: Outcome) -> Upload:
        """Write what has become of the upload, then raise if its body was not taken as a whole."""
        is_kept = outcome.refusal is None and (outcome.ending is Ending.WHOLE or not wanted.is_checked)
        length = wanted.room.length if is_kept and outcome.error is None else upload.length
        after = advanced(upload, writer.offset, length, self.policy.limits, self.clock())
        durable = self.ledger.is_durable(after)
        if durable:
            await writer.sync()
        if outcome.refusal is None or not entry.is_new:
            await entry.write(after, durable=durable)
        if outcome.error is not None:
            raise outcome.error
        if outcome.refusal is not None:
            raise outcome.refusal
        if outcome.ending in CUT_SHORT and not after.is_complete:
            raise CUT_SHORT[outcome.ending](
                f"{after.offset} bytes are stored; continue there",
                headers={"Upload-Offset": str(after.offset)},
                offset=after.offset,
            )
        return after

    # status

    async def status(self, id: str, *, nudge: bool = True) -> Upload:
        """The record as it stands at this moment. Waits for no writer.

        Args:
            nudge: ask a writer whose sender rests to let go; for the client that uploads, not for those who look on.
        """
        upload = await self.ledger.load(id)
        receiving = self._active.get(id)
        if receiving is not None:
            if nudge:
                receiving.nudge()
            return await self._completed(upload) if receiving.offset == upload.length else at(upload, receiving.offset)
        check_alive(upload, self.clock())
        if upload.is_complete:
            return upload
        if upload.kind is Kind.FINAL:
            return await self._finals.with_length(upload)
        if nudge:
            self.ledger.locker.nudge(id)
        offset = await self.ledger.stored(upload)
        return await self._completed(upload) if offset == upload.length else at(upload, offset)

    async def _completed(self, upload: Upload) -> Upload:
        """Finish an upload that has its last byte and did not say so yet.

        The whole offset is a promise, told only once the record is written: whoever is about to write it does so now,
        and where its process died it is done here.
        """
        async with self.ledger.held(upload.id):
            return await self.ledger.settled(await self.ledger.load(upload.id))

    async def download(self, id: str) -> Upload:
        """The record of an upload whose bytes may be read."""
        upload = await self.ledger.load(id)
        judge_download(upload, self.clock())
        return upload

    # cleanup

    async def terminate(self, id: str) -> int:
        """Remove an upload, complete or not, and stop whoever is writing it; gives the bytes freed."""
        check_alive(await self.ledger.load(id), self.clock())
        async with self.ledger.held(id):
            return await self.ledger.remove(await self.ledger.load(id))

    @asynccontextmanager
    async def held_for_cleanup(self, id: str) -> AsyncIterator[Upload | None]:
        """Hold the lock of an upload that nobody uses; gives its record, None if it has none. Raises Busy."""
        async with self.ledger.held(id, take_over=False):
            try:
                upload = await self.ledger.infos.load(id)
            except NotFound:
                upload = None
            yield upload

    async def recover(self, upload: Upload) -> bool:
        """Make an unfinished record agree with its bytes after a crash; True if it did not agree.

        An upload that somebody holds is left to them.
        """
        try:
            if upload.kind is Kind.FINAL:
                return (await self._finals.join(upload)).is_complete
            offset = await self.ledger.stored(upload)
            if offset == upload.offset and offset != upload.length and not upload.unverified:
                return False
            async with self.ledger.held(upload.id, take_over=False):
                after = await self.ledger.settled(await self.ledger.load(upload.id))
            await self._finals.join_those_of(after)
        except Refusal as refusal:
            log.debug("%s is left as it is: %s", upload.id, refusal)
            return False
        except BackendError as error:
            # The others go on: a disk without room for one is not to keep a server from starting.
            log.warning("%s is left as it is: %s", upload.id, error)
            return False
        return True

    # stopping

    def end_stalled(self, timeout: float) -> None:
        """End the bodies that brought no byte for `timeout` seconds."""
        for receiving in self._active.values():
            if receiving.rested > timeout:
                receiving.stop(Ending.STALLED)

    def stop_receiving(self) -> None:
        """Cut every running body at what has arrived, and every later one at once."""
        self.is_stopping = True
        for receiving in self._active.values():
            receiving.stop(Ending.STOPPING)

    async def close(self) -> None:
        """Release the threads."""
        await self._digests.close()


class _Entry:
    """The record of one upload, made with the first write of a new one."""

    def __init__(self, ledger: Ledger, *, is_new: bool = False) -> None:
        self._infos = ledger.infos
        self.is_new = is_new

    async def write(self, upload: Upload, *, durable: bool) -> None:
        if self.is_new:
            await self._infos.create(upload, durable=durable)
            self.is_new = False
        else:
            await self._infos.save(upload, durable=durable)
