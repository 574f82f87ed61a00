"""Reading a finished upload: conditions, ranges, names and types."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.properties import made_of, many
from tusserver.protocol.dates import format_date
from tusserver.protocol.downloads import (
    Answer,
    Representation,
    content_disposition,
    content_type_of,
    is_inline,
    judge_get,
    security_headers,
)
from tusserver.protocol.refusals import PreconditionFailed, RangeUnsatisfiable

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
FOUND = Representation(length=10, etag='"tag"', modified_at=MODIFIED)
WHOLE = Answer(200, 0, 10)
NOT_MODIFIED = Answer(304, 0, 0)

DATE = format_date(MODIFIED)
BEFORE = format_date(MODIFIED - timedelta(seconds=1))
AFTER = format_date(MODIFIED + timedelta(seconds=1))


def get(*headers: tuple[str, str], found: Representation = FOUND) -> Answer:
    """The answer to a GET with these headers."""
    return judge_get(CIMultiDict(headers), found)


def test_a_get_without_conditions_gives_everything() -> None:
    assert get() == WHOLE


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=9-9", 9, 10),
        ("bytes=3-5", 3, 6),
        ("bytes=3-", 3, 10),
        ("bytes=0-", 0, 10),
        ("bytes=3-1000", 3, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-10", 0, 10),
        ("bytes=-1000", 0, 10),
        ("bytes=0-18446744073709551616", 0, 10),
        ("BYTES=3-5", 3, 6),
        (" bytes=3-5 ", 3, 6),
        ("bytes=003-005", 3, 6),
    ],
)
def test_a_range_within_the_file_is_a_206(field: str, start: int, end: int) -> None:
    assert get(("Range", field)) == Answer(206, start, end)


@pytest.mark.parametrize("date", [BEFORE, DATE, AFTER, "no date"])
def test_what_has_no_date_is_given_whatever_dates_are_asked_for(date: str) -> None:
    dateless = Representation(length=10, etag='"tag"')
    assert get(("If-Modified-Since", date), found=dateless) == WHOLE
    assert get(("If-Unmodified-Since", date), found=dateless) == WHOLE
    assert get(("Range", "bytes=0-4"), ("If-Range", date), found=dateless) == WHOLE


@pytest.mark.parametrize("field", ["bytes=10-", "bytes=10-10", "bytes=11-20", "bytes=-0", f"bytes={2**64}-"])
def test_a_range_behind_the_end_is_refused_with_416_and_the_length(field: str) -> None:
    with pytest.raises(RangeUnsatisfiable) as refused:
        get(("Range", field))
    assert refused.value.status == 416
    assert refused.value.headers == {"Content-Range": "bytes */10"}
    assert refused.value.facts == {"length": 10}


@pytest.mark.parametrize(
    "field",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=5-3", "bytes=a-b", "bytes=+1-2", "bytes=--3", "bytes=1_0-"),
        *(
            "bytes=0-1,3-4",
            "bytes=0-1, 3-4",
            "bytes=0-1,",
            "bytes=0 - 1",
            "bytes = 0-1",
            "items=0-1",
            "bytes:0-1",
            "bytes=٣-٤",
            "bytes=0x1-",
        ),
        *("bytes=" + "9" * 65 + "-", "bytes=0-" + "9" * 65, "0-1", "bytes=1", "bytes=1-2-3", "bytes=\udcb2-"),
    ],
)
def test_a_range_that_is_not_one_of_bytes_is_left_out(field: str) -> None:
    assert get(("Range", field)) == WHOLE


def test_a_range_sent_twice_is_left_out() -> None:
    assert get(("Range", "bytes=0-1"), ("Range", "bytes=0-1")) == WHOLE


def test_no_byte_of_an_empty_file_can_be_asked_for() -> None:
    empty = Representation(0, '"tag"', MODIFIED)
    assert get(found=empty) == Answer(200, 0, 0)
    for field in ("bytes=0-", "bytes=0-0", "bytes=-0"):
        with pytest.raises(RangeUnsatisfiable):
            get(("Range", field), found=empty)


def test_the_end_of_an_empty_file_is_all_of_it() -> None:
    assert get(("Range", "bytes=-5"), found=Representation(0, '"tag"', MODIFIED)) == Answer(200, 0, 0)


def slice_of(data: bytes, first: int | None, last: int | None) -> bytes:
    """The bytes that a range means, in Python's own words."""
    if first is None:
        return data[-last:] if last else b""
    return data[first:] if last is None else data[first : last + 1]


