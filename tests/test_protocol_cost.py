"""No header costs more than its length: what a stranger sends holds nobody else up."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from tusserver.protocol.checksums import parse_checksum
from tusserver.protocol.chunked import TrailerScanner
from tusserver.protocol.dates import parse_date
from tusserver.protocol.downloads import Representation, judge_get
from tusserver.protocol.fields import parse_number, tokens
from tusserver.protocol.ids import parse_part
from tusserver.protocol.metadata import clean_filename, parse_metadata
from tusserver.protocol.origins import Seen, preflight_headers, seen
from tusserver.protocol.refusals import Refusal

SIZE = 100_000
FOUND = Representation(10, '"tag"', datetime(2026, 1, 1, tzinfo=UTC))


def get_with(header: str) -> Callable[[str], object]:
    """A GET with this header."""
    return lambda value: judge_get(CIMultiDict({"Range": "bytes=0-1", header: value}), FOUND)


def get_range(value: str) -> object:
    """A GET with this range."""
    return judge_get(CIMultiDict({"Range": value}), FOUND)


def get_forwarded(value: str) -> object:
    """A request by way of a proxy."""
    return seen(CIMultiDict({"Forwarded": value}), Seen("http", "inside", "10.0.0.1"), [ip_network("10.0.0.0/8")])


def feed(value: str) -> object:
    """A chunked body that comes byte by byte."""
    scanner = TrailerScanner()
    return [scanner.feed(value[index : index + 1].encode()) for index in range(len(value))]


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda value: parse_number("Upload-Offset", value), "9" * SIZE),
        (lambda value: parse_number("Upload-Offset", value), "9" * SIZE + "x"),
        (lambda value: tokens(CIMultiDict({"Trailer": value}), "Trailer"), " ," * SIZE),
        (parse_checksum, "sha1 " + "A" * SIZE),
        (parse_checksum, "sha1 " + "=" * SIZE),
        (lambda value: parse_metadata(value, 10 * SIZE), "a" * SIZE + "\x00"),
        (lambda value: parse_metadata(value, 10 * SIZE), ",".join(f"k{n} YQ==" for n in range(SIZE // 10))),
        (lambda value: parse_metadata(value, 10 * SIZE), "a " + "=" * SIZE),
        (clean_filename, "a/" * SIZE),
        (clean_filename, "../" * SIZE),
        (clean_filename, "e" + "\u0301\u0327" * SIZE),
        (parse_date, "1 " * SIZE),
        (parse_date, ":" * SIZE),
        (parse_date, "9" * SIZE),
        (get_range, "bytes=" + " " * SIZE + "x"),
        (get_range, "bytes=1-" + " " * SIZE + "x"),
        (get_range, "bytes=" + "1" * SIZE + "x"),
        (get_range, "bytes=" + "0-1," * SIZE),
        (get_with("If-Match"), '"' * SIZE),
        (get_with("If-None-Match"), "W/" * SIZE),
        (get_with("If-None-Match"), '"a",' * SIZE),
        (get_with("If-Range"), '"' * SIZE),
        (get_forwarded, "a" * SIZE),
        (get_forwarded, "for=" * SIZE),
        (get_forwarded, 'for="' * SIZE),
        (get_forwarded, ";" * SIZE),
        (preflight_headers, "x," * SIZE),
        (lambda value: parse_part(value, ["/files/"], ["example.com"]), "http://e" + "\u0301\u0327" * SIZE),
        (lambda value: parse_part(value, ["/files/"], ["example.com"]), "http://" + "[" * SIZE),
        (lambda value: parse_part(value, ["/files/"], ["example.com"]), "/files/" * SIZE),
        (feed, "1;" + "x" * SIZE),
        (feed, "0\r\n" + "X: y\r\n" * (SIZE // 6)),
        (feed, "1\r\nx\r\n" * (SIZE // 6)),
    ],
)
def test_a_header_of_100_kb_is_read_in_a_moment(read: Callable[[str], object], value: str) -> None:
    begun = time.process_time()
    with suppress(Refusal):
        read(value)
    assert time.process_time() - begun < 1
