"""Removals that are broken off or impossible, folders that go away, and dates that run out beside a running body."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.running import RunningServer, running, wait_until
from tests.test_crashes import DATA, Wire
from tests.test_sweeper import DAY, House, house
from tusserver.protocol.errors import NotFound, OutOfSpace, Unavailable
from tusserver.protocol.refusals import UploadGone
from tusserver.protocol.uploads import Kind, State, Upload

__all__ = ["house"]


class Killed(BaseException):
    """The process ends here."""


async def test_a_removal_that_a_crash_broke_off_leaves_no_finished_upload_without_bytes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await house.upload(5, b"hello")

    async def killed(id: str) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(house.backends.infos, "delete", killed)
        with pytest.raises(Killed):
            await house.service.terminate(id, house.caller)
    assert not house.path(id).exists()
    with pytest.raises(UploadGone):
        await house.service.status(id, house.caller)
    with pytest.raises(UploadGone):
        await house.service.download(id, house.caller)
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [id]
    with pytest.raises(NotFound):
        await house.backends.infos.load(id)


async def test_a_finished_upload_is_removed_though_the_database_has_no_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await house.upload(5, b"hello")

    async def full(upload: Upload, *, durable: bool = False) -> None:
        raise OutOfSpace("the database has no room left")

    monkeypatch.setattr(house.backends.infos, "save", full)
    assert await house.service.terminate(id, house.caller) == 5
    with pytest.raises(NotFound):
        await house.backends.infos.load(id)


async def test_a_record_without_bytes_takes_the_final_uploads_that_wait_for_it_along(house: House) -> None:
    part = await house.upload(5, b"hello", Kind.PARTIAL)
    house.now += DAY / 2
    other = await house.upload(5, b"", Kind.PARTIAL)
    record = await house.backends.infos.load(part)
    final = Upload("A" * 22, record.created_at, record.updated_at, 10, kind=Kind.FINAL, parts=(part, other))
    await house.backends.store.create(final.id)
    await house.backends.infos.create(final)
    house.path(part).unlink()
    house.now += DAY / 2
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [part]
    assert (await house.backends.infos.load(final.id)).state is State.FAILED


async def test_one_upload_that_cannot_be_removed_does_not_keep_the_others(house: House) -> None:
    ids = [await house.upload(10, b"hello") for _ in range(3)]
    stuck = house.path(ids[0])
    stuck.unlink()
    stuck.mkdir()  # which is not removed as a file is
    assert await house.sweeper.recover() == 0
    house.now += DAY
    assert {one.upload_id for one in (await house.sweeper.sweep()).removed} == set(ids[1:])
    stuck.rmdir()
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == ids[:1]


async def test_uploads_are_not_told_to_be_gone_when_their_folder_is_away(house: House) -> None:
    id = await house.upload(10, b"hello")
    folder = house.folder / "bytes"
    folder.rename(house.folder / "away")
    folder.mkdir()
    with pytest.raises(Unavailable):
        await house.append(id, 5, b"world")
    with pytest.raises(Unavailable):
        await house.service.terminate(id, house.caller)
    folder.rmdir()
    (house.folder / "away").rename(folder)
    await house.append(id, 5, b"world")


def test_an_upload_whose_body_ran_longer_than_its_date_lives_on_after_a_kill(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, "--expires-after", "2s")
    wire = Wire(server)
    path = wire.create()
    with wire.patch(path, 0, b"") as connection:
        for start in range(0, 2500, 100):
            connection.sendall(DATA[start : start + 100])
            time.sleep(0.1)
        wait_until(lambda: wire.offset(path) == 2500)
        server.kill()
    with running(tmp_path, "--expires-after", "2s") as server:
        assert Wire(server).offset(path) == 2500
