"""The one thread of a process that writes the database: what waits together is committed together.

A commit costs about as much as ten writes, and with `durable=True` a disk flush besides, so its cost is shared by all
requests in flight.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from tusserver.infos.sqlite.errors import is_busy, translated
from tusserver.infos.sqlite.rows import Row
from tusserver.protocol.errors import BackendError, Unavailable

# A bound for the time one transaction keeps writers of other processes waiting.
MOST_TOGETHER = 500


@dataclass(slots=True, eq=False)
class Job:
    """One statement. `missed` is the answer when it changes no row."""

    sql: str
    values: Row
    missed: BackendError
    durable: bool
    answer: asyncio.Future[None]


class Writer:
    """Takes statements from the tasks of one event loop. `name` is the database's, for messages."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._is_open = True
        self._synchronous = ""
        self._thread = threading.Thread(target=self._run, name=f"writer of {name}", daemon=True)
        self._thread.start()

    async def write(self, sql: str, values: Row, *, missed: BackendError, durable: bool) -> None:
        """Return when the statement is committed. A task that is cancelled stops waiting; the statement still runs.

        Raises:
            missed: no row changed.
            OutOfSpace, Unavailable: nothing of this statement is stored.
        """
        if not self._is_open:
            raise Unavailable(f"the database {self._name} is closed")
        answer: asyncio.Future[None] = self._loop.create_future()
        self._jobs.put(Job(sql, values, missed, durable, answer))
        await answer

    async def close(self) -> None:
        """Commit what waits, answer it, then end the thread and the connection."""
        if self._is_open:
            self._is_open = False
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while batch := self._take():
            try:
                results = self._commit(batch)
            except Exception as error:
                results = [error] * len(batch)
            # A closed loop has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_answer, batch, results)
        self._connection.close()

    def _take(self) -> list[Job]:
        """Wait for a job and take all that came with it; none means the end."""
        batch: list[Job] = []
        job = self._jobs.get()
        with suppress(Empty):
            while job is not None:
                batch.append(job)
                if len(batch) == MOST_TOGETHER:
                    break
                job = self._jobs.get_nowait()
        if job is None and batch:
            self._jobs.put(None)
        return batch

    def _commit(self, batch: list[Job]) -> list[Exception | None]:
        try:
            self._begin(any(job.durable for job in batch))
        except sqlite3.Error as error:
            return [self._failed(error)] * len(batch)
        try:
            results = [self._apply(job) for job in batch]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if len(batch) == 1 or is_busy(error):
                return [self._failed(error)] * len(batch)
            # One may have failed for itself alone: a record too large for the room left beside one that frees some.
            return [self._commit([job])[0] for job in batch]
        return results

    def _begin(self, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if self._synchronous != wanted:
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        # IMMEDIATE waits for other processes here; a later first write would fail at once when they had written.
        self._connection.execute("BEGIN IMMEDIATE")

    def _apply(self, job: Job) -> Exception | None:
        try:
            changed = self._connection.execute(job.sql, job.values).rowcount
        except (OverflowError, UnicodeError) as error:
            # The value cannot be bound, so the statement did not begin: the others of the batch are untouched.
            return error
        return None if changed else job.missed

    def _roll_back(self) -> None:
        # SQLite itself rolls back for some errors; `in_transaction` knows.
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _failed(self, error: sqlite3.Error) -> BackendError:
        failure = translated(error, self._name)
        failure.__cause__ = error
        return failure


def _answer(batch: list[Job], results: list[Exception | None]) -> None:
    for job, result in zip(batch, results, strict=True):
        if job.answer.done():
            continue
        if result is None:
            job.answer.set_result(None)
        else:
            job.answer.set_exception(result)
