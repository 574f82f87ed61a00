"""The record of an upload: a value that every layer speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What an upload is to concatenation. tus 1.0.0, extension Concatenation."""

    REGULAR = "regular"
    PARTIAL = "partial"
    FINAL = "final"


class State(StrEnum):
    """How far an upload has come."""

    PENDING = "pending"  # created, no byte stored
    RECEIVING = "receiving"  # some bytes stored
    COMPLETE = "complete"  # every byte stored; never changes again
    FAILED = "failed"  # cannot be completed any more


@dataclass(frozen=True, slots=True)
class Chunk:
    """The numbered chunk that came last by the plain REST door: its bytes lie from `start` up to `end`."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Image:
    """What is known of a complete upload that is an image and may be shown.

    Attributes:
        stored_filename: its name under `upload_url_path`; no two uploads have the same.
        content_type: of its bytes, whatever was declared.
        width, height: pixels as displayed, the orientation applied.
    """

    stored_filename: str
    content_type: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about the bytes of a complete upload, which never change.

    Attributes:
        crc32: of all bytes; None: nobody has looked at them yet.
        image: None: it is none, or nobody has looked yet.
    """

    crc32: int | None = None
    image: Image | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload. A change makes a new value (`dataclasses.replace`); times are aware UTC.

    Attributes:
        id: 22 characters of `[A-Za-z0-9_-]`, 128 random bits.
        created_at, updated_at: of the record; `updated_at` moves with every commit.
        length: bytes the finished upload has; None while the client has not told it.
        offset: bytes stored and verified.
        metadata: the `Upload-Metadata` field exactly as received, None if there was none.
        filename, content_type: labels taken from the metadata, never a path; None if not told.
        parts: ids of the parts of a final upload, in their order.
        concat: the `Upload-Concat` field of a final upload exactly as received.
        expires_at: from then on it is gone, a complete one too (partial, or being removed); None: never.
        owner: the `sub` of the token it was made with; None: nobody was asked.
        link: id of the upload link it was made by; who knows its address may write.
        checksum: what the whole must come to, as ``"sha256:<hex>"``, None if nobody said.
        overwrites: it replaces the owner's finished upload of the same filename when it is complete.
        last_chunk: see Chunk; None before the first.
        announce: URL that has still to be told of its completion, None: nobody has.
        types: content types that the link takes, empty: every one; they hold when the link is gone too.
        facts: see Facts.
        announce_key: secret of the link that it was made by, which signs what is told; known to the link's owner.
        unverified: a checksummed chunk is being written behind `offset`; after a crash what lies there is cut off.
    """

    id: str
    created_at: datetime
    updated_at: datetime
    length: int | None = None
    offset: int = 0
    state: State = State.PENDING
    kind: Kind = Kind.REGULAR
    parts: tuple[str, ...] = ()
    concat: str | None = None
    metadata: str | None = None
    owner: str | None = None
    filename: str | None = None
    content_type: str | None = None
    expires_at: datetime | None = None
    completed_at: datetime | None = None
    unverified: bool = False
    link: str | None = None
    checksum: str | None = None
    overwrites: bool = False
    last_chunk: Chunk | None = None
    announce: str | None = None
    announce_key: str | None = None
    types: tuple[str, ...] = ()
    facts: Facts = Facts()

    def __post_init__(self) -> None:
        if self.offset < 0 or (self.length is not None and self.offset > self.length):
            raise ValueError(f"offset {self.offset} is outside 0 to length {self.length}")

    @property
    def is_complete(self) -> bool:
        """All bytes are stored."""
        return self.state is State.COMPLETE

    @property
    def is_open(self) -> bool:
        """Bytes may still come."""
        return self.state in (State.PENDING, State.RECEIVING)

    @property
    def is_withheld(self) -> bool:
        """Every byte is stored, and something has still to look at them before it is complete."""
        return self.is_open and self.offset > 0 and self.offset == self.length

    @property
    def remaining(self) -> int | None:
        """Bytes still to come; None while the length is not known."""
        return None if self.length is None else self.length - self.offset

    def is_expired(self, now: datetime) -> bool:
        """Its time ran out at `now`. A complete upload has no expiry unless it is partial or being removed."""
        return self.expires_at is not None and now >= self.expires_at
