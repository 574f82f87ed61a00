"""Finding out about finished uploads in the background: whether one is an image, and the CRC-32 of its bytes.

What is left to find out is in the records (`Infos.unexamined`), so nothing is lost when the server stops or dies. An
upload is examined twice if two processes meet at it, which does no harm.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import zlib
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from tusserver.protocol.errors import BackendError, NotFound, Unavailable
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.uploads import Facts, Kind, Upload
from tusserver.service import UploadService
from tusserver.workers import Workers

log = logging.getLogger("tusserver.examiner")

# Uploads that are over sooner than their requests would notice are examined side by side, larger ones one by one.
SMALL = 8 * 1024 * 1024
AT_ONCE = 16
# What completes together is examined together, and its clients have their answers.
GATHERING = 0.2
# While uploads come in: less than one percent of a core, for an upload of a kilobyte costs 0.3 ms. So little only where
# several are examined together: one alone wakes every thread and has a commit of its own.
BUSY_UPLOADS, BUSY_BYTES = 20, 32 * 1024 * 1024
TOGETHER = 0.5
# Else: a disk is left with room for whoever else reads it, and what was stored in years is through in hours.
CALM_BYTES = 256 * 1024 * 1024
# How long after a completion the next one is still expected, in seconds.
CALM_AFTER = 1.0
# Rests that are shorter than this are made together: a timer costs as much as it would rest.
SHORTEST_REST = 0.005
# How long an upload may go unnoticed that another process completed, in seconds.
LOOK_INTERVAL = 60.0
BATCH = 100
# Some megabytes. What is noticed beyond these is found again in the records.
MOST_NEW = 1000
MOST_PUT_OFF = 1000
MOST_KNOWN = 10_000
SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
# Handing so little to a thread costs more than to do it at once.
AT_ONCE_BYTES = 16 * 1024


@dataclass(slots=True)
class _PutOff:
    """An upload that could not be examined: when it is tried again, by the loop's clock, and how long to wait then."""

    due: float
    pause: float


@dataclass(slots=True, eq=False)
class _Flight:
    """One reading of an upload, for all who wait for it."""

    task: asyncio.Task[int] = field(init=False)
    waiting: int = 0
    is_urgent: bool = False


