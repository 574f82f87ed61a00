"""Cleaning up by itself: what has expired, what nobody knows, what a crash left behind.

Never a finished upload (unless `KEEP_FINISHED` says how long), never one that is being received: every removal happens
under the upload's lock, taken only if it is free, after the record was read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tusserver.infos.base import OwnedBy
from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.uploads import Kind, Upload
from tusserver.service import UploadService

log = logging.getLogger("tusserver.sweeper")

# Bytes without a record may be those of an upload that is being created at this moment.
ORPHAN_AGE = timedelta(hours=1)
BATCH = 500
# Records looked at side by side; their writes share a commit.
AT_ONCE = 64


class Removed(NamedTuple):
    """One upload that was removed, or would be: its id, its name ("" if it had none) and the bytes it took."""

    upload_id: str
    filename: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a sweep did, or would do."""

    removed: tuple[Removed, ...]
    dry_run: bool = False

    @property
    def removed_count(self) -> int:
        """How many uploads."""
        return len(self.removed)

    @property
    def freed_bytes(self) -> int:
        """How many bytes."""
        return sum(removed.bytes for removed in self.removed)


Judge = Callable[[Upload], bool]


def _anybodys(upload: Upload) -> bool:
    return True


def _together(*found: Sequence[Removed]) -> list[Removed]:
    """Every upload once: a dry run finds in the second place what is still there from the first."""
    return list({one.upload_id: one for removed in found for one in removed}.values())


