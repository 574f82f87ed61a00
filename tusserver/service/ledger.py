"""Records and bytes kept in agreement, under the lock of their upload.

The record says what a client was told; for the offset of an unfinished upload the stored bytes are the truth, so a
record that a crash left behind is put right when it is met.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from tusserver.accounts.base import Accounts
from tusserver.infos.base import Infos, Latest, OverQuota, Quota
from tusserver.lockers.base import Hold, Locker, MayAsk
from tusserver.protocol.checksums import Checksum
from tusserver.protocol.digests import DigestMismatch, parse_digest
from tusserver.protocol.durability import Durability
from tusserver.protocol.errors import Held, NotFound, OutOfSpace
from tusserver.protocol.refusals import (
    Busy,
    ContentTypeMismatch,
    Infected,
    QuotaExceeded,
    Refusal,
    TooManyUploads,
    UploadFailed,
    UploadNotFound,
)
from tusserver.protocol.rules import Limits, advanced, narrowed
from tusserver.protocol.uploads import Kind, State, Upload
from tusserver.protocol.withheld import withheld
from tusserver.service.checks import Checks
from tusserver.service.scans import Scanner, Scans
from tusserver.stores.base import Store
from tusserver.workers import Workers

# What is told of an upload that is found to be of no use, at once and later.
OF_NO_USE = (UploadFailed, DigestMismatch, ContentTypeMismatch, Infected)


@dataclass(frozen=True, slots=True)
class Backends:
    """Where bytes, records, locks, users and links live, and who knows viruses, if anybody is asked."""

    store: Store
    infos: Infos
    locker: Locker
    accounts: Accounts
    scanner: Scanner | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator chose; `lock_timeout` in seconds, `quota` for each owner.

    Nothing of unknown length is made that could come to more than its `deferred`.
    """

    limits: Limits = field(default_factory=Limits)
    durability: Durability = Durability.COMPLETE
    lock_timeout: float = 5.0
    quota: Quota | None = None
    types: tuple[str, ...] = ()

    def quota_for(self, upload: Upload, limits: Limits) -> Quota | None:
        """What holds for a new record of an upload that is held to `limits`.

        Raises:
            QuotaExceeded: its length is not known, and nothing bounds what it would count for.
        """
        if self.quota is None:
            return None
        is_counted = self.quota.bytes is not None and upload.length is None
        if is_counted and (limits.max_size is None or limits.max_size > self.quota.deferred):
            raise QuotaExceeded("tell the length: uploads of unknown length cannot be counted here")
        return replace(self.quota, bound=limits.max_size)


