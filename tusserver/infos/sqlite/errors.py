"""What SQLite's errors mean to a caller."""

from __future__ import annotations

import sqlite3

from tusserver.protocol.errors import BackendError, OutOfSpace, Unavailable

# The index of the write-ahead log grows in steps of 32 KiB; on a full disk that step fails by its own name.
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


def is_full(error: Exception) -> bool:
    """There was no room for what was to be written."""
    return getattr(error, "sqlite_errorcode", None) in _FULL


def is_busy(error: Exception) -> bool:
    """Another connection held the database for longer than the busy timeout."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def translated(error: Exception, name: str) -> BackendError:
    """The error to raise `from error`. `name` is the database's file name, without its folder: the text may reach a
    client."""
    if is_full(error):
        return OutOfSpace(f"the database {name} has no room left")
    if is_busy(error):
        return Unavailable(f"the database {name} is held by another process")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return Unavailable(f"{name} is not an SQLite database")
    if code == sqlite3.SQLITE_CORRUPT:
        return Unavailable(f"the database {name} is damaged")
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(f"the database {name} cannot be written")
    if code == sqlite3.SQLITE_CANTOPEN:
        return Unavailable(f"the database {name} cannot be opened")
    return Unavailable(f"the database {name} failed: {error}")
