"""The log is folded into the database beside the writer, and does not grow for ever."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.infos_values import add, an_upload, ids
from tests.databases import by_hand
from tusserver.infos.sqlite import SqliteInfos
from tusserver.infos.sqlite import database as sqlite_database
from tusserver.infos.sqlite.folding import FOLD_AFTER, Folding
from tusserver.protocol.uploads import Upload


class Standing:
    """A connection whose disk stands still until it is told to go on."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.was_asked, self.may_go_on = threading.Event(), threading.Event()

    def execute(self, statement: str) -> sqlite3.Cursor:
        self.was_asked.set()
        self.may_go_on.wait()
        return self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "infos.db"


@pytest.fixture
async def infos(path: Path) -> AsyncIterator[SqliteInfos]:
    made = SqliteInfos(path)
    await made.open()
    yield made
    await made.close()


def log_of(path: Path) -> int:
    """The size of the log."""
    return path.with_name(path.name + "-wal").stat().st_size


async def test_records_are_written_while_the_folding_stands_still(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standing: list[Standing] = []

    def stand(connection: Any, name: str) -> Folding:
        standing.append(Standing(connection))
        return Folding(standing[0], name)  # type: ignore[arg-type]

    monkeypatch.setattr(sqlite_database, "Folding", stand)
    infos = SqliteInfos(path)
    await infos.open()
    try:
        uploads = await add(infos, *(an_upload() for _ in range(FOLD_AFTER)))
        await asyncio.to_thread(standing[0].was_asked.wait)
        async with asyncio.timeout(30):
            for _ in range(5):
                uploads += await add(infos, *(an_upload() for _ in range(FOLD_AFTER)))
            await infos.save(uploads[0], durable=True)
    finally:
        standing[0].may_go_on.set()
        await infos.close()
    with by_hand(path) as other:
        (count,) = other.execute("SELECT count(*) FROM uploads").fetchone()
    assert count == len(uploads) == 6 * FOLD_AFTER


async def test_enough_writing_is_folded_without_being_asked(infos: SqliteInfos, path: Path) -> None:
    before = path.stat().st_size
    await add(infos, *(an_upload() for _ in range(3 * FOLD_AFTER)))
    async with asyncio.timeout(20):
        await _until_larger(path, before)


async def _until_larger(path: Path, size: int) -> None:
    for _ in range(1000):
        if path.stat().st_size > size:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("nothing was folded")


async def test_the_log_begins_anew_while_records_come_without_a_pause(infos: SqliteInfos, path: Path) -> None:
    longest = 0

    async def write() -> None:
        nonlocal longest
        for _ in range(1000):
            await infos.create(an_upload())
            longest = max(longest, log_of(path))

    await asyncio.gather(*(write() for _ in range(12)))
    # They write three times as much.
    assert longest < 96 * 1024 * 1024


async def test_the_log_is_given_back_after_a_reader_kept_it_long(infos: SqliteInfos, path: Path) -> None:
    with by_hand(path) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM uploads").fetchone()
        for _ in range(4):
            await add(infos, *(an_upload(metadata="x" * 3000) for _ in range(500)))
        long = log_of(path)
        assert long > 8 * 1024 * 1024
    uploads: list[Upload] = []
    for _ in range(40):
        uploads += await add(infos, an_upload())
        await add(infos, *(an_upload() for _ in range(FOLD_AFTER)))
        await asyncio.sleep(0.05)
        if log_of(path) < long / 2:
            break
    assert log_of(path) < long / 2
    assert await infos.known(ids(uploads)) == set(ids(uploads))
