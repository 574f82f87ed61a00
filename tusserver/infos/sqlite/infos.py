"""Records in an SQLite database in WAL mode, shared by any number of processes of one machine."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tusserver.infos.base import Infos, Latest, OwnedBy, Page, Quota
from tusserver.infos.cursors import format_cursor, parse_cursor, to_micros
from tusserver.infos.sqlite import queries
from tusserver.infos.sqlite.changes import adding, after, not_found, noting, saving
from tusserver.infos.sqlite.database import Database, changing
from tusserver.infos.sqlite.rows import Row, from_row, same_final_row, to_text
from tusserver.protocol.errors import NotFound, Unavailable
from tusserver.protocol.uploads import Facts, State, Upload


class SqliteInfos:
    """Records in the file `path`; its folder is made.

    Args:
        busy_timeout: seconds to wait for the transaction of another process.
    Attributes:
        database: for whatever else is kept in the same file.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 10.0) -> None:
        self.database = Database(path, busy_timeout)

    async def open(self) -> None:
        await self.database.open()

    async def close(self) -> None:
        await self.database.close()

    async def create(
        self, upload: Upload, *, durable: bool = False, quota: Quota | None = None, latest: Latest | None = None
    ) -> None:
        act = adding(upload, quota)
        await self.database.write(act if latest is None else after(latest, upload, act), durable=durable)

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        await self.database.write(saving(upload), durable=durable)

    async def note(self, id: str, facts: Facts) -> None:
        await self.database.write(noting(id, facts))

    async def delete(self, id: str) -> None:
        await self.database.write(changing((id,), queries.DELETE, missed=not_found(id)))

    async def load(self, id: str) -> Upload:
        rows = await self.database.look_up(queries.LOAD, (id,))
        if not rows:
            raise not_found(id)
        return self._uploads(rows)[0]

    async def load_many(self, ids: Sequence[str]) -> dict[str, Upload]:
        return {upload.id: upload for upload in await self._find(queries.LOAD_MANY, (json.dumps(ids),))}

    async def image(self, stored_filename: str) -> Upload:
        rows = await self.database.look_up(queries.IMAGE, (to_text(stored_filename),))
        if not rows:
            raise NotFound(f"there is no image {stored_filename}")
        return self._uploads(rows)[0]

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
        statement, values = queries.listing(owner, states, filename, limit + 1, behind, only_images=only_images)
        found = await self._find(statement, values)
        shown = tuple(found[:limit])
        if len(found) == len(shown):
            return Page(shown)
        return Page(shown, format_cursor(to_micros(shown[-1].created_at), shown[-1].id))

    async def newest(
        self, owner: str | None, filename: str, states: Collection[State] = (), *, by_link: bool = True
    ) -> Upload | None:
        found = await self._find(*queries.newest(owner, filename, states, by_link=by_link))
        return found[0] if found else None

    async def older_of_name(self, upload: Upload) -> Sequence[Upload]:
        if upload.filename is None:
            return []
        values = (to_text(upload.owner), to_text(upload.filename), to_micros(upload.created_at), upload.id)
        return await self._find(queries.OLDER_OF_NAME, values)

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.EXPIRED, (to_micros(now), limit))

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.FINISHED, (to_micros(moment), limit))

    async def unexamined(self, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.UNEXAMINED, (limit,))

    async def to_announce(self, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.TO_ANNOUNCE, (limit,))

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        return await self._find(queries.UNFINISHED, (after, limit))

    async def stale(
        self, before: datetime, *, of: OwnedBy | None = None, after: str = "", limit: int = 1000
    ) -> Sequence[Upload]:
        values = (after, to_micros(before), limit)
        if of is None:
            return await self._find(queries.STALE, values)
        return await self._find(queries.STALE_OF, (*values, to_text(of.owner)))

    async def finals_of(self, part: str) -> Sequence[Upload]:
        return await self._find(queries.FINALS_OF, (part,))

    async def same_final(self, wanted: Upload) -> Upload | None:
        found = await self._find(queries.SAME_FINAL, same_final_row(wanted))
        return found[0] if found else None

    async def known(self, ids: Collection[str]) -> set[str]:
        return {row[0] for row in await self.database.fetch(queries.KNOWN, (json.dumps(list(ids)),))}

    async def _find(self, statement: str, values: Sequence[Any]) -> list[Upload]:
        return self._uploads(await self.database.fetch(statement, values))

    def _uploads(self, rows: Sequence[Row]) -> list[Upload]:
        try:
            return [from_row(row) for row in rows]
        except (KeyError, ValueError, TypeError) as error:
            raise Unavailable(f"the database {self.database.name} holds a record of another program") from error


_: type[Infos] = SqliteInfos
