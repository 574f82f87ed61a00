"""A database that an earlier version wrote, opened by this one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.infos_quotas import refusal
from tests.contracts.infos_values import START, a_link, an_upload, ids, seconds
from tests.databases import by_hand
from tusserver.infos.base import Quota
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.protocol.uploads import Chunk, Kind, State, Upload

# As `.dump` of the sqlite3 program tells it.
VERSION_1 = """
BEGIN TRANSACTION;
CREATE TABLE parts (part TEXT NOT NULL, final TEXT NOT NULL, PRIMARY KEY (part, final)) WITHOUT ROWID;
INSERT INTO parts VALUES('2222222222222222222222','3333333333333333333333');
INSERT INTO parts VALUES('4444444444444444444444','3333333333333333333333');
CREATE TABLE uploads (
        id TEXT PRIMARY KEY NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        length INTEGER,
        "offset" INTEGER NOT NULL,
        state TEXT NOT NULL,
        kind TEXT NOT NULL,
        parts TEXT,
        concat TEXT,
        metadata TEXT,
        owner TEXT,
        filename TEXT,
        content_type TEXT,
        expires_at INTEGER,
        completed_at INTEGER,
        unverified INTEGER NOT NULL,
        final_key INTEGER
    );
INSERT INTO uploads VALUES (
    '0000000000000000000000', 1767323045678901, 1767323045678901, 5, 0, 'pending', 'regular',
    NULL, NULL, 'filename YS50eHQ=', 'ann', 'a.txt', NULL, NULL, NULL, 0, NULL
);
INSERT INTO uploads VALUES (
    '1111111111111111111111', 1767323045678901, 1767323054678901, 10, 10, 'complete', 'regular',
    NULL, NULL, NULL, NULL, X'EDB3BF', 'text/plain', NULL, 1767323054678901, 0, NULL
);
INSERT INTO uploads VALUES (
    '2222222222222222222222', 1767323045678901, 1767323045678901, NULL, 3, 'receiving', 'partial',
    NULL, NULL, NULL, NULL, NULL, NULL, 1767927845678901, NULL, 1, NULL
);
INSERT INTO uploads VALUES (
    '3333333333333333333333', 1767323045678901, 1767323045678901, 9223372036854775807, 0, 'failed', 'final',
    '["2222222222222222222222", "4444444444444444444444"]', 'final;/files/2 /files/4',
    NULL, NULL, NULL, NULL, NULL, NULL, 0, 6345596210294420075
);
CREATE INDEX uploads_newest ON uploads (created_at, id) WHERE kind <> 'partial';
CREATE INDEX uploads_rare ON uploads (state, created_at, id) WHERE kind <> 'partial' AND state <> 'complete';
CREATE INDEX uploads_owner ON uploads (owner, created_at, id) WHERE kind <> 'partial' AND owner IS NOT NULL;
CREATE INDEX uploads_name ON uploads (filename, created_at, id) WHERE kind <> 'partial' AND filename IS NOT NULL;
CREATE INDEX uploads_expiring ON uploads (expires_at, id) WHERE expires_at IS NOT NULL;
CREATE INDEX uploads_finished ON uploads (completed_at, id) WHERE state = 'complete';
CREATE INDEX uploads_unfinished ON uploads (id) WHERE state IN ('pending', 'receiving');
CREATE INDEX uploads_final ON uploads (final_key) WHERE final_key IS NOT NULL;
CREATE TRIGGER parts_created AFTER INSERT ON uploads WHEN new.parts IS NOT NULL BEGIN
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_saved AFTER UPDATE OF parts ON uploads WHEN new.parts IS NOT old.parts BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
        INSERT OR IGNORE INTO parts SELECT value, new.id FROM json_each(new.parts);
    END;
CREATE TRIGGER parts_deleted AFTER DELETE ON uploads WHEN old.parts IS NOT NULL BEGIN
        DELETE FROM parts WHERE final = old.id AND part IN (SELECT value FROM json_each(old.parts));
    END;
COMMIT;
PRAGMA user_version = 1;
"""

PENDING = Upload("0" * 22, START, START, length=5, owner="ann", filename="a.txt", metadata="filename YS50eHQ=")
COMPLETE = Upload(
    *("1" * 22, START, seconds(9), 10, 10, State.COMPLETE),
    filename="\udcff",
    content_type="text/plain",
    completed_at=seconds(9),
)
PARTIAL = Upload(
    *("2" * 22, START, START, None, 3, State.RECEIVING, Kind.PARTIAL),
    expires_at=START + timedelta(days=7),
    unverified=True,
)
FINAL = Upload(
    *("3" * 22, START, START, 2**63 - 1, 0, State.FAILED, Kind.FINAL, ("2" * 22, "4" * 22)),
    concat="final;/files/2 /files/4",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1."""
    made = tmp_path / "infos.db"
    with by_hand(made) as hand:
        hand.executescript(VERSION_1)
    return made


async def test_every_record_of_version_1_is_there(path: Path) -> None:
    for _ in range(2):
        infos = SqliteInfos(path)
        await infos.open()
        assert [await infos.load(upload.id) for upload in (PENDING, COMPLETE, PARTIAL, FINAL)] == [
            *(PENDING, COMPLETE, PARTIAL, FINAL)
        ]
        assert (await infos.page()).uploads == (FINAL, COMPLETE, PENDING)
        assert (await infos.page(owner="ann")).uploads == (PENDING,)
        assert (await infos.page(filename="\udcff")).uploads == (COMPLETE,)
        assert (await infos.page(states=[State.PENDING])).uploads == (PENDING,)
        assert ids(await infos.unfinished()) == [PENDING.id, PARTIAL.id]
        assert ids(await infos.expired(START + timedelta(days=8))) == [PARTIAL.id]
        assert await infos.same_final(FINAL) == FINAL
        await infos.close()


async def test_what_version_1_did_not_know_can_be_written_to_its_records(path: Path) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    link = a_link()
    await SqliteAccounts(infos).add_link(link)
    facts = {"link": link.id, "checksum": "md5:0", "overwrites": True, "last_chunk": Chunk(0, 0, 3), "announce": "x"}
    changed = an_upload(id=PENDING.id, length=5, offset=3, state=State.RECEIVING, **facts)
    await infos.save(changed)
    assert await infos.load(PENDING.id) == changed
    await infos.close()


@pytest.mark.parametrize(
    ("owner", "quota", "over"),
    [
        ("ann", Quota(bytes=6), None),
        ("ann", Quota(bytes=5), "bytes"),
        ("ann", Quota(open=1), "open"),
        (None, Quota(open=2), None),
        (None, Quota(open=1), "open"),
        (None, Quota(bytes=2**63 + 9 + 30 + 1, deferred=30), None),
        (None, Quota(bytes=2**63 + 9 + 30, deferred=30), "bytes"),
        (None, Quota(per_minute=4), None),
        (None, Quota(per_minute=3), "per_minute"),
    ],
)
async def test_records_of_version_1_count_for_quotas(
    path: Path, owner: str | None, quota: Quota, over: str | None
) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    why = await refusal(infos, an_upload(owner=owner, length=1), quota)
    assert over == (why and why[0])
    await infos.close()


async def test_a_database_brought_up_to_date_is_like_a_new_one(path: Path, tmp_path: Path) -> None:
    tables = []
    for file in (path, tmp_path / "new.db"):
        infos = SqliteInfos(file)
        await infos.open()
        await infos.close()
        with by_hand(file) as hand:
            found = hand.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables.append([(*row[:3], row[3] and " ".join(row[3].split())) for row in found])
    assert tables[0] == tables[1]
