"""The blocking half of the file store: plain functions on paths and descriptors, called in threads."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tusserver.protocol.errors import BackendError, Conflict, NotFound, OutOfSpace, Unavailable
from tusserver.stores.base import Buffer, Stored
from tusserver.stores.paths import ID, PREFIX

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})
# The kernel refuses to copy between these two files by itself: other file systems, old kernels, some FUSE systems.
NO_KERNEL_COPY = frozenset({errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})
# Some network file systems have no such call for folders and keep entries safe by themselves.
NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP})
PIECE = 1024 * 1024
IOV_MAX = os.sysconf("SC_IOV_MAX")


def translate(error: OSError) -> BackendError:
    """The error in the words of the interface. The message goes to clients, so it names no path of this machine."""
    if error.errno in FULL:
        return OutOfSpace("the disk is full")
    if error.errno in MISSING:
        return NotFound("there is no such upload")
    return Unavailable(f"the disk answered {errno.errorcode.get(error.errno or 0, 'with an unknown error')}")


@contextmanager
def descriptor(path: Path, flags: int) -> Iterator[int]:
    """The file's descriptor for the length of a block."""
    opened = open_file(path, flags)
    try:
        yield opened
    finally:
        os.close(opened)


def open_file(path: Path, flags: int) -> int:
    # A link in the folder is not ours: never follow it out of the folder.
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def read_range(path: Path, start: int, end: int) -> bytes:
    """The bytes of a file from `start` up to `end`; fewer where it ends before."""
    with descriptor(path, os.O_RDONLY) as opened:
        return os.pread(opened, max(0, end - start), start)


def make_ready(folder: Path) -> None:
    """Make the folder and write to it, to know at the start and not at the first upload."""
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(0o700, parents=True, exist_ok=True)
        for place in made:
            sync_folder(place.parent)
        trial, path = tempfile.mkstemp(prefix=".trial-", dir=folder)
        os.close(trial)
        os.unlink(path)
    except OSError as error:
        # A full disk is no reason not to start: uploads can still be read and deleted.
        if error.errno not in FULL:
            raise Unavailable(f"the upload folder {folder} cannot be written to: {error.strerror}") from error


def create_file(path: Path) -> int:
    """Make a file; gives its descriptor."""
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    try:
        return open_file(path, flags)
    except FileNotFoundError:
        with suppress(FileExistsError):  # made by another process this moment
            path.parent.mkdir(0o700)
        return open_file(path, flags)


def open_at(path: Path, offset: int) -> int:
    """A descriptor of a file that is exactly `offset` long: what lies behind it is dropped."""
    opened = open_file(path, os.O_WRONLY)
    try:
        size = os.fstat(opened).st_size
        if size < offset:
            raise Conflict(f"{size} bytes are stored, not {offset}")
        if size > offset:
            os.ftruncate(opened, offset)
    except BaseException:
        os.close(opened)
        raise
    return opened


def write_at(descriptor: int, buffers: list[memoryview], offset: int) -> int:
    """Write what one call takes of the buffers and drop that from the list. Gives the number of bytes."""
    written = os.pwritev(descriptor, buffers[:IOV_MAX], offset)
    rest = written
    whole = 0
    while whole < len(buffers) and rest >= buffers[whole].nbytes:
        rest -= buffers[whole].nbytes
        whole += 1
    del buffers[:whole]
    if rest:
        buffers[0] = buffers[0][rest:]
    return written


def write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of the data at the end of a file, which is `offset` long, or nothing."""
    rest = views([data])
    reached = offset
    try:
        while rest:
            reached += write_at(descriptor, rest, reached)
    except BaseException:
        os.ftruncate(descriptor, offset)
        raise


def views(buffers: Sequence[Buffer]) -> list[memoryview]:
    """The buffers that hold something, as bytes."""
    return [memoryview(buffer).cast("B") for buffer in buffers if len(buffer)]


def sync_folder(folder: Path) -> None:
    """Return when the folder's entries survive a power cut, as far as its file system can tell."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise
    finally:
        os.close(opened)


def delete_file(path: Path) -> int:
    """Remove the file and give its size."""
    size = path.lstat().st_size
    path.unlink()
    return size


def truncate_file(path: Path) -> None:
    with descriptor(path, os.O_WRONLY) as opened:
        os.ftruncate(opened, 0)


def copy_piece(source: Path, start: int, target: Path, at: int, count: int) -> None:
    """Copy `count` bytes from `start` of one file to `at` of another, in the kernel where it can.

    Raises:
        Conflict: the source ends before that.
    """
    with descriptor(source, os.O_RDONLY) as reading, descriptor(target, os.O_WRONLY) as writing:
        done = 0
        while done < count:
            copied = _copy_some(reading, start + done, writing, at + done, count - done)
            if copied == 0:
                raise Conflict("a part is shorter than it was")
            done += copied


def _copy_some(reading: int, start: int, writing: int, at: int, count: int) -> int:
    try:
        copied = os.copy_file_range(reading, writing, count, start, at)
    except OSError as error:
        if error.errno not in NO_KERNEL_COPY:
            raise
        copied = 0
    # Some file systems answer 0 where they mean that they cannot.
    return copied or os.pwrite(writing, os.pread(reading, min(count, PIECE), start), at)


def list_folders(folder: Path) -> list[Path]:
    """The folders that uploads lie in."""
    with os.scandir(folder) as entries:
        return [
            Path(entry.path) for entry in entries if PREFIX.match(entry.name) and entry.is_dir(follow_symlinks=False)
        ]


def list_uploads(folder: Path) -> list[Stored]:
    """The uploads in one of `list_folders`. Whatever else somebody put there is left alone."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not (
                ID.match(entry.name) and entry.name.startswith(folder.name) and entry.is_file(follow_symlinks=False)
            ):
                continue
            with suppress(FileNotFoundError):  # deleted this moment
                facts = entry.stat(follow_symlinks=False)
                found.append(Stored(entry.name, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC)))
    return found
