"""The one lifecycle of uploads under every door: start, chunk, complete, status, cleanup.

No door has logic of its own beyond parsing and answering.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from tusserver.extensions import Offer
from tusserver.infos.base import Latest
from tusserver.lockers.base import Hold
from tusserver.protocol.access import Caller, judge_look, judge_read, judge_removal, judge_write
from tusserver.protocol.checksums import Checksum
from tusserver.protocol.chunks import ChunkOutOfOrder, Numbered, Placement, check_order, judge_chunk, next_index
from tusserver.protocol.content import check_content, check_type
from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.refusals import Refusal, UploadIncomplete, UploadNotFound
from tusserver.protocol.requests import Append, Creation
from tusserver.protocol.rules import (
    Grant,
    Limits,
    Room,
    advanced,
    check_alive,
    check_usable,
    judge_append,
    judge_creation,
    judge_download,
    judge_early,
    narrowed,
    new_upload,
    room_of,
)
from tusserver.protocol.uploads import Kind, Upload
from tusserver.protocol.withheld import is_resent
from tusserver.service.bodies import Bodies, Entry
from tusserver.service.finals import Finals
from tusserver.service.ledger import Backends, Ledger, Policy, at
from tusserver.service.receive import SMALL, Comparing, Wanted
from tusserver.service.sources import CUT_SHORT, HeldBody, Source, check_came_whole
from tusserver.workers import Workers

log = logging.getLogger("tusserver.service")


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
        self._digests = Workers("digest", 2)
        self.ledger = Ledger(backends, policy, clock, self._digests)
        self._finals = Finals(
            self.ledger, partial(self._status, nudge=False), may_be_unfinished=offer.has("concatenation-unfinished")
        )
        self.ledger.follow = self._follow
        self._new_id = new_id
        self._bodies = Bodies(self.ledger, self._digests)

    # start

    async def start(self, creation: Creation, source: Source, grant: Grant, *, latest: Latest | None = None) -> Upload:
        """Make an upload, with its first bytes if they come along; gives its record.

        Args:
            creation: its `parts` are ids.
            source: the body, read only where `creation.body` says that it is upload data.
            latest: of an upload without a body: only if this is so, else NameTaken.
        """
        limits = narrowed(self.policy.limits, grant.max_size)
        judge_creation(creation, limits)
        upload = new_upload(self._new_id(), creation, limits, self.clock(), grant)
        for types in (self.policy.types, grant.types):
            check_type(upload.content_type, types)
            if creation.length == 0 and creation.kind is Kind.REGULAR:
                check_content(upload.content_type, b"", types)
        if creation.kind is Kind.FINAL:
            return await self._looked_at(await self._finals.start(replace(upload, parts=creation.parts)))
        if creation.body is not None:
            room = room_of(creation.body, 0, creation.length, limits)
            return await self._start_with_upload(upload, creation, room, limits, source)
        await self.ledger.store.create(upload.id)
        if upload.length == 0 and upload.checksum is None:
            upload = advanced(upload, 0, 0, self.policy.limits, self.clock())
        durable = self.ledger.is_durable(upload)
        if durable:
            await self.ledger.sync(upload.id, 0)
        await self.ledger.enter(upload, durable=durable, limits=limits, latest=latest)
        if upload.length == 0 and not upload.is_complete:
            upload = await self._completed(upload)
        return upload

    async def _start_with_upload(
        self, upload: Upload, creation: Creation, room: Room, limits: Limits, source: Source
    ) -> Upload:
        wanted = Wanted(room, creation.checksum, creation.has_checksum_trailer)
        # Where uploads are counted, the place is taken before the first byte; else one record is enough.
        is_counted = self.policy.quota is not None or upload.link is not None
        entry = Entry(self.ledger, is_new=not is_counted)
        held = None if is_counted or wanted.has_checksum_trailer else source.held()
        source = source if held is None else HeldBody(held)
        is_small = held is not None and len(held) <= SMALL
        if not is_small:
            await self.ledger.store.create(upload.id)
        if is_counted:
            await self.ledger.enter(upload, durable=False, limits=limits)
        # A body that is here needs no lock either: nobody knows the upload before it is stored.
        async with self.ledger.unknown(upload.id) if is_small else self.ledger.held(upload.id) as hold:
            try:
                after = await self._bodies.take(hold, upload, entry, source, wanted)
            except BaseException as error:
                # Its client was told no address. What came before a cut is kept for those who know it by name; the
                # rest would be an orphan.
                if entry.is_new or not isinstance(error, tuple(CUT_SHORT.values())):
                    await self.ledger.remove(upload)
                raise
        try:
            return await self._looked_at(after)
        except Refusal:
            with suppress(UploadNotFound):
                async with self.ledger.held(upload.id):
                    await self.ledger.remove(await self.ledger.load(upload.id))
            raise

    async def _looked_at(self, upload: Upload, patience: float | None = None) -> Upload:
        """The upload once it is known what becomes of it, if it has every byte; as it is after `patience` seconds."""
        return await self.ledger.scans.outcome(upload, patience) if upload.is_withheld else upload

    # chunk

    async def append(self, id: str, append: Append, source: Source, caller: Caller) -> Upload:
        """Add bytes at the end of an upload; gives its record with the new offset.

        The present writer, if there is one, is asked to let go, but only once it is clear that this request fits.
        """

        async def may_ask() -> None:
            upload = await self.ledger.load(id)
            judge_write(caller, upload)
            limits = await self.ledger.limits_of(upload)
            if not is_resent(append, upload, limits):
                judge_early(append, upload, limits, self.clock())

        async with self.ledger.held(id, may_ask=may_ask) as hold:
            upload = await self.ledger.load(id)
            judge_write(caller, upload)
            limits = await self.ledger.limits_of(upload)
            if not is_resent(append, upload, limits):
                upload = await self.ledger.settled(upload, hold)
                room = judge_append(append, upload, limits, self.clock())
                if upload.is_complete:
                    return upload
                upload = await self._bodies.take(hold, upload, Entry(self.ledger), source, _wanted(append, room))
        return await self._looked_at(upload)

    async def append_chunk(self, id: str, chunk: Numbered, append: Append, source: Source, caller: Caller) -> Upload:
        """Add the next numbered chunk, whole or not at all; the last one again changes nothing.

        Args:
            append: its offset is not looked at, that of `chunk` is, where it is told.
        Raises:
            ChunkOutOfOrder, OffsetMoved, ChunkMisplaced: status 409.
        """
        upload = await self.ledger.load(id)
        judge_write(caller, upload)
        # A client that sends several chunks side by side must not cut off the one whose turn it is.
        check_order(chunk, upload)
        async with self.ledger.held(id) as hold:
            upload = await self.ledger.settled(await self.ledger.load(id), hold)
            check_usable(upload, self.clock())
            if judge_chunk(chunk, upload) is Placement.COMPARE:
                return await self._compare(hold, upload, chunk, source)
            index = next_index(upload) if chunk.index is None else chunk.index
            append = replace(append, offset=upload.offset, is_atomic=True, chunk=index)
            room = judge_append(append, upload, await self.ledger.limits_of(upload), self.clock())
            if upload.is_complete:
                return upload
            upload = await self._bodies.take(hold, upload, Entry(self.ledger), source, _wanted(append, room))
        return await self._looked_at(upload)

    async def _compare(self, hold: Hold, upload: Upload, chunk: Numbered, source: Source) -> Upload:
        """The upload as it is, if the body has the bytes of its last chunk."""
        with self._bodies.listening(hold, upload.id, Comparing(source, upload.offset)):
            last = upload.last_chunk
            if last is not None and await self.ledger.checks.has(upload.id, last.start, last.end, source):
                return upload
        check_came_whole(source.ending, upload)
        raise ChunkOutOfOrder(chunk.index or 0, upload)

    # complete

    async def complete(self, id: str, caller: Caller, checksum: Checksum | None = None) -> Upload:
        """Say that every byte has come; gives the record, the same when said again.

        Args:
            checksum: what the whole must come to.
        Raises:
            UploadIncomplete: status 409, bytes are missing.
            DigestMismatch: status 422; the upload has failed and cannot be downloaded.
        """
        judge_write(caller, await self.ledger.load(id))
        async with self.ledger.held(id) as hold:
            upload = await self.ledger.settled(await self.ledger.load(id), hold)
            check_usable(upload, self.clock())
            is_open_ended = upload.length is None and upload.kind is not Kind.FINAL
            if upload.offset != upload.length and not is_open_ended:
                raise UploadIncomplete(upload.offset, upload.length)
            if checksum is not None:
                await self.ledger.check_digest(upload, checksum)
            was_complete = upload.is_complete
            if not was_complete:
                upload = await self.ledger.finish(upload, upload.offset)
        if was_complete:
            await self._follow(upload)  # again: a crash behind the record may have kept it from being done
        return await self._looked_at(upload)

    async def _follow(self, upload: Upload) -> None:
        """What follows a completion: final uploads that waited are joined, what is overwritten goes."""
        await self._finals.join_those_of(upload)
        await self.ledger.replace_others(upload)

    # status

    async def status(self, id: str, caller: Caller, *, nudge: bool = True) -> Upload:
        """The record as it stands at this moment. Waits for no writer.

        Args:
            nudge: a client seems to be back, and wants to go on: a writer whose sender rests is asked to let go, and
                what becomes of an upload that has every byte is waited for, as long as for a lock.
        """
        upload = await self._status(id, nudge=nudge)
        judge_look(caller, upload)
        return await self._looked_at(upload, self.policy.lock_timeout) if nudge else upload

    async def _status(self, id: str, *, nudge: bool = True) -> Upload:
        upload = await self.ledger.load(id)
        receiving = self._bodies.of(id)
        if receiving is not None and not upload.is_complete:
            if await self._bodies.has_ended(id):
                return await self._status(id, nudge=nudge)
            if nudge:
                receiving.nudge()
            return await self._completed(upload) if receiving.offset == upload.length else at(upload, receiving.offset)
        check_usable(upload, self.clock())
        if upload.is_complete or upload.is_withheld:
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
        async with self.ledger.held(upload.id) as hold:
            return await self.ledger.settled(await self.ledger.load(upload.id), hold)

    async def download(self, id: str, caller: Caller) -> Upload:
        """The record of an upload whose bytes may be read."""
        upload = await self.ledger.load(id)
        judge_read(caller, upload)
        judge_download(upload, self.clock())
        return upload

    # cleanup

    async def terminate(self, id: str, caller: Caller) -> int:
        """Remove an upload, complete or not, and stop whoever is writing it; gives the bytes freed."""
        upload = await self.ledger.load(id)
        judge_removal(caller, upload)
        check_alive(upload, self.clock())
        async with self.ledger.held(id):
            upload = await self.ledger.load(id)
            judge_removal(caller, upload)  # it may have been finished meanwhile
            return await self.ledger.remove(upload)

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
            if upload.kind is Kind.FINAL and not upload.is_withheld:
                return (await self._finals.join(upload)).is_complete
            offset = await self.ledger.stored(upload)
            if offset == upload.offset and offset != upload.length and not upload.unverified:
                return False
            async with self.ledger.held(upload.id, take_over=False) as hold:
                after = await self.ledger.settled(await self.ledger.load(upload.id), hold)
        except Refusal as refusal:
            log.debug("%s is left as it is: %s", upload.id, refusal)
            return False
        except BackendError as error:
            # The others go on: a disk without room for one is not to keep a server from starting.
            log.warning("%s is left as it is: %s", upload.id, error)
            return False
        return after != upload

    # running bodies

    @property
    def is_receiving(self) -> bool:
        """A body is being taken in."""
        return self._bodies.is_any

    @property
    def is_stopping(self) -> bool:
        """No body is taken any more."""
        return self._bodies.is_stopping

    def end_stalled(self, timeout: float) -> None:
        """End the bodies that brought no byte for `timeout` seconds."""
        self._bodies.end_stalled(timeout)

    def stop_receiving(self) -> None:
        """Cut every running body at what has arrived, and every later one at once."""
        self._bodies.stop()

    async def close(self) -> None:
        """Release the threads, and end what goes on beside the requests."""
        await self.ledger.scans.close()
        await self._digests.close()


def _wanted(append: Append, room: Room) -> Wanted:
    return Wanted(room, append.checksum, append.has_checksum_trailer, append.is_atomic, append.chunk)
