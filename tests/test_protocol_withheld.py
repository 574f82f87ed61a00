"""An upload that has every byte and was not looked at yet, as clients are told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tusserver.protocol.refusals import PastLength
from tusserver.protocol.requests import Append, BodyFacts
from tusserver.protocol.rules import Limits, advanced
from tusserver.protocol.uploads import State, Upload
from tusserver.protocol.withheld import is_resent, told_offset, withheld

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = Limits(expires_after=timedelta(hours=1))
BEGUN = Upload("id", NOW, NOW, length=10)
COMPLETE = advanced(BEGUN, 10, 10, LIMITS, NOW)
WITHHELD = withheld(COMPLETE, LIMITS, NOW)


def test_what_is_withheld_has_every_byte_and_a_date_and_is_not_complete() -> None:
    assert (WITHHELD.state, WITHHELD.offset, WITHHELD.completed_at) == (State.RECEIVING, 10, None)
    assert WITHHELD.expires_at == NOW + timedelta(hours=1)
    assert advanced(WITHHELD, 10, 10, LIMITS, NOW) == COMPLETE


@pytest.mark.parametrize(
    ("upload", "is_withheld"),
    [
        (WITHHELD, True),
        (COMPLETE, False),
        (replace(WITHHELD, state=State.FAILED), False),
        (replace(WITHHELD, offset=9), False),
        (replace(WITHHELD, length=None), False),
        (replace(BEGUN, length=0), False),
    ],
)
def test_only_an_open_upload_with_every_byte_is_withheld(upload: Upload, is_withheld: bool) -> None:
    assert upload.is_withheld is is_withheld


def test_one_byte_less_is_told_until_it_is_complete() -> None:
    assert told_offset(WITHHELD) == 9
    assert told_offset(COMPLETE) == 10
    assert told_offset(replace(WITHHELD, offset=7)) == 7


def test_the_last_byte_is_sent_again_and_nothing_else() -> None:
    one, none = BodyFacts(length=1), BodyFacts(length=0)
    assert is_resent(Append(9, one), WITHHELD, LIMITS)
    assert is_resent(Append(9, BodyFacts(length=None)), WITHHELD, LIMITS)
    assert not is_resent(Append(9, none), WITHHELD, LIMITS)
    assert not is_resent(Append(10, none), WITHHELD, LIMITS)
    assert not is_resent(Append(8, one), WITHHELD, LIMITS)
    assert not is_resent(Append(9, one), COMPLETE, LIMITS)
    with pytest.raises(PastLength):
        is_resent(Append(9, BodyFacts(length=2)), WITHHELD, LIMITS)
