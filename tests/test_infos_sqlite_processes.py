"""Records in SQLite beside other processes: writing at once, killed, recovering."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.contracts.infos_values import add, an_upload
from tusserver.infos.sqlite import SqliteInfos

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "infos.db"


@pytest.fixture
async def infos(path: Path) -> AsyncIterator[SqliteInfos]:
    infos = SqliteInfos(path)
    await infos.open()
    yield infos
    await infos.close()


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that has printed its first line; killed at the end of the block."""
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            assert pipe(started.stdout).readline() == "open\n"
            yield started
        finally:
            started.kill()


def writing(path: Path, prefix: str, *, count: int, tasks: int, durable: bool = False) -> tuple[str, ...]:
    """The command of a process that creates records."""
    return ("-m", "tests.infos_process", str(path), str(count), str(tasks), prefix, *(["durable"] if durable else []))


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def exits(commands: list[tuple[str, ...]]) -> list[int]:
    """Run Python processes side by side to their ends; gives their exit statuses."""
    started = [
        subprocess.Popen([sys.executable, *command], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for command in commands
    ]
    return [process.wait(20) for process in started]


def output(*command: str) -> str:
    """What a Python process prints."""
    return subprocess.run([sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


async def test_processes_that_open_a_new_database_at_once_all_succeed(path: Path) -> None:
    assert exits([writing(path, f"p{number}-", count=10, tasks=2) for number in range(4)]) == [0] * 4
    infos = SqliteInfos(path)
    await infos.open()
    assert len(await infos.unfinished()) == 40
    await infos.close()


async def test_processes_that_write_at_once_lose_nothing(infos: SqliteInfos, path: Path) -> None:
    with (
        process(*writing(path, "one-", count=1000, tasks=20)) as one,
        process(*writing(path, "two-", count=1000, tasks=20)) as two,
    ):
        for started in (one, two):
            pipe(started.stdin).close()
        mine = await add(infos, *(an_upload() for _ in range(200)))
        told: list[str] = []
        for started in (one, two):
            for line in pipe(started.stdout):
                told.append(line.strip())
                # Acknowledged by another process, so seen by this one.
                assert (await infos.load(told[-1])).id == told[-1]
            assert started.wait(20) == 0
    assert len(told) == 2000
    assert len(await infos.unfinished(limit=3000)) == 2000 + len(mine)


@pytest.mark.parametrize("room", [1, 300])
async def test_of_processes_that_create_at_once_no_more_get_in_than_there_is_room_for(
    infos: SqliteInfos, path: Path, room: int
) -> None:
    options = (f"open={room}",)
    with (
        process(*writing(path, "one-", count=400, tasks=25), *options) as one,
        process(*writing(path, "two-", count=400, tasks=25), *options) as two,
    ):
        for started in (one, two):
            pipe(started.stdin).close()
        told = [line.strip() for started in (one, two) for line in pipe(started.stdout)]
        assert [started.wait(20) for started in (one, two)] == [0, 0]
    assert len(told) == room
    assert sorted(told) == [upload.id for upload in await infos.unfinished()]


async def test_of_processes_that_begin_one_name_at_once_one_gets_in(infos: SqliteInfos, path: Path) -> None:
    options = ("name=one_name",)
    with (
        process(*writing(path, "one-", count=200, tasks=25), *options) as one,
        process(*writing(path, "two-", count=200, tasks=25), *options) as two,
    ):
        for started in (one, two):
            pipe(started.stdin).close()
        told = [line.strip() for started in (one, two) for line in pipe(started.stdout)]
        assert [started.wait(20) for started in (one, two)] == [0, 0]
    assert len(told) == 1
    assert told == [upload.id for upload in await infos.unfinished()]


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("told_before", [1, 150, 700])
async def test_what_a_killed_process_acknowledged_is_there(path: Path, durable: bool, told_before: int) -> None:
    with process(*writing(path, "killed-", count=100_000, tasks=30, durable=durable)) as started:
        pipe(started.stdin).close()
        told = [pipe(started.stdout).readline().strip() for _ in range(told_before)]
        started.kill()
        told += pipe(started.stdout).read().split("\n")[:-1]
    infos = SqliteInfos(path)
    await infos.open()
    found = {upload.id for upload in await infos.unfinished(limit=200_000)}
    assert set(told) <= found
    await add(infos, an_upload())
    await infos.close()


async def test_a_process_killed_beside_a_running_one_leaves_it_running(infos: SqliteInfos, path: Path) -> None:
    for turn in range(5):
        with process(*writing(path, f"{turn}-", count=100_000, tasks=30)) as started:
            pipe(started.stdin).close()
            told = [pipe(started.stdout).readline().strip() for _ in range(50)]
            mine = await add(infos, *(an_upload() for _ in range(20)))
            started.kill()
        (behind,) = await add(infos, an_upload())
        assert await infos.load(behind.id) == behind
        assert await infos.known(told) == set(told)
        assert [await infos.load(upload.id) for upload in mine] == list(mine)


RECOVERING = """
import fcntl, sys
# The bytes by which SQLite says "I write" and "I recover the log"; and an index that has to be recovered.
shared = open(sys.argv[1] + "-shm", "r+b", buffering=0)
fcntl.lockf(shared, fcntl.LOCK_EX, 1, 120)
fcntl.lockf(shared, fcntl.LOCK_EX, 1, 122)
shared.write(b"\\xff" * 48)
print("open", flush=True)
sys.stdin.read()
"""


async def test_a_load_while_another_process_recovers_the_log_waits_without_holding_up_the_loop(
    infos: SqliteInfos, path: Path
) -> None:
    (upload,) = await add(infos, an_upload())
    with process("-c", RECOVERING, str(path)) as started:
        loading = asyncio.create_task(infos.load(upload.id))
        began = time.monotonic()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert time.monotonic() - began < 0.1
        await asyncio.sleep(0.2)
        assert not loading.done()
        pipe(started.stdin).close()
        assert await asyncio.wait_for(loading, 5) == upload


UNPRIVILEGED = """
import asyncio, os, sys
from pathlib import Path
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.errors import Unavailable
if os.getuid() == 0:
    os.setuid(65534)  # nobody, for whom the permissions count
try:
    asyncio.run(SqliteInfos(Path(sys.argv[1])).open())
except Unavailable as refusal:
    print(refusal)
"""


@pytest.mark.parametrize(
    ("file", "folder", "sentence"),
    [
        (None, 0o555, "the database infos.db cannot be opened"),
        (0o444, 0o555, "the database infos.db cannot be written"),
        (0o444, 0o777, "the database infos.db cannot be written"),
        (0o000, 0o777, "the database infos.db cannot be opened"),
    ],
)
async def test_a_database_without_permission_is_refused_with_one_sentence(
    file: int | None, folder: int, sentence: str
) -> None:
    # Not in the folder of the test, into which nobody else may look.
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "infos.db"
        if file is not None:
            infos = SqliteInfos(path)
            await infos.open()
            await infos.close()
            os.chmod(path, file)
        os.chmod(name, folder)
        said = output("-c", UNPRIVILEGED, str(path))
        os.chmod(name, 0o700)
    assert said == sentence + "\n"
