"""What the stored bytes of an upload are held against. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tusserver.protocol.checksums import Checksum, new_hasher
from tusserver.protocol.content import check_content
from tusserver.protocol.digests import DigestMismatch
from tusserver.protocol.signatures import ENOUGH
from tusserver.protocol.uploads import Kind, Upload
from tusserver.service.sources import Ending, Source
from tusserver.stores.base import Store
from tusserver.workers import Workers


class Checks:
    """Of one service, whose operator takes `types`; empty: every one."""

    def __init__(self, store: Store, digests: Workers, types: Sequence[str]) -> None:
        self._store, self._digests = store, digests
        self._types = types

    def types_of(self, upload: Upload) -> list[Sequence[str]]:
        """The lists of content types that an upload is held to: the operator's, and that of its link. None for parts:
        what they begin with is the middle of something."""
        if upload.kind is Kind.PARTIAL:
            return []
        return [types for types in (self._types, upload.types) if types]

    async def head(self, upload: Upload) -> bytes:
        """The first bytes of an upload, as many as tell its type."""
        return b"".join([data async for data in self._store.read(upload.id, 0, min(upload.offset, ENOUGH))])

    async def type(self, upload: Upload) -> None:
        """The first bytes are of the type that was declared, or of one that is taken.

        Raises:
            ContentTypeMismatch: status 415.
        """
        lists = self.types_of(upload)
        head = await self.head(upload) if lists else b""
        for types in lists:
            check_content(upload.content_type, head, types)

    async def digest(self, upload: Upload, wanted: Checksum) -> None:
        """The bytes come to a digest of the whole.

        Raises:
            DigestMismatch: status 422.
        """
        hasher = new_hasher(wanted.algorithm)
        async for data in self._store.read(upload.id, 0, upload.offset):
            await self._digests.run(partial(hasher.update, data))
        if not wanted.holds(hasher):
            raise DigestMismatch(f"the {wanted.algorithm} digest of the whole does not match; begin again")

    async def has(self, id: str, start: int, end: int, source: Source) -> bool:
        """The body that comes is exactly what is stored from `start` up to `end`; it is read as far as it agrees."""
        await source.accept()
        stored = self._store.read(id, start, end)
        have = b""
        while data := await source.read():
            while len(have) < len(data) and (more := await anext(stored, b"")):
                have += more
            if not have.startswith(data):
                return False
            have = have[len(data) :]
        return source.ending is Ending.WHOLE and not have and not await anext(stored, b"")
