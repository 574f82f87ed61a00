"""Locks between real processes: how soon they pass on, and what is left of them when a process dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.locker_values import Holder, is_free
from tests.contracts.store_values import new_id
from tusserver.lockers.host import HostLocker

HOLD = """
import asyncio, sys
from pathlib import Path
from tusserver.lockers.host import HostLocker

async def main(folder, sockets, id):
    locker = HostLocker(lambda id: Path(folder) / id, Path(sockets))
    await locker.open()
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        wanted = asyncio.Event()
        async with locker.hold(id) as hold:
            hold.listen(wanted.set, lambda: print("nudged", flush=True))
            print("holding", flush=True)
            await wanted.wait()

asyncio.run(main(*sys.argv[1:]))
"""


class Child:
    """Another process, that holds the lock each time it is asked to, until somebody wants it."""

    def __init__(self, folder: Path, sockets: Path, id: str) -> None:
        arguments = [sys.executable, "-c", HOLD, str(folder), str(sockets), id]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    async def hold(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("hold\n")
        assert await self.told() == "holding"

    async def told(self) -> str:
        assert self.process.stdout is not None
        return (await asyncio.to_thread(self.process.stdout.readline)).strip()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
async def locker(tmp_path: Path) -> AsyncIterator[HostLocker]:
    locker = HostLocker(lambda id: tmp_path / id, tmp_path / ".sockets")
    await locker.open()
    yield locker
    await locker.close()


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[tuple[Child, str]]:
    (tmp_path / (id := new_id())).touch()
    made = Child(tmp_path, tmp_path / ".sockets", id)
    yield made, id
    made.end()


async def test_a_take_over_from_another_process_takes_less_than_a_tenth_of_a_second(
    locker: HostLocker, child: tuple[Child, str]
) -> None:
    process, id = child
    took = []
    for _ in range(100):
        await process.hold()
        begun = time.monotonic()
        async with locker.hold(id):
            took.append(time.monotonic() - begun)
    assert sorted(took)[98] < 0.1


async def test_the_lock_of_a_killed_process_is_free_at_once(locker: HostLocker, child: tuple[Child, str]) -> None:
    process, id = child
    await process.hold()
    assert not await is_free(locker, id)
    process.end()
    begun = time.monotonic()
    async with locker.hold(id, take_over=False):
        assert time.monotonic() - begun < 0.1


async def test_who_waits_for_a_process_that_is_killed_gets_the_lock(
    locker: HostLocker, child: tuple[Child, str]
) -> None:
    process, id = child
    await process.hold()
    process.process.send_signal(signal.SIGSTOP)  # it hears no wish
    waiting = Holder(locker, id)
    await asyncio.sleep(0.1)
    assert not waiting.holding.is_set()
    begun = time.monotonic()
    process.end()
    await waiting.holding.wait()
    assert time.monotonic() - begun < 0.1
    await waiting.end()


async def test_a_nudge_reaches_another_process(locker: HostLocker, child: tuple[Child, str]) -> None:
    process, id = child
    await process.hold()
    locker.nudge(id)
    assert await asyncio.wait_for(process.told(), 2) == "nudged"
    assert not await is_free(locker, id)
