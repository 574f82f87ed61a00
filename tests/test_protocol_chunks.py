"""Where a numbered chunk goes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tusserver.protocol.chunks import (
    ChunkMisplaced,
    ChunkOutOfOrder,
    Numbered,
    OffsetMoved,
    Placement,
    check_order,
    judge_chunk,
    next_index,
)
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.uploads import Chunk, State, Upload

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_upload(offset: int, last: Chunk | None = None) -> Upload:
    return Upload("id", NOW, NOW, length=100, offset=offset, state=State.RECEIVING, last_chunk=last)


NEW = an_upload(0)
BY_TUS = an_upload(10)
LAST = Chunk(3, 20, 30)
AFTER = an_upload(30, LAST)
MOVED = an_upload(40, LAST)  # bytes came by tus behind the last chunk
SHORT = an_upload(25, LAST)  # a power cut took some of them


@pytest.mark.parametrize(
    ("told", "upload", "placement"),
    [
        (Numbered(0), NEW, Placement.APPEND),
        (Numbered(1), NEW, Placement.APPEND),
        (Numbered(0, 0), NEW, Placement.APPEND),
        (Numbered(None, 0), NEW, Placement.APPEND),
        (Numbered(0, 10), BY_TUS, Placement.APPEND),
        (Numbered(None, 10), BY_TUS, Placement.APPEND),
        (Numbered(4), AFTER, Placement.APPEND),
        (Numbered(4, 30), AFTER, Placement.APPEND),
        (Numbered(None, 30), AFTER, Placement.APPEND),
        (Numbered(3), AFTER, Placement.COMPARE),
        (Numbered(3, 20), AFTER, Placement.COMPARE),
        (Numbered(4, 40), MOVED, Placement.APPEND),
        (Numbered(4, 25), SHORT, Placement.APPEND),
    ],
)
def test_a_chunk_that_fits_is_appended_or_compared(told: Numbered, upload: Upload, placement: Placement) -> None:
    assert judge_chunk(told, upload) is placement


@pytest.mark.parametrize(
    ("told", "upload", "kind"),
    [
        (Numbered(2), NEW, ChunkOutOfOrder),
        (Numbered(2, 0), NEW, ChunkOutOfOrder),
        (Numbered(2), AFTER, ChunkOutOfOrder),
        (Numbered(5), AFTER, ChunkOutOfOrder),
        (Numbered(0), AFTER, ChunkOutOfOrder),
        (Numbered(3, 30), AFTER, ChunkOutOfOrder),
        (Numbered(3), MOVED, ChunkOutOfOrder),
        (Numbered(3), SHORT, ChunkOutOfOrder),
        (Numbered(0), BY_TUS, OffsetMoved),
        (Numbered(4), MOVED, OffsetMoved),
        (Numbered(4), SHORT, OffsetMoved),
        (Numbered(0, 9), BY_TUS, ChunkMisplaced),
        (Numbered(4, 20), AFTER, ChunkMisplaced),
        (Numbered(None, 20), AFTER, ChunkMisplaced),
        (Numbered(4, 30), MOVED, ChunkMisplaced),
    ],
)
def test_a_chunk_that_does_not_fit_is_409_with_where_to_go_on(
    told: Numbered, upload: Upload, kind: type[Refusal]
) -> None:
    with pytest.raises(kind) as refused:
        judge_chunk(told, upload)
    assert refused.value.status == 409
    assert refused.value.facts == {"next_chunk_index": next_index(upload), "offset": upload.offset}


@pytest.mark.parametrize("told", [Numbered(3), Numbered(4), Numbered(None, 7), Numbered(4, 7)])
def test_the_number_alone_is_judged_before_anybody_is_disturbed(told: Numbered) -> None:
    check_order(told, AFTER)
    with pytest.raises(ChunkOutOfOrder):
        check_order(Numbered(5), AFTER)


def test_the_next_number_follows_the_last() -> None:
    assert [next_index(upload) for upload in (NEW, BY_TUS, AFTER)] == [0, 0, 4]
