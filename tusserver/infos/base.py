"""What a store of records promises. Every one passes `tests/contracts/infos.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tusserver.protocol.errors import BackendError
from tusserver.protocol.uploads import State, Upload


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
        open: unfinished uploads.
        per_minute: uploads made within the last minute that still exist.
        deferred: what an upload counts for whose length is not known.
    """

    bytes: int | None = None
    open: int | None = None
    per_minute: int | None = None
    deferred: int = 0


class OverQuota(BackendError):
    """The record would exceed a quota; `limit` is `bytes`, `open`, `per_minute` or `link`, `most` its number."""

    def __init__(self, limit: str, most: int) -> None:
        super().__init__(f"over the quota of {most} ({limit})")
        self.limit, self.most = limit, most


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

    async def create(self, upload: Upload, *, durable: bool = False, quota: Quota | None = None) -> None:
        """Add a record, and count it at the link it names.

        Raises:
            Conflict: the id exists.
            OverQuota: its owner (None is one too) or its link has no room for it; however many come at once, never
                more get in than there is room for.
        """
        ...

    async def load(self, id: str) -> Upload:
        """The record as last written."""
        ...

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        """Replace the record of the same id."""
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
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Records newest first (by `created_at`, then by id, both falling), without partial uploads.

        A cursor stands for the place of a record: following it gives every record that was there at the first page
        and is still there, once, however many arrive meanwhile.

        Args:
            owner, filename: only records that have exactly this one; None means all.
            states: only records in one of these; empty means all.
            limit: at least 1.
            cursor: `next_cursor` of the page before, asked with the same filters.
        Raises:
            ValueError: `cursor` was not given by an earlier page.
        """
        ...

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        """Records whose `expires_at` is at or before `now`, oldest date first."""
        ...

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        """Complete records with `completed_at` at or before `moment`, oldest first; for `KEEP_FINISHED`."""
        ...

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        """Records that are pending or receiving, ordered by id, ids greater than `after`; for recovery."""
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
