"""Uploads found by the filename their owner gave them. The newest of a name is the one that is meant.

Who sends something by an upload link chooses its name, but neither gets bytes of the owner's nor hides them.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from weakref import WeakValueDictionary

from tusserver.infos.base import Latest, NameTaken
from tusserver.protocol.access import Caller
from tusserver.protocol.filenames import FilenameInUse
from tusserver.protocol.refusals import UploadGone, UploadNotFound
from tusserver.protocol.requests import Creation
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import State, Upload
from tusserver.service.ledger import OF_NO_USE
from tusserver.service.sources import HeldBody
from tusserver.service.uploads import UploadService

UNFINISHED, FINISHED = (State.PENDING, State.RECEIVING), (State.COMPLETE,)


class Names:
    """The namespace of filenames that every owner has."""

    def __init__(self, service: UploadService) -> None:
        self._service = service
        self._infos = service.ledger.infos
        self._locks: WeakValueDictionary[tuple[str | None, str], asyncio.Lock] = WeakValueDictionary()

    async def newest(self, owner: str | None, filename: str) -> Upload:
        """The newest record with this name, whatever has become of it.

        Raises:
            UploadNotFound: status 404.
        """
        return self._found(await self._infos.newest(owner, filename), filename)

    async def finished(self, owner: str | None, filename: str) -> Upload:
        """The newest finished upload of this name that the owner began; one by a link only where there is none.

        Raises:
            UploadNotFound: status 404.
        """
        own = await self._infos.newest(owner, filename, FINISHED, by_link=False)
        return self._found(own or await self._infos.newest(owner, filename, FINISHED), filename)

    async def newest_to_write(self, owner: str | None, filename: str) -> Upload:
        """The newest record with this name that the owner began.

        Raises:
            UploadNotFound: status 404.
        """
        return self._found(await self._infos.newest(owner, filename, by_link=False), filename)

    def _found(self, found: Upload | None, filename: str) -> Upload:
        if found is None:
            raise UploadNotFound(f"there is no upload of the filename {filename!r}", filename=filename)
        return found

    async def start(self, creation: Creation, grant: Grant, caller: Caller) -> tuple[Upload, bool]:
        """Make an upload of a name, or find the unfinished one that it goes on with.

        Side by side, in one process or in several, starts of one name find one upload.

        Returns:
            the upload as it stands, and whether it is new.
        Raises:
            FilenameInUse: status 409, there is another upload of that name, and it is not to be overwritten.
        """
        name = creation.filename or ""
        async with self._locks.setdefault((grant.owner, name), asyncio.Lock()):
            while True:
                started = await self._infos.newest(grant.owner, name, UNFINISHED, by_link=False)
                present = await self._present(started, grant.owner, name, caller)
                if present is not None and goes_on(creation, present):
                    return await self._with_checksum(present, creation.whole), False
                latest = Latest(None if started is None else started.id)
                try:
                    made = await self._service.start(creation, HeldBody(b""), grant, latest=latest)
                except NameTaken:
                    continue  # another process was first, and what it began is the one to look at
                break
            # Last, so that what is refused ends nothing.
            if present is not None and not present.is_complete:
                await self._service.terminate(present.id, caller)
        return made, True

    async def _present(self, started: Upload | None, owner: str | None, name: str, caller: Caller) -> Upload | None:
        """The newest upload of a name that is finished, or that was started and can be."""
        finished = await self._infos.newest(owner, name, FINISHED)
        if started is None or (finished is not None and finished.created_at > started.created_at):
            return finished
        try:
            return await self._service.status(started.id, caller, nudge=False)
        except (UploadGone, UploadNotFound, *OF_NO_USE):
            return finished

    async def _with_checksum(self, present: Upload, whole: str | None) -> Upload:
        """The upload with a checksum of the whole that it may not have been begun with."""
        if whole is None or present.checksum is not None:
            return present
        ledger = self._service.ledger
        async with ledger.held(present.id) as hold:
            upload = await ledger.settled(await ledger.load(present.id), hold)
            if upload.checksum is None and not upload.is_complete:
                upload = replace(upload, checksum=whole)
                await ledger.infos.save(upload)
        return upload


def goes_on(wish: Creation, present: Upload) -> bool:
    """The wish is for the unfinished upload that is there: the same size, and no other checksum.

    The wish to overwrite, said again, does not end what it began.

    Raises:
        FilenameInUse: status 409, it is for another one, which may not take the place of this.
    """
    is_same = wish.length == present.length and (
        wish.whole is None or present.checksum is None or wish.whole == present.checksum
    )
    if not present.is_complete and is_same and (present.overwrites or not wish.overwrites):
        return True
    if not wish.overwrites:
        raise FilenameInUse(
            "the upload of this filename is finished; say overwrite to replace it"
            if present.is_complete
            else "the unfinished upload of this filename has another size or checksum; say overwrite to end it",
            filename=wish.filename,
            upload_id=present.id,
            offset=present.offset,
            size=present.length,
        )
    return False
