"""The processes that read images: bounded, replaced when they die, and never in the way of the server."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import stat
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests import image_making as make
from tests.image_making import jpeg, png
from tusserver.imaging import pool
from tusserver.imaging.base import Bounds, Seen
from tusserver.imaging.images import Images
from tusserver.protocol.errors import NotFound, OutOfSpace, Unavailable
from tusserver.protocol.images import ImagesAway, ImagesBusy, ImageTooLarge, NotAnImage, Wish
from tusserver.protocol.refusals import Stopping

SMALL = Seen("image/png", 40, 30)


@asynccontextmanager
async def reading(
    folder: Path, *, seconds: float = 20, python: str = sys.executable, workers: int = 1
) -> AsyncIterator[Images]:
    """Images in a block; none of their processes is left over behind it."""
    images = Images(folder / "cache", Bounds(), timeout=seconds, python=python, workers=workers)
    await images.open()
    try:
        yield images
    finally:
        await images.close()
    assert images.pids == set()


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with reading(tmp_path) as opened:
        yield opened


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    path.write_bytes(png())
    return path


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Half a megabyte that takes a second or two to read."""
    path = tmp_path / "slow.png"
    path.write_bytes(make.apng(100, size=(2000, 2000)))
    return path


async def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def busy(images: Images, slow: Path) -> tuple[asyncio.Task[Seen], int]:
    """A worker in the middle of a slow image, and its process id."""
    task = asyncio.create_task(images.inspect(slow))
    await until(lambda: len(images.pids) == 1)
    (pid,) = images.pids
    before = Path(f"/proc/{pid}/stat").read_text().split()[13]
    await until(lambda: int(Path(f"/proc/{pid}/stat").read_text().split()[13]) > int(before) + 20)
    return task, pid


async def test_a_worker_begins_with_the_first_image_and_is_kept_for_the_next(images: Images, small: Path) -> None:
    assert images.pids == set()
    assert await images.inspect(small, "png") == SMALL
    pids = images.pids
    assert len(pids) == 1
    assert await images.inspect(small) == SMALL
    assert images.pids == pids


async def test_a_refusal_comes_with_its_facts_and_costs_no_worker(images: Images, tmp_path: Path, small: Path) -> None:
    await images.inspect(small)
    pids = images.pids
    bomb = tmp_path / "bomb"
    bomb.write_bytes(make.blank(9000, 9000))
    with pytest.raises(ImageTooLarge) as refused:
        await images.inspect(bomb, "png")
    assert refused.value.facts["limit"] == 40_000_000
    with pytest.raises(NotAnImage, match="image/jpeg"):
        await images.inspect(small, "jpg")
    with pytest.raises(NotAnImage, match="svg"):
        await images.inspect(small, "svg")
    with pytest.raises(NotFound):
        await images.inspect(tmp_path / "nowhere")
    assert images.pids == pids


@pytest.mark.alone
async def test_what_takes_too_long_is_refused_and_its_worker_replaced(tmp_path: Path, slow: Path, small: Path) -> None:
    async with reading(tmp_path, seconds=0.7) as images:
        await images.inspect(small)
        pids = images.pids
        with pytest.raises(NotAnImage, match=r"0\.7 seconds of a processor"):
            await images.inspect(slow)
        assert await images.inspect(small) == SMALL
        assert len(images.pids) == 1
        assert images.pids != pids


