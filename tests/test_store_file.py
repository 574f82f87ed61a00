"""Bytes in files: the contract, and what only a disk can show."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.store import StoreContract
from tests.contracts.store_pull import Sender
from tests.contracts.store_values import MIB, Limited, add, content, new_id, pattern, scanned
from tusserver.protocol.errors import BackendError, Conflict, NotFound, OutOfSpace, Unavailable
from tusserver.stores import disk, file
from tusserver.stores.base import Flow, Store
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process grows past `size`: the kernel stores what fits, then answers as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FileStore]:
    store = FileStore(tmp_path / "uploads")
    await store.open()
    yield store
    await store.close()


class TestFileStore(StoreContract):
    @pytest.fixture
    def limited(self) -> Limited:
        @contextmanager
        def limit(store: Store, total: int, *, largest: int) -> Iterator[None]:
            with largest_file(largest):
                yield

        return limit


def descriptors() -> set[str]:
    """What this process has open."""
    return {os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


# The folder


async def test_an_upload_lies_in_a_folder_of_its_first_two_letters(store: FileStore) -> None:
    id = await add(store, b"bytes")
    assert await store.file(id) == path_of(store.folder, id) == store.folder / id[:2] / id


async def test_only_the_user_of_the_server_can_look_inside(store: FileStore) -> None:
    path = path_of(store.folder, await add(store, b"bytes"))
    assert [stat.S_IMODE(place.stat().st_mode) for place in (store.folder, path.parent, path)] == [0o700, 0o700, 0o600]


async def test_opening_makes_the_folder_and_leaves_nothing_in_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "not" / "yet" / "there")
    await store.open()
    await store.close()
    assert list(store.folder.iterdir()) == []


async def test_opening_keeps_what_is_there(store: FileStore) -> None:
    id = await add(store, b"bytes")
    store.folder.chmod(0o750)
    again = FileStore(store.folder)
    await again.open()
    assert await content(again, id) == b"bytes"
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o750
    await again.close()


@pytest.mark.parametrize("place", ["a-file", "a-file/folder", "/proc/uploads"])
async def test_a_folder_that_cannot_be_written_to_is_told_in_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").touch()
    store = FileStore(tmp_path / place)
    with pytest.raises(Unavailable, match="cannot be written to") as told:
        await store.open()
    assert str(tmp_path / place) in str(told.value)
    assert "\n" not in str(told.value)
    await store.close()


async def test_a_server_starts_on_a_full_disk(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with largest_file(0):
        await store.open()
    await store.close()


async def test_a_scan_leaves_alone_what_is_not_an_upload(store: FileStore) -> None:
    id = await add(store, b"bytes")
    folder = path_of(store.folder, id).parent
    (store.folder / "infos.db").write_bytes(b"records")
    (store.folder / "ab.txt").mkdir()
    (store.folder / "ab.txt" / ("ab" + "c" * 20)).touch()
    (store.folder / ("d" * 22)).touch()
    (store.folder / "ef").write_bytes(b"a file with the name of a folder")
    (folder / "README").touch()
    (folder / (id + "x")).touch()
    (folder / (id[:2] + "." * 20)).touch()
    (folder / ("zz" if id[:2] != "zz" else "yy")).touch()
    (folder / (("zz" if id[:2] != "zz" else "yy") + "c" * 20)).touch()
    (folder / (id[:2] + "f" * 20)).mkdir()
    (folder / (id[:2] + "l" * 20)).symlink_to("/etc/passwd")
    assert await scanned(store) == {id: 5}


async def test_a_link_in_the_folder_is_never_followed_out_of_it(store: FileStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"not ours")
    path = path_of(store.folder, id := new_id())
    path.parent.mkdir()
    path.symlink_to(outside)
    with pytest.raises(Unavailable):
        await store.append(id, 0)
    with pytest.raises(Unavailable):
        await anext(store.read(id, 0, 8))
    with pytest.raises(Conflict):
        await store.create(id)
    await store.delete(id)
    assert outside.read_bytes() == b"not ours"


async def test_uploads_are_not_gone_while_their_volume_is_away(store: FileStore) -> None:
    id = await add(store, b"bytes")
    away = store.folder.rename(store.folder.with_name("away"))
    with pytest.raises(Unavailable):
        await store.size(id)
    with pytest.raises(Unavailable):
        await store.delete(id)
    with pytest.raises(Unavailable):
        await store.create(new_id())
    store.folder.mkdir()  # the empty folder that it was mounted on
    with pytest.raises(Unavailable):
        await store.append(id, 5)
    store.folder.rmdir()
    away.rename(store.folder)
    assert await content(store, id) == b"bytes"


async def test_two_stores_share_a_folder(store: FileStore) -> None:
    other = FileStore(store.folder)
    await other.open()
    id = await add(store, b"from one")
    writer = await other.append(id, 8)
    await writer.write([b", from the other"])
    await writer.close()
    assert await content(store, id) == b"from one, from the other"
    await other.close()


# Errors


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        ("ENOSPC", OutOfSpace),
        ("EDQUOT", OutOfSpace),
        ("EFBIG", OutOfSpace),
        ("ENOENT", NotFound),
        ("EIO", Unavailable),
        ("EACCES", Unavailable),
        ("EROFS", Unavailable),
        ("EMFILE", Unavailable),
    ],
)
def test_an_error_of_the_disk_is_told_in_the_words_of_the_interface(number: str, kind: type[BackendError]) -> None:
    told = disk.translate(OSError(getattr(errno, number), "text of the system", "/srv/uploads/secret"))
    assert type(told) is kind
    assert "secret" not in str(told)


async def test_an_error_of_the_disk_is_kept_as_the_cause(store: FileStore) -> None:
    with pytest.raises(NotFound) as told:
        await store.size(new_id())
    assert isinstance(told.value.__cause__, FileNotFoundError)


async def test_a_failed_write_lets_go_of_the_buffers(store: FileStore) -> None:
    writer = await store.append(await add(store), 0)
    buffer = bytearray(100)
    with largest_file(50), pytest.raises(OutOfSpace) as told:
        await writer.write([buffer])
    buffer.extend(b"a bytearray that is in use cannot grow")
    assert told.value.__cause__ is not None
    await writer.close()


# Descriptors and threads


async def test_no_descriptor_is_left_open(store: FileStore) -> None:
    before = descriptors()
    id = await add(store, pattern(3 * MIB))
    for offset in (0, 3 * MIB, 4 * MIB):
        opening = asyncio.create_task(store.append(id, offset))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait([opening])
    with pytest.raises(Conflict):
        await store.append(id, 4 * MIB)
    await add(store, b"", id="x" * 22)
    writer = await store.append("x" * 22, 0)
    await writer.write([pattern(3 * MIB)])
    await writer.close()
    pieces = store.read("x" * 22, 0, 3 * MIB)
    await anext(pieces)
    await pieces.aclose()  # type: ignore[attr-defined]
    reading = asyncio.create_task(content(store, "x" * 22))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    await store.concatenate(["x" * 22], id)
    await store.delete(id)
    assert descriptors() == before


async def test_closing_ends_every_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    store = FileStore(tmp_path)
    await store.open()
    await asyncio.gather(*[add(store, b"bytes") for _ in range(50)])
    assert len(set(threading.enumerate()) - before) > 1
    await store.close()
    await store.close()
    assert {thread for thread in threading.enumerate() if thread.name.startswith("store")} <= before


async def test_no_more_threads_write_than_were_asked_for(tmp_path: Path) -> None:
    store = FileStore(tmp_path, threads=3)
    await store.open()
    await asyncio.gather(*[add(store, pattern(MIB)) for _ in range(30)])
    assert 1 <= sum(thread.name.startswith("store-write") for thread in threading.enumerate()) <= 3
    await store.close()


async def test_while_the_disk_takes_no_more_bytes_sizes_are_told(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    real = os.pwritev

    def write_late(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        goes_on.wait(10)
        return real(descriptor, buffers, offset)

    monkeypatch.setattr(os, "pwritev", write_late)
    writers = [await store.append(await add(store), 0) for _ in range(20)]
    writing = [asyncio.create_task(writer.write([b"late"])) for writer in writers]
    async with asyncio.timeout(5):
        await store.create(id := new_id())
        assert await store.size(id) == 0
        await (await store.append(id, 0)).close()
    assert not any(task.done() for task in writing)
    goes_on.set()
    await asyncio.gather(*writing)
    await asyncio.gather(*[writer.close() for writer in writers])


async def test_the_loop_runs_on_while_bytes_are_written_synced_joined_and_deleted(store: FileStore) -> None:
    id, into = await add(store), await add(store)
    writer = await store.append(id, 0)
    whole = [pattern(MIB)] * 64

    async def work() -> None:
        await writer.write(whole)
        await writer.sync()
        await store.concatenate([id, id], into)
        await store.delete(into)

    working = asyncio.create_task(work())
    turns = 0
    while not working.done():
        await asyncio.sleep(0)
        turns += 1
    await working
    await writer.close()
    # A call that blocks the loop gives it a turn before and one after.
    assert turns > 50


# Joining


@pytest.mark.parametrize("size", [0, 1, MIB, 2 * MIB + 1])
def test_bytes_are_copied_between_file_systems_that_the_kernel_does_not_join(tmp_path: Path, size: int) -> None:
    source = Path("/dev/shm") / new_id()
    target = tmp_path / "target"
    try:
        source.write_bytes(b"before" + pattern(size) + b"behind")
        target.write_bytes(b"head")
        assert source.stat().st_dev != target.stat().st_dev
        disk.copy_piece(source, 6, target, 4, size)
    finally:
        source.unlink()
    assert target.read_bytes() == b"head" + pattern(size)


def test_a_part_that_is_shorter_than_it_was_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"short")
    (tmp_path / "target").touch()
    with pytest.raises(Conflict):
        disk.copy_piece(tmp_path / "source", 0, tmp_path / "target", 0, 6)


async def test_parts_longer_than_one_slice_are_joined_whole(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "SLICE", 1000)
    wholes = [pattern(2500, 1), pattern(1000, 2), pattern(999, 3)]
    ids = [await add(store, whole) for whole in wholes]
    into = await add(store)
    assert await store.concatenate(ids, into) == 4499
    assert await content(store, into) == b"".join(wholes)


# Pulling from sockets


@pytest.mark.parametrize("failing", ["out of the pipe", "everywhere"])
async def test_where_files_take_nothing_from_pipes_bytes_are_read_and_written(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    splice = os.splice

    def refusing(source: int, target: int, *arguments: Any, offset_dst: int | None = None, **others: Any) -> int:
        if offset_dst is not None or failing == "everywhere":
            raise OSError(errno.EINVAL, "Invalid argument")
        return splice(source, target, *arguments, **others)

    monkeypatch.setattr(os, "splice", refusing)
    whole = pattern(3 * MIB)
    sender = Sender()
    writer = await store.append(id := await add(store), 0)
    sending = asyncio.create_task(sender.send(whole))
    await sender.pull_all(writer, len(whole))
    await sending
    await writer.close()
    sender.close()
    assert await content(store, id) == whole


async def test_slow_senders_hold_no_thread_and_no_descriptor_of_the_store(store: FileStore) -> None:
    before = len(descriptors())
    senders = [Sender() for _ in range(50)]
    writers = [await store.append(await add(store), 0) for _ in senders]
    for _ in range(3):
        for sender in senders:
            await sender.send(b"x")
        flows = await asyncio.gather(
            *(sender.pull(writer, 100) for sender, writer in zip(senders, writers, strict=True))
        )
        assert set(flows) == {Flow.RESTING}
    assert {writer.offset for writer in writers} == {3}
    pulling = [thread for thread in threading.enumerate() if thread.name.startswith("store-pull")]
    assert len(pulling) <= len(os.sched_getaffinity(0))
    for sender, writer in zip(senders, writers, strict=True):
        sender.close()
        await writer.close()
    assert len(descriptors()) <= before + 2 * len(pulling)


async def test_behind_an_error_of_the_file_no_pipe_and_no_byte_is_left_for_the_next(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, other = Sender(), Sender()
    writer = await store.append(await add(store), 0)
    await sender.send(bytes(50_000))
    before = descriptors()
    with largest_file(10_000), pytest.raises(OutOfSpace):
        await sender.pull_all(writer, 50_000)
    assert descriptors() <= before
    next_writer = await store.append(next_id := await add(store), 0)
    await other.send(b"its own")
    await other.pull_all(next_writer, 7)
    assert await content(store, next_id) == b"its own"
    await asyncio.gather(writer.close(), next_writer.close())
    sender.close()
    other.close()
