"""Records in SQLite on a disk that uploads have filled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.infos_values import add, an_upload, ids
from tests.disks import fill, small_disk
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.errors import OutOfSpace
from tusserver.protocol.uploads import State, Upload

pytestmark = pytest.mark.engines


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "8m") as place:
        yield place


async def create_until_full(infos: SqliteInfos) -> list[Upload]:
    """Create records until there is no room for one more; gives those that were acknowledged."""
    created: list[Upload] = []
    while True:
        try:
            created += await add(infos, an_upload(metadata="x" * 1000))
        except OutOfSpace:
            return created


async def test_on_a_full_disk_records_are_still_changed_and_deleted(disk: Path) -> None:
    infos = SqliteInfos(disk / "infos.db")
    await infos.open()
    uploads = await add(infos, *(an_upload(length=9) for _ in range(40)))
    fill(disk / "filler")
    for upload in uploads:
        await infos.save(replace(upload, offset=9, state=State.COMPLETE), durable=True)
    for upload in uploads[:20]:
        await infos.delete(upload.id)
    assert await infos.known(ids(uploads)) == set(ids(uploads[20:]))
    await infos.close()


async def test_a_database_that_filled_its_disk_keeps_what_it_told_and_goes_on_when_there_is_room(disk: Path) -> None:
    infos = SqliteInfos(disk / "infos.db")
    await infos.open()
    fill(disk / "filler")
    created = await create_until_full(infos)
    assert len(created) > 20
    refused = await asyncio.gather(*(infos.create(an_upload()) for _ in range(50)), return_exceptions=True)
    assert OutOfSpace in {type(answer) for answer in refused}
    assert [await infos.load(upload.id) for upload in created] == created
    (disk / "filler").unlink()
    await infos.delete(created[0].id)
    (behind,) = await add(infos, an_upload())
    await infos.close()
    await infos.open()
    assert await infos.known([*ids(created), behind.id]) == {*ids(created[1:]), behind.id}
    await infos.close()


async def test_a_server_can_open_its_database_on_a_full_disk_and_delete(disk: Path) -> None:
    infos = SqliteInfos(disk / "infos.db")
    await infos.open()
    uploads = await add(infos, *(an_upload() for _ in range(40)))
    await infos.close()
    with (disk / "infos.db-shm").open("wb") as index, (disk / "infos.db-wal").open("wb") as log:
        # What a process that was killed leaves behind: a log with room for some twenty pages.
        index.write(bytes(32768))
        log.write(bytes(20 * 4120))
        log.flush()
        fill(disk / "filler")
    await infos.open()
    assert await infos.load(uploads[0].id) == uploads[0]
    for upload in uploads:
        await infos.delete(upload.id)
    assert await infos.known(ids(uploads)) == set()
    await infos.close()
