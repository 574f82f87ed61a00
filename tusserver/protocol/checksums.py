"""Checksums of chunks. tus 1.0.0, extension Checksum."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tusserver.protocol.refusals import MalformedHeader, UnknownChecksum

NAME = "Upload-Checksum"
Bytes = bytes | bytearray | memoryview


class Hasher(Protocol):
    """Takes bytes in pieces and gives their digest."""

    def update(self, data: Bytes, /) -> None:
        """Take the next piece."""
        ...

    def digest(self) -> bytes:
        """The digest of every piece so far."""
        ...


class Crc32:
    """CRC-32 as zlib, gzip and ZIP have it; its digest is four bytes, most significant first."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: Bytes, /) -> None:
        """Take the next piece."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """The four bytes."""
        return self._value.to_bytes(4, "big")


def _by_hashlib(name: str) -> Callable[[], Hasher]:
    return lambda: hashlib.new(name, usedforsecurity=False)


# sha1 first: the specification asks for it, and tuspy sends nothing else.
_HASHERS: dict[str, Callable[[], Hasher]] = {
    "sha1": _by_hashlib("sha1"),
    "sha256": _by_hashlib("sha256"),
    "sha512": _by_hashlib("sha512"),
    "md5": _by_hashlib("md5"),
    "crc32": Crc32,
    "sha224": _by_hashlib("sha224"),
    "sha384": _by_hashlib("sha384"),
    "sha3-256": _by_hashlib("sha3_256"),
    "sha3-512": _by_hashlib("sha3_512"),
    "blake2b": _by_hashlib("blake2b"),
    "blake2s": _by_hashlib("blake2s"),
}
ALGORITHMS: tuple[str, ...] = tuple(_HASHERS)


def new_hasher(algorithm: str) -> Hasher:
    """A hasher of one of `ALGORITHMS`."""
    return _HASHERS[algorithm]()


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest that bytes must have."""

    algorithm: str
    digest: bytes

    def holds(self, hasher: Hasher) -> bool:
        """The hasher, fed with the bytes, comes to this digest."""
        return hmac.compare_digest(hasher.digest(), self.digest)


def parse_checksum(value: str) -> Checksum:
    """Read an `Upload-Checksum` field: algorithm, one blank, Base64 digest.

    Args:
        value: the field as received, for example ``"sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="``.
    Returns:
        the algorithm in lower case and the digest as bytes.
    Raises:
        UnknownChecksum: status 400, algorithm not offered in `Tus-Checksum-Algorithm`.
        MalformedHeader: status 400, anything else that does not parse.

    Source: tus 1.0.0, extension Checksum, field Upload-Checksum.
    """
    algorithm, blank, encoded = value.partition(" ")
    algorithm = algorithm.lower()
    if not blank or not algorithm:
        raise MalformedHeader(NAME, "must be an algorithm, one blank and a Base64 digest")
    if algorithm not in _HASHERS:
        raise UnknownChecksum(algorithm, ALGORITHMS)
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedHeader(NAME, "the digest is not Base64") from None
    size = len(new_hasher(algorithm).digest())
    if len(digest) != size:
        raise MalformedHeader(NAME, f"a {algorithm} digest has {size} bytes, not {len(digest)}")
    return Checksum(algorithm, digest)
