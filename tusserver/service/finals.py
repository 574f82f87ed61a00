"""Final uploads: made of partial ones, at once or as soon as the last of them is complete."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from weakref import WeakValueDictionary

from tusserver.protocol.errors import BackendError, Conflict, NotFound
from tusserver.protocol.refusals import BadParts, Refusal, UploadNotFound
from tusserver.protocol.rules import judge_final
from tusserver.protocol.uploads import Kind, State, Upload
from tusserver.service.ledger import Ledger

log = logging.getLogger("tusserver.service")

# Records of parts that are read before others get their turn: a list may name thousands.
TURN = 64


class Finals:
    """Joins parts. `status` gives the record of a part as it stands."""

    def __init__(self, ledger: Ledger, status: Callable[[str], Awaitable[Upload]], *, may_be_unfinished: bool) -> None:
        self._ledger, self._status = ledger, status
        self._may_be_unfinished = may_be_unfinished
        self._locks: WeakValueDictionary[tuple[str | None, ...], asyncio.Lock] = WeakValueDictionary()

    async def start(self, upload: Upload) -> Upload:
        """Make a final upload. The same POST again, whose answer was lost or is still awaited, gives the same upload.

        Raises:
            BadParts, UploadGone, TooLarge: the parts cannot be joined.
        """
        same = (upload.owner, upload.concat, upload.metadata)
        async with self._locks.setdefault(same, asyncio.Lock()):
            final = await self._same(upload) or await self._make(upload)
        return await self.join(final)

    async def _same(self, upload: Upload) -> Upload | None:
        same = await self._ledger.infos.same_final(upload)
        usable = same is not None and same.state is not State.FAILED and not same.is_expired(self._ledger.clock())
        return same if usable else None

    async def _make(self, upload: Upload) -> Upload:
        """The record and the place of a final upload, without bytes."""
        ledger = self._ledger
        found: dict[str, Upload] = {}
        for id in dict.fromkeys(upload.parts):
            if len(found) % TURN == TURN - 1:
                await asyncio.sleep(0)
            found[id] = await self._part(id, upload.owner)
        parts = [found[id] for id in upload.parts]
        limits = await ledger.limits_of(upload)
        length = judge_final(parts, limits, ledger.clock(), may_be_unfinished=self._may_be_unfinished)
        upload = replace(upload, length=length)
        await ledger.store.create(upload.id)
        try:
            await ledger.enter(upload, durable=False)
        except Conflict:
            if (same := await self._same(upload)) is None:
                raise
            return same  # another process was asked too
        return upload

    async def _part(self, id: str, owner: str | None) -> Upload:
        try:
            part = await self._status(id)
        except UploadNotFound:
            raise BadParts(f"there is no upload {id}", upload_id=id) from None
        if part.owner != owner:
            raise BadParts(f"there is no upload {id}", upload_id=id)
        return part

    async def join(self, upload: Upload) -> Upload:
        """Give a final upload its bytes if all of its parts have theirs; gives its record either way.

        Raises:
            BadParts, UploadGone, TooLarge: it can never be joined, which its record tells from now on.
        """
        ledger = self._ledger
        if not upload.is_open or upload.is_withheld or upload.is_expired(ledger.clock()):
            return upload
        parts = await self._parts_of(upload)
        if parts is not None and not all(part.is_complete for part in parts):
            return _with_length(upload, parts)
        async with ledger.held(upload.id):
            stored = await ledger.load(upload.id)
            if not stored.is_open or stored.is_withheld:
                return stored
            try:
                return await self._copy(stored, parts)
            except (NotFound, Refusal) as error:
                await ledger.infos.save(replace(stored, state=State.FAILED))
                if isinstance(error, NotFound):
                    raise BadParts("a part was removed") from error
                raise

    async def _copy(self, upload: Upload, parts: Sequence[Upload] | None) -> Upload:
        if parts is None:
            raise BadParts("a part was removed")
        ledger = self._ledger
        limits = await ledger.limits_of(replace(upload, length=None))
        judge_final(parts, limits, ledger.clock(), may_be_unfinished=False)
        length = await ledger.store.concatenate(upload.parts, upload.id)
        return await ledger.finish(replace(upload, length=length), length)

    async def join_those_of(self, part: Upload) -> None:
        """Join the final uploads that waited for this part, which is complete whatever becomes of them.

        One that cannot be joined at this moment is tried again by the sweeper.
        """
        if part.kind is not Kind.PARTIAL or not part.is_complete:
            return
        for final in await self._ledger.infos.finals_of(part.id):
            try:
                await self.join(final)
            except (Refusal, BackendError) as error:
                log.warning("final upload %s is not joined: %s", final.id, error)

    async def with_length(self, final: Upload) -> Upload:
        """A final upload with its length as soon as that of every part is known."""
        if final.length is not None:
            return final
        parts = await self._parts_of(final)
        return final if parts is None else _with_length(final, parts)

    async def _parts_of(self, final: Upload) -> list[Upload] | None:
        """The records of the parts in their order, None if one is gone. A part may be named many times."""
        found: dict[str, Upload] = {}
        for id in final.parts:
            if id in found:
                continue
            if len(found) % TURN == TURN - 1:
                await asyncio.sleep(0)
            try:
                found[id] = await self._ledger.infos.load(id)
            except NotFound:
                return None
        return [found[id] for id in final.parts]


def _with_length(final: Upload, parts: Sequence[Upload]) -> Upload:
    known = [part.length for part in parts if part.length is not None]
    return replace(final, length=sum(known)) if len(known) == len(parts) else final
