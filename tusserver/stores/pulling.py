"""The blocking half of `FileWriter.pull`: bytes go from a socket to a file, called in threads.

`splice` hands the pages of the socket to the file by way of a pipe, for a third of the processor's time that reading
and writing take. Where bytes have to be seen, for a digest, they go through buffers, and the digest is computed in a
thread of its own beside the reading and writing.

Pipes and buffers belong to threads and not to uploads: thousands of slow uploads hold none.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from fcntl import F_SETPIPE_SZ, fcntl
from functools import partial
from typing import TypeVar

from tusserver.stores.base import Digest, Flow

# A thread goes on to the next upload after so many bytes or seconds.
TURN = 4 << 20
LONGEST = 0.05
# Who has just sent this much is waited for, in milliseconds: more is under way, and the event loop is a long way round.
BULK, WAIT = 128 << 10, 20
PIPE = 1 << 20
BUFFERS, BUFFER = 4, 256 << 10
# What a socket answers whose connection broke.
BROKEN = frozenset({
    *(errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNABORTED, errno.ENOTCONN),
    *(errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN),
})  # fmt: skip
# Some file systems take nothing from a pipe, and some sandboxes give nothing to one.
NO_SPLICE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})


Tool = TypeVar("Tool", "_Pipe", "_Buffers")


@dataclass(slots=True)
class Way:
    """From a non-blocking socket to a place in a file, `left` bytes of it.

    Attributes:
        took: told of bytes that left the socket.
        wrote: told of bytes that are in the file.
    """

    source: int
    target: int
    offset: int
    left: int
    took: Callable[[int], None]
    wrote: Callable[[int], None]

    def take(self, count: int) -> None:
        self.left -= count
        self.took(count)

    def put(self, count: int) -> None:
        self.offset += count
        self.wrote(count)

    def write(self, data: memoryview) -> None:
        while data:
            count = os.pwrite(self.target, data, self.offset)
            self.put(count)
            data = data[count:]


class Puller:
    """Moves bytes from sockets to files in whatever thread calls it, one turn at a time."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._made: list[_Pipe | _Buffers] = []
        self._may_splice = hasattr(os, "splice")

    def turn(self, way: Way, digest: Digest | None) -> Flow:
        """Move what waits until the turn is over. Raises OSError of the file."""
        if digest is None and self._may_splice:
            pipe = self._mine(_Pipe)
            try:
                return _turn(way, pipe.move)
            except BaseException:
                # What is still in it belongs to this upload, and to nobody who comes after it.
                delattr(self._own, _Pipe.__name__)
                self._made.remove(pipe)
                pipe.close()
                raise
            finally:
                if not pipe.is_usable:
                    self._may_splice = False
        buffers = self._mine(_Buffers)
        try:
            return _turn(way, lambda way, most: buffers.move(way, most, digest))
        finally:
            buffers.settle()

    def _mine(self, kind: type[Tool]) -> Tool:
        """The pipe or the buffers of this thread."""
        found: Tool | None = getattr(self._own, kind.__name__, None)
        if found is None:
            found = kind()
            setattr(self._own, kind.__name__, found)
            self._made.append(found)
        return found

    def close(self) -> None:
        """Release what the threads had, which have ended."""
        while self._made:
            self._made.pop().close()


def _turn(way: Way, move: Callable[[Way, int], int]) -> Flow:
    ends_at = time.monotonic() + LONGEST
    moved = 0
    while way.left and moved < TURN and time.monotonic() < ends_at:
        try:
            count = move(way, min(way.left, TURN - moved))
        except BlockingIOError:
            if moved < BULK or not _more_comes(way.source):
                return Flow.RESTING
            continue
        if not count:
            return Flow.ENDED
        moved += count
    return Flow.MORE


def _more_comes(source: int) -> bool:
    poll = select.poll()
    poll.register(source, select.POLLIN)
    return bool(poll.poll(WAIT))


def _taken(read: Callable[[], int]) -> int:
    """What `read` took from a socket, 0 if its connection broke. Raises BlockingIOError where nothing waits."""
    try:
        return read()
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno in BROKEN:
            return 0
        raise


class _Pipe:
    """The pipe of one thread, empty between its turns.

    Attributes:
        is_usable: sockets and files of this system and pipes go together.
    """

    def __init__(self) -> None:
        self.is_usable = True
        self._out, self._in = os.pipe2(os.O_CLOEXEC)
        with suppress(OSError):  # a user may have only so much room in pipes; the size that it has works too
            fcntl(self._in, F_SETPIPE_SZ, PIPE)

    def move(self, way: Way, most: int) -> int:
        """Move at most `most` bytes that wait; 0: none will come."""
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
        try:
            count = _taken(partial(os.splice, way.source, self._in, min(most, PIPE), flags=flags))
        except OSError as error:
            if error.errno not in NO_SPLICE:
                raise
            self.is_usable = False
            raise BlockingIOError from error  # the next turn reads
        if count:
            way.take(count)
            self._empty(way, count)
        return count

    def _empty(self, way: Way, count: int) -> None:
        end = way.offset + count
        while way.offset < end:
            try:
                way.put(os.splice(self._out, way.target, end - way.offset, offset_dst=way.offset))
            except OSError as error:
                if error.errno not in NO_SPLICE:
                    raise
                self.is_usable = False
                way.write(memoryview(os.read(self._out, end - way.offset)))

    def close(self) -> None:
        os.close(self._out)
        os.close(self._in)


class _Buffers:
    """The buffers of one thread, and the thread that digests what is in them, in the order of its coming."""

    def __init__(self) -> None:
        self._views = [memoryview(bytearray(BUFFER)) for _ in range(BUFFERS)]
        self._digesting: list[Future[object] | None] = [None] * BUFFERS
        self._next = 0
        self._thread = ThreadPoolExecutor(1, "store-digest")

    def move(self, way: Way, most: int, digest: Digest | None) -> int:
        """Move at most `most` bytes that wait; 0: none will come."""
        mine = self._next
        self._wait(mine)
        data = self._fill(way.source, self._views[mine][:most])
        if data:
            self._next = (mine + 1) % BUFFERS
            way.take(len(data))
            if digest is not None:
                self._digesting[mine] = self._thread.submit(digest, data)
            way.write(data)
        return len(data)

    def _fill(self, source: int, view: memoryview) -> memoryview:
        """Fill it as far as bytes wait: a few large pieces are digested faster than many small ones."""
        filled = 0
        while filled < len(view):
            try:
                count = _taken(partial(os.readv, source, [view[filled:]]))
            except OSError:
                if not filled:
                    raise
                break  # it says so again, once this is written
            if not count:
                break
            filled += count
        return view[:filled]

    def _wait(self, index: int) -> None:
        digesting, self._digesting[index] = self._digesting[index], None
        if digesting is not None:
            digesting.result()

    def settle(self) -> None:
        """Return when everything moved is digested too."""
        wait([digesting for digesting in self._digesting if digesting is not None])
        for index in range(BUFFERS):
            self._wait(index)

    def close(self) -> None:
        self._thread.shutdown()
