"""Bytes as one ordinary file per upload, in two levels of folders."""

from __future__ import annotations

import os
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace, Unavailable
from tusserver.stores import disk
from tusserver.stores.base import Buffer, Digest, Flow, Store, Stored, Writer
from tusserver.stores.paths import path_of
from tusserver.stores.pulling import Puller, Way
from tusserver.workers import Workers

T = TypeVar("T")

# Syncs wait for the device and not for a core; the file system commits those that wait together as one.
SYNC_THREADS = 16
SLOW_THREADS = 4
# A concatenation gives its thread up after so many bytes, so that deletions and reads get their turn.
SLICE = 64 * 1024 * 1024
# Ids remembered to be synced; forgetting one costs a sync of its folder.
MOST_SETTLED = 100_000


class FileStore:
    """A store in the folder `folder`; any number of processes on one host may share it.

    Writes run in `threads` threads (default: one per core), and what is pulled from sockets in as many; what is over at
    once, what may take long, and syncs each have their own, so that a disk too busy to take more bytes still tells
    sizes. Everything is readable by the server's user only.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        self.folder = Path(folder)
        threads = threads or len(os.sched_getaffinity(0))
        self._quick = Workers("store-quick", threads)
        self._writes = Workers("store-write", threads)
        self._pulls = Workers("store-pull", threads)
        self._puller = Puller()
        self._syncs = Workers("store-sync", SYNC_THREADS)
        self._slow = Workers("store-slow", SLOW_THREADS)
        self._identity: tuple[int, int] | None = None
        # What this process knows to survive a power cut: so many bytes of an upload with the entry that leads to them,
        # and the entries of folders.
        self._settled: dict[str, int] = {}
        self._settled_folders: set[str] = set()

    async def open(self) -> None:
        await self._slow.run(partial(disk.make_ready, self.folder))
        self._identity = await self._slow.run(self._present_identity)

    async def close(self) -> None:
        for workers in (self._quick, self._writes, self._pulls, self._syncs, self._slow):
            await workers.close()
        self._puller.close()

    async def create(self, id: str) -> None:
        await self._run(self._quick, lambda: os.close(self._create(id)))

    def _create(self, id: str) -> int:
        try:
            return disk.create_file(path_of(self.folder, id))
        except FileExistsError as error:
            raise Conflict("there is such an upload already") from error
        except FileNotFoundError as error:
            raise Unavailable("the upload folder is not there") from error

    async def append(self, id: str, offset: int) -> Writer:
        path = path_of(self.folder, id)
        self.unsettle(id, offset)
        opened = await self._run(self._quick, partial(disk.open_at, path, offset), os.close)
        return FileWriter(self, id, opened, offset)

    async def add(self, id: str, offset: int, data: bytes, *, is_new: bool = False) -> None:
        path = path_of(self.folder, id)
        self.unsettle(id, offset)

        def job() -> None:
            opened = self._create(id) if is_new else disk.open_at(path, offset)
            try:
                disk.write_whole(opened, data, offset)
            except BaseException:
                if is_new:
                    path.unlink()
                raise
            finally:
                os.close(opened)

        await self._run(self._writes, job)

    async def size(self, id: str) -> int:
        path = path_of(self.folder, id)
        return await self._run(self._quick, lambda: path.lstat().st_size)

    async def read(self, id: str, start: int, end: int) -> AsyncIterator[bytes]:
        path = path_of(self.folder, id)
        opened = await self._run(self._slow, partial(disk.open_file, path, os.O_RDONLY), os.close)
        try:
            while start < end:
                piece = await self._run(self._slow, partial(os.pread, opened, min(disk.PIECE, end - start), start))
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            await self._slow.run(partial(os.close, opened))

    async def read_many(self, wanted: Sequence[tuple[str, int, int]]) -> list[bytes]:
        def job() -> list[bytes]:
            return [disk.read_range(path_of(self.folder, id), start, end) for id, start, end in wanted]

        return await self._run(self._slow, job)

    async def file(self, id: str) -> Path | None:
        await self.size(id)
        return path_of(self.folder, id)

    async def concatenate(self, parts: Sequence[str], into: str) -> int:
        if into in parts:
            raise Conflict("an upload cannot be a part of itself")
        target = path_of(self.folder, into)
        sources = [path_of(self.folder, part) for part in parts]
        sizes = await self._run(self._slow, lambda: [source.lstat().st_size for source in sources])
        self.unsettle(into, 0)
        await self._run(self._slow, partial(disk.truncate_file, target))
        try:
            await self._copy(sources, sizes, target)
        except OutOfSpace:
            # A half made copy is worth nothing, and others can use the room.
            await self._run(self._slow, partial(disk.truncate_file, target))
            raise
        return sum(sizes)

    async def _copy(self, sources: Sequence[Path], sizes: Sequence[int], target: Path) -> None:
        at = 0
        for source, size in zip(sources, sizes, strict=True):
            for start in range(0, size, SLICE):
                count = min(SLICE, size - start)
                await self._run(self._slow, partial(disk.copy_piece, source, start, target, at, count))
                at += count

    async def delete(self, id: str) -> int:
        path = path_of(self.folder, id)
        self._settled.pop(id, None)
        try:
            return await self._run(self._slow, partial(disk.delete_file, path))
        except NotFound:
            return 0

    async def scan(self) -> AsyncIterator[Stored]:
        for folder in await self._run(self._slow, partial(disk.list_folders, self.folder)):
            for stored in await self._run(self._slow, partial(disk.list_uploads, folder)):
                yield stored

    async def free(self) -> int | None:
        def job() -> int:
            facts = os.statvfs(self.folder)
            return facts.f_bavail * facts.f_frsize

        return await self._run(self._slow, job)

    async def run_write(self, job: Callable[[], T]) -> T:
        """Run a writer's call that moves bytes."""
        return await self._run(self._writes, job)

    async def run_pull(self, job: Callable[[Puller], T]) -> T:
        """Run a writer's call that moves bytes from a socket."""
        return await self._run(self._pulls, lambda: job(self._puller))

    async def run_quick(self, job: Callable[[], T]) -> T:
        """Run a writer's call that moves none."""
        return await self._run(self._quick, job)

    async def run_sync(self, id: str, sync: Callable[[int], int]) -> None:
        """Sync a file, and once the entries that lead to it.

        Args:
            sync: told how many bytes are known to be safe, gives how many are now.
        """
        folder = path_of(self.folder, id).parent
        entries = [folder] * (id not in self._settled) + [self.folder] * (folder.name not in self._settled_folders)

        def job() -> int:
            safe = sync(self._settled.get(id, 0))
            for entry in entries:
                disk.sync_folder(entry)
            return safe

        safe = await self._run(self._syncs, job)
        if len(self._settled) >= MOST_SETTLED:
            self._settled.clear()
        self._settled[id] = safe
        self._settled_folders.add(folder.name)

    def unsettle(self, id: str, offset: int) -> None:
        """Of this upload no more than `offset` bytes are as they were synced."""
        if id in self._settled:
            self._settled[id] = min(self._settled[id], offset)

    async def _run(self, workers: Workers, job: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
        def translated() -> T:
            try:
                return job()
            except OSError as error:
                problem = disk.translate(error)
                if isinstance(problem, NotFound) and self._present_identity() != self._identity:
                    # A volume that is not mounted must not look like uploads that are gone: clients start again.
                    problem = Unavailable("the upload folder is not there")
                raise problem from error

        return await workers.run(translated, undo)

    def _present_identity(self) -> tuple[int, int] | None:
        try:
            facts = os.stat(self.folder)
        except OSError:
            return None
        return facts.st_dev, facts.st_ino


class FileWriter:
    """One descriptor of a file. A lock keeps its calls apart, so `close` ends after a write that is under way."""

    def __init__(self, store: FileStore, id: str, opened: int, offset: int) -> None:
        self._store = store
        self._id = id
        self._fd: int | None = opened
        self._offset = offset
        self._turn = threading.Lock()

    @property
    def offset(self) -> int:
        return self._offset

    async def write(self, buffers: Sequence[Buffer]) -> None:
        await self._store.run_write(lambda: self._write(buffers))

    def _write(self, buffers: Sequence[Buffer]) -> None:
        rest = disk.views(buffers)
        try:
            with self._turn:
                opened = self._opened()
                while rest:
                    # Told after each call: what went in before an error counts.
                    self._offset += disk.write_at(opened, rest, self._offset)
        finally:
            rest.clear()  # an error's traceback must not keep the caller's buffers

    async def cut(self, offset: int) -> None:
        if not 0 <= offset <= self._offset:
            raise ValueError(f"cannot cut at {offset}: {self._offset} bytes are stored")
        self._store.unsettle(self._id, offset)
        await self._store.run_write(lambda: self._cut(offset))

    def _cut(self, offset: int) -> None:
        with self._turn:
            os.ftruncate(self._opened(), offset)
            self._offset = offset

    async def sync(self) -> None:
        await self._store.run_sync(self._id, self._sync)

    def _sync(self, safe: int) -> int:
        with self._turn:
            opened = self._opened()
            offset = self._offset
            try:
                os.fdatasync(opened)
            except OSError:
                # The kernel forgets what it could not write, and the next sync would succeed: only what was safe before
                # can be trusted, and a client is to send the rest again.
                self._offset = min(safe, offset)
                os.ftruncate(opened, self._offset)
                raise
            return offset

    async def close(self) -> None:
        if self._fd is not None:
            await self._store.run_quick(self._close)

    def _close(self) -> None:
        with self._turn:
            opened, self._fd = self._fd, None
            if opened is not None:
                os.close(opened)

    def _opened(self) -> int:
        if self._fd is None:
            raise ValueError("the writer is closed")
        return self._fd

    async def pull(self, source: int, count: int, took: Callable[[int], None], digest: Digest | None = None) -> Flow:
        return await self._store.run_pull(lambda puller: self._pull(puller, source, count, took, digest))

    def _pull(
        self, puller: Puller, source: int, count: int, took: Callable[[int], None], digest: Digest | None
    ) -> Flow:
        with self._turn:
            return puller.turn(Way(source, self._opened(), self._offset, count, took, self._advance), digest)

    def _advance(self, count: int) -> None:
        self._offset += count


_store: type[Store] = FileStore
_writer: type[Writer] = FileWriter
