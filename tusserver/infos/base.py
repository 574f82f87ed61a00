"""What a store of records promises. Every one passes `tests/contracts/infos.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tusserver.protocol.errors import BackendError, Conflict
from tusserver.protocol.uploads import Facts, State, Upload

UNFINISHED = frozenset((State.PENDING, State.RECEIVING))
# What `Quota.per_minute` speaks of.
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OwnedBy:
    """Only records of this owner; None means those that have no owner, and is not everybody."""

    owner: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a listing; `next_cursor` is opaque and None at the end."""

    uploads: tuple[Upload, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What an owner may have, checked in the transaction that adds a record; None: as much as they like.

    Attributes:
        bytes: of all their uploads, finished or not, each counted by its length.
        open: unfinished uploads; one that is complete when it is made needs no room among them.
        per_minute: uploads made within a minute of this one that still exist.
        deferred: what an upload counts for whose length is not known.
        bound: what the one that is added counts for in that case, if less can come of it than of the others.
    """

    bytes: int | None = None
    open: int | None = None
    per_minute: int | None = None
    deferred: int = 0
    bound: int | None = None

    def size_of(self, upload: Upload) -> int:
        """What an upload counts for that is there."""
        return self.deferred if upload.length is None else upload.length

    def size_of_new(self, upload: Upload) -> int:
        """What the one that is added counts for."""
        return self.bound if upload.length is None and self.bound is not None else self.size_of(upload)


class OverQuota(BackendError):
    """The record would exceed a quota; `limit` is `bytes`, `open`, `per_minute` or `link`, `most` its number;
    0 for a link that has expired or is gone."""

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(f"over the quota of {most} ({limit})")
        self.limit, self.most = limit, most


@dataclass(frozen=True, slots=True)
class Latest:
    """What `Infos.newest` gave for an owner and a filename of unfinished uploads that nobody made by a link; `id` None:
    there was none."""

    id: str | None


class NameTaken(Conflict):
    """`Latest` is not so any more: somebody has begun or ended an upload of the name meanwhile."""


class Infos(Protocol):
    """Records by upload id.

    Order: a read that begins after a write returned sees it, in every process on the same database.
    Missing: `load`, `save` and `delete` raise NotFound.
    Cancelled: a write whose task is cancelled while it waits is still made.
    Concurrency: any number of tasks at once; writes that wait together share one transaction (group commit).
    Crash: a write that returned survives a kill of the process; with `durable=True` a power cut too.
    Errors: OutOfSpace when the database cannot grow, Unavailable for anything else the library raises.
    """

    async def open(self) -> None:
        """Connect and migrate, once. Raises Unavailable with one clear sentence (newer schema, not writable)."""
        ...

    async def close(self) -> None:
        """Finish what waits, then disconnect."""
        ...

    async def create(
        self, upload: Upload, *, durable: bool = False, quota: Quota | None = None, latest: Latest | None = None
    ) -> None:
        """Add a record, and count it at the link it names.

        Args:
            latest: only if this is so of its owner and filename; None: whatever is.
        Raises:
            NameTaken: it is not; of those who come at once with one `latest`, in whichever process, one gets in.
            OverQuota: its owner (None is one too) or its link has no room for it; however many come at once, in
                whichever process, never more get in than there is room for.
            Conflict: the id exists; or `same_final` gives another one, for a `concat` that is not None, that has not
                failed, nor expired when this one is made. However many come at once, only one of them gets in.
        Whatever it raises, nothing is changed, the count of the link neither.
        """
        ...

    async def load(self, id: str) -> Upload:
        """The record as last written."""
        ...

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        """Replace the record of the same id."""
        ...

    async def note(self, id: str, facts: Facts) -> None:
        """Add what was found out to the record of a complete upload, and nothing else.

        A fact that is None stays as it was, here and in `save`: nobody forgets what another one found out.

        Raises:
            NotFound: there is no such record, or it is not complete.
            Conflict: another upload has this `stored_filename`.
        """
        ...

    async def unexamined(self, *, limit: int = 100) -> Sequence[Upload]:
        """Complete records, not partial, whose CRC-32 is not known, those that were completed first first."""
        ...

    async def image(self, stored_filename: str) -> Upload:
        """The record of the image of this name. Raises NotFound."""
        ...

    async def load_many(self, ids: Sequence[str]) -> dict[str, Upload]:
        """Those records of `ids` (at most 1,000) that there are, by id, in one read."""
        ...

    async def delete(self, id: str) -> None:
        """Remove the record."""
        ...

    async def page(
        self,
        *,
        owner: str | None = None,
        states: Collection[State] = (),
        filename: str | None = None,
        only_images: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Records newest first (by `created_at`, then by id, both falling), without partial uploads.

        A cursor stands for the place of a record: following it gives every record that was there at the first page
        and is still there, once, however many arrive meanwhile.

        Args:
            owner, filename: only records that have exactly this one; None means all.
            states: only records in one of these; empty means all.
            only_images: only records with an image among their facts; asked with no `states` and no `filename`.
            limit: at least 1.
            cursor: `next_cursor` of the page before, asked with the same filters.
        Raises:
            ValueError: `cursor` was not given by an earlier page.
        """
        ...

    async def newest(
        self, owner: str | None, filename: str, states: Collection[State] = (), *, by_link: bool = True
    ) -> Upload | None:
        """The first record of this filename in the order of `page`, without partial uploads.

        Args:
            owner: exactly this one; None means records that have no owner.
            states: only records in one of these; empty means all.
            by_link: also those that somebody made by an upload link.
        """
        ...

    async def older_of_name(self, upload: Upload) -> Sequence[Upload]:
        """At most 100 complete records behind it in the order of `page`, so that of two with one date never both are
        behind the other; for `Upload.overwrites`. Not partial, with its owner (None exactly) and its filename. None
        for an upload without a filename."""
        ...

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        """Records whose `expires_at` is at or before `now`, oldest date first."""
        ...

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        """Complete records with `completed_at` at or before `moment`, oldest first; for `KEEP_FINISHED`."""
        ...

    async def to_announce(self, *, limit: int = 100) -> Sequence[Upload]:
        """Complete records whose `announce` is set, those that were completed first first."""
        ...

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        """Records that are pending or receiving, ordered by id, ids greater than `after`; for recovery."""
        ...

    async def stale(
        self, before: datetime, *, of: OwnedBy | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[Upload]:
        """Of `unfinished`, in its order, those with `updated_at` at or before `before`.

        Args:
            of: only those; None means everybody's.
        """
        ...

    async def finals_of(self, part: str) -> Sequence[Upload]:
        """Unfinished final uploads that name `part`."""
        ...

    async def same_final(self, wanted: Upload) -> Upload | None:
        """The newest final upload with the same owner, `concat` and `metadata`, in whatever state, or None: makes a
        repeated POST harmless."""
        ...

    async def known(self, ids: Collection[str]) -> set[str]:
        """Those of `ids` (at most 1,000) that have a record."""
        ...
