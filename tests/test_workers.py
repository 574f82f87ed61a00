"""Threads for blocking calls: what is promised when a call is cancelled, fails, or comes late."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tusserver.workers import Workers


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    workers = Workers("test-workers", 3)
    yield workers
    await workers.close()


def alive() -> int:
    return sum(thread.name.startswith("test-workers") for thread in threading.enumerate())


def slowly(done: list[int], number: int) -> None:
    time.sleep(0.01)
    done.append(number)


async def test_a_job_runs_in_another_thread_and_gives_its_result(workers: Workers) -> None:
    assert await workers.run(threading.get_ident) != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
async def test_an_error_of_a_job_is_raised_and_ends_no_thread(workers: Workers, error: type[BaseException]) -> None:
    def job() -> None:
        raise error("of the job")

    for _ in range(10):
        with pytest.raises(error, match="of the job"):
            await workers.run(job)
    assert await workers.run(lambda: 1) == 1
    assert alive() == 1


async def test_threads_are_started_as_jobs_come_and_no_more_than_allowed(workers: Workers) -> None:
    assert alive() == 0
    for _ in range(10):
        await workers.run(lambda: None)
    assert alive() == 1
    meeting = threading.Barrier(3, timeout=5)
    await asyncio.gather(*[workers.run(meeting.wait) for _ in range(9)])
    assert alive() == 3


async def test_every_one_of_many_jobs_is_answered_with_its_own_result(workers: Workers) -> None:
    results = await asyncio.gather(*[workers.run(partial(pow, number, 2)) for number in range(5000)])
    assert results == [number**2 for number in range(5000)]


async def test_a_cancelled_call_waits_for_its_job(workers: Workers) -> None:
    ended = threading.Event()

    def job() -> None:
        time.sleep(0.05)
        ended.set()

    call = asyncio.create_task(workers.run(job))
    await asyncio.sleep(0.01)
    for _ in range(3):
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()


async def test_a_cancelled_call_waits_for_a_job_that_has_not_begun(workers: Workers) -> None:
    done: list[int] = []
    calls = [asyncio.create_task(workers.run(partial(slowly, done, number))) for number in range(9)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert sorted(done) == list(range(9))
    assert all(call.cancelled() for call in calls)


async def test_a_result_that_nobody_takes_is_undone_before_the_call_is_over(workers: Workers) -> None:
    undone: list[str] = []

    def job() -> str:
        time.sleep(0.02)
        return "opened"

    call = asyncio.create_task(workers.run(job, undone.append))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert undone == ["opened"]


async def test_a_result_that_is_taken_is_not_undone(workers: Workers) -> None:
    undone: list[str] = []
    assert await workers.run(lambda: "opened", undone.append) == "opened"
    assert undone == []


async def test_a_cancelled_call_whose_job_failed_undoes_nothing(workers: Workers) -> None:
    undone: list[str] = []

    def job() -> str:
        time.sleep(0.02)
        raise OSError("of the job")

    call = asyncio.create_task(workers.run(job, undone.append))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert undone == []


async def test_a_result_that_came_as_the_call_was_cancelled_is_undone(workers: Workers) -> None:
    undone: list[int] = []
    for turns in range(12):
        call = asyncio.create_task(workers.run(lambda: 1, undone.append))
        await asyncio.sleep(0)
        time.sleep(0.002)
        for _ in range(turns % 4):
            await asyncio.sleep(0)
        if call.done():
            assert await call == 1
            continue
        call.cancel()
        undone.clear()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert undone == [1]


async def test_closing_waits_for_jobs_and_ends_the_threads(workers: Workers) -> None:
    done: list[int] = []
    calls = [asyncio.create_task(workers.run(partial(slowly, done, number))) for number in range(9)]
    await asyncio.sleep(0)
    await workers.close()
    assert sorted(done) == list(range(9))
    assert alive() == 0
    await asyncio.gather(*calls)
    await workers.close()


async def test_a_call_after_closing_runs_where_it_is_made(workers: Workers) -> None:
    await workers.close()
    assert await workers.run(threading.get_ident) == threading.get_ident()


async def test_an_idle_thread_keeps_nothing_of_the_job_it_had(workers: Workers) -> None:
    class Buffer:
        pass

    buffer = Buffer()
    gone = weakref.ref(buffer)
    await workers.run(partial(id, buffer))
    del buffer
    await workers.run(lambda: None)
    assert gone() is None


async def test_an_error_makes_no_cycle_that_keeps_buffers(workers: Workers) -> None:
    class Buffer:
        pass

    def job(buffer: Buffer) -> None:
        raise ValueError("of the job")

    gone: list[weakref.ref[Buffer]] = []

    async def call() -> None:
        buffer = Buffer()
        gone.append(weakref.ref(buffer))
        with pytest.raises(ValueError, match="of the job"):
            await workers.run(partial(job, buffer))

    gc.disable()
    try:
        await call()
        await workers.run(lambda: None)
        assert gone[0]() is None
    finally:
        gc.enable()


def test_threads_end_when_their_loop_has_ended_without_closing_them() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def job() -> None:
        begun.set()
        goes_on.wait(5)

    async def abandon() -> None:
        workers = Workers("test-workers", 1)
        call = asyncio.ensure_future(workers.run(job))
        await asyncio.sleep(0)
        begun.wait(5)
        call.get_loop().call_soon(call.get_loop().stop)
        await asyncio.sleep(10)

    loop = asyncio.new_event_loop()
    main = loop.create_task(abandon())
    loop.run_forever()
    loop.close()
    goes_on.set()
    deadline = time.monotonic() + 5
    while alive():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not main.done()
