"""HTTP dates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import made_of, many
from tusserver.protocol.dates import format_date, parse_date

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_a_moment_is_written_as_the_fixed_date_of_http() -> None:
    assert format_date(MOMENT) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_moment_of_another_zone_is_written_in_gmt() -> None:
    assert format_date(MOMENT.astimezone(timezone(timedelta(hours=-7)))) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_parts_of_seconds_are_cut() -> None:
    assert format_date(MOMENT + timedelta(microseconds=999_999)) == format_date(MOMENT)


@pytest.mark.parametrize(
    "value", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_every_form_of_a_date_that_http_knows_is_read(value: str) -> None:
    read = parse_date(value)
    assert read == MOMENT
    assert read is not None
    assert read.tzinfo is UTC


def test_a_zone_that_http_does_not_know_is_believed() -> None:
    assert parse_date("Sun, 06 Nov 1994 09:49:37 +0100") == MOMENT


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "0", "yesterday", "1994-11-06T08:49:37Z", "784111777", "Sun, 31 Feb 1994 08:49:37 GMT"),
        *("Sun, 06 Nov 1994 25:00:00 GMT", "Sun, 06 Nov 99999 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 +9999"),
        *("Sun, 06 Nov " + "9" * 5000 + " 08:49:37 GMT", ",", ":" * 50, "\udc80", "Sun, 06 Nov 1994", "\x00"),
    ],
)
def test_what_is_no_date_counts_as_absent(value: str) -> None:
    assert parse_date(value) is None


@many
@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))
def test_a_date_comes_back_to_the_second(moment: datetime) -> None:
    assert parse_date(format_date(moment)) == moment.replace(microsecond=0)


DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Sun", "Friday", ""]),
    st.integers(-1, 32),
    st.sampled_from(["Jan", "Dec", "dec", "13", ""]),
    st.sampled_from([-1, 0, 1, 69, 99, 100, 1899, 1970, 9999, 10_000, 10**20]),
    st.integers(-1, 25),
    st.integers(-1, 61),
    st.integers(-1, 61),
    st.sampled_from(["GMT", "EST", "+0000", "-0000", "+2359", "-2359", "+2400", "+999999", "Z", ""]),
)


@pytest.mark.parametrize("value", ["Fri, 31 Dec 9999 23:59:59 -0100", "Fri, 31 Dec 9999 00:01:00 -2359"])
def test_a_date_past_the_last_of_the_calendar_counts_as_absent(value: str) -> None:
    assert parse_date(value) is None


@many
@given(DATES | made_of("Sun", ",", " ", "06", "Nov", "1994", "-", "08:49:37", "GMT", "+", "²"))
def test_any_text_is_a_date_or_none(text: str) -> None:
    read = parse_date(text)
    assert read is None or read.tzinfo is UTC
