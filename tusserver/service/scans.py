"""Uploads are looked at for viruses when every byte has come and before they are complete.

No lock is held meanwhile: bytes that are all here do not change. So a removal waits for nobody, the scan goes on when
the client that waited for it has gone, and whoever comes next finds it running or the upload complete.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from tusserver.protocol.errors import BackendError, Unavailable
from tusserver.protocol.refusals import Infected, Refusal, ScannerAway, UploadNotFound
from tusserver.protocol.uploads import Upload
from tusserver.stores.base import Store

log = logging.getLogger("tusserver.service")

# clamd works on ten streams at a time unless told otherwise, and others may use it too.
AT_ONCE = 8
# Seconds between two lines that say that nobody can look.
TOLD_EVERY = 10.0


class Scanner(Protocol):
    """Whoever knows viruses."""

    address: str

    async def scan(self, pieces: AsyncIterator[bytes]) -> str | None:
        """The name of what was found in the bytes, None if there is nothing. Raises Unavailable: nobody knows."""
        ...

    async def version(self) -> str:
        """What answers there, in one line. Raises Unavailable."""
        ...


class Scans:
    """The scans of one service, one at a time for each upload."""

    def __init__(
        self,
        scanner: Scanner | None,
        store: Store,
        *,
        complete: Callable[[str], Awaitable[Upload]],
        condemn: Callable[[str], Awaitable[None]],
    ) -> None:
        """
        Args:
            complete: writes that the upload is complete, once it was found to be clean.
            condemn: writes that it is of no use, and drops its bytes.
        """
        self._scanner, self._store = scanner, store
        self._complete, self._condemn = complete, condemn
        self._room = asyncio.Semaphore(AT_ONCE)
        self._running: dict[str, asyncio.Task[Upload]] = {}
        self._clean: set[str] = set()
        self._told_at = float("-inf")

    def is_due(self, upload: Upload) -> bool:
        """It has to be looked at before it is complete."""
        return self._scanner is not None and upload.offset > 0 and upload.id not in self._clean

    def begin(self, upload: Upload) -> asyncio.Task[Upload]:
        """Look at an upload whose bytes are all stored, then complete it, whoever waits for that."""
        running = self._running.get(upload.id)
        if running is None:
            running = self._running[upload.id] = asyncio.create_task(self._run(upload))
            running.add_done_callback(lambda task: self._ended(upload.id, task))
        return running

    async def outcome(self, upload: Upload, patience: float | None = None) -> Upload:
        """What becomes of an upload whose bytes are all stored; the upload itself if that is not known in time.

        Args:
            patience: seconds; None: as long as it takes.
        Raises:
            Infected: status 422; ScannerAway: status 503; UploadNotFound: status 404, it was removed meanwhile.
        """
        task = self.begin(upload)
        await asyncio.wait((task,), timeout=patience)
        if not task.done():
            return upload
        if task.cancelled():
            raise UploadNotFound("it was removed while it was looked at")
        return task.result()

    async def clear(self, upload: Upload) -> None:
        """Look at the bytes of an upload now; it can be completed then.

        Raises:
            Infected, ScannerAway: nothing was written.
        """
        if self._scanner is None or not self.is_due(upload):
            return
        async with self._room:
            try:
                found = await self._scanner.scan(self._store.read(upload.id, 0, upload.offset))
            except Unavailable as error:
                self._tell(upload, error)
                raise ScannerAway("every byte is stored; try again in a moment", headers={"Retry-After": "5"}) from None
        if found is not None:
            log.warning("upload %s, %r, carries a virus: %s", upload.id, upload.filename, found)
            raise Infected(found)
        self._clean.add(upload.id)

    def _tell(self, upload: Upload, error: Unavailable) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            cause = f": {error.__cause__}" if error.__cause__ else ""
            log.warning("upload %s and others cannot be looked at for viruses: %s%s", upload.id, error, cause)

    async def _run(self, upload: Upload) -> Upload:
        try:
            await self.clear(upload)
        except Infected:
            await self._condemn(upload.id)
            raise
        return await self._complete(upload.id)

    def _ended(self, id: str, task: asyncio.Task[Upload]) -> None:
        self._running.pop(id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Refusal | BackendError):
            log.error("the scan of upload %s failed", id, exc_info=error)

    def decided(self, id: str) -> None:
        """What has become of an upload is in its record."""
        self._clean.discard(id)

    def forget(self, id: str) -> None:
        """An upload is removed: nobody has to look at it any more."""
        self._clean.discard(id)
        if id in self._running:
            self._running[id].cancel()

    async def close(self) -> None:
        """End every scan; what was not finished is looked at again after the next start."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
