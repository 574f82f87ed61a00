"""Digests in the words of REST: ``"sha256:<hex>"``, and Content-Digest."""

from __future__ import annotations

import base64
import binascii
import re

from tusserver.protocol.checksums import ALGORITHMS, Checksum, new_hasher
from tusserver.protocol.refusals import Refusal

CONTENT_DIGEST = re.compile(r"\s*([a-z0-9*._-]+)=:([A-Za-z0-9+/=]*):\s*", re.ASCII)
# The names of RFC 9530 that differ from ours.
REGISTERED = {"sha-256": "sha256", "sha-512": "sha512", "sha": "sha1"}


class BadDigest(Refusal):
    """A digest that does not parse."""

    status, code, title = 422, "bad-checksum", "The checksum cannot be read"


class DigestMismatch(Refusal):
    """The bytes are not those the digest was made of. Plain REST says 422 where tus says 460."""

    status, code, title = 422, "checksum-mismatch", "The checksum does not match the bytes that arrived"


def parse_digest(text: str) -> Checksum:
    """Read ``"sha256:<hex>"``; the algorithm is one of those of tus checksum.

    Raises:
        BadDigest: status 422.
    """
    algorithm, colon, digits = text.partition(":")
    algorithm = algorithm.strip().lower()
    if not colon or algorithm not in ALGORITHMS:
        raise BadDigest(f"{text[:80]!r} is not an algorithm ({', '.join(ALGORITHMS)}), a colon and hexadecimal digits")
    try:
        digest = bytes.fromhex(digits.strip())
    except ValueError:
        raise BadDigest(f"{digits[:80]!r} is not hexadecimal") from None
    return _sized(algorithm, digest)


def format_digest(checksum: Checksum) -> str:
    """The text that `parse_digest` reads."""
    return f"{checksum.algorithm}:{checksum.digest.hex()}"


def parse_content_digest(field: str) -> Checksum | None:
    """The first digest of a `Content-Digest` field in an algorithm that is known, None if there is none.

    Raises:
        BadDigest: status 422, its bytes are not Base64 or too few.

    Source: RFC 9530, section 2.
    """
    for member in field.split(","):
        match = CONTENT_DIGEST.fullmatch(member)
        algorithm = REGISTERED.get(match[1], match[1]) if match else ""
        if match and algorithm in ALGORITHMS:
            try:
                return _sized(algorithm, base64.b64decode(match[2], validate=True))
            except (binascii.Error, ValueError):
                raise BadDigest("Content-Digest: the digest is not Base64") from None
    return None


def _sized(algorithm: str, digest: bytes) -> Checksum:
    size = len(new_hasher(algorithm).digest())
    if len(digest) != size:
        raise BadDigest(f"a {algorithm} digest has {size} bytes, not {len(digest)}")
    return Checksum(algorithm, digest)
