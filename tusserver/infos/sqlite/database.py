"""An open database: who writes it, who reads it, and in which thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tusserver.infos.sqlite.connections import Connections, connect
from tusserver.infos.sqlite.errors import is_busy, translated
from tusserver.infos.sqlite.folding import Folding
from tusserver.infos.sqlite.rows import Row
from tusserver.infos.sqlite.writer import Act, Writer
from tusserver.protocol.errors import BackendError, Unavailable


@dataclass(slots=True)
class Opened:
    """What is open between `open` and `close`."""

    connections: Connections
    folding: Folding
    writer: Writer
    thread: ThreadPoolExecutor  # one thread, for the reads of `connections.aside`


class Database:
    """The file `path`; its folder is made.

    All writes of the process go through one thread that commits together what waits together. What reads more than
    one row reads in a thread of its own.

    Args:
        busy_timeout: seconds to wait for the transaction of another process.
    """

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._opened: Opened | None = None

    @property
    def name(self) -> str:
        """Its file name, for messages."""
        return self._path.name

    async def open(self) -> None:
        """Connect and bring the tables up to date. Raises OutOfSpace, Unavailable."""
        connections = await asyncio.to_thread(connect, self._path, self._busy_timeout)
        thread = ThreadPoolExecutor(1, thread_name_prefix=f"reader of {self.name}")
        folding = Folding(connections.fold, self.name)
        writer = Writer(connections.write, folding, self.name, self._busy_timeout)
        self._opened = Opened(connections, folding, writer, thread)

    async def close(self) -> None:
        """Finish what waits, then disconnect."""
        opened, self._opened = self._opened, None
        if opened is not None:
            # A task that is cancelled here must not leave half of it open.
            await asyncio.shield(_disconnect(opened))

    @property
    def opened(self) -> Opened:
        """Raises Unavailable when it is closed."""
        if self._opened is None:
            raise Unavailable(f"the database {self.name} is closed")
        return self._opened

    async def write(self, act: Act, *, durable: bool = False) -> None:
        """Do `act` in the transaction of all that waits. Raises what `Writer.write` does."""
        await self.opened.writer.write(act, durable=durable)

    async def look_up(self, statement: str, values: Sequence[Any]) -> list[Row]:
        """What a statement finds by a key, on the event loop: it costs some 15 µs, a tenth of what handing it to a
        thread and back costs, and in WAL mode a reader waits for no writer."""
        try:
            return self.opened.connections.at_once.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            if not is_busy(error):
                raise translated(error, self.name) from error
        # Another process recovers the log after a crash or is the last to close: wait, but not on the loop.
        return await self.fetch(statement, values)

    async def fetch(self, statement: str, values: Sequence[Any]) -> list[Row]:
        """What a statement finds, in the thread for reads."""
        opened = self.opened

        def fetch() -> list[Row]:
            try:
                return opened.connections.aside.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise translated(error, self.name) from error

        return await asyncio.get_running_loop().run_in_executor(opened.thread, fetch)


def changing(values: Sequence[Any], *statements: str, missed: BackendError) -> Act:
    """The act whose first statement that changes a row is the last; `missed` is its answer when none does."""

    def act(connection: sqlite3.Connection) -> BackendError | None:
        for statement in statements:
            if connection.execute(statement, values).rowcount:
                return None
        return missed

    return act


async def _disconnect(opened: Opened) -> None:
    opened.connections.at_once.close()
    await asyncio.to_thread(opened.thread.shutdown)
    opened.connections.aside.close()
    await asyncio.to_thread(opened.folding.close)
    # The writer's connection goes last: the last one to close folds the log into the database.
    await opened.writer.close()