async def test_what_hardly_gets_to_run_is_not_the_fault_of_the_image(tmp_path: Path, small: Path) -> None:
    async with reading(tmp_path, seconds=0.3) as images:
        await images.inspect(small)
        (pid,) = images.pids
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(ImagesBusy) as refused:
            await images.inspect(small)
        assert "Retry-After" in refused.value.headers
        assert not is_running(pid)
        assert await images.inspect(small) == SMALL


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGXCPU, signal.SIGKILL, signal.SIGABRT])
async def test_a_worker_that_dies_of_a_file_costs_that_file_alone(
    images: Images, slow: Path, small: Path, by: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    task, pid = await busy(images, slow)
    waiting = asyncio.create_task(images.inspect(small))
    os.kill(pid, by)
    with pytest.raises(NotAnImage, match=by.name):
        await task
    assert await waiting == SMALL
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_worker_that_is_ended_from_outside_costs_nothing(images: Images, small: Path, slow: Path) -> None:
    await images.inspect(small)
    (resting,) = images.pids
    os.kill(resting, signal.SIGTERM)
    assert await images.inspect(small) == SMALL
    task, pid = await busy(images, slow)
    os.kill(pid, signal.SIGTERM)
    assert (await task).frames == 100


async def test_no_more_than_64_wait_for_a_worker(images: Images, small: Path, slow: Path) -> None:
    task, pid = await busy(images, slow)
    waiting = [asyncio.create_task(images.inspect(small)) for _ in range(64)]
    await asyncio.sleep(0)
    with pytest.raises(ImagesBusy) as refused:
        await images.inspect(small)
    assert "Retry-After" in refused.value.headers
    waiting.pop(7).cancel()
    await asyncio.sleep(0)
    again = asyncio.create_task(images.inspect(small))
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*waiting, again) == [SMALL] * 64
    with pytest.raises(NotAnImage):
        await task


async def test_who_gives_up_ends_the_work_that_is_done_for_him(images: Images, small: Path, slow: Path) -> None:
    task, pid = await busy(images, slow)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_running(pid)
    assert await images.inspect(small) == SMALL


async def test_several_workers_read_at_once(tmp_path: Path, small: Path, slow: Path) -> None:
    async with reading(tmp_path, workers=2) as images:
        task, _ = await busy(images, slow)
        assert await images.inspect(small) == SMALL
        assert not task.done()
        assert len(images.pids) == 2
        task.cancel()


