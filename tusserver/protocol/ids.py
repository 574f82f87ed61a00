"""Ids of uploads, and the addresses that name them."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from tusserver.protocol.refusals import BadParts

PATTERN = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
VISIBLE = re.compile(r"[!-~]+", re.ASCII)
RANDOM_BYTES = 16


def is_id(text: str) -> bool:
    """The text has the form of an id; checked before anything is built from it."""
    return PATTERN.fullmatch(text) is not None


def make_id(random: bytes) -> str:
    """The id of 16 random bytes: 22 characters of URL-safe Base64."""
    return base64.urlsafe_b64encode(random).decode("ascii").rstrip("=")


def parse_part(address: str, paths: Collection[str], hosts: Collection[str]) -> str:
    """The id in the address of an upload of this server.

    Args:
        address: a path (``"/files/<id>"``) or an absolute URL, as in `Upload-Concat`.
        paths: what may come before the id, as clients see it, for example ``"/files/"``.
        hosts: names this server is known by, in lower case without port. The port is not compared: reverse proxies
            lose it, and the id is what opens an upload.
    Raises:
        BadParts: it is something else.

    Source: tus 1.0.0, extension Concatenation, field Upload-Concat.
    """
    if not VISIBLE.fullmatch(address):
        # `urlsplit` would drop control characters, and takes the square of the length to normalise a host of accents.
        raise BadParts(f"{address[:200]!a} is no address")
    try:
        url = urlsplit(address)
        host = url.hostname
    except ValueError:
        raise BadParts(f"{address[:200]!r} is no address") from None
    if url.scheme not in ("", "http", "https") or (host is None) != (not url.scheme) or url.query or url.fragment:
        raise BadParts(f"{address[:200]!r} is no address of an upload")
    if host is not None and host not in hosts:
        raise BadParts(f"{address[:200]!r} is on another host than {' or '.join(sorted(hosts))}")
    before, slash, id = url.path.rpartition("/")
    if before + slash not in paths or not is_id(id):
        raise BadParts(f"{address[:200]!r} is no upload below {' or '.join(sorted(paths))}")
    return id
