"""Records in memory: for tests and for servers that may forget everything when they stop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from tusserver.accounts.base import Link
from tusserver.infos.base import MINUTE, UNFINISHED, Infos, Latest, NameTaken, OverQuota, OwnedBy, Page, Quota
from tusserver.infos.cursors import format_cursor, parse_cursor, to_micros
from tusserver.protocol.errors import Conflict, NotFound
from tusserver.protocol.uploads import Facts, Image, Kind, State, Upload

EVER = datetime.max.replace(tzinfo=UTC)


def _together(known: Facts, learnt: Facts) -> Facts:
    return Facts(
        known.crc32 if learnt.crc32 is None else learnt.crc32,
        known.image if learnt.image is None else learnt.image,
    )


def _place(upload: Upload) -> tuple[int, str]:
    return to_micros(upload.created_at), upload.id


class MemoryInfos:
    """Records in a dictionary of this process. Nothing survives the process, whatever `durable` says.

    No method waits, so every one is atomic among the tasks of one event loop.

    Args:
        links: the upload links by id, which count the uploads made by them.
    """

    def __init__(self, links: dict[str, Link] | None = None) -> None:
        self._uploads: dict[str, Upload] = {}
        self._links = {} if links is None else links

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing waits; the records stay, as they would in a file."""

    async def create(
        self, upload: Upload, *, durable: bool = False, quota: Quota | None = None, latest: Latest | None = None
    ) -> None:
        if latest is not None:
            now = await self.newest(upload.owner, upload.filename or "", list(UNFINISHED), by_link=False)
            if latest != Latest(None if now is None else now.id):
                raise NameTaken("the upload of this filename is another one now")
        is_named = upload.kind is Kind.FINAL and upload.concat is not None
        same = await self.same_final(upload) if is_named else None
        if same is not None and same.state is not State.FAILED and not same.is_expired(upload.created_at):
            raise Conflict("there is the same final upload already")
        if quota is not None:
            self._check_quota(upload, quota)
        link = None if upload.link is None else self._link_with_room(upload.link, upload.created_at)
        if upload.id in self._uploads:
            raise Conflict(f"upload {upload.id} exists already")
        self._check_free(upload.id, upload.facts.image)
        self._uploads[upload.id] = upload
        if link is not None:
            self._links[link.id] = replace(link, uploads=link.uploads + 1)

    def _check_quota(self, upload: Upload, quota: Quota) -> None:
        owned = [one for one in self._uploads.values() if one.owner == upload.owner]
        size = sum(map(quota.size_of, owned)) + quota.size_of_new(upload)
        unfinished = sum(one.state in UNFINISHED for one in owned)
        recent = sum(abs(one.created_at - upload.created_at) < MINUTE for one in owned)
        if quota.bytes is not None and size > quota.bytes:
            raise OverQuota("bytes", quota.bytes)
        if quota.open is not None and upload.state in UNFINISHED and unfinished >= quota.open:
            raise OverQuota("open", quota.open)
        if quota.per_minute is not None and recent >= quota.per_minute:
            raise OverQuota("per_minute", quota.per_minute)

    def _link_with_room(self, id: str, now: datetime) -> Link:
        link = self._links.get(id)
        if link is None or (link.expires_at is not None and link.expires_at <= now):
            raise OverQuota("link", 0)
        if link.max_uploads is not None and link.uploads >= link.max_uploads:
            raise OverQuota("link", link.max_uploads)
        return link

    async def load(self, id: str) -> Upload:
        try:
            return self._uploads[id]
        except KeyError:
            raise NotFound(f"there is no upload {id}") from None

    async def load_many(self, ids: Sequence[str]) -> dict[str, Upload]:
        return {id: self._uploads[id] for id in ids if id in self._uploads}

    async def image(self, stored_filename: str) -> Upload:
        for upload in self._uploads.values():
            if upload.facts.image is not None and upload.facts.image.stored_filename == stored_filename:
                return upload
        raise NotFound(f"there is no image {stored_filename}")

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        known = (await self.load(upload.id)).facts
        self._check_free(upload.id, upload.facts.image)
        self._uploads[upload.id] = replace(upload, facts=_together(known, upload.facts))

    async def note(self, id: str, facts: Facts) -> None:
        upload = await self.load(id)
        if not upload.is_complete:
            raise NotFound(f"there is no complete upload {id}")
        self._check_free(id, facts.image)
        self._uploads[id] = replace(upload, facts=_together(upload.facts, facts))

    def _check_free(self, id: str, image: Image | None) -> None:
        """Raises Conflict if another upload has the name of `image`."""
        if image is None:
            return
        for upload in self._uploads.values():
            other = upload.facts.image
            if other is not None and other.stored_filename == image.stored_filename and upload.id != id:
                raise Conflict("another upload has this stored filename already")

    async def delete(self, id: str) -> None:
        await self.load(id)
        del self._uploads[id]

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
        behind = parse_cursor(cursor) if cursor is not None else None
        found = [
            upload
            for upload in self._uploads.values()
            if upload.kind is not Kind.PARTIAL
            and (owner is None or upload.owner == owner)
            and (not states or upload.state in states)
            and (filename is None or upload.filename == filename)
            and (not only_images or upload.facts.image is not None)
            and (behind is None or _place(upload) < behind)
        ]
        found.sort(key=_place, reverse=True)
        shown = tuple(found[:limit])
        return Page(shown, format_cursor(*_place(shown[-1])) if len(found) > limit else None)

    async def newest(
        self, owner: str | None, filename: str, states: Collection[State] = (), *, by_link: bool = True
    ) -> Upload | None:
        named = (upload for upload in self._named(owner, filename) if by_link or upload.link is None)
        found = (upload for upload in named if not states or upload.state in states)
        return max(found, key=_place, default=None)

    async def older_of_name(self, upload: Upload) -> Sequence[Upload]:
        if upload.filename is None:
            return []
        found = [
            one
            for one in self._named(upload.owner, upload.filename)
            if one.is_complete and _place(one) < _place(upload)
        ]
        return sorted(found, key=_place, reverse=True)[:100]

    def _named(self, owner: str | None, filename: str) -> list[Upload]:
        return [
            upload
            for upload in self._uploads.values()
            if upload.kind is not Kind.PARTIAL and (upload.owner, upload.filename) == (owner, filename)
        ]

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return self._until(now, self._uploads.values(), lambda upload: upload.expires_at)[:limit]

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        complete = (upload for upload in self._uploads.values() if upload.is_complete)
        return self._until(moment, complete, lambda upload: upload.completed_at)[:limit]

    async def unexamined(self, *, limit: int = 100) -> Sequence[Upload]:
        found = (
            upload
            for upload in self._uploads.values()
            if upload.is_complete and upload.kind is not Kind.PARTIAL and upload.facts.crc32 is None
        )
        return self._until(EVER, found, lambda upload: upload.completed_at)[:limit]

    async def to_announce(self, *, limit: int = 100) -> Sequence[Upload]:
        found = (upload for upload in self._uploads.values() if upload.is_complete and upload.announce is not None)
        return self._until(EVER, found, lambda upload: upload.completed_at)[:limit]

    @staticmethod
    def _until(
        moment: datetime, uploads: Iterable[Upload], date: Callable[[Upload], datetime | None]
    ) -> Sequence[Upload]:
        dated = ((found, upload) for upload in uploads if (found := date(upload)) is not None and found <= moment)
        return [upload for _, upload in sorted(dated, key=lambda pair: (pair[0], pair[1].id))]

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        found = [upload for upload in self._uploads.values() if upload.state in UNFINISHED and upload.id > after]
        return sorted(found, key=lambda upload: upload.id)[:limit]

    async def stale(
        self, before: datetime, *, of: OwnedBy | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[Upload]:
        found = [
            upload
            for upload in self._uploads.values()
            if upload.state in UNFINISHED
            and upload.updated_at <= before
            and upload.id > after
            and (of is None or upload.owner == of.owner)
        ]
        return sorted(found, key=lambda upload: upload.id)[:limit]

    async def finals_of(self, part: str) -> Sequence[Upload]:
        found = [
            upload
            for upload in self._uploads.values()
            if upload.kind is Kind.FINAL and upload.state in UNFINISHED and part in upload.parts
        ]
        return sorted(found, key=_place)

    async def same_final(self, wanted: Upload) -> Upload | None:
        same = (wanted.owner, wanted.concat, wanted.metadata)
        found = (
            upload
            for upload in self._uploads.values()
            if upload.kind is Kind.FINAL and (upload.owner, upload.concat, upload.metadata) == same
        )
        return max(found, key=_place, default=None)

    async def known(self, ids: Collection[str]) -> set[str]:
        return self._uploads.keys() & set(ids)


_: type[Infos] = MemoryInfos
