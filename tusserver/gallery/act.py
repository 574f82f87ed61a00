"""`POST /api/upload`: several files that are kept all or none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from tusserver.gallery.parts import Parts
from tusserver.imaging.base import Seen
from tusserver.protocol.access import Caller
from tusserver.protocol.errors import BackendError
from tusserver.protocol.images import FIRST_BYTES, ImageTooLarge, judge_extension, judge_type, suffix_of
from tusserver.protocol.metadata import clean_filename, make_metadata
from tusserver.protocol.refusals import BodyCut, Busy, Refusal
from tusserver.protocol.requests import Append, BodyFacts, Creation
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import State, Upload
from tusserver.service import Ending, HeldBody, LookedAt, Source

log = logging.getLogger("tusserver.gallery")

# Room for the longest name and type that there can be.
MOST_METADATA = 1 << 13


class Act:
    """Files that are kept all or none.

    While any of them can be refused none is complete. One that has come stands in its record as unverified bytes, which
    count for nothing, so what a crash leaves behind are unfinished uploads, and they expire. Its lock is held until
    everything is decided: nobody else adds to it, completes it or removes it after it was looked at.
    """

    def __init__(self, parts: Parts, caller: Caller, acting: set[str]) -> None:
        """
        Args:
            acting: uploads of acts that go on, this one's too.
        """
        self._parts, self._caller, self._acting = parts, caller, acting
        self._service, self._ledger = parts.service, parts.service.ledger
        self._begun: list[str] = []
        self._arrived: list[Arrived] = []
        self._held: set[str] = set()
        self._locks = AsyncExitStack()
        self._is_kept = False

    async def take(self, filename: str, source: Source) -> None:
        """Receive one more file.

        Args:
            filename: as the client sent it.
        Raises:
            BadExtension, NotAnImage: status 415.
            ImageTooLarge, TooLarge: status 413, as soon as too many bytes have come.
            Infected: status 422; ScannerAway: status 503.
            Refusal: whatever else a new upload may be refused for.
        """
        rules, label = self._parts.rules, clean_filename(filename) or ""
        promised = judge_extension(label, rules.allowed)
        judged = Judged(source, promised, rules.max_size)
        id = await self._begin(label, promised)
        try:
            await self._service.append(id, Append(0, BodyFacts(length=None)), judged, self._caller)
        except BodyCut:
            raise judged.refusal or BodyCut("the form was cut off; nothing of it was kept") from None
        await self._locks.enter_async_context(self._ledger.held(id, take_over=False))
        self._held.add(id)
        upload = await self._ledger.load(id)
        if upload.offset != judged.size or not upload.is_open:
            raise Busy("another request is writing this upload")
        # What else may refuse it when it is completed does so now, while nothing of the act is.
        await self._ledger.checks.type(upload)
        await self._ledger.scans.clear(upload)
        seen, size = await self._look(upload, suffix_of(label))
        upload = replace(upload, length=size, offset=0, state=State.PENDING, unverified=True)
        await self._ledger.save(upload)
        self._arrived.append(Arrived(upload, filename, size, seen))

    async def _look(self, upload: Upload, suffix: str) -> tuple[Seen, int]:
        """What the image is and the bytes it has, written anew if the operator wishes."""
        images, files = self._parts.images, self._parts.files
        async with files.of(upload) as path:
            seen = await images.inspect(path, suffix)
            if not self._parts.rules.optimise:
                return seen, upload.offset
            async with files.scratch() as folder:
                better = await images.optimise(path, folder / upload.id)
                if better is None:
                    return seen, upload.offset
                return better, await files.rewrite(upload, folder / upload.id)

    async def _begin(self, label: str, content_type: str) -> str:
        creation = Creation(
            is_deferred=True,
            metadata=make_metadata({"filename": label, "filetype": content_type}, MOST_METADATA),
            filename=label,
            content_type=content_type,
        )
        grant = Grant(owner=self._caller.require(), max_size=self._parts.rules.max_size)
        upload = await self._service.start(creation, HeldBody(b""), grant)
        self._begun.append(upload.id)
        self._acting.add(upload.id)
        return upload.id

    async def keep(self) -> list[Upload]:
        """Complete every file and give it its name; gives their records in the order in which they came."""
        finished = await _all([self._ledger.finish(one.upload, one.size) for one in self._arrived])
        pairs = zip(finished, self._arrived, strict=True)
        claim = partial(self._parts.names.claim, is_secret=False)
        named = await _all([claim(upload, one.filename, one.seen) for upload, one in pairs])
        self._is_kept = True
        return named

    async def close(self) -> None:
        """Let go of everything; what is not kept is removed."""
        try:
            async with self._locks:
                if not self._is_kept:
                    for id in self._begun:
                        await self._remove(id)
        finally:
            self._acting.difference_update(self._begun)

    async def _remove(self, id: str) -> None:
        try:
            if id in self._held:
                await self._ledger.remove(await self._ledger.load(id))
            else:
                await self._service.terminate(id, self._caller)
        except (Refusal, BackendError) as error:
            log.warning("%s, of a form that was refused, stays until it expires: %s", id, error)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file of an act that was looked at: its record, its name as sent, its bytes, and what was seen."""

    upload: Upload
    filename: str
    size: int
    seen: Seen


class Judged(LookedAt):
    """A `Source` that ends as soon as it is more than an image may have, or begins as something else.

    Attributes:
        size: bytes that were let through.
        refusal: why it was given up.
    """

    def __init__(self, source: Source, promised: str, most: int) -> None:
        super().__init__(source)
        self._promised, self._most = promised, most
        self._first: bytes | None = b""  # None once it is judged
        self.size = 0
        self.refusal: Refusal | None = None

    async def read(self) -> bytes:
        """What has arrived, as long as it may be part of an image."""
        if self.refusal is not None:
            return b""
        data = await super().read()
        try:
            self._judge(data)
        except Refusal as refusal:
            self.refusal = refusal
            return b""
        self.size += len(data)
        return data

    def _judge(self, data: bytes) -> None:
        if self.size + len(data) > self._most:
            raise ImageTooLarge("bytes", self._most)
        if self._first is not None:
            self._first += data[:FIRST_BYTES]
            if len(self._first) >= FIRST_BYTES or self._source.ending is Ending.WHOLE:
                judge_type(self._promised, self._first)
                self._first = None

    @property
    def ending(self) -> Ending | None:
        """Why `read` gave b"": to who receives it, what is given up is as good as cut off."""
        return Ending.CUT if self.refusal is not None else super().ending

    def trailer(self, name: str) -> list[str]:
        """A part of a form has none."""
        return []


T = TypeVar("T")


async def _all(acts: list[Coroutine[Any, Any, T]]) -> list[T]:
    """What each of them gives; raises only once every one has ended."""
    ended = await asyncio.gather(*acts, return_exceptions=True)
    failures = [one for one in ended if isinstance(one, BaseException)]
    if failures:
        raise failures[0]
    return [one for one in ended if not isinstance(one, BaseException)]
