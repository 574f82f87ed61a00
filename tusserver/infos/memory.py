"""Records in memory: for tests and for servers that may forget everything when they stop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from tusserver.infos.base import Infos, Page
from tusserver.infos.cursors import format_cursor, parse_cursor, to_micros
from tusserver.protocol.errors import Conflict, NotFound
from tusserver.protocol.uploads import Kind, State, Upload

UNFINISHED = (State.PENDING, State.RECEIVING)


def _place(upload: Upload) -> tuple[int, str]:
    return to_micros(upload.created_at), upload.id


class MemoryInfos:
    """Records in a dictionary of this process. Nothing survives the process, whatever `durable` says.

    No method waits, so every one is atomic among the tasks of one event loop.
    """

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing waits; the records stay, as they would in a file."""

    async def create(self, upload: Upload, *, durable: bool = False) -> None:
        if upload.id in self._uploads:
            raise Conflict(f"upload {upload.id} exists already")
        self._uploads[upload.id] = upload

    async def load(self, id: str) -> Upload:
        try:
            return self._uploads[id]
        except KeyError:
            raise NotFound(f"there is no upload {id}") from None

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        await self.load(upload.id)
        self._uploads[upload.id] = upload

    async def delete(self, id: str) -> None:
        await self.load(id)
        del self._uploads[id]

    async def page(
        self,
        *,
        owner: str | None = None,
        states: Collection[State] = (),
        filename: str | None = None,
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
            and (behind is None or _place(upload) < behind)
        ]
        found.sort(key=_place, reverse=True)
        shown = tuple(found[:limit])
        return Page(shown, format_cursor(*_place(shown[-1])) if len(found) > limit else None)

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return self._until(now, self._uploads.values(), lambda upload: upload.expires_at)[:limit]

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        complete = (upload for upload in self._uploads.values() if upload.is_complete)
        return self._until(moment, complete, lambda upload: upload.completed_at)[:limit]

    @staticmethod
    def _until(
        moment: datetime, uploads: Iterable[Upload], date: Callable[[Upload], datetime | None]
    ) -> Sequence[Upload]:
        dated = ((found, upload) for upload in uploads if (found := date(upload)) is not None and found <= moment)
        return [upload for _, upload in sorted(dated, key=lambda pair: (pair[0], pair[1].id))]

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        found = [upload for upload in self._uploads.values() if upload.state in UNFINISHED and upload.id > after]
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
