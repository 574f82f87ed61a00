"""Locks between all processes of one host: `flock` on the upload's own data file.

No file is made or deleted for a lock, so it works on a full disk, and the kernel lets it go when its process dies.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType

from tusserver.lockers.base import Hold, Locker, MayAsk
from tusserver.lockers.lines import Lines, Place
from tusserver.lockers.post import Post
from tusserver.protocol.errors import Held, NotFound, Unavailable
from tusserver.workers import Workers

# The descriptor that holds a lock, and the bytes that its file has.
Locked = tuple[int, int]
# The first word of a datagram; the others are ids.
WISH, NUDGE = b"want", b"nudge"
# Sent as one datagram: the kernel keeps about ten for a process that is busy.
MOST_IDS = 1000
THREADS = 2
# Seconds between tries for a lock that another process holds: nothing tells when it is let go.
FIRST_PAUSES = (0.001, 0.002, 0.005, 0.010)
PAUSE = 0.020
# A wish may be lost, or meet a holder that has only just begun.
WISH_EVERY = 0.05
NUDGE_EVERY = 0.02


class HostLocker:
    """Locks for the tasks of this process and of all others on the host that use the same files and `sockets`.

    Within the process it is first come, first served; among processes whoever tries first. A child made by a bare
    `fork` keeps a lock alive until both end; one started with `exec` does not.
    """

    def __init__(self, path_of: Callable[[str], Path], sockets: Path) -> None:
        """
        Args:
            path_of: where the data file of an id lies.
            sockets: a folder for one socket per process; made if it is missing.
        """
        self._path_of = path_of
        self._lines = Lines()
        self._workers = Workers("locks", THREADS)
        self._post = Post(sockets, self._on_message)
        self._nudged: set[str] = set()
        self._nudging: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self) -> None:
        await self._workers.run(self._post.bind)
        self._post.listen(asyncio.get_running_loop())

    async def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        if self._nudging is not None:
            self._nudging.cancel()
            await asyncio.wait([self._nudging])
        self._post.deafen(asyncio.get_running_loop())
        held = list(self._lines.held())
        self._lines.clear()
        for place in held:
            await self.unlock(place)
        await self._workers.run(self._post.unbind)
        await self._workers.close()

    def hold(
        self, id: str, *, take_over: bool = True, timeout: float = 5.0, may_ask: MayAsk | None = None
    ) -> AbstractAsyncContextManager[Hold]:
        return _Holding(self, id, timeout if take_over else 0, may_ask)

    def nudge(self, id: str) -> None:
        if (place := self._lines.first(id)) is not None and place.is_held:
            place.nudge()
        elif not self._is_closed:
            # Every HEAD asks: they are collected, so that one costs next to nothing.
            self._nudged.add(id)
            if self._nudging is None:
                self._nudging = asyncio.get_running_loop().create_task(self._send_nudges())

    async def _send_nudges(self) -> None:
        while self._nudged:
            ids, self._nudged = [id.encode() for id in self._nudged], set()
            messages = [_message(NUDGE, ids[at : at + MOST_IDS]) for at in range(0, len(ids), MOST_IDS)]
            await self._workers.run(partial(self._post.send, messages))
            await asyncio.sleep(NUDGE_EVERY)
        self._nudging = None

    def is_held_here(self, id: str) -> bool:
        return (place := self._lines.first(id)) is not None and place.is_held

    def _on_message(self, message: bytes) -> None:
        kind, *ids = message.split(b" ")
        for id in ids:
            place = self._lines.first(id.decode("ascii", "replace"))
            if place is None or not place.is_held:
                continue
            if kind == WISH:
                place.want()
            elif kind == NUDGE:
                place.nudge()

    async def lock(self, id: str, lock_timeout: float, may_ask: MayAsk | None = None) -> Place:
        """Hold the lock in this process first, then among all."""
        end = asyncio.get_running_loop().time() + lock_timeout
        place = await self._lines.enter(id, lock_timeout, may_ask)
        try:
            locked = await self._lock_file(id, end if lock_timeout > 0 else None, may_ask)
            place.descriptor, place.stored = locked
            place.is_held = True
            if self._is_closed:
                await self.unlock(place)
                raise Held("the server is stopping")
        except BaseException:
            self._lines.leave(place)
            raise
        return place

    async def _lock_file(self, id: str, end: float | None, may_ask: MayAsk | None) -> Locked:
        """The locked file. Tries once if `end` is None, else until that moment of the loop."""
        loop = asyncio.get_running_loop()
        path = self._path_of(id)
        wish_at = loop.time()
        for pause in chain(FIRST_PAUSES, repeat(PAUSE)):
            now = loop.time()
            is_asking = end is not None and may_ask is None and wish_at <= now
            wishes = [_message(WISH, [id.encode()])] if is_asking else []
            locked = await self._workers.run(partial(self._try, path, wishes), _unlock_if_locked)
            if locked is not None:
                return locked
            if end is None or self._is_closed or now >= end:
                break
            if may_ask is not None:
                await may_ask()
                may_ask = None
                continue
            wish_at += WISH_EVERY if wishes else 0
            await asyncio.sleep(min(pause, max(end - now, 0)))
        raise Held("the upload is in use and was not let go in time")

    def _try(self, path: Path, wishes: list[bytes]) -> Locked | None:
        """Lock the file or ask its holder to let go. Blocks, but for no lock."""
        try:
            locked = _lock_now(path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound("there is no such upload") from error
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "an unknown error")
            raise Unavailable(f"the upload cannot be locked: {reason}") from error
        if locked is None and wishes:
            self._post.send(wishes)
        return locked

    async def unlock(self, place: Place) -> None:
        """Let go of the file. When it returns, every process can have the lock."""
        descriptor, place.descriptor = place.descriptor, None
        if descriptor is not None:
            await self._workers.run(partial(_unlock, descriptor))

    async def release(self, place: Place) -> None:
        """Let go, and wake the next."""
        place.is_held = False
        try:
            await self.unlock(place)
        finally:
            self._lines.leave(place)


def _message(kind: bytes, ids: list[bytes]) -> bytes:
    return b" ".join([kind, *ids])


def _lock_now(path: Path) -> Locked | None:
    """Lock the file of this name; None if somebody else has it. Never waits."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        is_locked = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A file deleted while we came here is locked in vain; one made anew in its place is another file.
            facts = os.fstat(descriptor)
            is_locked = os.path.samestat(facts, os.stat(path))
        except BlockingIOError:
            return None
        finally:
            if not is_locked:
                os.close(descriptor)
        if is_locked:
            return descriptor, facts.st_size


def _unlock(descriptor: int) -> None:
    # Closing alone would not do if a child process had inherited the descriptor.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _unlock_if_locked(locked: Locked | None) -> None:
    if locked is not None:
        _unlock(locked[0])


class _Holding(AbstractAsyncContextManager[Hold]):
    __slots__ = ("_id", "_locker", "_may_ask", "_place", "_timeout")

    def __init__(self, locker: HostLocker, id: str, timeout: float, may_ask: MayAsk | None) -> None:
        self._locker, self._id, self._timeout, self._may_ask = locker, id, timeout, may_ask
        self._place: Place | None = None

    async def __aenter__(self) -> Hold:
        place = self._place = await self._locker.lock(self._id, self._timeout, self._may_ask)
        return place

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place is not None:
            await self._locker.release(self._place)


_: type[Locker] = HostLocker