class Examiner:
    """Examines the finished uploads of one service. Its work gives way to uploads that come in.

    Args:
        consider: looks whether an upload is an image and notes it; called before the CRC-32 is noted, so that both are
            done again if one was broken off. None: nobody wants to know.
    """

    def __init__(self, service: UploadService, consider: Callable[[Upload], Awaitable[None]] | None = None) -> None:
        self._service, self._consider = service, consider
        self._infos, self._store = service.ledger.infos, service.ledger.store
        self._threads = Workers("examiner", 2)
        self._new: OrderedDict[str, Upload] = OrderedDict()
        self._running: set[str] = set()
        self._just_done: set[str] | None = None  # while the records are asked, which may not know it yet
        self._put_off: OrderedDict[str, _PutOff] = OrderedDict()
        self._flights: dict[str, _Flight] = {}
        self._known: OrderedDict[str, int] = OrderedDict()  # read, and not yet noted
        self._has_new, self._has_old = asyncio.Event(), asyncio.Event()
        self._completed_at = self._free_at = 0.0

    def notice(self, upload: Upload) -> None:
        """Examine an upload soon if it is complete. Takes a microsecond."""
        if not upload.is_complete or upload.kind is Kind.PARTIAL or upload.facts.crc32 is not None:
            return
        self._completed_at = asyncio.get_running_loop().time()
        self._take_on(upload)

    def _take_on(self, upload: Upload) -> None:
        if upload.id in self._running:
            return
        if len(self._new) < MOST_NEW:
            self._new[upload.id] = upload
            self._has_new.set()
        else:
            self._has_old.set()

    async def crc32(self, upload: Upload) -> int:
        """The CRC-32 of a complete upload: the known one, or read now as fast as the disk gives it.

        However many ask at once, it is read once; when the last of them is cancelled, so is the reading. It is noted
        in the record a little later.

        Raises:
            NotFound: its bytes are not there.
            Unavailable: they cannot be read, or are fewer than they were.
        """
        if upload.facts.crc32 is not None:
            return upload.facts.crc32
        crc32 = await self._read_once(upload, urgent=True)
        self._take_on(upload)
        return crc32

    async def run(self) -> None:
        """Examine for ever what is finished. A failure is logged and tried again."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._examine_new(group))
                group.create_task(self._examine_old())
        finally:
            await self._threads.close()

    async def _examine_new(self, group: asyncio.TaskGroup) -> None:
        """Those that were noticed, in their order. The bytes of large ones are left to `_examine_old`."""
        places = asyncio.Semaphore(AT_ONCE)

        async def examine(upload: Upload) -> None:
            try:
                await self._examine(upload, may_be_large=False)
            finally:
                self._running.discard(upload.id)
                places.release()

        while True:
            await self._has_new.wait()
            await asyncio.sleep(GATHERING)
            self._has_new.clear()
            while self._new:
                await places.acquire()
                if not self._new:
                    places.release()
                    break
                id, upload = self._new.popitem(last=False)
                self._running.add(id)
                group.create_task(examine(upload))

    async def _examine_old(self) -> None:
        """What an earlier process left, what another one completed, and what is large."""
        now = asyncio.get_running_loop().time
        while True:
            self._has_old.clear()
            await self._examine_unexamined()
            next_at = min([now() + LOOK_INTERVAL, *(each.due for each in self._put_off.values())])
            with suppress(TimeoutError):
                async with asyncio.timeout_at(max(next_at, now() + 1)):
                    await self._has_old.wait()

    async def _examine_unexamined(self) -> None:
        """Examine until there is nothing left or something fails."""
        try:
            while found := await self._unexamined():
                ids = {upload.id for upload in found}
                self._running |= ids
                try:
                    if not await self._examine_all(found):
                        return
                finally:
                    self._running -= ids
        except BackendError as error:
            log.warning("finished uploads are not looked for at the moment: %s", error)
        except Exception:
            # A fault of ours must not end what else is examined.
            log.exception("the search for finished uploads failed")

    async def _examine_all(self, found: Sequence[Upload]) -> bool:
        small = [upload for upload in found if upload.offset <= SMALL]
        for start in range(0, len(small), AT_ONCE):
            if not all(await asyncio.gather(*map(self._examine, small[start : start + AT_ONCE]))):
                return False
        large = [upload.id for upload in found if upload.offset > SMALL]
        for id in large:
            if not await self._examine_large(id):
                return False
        return True

    async def _examine_large(self, id: str) -> bool:
        # It may have been waiting for hours, and another process may have come to it.
        now = await self._infos.load_many([id])
        return id not in now or now[id].facts.crc32 is not None or await self._examine(now[id])

    async def _unexamined(self) -> Sequence[Upload]:
        now = asyncio.get_running_loop().time()
        self._just_done = set()
        found = await self._infos.unexamined(limit=BATCH + len(self._put_off) + len(self._running))
        there = {upload.id for upload in found}
        due = {id for id, each in self._put_off.items() if each.due <= now}
        for id in due - there:
            del self._put_off[id]
        passed_over = self._just_done | self._running | (self._put_off.keys() - due)
        self._just_done = None
        found = [upload for upload in found if upload.id not in passed_over]
        for upload in found:
            self._new.pop(upload.id, None)
        # Processes that began together do not all read the same.
        random.shuffle(found)
        return found

    async def _examine(self, upload: Upload, *, may_be_large: bool = True) -> bool:
        """Find out what is not known of an upload; False if something failed that others may meet too."""
        id = upload.id
        try:
            await self._rest(0)
            if upload.facts.image is None and self._consider is not None:
                await self._consider(upload)
            if upload.offset > SMALL and not may_be_large:
                self._has_old.set()
                return True
            await self._infos.note(id, Facts(await self._read_once(upload, urgent=False)))
            self._known.pop(id, None)
            self._put_off.pop(id, None)
            if self._just_done is not None:
                self._just_done.add(id)
            return True
        except NotFound:
            log.debug("%s has no bytes, or was removed", id)
            self._try_later(id)
            return True
        except Refusal as error:
            log.debug("%s is examined later: %s", id, error)
        except BackendError as error:
            log.warning("%s is examined later: %s", id, error)
        except Exception:
            # A fault of ours must not end what else is examined.
            log.exception("the examination of %s failed", id)
        self._try_later(id)
        return False

    def _try_later(self, id: str) -> None:
        last = self._put_off.pop(id, None)
        pause = SHORTEST_PAUSE if last is None else min(2 * last.pause, LONGEST_PAUSE)
        self._put_off[id] = _PutOff(asyncio.get_running_loop().time() + pause, pause)
        if len(self._put_off) > MOST_PUT_OFF:
            self._put_off.popitem(last=False)

    async def _read_once(self, upload: Upload, *, urgent: bool) -> int:
        if (known := self._known.get(upload.id)) is not None:
            return known
        flight = self._flights.get(upload.id)
        if flight is None:
            flight = self._flights[upload.id] = _Flight()
            flight.task = asyncio.create_task(self._read(upload, flight))
        flight.waiting += 1
        flight.is_urgent = flight.is_urgent or urgent
        try:
            await asyncio.wait((flight.task,))
            return flight.task.result()
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                del self._flights[upload.id]
                await _end(flight.task)

    async def _read(self, upload: Upload, flight: _Flight) -> int:
        pieces = self._store.read(upload.id, 0, upload.offset)
        crc32 = size = 0
        try:
            async for data in pieces:
                if len(data) <= AT_ONCE_BYTES:
                    crc32 = zlib.crc32(data, crc32)
                else:
                    crc32 = await self._threads.run(partial(zlib.crc32, data, crc32))
                size += len(data)
                if not flight.is_urgent:
                    await self._rest(len(data))
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        if size != upload.offset:
            raise Unavailable(f"{upload.id} has {size} bytes, and not {upload.offset}")
        self._known[upload.id] = crc32
        if len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)
        return crc32

    async def _rest(self, size: int) -> None:
        """Make way for uploads that come in: wait for as long as an upload, or `size` bytes of one, is to take."""
        now = asyncio.get_running_loop().time()
        is_busy = self._service.is_receiving or now < self._completed_at + CALM_AFTER
        begin = max(now, self._free_at)
        if is_busy and not size:
            self._free_at = begin + 1 / BUSY_UPLOADS
            end = math.ceil(self._free_at / TOGETHER) * TOGETHER
        else:
            end = self._free_at = begin + size / (BUSY_BYTES if is_busy else CALM_BYTES)
        if end - now > SHORTEST_REST:
            await asyncio.sleep(end - now)


async def _end(task: asyncio.Task[int]) -> None:
    """Return when nobody's task is over; what it comes to is nobody's business."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()
