"""The workers as the event loop sees them: few processes, a bounded queue before them, and answers or refusals."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from tusserver.imaging.base import Bounds, Seen
from tusserver.imaging.child import Child, Ended, NotStarted
from tusserver.imaging.turns import Turns
from tusserver.protocol.errors import BackendError, NotFound, OutOfSpace, Unavailable
from tusserver.protocol.images import BadWish, ImagesAway, ImagesBusy, ImageTooLarge, NotAnImage
from tusserver.protocol.refusals import Refusal, Stopping
from tusserver.workers import Workers

log = logging.getLogger("tusserver.imaging")

MOST_WAITING = 64  # for each worker
# A worker that rests is 30 MB of memory, and a new one takes the time of a slow image.
IDLE = 60.0
# What the libraries may leak is given back from time to time.
MOST_JOBS = 1000
# Where no worker can be had, one is not tried again for so long.
PAUSE = 10.0
# Sent by an operator or a service manager, so it tells nothing of the image.
FROM_OUTSIDE = (0, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Pool:
    """At most `workers` processes that read images, begun when there is work and ended when there is none.

    Used from one event loop. A worker that dies costs the request it worked for, and the next one gets another.
    """

    def __init__(
        self, bounds: Bounds, *, workers: int = 1, timeout: float = 20.0, python: str = sys.executable
    ) -> None:
        self._start = partial(Child.start, bounds, python)
        self._timeout = timeout
        self._turns = Turns(workers, MOST_WAITING * workers)
        self._threads = Workers("images", workers)
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._timers: dict[Child, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[int]] = set()
        self._away_until = 0.0
        self._is_away = False
        self._is_closed = False

    @property
    def pids(self) -> set[int]:
        """The processes there are."""
        return {child.pid for child in (*self._idle, *self._busy)}

    async def ask(self, job: Mapping[str, Any], begun: Callable[[], None] | None = None) -> Seen | None:
        """What a worker makes of a job, see `tusserver.imaging.worker.answer`. What is only to be shown comes last.

        A call that is cancelled leaves the queue, or ends the worker that is at work for it: when `ask` is over, nobody
        writes to what the job names any more.

        Args:
            begun: called when the job leaves the queue.
        Raises:
            NotAnImage: the file is none, or the worker died of it: of its memory, its time or a fault of a library.
            ImageTooLarge, BadWish: as in `tusserver.imaging.codec`.
            ImagesBusy: 64 such jobs for each worker wait already, or the worker hardly got to run.
            ImagesAway: there is no worker to be had.
            Stopping: the pool is closed.
            NotFound: the image is not there. OutOfSpace, Unavailable: the disk.
        """
        await self._turns.take(is_first=job["act"] != "derive")
        try:
            if begun is not None:
                begun()
            return await self._carried_out(job)
        finally:
            self._turns.give()

    async def close(self) -> None:
        """End every process; what waits for one is refused. May be called twice."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for child in self._busy:
            child.kill()
        while self._idle:
            self._end(self._idle.pop())
        if self._ending:
            await asyncio.wait(self._ending)
        await self._threads.close()

    async def _carried_out(self, job: Mapping[str, Any]) -> Seen | None:
        for _ in range(2):
            if self._is_closed:
                break
            child = self._rested() or await self._begun()
            if self._is_closed:  # meanwhile
                child.discard()
                continue
            try:
                return _result(await self._asked(child, job), job)
            except TimeoutError:
                raise ImagesBusy("the machine is too busy to read the image in time") from None
            except Ended as ended:
                if ended.by not in FROM_OUTSIDE and not self._is_closed:
                    raise self._blamed(ended, job) from ended
        if self._is_closed:
            raise Stopping("no more images are read")
        raise ImagesAway("the process that read the image was ended from outside, twice")

    def _blamed(self, ended: Ended, job: Mapping[str, Any]) -> NotAnImage:
        if ended.by == signal.SIGPROF:
            return NotAnImage(f"reading it takes more than the {self._timeout:g} seconds of a processor that it may")
        name = signal.Signals(ended.by).name
        log.warning("a process that read %s died of it: %s", job["path"], name)
        return NotAnImage(f"reading it ended with {name}")

    async def _asked(self, child: Child, job: Mapping[str, Any]) -> dict[str, Any]:
        """Raises TimeoutError, Ended."""
        self._busy.add(child)
        asked = asyncio.ensure_future(self._threads.run(partial(child.ask, job, self._timeout)))
        try:
            answer = await asyncio.shield(asked)
        except asyncio.CancelledError:
            child.kill()
            await _outlast(asked)
            if not asked.cancelled() and asked.exception() is None:
                self._end(child)
            raise
        finally:
            self._busy.discard(child)
        self._rest(child)
        return answer

    def _rested(self) -> Child | None:
        if not self._idle:
            return None
        child = self._idle.pop()
        self._timers.pop(child).cancel()
        return child

    def _rest(self, child: Child) -> None:
        if self._is_closed or child.jobs >= MOST_JOBS:
            self._end(child)
            return
        self._idle.append(child)
        self._timers[child] = asyncio.get_running_loop().call_later(IDLE, self._retire, child)

    def _retire(self, child: Child) -> None:
        del self._timers[child]
        self._idle.remove(child)
        self._end(child)

    def _end(self, child: Child) -> None:
        if self._is_closed:
            child.discard()  # takes a moment, and nobody is left to wait for it
            return
        ending = asyncio.ensure_future(asyncio.to_thread(child.discard))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _begun(self) -> Child:
        now = asyncio.get_running_loop().time
        if now() < self._away_until:
            raise ImagesAway
        try:
            child = await self._threads.run(self._start, Child.discard)
        except NotStarted as error:
            if not self._is_away:  # once, and not for every image that is asked for meanwhile
                log.error("images cannot be read: %s", error)
            self._is_away, self._away_until = True, now() + PAUSE
            raise ImagesAway(wait=int(PAUSE)) from error
        self._is_away = False
        return child


async def _outlast(task: asyncio.Future[Any]) -> None:
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            continue  # the caller raises the first one


def _result(answer: dict[str, Any], job: Mapping[str, Any]) -> Seen | None:
    """Raises what the answer says. A worker that a file took over may say anything; it is taken for what it can be."""
    try:
        if "failed" in answer:
            raise _failure(answer["failed"], str(answer["detail"]), is_the_image=answer["file"] == job["path"])
        if "refused" in answer:
            raise _refusal(answer["refused"], str(answer["detail"]), answer["facts"])
        told = answer["seen"]
        if told is None:
            return None
        return Seen(str(told["content_type"]), int(told["width"]), int(told["height"]), int(told["frames"]))
    except (KeyError, TypeError, ValueError) as error:
        raise NotAnImage("what came of reading it makes no sense") from error


def _failure(number: int | None, detail: str, *, is_the_image: bool) -> BackendError:
    if number == errno.ENOENT and is_the_image:
        return NotFound("the image is not there")
    return OutOfSpace(detail) if number in FULL else Unavailable(detail)


def _refusal(code: str, detail: str, facts: dict[str, Any]) -> Refusal:
    if code == ImageTooLarge.code:
        return ImageTooLarge(**facts)
    if code == BadWish.code:
        return BadWish(facts["parameter"], detail.removeprefix(f"{facts['parameter']}: "))
    return NotAnImage(detail)
