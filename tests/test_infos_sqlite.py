"""Records in SQLite: the contract, and what only a database can show."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.infos import InfosContract
from tests.contracts.infos_values import add, an_upload, ids, new_id, seconds
from tests.databases import by_hand, commits
from tusserver.accounts.base import Accounts
from tusserver.infos.base import Infos
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos, folding, queries
from tusserver.infos.sqlite.database import changing
from tusserver.infos.sqlite.folding import Folding
from tusserver.infos.sqlite.rows import to_row
from tusserver.infos.sqlite.writer import Writer
from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace, Unavailable
from tusserver.protocol.uploads import Kind, State


class TestSqliteInfos(InfosContract):
    @pytest.fixture
    def accounts(self, infos: SqliteInfos) -> Accounts:
        return SqliteAccounts(infos)

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


# One transaction for what waits together


async def test_two_hundred_creates_at_once_are_one_transaction(infos: SqliteInfos, path: Path) -> None:
    await infos.create(an_upload())
    before = commits(path)
    await asyncio.gather(*(infos.create(an_upload()) for _ in range(200)))
    assert commits(path) - before == 1


async def test_what_arrives_during_a_transaction_waits_for_the_next(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        acts = [asyncio.create_task(infos.create(an_upload()))]
        await asyncio.sleep(0.1)  # the thread has taken it, and waits
        for _ in range(3):
            acts += [asyncio.create_task(infos.create(an_upload())) for _ in range(50)]
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # the last of them are handed over a turn after they were asked for
        before = commits(path)
        other.execute("ROLLBACK")
    await asyncio.gather(*acts)
    assert commits(path) - before == 2
    await infos.close()


async def test_a_transaction_with_a_durable_write_in_it_is_on_disk_before_it_is_answered(infos: SqliteInfos) -> None:
    said: list[str] = []
    infos.database.opened.connections.write.set_trace_callback(said.append)
    for durable in ([False], [True], [False, True, False], [False, False], [True, True]):
        said.clear()
        await asyncio.gather(*(infos.create(an_upload(), durable=each) for each in durable))
        transaction = said[said.index("BEGIN IMMEDIATE") :]
        (level,) = infos.database.opened.connections.write.execute("PRAGMA synchronous").fetchone()
        # FULL flushes the log at each commit, NORMAL only before it is folded into the database.
        assert level == (2 if any(durable) else 1)
        assert transaction.count("BEGIN IMMEDIATE") == 1
        # It cannot be changed within a transaction.
        assert "synchronous" not in "".join(transaction)


async def test_one_that_fails_leaves_the_others_of_its_transaction_alone(infos: SqliteInfos, path: Path) -> None:
    (there,) = await add(infos, an_upload(length=9))
    good = [an_upload() for _ in range(3)]
    before = commits(path)
    answers = await asyncio.gather(
        infos.create(good[0]),
        infos.create(there),
        infos.save(an_upload()),
        infos.create(good[1]),
        infos.delete(new_id()),
        infos.create(good[2]),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [type(None), Conflict, NotFound, type(None), NotFound, type(None)]
    assert await infos.known(ids(good)) == set(ids(good))
    assert commits(path) - before == 1


async def test_a_value_that_the_database_cannot_hold_is_refused_alone(infos: SqliteInfos) -> None:
    uploads = [an_upload(length=length) for length in (1, 2**63, 2)]
    answers = await asyncio.gather(*(infos.create(upload) for upload in uploads), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), Unavailable, type(None)]
    assert await infos.known(ids(uploads)) == {uploads[0].id, uploads[2].id}


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
        await asyncio.sleep(0.05)
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
        began = time.monotonic()
        answers = await asyncio.gather(*(infos.save(upload) for _ in range(20)), return_exceptions=True)
        assert time.monotonic() - began < 10 * 0.2  # they waited together
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


async def test_the_log_does_not_grow_without_bound(
    infos: SqliteInfos, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In little, or it would take 64 MiB.
    monkeypatch.setattr(folding, "LONG", 500)
    monkeypatch.setattr(folding, "MOST", 1_000)
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
    writer = infos.database.opened.connections.write
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


async def test_a_database_that_cannot_be_written_for_a_while_is_unavailable_for_that_while(infos: SqliteInfos) -> None:
    (upload,) = await add(infos, an_upload(length=9))
    # As a disk that was mounted for reading only.
    infos.database.opened.connections.write.execute("PRAGMA query_only = 1")
    with pytest.raises(Unavailable, match=r"^the database infos\.db cannot be written$"):
        await infos.save(replace(upload, offset=1))
    assert await infos.load(upload.id) == upload
    infos.database.opened.connections.write.execute("PRAGMA query_only = 0")
    await infos.save(replace(upload, offset=1))


async def test_close_waits_for_writes_that_wait_for_a_transaction_elsewhere(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    uploads = [an_upload() for _ in range(2)]
    with by_hand(path) as other:
        other.execute("BEGIN IMMEDIATE")
        acts = []
        for upload in uploads:
            acts.append(asyncio.create_task(infos.create(upload)))
            await asyncio.sleep(0.05)
        acts.append(asyncio.create_task(infos.close()))
        await asyncio.sleep(0.05)
        assert not any(act.done() for act in acts)
        other.execute("ROLLBACK")
    await asyncio.gather(*acts)
    with by_hand(path) as other:
        assert other.execute("SELECT count(*) FROM uploads").fetchone() == (2,)


async def test_closing_in_the_turn_of_a_write_still_commits_it(infos: SqliteInfos, path: Path) -> None:
    upload = an_upload()
    connections = [sqlite3.connect(path, isolation_level=None, check_same_thread=False) for _ in range(2)]
    folding = Folding(connections[1], "infos.db")
    writer = Writer(connections[0], folding, "infos.db", 1.0)
    writing = asyncio.create_task(
        writer.write(changing(to_row(upload), queries.CREATE, missed=Conflict("there")), durable=False)
    )
    await asyncio.sleep(0)
    await writer.close()
    await writing
    folding.close()
    assert await infos.load(upload.id) == upload


async def test_the_connections_that_read_cannot_write(infos: SqliteInfos) -> None:
    for reader in (infos.database.opened.connections.at_once, infos.database.opened.connections.aside):
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM uploads")


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


def test_a_write_whose_event_loop_ended_is_still_made(path: Path) -> None:
    infos, upload = SqliteInfos(path), an_upload()
    loop = asyncio.new_event_loop()

    async def begin() -> asyncio.Task[None]:
        await infos.open()
        creating = asyncio.create_task(infos.create(upload))
        # Two turns: one for the task to hand over, one for what was handed over to go to the thread.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return creating

    with by_hand(path) as other:
        other.execute("PRAGMA journal_mode = wal")
        creating = loop.run_until_complete(begin())
        creating.cancel()
        loop.close()
    asyncio.run(infos.close())
    with by_hand(path) as other:
        assert other.execute("SELECT id FROM uploads").fetchall() == [(upload.id,)]


# Speed


@pytest.mark.parametrize(
    ("statement", "values", "index"),
    [
        (queries.LOAD, ("x",), "sqlite_autoindex_uploads_1"),
        (queries.SAVE[0], to_row(an_upload()), "sqlite_autoindex_uploads_1"),
        (queries.SAVE[1], to_row(an_upload()), "sqlite_autoindex_uploads_1"),
        (queries.DELETE, ("x",), "sqlite_autoindex_uploads_1"),
        (queries.KNOWN, ("[]",), "sqlite_autoindex_uploads_1"),
        (queries.EXPIRED, (1, 1), "uploads_expiring"),
        (queries.NOTE, (1, None, None, "x"), "sqlite_autoindex_uploads_1"),
        (queries.LEARN, (1, None, None, "x"), "sqlite_autoindex_uploads_1"),
        (queries.IS_TAKEN, ("x",), "uploads_stored (stored_filename=?)"),
        (queries.LOAD_MANY, ("[]",), "sqlite_autoindex_uploads_1"),
        (queries.IMAGE, ("x",), "uploads_stored (stored_filename=?)"),
        (queries.FINISHED, (1, 1), "uploads_finished (<expr>=? AND completed_at<"),
        (queries.UNEXAMINED, (1,), "uploads_finished (<expr>=? AND completed_at>"),
        (queries.TO_ANNOUNCE, (1,), "uploads_announcing (completed_at>"),
        (queries.UNFINISHED, ("x", 1), "uploads_unfinished"),
        (queries.STALE, ("x", 1, 1), "uploads_unfinished (id>"),
        (queries.STALE_OF, ("x", 1, 1, "o"), "uploads_unfinished (id>"),
        (queries.OLDER_OF_NAME, ("o", "f", 1, "x"), "uploads_name (filename=? AND (created_at,id)<"),
        (*queries.newest("o", "f", []), "uploads_name (filename=?"),
        (*queries.newest(None, "f", [State.COMPLETE]), "uploads_name (filename=?"),
        (*queries.newest(None, "f", [State.PENDING, State.RECEIVING]), "uploads_rare (state=?"),
        (queries.TOTALS, ("o",), "totals USING PRIMARY KEY (owner=?)"),
        (
            queries.COUNT_RECENT,
            ("o", 1, 2, 3),
            "COVERING INDEX uploads_owner (owner=? AND created_at>? AND created_at<?",
        ),
        (
            queries.COUNT_RECENT_OF_NOBODY,
            (None, 1, 2, 3),
            "COVERING INDEX uploads_newest (created_at>? AND created_at<?",
        ),
        (queries.ROOM_OF_LINK, ("x",), "sqlite_autoindex_links_1"),
        (queries.SAME_FINAL, (1, "", "", ""), "uploads_final"),
        (queries.FATE_OF_SAME_FINAL, (1, "", "", ""), "uploads_final"),
        (queries.FINALS_OF, ("x",), "PRIMARY KEY (part=?)"),
        (*queries.listing(None, [], None, 9, (1, "x")), "uploads_newest"),
        (*queries.listing(None, list(State), None, 9, (1, "x")), "uploads_newest"),
        (*queries.listing("o", [], None, 9, (1, "x")), "uploads_owner (owner=? AND"),
        (
            *queries.listing("o", [], None, 9, (1, "x"), only_images=True),
            "uploads_images (owner=? AND (created_at,id)<",
        ),
        (*queries.listing(None, [], None, 9, (1, "x"), only_images=True), "uploads_newest_images ("),
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
    finals = (queries.FINALS_OF, queries.SAME_FINAL, queries.FATE_OF_SAME_FINAL)
    sorts = statement in finals or "UNION ALL" in statement
    assert sorts or not any("TEMP B-TREE" in step for step in plan), plan