class Ledger:
    """The backends, spoken to in the words of the protocol: what is missing is an UploadNotFound, a lock that is not
    let go a Busy. Other BackendErrors pass through.

    Whoever writes that an upload is complete, or finds out for a process that died before, also does what follows,
    once the lock is let go: others are locked for it.

    Attributes:
        follow: what follows a completion.
        on_complete: hears of each completion once, as soon as it is written; what is to be done is in the records.
        on_removed: hears of each upload that was removed with its bytes.
    """

    def __init__(self, backends: Backends, policy: Policy, clock: Callable[[], datetime], digests: Workers) -> None:
        self.store, self.infos, self.locker = backends.store, backends.infos, backends.locker
        self.accounts = backends.accounts
        self.policy, self.clock = policy, clock
        self.checks = Checks(self.store, digests, policy.types)
        self.scans = Scans(backends.scanner, self.store, complete=self._complete_clean, condemn=self._condemn)
        self.on_complete: Callable[[Upload], None] = lambda upload: None
        self.on_removed: Callable[[Upload], None] = lambda upload: None
        self.follow: Callable[[Upload], Awaitable[None]] = self.replace_others
        self._completed: dict[str, Upload] = {}  # by those that hold them

    async def load(self, id: str) -> Upload:
        """The record as last written."""
        try:
            return await self.infos.load(id)
        except NotFound:
            raise UploadNotFound(f"there is no upload {id}") from None

    @asynccontextmanager
    async def held(self, id: str, *, take_over: bool = True, may_ask: MayAsk | None = None) -> AsyncIterator[Hold]:
        """Hold the lock of an upload in the block.

        Args:
            take_over, may_ask: as for `Locker.hold`.
        """
        completed: Upload | None = None
        try:
            async with self._hold(id, take_over, may_ask) as hold:
                try:
                    yield hold
                finally:
                    completed = self._completed.pop(id, None)
        except Held:
            raise Busy("another request is writing this upload", headers={"Retry-After": "1"}) from None
        except NotFound:
            with suppress(NotFound):
                await self.store.size(id)  # which knows a folder that is away from a file that is gone
            raise UploadNotFound(f"there is no upload {id}") from None
        finally:
            if completed is not None:
                await self.follow(completed)

    def _hold(self, id: str, take_over: bool, may_ask: MayAsk | None) -> AbstractAsyncContextManager[Hold]:
        return self.locker.hold(id, take_over=take_over, timeout=self.policy.lock_timeout, may_ask=may_ask)

    @asynccontextmanager
    async def unknown(self, id: str) -> AsyncIterator[None]:
        """In the block an upload is made that nobody knows yet: what follows its completion is done without a lock."""
        try:
            yield
        finally:
            if (completed := self._completed.pop(id, None)) is not None:
                await self.follow(completed)

    def _written(self, upload: Upload) -> None:
        if not upload.is_open:
            self.scans.decided(upload.id)
        if upload.is_complete:
            self._completed[upload.id] = upload
            self.on_complete(upload)
        else:
            self._completed.pop(upload.id, None)

    async def create(
        self, upload: Upload, *, durable: bool, limits: Limits | None = None, latest: Latest | None = None
    ) -> None:
        """Add a record within the quota of its owner and its link; the lock is held.

        Args:
            limits: of this one, if they are narrower than the operator's.
            latest: only if this is so, else NameTaken.
        """
        quota = self.policy.quota_for(upload, limits or self.policy.limits)
        try:
            await self.infos.create(upload, durable=durable, quota=quota, latest=latest)
        except OverQuota as error:
            raise _over(error) from None
        self._written(upload)

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        """Replace the record of an upload that was not complete before; the lock is held."""
        await self.infos.save(upload, durable=durable)
        self._written(upload)

    async def enter(
        self, upload: Upload, *, durable: bool, limits: Limits | None = None, latest: Latest | None = None
    ) -> None:
        """Add the record of an upload whose place in the store is made; if it gets none nothing is left of either.

        Nobody knows it yet, so no lock is held.
        """
        async with self.unknown(upload.id):
            try:
                await self.create(upload, durable=durable, limits=limits, latest=latest)
            except BaseException:
                await self.store.delete(upload.id)
                raise

    async def stored(self, upload: Upload) -> int:
        """Bytes that are stored and count: behind a crash in a checked chunk only those that were verified."""
        try:
            size = await self.store.size(upload.id)
        except NotFound:
            raise UploadNotFound(f"there is no upload {upload.id}") from None
        return _counted(upload, size)

    async def settled(self, upload: Upload, hold: Hold) -> Upload:
        """The record made to agree with the bytes; the lock is held."""
        if upload.state in (State.COMPLETE, State.FAILED):
            return upload
        if upload.kind is Kind.FINAL:
            return await self.finish(upload, upload.offset) if upload.is_withheld else upload
        offset = await self.stored(upload) if hold.stored is None else _counted(upload, hold.stored)
        if offset == upload.length:
            return await self.finish(upload, offset)
        if offset != upload.offset or upload.unverified:
            # Bytes that came since the record was written move its dates as if it had been written then.
            is_ahead = offset > upload.offset
            upload = self._advanced(upload, offset) if is_ahead else replace(at(upload, offset), unverified=False)
            writer = await self.store.append(upload.id, offset)  # drops what lies behind
            await writer.close()
            await self.save(upload)
        return upload

    async def finish(self, upload: Upload, length: int) -> Upload:
        """Complete an upload whose `length` bytes are all stored; the lock is held.

        Raises:
            ContentTypeMismatch, DigestMismatch: they are of another type, or do not come to the checksum of the whole;
                the upload has failed.
        Returns:
            the record: complete, or withheld until somebody has looked at the bytes, which begins now.
        """
        after = self._advanced(replace(upload, length=length), length)
        await self.check_type(after)
        if self.scans.is_due(after):
            return await self._withhold(upload, after)
        await self.check_whole(after)
        durable = self.is_durable(after)
        if durable:
            await self.sync(upload.id, length)
        await self.save(after, durable=durable)
        return after

    async def _withhold(self, upload: Upload, after: Upload) -> Upload:
        if not upload.is_withheld:
            upload = self.before_scan(after)
            if self.is_always_durable:
                await self.sync(upload.id, upload.offset)
            await self.save(upload, durable=self.is_always_durable)
        self.scans.begin(upload)
        return upload

    def before_scan(self, after: Upload) -> Upload:
        """The record to write: that of a complete upload is withheld where it has to be looked at first."""
        is_due = after.is_complete and self.scans.is_due(after)
        return withheld(after, self.policy.limits, after.updated_at) if is_due else after

    async def _complete_clean(self, id: str) -> Upload:
        async with self.held(id) as hold:
            upload = await self.load(id)
            return await self.finish(upload, upload.offset) if upload.is_withheld else await self.settled(upload, hold)

    async def _condemn(self, id: str) -> None:
        """Write that an upload is of no use, and drop its bytes at once."""
        async with self.held(id):
            upload = await self.load(id)
            if upload.is_open:
                await self.fail(replace(upload, offset=0))
                writer = await self.store.append(id, 0)  # drops what is there
                await writer.close()

    async def check_type(self, upload: Upload) -> None:
        """Hold the first bytes of an upload against its type; the lock is held.

        Raises:
            ContentTypeMismatch: status 415; the record says so, and its bytes are of no use.
        """
        try:
            await self.checks.type(upload)
        except ContentTypeMismatch:
            await self.fail(upload)
            raise

    async def check_whole(self, after: Upload) -> None:
        """Hold a complete upload against the checksum of the whole, if it has one, before that is written.

        Raises:
            DigestMismatch: status 422; the record says so, and its bytes are of no use.
        """
        if after.checksum is not None and after.is_complete:
            await self.check_digest(after, parse_digest(after.checksum))

    async def check_digest(self, upload: Upload, wanted: Checksum) -> None:
        """Hold the stored bytes of an upload against a digest of the whole; the lock is held.

        Raises:
            DigestMismatch: status 422; the record says so, and its bytes are of no use.
        """
        try:
            await self.checks.digest(upload, wanted)
        except DigestMismatch:
            await self.fail(upload)
            raise

    async def fail(self, upload: Upload) -> None:
        """Write that an upload is of no use; it goes when its time has run out."""
        expires_at = self.policy.limits.expires_at(self.clock())
        failed = replace(upload, state=State.FAILED, unverified=False, completed_at=None, expires_at=expires_at)
        with suppress(NotFound):  # one that came with its first bytes may have no record yet, and gets none
            await self.save(failed)

    async def limits_of(self, upload: Upload) -> Limits:
        """The limits for more bytes: those of the link too while the length is not known.

        Once the link is gone nobody knows what it allowed, so that no more comes.
        """
        if upload.link is None or upload.length is not None:
            return self.policy.limits
        try:
            link = await self.accounts.link(upload.link)
        except NotFound:
            return narrowed(self.policy.limits, await self.stored(upload))
        return narrowed(self.policy.limits, link.max_size)

    def _advanced(self, upload: Upload, offset: int) -> Upload:
        return advanced(upload, offset, upload.length, self.policy.limits, self.clock())

    async def sync(self, id: str, offset: int) -> None:
        """Force the bytes of an upload to the disk, where nobody has it open."""
        writer = await self.store.append(id, offset)
        try:
            await writer.sync()
        finally:
            await writer.close()

    async def replace_others(self, upload: Upload) -> None:
        """Remove what a complete upload overwrites, if it does."""
        while upload.overwrites and (old := await self.infos.older_of_name(upload)):
            for one in old:
                try:
                    async with self.held(one.id):
                        await self.remove(await self.load(one.id))
                except UploadNotFound:
                    await self.forget(one.id)  # somebody else removed it, or only its bytes

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
        self.on_removed(upload)
        return freed

    async def forget(self, id: str) -> None:
        """Remove the record of an upload without bytes. Final uploads that wait for it fail: they cannot be joined."""
        self._completed.pop(id, None)
        self.scans.forget(id)
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


def _counted(upload: Upload, size: int) -> int:
    """How many of `size` stored bytes count."""
    # Not the largest size allowed today: bytes that were acknowledged stay when the operator lowers it.
    bound = upload.offset if upload.unverified else upload.length
    return size if bound is None else min(size, bound)


def _over(error: OverQuota) -> Refusal:
    if error.limit == "per_minute":
        return TooManyUploads(f"{error.most} within a minute are allowed", headers={"Retry-After": "60"})
    kinds = {"bytes": "bytes together", "open": "unfinished uploads", "link": "uploads by this link"}
    return QuotaExceeded(f"{error.most} {kinds[error.limit]} are allowed", limit=error.limit, most=error.most)


def at(upload: Upload, offset: int) -> Upload:
    """The upload with `offset` bytes stored, as long as it is not complete."""
    if upload.is_complete:
        return upload
    return replace(upload, offset=offset, state=State.RECEIVING if offset else State.PENDING)
