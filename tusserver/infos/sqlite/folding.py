"""Folding the log into the database beside the writer.

SQLite by itself does it within a commit, every 1,000 pages, and syncs both files. While large uploads are written to
the same disk that takes as long as the kernel needs for their bytes, and every commit that waits stands still with it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading

log = logging.getLogger("tusserver.infos")

# Acts. One touches ten pages at most, so this is at most what SQLite waits for, and less where commits are shared.
FOLD_AFTER = 100
# So many more may come while the folding stands still; then the writer waits for it, since the disk keeps pace no more.
MOST_AHEAD = 2_000
# Pages. The log begins anew only where a commit finds all of it folded. While records come without a pause that is
# never so: past LONG the writer folds the rest itself, as soon as that is no more than FEW, and past MOST in any case.
LONG, FEW, MOST = 2_000, 1_000, 16_000
NOW = "PRAGMA wal_checkpoint(PASSIVE)"  # as far as nobody is in the way


class Folding:
    """A thread that folds when enough was written.

    Args:
        connection: for this thread alone; it is closed at the end.
    """

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self._connection = connection
        self._written = self._safe = 0  # acts: committed; and of those, folded for certain
        self._folded = 0  # pages of the log as it is
        self._is_writers = self._is_closed = False
        self._wake, self._turn = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"folding of {name}", daemon=True)
        self._thread.start()

    def wrote(self, connection: sqlite3.Connection, acts: int) -> None:
        """So many acts were committed by the writer, whose thread this is, with its connection."""
        self._written += acts
        ahead = self._written - self._safe
        if self._is_writers or ahead >= MOST_AHEAD:
            with self._turn:
                connection.execute(NOW).fetchone()
                self._safe, self._is_writers = self._written, False
        elif ahead >= FOLD_AFTER:
            self._wake.set()

    def close(self) -> None:
        """Wait for the end of the thread and the connection."""
        self._is_closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._is_closed:
                break
            with self._turn:
                if self._written == self._safe or self._is_writers:
                    continue
                try:
                    self._fold()
                except sqlite3.Error as error:
                    # The records are safe in the log; it grows until this succeeds, and the writer says when it cannot.
                    log.debug("the log is not folded: %s", error)
        self._connection.close()

    def _fold(self) -> None:
        """Fold what is in the log now; what comes meanwhile is left."""
        written = self._written
        _, pages, folded = self._connection.execute(NOW).fetchone()
        came, self._folded, self._safe = pages - self._folded, folded, written
        if pages >= LONG and (came <= FEW or pages >= MOST):
            self._is_writers = True
        elif pages >= LONG:
            self._wake.set()
