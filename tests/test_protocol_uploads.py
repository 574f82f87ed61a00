"""The record of an upload."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta

import pytest

from tests.contracts.infos_values import START, an_upload
from tusserver.protocol.uploads import Kind, State


@pytest.mark.parametrize(("length", "offset"), [(None, 0), (None, 10), (0, 0), (10, 0), (10, 10), (2**63 - 1, 5)])
def test_an_offset_lies_between_0_and_the_length(length: int | None, offset: int) -> None:
    assert an_upload(length=length, offset=offset).offset == offset


@pytest.mark.parametrize(("length", "offset"), [(None, -1), (10, -1), (10, 11), (0, 1), (-1, 0), (-1, -1)])
def test_an_upload_with_its_offset_elsewhere_cannot_be_made(length: int | None, offset: int) -> None:
    with pytest.raises(ValueError, match="is outside 0 to length"):
        an_upload(length=length, offset=offset)
    with pytest.raises(ValueError, match="is outside 0 to length"):
        replace(an_upload(), length=length, offset=offset)


def test_an_upload_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        an_upload().offset = 5  # type: ignore[misc]


def test_what_remains_is_not_known_before_the_length() -> None:
    assert an_upload(length=10, offset=4).remaining == 6
    assert an_upload(offset=4).remaining is None


@pytest.mark.parametrize("state", State)
def test_an_upload_is_complete_in_one_state_only(state: State) -> None:
    assert an_upload(state=state).is_complete == (state is State.COMPLETE)


@pytest.mark.parametrize("state", State)
def test_bytes_may_come_until_an_upload_is_complete_or_has_failed(state: State) -> None:
    assert an_upload(state=state).is_open == (state in (State.PENDING, State.RECEIVING))


def test_an_upload_expires_at_its_moment_and_not_before() -> None:
    upload = an_upload(expires_at=START)
    assert not upload.is_expired(START - timedelta(microseconds=1))
    assert upload.is_expired(START)
    assert upload.is_expired(START + timedelta(days=1))


def test_an_upload_without_a_date_never_expires() -> None:
    assert not an_upload().is_expired(START + timedelta(days=36_500))


def test_kinds_and_states_are_stored_by_these_words() -> None:
    assert [*Kind] == ["regular", "partial", "final"]
    assert [*State] == ["pending", "receiving", "complete", "failed"]