async def test_a_worker_that_rests_too_long_ends(images: Images, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE", 0.05)
    await images.inspect(small)
    (pid,) = images.pids
    await until(lambda: not images.pids and not is_running(pid))
    assert await images.inspect(small) == SMALL


async def test_a_worker_is_replaced_after_many_images(
    images: Images, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOST_JOBS", 2)
    pids = set()
    for _ in range(4):
        assert await images.inspect(small) == SMALL
        pids |= images.pids
    assert len(pids) == 2


async def test_closing_ends_every_process_and_refuses_who_waits(tmp_path: Path, small: Path, slow: Path) -> None:
    images = Images(tmp_path / "cache", Bounds(), workers=2)
    await images.open()
    acts: list[Awaitable[object]] = [
        images.inspect(small), images.derived("a" * 22, slow, Wish(5)), images.derived("b" * 22, small, Wish(7)),
    ]  # fmt: skip
    tasks = [(await busy(images, slow))[0], *map(asyncio.ensure_future, acts)]
    await asyncio.sleep(0.01)
    pids = images.pids
    began = time.monotonic()
    await images.close()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert time.monotonic() - began < 2
    assert {type(answer) for answer in answers[:1]} == {Stopping}
    assert {type(answer) for answer in answers} <= {Stopping, Seen}
    assert not any(map(is_running, pids))
    with pytest.raises(Stopping):
        await images.inspect(small)
    await images.close()


def interpreter(folder: Path, script: str) -> str:
    """A program that stands where Python should."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('echo "ModuleNotFoundError: No module named PIL" >&2; exit 1', "No module named PIL"),
        ("kill -9 $$", "signal 9"),
    ],
)
async def test_without_a_worker_the_answer_is_503_and_the_log_says_so_once(
    tmp_path: Path, small: Path, caplog: pytest.LogCaptureFixture, script: str, told: str
) -> None:
    async with reading(tmp_path, python=interpreter(tmp_path, script)) as images:
        for _ in range(3):
            with pytest.raises(ImagesAway) as refused:
                await images.inspect(small)
            assert "Retry-After" in refused.value.headers
    said = [record for record in caplog.records if record.name == "tusserver.imaging"]
    assert [record.levelno for record in said] == [logging.ERROR]
    assert told in said[0].getMessage()


@pytest.mark.parametrize(("pause", "starts"), [(60.0, 1), (0.0, 3)])
async def test_a_worker_that_cannot_begin_is_tried_once_in_a_pause_and_told_of_once(
    tmp_path: Path,
    small: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    pause: float,
    starts: int,
) -> None:
    monkeypatch.setattr(pool, "PAUSE", pause)
    began = tmp_path / "began"
    async with reading(tmp_path, python=interpreter(tmp_path, f"echo >> {began}; exit 1")) as images:
        for _ in range(3):
            with pytest.raises(ImagesAway):
                await images.inspect(small)
    assert len(began.read_text().splitlines()) == starts
    assert len([record for record in caplog.records if record.name == "tusserver.imaging"]) == 1


async def test_without_an_interpreter_the_answer_is_503(tmp_path: Path, small: Path) -> None:
    async with reading(tmp_path, python=str(tmp_path / "nowhere")) as images:
        with pytest.raises(ImagesAway):
            await images.inspect(small)


async def test_a_worker_is_tried_again_after_a_pause(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PAUSE", 0.0)
    python = interpreter(tmp_path, "exit 1")
    async with reading(tmp_path, python=python) as images:
        with pytest.raises(ImagesAway):
            await images.inspect(small)
        interpreter(tmp_path, f'exec {sys.executable} "$@"')
        assert await images.inspect(small) == SMALL


@pytest.mark.parametrize("answer", [
    "{}", '{"seen": 5}', '{"seen": {"width": "wide"}}', '{"failed": 2}',
    '{"refused": "image-too-large", "detail": "", "facts": {"x": 1}}',
])  # fmt: skip
async def test_an_answer_that_makes_no_sense_tells_of_no_image(tmp_path: Path, small: Path, answer: str) -> None:
    python = interpreter(tmp_path, f"echo '{{}}'; while read line; do echo '{answer}'; done")
    async with reading(tmp_path, python=python) as images:
        with pytest.raises(NotAnImage, match="no sense"):
            await images.inspect(small)


@pytest.mark.parametrize("answer", ["[]", "what?", "", "x" * 200_000])
async def test_a_worker_that_does_not_keep_to_the_form_is_ended(tmp_path: Path, small: Path, answer: str) -> None:
    python = interpreter(tmp_path, f"echo '{{}}'; while read line; do echo '{answer}'; done")
    async with reading(tmp_path, python=python) as images:
        with pytest.raises((NotAnImage, ImagesAway)):
            await images.inspect(small)
        assert images.pids == set()


@pytest.mark.parametrize(("number", "file", "kind"), [
    (errno.ENOSPC, None, OutOfSpace), (errno.EDQUOT, None, OutOfSpace), (errno.EIO, None, Unavailable),
    (errno.ENOENT, "/another", Unavailable), (None, None, Unavailable),
])  # fmt: skip
async def test_a_disk_that_fails_is_no_fault_of_the_image(
    tmp_path: Path, small: Path, number: int | None, file: str | None, kind: type[Exception]
) -> None:
    answer = json.dumps({"failed": number, "file": file, "detail": "the disk"})
    python = interpreter(tmp_path, f"echo '{{}}'; while read line; do echo '{answer}'; done")
    async with reading(tmp_path, python=python) as images:
        with pytest.raises(kind):
            await images.inspect(small)


async def test_an_original_that_cannot_be_made_smaller_is_left_alone(
    images: Images, tmp_path: Path, small: Path
) -> None:
    into = tmp_path / "into"
    big = tmp_path / "big"
    big.write_bytes(jpeg(600, 400, quality=100))
    assert await images.optimise(big, into) == Seen("image/jpeg", 600, 400)
    assert into.stat().st_size < big.stat().st_size
    assert await images.optimise(small, into) is None
    assert not into.exists()
    with pytest.raises(NotFound):
        await images.optimise(tmp_path / "nowhere", into)
