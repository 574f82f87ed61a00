"""Locks in memory, for a server that is one process."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import TracebackType

from tusserver.lockers.base import Hold, Locker, MayAsk
from tusserver.lockers.lines import Lines, Place


class ProcessLocker:
    """Locks that other processes do not see."""

    def __init__(self) -> None:
        self._lines = Lines()

    async def open(self) -> None:
        """Nothing to make ready."""

    async def close(self) -> None:
        self._lines.clear()

    def hold(
        self, id: str, *, take_over: bool = True, timeout: float = 5.0, may_ask: MayAsk | None = None
    ) -> AbstractAsyncContextManager[Hold]:
        return _Holding(self._lines, id, timeout if take_over else 0, may_ask)

    def nudge(self, id: str) -> None:
        if (place := self._lines.first(id)) is not None:
            place.nudge()

    def is_held_here(self, id: str) -> bool:
        return (place := self._lines.first(id)) is not None and place.is_held


class _Holding(AbstractAsyncContextManager[Hold]):
    """A class, because `asynccontextmanager` costs more than the lock itself."""

    __slots__ = ("_id", "_lines", "_may_ask", "_place", "_timeout")

    def __init__(self, lines: Lines, id: str, timeout: float, may_ask: MayAsk | None) -> None:
        self._lines, self._id, self._timeout, self._may_ask = lines, id, timeout, may_ask
        self._place: Place | None = None

    async def __aenter__(self) -> Hold:
        place = self._place = await self._lines.enter(self._id, self._timeout, self._may_ask)
        place.is_held = True
        return place

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._place is not None:
            self._lines.leave(self._place)


_: type[Locker] = ProcessLocker
