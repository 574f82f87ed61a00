"""Who holds and who waits within one process: the half that every locker shares."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

from tusserver.lockers.base import Hold, MayAsk
from tusserver.protocol.errors import Held


class Place:
    """A place in the line for one lock. The first in line has its turn; it holds the lock once `is_held` is set."""

    __slots__ = ("_loop", "_on_nudge", "_on_wanted", "descriptor", "id", "is_held", "is_wanted", "stored", "turn")

    def __init__(self, id: str, loop: asyncio.AbstractEventLoop) -> None:
        self.id = id
        self.is_wanted = False
        self.is_held = False
        self.turn: asyncio.Future[bool] | None = None
        self.descriptor: int | None = None
        self.stored: int | None = None
        self._loop = loop
        self._on_wanted: Callable[[], None] | None = None
        self._on_nudge: Callable[[], None] | None = None

    def listen(self, on_wanted: Callable[[], None], on_nudge: Callable[[], None]) -> None:
        self._on_wanted, self._on_nudge = on_wanted, on_nudge
        if self.is_wanted:
            self._loop.call_soon(self._tell, on_wanted)

    def want(self) -> None:
        """Ask the holder, or the one who is about to be, to let go."""
        self.is_wanted = True
        if self._on_wanted is not None:
            self._loop.call_soon(self._tell, self._on_wanted)

    def nudge(self) -> None:
        """Ask the holder to let go if it makes no progress."""
        if self._on_nudge is not None:
            self._loop.call_soon(self._tell, self._on_nudge)

    def _tell(self, listener: Callable[[], None]) -> None:
        # Called by the loop and not by whoever asks: an error in a listener is the listener's, not the asker's.
        if self.is_held:
            listener()


class Lines:
    """A line for each id that somebody holds or wants; first come, first served, and no id without a line is kept."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[Place]] = {}

    def first(self, id: str) -> Place | None:
        """Whoever has the turn."""
        line = self._lines.get(id)
        return line[0] if line else None

    def held(self) -> Iterator[Place]:
        """The places that hold their lock."""
        return (line[0] for line in self._lines.values() if line[0].is_held)

    async def enter(self, id: str, lock_timeout: float, may_ask: MayAsk | None = None) -> Place:
        """Stand in line until it is our turn, for `lock_timeout` seconds at most; with 0 only if nobody is there.

        Whoever has the turn is asked to let go, once `may_ask` was awaited. Raises Held, and what that raises.
        """
        loop = asyncio.get_running_loop()
        place = Place(id, loop)
        line = self._lines.setdefault(id, deque())
        if not line:
            line.append(place)
            return place
        if lock_timeout <= 0:
            raise Held("the upload is in use")
        if may_ask is not None:
            await may_ask()
            return await self.enter(id, lock_timeout)  # it may have got shorter meanwhile
        line[0].want()
        line.append(place)
        turn = place.turn = loop.create_future()
        timer = loop.call_later(lock_timeout, _answer, turn, False)
        try:
            is_ours = await turn
        except asyncio.CancelledError:
            self.leave(place)
            raise
        finally:
            timer.cancel()
        if not is_ours:
            self.leave(place)
            raise Held("the upload is in use and was not let go in time")
        return place

    def leave(self, place: Place) -> None:
        """Step out of line, from wherever in it; the next is woken at once. May be called twice."""
        line = self._lines.get(place.id)
        if line is None or place not in line:
            return
        had_turn = line[0] is place
        place.is_held = False
        line.remove(place)
        if not line:
            del self._lines[place.id]
        elif had_turn and (turn := line[0].turn) is not None:
            # One whose time ran out this moment has its answer already: it steps out and passes the turn on itself.
            _answer(turn, True)
            if len(line) > 1:
                line[0].want()  # those behind it asked its predecessor, and are newer than it

    def clear(self) -> None:
        """Send everybody away: who waits gets Held, and leaving later does no harm."""
        lines, self._lines = self._lines, {}
        for line in lines.values():
            for place in line:
                place.is_held = False
                if place.turn is not None:
                    _answer(place.turn, False)


def _answer(turn: asyncio.Future[bool], is_ours: bool) -> None:
    if not turn.done():
        turn.set_result(is_ours)


_: type[Hold] = Place