class Sweeper:
    """Sweeps one service. Several sweepers on one folder do no harm."""

    def __init__(self, service: UploadService, *, keep_finished: timedelta | None = None) -> None:
        self._service = service
        self._infos, self._store = service.ledger.infos, service.ledger.store
        self._keep_finished = keep_finished

    async def sweep(self, *, dry_run: bool = False, older_than: timedelta | None = None) -> Report:
        """Remove expired uploads, finished ones past their time, and orphaned bytes.

        Args:
            dry_run: only tell what would go.
            older_than: besides, unfinished uploads whose last byte came longer ago than this.
        """
        now = self._service.clock()
        removed = [one async for one in self._expired(now, _anybodys, dry_run)]
        removed += [one async for one in self._finished(now, dry_run)]
        if older_than is not None:
            stale = [one async for one in self._stale(now - older_than, _anybodys, dry_run)]
            removed = _together(removed, stale)
        removed += [one async for one in self._orphans(now, dry_run)]
        return Report(tuple(removed), dry_run)

    async def clean(self, *, owner: str | None, older_than: timedelta, dry_run: bool = False) -> Report:
        """Remove expired and stale uploads that are not finished, as somebody asks who is not the operator.

        Args:
            owner: whose; None: everybody's.
            older_than: an unfinished upload is stale whose last byte came longer ago than this.
        """
        now = self._service.clock()
        is_theirs = _anybodys if owner is None else lambda upload: upload.owner == owner
        expired = [one async for one in self._expired(now, is_theirs, dry_run)]
        of = None if owner is None else OwnedBy(owner)
        stale = [one async for one in self._stale(now - older_than, is_theirs, dry_run, of=of)]
        return Report(tuple(_together(expired, stale)), dry_run)

    async def recover(self, *, join: bool = True) -> int:
        """Make every unfinished record agree with its bytes; gives how many did not.

        For the start, after a crash; harmless at any time.

        Args:
            join: also copy the parts of final uploads together, which takes as long as they are large.
        """
        mended, after = 0, ""
        while batch := await self._infos.unfinished(after=after, limit=BATCH):
            after = batch[-1].id
            for start in range(0, len(batch), AT_ONCE):
                group = [one for one in batch[start : start + AT_ONCE] if join or one.kind is not Kind.FINAL]
                mended += sum(await asyncio.gather(*(self._service.recover(upload) for upload in group)))
        return mended

    async def run(self, interval: float) -> None:
        """Recover now, then recover and sweep for ever, every `interval` seconds.

        A failure is logged and tried again.
        """
        await self._tend(sweep=False)
        while True:
            await asyncio.sleep(interval)
            await self._tend(sweep=True)

    async def _tend(self, *, sweep: bool) -> None:
        try:
            await self.recover()
            report = await self.sweep() if sweep else Report(())
        except (BackendError, Refusal) as error:
            log.warning("the sweep was given up: %s", error)
            return
        except Exception:
            # A fault of ours must not end the sweeps of a server that otherwise works.
            log.exception("the sweep failed")
            return
        if report.removed:
            log.info("removed %d uploads, %d bytes", report.removed_count, report.freed_bytes)

    async def _expired(self, now: datetime, is_theirs: Judge, dry_run: bool) -> AsyncIterator[Removed]:
        async def more(limit: int) -> Sequence[Upload]:
            return await self._infos.expired(now, limit=limit)

        async for one in self._each(more, lambda upload: is_theirs(upload) and upload.is_expired(now), dry_run):
            yield one

    async def _finished(self, now: datetime, dry_run: bool) -> AsyncIterator[Removed]:
        if self._keep_finished is None:
            return
        moment = now - self._keep_finished

        async def more(limit: int) -> Sequence[Upload]:
            return await self._infos.finished_before(moment, limit=limit)

        def is_past(upload: Upload) -> bool:
            return upload.is_complete and upload.completed_at is not None and upload.completed_at <= moment

        async for one in self._each(more, is_past, dry_run):
            yield one

    async def _each(
        self, more: Callable[[int], Awaitable[Sequence[Upload]]], judge: Judge, dry_run: bool
    ) -> AsyncIterator[Removed]:
        """Remove what `more` gives, page by page; what cannot be removed now stays in the page and makes it longer."""
        stuck: set[str] = set()
        while True:
            page = await more(BATCH + len(stuck))
            fresh = [upload for upload in page if upload.id not in stuck]
            if not fresh:
                return
            for upload in fresh:
                removed = await self._remove(upload.id, judge, dry_run) if judge(upload) else None
                if removed is None or dry_run:
                    stuck.add(upload.id)
                if removed is not None:
                    yield removed

    async def _stale(
        self, moment: datetime, is_theirs: Judge, dry_run: bool, *, of: OwnedBy | None = None
    ) -> AsyncIterator[Removed]:
        def is_stale(upload: Upload) -> bool:
            return is_theirs(upload) and not upload.is_complete and upload.updated_at <= moment

        after = ""
        while batch := await self._infos.stale(moment, of=of, after=after, limit=BATCH):
            after = batch[-1].id
            for upload in filter(is_stale, batch):
                removed = await self._remove(upload.id, is_stale, dry_run)
                if removed is not None:
                    yield removed

    async def _remove(self, id: str, judge: Judge, dry_run: bool) -> Removed | None:
        """Remove one upload if it is free and, read again, still to go."""
        try:
            async with self._service.held_for_cleanup(id) as upload:
                if upload is None or not judge(upload):
                    return None
                size = await self._store.size(id) if dry_run else await self._service.ledger.remove(upload)
                return Removed(id, upload.filename or "", size)
        except NotFound:
            return Removed(id, "", 0)
        except Refusal as refusal:
            return await self._remove_bare_record(id, judge, dry_run) if refusal.status == 404 else None
        except BackendError as error:
            # The others go on: one that cannot be removed is not to keep what has expired on a full disk.
            log.warning("%s cannot be removed: %s", id, error)
            return None

    async def _remove_bare_record(self, id: str, judge: Judge, dry_run: bool) -> Removed | None:
        """Remove a record whose bytes are gone, so that there is no file to lock."""
        try:
            upload = await self._infos.load(id)
            if not judge(upload):
                return None
            if not dry_run:
                await self._service.ledger.forget(id)
        except NotFound:
            return None
        return Removed(id, upload.filename or "", 0)

    async def _orphans(self, now: datetime, dry_run: bool) -> AsyncIterator[Removed]:
        """Bytes that no record knows."""
        batch: list[str] = []
        async for stored in self._store.scan():
            if now - stored.modified_at > ORPHAN_AGE:
                batch.append(stored.id)
            if len(batch) == BATCH:
                for one in await self._remove_unknown(batch, dry_run):
                    yield one
                batch = []
        for one in await self._remove_unknown(batch, dry_run):
            yield one

    async def _remove_unknown(self, ids: Sequence[str], dry_run: bool) -> list[Removed]:
        removed = []
        known = await self._infos.known(ids) if ids else set()
        for id in ids:
            if id in known:
                continue
            try:
                async with self._service.held_for_cleanup(id) as upload:
                    if upload is None:
                        size = await self._store.size(id) if dry_run else await self._store.delete(id)
                        removed.append(Removed(id, "", size))
            except Refusal:
                continue
            except BackendError as error:
                log.warning("%s cannot be removed: %s", id, error)
        return removed
