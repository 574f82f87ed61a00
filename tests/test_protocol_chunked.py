"""The trailer of a chunked body, found while the body passes by."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import many
from tusserver.protocol.chunked import MAX_LINE, MAX_TRAILER, TrailerScanner

HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def scan(*pieces: bytes) -> tuple[TrailerScanner, bytes]:
    """A scanner that took these pieces, and what it gave back of them."""
    scanner = TrailerScanner()
    return scanner, b"".join([scanner.feed(piece) for piece in pieces])


def pieces_of(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data cut at these places."""
    ends = [*sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def test_the_fields_behind_the_last_chunk_are_the_trailer() -> None:
    scanner, rest = scan(b"5\r\nhello\r\n6\r\n world\r\n0\r\nUpload-Checksum: sha1 Kq5s\r\nX: y\r\n\r\n")
    assert scanner.is_done
    assert not scanner.is_broken
    assert scanner.field("upload-checksum") == ["sha1 Kq5s"]
    assert scanner.field("X") == ["y"]
    assert rest == b""


def test_a_body_without_trailer_has_no_fields() -> None:
    scanner, rest = scan(HELLO)
    assert scanner.is_done
    assert scanner.field("Upload-Checksum") == []
    assert rest == b""


def test_a_field_sent_twice_is_told_twice_in_its_order() -> None:
    scanner, _ = scan(b"0\r\nUpload-Checksum: a\r\nUPLOAD-CHECKSUM:\tb \r\n\r\n")
    assert scanner.field("Upload-Checksum") == ["a", "b"]


@pytest.mark.parametrize("line", [b"Upload-Checksum", b"Upload-Checksum : a", b" Upload-Checksum: a", b"X: a"])
def test_a_line_that_is_not_the_field_is_not_taken_for_it(line: bytes) -> None:
    scanner, _ = scan(b"0\r\n" + line + b"\r\n\r\n")
    assert scanner.field("Upload-Checksum") == []


def test_what_follows_the_body_is_the_next_request() -> None:
    scanner, rest = scan(HELLO + b"PATCH / HTTP/1.1\r\n", b"Host: example.com\r\n")
    assert scanner.is_done
    assert rest == b"PATCH / HTTP/1.1\r\nHost: example.com\r\n"


def test_a_body_is_not_done_before_the_empty_line() -> None:
    scanner = TrailerScanner()
    for index in range(len(HELLO)):
        assert not scanner.is_done
        assert scanner.feed(HELLO[index : index + 1]) == b""
    assert scanner.is_done


def test_data_that_looks_like_the_end_is_data() -> None:
    inner = b"0\r\nUpload-Checksum: forged\r\n\r\n"
    scanner, rest = scan(f"{len(inner):x}\r\n".encode() + inner + b"\r\n0\r\nUpload-Checksum: true\r\n\r\n")
    assert scanner.field("Upload-Checksum") == ["true"]
    assert rest == b""


@pytest.mark.parametrize("size", [b"A", b"a", b"000a", b"0" * 40 + b"a", b"a;name=value", b'a;name="0"', b"a ; name"])
def test_a_size_is_hexadecimal_in_any_case_and_may_bear_extensions(size: bytes) -> None:
    scanner, rest = scan(size + b"\r\n0123456789\r\n0;last\r\n\r\nnext")
    assert scanner.is_done
    assert not scanner.is_broken
    assert rest == b"next"


@pytest.mark.parametrize(
    "size", [b"", b"-5", b"+5", b"0x5", b"5_0", b"g", b";a", b"5 5", b"\xd9\xa3", b"1" * 17, b"five"]
)
def test_a_line_that_is_no_size_breaks_the_framing(size: bytes) -> None:
    scanner, rest = scan(size + b"\r\nhello")
    assert scanner.is_broken
    assert scanner.is_done
    assert rest == b"hello"


@pytest.mark.parametrize("segment", [1000, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 10**6])
@pytest.mark.parametrize("end", [b"", b"\r\nhello"])
def test_a_line_that_is_too_long_breaks_the_framing_in_any_segmentation(segment: int, end: bytes) -> None:
    wire = b"5;" + b"x" * MAX_LINE + end
    scanner, rest = scan(*pieces_of(wire, range(segment, len(wire), segment)))
    assert scanner.is_broken
    assert rest == b"xx" + end


@pytest.mark.parametrize("segment", [1000, MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, 10**6])
def test_a_line_that_just_fits_is_taken_in_any_segmentation(segment: int) -> None:
    wire = b"5;" + b"x" * (MAX_LINE - 4) + b"\r\nhello\r\n0\r\n\r\nnext"
    scanner, rest = scan(*pieces_of(wire, range(segment, len(wire), segment)))
    assert scanner.is_done
    assert not scanner.is_broken
    assert rest == b"next"


def test_a_trailer_that_is_too_long_is_read_but_not_kept() -> None:
    line = b"X: " + b"y" * 996
    many_lines = b"".join([line, b"\r\n"] * 100)
    scanner, rest = scan(b"0\r\n", many_lines, b"\r\nnext")
    assert scanner.is_done
    assert rest == b"next"
    assert len(scanner.field("X")) == MAX_TRAILER // (len(line) + 2)


def test_bytes_that_are_no_utf8_are_told_as_latin_1() -> None:
    scanner, _ = scan(b"0\r\nX: \xe4\xff\r\n\r\n")
    assert scanner.field("X") == ["äÿ"]


@st.composite
def chunked_bodies(draw: st.DrawFn) -> tuple[bytes, list[bytes], bytes]:
    """A well-formed chunked body, the values of its field X and what follows the body."""
    extension = st.sampled_from([b"", b";a", b';a="b;c"', b" ;a=b"])
    body = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5)):
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x"])) % len(data)
        body += size + draw(extension) + b"\r\n" + data + b"\r\n"
    values = draw(st.lists(st.sampled_from([b"", b"a", b"sha1 Kq5s", b"\xff"]), max_size=4))
    body += b"0" + draw(extension) + b"\r\n" + b"".join([b"X: " + value + b"\r\nY: z\r\n" for value in values])
    return body + b"\r\n", values, draw(st.binary(max_size=20))


@many
@given(chunked_bodies(), st.lists(st.integers(0, 200), max_size=12))
def test_any_body_in_any_segmentation_gives_its_trailer_and_its_rest(
    body: tuple[bytes, list[bytes], bytes], cuts: list[int]
) -> None:
    wire, values, following = body
    scanner, rest = scan(*pieces_of(wire + following, cuts))
    assert scanner.is_done
    assert not scanner.is_broken
    assert scanner.field("x") == [value.decode("latin-1") for value in values]
    assert rest == following


RUBBISH = st.lists(
    st.one_of(
        st.sampled_from([b"\r\n", b"\n", b"\r", b"0", b"5", b"ffff", b";", b"X: y", b"hello", HELLO]),
        st.binary(max_size=4),
    ),
    max_size=20,
).map(b"".join)


@many
@given(RUBBISH, st.lists(st.integers(0, 100), max_size=12))
def test_rubbish_in_any_segmentation_ends_as_it_does_in_one_piece(data: bytes, cuts: list[int]) -> None:
    at_once, rest_at_once = scan(data)
    in_pieces, rest = scan(*pieces_of(data, cuts))
    assert (in_pieces.is_done, in_pieces.is_broken) == (at_once.is_done, at_once.is_broken)
    assert in_pieces.field("X") == at_once.field("X")
    assert rest == rest_at_once
    assert data.endswith(rest)
