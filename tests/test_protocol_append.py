"""The rule of a PATCH: which bytes are taken, and what is refused with what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contracts.infos_values import START, an_upload
from tests.properties import many
from tusserver.protocol.refusals import (
    FinalUnchangeable,
    LengthBelowOffset,
    LengthFixed,
    OffsetMismatch,
    PastLength,
    Refusal,
    TooLarge,
    UploadFinished,
    UploadGone,
)
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts
from tusserver.protocol.rules import (
    Limits,
    Room,
    advanced,
    judge_append,
    judge_early,
    judge_length,
    room_of,
)
from tusserver.protocol.uploads import Kind, State, Upload

SMALL = Limits(max_size=100)
WEEK = timedelta(days=7)
NOW = START + timedelta(hours=1)
EXPIRED = START
COMPLETE: dict[str, Any] = {"length": 10, "offset": 10, "state": State.COMPLETE}


def append(offset: int, size: int | None = 1, length: int | None = None) -> Append:
    """A PATCH of `size` bytes, None: chunked."""
    return Append(offset, BodyFacts(OCTET_STREAM, size), length)


def body(size: int | None) -> BodyFacts:
    """The facts of a body of upload data."""
    return BodyFacts(OCTET_STREAM, size)


@pytest.mark.parametrize(
    ("size", "offset", "length", "room"),
    [
        (5, 0, 10, 10),
        (10, 0, 10, 10),
        (0, 10, 10, 0),
        (None, 4, 10, 6),
        (None, 10, 10, 0),
        (60, 40, None, 60),
        (None, 40, None, 60),
    ],
)
def test_there_is_room_up_to_the_length_or_else_to_the_ceiling(
    size: int | None, offset: int, length: int | None, room: int
) -> None:
    assert room_of(body(size), offset, length, SMALL) == Room(room, length, 100)


def test_a_body_past_the_length_is_refused_with_the_offset() -> None:
    with pytest.raises(PastLength) as refused:
        room_of(body(7), 4, 10, SMALL)
    assert refused.value.headers == {"Upload-Offset": "4"}
    assert refused.value.facts == {"offset": 4, "length": 10}


def test_a_body_past_the_ceiling_is_refused_with_the_ceiling() -> None:
    with pytest.raises(TooLarge) as refused:
        room_of(body(61), 40, None, SMALL)
    assert refused.value.facts == {"max_size": 100}


@pytest.mark.parametrize("size", [0, None])
def test_there_is_no_room_where_the_ceiling_was_lowered_below_what_is_stored(size: int | None) -> None:
    assert room_of(body(size), 140, None, SMALL) == Room(0, None, 100)


def test_a_byte_more_than_a_lowered_ceiling_is_refused_as_too_large() -> None:
    with pytest.raises(TooLarge, match="141 bytes are more than the 100 this server takes"):
        room_of(body(1), 140, None, SMALL)


def test_a_chunked_body_is_refused_in_the_same_words_once_it_goes_too_far() -> None:
    assert isinstance(Room(6, 10, 100).refusal(4), PastLength)
    too_large = Room(60, None, 100).refusal(40)
    assert isinstance(too_large, TooLarge)
    assert too_large.detail == "101 bytes are more than the 100 this server takes"


@pytest.mark.parametrize(
    ("upload", "asked", "room"),
    [
        (an_upload(length=10), append(0), 10),
        (an_upload(length=10, offset=4), append(4, 6), 6),
        (an_upload(length=10, offset=4), append(4, 0), 6),
        (an_upload(length=10, offset=4), append(4, None), 6),
        (an_upload(length=10, offset=4), append(4, 1, length=10), 6),
        (an_upload(offset=4), append(4), 96),
        (an_upload(offset=4), append(4, 6, length=10), 6),
        (an_upload(offset=4), append(4, 0, length=4), 0),
        (an_upload(**COMPLETE), append(10, 0), 0),
        (an_upload(kind=Kind.PARTIAL, length=10, expires_at=NOW + WEEK), append(0), 10),
    ],
)
def test_bytes_at_the_offset_are_taken(upload: Upload, asked: Append, room: int) -> None:
    judge_early(asked, upload, SMALL, NOW)
    assert judge_append(asked, upload, SMALL, NOW).size == room


@pytest.mark.parametrize(
    ("upload", "asked", "kind", "status"),
    [
        (an_upload(length=10, expires_at=EXPIRED), append(0), UploadGone, 410),
        (an_upload(kind=Kind.PARTIAL, **COMPLETE, expires_at=EXPIRED), append(10, 0), UploadGone, 410),
        (an_upload(kind=Kind.FINAL, length=10), append(0), FinalUnchangeable, 403),
        (an_upload(kind=Kind.FINAL), append(5), FinalUnchangeable, 403),
        (an_upload(kind=Kind.FINAL, **COMPLETE), append(10, 0), FinalUnchangeable, 403),
        (an_upload(length=10, offset=4), append(3), OffsetMismatch, 409),
        (an_upload(length=10, offset=4), append(11), OffsetMismatch, 409),
        (an_upload(length=10, offset=4), append(2**64), OffsetMismatch, 409),
        (an_upload(offset=4), append(101), OffsetMismatch, 409),
        (an_upload(**COMPLETE), append(9), OffsetMismatch, 409),
        (an_upload(**COMPLETE), append(11, 0), OffsetMismatch, 409),
        (an_upload(**COMPLETE), append(10), UploadFinished, 403),
        (an_upload(**COMPLETE), append(10, None), UploadFinished, 403),
        (an_upload(length=10, offset=4), append(4, 1, length=11), LengthFixed, 400),
        (an_upload(length=10, offset=4), append(4, 1, length=9), LengthFixed, 400),
        (an_upload(**COMPLETE), append(10, 0, length=11), LengthFixed, 400),
        (an_upload(offset=4), append(4, 0, length=3), LengthBelowOffset, 400),
        (an_upload(offset=4), append(4, 1, length=101), TooLarge, 413),
        (an_upload(offset=4), append(4, 1, length=2**63), TooLarge, 413),
        (an_upload(offset=4), append(4, 97), TooLarge, 413),
        (an_upload(offset=4), append(4, 7, length=10), PastLength, 413),
        (an_upload(length=10, offset=4), append(4, 7), PastLength, 413),
    ],
)
def test_anything_else_is_refused_early_and_late_alike(
    upload: Upload, asked: Append, kind: type[Refusal], status: int
) -> None:
    for judge in (judge_early, judge_append):
        with pytest.raises(kind) as refused:
            judge(asked, upload, SMALL, NOW)
        assert refused.value.status == status


@pytest.mark.parametrize(("length", "offset"), [(10, 5), (10, 10), (None, 5), (None, 100)])
def test_an_offset_ahead_is_let_pass_early_while_another_may_still_write(length: int | None, offset: int) -> None:
    upload = an_upload(length=length, offset=4)
    judge_early(append(offset, 50), upload, SMALL, NOW)
    with pytest.raises(OffsetMismatch) as refused:
        judge_append(append(offset, 50), upload, SMALL, NOW)
    assert refused.value.facts == {"offset": 4}


@pytest.mark.parametrize(
    ("upload", "asked", "kind"),
    [
        (an_upload(length=10, offset=4, expires_at=EXPIRED), append(5), UploadGone),
        (an_upload(length=10, offset=4), append(5, length=11), LengthFixed),
        (an_upload(offset=4), append(5, length=3), LengthBelowOffset),
        (an_upload(offset=4), append(5, length=101), TooLarge),
    ],
)
def test_an_offset_ahead_is_refused_early_for_what_no_writer_can_change(
    upload: Upload, asked: Append, kind: type[Refusal]
) -> None:
    with pytest.raises(kind):
        judge_early(asked, upload, SMALL, NOW)


@pytest.mark.parametrize(
    ("told", "stored", "length"), [(None, None, None), (None, 10, 10), (10, 10, 10), (10, None, 10), (4, None, 4)]
)
def test_a_length_is_told_once_and_may_be_told_again(told: int | None, stored: int | None, length: int | None) -> None:
    assert judge_length(told, an_upload(length=stored, offset=4), SMALL) == length


SIZES = st.integers(0, 12) | st.sampled_from([2**63 - 1, 2**63, 2**64])


@st.composite
def uploads(draw: st.DrawFn) -> Upload:
    """An upload in any state it can be in; one without length may have been there before `Limits(max_size=10)`."""
    length = draw(st.none() | st.integers(0, 10))
    offset = draw(st.integers(0, 13 if length is None else length))
    state = State.RECEIVING if offset else State.PENDING
    if offset == length:
        state = draw(st.sampled_from([state, State.COMPLETE]))
    expires_at = draw(st.none() | st.sampled_from([EXPIRED, NOW + WEEK]))
    return an_upload(length=length, offset=offset, state=state, kind=draw(st.sampled_from(Kind)), expires_at=expires_at)


@many
@given(uploads(), SIZES, st.none() | SIZES, st.none() | SIZES, st.integers(0, 12))
def test_no_append_takes_an_upload_past_its_length_or_the_ceiling(
    upload: Upload, offset: int, size: int | None, length: int | None, sent: int
) -> None:
    limits = Limits(max_size=10)
    asked = append(offset, size, length)
    try:
        room = judge_append(asked, upload, limits, NOW)
    except Refusal:
        return
    judge_early(asked, upload, limits, NOW)
    assert offset == upload.offset
    assert size is None or size <= room.size
    arrived = min(room.size, sent if size is None else size)
    after = advanced(upload, upload.offset + arrived, room.length, limits, NOW)
    assert upload.offset <= after.offset <= max(upload.offset, 10 if after.length is None else after.length)
    assert upload.length is not None or after.length is None or after.length <= 10
    assert 0 <= room.size <= 10
    assert after.is_complete == (after.offset == after.length)
    assert upload.length in (None, after.length)


@many
@given(uploads(), SIZES, st.none() | SIZES, st.none() | SIZES, st.integers(0, 10))
def test_what_is_refused_early_is_refused_wherever_the_writer_stops(
    upload: Upload, offset: int, size: int | None, length: int | None, more: int
) -> None:
    limits = Limits(max_size=10)
    asked = append(offset, size, length)
    try:
        judge_early(asked, upload, limits, NOW)
    except Refusal:
        further = min(upload.offset + more, limits.ceiling if upload.length is None else upload.length)
        later = advanced(upload, further, upload.length, limits, NOW)
        with pytest.raises(Refusal):
            judge_append(asked, replace(later, expires_at=upload.expires_at), limits, NOW)
