"""Records and bytes kept in agreement, under the lock of their upload.

The record says what a client was told; for the offset of an unfinished upload the stored bytes are the truth, so a
record that a crash left behind is put right when it is met.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tusserver.infos.base import Infos
from tusserver.lockers.base import Hold, Locker
from tusserver.protocol.durability import Durability
from tusserver.protocol.errors import Held, NotFound, OutOfSpace
from tusserver.protocol.refusals import Busy, UploadNotFound
from tusserver.protocol.rules import Limits, advanced
from tusserver.protocol.uploads import Kind, State, Upload
from tusserver.stores.base import Store


@dataclass(frozen=True, slots=True)
class Backends:
    """Where bytes, records and locks live."""

    store: Store
    infos: Infos
    locker: Locker


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator chose; `lock_timeout` in seconds."""

    limits: Limits = field(default_factory=Limits)
    durability: Durability = Durability.COMPLETE
    lock_timeout: float = 5.0


class Ledger:
    """The backends, spoken to in the words of the protocol: what is missing is an UploadNotFound, a lock that is not
    let go a Busy. Other BackendErrors pass through."""

    def __init__(self, backends: Backends, policy: Policy, clock: Callable[[], datetime]) -> None:
        self.store, self.infos, self.locker = backends.store, backends.infos, backends.locker
        self.policy, self.clock = policy, clock

    async def load(self, id: str) -> Upload:
        """The record as last written."""
        try:
            return await self.infos.load(id)
        except NotFound:
            raise UploadNotFound(f"there is no upload {id}") from None

    @asynccontextmanager
    async def held(self, id: str, *, take_over: bool = True) -> AsyncIterator[Hold]:
        """Hold the lock of an upload in the block."""
        try:
            async with self.locker.hold(id, take_over=take_over, timeout=self.policy.lock_timeout) as hold:
                yield hold
        except Held:
            raise Busy("another request is writing this upload", headers={"Retry-After": "1"}) from None
        except NotFound:
            with suppress(NotFound):
                await self.store.size(id)  # which knows a folder that is away from a file that is gone
            raise UploadNotFound(f"there is no upload {id}") from None

    async def stored(self, upload: Upload) -> int:
        """Bytes that are stored and count: behind a crash in a checked chunk only those that were verified."""
        try:
            size = await self.store.size(upload.id)
        except NotFound:
            raise UploadNotFound(f"there is no upload {upload.id}") from None
        # Not the largest size allowed today: bytes that were acknowledged stay when the operator lowers it.
        bound = upload.offset if upload.unverified else upload.length
        return size if bound is None else min(size, bound)

    async def settled(self, upload: Upload) -> Upload:
        """The record made to agree with the bytes; the lock is held."""
        if upload.is_complete or upload.kind is Kind.FINAL:
            return upload
        offset = await self.stored(upload)
        if offset == upload.length:
            return await self.finish(upload, offset)
        if offset != upload.offset or upload.unverified:
            # Bytes that came since the record was written move its dates as if it had been written then.
            is_ahead = offset > upload.offset
            upload = self._advanced(upload, offset) if is_ahead else replace(at(upload, offset), unverified=False)
            writer = await self.store.append(upload.id, offset)  # drops what lies behind
            await writer.close()
            await self.infos.save(upload)
        return upload

    async def finish(self, upload: Upload, length: int) -> Upload:
        """Complete an upload whose `length` bytes are all stored; the lock is held."""
        after = self._advanced(replace(upload, length=length), length)
        durable = self.is_durable(after)
        if durable:
            await self.sync(upload.id, length)
        await self.infos.save(after, durable=durable)
        return after

    def _advanced(self, upload: Upload, offset: int) -> Upload:
        return advanced(upload, offset, upload.length, self.policy.limits, self.clock())

    async def sync(self, id: str, offset: int) -> None:
        """Force the bytes of an upload to the disk, where nobody has it open."""
        writer = await self.store.append(id, offset)
        try:
            await writer.sync()
        finally:
            await writer.close()

    async def remove(self, upload: Upload) -> int:
        """Remove bytes, then record, of an upload whose lock is held; gives the bytes freed.

        In this order because on a full disk the database may need the room that the bytes took. A complete record
        never runs out: it is given a date first, so that it goes even if this is broken off once the bytes are gone.
        """
        if upload.is_complete:
            with suppress(OutOfSpace, NotFound):
                await self.infos.save(replace(upload, expires_at=self.clock()))
        freed = await self.store.delete(upload.id)
        await self.forget(upload.id)
        return freed

    async def forget(self, id: str) -> None:
        """Remove the record of an upload without bytes. Final uploads that wait for it fail: they cannot be joined."""
        with suppress(NotFound):
            await self.infos.delete(id)
        for final in await self.infos.finals_of(id):
            await self._fail(final.id)

    async def _fail(self, id: str) -> None:
        """Tell in the record of a final upload that it can never be joined. Whoever is joining it finds out itself."""
        with suppress(Busy, UploadNotFound):
            async with self.held(id, take_over=False):
                final = await self.load(id)
                if final.is_open:
                    await self.infos.save(replace(final, state=State.FAILED))

    @property
    def is_always_durable(self) -> bool:
        """Everything that is told must survive a power cut."""
        return self.policy.durability is Durability.ALWAYS

    def is_durable(self, upload: Upload) -> bool:
        """What is told of `upload` must survive a power cut."""
        return self.is_always_durable or (self.policy.durability is Durability.COMPLETE and upload.is_complete)


def at(upload: Upload, offset: int) -> Upload:
    """The upload with `offset` bytes stored, as long as it is not complete."""
    if upload.is_complete:
        return upload
    return replace(upload, offset=offset, state=State.RECEIVING if offset else State.PENDING)
