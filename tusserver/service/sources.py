"""The body of a request as the service sees it, and the ways in which it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Protocol

from tusserver.protocol.refusals import BodyCut, BodyStalled, Refusal, Stopping, TakenOver
from tusserver.protocol.uploads import Upload
from tusserver.stores.base import Flow


class Ending(Enum):
    """Why a body came to its end."""

    WHOLE = auto()  # all of it came
    CUT = auto()  # the connection broke
    WANTED = auto()  # another request takes the upload over
    STALLED = auto()  # no byte came for too long
    STOPPING = auto()  # the server is being stopped
    OVERFLOW = auto()  # it is longer than there is room for
    FOREIGN = auto()  # it is of another type than was declared


# What a client hears whose body did not come whole; what of it was stored stays, unless it was to be checked.
CUT_SHORT: dict[Ending, type[Refusal]] = {
    Ending.CUT: BodyCut,
    Ending.WANTED: TakenOver,
    Ending.STALLED: BodyStalled,
    Ending.STOPPING: Stopping,
}


def check_came_whole(ending: Ending | None, upload: Upload) -> None:
    """The body came whole; else its client hears where the upload stands."""
    if ending in CUT_SHORT:
        raise CUT_SHORT[ending](
            f"{upload.offset} bytes are stored; continue there",
            headers={"Upload-Offset": str(upload.offset)},
            offset=upload.offset,
        )


Put = Callable[[bytes], Awaitable[None]]
# `Writer.pull` without its digest: descriptor, most bytes, who is told of them.
Pull = Callable[[int, int, Callable[[int], None]], Awaitable[Flow]]


class Source(Protocol):
    """The body of a request, wherever it comes from."""

    async def accept(self) -> None:
        """Tell a client that waits for `100 Continue` to go on. Called once every check has passed."""
        ...

    async def read(self) -> bytes:
        """What has arrived, at least one byte; b"" at the end, and then `ending` says why."""
        ...

    @property
    def ending(self) -> Ending | None:
        """Why `read` gave b"", None before."""
        ...

    def held(self) -> bytes | None:
        """All of it, if it has come whole and nothing was read yet; nothing is left to be read then. None: it has not,
        or nobody can tell."""
        ...

    @property
    def pourable(self) -> int:
        """Bytes that may still come and that `pour` can have pulled straight from the connection."""
        ...

    async def pour(self, put: Put, pull: Pull) -> None:
        """Take the rest without `read`: what has arrived is put, once, and what follows is pulled. Then `read` gives
        b"" and `ending` says why. Raises what the two raise."""
        ...

    def stop(self, why: Ending) -> None:
        """End it now: `read` gives what has arrived, then b"". The first reason counts."""
        ...

    def trailer(self, name: str) -> list[str]:
        """Values of a field behind the body, once that came whole."""
        ...

    @property
    def rested(self) -> float:
        """Seconds since the last byte came."""
        ...

    @property
    def is_hung_up(self) -> bool:
        """Its sender is gone or has said that no more will come; what has arrived may still be on its way here."""
        ...


class HandedOver:
    """What a `Source` has that comes from no connection, or from one whose bytes have to be seen."""

    @property
    def pourable(self) -> int:
        """None."""
        return 0

    @property
    def is_hung_up(self) -> bool:
        """Nobody can tell."""
        return False

    def held(self) -> bytes | None:
        """Nobody can tell."""
        return None

    async def pour(self, put: Put, pull: Pull) -> None:
        """Nobody asks for it."""
        raise NotImplementedError


class LookedAt(HandedOver):
    """A `Source` behind which another one stands, whose bytes are looked at on their way. Everything else is as there.

    Args:
        source: the other one.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    async def accept(self) -> None:
        """As there."""
        await self._source.accept()

    async def read(self) -> bytes:
        """As there."""
        return await self._source.read()

    @property
    def ending(self) -> Ending | None:
        """As there."""
        return self._source.ending

    @property
    def rested(self) -> float:
        """As there."""
        return self._source.rested

    def stop(self, why: Ending) -> None:
        """As there."""
        self._source.stop(why)

    def trailer(self, name: str) -> list[str]:
        """As there."""
        return self._source.trailer(name)


class HeldBody(HandedOver):
    """A `Source` that is in memory as a whole."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._stop: Ending | None = None
        self.ending: Ending | None = None
        self.rested = 0.0

    async def accept(self) -> None:
        """It is here already."""

    def held(self) -> bytes | None:
        """All of it."""
        data, self._data = self._data, b""
        return data

    async def read(self) -> bytes:
        """Everything, then nothing."""
        data, self._data = self._data, b""
        if not data:
            self.ending = self._stop or Ending.WHOLE
        return data

    def stop(self, why: Ending) -> None:
        """What was not read yet is left."""
        self._stop = self._stop or why

    def trailer(self, name: str) -> list[str]:
        """There is none."""
        return []