@many
@given(st.integers(0, 50), st.none() | st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_gives_the_bytes_that_a_slice_gives(length: int, first: int | None, last: int | None) -> None:
    data = bytes(range(length))
    header = ("Range", f"bytes={'' if first is None else first}-{'' if last is None else last}")
    found = Representation(length, '"tag"', MODIFIED)
    is_range = last is not None if first is None else last is None or first <= last
    wanted = slice_of(data, first, last)
    if not is_range or (first is None and last and not length):
        assert get(header, found=found) == Answer(200, 0, length)
    elif wanted:
        answer = get(header, found=found)
        assert answer.status == 206
        assert data[answer.start : answer.end] == wanted
    else:
        with pytest.raises(RangeUnsatisfiable):
            get(header, found=found)


@pytest.mark.parametrize("field", ['"tag"', '"other", "tag"', '"other","tag"', "*", " * "])
def test_if_match_with_our_tag_lets_it_pass(field: str) -> None:
    assert get(("If-Match", field)) == WHOLE


def test_if_match_is_read_over_all_its_headers() -> None:
    assert get(("If-Match", '"other"'), ("If-Match", '"tag"')) == WHOLE


@pytest.mark.parametrize("field", ["", '"other"', 'W/"tag"', "tag", '"TAG"', '"tag', "*, *", '"ta", "g"'])
def test_if_match_without_our_strong_tag_is_refused_with_412(field: str) -> None:
    with pytest.raises(PreconditionFailed) as refused:
        get(("If-Match", field), ("Range", "bytes=0-1"))
    assert refused.value.status == 412


def test_if_unmodified_since_before_the_change_is_refused_with_412() -> None:
    with pytest.raises(PreconditionFailed):
        get(("If-Unmodified-Since", BEFORE))


@pytest.mark.parametrize("value", [DATE, AFTER, "", "rubbish"])
def test_if_unmodified_since_the_change_or_no_date_lets_it_pass(value: str) -> None:
    assert get(("If-Unmodified-Since", value)) == WHOLE


def test_if_unmodified_since_beside_if_match_is_not_looked_at() -> None:
    assert get(("If-Match", '"tag"'), ("If-Unmodified-Since", BEFORE)) == WHOLE


@pytest.mark.parametrize("field", ['"tag"', 'W/"tag"', '"other", W/"tag"', "*"])
def test_if_none_match_with_our_tag_is_a_304(field: str) -> None:
    assert get(("If-None-Match", field), ("Range", "bytes=0-1")) == NOT_MODIFIED


@pytest.mark.parametrize("field", ["", '"other"', "tag", 'W/"other"'])
def test_if_none_match_without_our_tag_lets_it_pass(field: str) -> None:
    assert get(("If-None-Match", field)) == WHOLE


@pytest.mark.parametrize("value", [DATE, AFTER])
def test_if_modified_since_the_change_is_a_304(value: str) -> None:
    assert get(("If-Modified-Since", value)) == NOT_MODIFIED


@pytest.mark.parametrize("value", [BEFORE, "", "rubbish"])
def test_if_modified_since_before_the_change_or_no_date_lets_it_pass(value: str) -> None:
    assert get(("If-Modified-Since", value)) == WHOLE


def test_if_modified_since_beside_if_none_match_is_not_looked_at() -> None:
    assert get(("If-None-Match", '"other"'), ("If-Modified-Since", AFTER)) == WHOLE


def test_if_match_is_judged_before_if_none_match() -> None:
    with pytest.raises(PreconditionFailed):
        get(("If-Match", '"other"'), ("If-None-Match", '"tag"'))


@pytest.mark.parametrize("condition", ['"tag"', DATE])
def test_a_range_is_given_if_the_file_is_still_the_same(condition: str) -> None:
    assert get(("If-Range", condition), ("Range", "bytes=0-1")) == Answer(206, 0, 2)


@pytest.mark.parametrize("condition", ['"other"', 'W/"tag"', BEFORE, AFTER, "", "tag", "*", '"tag", "tag"'])
def test_everything_is_given_if_the_file_may_be_another(condition: str) -> None:
    assert get(("If-Range", condition), ("Range", "bytes=0-1")) == WHOLE
    assert get(("If-Range", condition), ("Range", "bytes=10-")) == WHOLE


def test_everything_is_given_if_two_conditions_were_sent() -> None:
    assert get(("If-Range", '"tag"'), ("If-Range", '"other"'), ("Range", "bytes=0-1")) == WHOLE


CONDITION = made_of('"tag"', 'W/"tag"', '"other"', "*", ",", '"', DATE, BEFORE, "GMT", "31 Dec 9999 23:59:59 -0100")
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just("Range"), made_of("bytes", "=", "-", ",", "0", "5", "9", "10", " ", "1" * 70)),
        st.tuples(
            st.sampled_from(
                ["If-Match", "If-None-Match", "If-Range", "If-Modified-Since", "If-Unmodified-Since"],
            ),
            CONDITION,
        ),
    ),
    max_size=6,
)


