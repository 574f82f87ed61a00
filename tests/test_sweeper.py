"""Cleaning up: expired and stale uploads, finished ones past their time, orphans on both sides."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tusserver.extensions import offer
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.lockers.host import HostLocker
from tusserver.protocol.access import Caller
from tusserver.protocol.errors import NotFound
from tusserver.protocol.ids import make_id
from tusserver.protocol.refusals import UploadGone, UploadNotFound
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, Creation
from tusserver.protocol.rules import Grant, Limits
from tusserver.protocol.uploads import Kind
from tusserver.service import Backends, Policy, UploadService
from tusserver.service.sources import HeldBody
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of
from tusserver.sweeper import Sweeper

DAY = timedelta(days=1)


class House:
    """A service on a folder, with a clock that the test moves."""

    def __init__(self, folder: Path, ids: list[str] | None = None) -> None:
        self.now = datetime.now(UTC)
        self.folder = folder
        infos = SqliteInfos(folder / "tusserver.db")
        self.backends = Backends(
            FileStore(folder / "bytes"),
            infos,
            HostLocker(lambda id: path_of(folder / "bytes", id), folder / "run"),
            SqliteAccounts(infos),
        )
        policy = Policy(Limits(expires_after=DAY))
        self.service = UploadService(
            self.backends, offer(), policy, clock=lambda: self.now, new_id=lambda: make_id(os.urandom(16))
        )
        self.sweeper = Sweeper(self.service)

    async def upload(self, length: int | None, data: bytes = b"", kind: Kind = Kind.REGULAR) -> str:
        """The id of a new upload with `data` as its first bytes."""
        body = BodyFacts(OCTET_STREAM, len(data)) if data else None
        made = await self.service.start(Creation(length=length, body=body, kind=kind), HeldBody(data), Grant())
        return made.id

    async def append(self, id: str, offset: int, data: bytes) -> None:
        """More bytes."""
        append = Append(offset, BodyFacts(OCTET_STREAM, len(data)))
        await self.service.append(id, append, HeldBody(data), self.caller)

    @property
    def caller(self) -> Caller:
        """Somebody, where nobody is asked who they are."""
        return Caller(self.now, is_open=True)

    def path(self, id: str) -> Path:
        """Where the bytes of an upload lie."""
        return path_of(self.folder / "bytes", id)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """An open house."""
    made = House(tmp_path)
    for backend in (made.backends.store, made.backends.infos, made.backends.locker):
        await backend.open()
    yield made
    await made.service.close()
    for backend in (made.backends.locker, made.backends.infos, made.backends.store):
        await backend.close()


async def test_an_expired_upload_is_gone_at_once_and_removed_by_the_sweep(house: House) -> None:
    id = await house.upload(10, b"hello")
    house.now += DAY
    with pytest.raises(UploadGone):
        await house.service.status(id, house.caller)
    report = await house.sweeper.sweep()
    assert report.removed == ((id, "", 5),)
    assert not house.path(id).exists()
    with pytest.raises(UploadNotFound):
        await house.service.status(id, house.caller)


async def test_a_byte_moves_the_expiry(house: House) -> None:
    id = await house.upload(10, b"hello")
    house.now += DAY / 2
    await house.append(id, 5, b"!")
    house.now += DAY / 2
    assert (await house.sweeper.sweep()).removed == ()
    assert (await house.service.status(id, house.caller)).offset == 6


async def test_a_finished_upload_outlives_its_expiry(house: House) -> None:
    id = await house.upload(5, b"hello")
    house.now += 1000 * DAY
    assert (await house.sweeper.sweep()).removed == ()
    assert (await house.service.download(id, house.caller)).offset == 5


async def test_a_finished_part_expires_since_nobody_else_would_remove_it(house: House) -> None:
    id = await house.upload(5, b"hello", Kind.PARTIAL)
    house.now += DAY
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [id]


async def test_a_finished_upload_goes_when_keep_finished_says_so(house: House) -> None:
    old = await house.upload(5, b"hello")
    house.now += 10 * DAY
    new = await house.upload(5, b"world")
    report = await Sweeper(house.service, keep_finished=10 * DAY).sweep()
    assert [one.upload_id for one in report.removed] == [old]
    assert (await house.service.download(new, house.caller)).is_complete


async def test_a_dry_run_tells_the_same_and_removes_nothing(house: House) -> None:
    id = await house.upload(10, b"hello")
    house.now += DAY
    dry = await house.sweeper.sweep(dry_run=True)
    assert dry.dry_run
    assert house.path(id).exists()
    assert (await house.sweeper.sweep()).removed == dry.removed


async def test_an_upload_that_is_held_is_left_alone(house: House) -> None:
    id = await house.upload(10, b"hello")
    house.now += DAY
    async with house.backends.locker.hold(id):
        assert (await house.sweeper.sweep()).removed == ()
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [id]


async def test_stale_uploads_go_only_when_asked_and_never_finished_ones(house: House) -> None:
    stale = await house.upload(10, b"hello")
    await house.upload(5, b"hello")
    house.now += DAY / 4
    fresh = await house.upload(10, b"hello")
    assert (await house.sweeper.sweep()).removed == ()
    report = await house.sweeper.sweep(older_than=DAY / 8)
    assert [one.upload_id for one in report.removed] == [stale]
    assert (await house.service.status(fresh, house.caller)).offset == 5


async def test_bytes_without_a_record_go_once_they_are_old(house: House) -> None:
    id = make_id(os.urandom(16))
    await house.backends.store.create(id)
    assert (await house.sweeper.sweep()).removed == ()
    os.utime(house.path(id), (time.time() - 7200,) * 2)
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [id]
    assert not house.path(id).exists()


async def test_a_record_without_bytes_is_gone_for_clients_and_goes_when_it_expires(house: House) -> None:
    id = await house.upload(10, b"hello")
    house.path(id).unlink()
    with pytest.raises(UploadNotFound):
        await house.service.status(id, house.caller)
    house.now += DAY
    assert [one.upload_id for one in (await house.sweeper.sweep()).removed] == [id]
    with pytest.raises(NotFound):
        await house.backends.infos.load(id)


async def test_a_thousand_expired_uploads_go_and_as_many_others_stay(house: House) -> None:
    gone = {await house.upload(10) for _ in range(500)}
    house.now += DAY / 2
    kept = {await house.upload(10) for _ in range(500)}
    house.now += DAY / 2
    assert {one.upload_id for one in (await house.sweeper.sweep()).removed} == gone
    assert await house.backends.infos.known(kept) == kept


async def test_records_that_a_crash_left_behind_agree_with_their_bytes_after_recovery(house: House) -> None:
    ahead, behind, checked, whole, fine = [await house.upload(10, b"hello") for _ in range(5)]
    infos = house.backends.infos
    with house.path(ahead).open("ab") as file:
        file.write(b"67")
    os.truncate(house.path(behind), 3)
    await infos.save(replace(await infos.load(checked), unverified=True))
    with house.path(checked).open("ab") as file:
        file.write(b"unverified")
    with house.path(whole).open("ab") as file:
        file.write(b"world and more")
    assert await house.sweeper.recover() == 4
    offsets = [(await house.service.status(id, house.caller)).offset for id in (ahead, behind, checked, whole, fine)]
    assert offsets == [7, 3, 5, 10, 5]
    assert (await house.service.download(whole, house.caller)).is_complete
    assert house.path(checked).stat().st_size == 5
    assert await house.sweeper.recover() == 0


async def test_what_was_acknowledged_stays_when_the_largest_size_is_lowered(house: House) -> None:
    known, deferred = await house.upload(30, b"x" * 20), await house.upload(None, b"x" * 20)
    house.service.ledger.policy = replace(house.service.ledger.policy, limits=Limits(max_size=10))
    assert [(await house.service.status(id, house.caller)).offset for id in (known, deferred)] == [20, 20]
