"""A database that an earlier version wrote, opened by this one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.contracts.infos_quotas import refusal
from tests.contracts.infos_values import START, a_link, an_upload, ids, seconds
from tests.databases import by_hand
from tests.old_databases import VERSION_1, VERSION_2
from tusserver.infos.base import Quota
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.protocol.uploads import Chunk, Facts, Image, Kind, State, Upload

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


ANNOUNCING = Upload(
    *("5" * 22, START, seconds(9), 10, 10, State.COMPLETE),
    owner="ann",
    filename="b.txt",
    completed_at=seconds(9),
    link="l" * 22,
    checksum="md5:00",
    overwrites=True,
    last_chunk=Chunk(3, 0, 10),
    announce="https://example.com/heard",
)
PART = Upload(*("6" * 22, START, seconds(7), 3, 3, State.COMPLETE, Kind.PARTIAL), completed_at=seconds(7))
LINK = a_link(id="l" * 22, owner="ann", max_size=10, types=("image/*",), max_uploads=3, uploads=1)


def restored(path: Path, dump: str) -> Path:
    with by_hand(path) as hand:
        hand.executescript(dump)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1."""
    return restored(tmp_path / "infos.db", VERSION_1)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """A database of version 2."""
    return restored(tmp_path / "second.db", VERSION_2)


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


async def test_every_record_of_version_2_is_there(second: Path) -> None:
    for _ in range(2):
        infos = SqliteInfos(second)
        await infos.open()
        assert [await infos.load(upload.id) for upload in (ANNOUNCING, PART)] == [ANNOUNCING, PART]
        assert list(await SqliteAccounts(infos).links("ann")) == [replace(LINK, announce=ANNOUNCING.announce)]
        assert ids(await infos.finished_before(seconds(9))) == [PART.id, ANNOUNCING.id]
        assert ids(await infos.to_announce()) == [ANNOUNCING.id]
        assert await refusal(infos, an_upload(owner="ann", length=1), Quota(bytes=10)) == ("bytes", 10)
        await infos.close()


async def test_what_is_complete_in_version_2_waits_to_be_examined(second: Path) -> None:
    infos = SqliteInfos(second)
    await infos.open()
    assert await infos.unexamined() == [ANNOUNCING]
    facts = Facts(7, Image("b.png", "image/png", 1, 2))
    await infos.note(ANNOUNCING.id, facts)
    assert await infos.image("b.png") == replace(ANNOUNCING, facts=facts)
    assert await infos.unexamined() == []
    assert ids(await infos.finished_before(seconds(9))) == [PART.id, ANNOUNCING.id]
    keyed = a_link(announce_key="k")
    await SqliteAccounts(infos).add_link(keyed)
    assert await SqliteAccounts(infos).link(keyed.id) == keyed
    await infos.save(replace(ANNOUNCING, announce_key="k"))
    assert await infos.load(ANNOUNCING.id) == replace(ANNOUNCING, facts=facts, announce_key="k")
    await infos.close()


async def test_a_database_brought_up_to_date_is_like_a_new_one(path: Path, second: Path, tmp_path: Path) -> None:
    tables = []
    for file in (path, second, tmp_path / "new.db"):
        infos = SqliteInfos(file)
        await infos.open()
        await infos.close()
        with by_hand(file) as hand:
            found = hand.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()
        tables.append([(*row[:3], row[3] and " ".join(row[3].split())) for row in found])
    assert tables[0] == tables[2]
    assert tables[1] == tables[2]
