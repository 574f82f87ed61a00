"""Final uploads whose parts go away, come twice, or find no room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.test_sweeper import DAY, House, house
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.protocol.errors import OutOfSpace
from tusserver.protocol.refusals import BadParts, TooLarge
from tusserver.protocol.requests import Creation
from tusserver.protocol.rules import Grant, Limits
from tusserver.protocol.uploads import Kind, State, Upload
from tusserver.service import Policy
from tusserver.service.sources import HeldBody
from tusserver.settings import Settings
from tusserver.stores.file import FileStore

__all__ = ["house"]


async def final_of(house: House, *parts: str) -> Upload:
    creation = Creation(kind=Kind.FINAL, parts=parts, concat=f"final;{' '.join(parts)}")
    return await house.service.start(creation, HeldBody(b""), Grant())


async def parts_of(house: House, *data: bytes) -> list[str]:
    return [await house.upload(5, one, Kind.PARTIAL) for one in data]


def before_joining(house: House, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen between the reading of the parts and the copying of their bytes."""
    store = house.backends.store
    concatenate = store.concatenate

    async def slow(parts: Sequence[str], into: str) -> int:
        result = act()
        if asyncio.iscoroutine(result):
            await result
        return await concatenate(parts, into)

    monkeypatch.setattr(store, "concatenate", slow)


async def test_a_final_upload_whose_part_goes_while_it_is_joined_fails_and_can_be_made_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await parts_of(house, b"hello", b"world")
    with monkeypatch.context() as patched:
        before_joining(house, patched, lambda: house.service.terminate(second, house.caller))
        with pytest.raises(BadParts):
            await final_of(house, first, second)
    (failed,) = (await house.backends.infos.page()).uploads
    assert failed.state is State.FAILED
    assert (await final_of(house, first)).is_complete


