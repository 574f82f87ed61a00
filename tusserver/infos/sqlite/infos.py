"""Records in an SQLite database in WAL mode, shared by any number of processes of one machine."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tusserver.infos.base import Infos, Page
from tusserver.infos.cursors import format_cursor, parse_cursor, to_micros
from tusserver.infos.sqlite import queries
from tusserver.infos.sqlite.connections import Connections, connect
from tusserver.infos.sqlite.errors import is_busy, translated
from tusserver.infos.sqlite.rows import Row, final_key, from_row, to_row, to_text
from tusserver.infos.sqlite.writer import Writer
from tusserver.protocol.errors import BackendError, Conflict, NotFound, Unavailable
from tusserver.protocol.uploads import State, Upload


@dataclass(slots=True)
class _Connected:
    """What is open between `open` and `close`."""

    connections: Connections
    writer: Writer
    thread: ThreadPoolExecutor  # one thread, for the reads of `connections.aside`


class SqliteInfos:
    """Records in the file `path`; its folder is made.

    `load` reads on the event loop: one record by its key costs some 15 µs, a tenth of what handing it to a thread and
    back costs, and in WAL mode a reader waits for no writer. What reads more than one record reads in a thread of its
    own. All writes of the process go through one thread that commits together what waits together.

    Args:
        busy_timeout: seconds to wait for the transaction of another process.
    """

    def __init__(self, path: Path, *, busy_timeout: float = 10.0) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._connected: _Connected | None = None

    async def open(self) -> None:
        connections = await asyncio.to_thread(connect, self._path, self._busy_timeout)
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"reader of {self._path.name}")
        writer = Writer(connections.write, self._path.name, self._busy_timeout)
        self._connected = _Connected(connections, writer, thread)

    async def close(self) -> None:
        connected, self._connected = self._connected, None
        if connected is not None:
            # A task that is cancelled here must not leave half of it open.
            await asyncio.shield(_disconnect(connected))

    async def create(self, upload: Upload, *, durable: bool = False) -> None:
        missed = Conflict(f"upload {upload.id} exists already")
        await self._open.writer.write(queries.CREATE, to_row(upload), missed=missed, durable=durable)

    async def save(self, upload: Upload, *, durable: bool = False) -> None:
        await self._open.writer.write(queries.SAVE, to_row(upload), missed=_not_found(upload.id), durable=durable)

    async def delete(self, id: str) -> None:
        await self._open.writer.write(queries.DELETE, (id,), missed=_not_found(id), durable=False)

    async def load(self, id: str) -> Upload:
        try:
            rows = self._open.connections.at_once.execute(queries.LOAD, (id,)).fetchall()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error, self._path.name) from error
            # Another process recovers the log after a crash or is the last to close: wait, but not on the loop.
            rows = await self._fetch(queries.LOAD, (id,))
        if not rows:
            raise _not_found(id)
        return self._uploads(rows)[0]

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
        statement, values = queries.listing(owner, states, filename, limit + 1, behind)
        found = await self._find(statement, values)
        shown = tuple(found[:limit])
        if len(found) == len(shown):
            return Page(shown)
        return Page(shown, format_cursor(to_micros(shown[-1].created_at), shown[-1].id))

    async def expired(self, now: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.EXPIRED, (to_micros(now), limit))

    async def finished_before(self, moment: datetime, *, limit: int = 100) -> Sequence[Upload]:
        return await self._find(queries.FINISHED, (to_micros(moment), limit))

    async def unfinished(self, *, after: str = "", limit: int = 1000) -> Sequence[Upload]:
        return await self._find(queries.UNFINISHED, (after, limit))

    async def finals_of(self, part: str) -> Sequence[Upload]:
        return await self._find(queries.FINALS_OF, (part,))

    async def same_final(self, wanted: Upload) -> Upload | None:
        fields = (to_text(wanted.owner), to_text(wanted.concat), to_text(wanted.metadata))
        found = await self._find(queries.SAME_FINAL, (final_key(wanted), *fields))
        return found[0] if found else None

    async def known(self, ids: Collection[str]) -> set[str]:
        return {row[0] for row in await self._fetch(queries.KNOWN, (json.dumps(list(ids)),))}

    @property
    def _open(self) -> _Connected:
        if self._connected is None:
            raise Unavailable(f"the database {self._path.name} is closed")
        return self._connected

    async def _find(self, statement: str, values: Sequence[Any]) -> list[Upload]:
        return self._uploads(await self._fetch(statement, values))

    async def _fetch(self, statement: str, values: Sequence[Any]) -> list[Row]:
        opened = self._open

        def fetch() -> list[Row]:
            try:
                return opened.connections.aside.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise translated(error, self._path.name) from error

        return await asyncio.get_running_loop().run_in_executor(opened.thread, fetch)

    def _uploads(self, rows: Sequence[Row]) -> list[Upload]:
        try:
            return [from_row(row) for row in rows]
        except (KeyError, ValueError, TypeError) as error:
            raise Unavailable(f"the database {self._path.name} holds a record of another program") from error


async def _disconnect(connected: _Connected) -> None:
    connected.connections.at_once.close()
    await asyncio.to_thread(connected.thread.shutdown)
    connected.connections.aside.close()
    # The writer's connection goes last: the last one to close folds the log into the database.
    await connected.writer.close()


def _not_found(id: str) -> BackendError:
    return NotFound(f"there is no upload {id}")


_: type[Infos] = SqliteInfos
