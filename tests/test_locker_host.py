"""Locks between processes: the contract, then two lockers on the same files, then real processes that die."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contracts.locker import LockerContract
from tests.contracts.locker_values import Holder, NewUpload, holder, ignore, is_free
from tests.contracts.store_values import new_id
from tusserver.lockers.host import HostLocker
from tusserver.lockers.post import Post
from tusserver.protocol.errors import Held, NotFound, Unavailable


@pytest.fixture
def new_upload(tmp_path: Path) -> NewUpload:
    def make() -> str:
        (tmp_path / (id := new_id())).touch()
        return id

    return make


@pytest.fixture
def sockets() -> Iterator[Path]:
    # Not in `tmp_path`: how deep that lies depends on who runs the tests, and the address of a socket is short.
    with TemporaryDirectory(prefix="sockets-") as folder:
        yield Path(folder) / ".sockets"


def listed(folder: Path) -> list[Path]:
    """Everything in a folder, at any depth."""
    return sorted(folder.rglob("*"))


@asynccontextmanager
async def opened(tmp_path: Path, sockets: Path) -> AsyncIterator[HostLocker]:
    locker = HostLocker(lambda id: tmp_path / id, sockets)
    await locker.open()
    yield locker
    await locker.close()


@pytest.fixture
async def locker(tmp_path: Path, sockets: Path) -> AsyncIterator[HostLocker]:
    async with opened(tmp_path, sockets) as made:
        yield made


@pytest.fixture
async def other(tmp_path: Path, sockets: Path) -> AsyncIterator[HostLocker]:
    """A second locker on the same files. The kernel keeps locks of two descriptors apart as it does two processes."""
    async with opened(tmp_path, sockets) as made:
        yield made


class TestHostLocker(LockerContract):
    pass


# Two lockers


async def test_what_one_holds_the_other_does_not_get(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    async with locker.hold(id := new_upload()):
        assert not await is_free(other, id)
        assert not other.is_held_here(id)
    assert await is_free(other, id)


async def test_a_wish_reaches_the_holder_in_the_other(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    present = await holder(locker, id := new_upload())
    async with other.hold(id):
        assert present.wishes >= 1
        assert (locker.is_held_here(id), other.is_held_here(id)) == (False, True)
    await present.task


async def test_a_wish_is_repeated_until_the_holder_hears_it(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    stubborn = await holder(locker, id := new_upload(), is_polite=False)
    with pytest.raises(Held):
        async with other.hold(id, timeout=0.3):
            pytest.fail("two hold one lock")
    assert 3 <= stubborn.wishes <= 10
    await stubborn.end()


async def test_who_only_takes_a_free_lock_does_not_disturb_the_holder_in_the_other(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    present = await holder(locker, id := new_upload())
    for _ in range(3):
        assert not await is_free(other, id)
    await asyncio.sleep(0.05)
    assert present.wishes == 0
    await present.end()


async def test_a_nudge_reaches_the_holder_in_the_other_and_is_no_wish(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    present = await holder(locker, id := new_upload())
    for _ in range(1000):
        other.nudge(id)
        other.nudge(new_id())
    await asyncio.sleep(0.1)
    assert 1 <= present.nudges <= 10  # those that come together are one
    assert present.wishes == 0
    other.nudge(id)
    await asyncio.sleep(0.1)
    assert present.nudges >= 2
    await present.end()


async def test_two_who_wait_in_two_processes_do_not_drive_each_other_away(
    locker: HostLocker, other: HostLocker, tmp_path: Path, sockets: Path, new_upload: NewUpload
) -> None:
    async with opened(tmp_path, sockets) as third:
        stubborn = await holder(third, id := new_upload(), is_polite=False)
        waiting = [Holder(locker, id), Holder(other, id)]
        await asyncio.sleep(0.2)
        await stubborn.end()
        # The first is asked by the second, who still waits; the second is asked by nobody.
        ended, staying = await asyncio.wait([one.task for one in waiting], timeout=0.3)
        assert (len(ended), len(staying)) == (1, 1)
        last = next(one for one in waiting if one.task in staying)
        assert (last.holding.is_set(), last.wishes) == (True, 0)
        await last.end()


async def test_a_hundred_in_two_lockers_get_the_lock_once_each_and_alone(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    id = new_upload()
    inside: list[int] = []
    got: list[int] = []

    async def work(number: int) -> None:
        async with (locker, other)[number % 2].hold(id, timeout=20):
            inside.append(number)
            assert inside == [number]
            await asyncio.sleep(0.0005)
            inside.remove(number)
            got.append(number)

    await asyncio.gather(*map(work, range(100)))
    assert sorted(got) == list(range(100))


async def test_closing_frees_what_is_held_for_the_other(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    stubborn = await holder(locker, id := new_upload(), is_polite=False)
    waiting = Holder(other, id)
    await locker.close()
    await asyncio.wait_for(waiting.holding.wait(), 1)
    await waiting.end()
    await stubborn.end()


async def test_closing_ends_a_wait_for_the_other(locker: HostLocker, other: HostLocker, new_upload: NewUpload) -> None:
    stubborn = await holder(locker, id := new_upload(), is_polite=False)
    waiting = Holder(other, id)
    await asyncio.sleep(0.05)
    await other.close()
    with pytest.raises(Held):
        await asyncio.wait_for(waiting.task, 1)
    await stubborn.end()


@pytest.mark.parametrize("count", range(6))
async def test_closing_while_a_lock_is_being_taken_leaves_none_behind(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload, count: int
) -> None:
    taking = Holder(locker, id := new_upload())
    for _ in range(count):
        await asyncio.sleep(0)
    await locker.close()
    taking.let_go.set()
    await asyncio.wait([taking.task])
    assert taking.holding.is_set() or isinstance(taking.task.exception(), Held)
    assert await is_free(other, id)


async def test_a_closed_locker_locks_nothing(locker: HostLocker, other: HostLocker, new_upload: NewUpload) -> None:
    await locker.close()
    with pytest.raises(Held):
        async with locker.hold(id := new_upload()):
            pytest.fail("held")
    assert await is_free(other, id)


# The file that is locked


async def test_an_upload_that_was_never_created_is_not_found(locker: HostLocker) -> None:
    with pytest.raises(NotFound):
        async with locker.hold(id := new_id()):
            pytest.fail("held")
    assert not locker.is_held_here(id)


async def test_an_upload_deleted_while_somebody_waits_in_the_process_is_not_found(
    locker: HostLocker, tmp_path: Path, new_upload: NewUpload
) -> None:
    present = await holder(locker, id := new_upload(), is_polite=False)
    waiting = [Holder(locker, id) for _ in range(3)]
    await asyncio.sleep(0.02)
    (tmp_path / id).unlink()
    await present.end()
    for one in waiting:
        with pytest.raises(NotFound):
            await one.task


async def test_an_upload_deleted_while_another_process_waits_is_not_found(
    locker: HostLocker, other: HostLocker, tmp_path: Path, new_upload: NewUpload
) -> None:
    present = await holder(locker, id := new_upload(), is_polite=False)
    waiting = Holder(other, id)
    await asyncio.sleep(0.05)
    (tmp_path / id).unlink()
    await present.end()
    with pytest.raises(NotFound):
        await waiting.task


async def test_a_file_made_anew_under_the_name_is_locked_and_not_the_old_one(
    locker: HostLocker, other: HostLocker, tmp_path: Path, new_upload: NewUpload
) -> None:
    id = new_upload()
    async with locker.hold(id):
        (tmp_path / id).unlink()
        (tmp_path / id).touch()
        async with other.hold(id):
            assert not await is_free(locker, id)


async def test_a_link_is_not_followed(locker: HostLocker, tmp_path: Path) -> None:
    (tmp_path / (id := new_id())).symlink_to("/etc/passwd")
    with pytest.raises(Unavailable, match="ELOOP"):
        async with locker.hold(id):
            pytest.fail("held")


async def test_locking_adds_no_file_and_leaves_no_descriptor(
    locker: HostLocker, tmp_path: Path, new_upload: NewUpload
) -> None:
    id = new_upload()
    files, descriptors = listed(tmp_path), len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        async with locker.hold(id):
            assert listed(tmp_path) == files
    with pytest.raises(NotFound):
        async with locker.hold(new_id()):
            pytest.fail("held")
    assert len(os.listdir("/proc/self/fd")) == descriptors


async def test_a_program_started_while_a_lock_is_held_does_not_keep_it(
    locker: HostLocker, other: HostLocker, new_upload: NewUpload
) -> None:
    async with locker.hold(id := new_upload()):
        child = await asyncio.create_subprocess_exec("sleep", "60", close_fds=False)
    try:
        assert await is_free(other, id)
    finally:
        child.kill()
        await child.wait()


# The sockets


async def test_a_socket_lives_as_long_as_its_locker_and_only_its_user_may_send(tmp_path: Path, sockets: Path) -> None:
    async with opened(tmp_path, sockets):
        (made,) = listed(sockets)
        assert stat.S_ISSOCK(made.stat().st_mode)
        assert [stat.S_IMODE(place.stat().st_mode) for place in (sockets, made)] == [0o700, 0o600]
    assert listed(sockets) == []


async def test_a_folder_deeper_than_a_socket_address_is_long_does_as_well(
    tmp_path: Path, new_upload: NewUpload
) -> None:
    deep = tmp_path.joinpath(*["a folder with quite a long name"] * 6)
    id = new_upload()
    async with opened(tmp_path, deep) as one, opened(tmp_path, deep) as two:
        present = await holder(one, id)
        async with two.hold(id):
            assert present.wishes >= 1
        await present.task
        assert len(listed(deep)) == 2
    assert listed(deep) == []


async def test_sockets_of_dead_processes_are_removed_and_nothing_else_is(
    locker: HostLocker, other: HostLocker, sockets: Path, new_upload: NewUpload
) -> None:
    stale = sockets / f"12345-{'a' * 16}.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(stale))
    (sockets / "README").touch()
    (sockets / "of-others.sock").touch()
    present = await holder(locker, id := new_upload())
    async with other.hold(id):
        await present.task
    assert not stale.exists()
    assert len(listed(sockets)) == 4


async def test_a_folder_where_no_socket_can_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    locker = HostLocker(lambda id: tmp_path / id, tmp_path / "a-file")
    with pytest.raises(Unavailable, match="no socket can be made in the folder") as told:
        await locker.open()
    assert "\n" not in str(told.value)
    await locker.close()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"want",
        b"nudge",
        b"want ",
        b"WANT {id}",
        b"{id}",
        b"want {id}x",
        b"want \xff{id}",
        b" " * 60_000,
        b"\0" * 70_000,
    ],
    ids=lambda message: repr(message[:12]),
)
async def test_a_datagram_of_nonsense_does_nothing(
    locker: HostLocker, sockets: Path, new_upload: NewUpload, message: bytes
) -> None:
    present = await holder(locker, id := new_upload())
    (address,) = listed(sockets)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(message.replace(b"{id}", id.encode()), str(address))
        await asyncio.sleep(0.02)
        assert (present.wishes, present.nudges) == (0, 0)
        stranger.sendto(b"want " + id.encode(), str(address))
    await present.task


async def test_where_the_folder_of_the_sockets_is_gone_locks_still_hold(
    locker: HostLocker, other: HostLocker, sockets: Path, new_upload: NewUpload
) -> None:
    await asyncio.to_thread(shutil.rmtree, sockets)
    stubborn = await holder(locker, id := new_upload(), is_polite=False)
    with pytest.raises(Held):
        async with other.hold(id, timeout=0.1):
            pytest.fail("two hold one lock")
    await stubborn.end()
    assert await is_free(other, id)


async def test_a_process_that_does_not_read_its_post_holds_up_nobody(
    locker: HostLocker, sockets: Path, new_upload: NewUpload
) -> None:
    deaf = Post(sockets, lambda message: ignore())
    await asyncio.to_thread(deaf.bind)
    for _ in range(2000):
        locker.nudge(new_id())
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert await is_free(locker, new_upload())
    await asyncio.to_thread(deaf.unbind)
