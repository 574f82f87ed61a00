"""Final uploads: made of partial ones, at once or as soon as the last of them is complete."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from tusserver.protocol.errors import NotFound
from tusserver.protocol.refusals import BadParts, Refusal, UploadNotFound
from tusserver.protocol.rules import judge_final
from tusserver.protocol.uploads import Kind, State, Upload
from tusserver.service.ledger import Ledger

log = logging.getLogger("tusserver.service")


class Finals:
    """Joins parts. `status` gives the record of a part as it stands."""

    def __init__(self, ledger: Ledger, status: Callable[[str], Awaitable[Upload]], *, may_be_unfinished: bool) -> None:
        self._ledger, self._status = ledger, status
        self._may_be_unfinished = may_be_unfinished

    async def start(self, upload: Upload) -> Upload:
        """Make a final upload. The same POST again, whose answer was lost, gives the same upload.

        Raises:
            BadParts, UploadGone, TooLarge: the parts cannot be joined.
        """
        ledger = self._ledger
        same = await ledger.infos.same_final(upload)
        if same is not None and same.state is not State.FAILED and not same.is_expired(ledger.clock()):
            return await self.join(same)
        parts = [await self._part(id, upload.owner) for id in upload.parts]
        limits, now = ledger.policy.limits, ledger.clock()
        length = judge_final(parts, limits, now, may_be_unfinished=self._may_be_unfinished)
        upload = replace(upload, length=length)
        await ledger.store.create(upload.id)
        await ledger.create(upload, durable=False)
        return await self.join(upload)

    async def _part(self, id: str, owner: str | None) -> Upload:
        try:
            part = await self._status(id)
        except UploadNotFound:
            raise BadParts(f"there is no upload {id}", upload_id=id) from None
        if part.owner != owner:
            raise BadParts(f"there is no upload {id}", upload_id=id)
        return part

    async def join(self, upload: Upload) -> Upload:
        """Give a final upload its bytes if all of its parts have theirs; gives its record either way."""
        upload = await self.with_length(upload)
        if upload.is_complete or upload.length is None:
            return upload
        ledger = self._ledger
        try:
            parts = [await ledger.infos.load(id) for id in dict.fromkeys(upload.parts)]
        except NotFound:
            return upload
        if not all(part.is_complete for part in parts):
            return upload
        async with ledger.held(upload.id):
            stored = await ledger.load(upload.id)
            if stored.is_complete:
                return stored
            judge_final(parts, ledger.policy.limits, ledger.clock(), may_be_unfinished=False)
            return await ledger.finish(upload, await ledger.store.concatenate(upload.parts, upload.id))

    async def join_those_of(self, part: Upload) -> None:
        """Join the final uploads that waited for this part."""
        if part.kind is not Kind.PARTIAL or not part.is_complete:
            return
        for final in await self._ledger.infos.finals_of(part.id):
            try:
                await self.join(final)
            except Refusal as refusal:
                log.warning("final upload %s cannot be joined: %s", final.id, refusal)
                await self._ledger.infos.save(replace(final, state=State.FAILED))

    async def with_length(self, final: Upload) -> Upload:
        """A final upload with its length as soon as that of every part is known."""
        if final.length is not None:
            return final
        try:
            lengths = [(await self._ledger.infos.load(id)).length for id in final.parts]
        except NotFound:
            return final
        known = [length for length in lengths if length is not None]
        return replace(final, length=sum(known)) if len(known) == len(lengths) else final
