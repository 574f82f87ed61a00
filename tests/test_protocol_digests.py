"""Digests as REST writes them, and filenames as it takes them."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tusserver.protocol.checksums import ALGORITHMS, Checksum, new_hasher
from tusserver.protocol.digests import BadDigest, format_digest, parse_content_digest, parse_digest
from tusserver.protocol.filenames import BadFilename, parse_filename

SHA256 = hashlib.sha256(b"hello").digest()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_tus_is_read_and_written(algorithm: str) -> None:
    checksum = Checksum(algorithm, new_hasher(algorithm).digest())
    assert parse_digest(format_digest(checksum)) == checksum


@pytest.mark.parametrize("text", [f"SHA256:{SHA256.hex().upper()}", f" sha256 : {SHA256.hex()} "])
def test_letters_of_either_case_and_blanks_are_read(text: str) -> None:
    assert parse_digest(text) == Checksum("sha256", SHA256)


@pytest.mark.parametrize(
    "text",
    ["", ":", "sha256", "sha256:", "sha256:zz", "sha256:00", f"sha256:{SHA256.hex()}00", "sha2:00", "sha256=00"],
)
def test_a_digest_that_does_not_parse_is_422(text: str) -> None:
    with pytest.raises(BadDigest) as refused:
        parse_digest(text)
    assert (refused.value.status, refused.value.code) == (422, "bad-checksum")


ENCODED = base64.b64encode(SHA256).decode()


@pytest.mark.parametrize(
    "field",
    [
        f"sha-256=:{ENCODED}:",
        f"unixsum=:AAA=:, sha-256=:{ENCODED}:",
        f"sha-256=:{ENCODED}:, sha-512=:AAAA:",
        f"  sha-256=:{ENCODED}:  ",
        f"nonsense,sha-256=:{ENCODED}:",
    ],
)
def test_the_first_known_digest_of_a_field_counts(field: str) -> None:
    assert parse_content_digest(field) == Checksum("sha256", SHA256)


@pytest.mark.parametrize("field", ["", "unixsum=:AAA=:", "sha-256", "sha-256=abc", "SHA-256=:AAAA:"])
def test_a_field_without_a_known_digest_verifies_nothing(field: str) -> None:
    assert parse_content_digest(field) is None


@pytest.mark.parametrize("digest", ["AAAA", "A", "AAA=A", f"{ENCODED}AAAA"])
def test_a_known_digest_that_does_not_parse_is_422(digest: str) -> None:
    with pytest.raises(BadDigest):
        parse_content_digest(f"sha-256=:{digest}:")


@pytest.mark.parametrize(
    "name", ["a", "a/b", "naïve.bin", ".hidden", "a..b", "...", "a b", "%2e", "\u200ea", "a" * 1024]
)
def test_a_filename_that_names_something_is_taken_as_it_is(name: str) -> None:
    assert parse_filename(name) == name


def test_a_filename_is_composed() -> None:
    assert parse_filename("e\u0301") == "\u00e9"


@pytest.mark.parametrize(
    "name",
    [
        *("", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", "a/./b"),
        *("a\x00", "a\nb", "\x7f", "\ud800", "a" * 1025, "ä" * 513),
    ],
)
def test_a_filename_that_names_nothing_safely_is_422(name: str) -> None:
    with pytest.raises(BadFilename) as refused:
        parse_filename(name)
    assert (refused.value.status, refused.value.code) == (422, "bad-filename")


@given(st.text(max_size=50))
def test_a_filename_that_is_taken_is_taken_again_as_the_same(name: str) -> None:
    try:
        taken = parse_filename(name)
    except BadFilename:
        return
    assert parse_filename(taken) == taken
