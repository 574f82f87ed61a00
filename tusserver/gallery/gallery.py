"""The images among the uploads: found by name, noticed when they come by any door, removed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tusserver.gallery.act import Act
from tusserver.gallery.parts import Files, Parts, Rules, StoredNames
from tusserver.imaging.base import Derived
from tusserver.imaging.images import Images
from tusserver.protocol.access import Caller
from tusserver.protocol.errors import NotFound
from tusserver.protocol.images import (
    FIRST_BYTES,
    ImageTooLarge,
    NotAnImage,
    Wish,
    image_type_of,
    suffix_of,
    type_of_suffix,
)
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.rules import judge_download
from tusserver.protocol.uploads import Kind, Upload
from tusserver.service import UploadService

log = logging.getLogger("tusserver.gallery")


class Gallery:
    """The images of one service.

    Args:
        folder: for files that live as long as a request.
        random: gives that many random bytes.
    """

    def __init__(
        self, service: UploadService, images: Images, rules: Rules, folder: Path, random: Callable[[int], bytes]
    ) -> None:
        self._service, self._images, self._rules = service, images, rules
        self._infos, self._store = service.ledger.infos, service.ledger.store
        self._files, self._names = Files(self._store, folder), StoredNames(self._infos, random)
        self._types = {type_of_suffix(suffix) for suffix in rules.allowed} - {None}
        # Uploads of acts that go on: they get their names there.
        self._acting: set[str] = set()
        self._forgetting: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Make ready."""
        await self._files.open()
        await self._images.open()

    async def close(self) -> None:
        """Release processes and threads."""
        await asyncio.gather(*self._forgetting, return_exceptions=True)
        await self._images.close()

    @asynccontextmanager
    async def act(self, caller: Caller) -> AsyncIterator[Act]:
        """Several files taken as one: what is not kept by the end of the block, see `Act.keep`, is removed."""
        act = Act(Parts(self._service, self._images, self._rules, self._names, self._files), caller, self._acting)
        try:
            yield act
        finally:
            await act.close()

    async def find(self, stored_filename: str) -> Upload:
        """The finished upload that is shown under a name.

        Raises:
            UploadNotFound: status 404.
        """
        try:
            found = await self._infos.image(stored_filename)
            judge_download(found, self._service.clock())
        except (NotFound, Refusal):
            raise no_such_image() from None
        return found

    async def derived(self, upload: Upload, wish: Wish) -> Derived:
        """The image in another size or format, made now if need be.

        Raises:
            NotFound: it was removed meanwhile.
            NotAnImage, ImageTooLarge, ImagesBusy, ImagesAway: it cannot be made.
        """
        async with self._files.of(upload) as path:
            return await self._images.derived(upload.id, path, wish)

    async def consider(self, upload: Upload) -> None:
        """Note that a complete upload is an image, if it is one that may be shown; whatever is odd about it is none.

        Previews are public by their address (unless the operator says otherwise), and the name that somebody gave a
        private upload is easily guessed. So the name of one that belongs to somebody gets random characters. By
        `POST /api/upload` people send what is to be shown; there the name stays as it is.

        Raises:
            BackendError, ImagesBusy, ImagesAway: it cannot be known now.
        """
        if upload.id in self._acting or not self._may_be_image(upload):
            return
        try:
            if not self._fits(upload, image_type_of(await self._first_bytes(upload.id))):
                return
            async with self._files.of(upload) as path:
                seen = await self._images.inspect(path, suffix_of(upload.filename or "") or None)
            # Another process may have looked at the same time, and told its name to a client.
            now = await self._infos.load(upload.id)
            if now.facts.image is None:
                await self._names.claim(now, now.filename or "", seen, is_secret=now.owner is not None)
        except (NotAnImage, ImageTooLarge, NotFound) as error:
            log.debug("%s is not shown as an image: %s", upload.id, error)

    def _may_be_image(self, upload: Upload) -> bool:
        is_whole = upload.is_complete and upload.kind is not Kind.PARTIAL
        return is_whole and upload.facts.image is None and 0 < upload.offset <= self._rules.max_size

    def _fits(self, upload: Upload, found: str | None) -> bool:
        """The type of the first bytes is one that is shown, and what the name promises, if that promises anything."""
        suffix = suffix_of(upload.filename or "")
        return found in self._types and (
            not suffix or (suffix in self._rules.allowed and type_of_suffix(suffix) == found)
        )

    async def _first_bytes(self, id: str) -> bytes:
        return b"".join([piece async for piece in self._store.read(id, 0, FIRST_BYTES)])

    async def remove(self, upload: Upload, caller: Caller) -> None:
        """Remove an image, its upload and everything that was made of it."""
        await self._service.terminate(upload.id, caller)
        await self._images.forget(upload.id)

    def forget(self, upload: Upload) -> None:
        """An upload was removed by whichever door: what was made of it, if it is an image, goes too.

        It is tidiness: an image is found by its record, so nothing is shown of one that is gone. Where another process
        removed it, what was made of it stays in the cache until that needs the room.
        """
        if upload.facts.image is not None:
            task = asyncio.get_running_loop().create_task(self._images.forget(upload.id))
            self._forgetting.add(task)
            task.add_done_callback(self._forgetting.discard)


def no_such_image() -> UploadNotFound:
    """The refusal of a name that no image has, or only one of somebody else."""
    return UploadNotFound("there is no image of this name")
