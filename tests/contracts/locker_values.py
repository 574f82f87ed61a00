"""Values and short cuts of the contract of lockers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tusserver.lockers.base import Locker
from tusserver.protocol.errors import Held

NewUpload = Callable[[], str]


def ignore() -> None:
    """A listener that has no use for what it is told."""


async def turns(count: int = 20) -> None:
    """Let everything else go on for a while."""
    for _ in range(count):
        await asyncio.sleep(0)


async def is_free(locker: Locker, id: str) -> bool:
    try:
        async with locker.hold(id, take_over=False):
            return True
    except Held:
        return False


class Holder:
    """A task that holds a lock until it is told to let go; it notes what it hears."""

    def __init__(self, locker: Locker, id: str, *, is_polite: bool = True, **how: Any) -> None:
        self._locker, self._id, self._how = locker, id, how
        self._is_polite = is_polite
        self.wishes = 0
        self.nudges = 0
        self.let_go = asyncio.Event()
        self.holding = asyncio.Event()
        self.task = asyncio.create_task(self._hold())

    async def _hold(self) -> None:
        async with self._locker.hold(self._id, **self._how) as hold:
            hold.listen(self._on_wanted, self._on_nudge)
            self.holding.set()
            await self.let_go.wait()

    def _on_wanted(self) -> None:
        self.wishes += 1
        if self._is_polite:
            self.let_go.set()

    def _on_nudge(self) -> None:
        self.nudges += 1

    async def end(self) -> None:
        self.let_go.set()
        await self.task


async def holder(locker: Locker, id: str, **how: Any) -> Holder:
    """A task that holds the lock now."""
    made = Holder(locker, id, **how)
    await made.holding.wait()
    return made
