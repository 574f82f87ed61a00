"""Numbered chunks of the plain REST door: in order, whole or not at all, the last one repeatable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from tusserver.protocol.refusals import Refusal
from tusserver.protocol.uploads import Upload

# People count from 0 and from 1.
FIRST = (0, 1)


class ChunkOutOfOrder(Refusal):
    """Another chunk is the next."""

    status, code, title = 409, "chunk-out-of-order", "This is not the next chunk"

    def __init__(self, sent: int, upload: Upload) -> None:
        following = next_index(upload)
        super().__init__(
            f"chunk {sent} was sent, but chunk {following} is the next; {upload.offset} bytes are stored",
            next_chunk_index=following,
            offset=upload.offset,
        )


class OffsetMoved(Refusal):
    """Bytes came by another door since the last chunk, so a number alone does not say where the chunk belongs."""

    status, code, title = 409, "offset-moved", "Bytes came by another way since the last chunk"

    def __init__(self, upload: Upload) -> None:
        super().__init__(
            f"the upload stands at {upload.offset}; send the chunk again with that offset if it belongs there",
            next_chunk_index=next_index(upload),
            offset=upload.offset,
        )


class ChunkMisplaced(Refusal):
    """The offset told is not where the upload stands; the code is that of tus, the facts those of chunks."""

    status, code, title = 409, "offset-mismatch", "The offset is not where the upload stands"

    def __init__(self, sent: int, upload: Upload) -> None:
        super().__init__(
            f"the offset was {sent}, but {upload.offset} bytes are stored; continue there",
            next_chunk_index=next_index(upload),
            offset=upload.offset,
        )


class Placement(Enum):
    """What to do with a chunk."""

    APPEND = auto()
    COMPARE = auto()  # it is the last one again: the same bytes change nothing


@dataclass(frozen=True, slots=True)
class Numbered:
    """Where a client believes its chunk belongs; at least one of the two is told."""

    index: int | None = None
    offset: int | None = None


def next_index(upload: Upload) -> int:
    """The number of the chunk that comes next."""
    return 0 if upload.last_chunk is None else upload.last_chunk.index + 1


def check_order(told: Numbered, upload: Upload) -> None:
    """The number told is that of the next chunk or of the last one; judged before anybody is disturbed.

    Raises:
        ChunkOutOfOrder: status 409.
    """
    last = upload.last_chunk
    if told.index is None or told.index == next_index(upload):
        return
    if told.index not in (FIRST if last is None else (last.index,)):
        raise ChunkOutOfOrder(told.index, upload)


def judge_chunk(told: Numbered, upload: Upload) -> Placement:
    """Where the chunk goes.

    Raises:
        ChunkOutOfOrder, OffsetMoved, ChunkMisplaced: status 409.
    """
    check_order(told, upload)
    last = upload.last_chunk
    if last is not None and told.index == last.index:
        if told.offset in (None, last.start) and upload.offset == last.end:
            return Placement.COMPARE
        raise ChunkOutOfOrder(last.index, upload)
    if told.offset is None and upload.offset != (0 if last is None else last.end):
        raise OffsetMoved(upload)
    if told.offset is not None and told.offset != upload.offset:
        raise ChunkMisplaced(told.offset, upload)
    return Placement.APPEND
