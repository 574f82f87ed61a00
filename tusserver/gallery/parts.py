"""What looking at images needs of the uploads they are: their bytes as files, and names that no two of them have."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tusserver.imaging.base import Seen
from tusserver.imaging.images import Images
from tusserver.infos.base import Infos
from tusserver.protocol.errors import Conflict
from tusserver.protocol.images import other_stored_filename, safe_stored_filename
from tusserver.protocol.uploads import Facts, Image, Upload
from tusserver.service import UploadService
from tusserver.stores.base import Store

PIECE = 1 << 20
# Random bytes behind a name that is taken, and behind one that nobody shall guess: 7 and 10 characters.
SHORT, SECRET = 4, 6
# Scratch files older than this belong to no request, in seconds.
ABANDONED = 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator allows: extensions, bytes of one file, and whether what arrives is written anew."""

    allowed: frozenset[str]
    max_size: int
    optimise: bool = False


class StoredNames:
    """The names that images are shown under.

    Args:
        random: gives that many random bytes.
    """

    def __init__(self, infos: Infos, random: Callable[[int], bytes]) -> None:
        self._infos, self._random = infos, random

    async def claim(self, upload: Upload, original: str, seen: Seen, *, is_secret: bool) -> Upload:
        """Give a complete upload the name it is shown under.

        Args:
            original: what it was called, in whatever characters.
            is_secret: nobody shall guess the name.
        """
        plain = safe_stored_filename(original, seen.content_type)
        name = self._other(plain, SECRET) if is_secret else plain
        while True:
            image = Image(name, seen.content_type, seen.width, seen.height)
            try:
                await self._infos.note(upload.id, Facts(image=image))
            except Conflict:
                name = self._other(plain, SECRET if is_secret else SHORT)
            else:
                return replace(upload, facts=replace(upload.facts, image=image))

    def _other(self, plain: str, count: int) -> str:
        return other_stored_filename(plain, self._random(count))


class Files:
    """The bytes of uploads as ordinary files, which the processes that read images are given.

    Args:
        folder: for files that live as long as a request.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store, self._folder = store, folder

    async def open(self) -> None:
        """Make ready, and remove what a process that died left behind."""
        await asyncio.to_thread(_tidy, self._folder)

    @asynccontextmanager
    async def of(self, upload: Upload) -> AsyncIterator[Path]:
        """The stored bytes as a file, a copy of them where the store has none. Raises NotFound."""
        path = await self._store.file(upload.id)
        if path is not None:
            yield path
            return
        async with self.scratch() as folder:
            copy = await asyncio.to_thread((folder / upload.id).open, "wb")
            try:
                async for piece in self._store.read(upload.id, 0, upload.offset):
                    await asyncio.to_thread(copy.write, piece)
            finally:
                await asyncio.to_thread(copy.close)
            yield folder / upload.id

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A folder that is gone at the end of the block."""
        folder = await asyncio.to_thread(tempfile.mkdtemp, dir=self._folder)
        try:
            yield Path(folder)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def rewrite(self, upload: Upload, path: Path) -> int:
        """Replace the stored bytes by those of a file; the lock is held. Gives their number."""
        source = await asyncio.to_thread(path.open, "rb")
        writer = await self._store.append(upload.id, 0)
        try:
            while piece := await asyncio.to_thread(source.read, PIECE):
                await writer.write([piece])
            return writer.offset
        finally:
            await writer.close()
            await asyncio.to_thread(source.close)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a gallery is put together of."""

    service: UploadService
    images: Images
    rules: Rules
    names: StoredNames
    files: Files


def _tidy(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in folder.iterdir():
        with suppress(OSError):
            if time.time() - one.stat().st_mtime > ABANDONED:
                shutil.rmtree(one)
