"""Opening a database of records: a new one, an old one, and all that is none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.infos import FULL
from tests.contracts.infos_values import an_upload, seconds
from tests.databases import by_hand
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.errors import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "infos.db"


async def test_records_are_there_after_closing_and_opening(path: Path) -> None:
    upload = an_upload(updated_at=seconds(3), **{**FULL, "link": None})
    for turn in range(3):
        infos = SqliteInfos(path)
        await infos.open()
        if turn == 0:
            await infos.create(upload)
        assert await infos.load(upload.id) == upload
        assert [entry.name for entry in path.parent.glob("infos.db-shm")] == ["infos.db-shm"]
        await infos.close()
        assert [entry.name for entry in path.parent.iterdir()] == ["infos.db"]


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    infos = SqliteInfos(tmp_path / "a" / "b" / "infos.db")
    await infos.open()
    await infos.create(an_upload())
    await infos.close()
    assert (tmp_path / "a" / "b" / "infos.db").is_file()


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """The file is the same byte for byte behind the block."""
    before = path.read_bytes()
    yield
    assert path.read_bytes() == before


def open_files(path: Path) -> list[str]:
    """The files of the database that this process has open."""
    # A descriptor may have been closed since the list was read.
    found = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    return [name for name in found if name.startswith(str(path))]


async def refused(path: Path) -> str:
    """The sentence with which opening fails; nothing stays open behind it."""
    infos = SqliteInfos(path, busy_timeout=0.2)
    # While one connection of a process holds a lock on a file, SQLite puts off every close of that file.
    is_held_here = open_files(path) != []
    with pytest.raises(Unavailable) as caught:
        await infos.open()
    assert is_held_here or open_files(path) == []
    await infos.close()
    return str(caught.value)


async def test_a_database_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    await infos.close()
    with by_hand(path) as other:
        other.execute("PRAGMA user_version = 1000")
    with unchanged(path):
        sentence = await refused(path)
    assert sentence == "the database infos.db is of a newer version (1000) than this program knows (3)"


@pytest.mark.parametrize("content", [b"not a database\n" * 1000, b"short", b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
    with unchanged(path):
        assert await refused(path) == "infos.db is not an SQLite database"


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    assert await refused(tmp_path / "folder" / "infos.db") == (
        "the folder of the database infos.db cannot be made: File exists"
    )


async def test_a_folder_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    assert await refused(tmp_path) == f"the database {tmp_path.name} cannot be opened"


async def test_a_database_that_somebody_holds_is_refused(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    await infos.close()
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await refused(path) == "the database infos.db is held by another process"
        other.execute("ROLLBACK")


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
async def test_opening_waits_for_a_transaction_elsewhere_to_end(path: Path, lock: str) -> None:
    infos = SqliteInfos(path, busy_timeout=5)
    with by_hand(path) as other:
        other.execute(f"BEGIN {lock}")
        opening = asyncio.create_task(infos.open())
        await asyncio.sleep(0.1)
        assert not opening.done()
        other.execute("ROLLBACK")
    await opening
    await infos.create(an_upload())
    await infos.close()


@pytest.mark.parametrize("lock", ["IMMEDIATE", "EXCLUSIVE"])
async def test_a_new_database_that_somebody_holds_is_refused(path: Path, lock: str) -> None:
    with by_hand(path) as other:
        other.execute(f"BEGIN {lock}")
        assert await refused(path) == "the database infos.db is held by another process"


async def test_a_table_of_another_program_is_refused_and_left_as_it_is(path: Path) -> None:
    with by_hand(path) as other:
        other.execute("CREATE TABLE uploads (x)")
    assert "table uploads already exists" in await refused(path)
    with by_hand(path) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("uploads",)]
        assert other.execute("PRAGMA user_version").fetchone() == (0,)


async def test_a_damaged_database_is_unavailable_with_one_sentence(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    await infos.close()
    empty = path.stat().st_size
    await infos.open()
    uploads = [an_upload(metadata="x" * 500) for _ in range(500)]
    await asyncio.gather(*(infos.create(upload) for upload in uploads))
    await infos.close()
    with path.open("r+b") as file:
        # All pages behind the first ones, which hold the list of tables.
        size = file.seek(0, 2)
        file.seek(empty)
        file.write(b"\xff" * (size - empty))
    await infos.open()
    for act in (infos.load(uploads[0].id), infos.save(uploads[0]), infos.page()):
        with pytest.raises(Unavailable, match=r"^the database infos\.db is damaged$"):
            await act
    await infos.close()


async def test_nobody_but_its_owner_reads_the_database(tmp_path: Path) -> None:
    infos = SqliteInfos(tmp_path / "infos.db")
    await infos.open()
    await infos.create(an_upload())
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "infos.db": 0o600,
        "infos.db-shm": 0o600,
        "infos.db-wal": 0o600,
    }
    await infos.close()
