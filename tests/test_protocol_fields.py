"""Single request headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from multidict import CIMultiDict

from tests.properties import made_of, many
from tusserver.protocol.fields import MAX_DIGITS, number, parse_number, single, tokens
from tusserver.protocol.refusals import MalformedHeader


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ("007", 7),
        ("9223372036854775808", 2**63),
        ("18446744073709551621", 2**64 + 5),
        ("1" + "0" * 40, 10**40),
        ("9" * MAX_DIGITS, 10**MAX_DIGITS - 1),
    ],
)
def test_plain_digits_are_a_number_of_any_size(text: str, value: int) -> None:
    assert parse_number("Upload-Length", text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "-1", "+1", "-0", "1.0", "1.5", "1e3", "0x10", "1_000", "abc", "NaN", "inf", "1,000", "5,5", "5 5"),
        *(" 1", "1 ", "1\n", "\t1", "1\r\n", "\x001", "²", "½", "٣", "１", "๓", "1\u200b", "\udcb9", "\ud800"),
    ],
)
def test_signs_blanks_underscores_and_other_scripts_are_no_number(text: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        parse_number("Upload-Length", text)
    assert refused.value.status == 400
    assert refused.value.facts == {"header": "Upload-Length"}


@pytest.mark.parametrize("text", ["1" * (MAX_DIGITS + 1), "0" * MAX_DIGITS + "1", "9" * 100_000])
def test_a_number_of_too_many_digits_is_refused_before_it_is_computed(text: str) -> None:
    with pytest.raises(MalformedHeader, match=f"has {len(text)} digits"):
        parse_number("Upload-Offset", text)


def test_a_refused_number_is_quoted_in_part_only() -> None:
    with pytest.raises(MalformedHeader) as refused:
        parse_number("Upload-Offset", "x" * 100_000)
    assert len(refused.value.detail) < 120


@many
@given(made_of("0", "9", "+", "-", "_", " ", ".", "٣", "1" * 30))
def test_any_text_is_a_number_of_plain_digits_or_a_malformed_header(text: str) -> None:
    if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS:
        assert parse_number("Upload-Length", text) == int(text)
    else:
        with pytest.raises(MalformedHeader):
            parse_number("Upload-Length", text)


def test_a_header_is_found_in_any_case_of_its_name() -> None:
    assert single(CIMultiDict({"upload-offset": "5"}), "Upload-Offset") == "5"


def test_an_empty_header_is_not_an_absent_one() -> None:
    assert single(CIMultiDict({"Upload-Offset": ""}), "Upload-Offset") == ""
    assert single(CIMultiDict(), "Upload-Offset") is None


@pytest.mark.parametrize("values", [("5", "7"), ("5", "5"), ("", "5"), ("5",) * 3])
def test_a_header_sent_twice_is_refused_even_if_both_agree(values: tuple[str, ...]) -> None:
    with pytest.raises(MalformedHeader, match="Upload-Offset: was sent more than once"):
        single(CIMultiDict([("Upload-Offset", value) for value in values]), "Upload-Offset")


def test_a_number_is_read_from_its_header_or_is_absent() -> None:
    assert number(CIMultiDict({"Upload-Offset": "70"}), "Upload-Offset") == 70
    assert number(CIMultiDict(), "Upload-Offset") is None


def test_an_empty_number_is_malformed_not_absent() -> None:
    with pytest.raises(MalformedHeader, match="'' is not a non-negative integer"):
        number(CIMultiDict({"Upload-Offset": ""}), "Upload-Offset")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], ()),
        ([""], ()),
        ([" , ,"], ()),
        (["Upload-Checksum"], ("upload-checksum",)),
        (["a, B ,\tc"], ("a", "b", "c")),
        (["a", "b,a"], ("a", "b", "a")),
    ],
)
def test_a_comma_list_is_read_over_all_its_headers(values: list[str], found: tuple[str, ...]) -> None:
    assert tokens(CIMultiDict([("Trailer", value) for value in values]), "Trailer") == found
