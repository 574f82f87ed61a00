"""What the server asks of images: is it one, how large; give it in another size; write it smaller."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tusserver.imaging.base import Bounds, Derived, Seen
from tusserver.imaging.cache import Cache, opened
from tusserver.imaging.pool import Pool
from tusserver.protocol.errors import OutOfSpace, Unavailable
from tusserver.protocol.images import NotAnImage, Wish, type_of_suffix
from tusserver.workers import Workers

log = logging.getLogger("tusserver.imaging")

# Looking for a derived image takes microseconds; one thread may be looking the whole folder through.
FILE_THREADS = 2


class _Flight:
    """A derived image on its way, and how many wait for it."""

    __slots__ = ("has_begun", "is_kept", "made", "task", "waiters")

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.waiters = 0
        self.has_begun = False
        self.is_kept = True
        self.made: list[Derived] = []


class Images:
    """Images read in processes of their own, and those derived of them kept in `folder`.

    Paths are of ordinary files that do not change. Every call may raise ImagesBusy, ImagesAway or Stopping (503).

    Args:
        workers: processes that read images, begun with the first of them.
        timeout: seconds of a processor that one image may take; three times as many on the clock.
        cache_size: bytes of all derived images; may be passed by what is added between two looks at the folder.
        python: interpreter that the processes run on.
    """

    def __init__(
        self,
        folder: Path,
        bounds: Bounds,
        *,
        workers: int = 1,
        timeout: float = 20.0,
        cache_size: int = 2**30,
        python: str = sys.executable,
    ) -> None:
        self._cache = Cache(folder.absolute(), cache_size)
        self._pool = Pool(bounds, workers=workers, timeout=timeout, python=python)
        self._files = Workers("image-cache", FILE_THREADS)
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._tidying: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make ready, once, before anything else. Raises Unavailable."""
        await self._files.run(self._cache.open)

    async def close(self) -> None:
        """End every process; who waits for an image is refused."""
        await self._pool.close()
        tasks = [*(flight.task for flight in self._flights.values()), *self._tidying]
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._files.close()

    @property
    def pids(self) -> set[int]:
        """The processes at work or at rest."""
        return self._pool.pids

    async def inspect(self, path: Path, declared_suffix: str | None = None) -> Seen:
        """Decode all of a file and tell what it is.

        Args:
            declared_suffix: its name's extension, for example ``"jpg"``; None: any image will do.
        Raises:
            NotAnImage: status 415, it is broken, or another type than its extension promises, or reading it takes more
                memory or time than one image may.
            ImageTooLarge: status 413, in bytes, pixels of a frame, or frames.
            NotFound: there is no such file. Unavailable: the disk.
        """
        promised = None if declared_suffix is None else type_of_suffix(declared_suffix)
        if declared_suffix is not None and promised is None:
            raise NotAnImage(f"{declared_suffix[:40]!r} is the extension of no image that is known here")
        seen = await self._pool.ask({"act": "inspect", "path": _name(path), "promised": promised})
        assert seen is not None
        return seen

    async def derived(self, id: str, path: Path, wish: Wish) -> Derived:
        """The image as `wish` has it, from the cache or made now; the caller closes it.

        Many who ask for the same one at once wait for one worker. Of an animated image it is the first frame, and of
        every image it is upright and without any metadata.

        Args:
            id: of the upload; `path`: its bytes.
        Raises:
            NotAnImage, ImageTooLarge: as `inspect`. BadWish: status 422, this server cannot write the format.
            NotFound: there is no such file. OutOfSpace: there is no room for it anywhere. Unavailable: the disk.
        """
        while True:
            found = await self._files.run(partial(self._cache.find, id, wish.key), _close)
            found = found or await self._made(id, path, wish)
            if found is not None:
                return found

    async def optimise(self, path: Path, into: Path) -> Seen | None:
        """Write the image at `path` anew to `into`, in its own format, upright, smaller, without personal data.

        None, and nothing at `into`, where that would not be smaller (unless it has personal data to be rid of), or
        cannot be done: for animated images, CMYK, 16 bits a colour, or for want of room, memory or time. A file that is
        no image is none of this function's business either: `inspect` it first.

        Raises:
            NotFound: there is no such file. Unavailable: the disk.
        """
        job = {"act": "optimise", "path": _name(path), "into": _name(into)}
        seen = None
        try:
            seen = await self._pool.ask(job)
        except (NotAnImage, OutOfSpace):
            return None
        finally:
            if seen is None:
                await self._files.run(partial(into.unlink, missing_ok=True))
        return seen

    async def forget(self, id: str) -> None:
        """Remove everything derived of an image, also what is being made at this moment."""
        for (one, _), flight in self._flights.items():
            if one == id:
                flight.is_kept = False
        await self._files.run(partial(self._cache.forget, id))

    async def _made(self, id: str, path: Path, wish: Wish) -> Derived | None:
        """A derived image that is made now; None for who came too late to be given it, and is to look again."""
        name = (id, wish.key)
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = _Flight()
            flight.task = asyncio.create_task(self._fly(flight, name, path, wish))
            flight.task.add_done_callback(partial(self._landed, name))
        flight.waiters += 1
        try:
            await asyncio.wait([flight.task])
            if not flight.task.cancelled() and (error := flight.task.exception()):
                raise error
            return flight.made.pop() if flight.made else None
        finally:
            flight.waiters -= 1
            if not flight.waiters:
                _close_all(flight.made)
                if not flight.has_begun:
                    flight.task.cancel()

    def _landed(self, name: tuple[str, str], task: asyncio.Task[None]) -> None:
        del self._flights[name]
        if not task.cancelled():
            task.exception()  # told to who waits; perhaps nobody does any more

    async def _fly(self, flight: _Flight, name: tuple[str, str], path: Path, wish: Wish) -> None:
        job = {"act": "derive", "path": _name(path), "wish": asdict(wish)}
        made = await self._derive(flight, job)
        try:
            while len(flight.made) < flight.waiters:
                flight.made.append(await self._files.run(partial(opened, made), _close))
        finally:
            if flight.is_kept and self._cache.is_new(made):
                await self._files.run(partial(self._cache.keep, made, *name))
            else:
                await self._files.run(partial(_unlink, made))
            if not flight.is_kept:  # since a moment ago
                await self._files.run(partial(self._cache.forget, name[0]))
        if not flight.waiters:
            _close_all(flight.made)
        tidying = asyncio.create_task(self._files.run(self._cache.tidy))
        self._tidying.add(tidying)
        tidying.add_done_callback(self._tidying.discard)

    async def _derive(self, flight: _Flight, job: dict[str, Any]) -> Path:
        """Where there is no room the cache makes some, and what finds no room in it is made for those who wait."""

        def begun() -> None:
            flight.has_begun = True

        try:
            return await self._derive_into(self._cache.new, job, begun)
        except OutOfSpace:
            await self._files.run(self._cache.shrink)
        except Unavailable as error:
            log.warning("derived images cannot be kept: %s", error)
        return await self._derive_into(self._cache.elsewhere, job, begun)

    async def _derive_into(self, place: Callable[[], Path], job: dict[str, Any], begun: Callable[[], None]) -> Path:
        into = await self._files.run(place, _unlink)
        is_made = False
        try:
            await self._pool.ask({**job, "into": str(into)}, begun)
            is_made = True
            return into
        finally:
            if not is_made:
                await self._files.run(partial(_unlink, into))


def _name(path: Path) -> str:
    """For a process that runs in another folder."""
    return str(path.absolute())


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _close(derived: Derived | None) -> None:
    if derived is not None:
        derived.close()


def _close_all(made: list[Derived]) -> None:
    while made:
        made.pop().close()