async def test_a_part_that_goes_once_its_bytes_are_copied_leaves_the_final_upload_complete(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await parts_of(house, b"hello", b"world")
    finals_of = house.backends.infos.finals_of
    looked, joined = asyncio.Event(), asyncio.Event()

    async def seen_before_it_is_joined(part: str) -> Sequence[Upload]:
        waiting = await finals_of(part)
        looked.set()
        await joined.wait()
        return waiting

    tasks: list[asyncio.Task[int]] = []
    monkeypatch.setattr(house.backends.infos, "finals_of", seen_before_it_is_joined)
    store = house.backends.store
    concatenate = store.concatenate

    async def copied_before(parts: Sequence[str], into: str) -> int:
        count = await concatenate(parts, into)
        tasks.append(asyncio.create_task(house.service.terminate(second, house.caller)))
        await looked.wait()
        return count

    monkeypatch.setattr(store, "concatenate", copied_before)
    final = await final_of(house, first, second)
    joined.set()
    await tasks[0]
    stored = await house.backends.infos.load(final.id)
    assert (stored.state, stored.offset, stored.expires_at) == (State.COMPLETE, 10, None)


async def test_a_final_upload_that_names_a_removed_part_does_not_wait_for_ever(house: House) -> None:
    first, second = await parts_of(house, b"hello", b"")
    final = await final_of(house, first, second)
    house.path(second).unlink()
    await house.backends.infos.delete(second)  # as a removal that was cut off before it came to the final uploads
    await house.sweeper.recover()
    assert (await house.backends.infos.load(final.id)).state is State.FAILED


async def test_a_part_is_complete_though_its_final_upload_finds_no_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await parts_of(house, b"hello", b"")
    final = await final_of(house, first, second)

    def full() -> None:
        raise OutOfSpace("the disk is full")

    with monkeypatch.context() as patched:
        before_joining(house, patched, full)
        await house.append(second, 0, b"world")
        assert await house.sweeper.recover() == 0
    assert (await house.backends.infos.load(final.id)).state is State.PENDING
    assert await house.sweeper.recover() == 1
    assert house.path(final.id).read_bytes() == b"helloworld"


async def test_two_that_join_the_same_final_upload_do_not_make_it_fail(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.service.ledger.policy = replace(house.service.policy, lock_timeout=0.05)
    first, second, third = await parts_of(house, b"hello", b"", b"")
    final = await final_of(house, first, second, third)
    seen: list[State] = []

    async def other() -> None:
        await asyncio.sleep(0.2)
        seen.append((await house.backends.infos.load(final.id)).state)

    before_joining(house, monkeypatch, other)
    await asyncio.gather(house.append(second, 0, b"world"), house.append(third, 0, b"again"), house.sweeper.recover())
    assert set(seen) == {State.PENDING}
    assert house.path(final.id).read_bytes() == b"helloworldagain"


async def test_a_part_of_unknown_length_named_many_times_does_not_pass_the_size_limit(house: House) -> None:
    house.service.ledger.policy = Policy(Limits(max_size=12, expires_after=DAY))
    part = await house.upload(None, b"hello", Kind.PARTIAL)
    final = await final_of(house, part, part)
    record = await house.backends.infos.load(part)
    await house.backends.infos.save(replace(record, offset=10, length=10, state=State.COMPLETE))
    house.path(part).write_bytes(b"helloworld")
    with pytest.raises(TooLarge):
        await final_of(house, part, part)
    await house.sweeper.recover()
    assert (await house.backends.infos.load(final.id)).state is State.FAILED
    assert house.path(final.id).stat().st_size == 0


async def test_thousands_of_parts_leave_the_loop_to_others(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    part = (await parts_of(house, b"hello"))[0]
    record = await house.backends.infos.load(part)
    ids = [f"{number:022}" for number in range(1000)]
    await asyncio.gather(*(house.backends.infos.create(replace(record, id=id)) for id in ids))
    load = house.backends.infos.load
    in_one_turn = [0]

    async def counted(id: str) -> Upload:
        in_one_turn[-1] += 1
        return await load(id)

    async def look() -> None:
        while True:
            in_one_turn.append(0)
            await asyncio.sleep(0)

    monkeypatch.setattr(house.backends.infos, "load", counted)
    task = asyncio.create_task(look())
    with pytest.raises(BadParts):  # their bytes are not there
        await final_of(house, *ids)
    task.cancel()
    assert sum(in_one_turn) > 2000
    assert max(in_one_turn) < 100


async def test_a_final_upload_of_many_equal_parts_reads_their_record_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = await house.upload(None, b"hello", Kind.PARTIAL)
    final = await final_of(house, *[part] * 4000)
    load = house.backends.infos.load
    read: list[str] = []

    async def counted(id: str) -> Upload:
        read.append(id)
        return await load(id)

    monkeypatch.setattr(house.backends.infos, "load", counted)
    assert (await house.service.status(final.id, house.caller)).length is None
    assert read == [final.id, part]


async def test_a_start_does_not_wait_for_final_uploads_to_be_joined(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(upload_folder=tmp_path)
    may_copy = asyncio.Event()
    concatenate = FileStore.concatenate

    async def slow(self: FileStore, parts: Sequence[str], into: str) -> int:
        await may_copy.wait()
        return await concatenate(self, parts, into)

    async def full(self: FileStore, parts: Sequence[str], into: str) -> int:
        raise OutOfSpace("the disk is full")

    monkeypatch.setattr(FileStore, "concatenate", full)
    before = TusClient(await aiohttp_client(make_app(settings)))
    part = await before.create(5, b"hello", Upload_Concat="partial")
    assert (await before.send("POST", "/files/", {"Upload-Concat": f"final;{part}"})).status == 507
    await before.client.close()
    monkeypatch.setattr(FileStore, "concatenate", slow)
    after = TusClient(await aiohttp_client(make_app(settings)))
    assert await after.offset(part) == 5
    may_copy.set()
    final = (await after.send("POST", "/files/", {"Upload-Concat": f"final;{part}"})).headers["Location"]
    assert (await after.get(final)).body == b"hello"


async def test_the_same_post_many_times_at_once_makes_one_final_upload(house: House) -> None:
    parts = await parts_of(house, b"hello", b"world")
    made = await asyncio.gather(*(final_of(house, *parts) for _ in range(20)))
    assert len({final.id for final in made}) == 1
    assert {final.state for final in made} == {State.COMPLETE}
    (only,) = (await house.backends.infos.page()).uploads
    assert house.path(only.id).read_bytes() == b"helloworld"
    assert len([path for path in (house.folder / "bytes").rglob("*") if path.is_file()]) == 3


async def test_a_post_that_was_refused_keeps_no_other_from_being_tried(house: House) -> None:
    part = await house.upload(10, b"hello", Kind.PARTIAL)
    missing = "A" * 22
    outcomes = await asyncio.gather(*(final_of(house, part, missing) for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in outcomes} == {BadParts}
    assert (await house.backends.infos.page()).uploads == ()


async def test_the_same_post_to_two_processes_makes_one_final_upload(house: House) -> None:
    other = House(house.folder)
    backends = (other.backends.store, other.backends.infos, other.backends.locker)
    for backend in backends:
        await backend.open()
    try:
        for number in range(20):
            parts = await parts_of(house, b"hello", str(number).encode().ljust(5))
            made = await asyncio.gather(*(final_of(one, *parts) for one in (house, other)))
            assert made[0].id == made[1].id
    finally:
        await other.service.close()
        for backend in reversed(backends):
            await backend.close()
    assert len([path for path in (house.folder / "bytes").rglob("*") if path.is_file()]) == 60
