"""Digests as Upload-Checksum carries them."""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64encode

from tusserver.check.outcomes import NotTried


def digest(algorithm: str, data: bytes) -> bytes:
    """The digest of `data`; checksums of 32 bits in network order. Raises NotTried if `algorithm` is not known here."""
    if algorithm in ("crc32", "adler32"):
        number = zlib.crc32(data) if algorithm == "crc32" else zlib.adler32(data)
        return number.to_bytes(4, "big")
    names = {name.replace("_", "-"): name for name in hashlib.algorithms_guaranteed if not name.startswith("shake")}
    if algorithm.replace("_", "-") not in names:
        raise NotTried(f"the digest {algorithm} is not known here")
    return hashlib.new(names[algorithm.replace("_", "-")], data, usedforsecurity=False).digest()


def field(algorithm: str, data: bytes) -> str:
    """The value of Upload-Checksum for `data`."""
    return f"{algorithm} {b64encode(digest(algorithm, data)).decode()}"
