"""What survives a power cut, as far as a test can tell without one: what is synced, when, and what a failure leaves."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.store_values import add, content
from tusserver.protocol.errors import Unavailable
from tusserver.stores import disk, file
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[FileStore]:
    store = FileStore(tmp_path / "uploads")
    await store.open()
    yield store
    await store.close()


@contextmanager
def failing_syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A device that fails; there is none here that does so when it is told to."""

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "of the device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        yield


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced, by its path. Each sync is done as well: nothing but a power cut would show that it was not."""
    seen: list[str] = []

    def watch(name: str) -> None:
        real = getattr(os, name)

        def sync(descriptor: int) -> None:
            seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
            real(descriptor)

        monkeypatch.setattr(os, name, sync)

    watch("fsync")
    watch("fdatasync")
    return seen


async def test_the_first_sync_covers_the_entries_that_lead_to_the_file(store: FileStore, synced: list[str]) -> None:
    id = await add(store)
    path = path_of(store.folder, id)
    writer = await store.append(id, 0)
    await writer.write([b"bytes"])
    await writer.sync()
    assert synced == [str(path), str(path.parent), str(store.folder)]
    synced.clear()
    await writer.sync()
    assert synced == [str(path)]
    await writer.close()


async def test_an_upload_made_anew_has_its_entry_synced_again(store: FileStore, synced: list[str]) -> None:
    id = await add(store)
    path = path_of(store.folder, id)
    for _ in range(2):
        synced.clear()
        writer = await store.append(id, 0)
        await writer.sync()
        assert synced[:2] == [str(path), str(path.parent)]
        await writer.close()
        await store.delete(id)
        await store.create(id)


async def test_an_upload_that_is_not_remembered_any_more_has_its_entry_synced_again(
    store: FileStore, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MOST_SETTLED", 2)
    writers = [await store.append(await add(store), 0) for _ in range(3)]
    for writer in writers:
        await writer.sync()
    synced.clear()
    await writers[0].sync()
    assert len(synced) == 2
    await asyncio.gather(*[writer.close() for writer in writers])


def test_a_file_system_that_cannot_sync_a_folder_is_believed_to_keep_it() -> None:
    disk.sync_folder(Path("/proc"))


async def test_a_folder_made_by_opening_is_synced(tmp_path: Path, synced: list[str]) -> None:
    store = FileStore(tmp_path / "new" / "folder")
    await store.open()
    await store.close()
    assert set(synced) == {str(tmp_path), str(tmp_path / "new")}


@pytest.mark.parametrize(("synced_before", "left"), [(0, 0), (5, 5)])
async def test_bytes_that_a_failed_sync_may_have_lost_are_dropped(
    store: FileStore, monkeypatch: pytest.MonkeyPatch, synced_before: int, left: int
) -> None:
    id = await add(store, b"bytes")
    writer = await store.append(id, 5)
    if synced_before:
        await writer.sync()
    await writer.write([b" and more"])
    with failing_syncs(monkeypatch), pytest.raises(Unavailable):
        await writer.sync()
    assert (writer.offset, await store.size(id)) == (left, left)
    await writer.write([b" again"])
    await writer.sync()
    await writer.close()
    assert await content(store, id) == b"bytes"[:left] + b" again"


async def test_bytes_written_again_after_a_cut_are_not_taken_for_synced(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await add(store)
    writer = await store.append(id, 0)
    await writer.write([b"synced"])
    await writer.sync()
    await writer.cut(4)
    await writer.write([b"other"])
    with failing_syncs(monkeypatch), pytest.raises(Unavailable):
        await writer.sync()
    assert writer.offset == await store.size(id) == 4
    await writer.close()


async def test_syncs_that_hang_hold_up_no_write(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: goes_on.wait(10))
    writers = [await store.append(await add(store, b"bytes"), 5) for _ in range(2 * file.SYNC_THREADS)]
    syncing = [asyncio.create_task(writer.sync()) for writer in writers]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        id = await add(store, b"written meanwhile")
        assert await content(store, id) == b"written meanwhile"
        assert await store.delete(id) == 17
    assert not any(task.done() for task in syncing)
    goes_on.set()
    await asyncio.gather(*syncing)
    await asyncio.gather(*[writer.close() for writer in writers])
