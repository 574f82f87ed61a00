"""The one thread of a process that writes the database: what waits together is committed together.

A commit costs about as much as ten writes, and with `durable=True` a disk flush besides, so its cost is shared by all
requests in flight.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from tusserver.infos.sqlite.errors import is_busy, is_full, translated
from tusserver.infos.sqlite.folding import Folding
from tusserver.protocol.errors import BackendError

# A bound for the time one transaction keeps writers of other processes waiting.
ENOUGH_TOGETHER = 500


# Another process holds the database for a millisecond or two. SQLite's own waiting soon sleeps 25, 50 and 100 ms: with
# two processes that write all the time, one write in a hundred took 20 ms and some 300; with these pauses 4 and 10.
SHORTEST_PAUSE = 0.0002
LONGEST_PAUSE = 0.005


# What a job does within the transaction, perhaps more than once; gives the refusal to raise. The transaction is that of
# other jobs too, so whoever refuses has written nothing before.
Act = Callable[[sqlite3.Connection], BackendError | None]


@dataclass(slots=True, eq=False)
class Job:
    """An act and who waits for its answer."""

    act: Act
    durable: bool
    answer: asyncio.Future[None]


class Writer:
    """Takes acts from the tasks of one event loop.

    Args:
        connection: for this thread alone; it is closed at the end.
        folding: hears what was written.
        name: the database's, for messages.
        busy_timeout: seconds to wait for the transaction of another process.
    """

    def __init__(self, connection: sqlite3.Connection, folding: Folding, name: str, busy_timeout: float) -> None:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._connection = connection
        self._folding = folding
        self._name = name
        self._busy_timeout = busy_timeout
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Job] = []
        self._jobs: SimpleQueue[list[Job]] = SimpleQueue()
        self._synchronous = ""
        self._thread = threading.Thread(target=self._run, name=f"writer of {name}", daemon=True)
        self._thread.start()

    async def write(self, act: Act, *, durable: bool) -> None:
        """Return when the act is committed. A task that is cancelled stops waiting; its act is still done.

        Raises:
            the refusal that `act` gave.
            OutOfSpace, Unavailable: nothing of this act is stored.
        """
        answer: asyncio.Future[None] = self._loop.create_future()
        if not self._gathered:
            # What all tasks that run in this turn of the loop write goes to the thread in one piece.
            self._loop.call_soon(self._hand_over)
        self._gathered.append(Job(act, durable, answer))
        await answer

    async def close(self) -> None:
        """Commit what waits, answer it, then end the thread and the connection. Nothing is written afterwards."""
        self._hand_over()
        self._jobs.put([])
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._gathered:
            self._jobs.put(self._gathered)
            self._gathered = []

    def _run(self) -> None:
        while batch := self._take():
            results = self._commit(batch)
            # A closed loop has nobody left who waits.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(_answer, batch, results)
            with suppress(sqlite3.Error):
                self._folding.wrote(self._connection, len(batch))
        self._connection.close()

    def _take(self) -> list[Job]:
        """Wait for a job and take all that came with it; none means the end."""
        batch = list(self._jobs.get())
        with suppress(Empty):
            while batch and len(batch) < ENOUGH_TOGETHER:
                more = self._jobs.get_nowait()
                if not more:
                    self._jobs.put(more)
                    break
                batch += more
        return batch

    def _commit(self, batch: list[Job]) -> list[Exception | None]:
        """One transaction for all; when it fails, one for each, for a single job may be to blame."""
        try:
            return self._transaction(batch)
        except Exception as error:
            self._roll_back()
            if is_busy(error):
                # The wait is over, and would be as long again for each.
                return [self._failure(error) for _ in batch]
            if is_full(error):
                self._make_room()
        return [self._alone(job) for job in batch]

    def _alone(self, job: Job) -> Exception | None:
        try:
            return self._transaction([job])[0]
        except Exception as error:
            self._roll_back()
            return self._failure(error)

    def _transaction(self, batch: list[Job]) -> list[Exception | None]:
        self._begin(durable=any(job.durable for job in batch))
        results: list[Exception | None] = [job.act(self._connection) for job in batch]
        self._connection.execute("COMMIT")
        return results

    def _begin(self, *, durable: bool) -> None:
        wanted = "FULL" if durable else "NORMAL"
        if self._synchronous != wanted:
            self._connection.execute(f"PRAGMA synchronous = {wanted}")
            self._synchronous = wanted
        end, pause = time.monotonic() + self._busy_timeout, SHORTEST_PAUSE
        while True:
            try:
                # A deferred transaction whose first write comes later fails at once when others have written meanwhile.
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() > end:
                    raise
            time.sleep(pause)
            pause = min(pause * 1.2, LONGEST_PAUSE)

    def _roll_back(self) -> None:
        # SQLite itself rolls back for some errors, which `in_transaction` knows. Should this fail, the next BEGIN
        # fails too, and it is tried again.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _make_room(self) -> None:
        """Fold the log into the database, so that it is written from its start again and need not grow. What only
        changes or deletes records then has room on a full disk."""
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)")

    def _failure(self, error: Exception) -> BackendError:
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
