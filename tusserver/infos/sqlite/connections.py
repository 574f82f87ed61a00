"""Opening the database: switch to WAL, bring the tables up to date, and say clearly what is wrong with a file."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from tusserver.infos.sqlite.errors import is_busy, translated
from tusserver.infos.sqlite.schema import STEPS, VERSION
from tusserver.protocol.errors import Unavailable

# What 1,000 pages take: about as much as the log has when it is folded into the database and started anew.
LOG_SIZE = 32 + 1000 * (24 + 4096)


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections of a process; each is used by one thread at a time.

    Attributes:
        write: of the writer's thread.
        at_once: reads on the event loop, so it never waits: it fails at once when the database is held.
        aside: reads in a thread, and waits.
        fold: folds the log into the database.
    """

    write: sqlite3.Connection
    at_once: sqlite3.Connection
    aside: sqlite3.Connection
    fold: sqlite3.Connection


def connect(path: Path, busy_timeout: float) -> Connections:
    """Open `path`, made with its folder when missing, with the tables of `VERSION`.

    Args:
        busy_timeout: seconds to wait for other processes.
    Raises:
        OutOfSpace, Unavailable: one sentence says why.
    """
    opened: list[sqlite3.Connection] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _hide(path)
        opened.append(_open(path, busy_timeout))
        _prepare(Database(opened[0], execute_plugins=False), path.name, busy_timeout)
        for timeout in (0.0, busy_timeout):
            opened.append(_open(path, timeout))
            opened[-1].execute("PRAGMA query_only = 1")
        opened.append(_open(path, 0.0))
        # What a long stall made of the log is given back when it starts anew.
        opened[0].execute(f"PRAGMA journal_size_limit = {LOG_SIZE}")
        _reserve(path)
    except (sqlite3.Error, OSError, Unavailable) as error:
        for connection in opened:
            connection.close()
        if isinstance(error, sqlite3.Error):
            raise translated(error, path.name) from error
        if isinstance(error, OSError):
            raise Unavailable(f"the folder of the database {path.name} cannot be made: {error.strerror}") from error
        raise
    return Connections(*opened)


def _hide(path: Path) -> None:
    """Keep every other user of the machine from reading the file: it holds hashes of passwords, and the addresses of
    uploads, which are secrets. SQLite gives the files beside it the same mode."""
    # Whatever fails here either fails again when SQLite opens the file, which then says what it is, or does not matter:
    # somebody else's file, a file system without modes.
    with suppress(OSError):
        if path.exists():
            # By its name: closing a descriptor of the file would let go of the locks that this process has on it.
            mode = path.stat().st_mode
            if mode & stat.S_IRWXO:
                path.chmod(stat.S_IMODE(mode) & ~stat.S_IRWXO)
        else:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def _open(path: Path, busy_timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)


def _prepare(database: Database, name: str, busy_timeout: float) -> None:
    _patiently(database.enable_wal, busy_timeout)
    database.conn.execute("BEGIN IMMEDIATE")
    try:
        _migrate(database.conn, name)
        database.conn.execute("COMMIT")
    finally:
        if database.conn.in_transaction:
            database.conn.execute("ROLLBACK")


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise Unavailable(f"the database {name} is of a newer version ({version}) than this program knows ({VERSION})")
    for step in STEPS[version:]:
        for statement in step:
            connection.execute(statement)
    # Also when it is this already: so a database that cannot be written is known at the start.
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _reserve(path: Path) -> None:
    """Give the log the size it grows to anyway, so that on a disk that uploads filled records can still be changed
    and deleted. SQLite takes zeros behind the end of its log for no record."""
    with suppress(OSError), path.with_name(path.name + "-wal").open("r+b") as log:
        os.posix_fallocate(log.fileno(), 0, LOG_SIZE)


def _patiently(act: Callable[[], None], timeout: float) -> None:
    """SQLite itself does not wait when the journal mode changes; processes that start together meet there."""
    end = time.monotonic() + timeout
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > end:
                raise
        time.sleep(0.01)
