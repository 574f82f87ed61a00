"""Who is next at the workers."""

from __future__ import annotations

import asyncio
from collections import deque

from tusserver.protocol.images import ImagesBusy


class Turns:
    """Places for a few jobs at once, and a line of a bounded length before them for each of two kinds.

    What somebody uploads goes before what somebody only wants to see: anybody may ask for any number of images in any
    size, and whoever uploads one is neither kept waiting behind them nor refused because of them.

    Args:
        places: jobs at once.
        most: how many of a kind wait.
    """

    def __init__(self, places: int, most: int) -> None:
        self._free, self._most = places, most
        self._first: deque[asyncio.Future[None]] = deque()
        self._then: deque[asyncio.Future[None]] = deque()

    async def take(self, *, is_first: bool) -> None:
        """Wait for a place; `give` gives it back.

        Raises:
            ImagesBusy: status 503, as many wait already as may.
        """
        if self._free:
            self._free -= 1
            return
        line = self._first if is_first else self._then
        if len(line) >= self._most:
            raise ImagesBusy
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # the place came at the same moment
            else:
                line.remove(turn)
            raise

    def give(self) -> None:
        """Let the next one have a place."""
        for line in (self._first, self._then):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1
