"""The rules of the protocol: what is accepted, and what is refused with what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.infos_values import START, an_upload
from tusserver.protocol.durability import Durability
from tusserver.protocol.metadata import parse_metadata
from tusserver.protocol.refusals import (
    BadParts,
    PastLength,
    Refusal,
    TooLarge,
    UploadFailed,
    UploadGone,
    UploadIncomplete,
)
from tusserver.protocol.requests import OCTET_STREAM, BodyFacts, Creation
from tusserver.protocol.rules import (
    LARGEST,
    Grant,
    Limits,
    advanced,
    check_alive,
    check_size,
    judge_creation,
    judge_download,
    judge_final,
    new_upload,
)
from tusserver.protocol.uploads import Kind, State, Upload

FREE = Limits()
SMALL = Limits(max_size=100)
WEEK = timedelta(days=7)
NOW = START + timedelta(hours=1)
EXPIRED = START
COMPLETE: dict[str, Any] = {"length": 10, "offset": 10, "state": State.COMPLETE}


def body(size: int | None) -> BodyFacts:
    """The facts of a body of upload data."""
    return BodyFacts(OCTET_STREAM, size)


# sizes


def test_no_upload_is_larger_than_a_column_of_64_bits_holds() -> None:
    assert FREE.ceiling == LARGEST == 2**63 - 1
    assert Limits(max_size=2**70).ceiling == LARGEST
    assert SMALL.ceiling == 100


@pytest.mark.parametrize("size", [None, 0, 100])
def test_a_size_up_to_the_largest_is_let_pass(size: int | None) -> None:
    check_size(size, SMALL)


@pytest.mark.parametrize(("size", "limits"), [(101, SMALL), (2**63, FREE), (10**40, FREE), (1, Limits(max_size=0))])
def test_a_larger_size_is_refused_with_413(size: int, limits: Limits) -> None:
    with pytest.raises(TooLarge) as refused:
        check_size(size, limits)
    assert refused.value.status == 413
    assert refused.value.facts == {"max_size": limits.ceiling}


def test_an_unfinished_upload_expires_so_long_after_it_was_touched() -> None:
    assert Limits(expires_after=WEEK).expires_at(NOW) == NOW + WEEK
    assert FREE.expires_at(NOW) is None


# creation


@pytest.mark.parametrize(
    "creation",
    [
        Creation(length=0),
        Creation(length=100),
        Creation(is_deferred=True),
        Creation(length=100, body=body(100)),
        Creation(length=100, body=body(None)),
        Creation(is_deferred=True, body=body(100)),
    ],
)
def test_a_creation_that_fits_is_let_pass(creation: Creation) -> None:
    judge_creation(creation, SMALL)


@pytest.mark.parametrize(
    ("creation", "kind"),
    [
        (Creation(length=101), TooLarge),
        (Creation(length=2**64), TooLarge),
        (Creation(length=10, body=body(11)), PastLength),
        (Creation(length=0, body=body(1)), PastLength),
        (Creation(is_deferred=True, body=body(101)), TooLarge),
        (Creation(length=101, body=body(1)), TooLarge),
    ],
)
def test_a_creation_that_does_not_fit_is_refused_with_413(creation: Creation, kind: type[Refusal]) -> None:
    with pytest.raises(kind) as refused:
        judge_creation(creation, SMALL)
    assert refused.value.status == 413


def test_the_record_of_a_new_upload_tells_what_its_creation_told() -> None:
    metadata = parse_metadata("filename YS5wbmc=,filetype aW1hZ2UvcG5n", 100)
    creation = Creation(length=10, metadata=metadata, kind=Kind.PARTIAL, concat="partial")
    made = new_upload("id", creation, Limits(expires_after=WEEK), NOW, Grant("owner", "link"))
    assert made == Upload(
        id="id",
        created_at=NOW,
        updated_at=NOW,
        length=10,
        kind=Kind.PARTIAL,
        metadata="filename YS5wbmc=,filetype aW1hZ2UvcG5n",
        filename="a.png",
        content_type="image/png",
        owner="owner",
        link="link",
        expires_at=NOW + WEEK,
    )
    assert made.state is State.PENDING


@pytest.mark.parametrize(
    ("kind", "told"),
    [(Kind.REGULAR, ("https://a/", "key")), (Kind.FINAL, ("https://a/", "key")), (Kind.PARTIAL, (None, None))],
)
def test_the_receiver_of_a_link_and_its_secret_are_in_the_record_of_all_but_parts(
    kind: Kind, told: tuple[str | None, str | None]
) -> None:
    grant = Grant("owner", "link", announce="https://a/", announce_key="key")
    made = new_upload("id", Creation(length=1, kind=kind), FREE, NOW, grant)
    assert (made.announce, made.announce_key) == told


def test_the_record_of_a_final_upload_keeps_its_list_as_sent() -> None:
    made = new_upload("id", Creation(kind=Kind.FINAL, concat="final;/a  /b"), FREE, NOW, Grant())
    assert made == Upload(id="id", created_at=NOW, updated_at=NOW, kind=Kind.FINAL, concat="final;/a  /b")


# final uploads


def part(length: int | None = 10, offset: int = 10, **fields: Any) -> Upload:
    """A partial upload, complete unless said otherwise."""
    state = State.COMPLETE if length == offset else State.RECEIVING
    return an_upload(length=length, offset=offset, state=state, kind=Kind.PARTIAL, **fields)


def test_a_final_upload_is_as_long_as_its_parts_together() -> None:
    assert judge_final([part(), part(20, 20), part(0, 0)], SMALL, NOW, may_be_unfinished=False) == 30


def test_a_final_upload_of_unfinished_parts_is_as_long_as_they_will_be() -> None:
    assert judge_final([part(20, 5), part()], SMALL, NOW, may_be_unfinished=True) == 30


def test_a_final_upload_has_no_length_before_each_of_its_parts_has() -> None:
    assert judge_final([part(None, 5), part()], SMALL, NOW, may_be_unfinished=True) is None


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        ([part(), an_upload(**COMPLETE)], BadParts),
        ([an_upload(kind=Kind.FINAL, **COMPLETE)], BadParts),
        ([part(20, 5)], BadParts),
        ([part(None, 5)], BadParts),
        ([part(expires_at=EXPIRED)], UploadGone),
        ([part(60, 60), part(41, 41)], TooLarge),
    ],
)
def test_parts_that_cannot_be_joined_are_refused(parts: list[Upload], kind: type[Refusal]) -> None:
    with pytest.raises(kind):
        judge_final(parts, SMALL, NOW, may_be_unfinished=False)


def test_a_part_that_cannot_be_joined_is_named() -> None:
    plain = an_upload(length=10)
    with pytest.raises(BadParts) as refused:
        judge_final([plain], SMALL, NOW, may_be_unfinished=True)
    assert refused.value.facts == {"upload_id": plain.id}


def test_the_largest_size_holds_for_what_is_still_to_come() -> None:
    with pytest.raises(TooLarge):
        judge_final([part(60, 0), part(41, 0)], SMALL, NOW, may_be_unfinished=True)
    with pytest.raises(TooLarge):
        judge_final([part(101, 0), part(None, 0)], SMALL, NOW, may_be_unfinished=True)


def test_the_largest_size_holds_for_the_bytes_of_parts_whose_length_is_not_known() -> None:
    assert judge_final([part(None, 60), part(None, 40)], SMALL, NOW, may_be_unfinished=True) is None
    with pytest.raises(TooLarge, match="101 bytes are more than the 100 this server takes"):
        judge_final([part(None, 60), part(None, 41)], SMALL, NOW, may_be_unfinished=True)


# reading and time


def test_a_complete_upload_may_be_read() -> None:
    judge_download(an_upload(**COMPLETE), NOW)
    judge_download(part(expires_at=NOW + WEEK), NOW)


@pytest.mark.parametrize("upload", [an_upload(), an_upload(length=10, offset=9), an_upload(length=0)])
def test_an_upload_that_is_not_complete_may_not_be_read(upload: Upload) -> None:
    with pytest.raises(UploadIncomplete) as refused:
        judge_download(upload, NOW)
    assert refused.value.status == 409


def test_an_expired_upload_is_gone_and_says_since_when() -> None:
    check_alive(an_upload(expires_at=NOW + WEEK), NOW)
    for judge in (check_alive, judge_download):
        with pytest.raises(UploadGone, match="the upload expired at 2026-01-02T03:04:05Z") as refused:
            judge(an_upload(expires_at=EXPIRED), NOW)
        assert refused.value.status == 410


# advancing


@pytest.mark.parametrize(
    ("offset", "length", "state"),
    [
        (0, 10, State.PENDING),
        (0, None, State.PENDING),
        (4, 10, State.RECEIVING),
        (4, None, State.RECEIVING),
        (10, 10, State.COMPLETE),
        (0, 0, State.COMPLETE),
    ],
)
def test_an_upload_is_as_far_as_its_bytes(offset: int, length: int | None, state: State) -> None:
    after = advanced(an_upload(unverified=True), offset, length, Limits(expires_after=WEEK), NOW)
    assert (after.offset, after.length, after.state) == (offset, length, state)
    assert after.updated_at == NOW
    assert after.created_at == START
    assert not after.unverified
    assert after.completed_at == (NOW if state is State.COMPLETE else None)
    assert after.expires_at == (None if state is State.COMPLETE else NOW + WEEK)


def test_a_complete_part_keeps_a_date_and_a_complete_final_upload_does_not() -> None:
    limits = Limits(expires_after=WEEK)
    assert advanced(an_upload(kind=Kind.PARTIAL), 10, 10, limits, NOW).expires_at == NOW + WEEK
    assert advanced(an_upload(kind=Kind.FINAL), 10, 10, limits, NOW).expires_at is None


def test_an_upload_cannot_advance_past_its_length() -> None:
    with pytest.raises(ValueError, match="offset 11 is outside 0 to length 10"):
        advanced(an_upload(length=10), 11, 10, FREE, NOW)


def test_durability_is_told_by_these_words() -> None:
    assert [*Durability] == ["complete", "always", "never"]


def test_an_upload_that_came_to_another_checksum_is_of_no_use_and_410() -> None:
    failed = an_upload(length=5, offset=5, state=State.FAILED, expires_at=None)
    with pytest.raises(UploadFailed) as refused:
        judge_download(failed, START)
    assert refused.value.status == 410
