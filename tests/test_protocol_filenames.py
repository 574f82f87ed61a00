"""Filenames that name an upload of an owner."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusserver.protocol.filenames import BadFilename, parse_filename


@pytest.mark.parametrize(
    "name", ["a", "a.txt", "photos/2026/a b.png", "日本.pdf", "...", ".hidden", "a" * 1024, "דוח\u200f.pdf"]
)
def test_a_plain_name_is_taken_as_it_is(name: str) -> None:
    assert parse_filename(name) == name


def test_a_name_is_composed() -> None:
    assert parse_filename("u\u0308ber") == "\u00fcber"


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "./a"),
        *(f"invoice{chr(point)}gpj.exe" for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        *("a\0b", "a\nb", "\x7f", "\udcff", "a" * 1025, "ü" * 513, "\ufb2c" * 400),
    ],
)
def test_a_name_that_names_nothing_safely_is_refused_with_422(name: str) -> None:
    with pytest.raises(BadFilename) as refused:
        parse_filename(name)
    assert (refused.value.status, refused.value.code) == (422, "bad-filename")


@given(st.text())
def test_a_name_that_is_taken_is_taken_again_as_it_is(name: str) -> None:
    try:
        taken = parse_filename(name)
    except BadFilename:
        return
    assert parse_filename(taken) == taken
    assert len(taken.encode()) <= 1024
