"""Threads for blocking calls: bounded, owned by whoever made them, and half the price of `asyncio.to_thread`."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class _Task:
    """One job on its way through a thread. Only the loop touches `waiter` and `is_over`."""

    __slots__ = ("error", "is_over", "job", "result", "waiter")

    def __init__(self, job: Callable[[], Any], waiter: asyncio.Future[None]) -> None:
        self.job = job
        self.waiter = waiter
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_over = False

    def run(self) -> None:
        try:
            self.result = self.job()
        except BaseException as error:
            self.error = error

    def end(self) -> None:
        self.is_over = True
        if not self.waiter.done():
            self.waiter.set_result(None)


class Workers:
    """At most `threads` threads, started as jobs come, used from one event loop.

    Not `ThreadPoolExecutor`: a job costs 9 to 17 µs of processor there and back where that costs 17 to 33, and a
    small upload is several jobs. Jobs that end together wake the loop once.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name = name
        self._most = threads
        self._threads: list[threading.Thread] = []
        self._queue: SimpleQueue[_Task | None] = SimpleQueue()
        self._ended: deque[_Task] = deque()
        self._is_waking = False
        self._unfinished = 0
        self._is_closed = False

    async def run(self, job: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        """What `job` gives or raises, called in a thread.

        A thread cannot be stopped, so a cancelled call waits for its job to end and raises CancelledError then: when
        `run` is over, so is the job. `undo` is called (in a thread too) on a result that nobody takes for that reason.
        After `close` the job runs in the caller: only releases come that late.
        """
        if self._is_closed:
            return job()
        loop = asyncio.get_running_loop()
        task = _Task(job, loop.create_future())
        self._unfinished += 1
        if self._unfinished > len(self._threads) < self._most:
            self._start_thread(loop)
        self._queue.put(task)
        try:
            await task.waiter
        except asyncio.CancelledError:
            await self._outlast(task, loop)
            if undo is not None and task.error is None:
                await self._undo(undo, task.result)
            raise
        error, task.error = task.error, None
        if error is not None:
            try:
                raise error
            finally:
                # The error's traceback holds the frames, and these held the error: no cycle keeps a job's buffers.
                del error, task
        return task.result  # type: ignore[no-any-return]

    async def _outlast(self, task: _Task, loop: asyncio.AbstractEventLoop) -> None:
        while not task.is_over:
            task.waiter = loop.create_future()
            try:
                await task.waiter
            except asyncio.CancelledError:
                continue  # the caller raises the first one

    async def _undo(self, undo: Callable[[T], object], result: T) -> None:
        try:
            await self.run(lambda: undo(result))
        except asyncio.CancelledError:
            return  # the job is over all the same, and the caller raises the first one

    def _start_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        name = f"{self._name}-{len(self._threads)}"
        # Daemons: a disk that hangs does not keep the process from ending.
        thread = threading.Thread(target=self._work, args=(loop,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (task := self._queue.get()) is not None:
            task.run()
            self._ended.append(task)
            del task  # an idle thread holds no buffer
            # Cleared by the loop before it looks at `_ended`, so what is appended after that look wakes it again.
            if not self._is_waking:
                self._is_waking = True
                try:
                    loop.call_soon_threadsafe(self._tell)
                except RuntimeError:
                    return  # the loop is closed: nobody waits any more

    def _tell(self) -> None:
        self._is_waking = False
        while self._ended:
            self._unfinished -= 1
            self._ended.popleft().end()

    async def close(self) -> None:
        """Return when every job is over and every thread has ended. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        for _ in self._threads:
            self._queue.put(None)
        threads, self._threads = self._threads, []
        await asyncio.to_thread(_join, threads)


def _join(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join()
