"""Records in SQLite: the contract, and what only a database can show."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.infos import FULL, InfosContract
from tests.contracts.infos_values import add, an_upload, ids, new_id, seconds
from tusserver.infos.base import Infos
from tusserver.infos.sqlite import SqliteInfos, queries
from tusserver.infos.sqlite.rows import to_row
from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace, Unavailable
from tusserver.protocol.uploads import Kind, State


class TestSqliteInfos(InfosContract):
    @pytest.fixture
    async def infos(self, path: Path) -> AsyncIterator[Infos]:
        infos = SqliteInfos(path)
        await infos.open()
        yield infos
        await infos.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "infos.db"


@pytest.fixture
async def infos(path: Path) -> AsyncIterator[SqliteInfos]:
    infos = SqliteInfos(path, busy_timeout=0.2)
    await infos.open()
    yield infos
    await infos.close()


def by_hand(path: Path) -> closing[sqlite3.Connection]:
    """Another connection to the database, as another process has one."""
    return closing(sqlite3.connect(path, isolation_level=None, timeout=0))


def commits(path: Path) -> int:
    """The transactions in the write-ahead log: frames that tell the size of the database end one."""
    log = path.with_name(path.name + "-wal").read_bytes()
    (page, salts) = struct.unpack(">8xI4x8s8x", log[:32])
    frames = range(32, len(log) - 24, 24 + page)
    return sum(log[at + 8 : at + 16] == salts and log[at + 4 : at + 8] != bytes(4) for at in frames)


# One transaction for what waits together


async def test_two_hundred_creates_at_once_are_one_transaction(infos: SqliteInfos, path: Path) -> None:
    await infos.create(an_upload())
    before = commits(path)
    await asyncio.gather(*(infos.create(an_upload()) for _ in range(200)))
    assert commits(path) - before == 1


async def test_what_arrives_during_a_transaction_waits_for_the_next(infos: SqliteInfos, path: Path) -> None:
    (first,) = await add(infos, an_upload(length=9))
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        held = asyncio.create_task(infos.save(replace(first, offset=1)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(infos.create(an_upload())) for _ in range(50)]
        await asyncio.sleep(0)
        more = [asyncio.create_task(infos.create(an_upload())) for _ in range(50)]
        await asyncio.sleep(0)
        before = commits(path)
        other.execute("ROLLBACK")
    await asyncio.gather(held, *others, *more)
    assert commits(path) - before == 2


async def test_one_that_fails_leaves_the_others_of_its_transaction_alone(infos: SqliteInfos, path: Path) -> None:
    (there,) = await add(infos, an_upload(length=9))
    good, huge = [an_upload() for _ in range(3)], an_upload(length=2**63)
    before = commits(path)
    answers = await asyncio.gather(
        infos.create(good[0]),
        infos.create(there),
        infos.save(an_upload()),
        infos.create(good[1]),
        infos.create(huge),
        infos.delete(new_id()),
        infos.create(good[2]),
        return_exceptions=True,
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [type(None), Conflict, NotFound, type(None), OverflowError, NotFound, type(None)]
    assert await infos.known(ids([*good, huge])) == set(ids(good))
    assert commits(path) - before == 1


async def test_one_the_database_refuses_is_refused_alone(infos: SqliteInfos, path: Path) -> None:
    with by_hand(path) as other:
        other.execute(
            "CREATE TRIGGER t BEFORE INSERT ON uploads WHEN new.length = 7 BEGIN SELECT raise(ROLLBACK, 'no'); END"
        )
    uploads = [an_upload(length=length) for length in range(20)]
    answers = await asyncio.gather(*(infos.create(upload) for upload in uploads), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 7 + [Unavailable] + [type(None)] * 12
    assert await infos.known(ids(uploads)) == set(ids(uploads)) - {uploads[7].id}


async def test_a_save_of_what_a_patch_moves_sets_no_other_column(infos: SqliteInfos, path: Path) -> None:
    (upload,) = await add(infos, an_upload(length=9, filename="a", metadata="b", owner="c"))
    with by_hand(path) as other:
        other.execute(
            "CREATE TRIGGER t BEFORE UPDATE OF created_at, filename ON uploads BEGIN SELECT raise(ABORT, 'set'); END"
        )
    moved = replace(upload, offset=9, state=State.COMPLETE, completed_at=seconds(1), updated_at=seconds(1))
    await infos.save(moved)
    assert await infos.load(upload.id) == moved
    with pytest.raises(Unavailable, match="set"):
        await infos.save(replace(moved, filename="z"))


# Other connections


async def test_a_transaction_elsewhere_delays_writes_but_no_reads(infos: SqliteInfos, path: Path) -> None:
    (upload,) = await add(infos, an_upload(length=9))
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE uploads SET offset = 5")
        waiting = asyncio.create_task(infos.save(replace(upload, offset=3)))
        await asyncio.sleep(0.02)
        assert await infos.load(upload.id) == upload
        assert (await infos.page()).uploads == (upload,)
        assert not waiting.done()
        other.execute("ROLLBACK")
    await waiting
    assert (await infos.load(upload.id)).offset == 3


async def test_a_transaction_elsewhere_that_does_not_end_makes_writes_unavailable(
    infos: SqliteInfos, path: Path
) -> None:
    (upload,) = await add(infos, an_upload(length=9))
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(infos.save(upload) for _ in range(5)), return_exceptions=True)
        assert {str(answer) for answer in answers} == {"the database infos.db is held by another process"}
        assert all(isinstance(answer, Unavailable) and answer.__cause__ is not None for answer in answers)
        other.execute("ROLLBACK")
    await infos.save(replace(upload, offset=1))
    assert (await infos.load(upload.id)).offset == 1


async def test_reads_leave_no_transaction_open_that_would_keep_the_log_growing(infos: SqliteInfos, path: Path) -> None:
    (upload,) = await add(infos, an_upload(kind=Kind.FINAL, parts=("p",)))
    await infos.load(upload.id)
    await infos.page()
    await infos.finals_of("p")
    await infos.same_final(upload)
    with by_hand(path) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def test_the_log_does_not_grow_without_bound(infos: SqliteInfos, path: Path) -> None:
    for _ in range(12):
        await asyncio.gather(*(infos.create(an_upload(metadata="x" * 3000)) for _ in range(200)))
        await infos.page(limit=1)
    assert path.with_name("infos.db-wal").stat().st_size < 8 * 1024 * 1024


# Errors


async def test_a_full_database_is_out_of_space_and_keeps_what_it_has(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    (upload,) = await add(infos, an_upload(length=9))
    # As a disk that has no room for one page more.
    writer = infos._open.connections.write
    writer.execute("PRAGMA max_page_count = 1")
    large = [an_upload(metadata="x" * 20_000) for _ in range(5)]
    answers = await asyncio.gather(
        *(infos.create(upload) for upload in large), infos.save(replace(upload, offset=4)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [OutOfSpace] * 5 + [type(None)]
    assert (await infos.load(upload.id)).offset == 4
    await infos.delete(upload.id)
    writer.execute("PRAGMA max_page_count = 1000000")
    await add(infos, *large)
    await infos.close()


async def test_a_record_of_another_program_is_unavailable_and_the_others_are_not(
    infos: SqliteInfos, path: Path
) -> None:
    strange, other = await add(infos, an_upload(), an_upload())
    with by_hand(path) as hand:
        hand.execute("UPDATE uploads SET state = 'frozen' WHERE id = ?", (strange.id,))
    with pytest.raises(Unavailable, match="another program"):
        await infos.load(strange.id)
    assert await infos.load(other.id) == other


async def test_after_close_everything_is_unavailable(path: Path) -> None:
    infos = SqliteInfos(path)
    upload = an_upload()
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"infos\.db is closed"):
            await infos.create(upload)
        with pytest.raises(Unavailable, match=r"infos\.db is closed"):
            await infos.load(upload.id)
        with pytest.raises(Unavailable, match=r"infos\.db is closed"):
            await infos.page()
        await infos.open()
        await infos.close()


# Opening


async def test_records_are_there_after_closing_and_opening(path: Path) -> None:
    upload = an_upload(updated_at=seconds(3), **FULL)
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


async def refused(path: Path) -> str:
    """The sentence with which opening fails; nothing stays open behind it."""
    infos = SqliteInfos(path, busy_timeout=0.2)
    with pytest.raises(Unavailable) as caught:
        await infos.open()
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
    assert sentence == "the database infos.db is of a newer version (1000) than this program knows (1)"


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
    uploads = [an_upload(metadata="x" * 500) for _ in range(500)]
    await asyncio.gather(*(infos.create(upload) for upload in uploads))
    await infos.close()
    with path.open("r+b") as file:
        # All pages behind the first, which holds the list of tables.
        size = file.seek(0, 2)
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    await infos.open()
    for act in (infos.load(uploads[0].id), infos.save(uploads[0]), infos.page()):
        with pytest.raises(Unavailable, match=r"^the database infos\.db is damaged$"):
            await act
    await infos.close()


# Speed


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (queries.LOAD, ("x",), "sqlite_autoindex_uploads_1"),
        (queries.SAVE[0], to_row(an_upload()), "sqlite_autoindex_uploads_1"),
        (queries.SAVE[1], to_row(an_upload()), "sqlite_autoindex_uploads_1"),
        (queries.DELETE[0], ("x",), "sqlite_autoindex_uploads_1"),
        (queries.KNOWN, ("[]",), "sqlite_autoindex_uploads_1"),
        (queries.EXPIRED, (1, 1), "uploads_expiring"),
        (queries.FINISHED, (1, 1), "uploads_finished"),
        (queries.UNFINISHED, ("x", 1), "uploads_unfinished"),
        (queries.SAME_FINAL, (1, "", "", ""), "uploads_final"),
        (queries.FINALS_OF, ("x",), "PRIMARY KEY (part=?)"),
        (*queries.listing(None, [], None, 9, (1, "x")), "uploads_newest"),
        (*queries.listing(None, list(State), None, 9, (1, "x")), "uploads_newest"),
        (*queries.listing("o", [], None, 9, (1, "x")), "uploads_owner (owner=? AND"),
        (*queries.listing("o", list(State), "f", 9, (1, "x")), "uploads_name (filename=? AND"),
        (*queries.listing(None, [State.PENDING, State.FAILED], None, 9, (1, "x")), "uploads_rare (state=? AND"),
    ],
)
async def test_every_question_is_answered_through_an_index(
    infos: SqliteInfos, path: Path, statement: str, values: tuple[object, ...], index: str
) -> None:
    with by_hand(path) as other:
        plan = [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(step.startswith("SEARCH") and index in step for step in plan), plan
    assert not any(step.startswith("SCAN") and "uploads" in step for step in plan), plan
    # Sorted in memory are only the few rows of a final's answer, and the first of each state.
    sorts = statement in (queries.FINALS_OF, queries.SAME_FINAL) or "UNION ALL" in statement
    assert sorts or not any("TEMP B-TREE" in step for step in plan), plan
