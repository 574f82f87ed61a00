"""What a locker promises. Every locker passes `tests/contracts/locker.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

MayAsk = Callable[[], Awaitable[None]]


class Hold(Protocol):
    """A lock that is held."""

    @property
    def is_wanted(self) -> bool:
        """Somebody asked the holder to let go since the lock was taken."""
        ...

    @property
    def stored(self) -> int | None:
        """Bytes in the data file of the upload when the lock was taken; None where the lock is not on that file. It
        spares asking the store."""
        ...

    def listen(self, on_wanted: Callable[[], None], on_nudge: Callable[[], None]) -> None:
        """Call `on_wanted` on the event loop when somebody wants the lock, `on_nudge` when somebody asks whether
        the holder still makes progress. A wish that came before `listen` is told at once; each may be called again.

        Both are called by the loop, never from within another call, and never once the block is left.
        """
        ...


class Locker(Protocol):
    """One writer per upload; readers take no lock.

    Fairness: none is promised; a holder that was asked lets go by itself, so waiting is short. Who gets the lock while
    others still wait is wanted from the start: they came later, and the newest is the one whose client is alive.
    Cancelled: a task cancelled while it waits, holds or lets go leaves no lock behind.
    Crash: a lock dies with the process that holds it, at once.
    """

    async def open(self) -> None:
        """Make ready, once. Raises Unavailable with one clear sentence."""
        ...

    async def close(self) -> None:
        """Stop listening. Locks still held are released."""
        ...

    def hold(
        self, id: str, *, take_over: bool = True, timeout: float = 5.0, may_ask: MayAsk | None = None
    ) -> AbstractAsyncContextManager[Hold]:
        """Hold the lock of `id` in the block. With `take_over` the present holder is asked to let go, at once and
        whichever process it is in; without, and with `timeout` 0, only a free lock is taken and nobody is disturbed.

        Args:
            timeout: seconds to wait at most.
            may_ask: awaited before a holder is asked, and not where the lock is free; what it raises is raised.
        Raises:
            Held: it was not let go in time.
            NotFound: the upload does not exist (only lockers that lock the upload's own data file).
        """
        ...

    def nudge(self, id: str) -> None:
        """Ask the holder of `id`, if any, in whichever process, to let go if it makes no progress. Does not wait."""
        ...

    def is_held_here(self, id: str) -> bool:
        """A task of this process holds the lock of `id`."""
        ...
