"""A house whose finished uploads are examined."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from tusserver.examiner import Examiner
from tusserver.extensions import offer
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.lockers.host import HostLocker
from tusserver.protocol.access import Caller
from tusserver.protocol.ids import make_id
from tusserver.protocol.requests import OCTET_STREAM, BodyFacts, Creation
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import Facts, Kind, State, Upload
from tusserver.service import Backends, HeldBody, Policy, UploadService
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of


class CountingStore(FileStore):
    """Knows how many pieces of each upload were read, and who reads now."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.begun: Counter[str] = Counter()
        self.pieces: Counter[str] = Counter()
        self.present = 0

    async def read(self, id: str, start: int, end: int) -> AsyncIterator[bytes]:
        self.begun[id] += 1
        self.present += 1
        try:
            async for piece in super().read(id, start, end):
                self.pieces[id] += 1
                yield piece
        finally:
            self.present -= 1


async def until(fact: Callable[[], object]) -> None:
    """Wait until calling `fact` gives something true."""
    async with asyncio.timeout(10):
        while True:
            if fact():
                return
            await asyncio.sleep(0.001)


Consider = Callable[[Upload], Awaitable[None]]


class House:
    """A service on a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.infos = SqliteInfos(folder / "tusserver.db")
        self.store = CountingStore(folder / "bytes")
        locker = HostLocker(lambda id: path_of(folder / "bytes", id), folder / "run")
        self.service = UploadService(
            Backends(self.store, self.infos, locker, SqliteAccounts(self.infos)),
            offer(),
            Policy(),
            clock=lambda: datetime.now(UTC),
            new_id=lambda: make_id(os.urandom(16)),
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[House]:
        """Open in the block."""
        backends = (self.store, self.infos, self.service.ledger.locker)
        for backend in backends:
            await backend.open()
        yield self
        await self.service.close()
        for backend in reversed(backends):
            await backend.close()

    async def upload(self, data: bytes, kind: Kind = Kind.REGULAR, length: int | None = None) -> Upload:
        """A new upload, complete unless `length` says otherwise."""
        body = BodyFacts(OCTET_STREAM, len(data)) if data else None
        length = len(data) if length is None else length
        return await self.service.start(Creation(length=length, body=body, kind=kind), HeldBody(data), Grant())

    async def huge(self, size: int) -> Upload:
        """A complete upload of so many zeros, which take no room."""
        made = await self.upload(b"")
        os.truncate(self.path(made.id), size)
        now = datetime.now(UTC)
        whole = Upload(make_id(os.urandom(16)), now, now, size, size, State.COMPLETE, completed_at=now)
        await self.store.create(whole.id)
        os.replace(self.path(made.id), self.path(whole.id))
        await self.infos.delete(made.id)
        await self.infos.create(whole)
        return whole

    @property
    def caller(self) -> Caller:
        """Somebody, where nobody is asked who they are."""
        return Caller(datetime.now(UTC), is_open=True)

    def path(self, id: str) -> Path:
        """Where the bytes of an upload lie."""
        return path_of(self.folder / "bytes", id)

    @asynccontextmanager
    async def examining(self, consider: Consider | None = None) -> AsyncIterator[Examiner]:
        """An examiner at work in the block."""
        examiner = Examiner(self.service, consider)
        self.service.ledger.on_complete = examiner.notice
        task = asyncio.create_task(examiner.run())
        try:
            yield examiner
        finally:
            assert not task.done()
            task.cancel()
            await asyncio.wait((task,), timeout=5)
            assert task.cancelled()

    async def noted(self, *uploads: Upload, within: float = 5) -> list[int | None]:
        """The CRC-32 of each, once all are noted."""
        async with asyncio.timeout(within):
            while True:
                found = await self.infos.load_many([upload.id for upload in uploads][:1000])
                facts = [found[upload.id].facts.crc32 for upload in uploads[:1000]]
                if None not in facts:
                    return facts
                await asyncio.sleep(0.02)


class Asked:
    """Looks at nothing, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def __call__(self, upload: Upload) -> None:
        assert upload.is_complete
        assert upload.facts == Facts()
        self.ids.append(upload.id)
