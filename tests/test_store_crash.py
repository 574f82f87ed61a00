"""Bytes in files when a process dies or a disk is full, with real processes and a real disk."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.store_values import MIB, add, content, pattern, scanned
from tusserver.protocol.errors import OutOfSpace
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of

ID = "i" * 22
PARTS = [letter * 22 for letter in "abc"]
# The bytes written tell where they belong: eight of each sixteen are their own offset.
WRITE = """
import asyncio, sys
from pathlib import Path
from tusserver.stores.file import FileStore

async def main():
    store = FileStore(Path(sys.argv[1]))
    await store.open()
    await store.create(sys.argv[2])
    writer = await store.append(sys.argv[2], 0)
    while True:
        start = writer.offset
        data = b"".join(at.to_bytes(8, "big") + b"contents" for at in range(start, start + 65536, 16))
        await writer.write([data[:1000], data[1000:]])
        print(writer.offset, flush=True)

asyncio.run(main())
"""
JOIN = """
import asyncio, sys
from pathlib import Path
from tusserver.stores.file import FileStore

async def main():
    store = FileStore(Path(sys.argv[1]))
    await store.open()
    while True:
        print("joining", flush=True)
        await store.concatenate(sys.argv[3:], sys.argv[2])

asyncio.run(main())
"""


def killed_at_work(script: str, *arguments: str, lines: int) -> list[str]:
    """Run a script until it has printed so many lines, kill it at some later moment; gives the whole lines."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(lines)]
    time.sleep(random.random() * 0.02)
    process.kill()
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [line.strip() for line in told if line.endswith("\n")]


@pytest.mark.parametrize("lines", [1, 3, 30])
def test_a_process_killed_while_it_writes_leaves_every_byte_it_told_of_and_none_that_is_wrong(
    tmp_path: Path, lines: int
) -> None:
    told = int(killed_at_work(WRITE, str(tmp_path), ID, lines=lines)[-1])
    stored = path_of(tmp_path, ID).read_bytes()
    assert told <= len(stored) <= told + 65536
    expected = b"".join(at.to_bytes(8, "big") + b"contents" for at in range(0, len(stored) + 16, 16))
    assert stored == expected[: len(stored)]


async def test_joining_after_a_kill_in_the_middle_gives_the_whole(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.open()
    for seed, part in enumerate(PARTS):
        await add(store, pattern(8 * MIB, seed), part)
    await store.create(ID)
    await asyncio.to_thread(killed_at_work, JOIN, str(tmp_path), ID, *PARTS, lines=2)
    assert await store.concatenate(PARTS, ID) == 24 * MIB
    assert await content(store, ID) == b"".join(pattern(8 * MIB, seed) for seed in range(3))
    await store.close()


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """A file system of its own for the length of a block."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    with mounted(tmp_path / "disk", "size=1m") as place:
        yield place


@pytest.fixture
def disk_of_four_names(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for its root and three files or folders."""
    with mounted(tmp_path / "disk", "size=1m,nr_inodes=4") as place:
        yield place


@pytest.mark.engines
async def test_a_full_disk_keeps_what_went_in_lets_go_of_what_is_deleted_and_goes_on(small_disk: Path) -> None:
    whole = pattern(2 * MIB)
    store = FileStore(small_disk)
    await store.open()
    other = await add(store, whole[: MIB // 4])
    await store.create(ID)
    writer = await store.append(ID, 0)
    with pytest.raises(OutOfSpace):
        await writer.write([whole])
    reached = writer.offset
    assert MIB // 2 < reached < MIB
    assert await store.size(ID) == reached
    assert await store.free() == 0
    again = FileStore(small_disk)
    await again.open()  # a server can be started to delete
    await again.close()
    assert await store.delete(other) == MIB // 4
    await writer.write([whole[reached : reached + 1000]])
    await writer.sync()
    await writer.close()
    assert await content(store, ID) == whole[: reached + 1000]
    await store.close()


@pytest.mark.engines
async def test_joining_on_a_disk_that_fills_up_gives_the_room_back(small_disk: Path) -> None:
    store = FileStore(small_disk)
    await store.open()
    part = await add(store, pattern(MIB * 3 // 8))
    await store.create(ID)
    free = await store.free()
    with pytest.raises(OutOfSpace):
        await store.concatenate([part, part], ID)
    assert await store.free() == free
    assert await scanned(store) == {part: MIB * 3 // 8, ID: 0}
    await store.close()


@pytest.mark.engines
async def test_where_no_name_fits_a_new_upload_is_refused_and_the_rest_works(disk_of_four_names: Path) -> None:
    store = FileStore(disk_of_four_names)
    await store.open()
    id = await add(store, b"bytes", ID)
    await store.create(ID[:-1] + "x")
    with pytest.raises(OutOfSpace):
        await store.create(ID[:-1] + "y")
    with pytest.raises(OutOfSpace):
        await store.create("y" * 22)
    assert await store.delete(id) == 5
    await store.create(ID[:-1] + "y")
    await store.close()
