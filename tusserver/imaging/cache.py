"""Derived images on the disk, bounded, the longest unused gone first. Blocking: called in threads, from any of them.

A file is `ab/<id>.<wish>`, so everything derived of an image is found by its id, by another process as well. The time
of last change is that of the last use. Nothing here is worth a sync: what a crash cut off is known by its end.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from tusserver.imaging.base import Derived
from tusserver.protocol.errors import OutOfSpace, Unavailable
from tusserver.protocol.images import FIRST_BYTES, image_type_of

NEW = "new"
# What is being made is younger than this; what is older was left behind by a crash.
LONGEST_MAKING = 3600.0
# A file takes a block of the disk at least, and so the bound is one of their number too.
BLOCK = 4096
# The folder is looked through anew when so much was added to it, or when it is full; then so much is kept.
LOOK_AFTER, KEEP = 0.1, 0.9


class Found(NamedTuple):
    """A derived image on the disk."""

    used_at: float
    size: int
    path: Path


class Cache:
    """Derived images in `folder`, of at most `most` bytes together; several processes may share it.

    The folder may be removed at any time; it is made again.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self._most = most
        self._lock = threading.Lock()
        self._stored = 0  # when last looked through
        self._added = 0  # since then, by this process

    def open(self) -> None:
        """Make ready, and remove what a crash left behind and what is too much. Raises Unavailable."""
        try:
            (self.folder / NEW).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be made: {error.strerror}") from error
        for left in (self.folder / NEW).iterdir():
            with suppress(OSError):
                if left.stat().st_mtime < time.time() - LONGEST_MAKING:
                    left.unlink()
        self.sweep(self._most)

    def find(self, id: str, key: str) -> Derived | None:
        """What was derived of an image, None if it is not there."""
        path = self._path(id, key)
        try:
            file = path.open("rb")
        except OSError:
            return None
        derived = _derived(file)
        if derived is None:
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):  # on a full disk it keeps its time, which is no reason not to show it
            os.utime(path)
        return derived

    def new(self) -> Path:
        """An empty file to derive into. Raises OutOfSpace, Unavailable."""
        path = self.folder / NEW / secrets.token_hex(8)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be written: {error.strerror}") from error
        return path

    def elsewhere(self) -> Path:
        """An empty file for when there is no room for one here. Raises OutOfSpace."""
        try:
            descriptor, name = tempfile.mkstemp(prefix="tusserver-")
        except OSError as error:
            raise OutOfSpace("there is room for a derived image nowhere") from error
        os.close(descriptor)
        return Path(name)

    def keep(self, made: Path, id: str, key: str) -> None:
        """Keep what was made in `new`; where that cannot be done it is gone."""
        path = self._path(id, key)
        try:
            size = made.stat().st_size
            path.parent.mkdir(exist_ok=True)
            made.replace(path)
        except OSError:
            made.unlink(missing_ok=True)
            return
        with self._lock:
            self._added += _cost(size)

    def is_new(self, made: Path) -> bool:
        """It can be kept: it was made by `new` and not `elsewhere`."""
        return made.parent == self.folder / NEW

    def forget(self, id: str) -> None:
        """Remove everything derived of an image, by whichever process."""
        for path in self._path(id, "").parent.glob(f"{id}.*"):
            path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what is too much, the longest unused first; looks through the folder only when that is due."""
        with self._lock:
            is_due = self._stored + self._added > self._most or self._added > self._most * LOOK_AFTER
        if is_due:
            self.sweep(self._most)

    def shrink(self) -> None:
        """Remove the half that was longest unused: the disk is full, and all of this can be made again."""
        self.sweep(sum(_cost(found.size) for found in self._all()) // 2)

    def sweep(self, most: int) -> None:
        """Look the folder through, and if there is more than `most` bytes, remove until there are nine tenths of it."""
        with self._lock:
            self._added = 0
            found = sorted(self._all())
            self._stored = sum(_cost(one.size) for one in found)
            if self._stored <= most:
                return
            for one in found:
                if self._stored <= most * KEEP:
                    return
                with suppress(OSError):
                    one.path.unlink(missing_ok=True)
                    self._stored -= _cost(one.size)

    def _all(self) -> Iterator[Found]:
        with suppress(FileNotFoundError):  # the folder, a folder in it, or a file that another process removes
            for folder in self.folder.iterdir():
                if folder.name != NEW:
                    yield from _found_in(folder)

    def _path(self, id: str, key: str) -> Path:
        return self.folder / id[:2] / f"{id}.{key}"


def _found_in(folder: Path) -> Iterator[Found]:
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                told = entry.stat(follow_symlinks=False)
                yield Found(told.st_mtime, told.st_size, Path(entry.path))


def _cost(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def opened(path: Path) -> Derived:
    """An image that was just made, open for reading. Raises Unavailable."""
    try:
        derived = _derived(path.open("rb"))
    except OSError as error:
        raise Unavailable(f"a derived image cannot be opened: {error.strerror}") from error
    if derived is None:
        raise Unavailable("a derived image is broken as soon as it is made")
    return derived


def _derived(file: BinaryIO) -> Derived | None:
    """None, and `file` is closed, for what is no whole image, such as a crash leaves."""
    first = file.read(FIRST_BYTES)
    size = os.fstat(file.fileno()).st_size
    content_type = image_type_of(first)
    if content_type is None or not _is_whole(file, content_type, size):
        file.close()
        return None
    file.seek(0)
    return Derived(file, size, content_type)


def _is_whole(file: BinaryIO, content_type: str, size: int) -> bool:
    """The file ends where its format says. For what this program wrote: others may have something behind that."""
    if content_type == "image/webp":
        file.seek(4)
        return int.from_bytes(file.read(4), "little") + 8 == size
    if content_type == "image/avif":
        return _end_of_boxes(file, size) == size
    end = b"\xff\xd9" if content_type == "image/jpeg" else b"IEND\xae\x42\x60\x82"
    file.seek(max(0, size - len(end)))
    return file.read() == end


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last of a file's boxes ends. ISO/IEC 14496-12, 4.2."""
    place = 0
    while place < size:
        file.seek(place)
        length = int.from_bytes(file.read(4), "big")
        if length < 8:
            return -1
        place += length
    return place