@many
@given(HEADERS, st.integers(0, 20))
def test_any_headers_give_bytes_of_the_file_or_one_of_two_refusals(headers: list[tuple[str, str]], length: int) -> None:
    try:
        answer = get(*headers, found=Representation(length, '"tag"', MODIFIED))
    except (PreconditionFailed, RangeUnsatisfiable):
        assert headers
        return
    if answer.status == 206:
        assert 0 <= answer.start < answer.end <= length
    else:
        assert answer in (Answer(200, 0, length), NOT_MODIFIED)


@pytest.mark.parametrize(
    ("declared", "filename", "content_type"),
    [
        ("text/plain", "a.png", "text/plain"),
        (None, "a.png", "image/png"),
        (None, "folder/A.PNG", "image/png"),
        (None, "a.html", "text/html"),
        (None, "a.svg", "image/svg+xml"),
        (None, "a.webp", "image/webp"),
        (None, "a.mkv", "video/x-matroska"),
        (None, "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (None, "a.tar.gz", "application/gzip"),
        (None, "a.csv.gz", "application/gzip"),
        (None, "a.svgz", "application/octet-stream"),
        (None, "data:audio/ü,a", "application/octet-stream"),
        (None, "data:text/html,a", "application/octet-stream"),
        (None, "a.unknown", "application/octet-stream"),
        (None, "folder.png/a", "application/octet-stream"),
        (None, ".png", "application/octet-stream"),
        (None, "a", "application/octet-stream"),
        (None, "", "application/octet-stream"),
        (None, None, "application/octet-stream"),
    ],
)
def test_the_type_is_the_one_declared_or_the_one_of_the_name(
    declared: str | None, filename: str | None, content_type: str
) -> None:
    assert content_type_of(declared, filename) == content_type


@pytest.mark.parametrize("content_type", ["image/png", "image/jpeg", "image/webp", "audio/mpeg", "video/mp4"])
def test_pictures_sound_and_film_are_shown_in_place(content_type: str) -> None:
    assert is_inline(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/html", "text/plain", "image/svg+xml", "application/xhtml+xml", "application/pdf", "text/javascript"),
        *("application/octet-stream", "image/png+xml", "image", "audio", "", "text/xml"),
    ],
)
def test_what_may_bear_a_script_is_offered_as_a_file(content_type: str) -> None:
    assert not is_inline(content_type)


@pytest.mark.parametrize(
    ("filename", "inline", "header"),
    [
        ("a.txt", False, 'attachment; filename="a.txt"'),
        ("a.png", True, 'inline; filename="a.png"'),
        ("folder/a b.txt", False, 'attachment; filename="a b.txt"'),
        ("ü.txt", False, "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"),
        ('a"b\\c%.txt', False, "attachment; filename=\"a_b_c_.txt\"; filename*=UTF-8''a%22b%5Cc%25.txt"),
        ("a;b=c'd.txt", False, 'attachment; filename="a;b=c\'d.txt"'),
        ("\ud800.txt", False, "attachment; filename=\"_.txt\"; filename*=UTF-8''%3F.txt"),
        (None, False, 'attachment; filename="fallback"'),
        ("", False, 'attachment; filename="fallback"'),
        ("folder/", False, 'attachment; filename="fallback"'),
    ],
)
def test_a_name_is_offered_in_ascii_and_in_full(filename: str | None, inline: bool, header: str) -> None:
    assert content_disposition(filename, "fallback", inline=inline) == header


@many
@given(made_of('"', "\\", "%", "/", "\r\n", ";", "'", "filename*=", "ü", "\ud800"))
def test_any_name_is_offered_as_one_header_that_tells_it_exactly(filename: str) -> None:
    header = content_disposition(filename, "fallback", inline=False)
    assert header.isascii()
    assert header.isprintable()
    match = re.fullmatch(r"attachment; filename=\"([^\"\\%]*)\"(?:; filename\*=UTF-8''([A-Za-z0-9._~%-]+))?", header)
    assert match is not None
    told = match[1] if match[2] is None else unquote(match[2], errors="strict")
    # Half a surrogate pair is no character, so nothing can tell it.
    assert told == (filename.rpartition("/")[2] or "fallback").encode(errors="replace").decode()


def test_a_file_cannot_act_on_the_origin_it_comes_from() -> None:
    told = security_headers()
    assert told["X-Content-Type-Options"] == "nosniff"
    policy = told["Content-Security-Policy"].split("; ")
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert not [rule for rule in policy if rule.startswith("script-src") or "allow-" in rule]
