"""Checksums of chunks."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import made_of, many
from tusserver.protocol.checksums import ALGORITHMS, Checksum, new_hasher, parse_checksum
from tusserver.protocol.refusals import MalformedHeader, UnknownChecksum

HELLO = "Kq5sNclPz7QV2+lfQIuc6R7oRu0="  # sha1 of "hello world", the example of the specification

# Digests of "hello world" that other programs made (coreutils, openssl, gzip).
KNOWN = {
    "sha1": "2aae6c35c94fcfb415dbe95f408b9ce91ee846ed",
    "sha256": "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
    "md5": "5eb63bbbe01eeed093cb22bb8f5acdc3",
    "crc32": "0d4a1185",
    "sha224": "2f05477fc24bb4faefd86517156dafdecec45b8ad3cf2522a563582b",
}


def test_the_example_of_the_specification_is_read() -> None:
    assert parse_checksum(f"sha1 {HELLO}") == Checksum("sha1", bytes.fromhex(KNOWN["sha1"]))


def test_the_name_of_an_algorithm_is_read_in_any_case() -> None:
    assert parse_checksum(f"SHA1 {HELLO}").algorithm == "sha1"


def test_sha1_is_offered_and_every_name_is_ascii_without_upper_case() -> None:
    assert ALGORITHMS[0] == "sha1"
    for name in ALGORITHMS:
        assert name.isascii()
        assert name == name.lower()
        assert not set(name) & set(" ,")
    assert len(set(ALGORITHMS)) == len(ALGORITHMS)


@pytest.mark.parametrize(("algorithm", "digest"), KNOWN.items())
def test_a_digest_is_what_other_programs_compute(algorithm: str, digest: str) -> None:
    hasher = new_hasher(algorithm)
    hasher.update(b"hello ")
    hasher.update(memoryview(bytearray(b"world")))
    assert hasher.digest().hex() == digest


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_offered_algorithm_accepts_its_digest_and_no_other(algorithm: str) -> None:
    data = b"hello world"
    digest = (
        zlib.crc32(data).to_bytes(4, "big")
        if algorithm == "crc32"
        else hashlib.new(algorithm.replace("-", "_"), data).digest()
    )
    checksum = parse_checksum(f"{algorithm} {base64.b64encode(digest).decode()}")
    right, wrong = new_hasher(algorithm), new_hasher(algorithm)
    right.update(data)
    wrong.update(data + b"!")
    assert checksum.holds(right)
    assert not checksum.holds(wrong)
    assert not checksum.holds(new_hasher(algorithm))


@pytest.mark.parametrize("value", [f"sha2 {HELLO}", f"sha1,sha256 {HELLO}", f"sha\udc80 {HELLO}", "x" * 5000 + " a"])
def test_an_algorithm_that_is_not_offered_is_refused_with_the_list(value: str) -> None:
    with pytest.raises(UnknownChecksum) as refused:
        parse_checksum(value)
    assert refused.value.status == 400
    assert refused.value.headers == {"Tus-Checksum-Algorithm": ",".join(ALGORITHMS)}
    assert refused.value.facts == {"algorithms": list(ALGORITHMS)}
    assert len(refused.value.detail) < 250


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "sha1", HELLO, f" sha1 {HELLO}", f" {HELLO}", f"sha1{HELLO}", f"sha1\t{HELLO}"),
        *("sha1 ", f"sha1  {HELLO}", f"sha1 {HELLO} ", f"sha1 {HELLO} {HELLO}", f"sha1 {HELLO}\n", f"sha1 {HELLO},"),
        *("sha1 !!!!", "sha1 Kq5s", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0", "sha1 Kq5sNclPz7QV2-lfQIuc6R7oRu0="),
        *("sha1 äöü=", f"sha1 {HELLO[:-1]}\udc80", f"sha256 {HELLO}", f"crc32 {HELLO}", f"sha1 {HELLO}{HELLO}"),
    ],
)
def test_anything_but_an_algorithm_one_blank_and_its_digest_is_malformed(value: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        parse_checksum(value)
    assert refused.value.status == 400


@many
@given(made_of(*ALGORITHMS, " ", "=", HELLO, "AAAA", "DUoRhQ=="))
def test_any_text_is_a_checksum_or_refused_with_400(text: str) -> None:
    try:
        checksum = parse_checksum(text)
    except (MalformedHeader, UnknownChecksum):
        return
    assert checksum.algorithm in ALGORITHMS
    assert len(checksum.digest) == len(new_hasher(checksum.algorithm).digest())


@many
@given(st.sampled_from(ALGORITHMS), st.lists(st.binary(max_size=40), max_size=8))
def test_pieces_of_any_size_have_the_digest_of_the_whole(algorithm: str, pieces: list[bytes]) -> None:
    whole, piecewise = new_hasher(algorithm), new_hasher(algorithm)
    whole.update(b"".join(pieces))
    for piece in pieces:
        piecewise.update(piece)
    assert Checksum(algorithm, whole.digest()).holds(piecewise)
