"""The rules of the protocol: (request value, upload, limits, now) to an acceptance or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tusserver.protocol.refusals import (
    BadParts,
    FinalUnchangeable,
    LengthBelowOffset,
    LengthFixed,
    OffsetMismatch,
    PastLength,
    TooLarge,
    UploadFailed,
    UploadFinished,
    UploadGone,
    UploadIncomplete,
)
from tusserver.protocol.requests import Append, BodyFacts, Creation
from tusserver.protocol.uploads import Kind, State, Upload

# A length beyond this fits no file and no 64-bit column.
LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows.

    Attributes:
        max_size: bytes of one upload at most, None: whatever fits.
        expires_after: how long an unfinished upload is kept after its last byte, None: for ever.
    """

    max_size: int | None = None
    expires_after: timedelta | None = None

    @property
    def ceiling(self) -> int:
        """No upload is larger than this many bytes."""
        return LARGEST if self.max_size is None else min(self.max_size, LARGEST)

    def expires_at(self, now: datetime) -> datetime | None:
        """When an unfinished upload that was touched at `now` runs out."""
        return None if self.expires_after is None else now + self.expires_after


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to make an upload.

    Attributes:
        owner: whom it will belong to, None where nobody is asked.
        link: id of the upload link it is made by.
        max_size: what the link allows.
        types: content types the link takes (``"image/png"``, ``"image/*"``), empty: every one.
        announce: URL that hears of the completion.
        announce_key: secret that signs what it hears.
    """

    owner: str | None = None
    link: str | None = None
    max_size: int | None = None
    types: tuple[str, ...] = ()
    announce: str | None = None
    announce_key: str | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """An accepted append: how many bytes may come, and why no more."""

    size: int
    length: int | None
    ceiling: int

    def refusal(self, offset: int) -> PastLength | TooLarge:
        """What a client is told that sends more, when the upload stands at `offset`."""
        if self.length is not None:
            return PastLength(offset, self.length)
        return TooLarge(offset + self.size + 1, self.ceiling)


def check_size(size: int | None, limits: Limits) -> None:
    """An upload of `size` bytes is not too large. The one check for every door.

    Raises:
        TooLarge: status 413.
    """
    if size is not None and size > limits.ceiling:
        raise TooLarge(size, limits.ceiling)


def narrowed(limits: Limits, max_size: int | None) -> Limits:
    """The limits with a `max_size` that is not above the given one."""
    if max_size is None or max_size >= limits.ceiling:
        return limits
    return replace(limits, max_size=max_size)


def judge_creation(creation: Creation, limits: Limits) -> None:
    """A new upload, and the first bytes that come along, may be stored.

    Raises:
        TooLarge, PastLength: status 413.

    Source: tus 1.0.0, extensions Creation, Creation With Upload.
    """
    check_size(creation.length, limits)
    if creation.body is not None:
        room_of(creation.body, 0, creation.length, limits)


def room_of(body: BodyFacts, offset: int, length: int | None, limits: Limits) -> Room:
    """How much of `body` fits behind `offset`.

    Raises:
        PastLength, TooLarge: status 413, its declared length is more than that.
    """
    end = limits.ceiling if length is None else length
    # The operator may have lowered the ceiling below what is stored.
    room = Room(max(0, end - offset), length, limits.ceiling)
    if body.length is not None and body.length > room.size:
        raise room.refusal(offset)
    return room


def check_alive(upload: Upload, now: datetime) -> None:
    """The upload's time did not run out.

    Raises:
        UploadGone: status 410.

    Source: tus 1.0.0, extension Expiration.
    """
    if upload.is_expired(now):
        raise UploadGone(f"the upload expired at {upload.expires_at:%Y-%m-%dT%H:%M:%SZ}")


def check_usable(upload: Upload, now: datetime) -> None:
    """The upload's time did not run out, and it came to its checksum.

    Raises:
        UploadGone, UploadFailed: status 410.
    """
    check_alive(upload, now)
    if upload.state is State.FAILED and upload.kind is not Kind.FINAL:
        raise UploadFailed()


def judge_append(append: Append, upload: Upload, limits: Limits, now: datetime) -> Room:
    """Bytes may be added.

    An append at the end of a complete upload with no bytes is harmless and has room for none.

    Raises:
        UploadGone: status 410.
        FinalUnchangeable, UploadFinished: status 403.
        OffsetMismatch: status 409.
        LengthFixed, LengthBelowOffset: status 400.
        PastLength, TooLarge: status 413.

    Source: tus 1.0.0, PATCH; extensions Creation (deferred length), Concatenation, Expiration.
    """
    check_usable(upload, now)
    if upload.kind is Kind.FINAL:
        raise FinalUnchangeable("PATCH of a final upload is not allowed")
    if append.offset != upload.offset:
        raise OffsetMismatch(append.offset, upload.offset)
    length = judge_length(append.length, upload, limits)
    if upload.is_complete and not append.body.is_empty:
        raise UploadFinished(f"all {upload.length} bytes are stored", offset=upload.offset, length=upload.length)
    return room_of(append.body, upload.offset, length, limits)


def judge_early(append: Append, upload: Upload, limits: Limits, now: datetime) -> None:
    """Bytes may perhaps be added, while somebody else may still be adding: an offset ahead of the record is let pass.

    Whatever is refused here is refused without disturbing the present writer. A browser sends a PATCH again, with the
    old offset, when its connection is reset.

    Raises:
        Refusal: as `judge_append`, which has the last word once the lock is held.
    """
    end = limits.ceiling if upload.length is None else upload.length
    if upload.is_complete or upload.kind is Kind.FINAL or not upload.offset < append.offset <= end:
        judge_append(append, upload, limits, now)
    else:
        check_usable(upload, now)
        judge_length(append.length, upload, limits)


def judge_length(told: int | None, upload: Upload, limits: Limits) -> int | None:
    """The length of the upload after `told` came with a PATCH.

    Raises:
        LengthFixed, LengthBelowOffset: status 400.
        TooLarge: status 413.

    Source: tus 1.0.0, extension Creation, field Upload-Defer-Length.
    """
    if told is None or told == upload.length:
        return upload.length
    if upload.length is not None:
        raise LengthFixed(told, upload.length)
    check_size(told, limits)
    if told < upload.offset:
        raise LengthBelowOffset(told, upload.offset)
    return told


def judge_final(parts: Sequence[Upload], limits: Limits, now: datetime, *, may_be_unfinished: bool) -> int | None:
    """The parts can be joined; gives the length of the whole, None while that of a part is not known.

    Raises:
        BadParts: status 400, one is not partial or, unless that is allowed, not complete.
        UploadGone: status 410.
        TooLarge: status 413, the sum.

    Source: tus 1.0.0, extension Concatenation.
    """
    for part in parts:
        check_usable(part, now)
        if part.kind is not Kind.PARTIAL:
            raise BadParts(f"{part.id} is a {part.kind} upload, not a partial one", upload_id=part.id)
        if not part.is_complete and not may_be_unfinished:
            raise BadParts(f"{part.id} is not complete", upload_id=part.id, offset=part.offset)
    # It will have at least what a part of unknown length has already.
    least = sum(part.offset if part.length is None else part.length for part in parts)
    check_size(least, limits)
    return None if any(part.length is None for part in parts) else least


def judge_download(upload: Upload, now: datetime) -> None:
    """The bytes may be read.

    Raises:
        UploadGone: status 410.
        UploadIncomplete: status 409.
    """
    check_usable(upload, now)
    if not upload.is_complete:
        raise UploadIncomplete(upload.offset, upload.length)


def new_upload(id: str, creation: Creation, limits: Limits, now: datetime, grant: Grant) -> Upload:
    """The record of a new upload before any byte has come."""
    metadata = creation.metadata
    # A part is nothing to its receiver; the whole is told.
    is_told = grant.announce is not None and creation.kind is not Kind.PARTIAL
    return Upload(
        id=id,
        created_at=now,
        updated_at=now,
        length=creation.length,
        kind=creation.kind,
        concat=creation.concat if creation.kind is Kind.FINAL else None,
        metadata=metadata.field if metadata else None,
        filename=creation.filename or (metadata.filename if metadata else None),
        content_type=creation.content_type or (metadata.content_type if metadata else None),
        owner=grant.owner,
        link=grant.link,
        checksum=creation.whole,
        overwrites=creation.overwrites,
        announce=grant.announce if is_told else None,
        announce_key=grant.announce_key if is_told else None,
        types=grant.types,
        expires_at=limits.expires_at(now),
    )


def advanced(upload: Upload, offset: int, length: int | None, limits: Limits, now: datetime) -> Upload:
    """The upload with bytes up to `offset` stored and verified; complete when that is its length.

    A complete upload outlives the date its unfinished form was given. A partial one keeps a date: it exists only to
    be joined, and nobody would ever remove it.
    """
    is_complete = length is not None and offset == length
    state = State.COMPLETE if is_complete else State.RECEIVING if offset else State.PENDING
    lasts = is_complete and upload.kind is not Kind.PARTIAL
    return replace(
        upload,
        offset=offset,
        length=length,
        state=state,
        unverified=False,
        updated_at=now,
        expires_at=None if lasts else limits.expires_at(now),
        completed_at=now if is_complete else None,
    )
