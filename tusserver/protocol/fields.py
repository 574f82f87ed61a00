"""Reading single request headers. RFC 9110, section 5."""

from __future__ import annotations

import re
from typing import Protocol

from tusserver.protocol.refusals import MalformedHeader

# One offset or length takes at most this many digits, so that nobody makes us multiply a header of 100 kB.
MAX_DIGITS = 64
DIGITS = re.compile(r"[0-9]+", re.ASCII)


class Headers(Protocol):
    """What is needed of a multi-dictionary of headers; names compare without case."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Every value of a header in the order received."""
        ...


def single(headers: Headers, name: str) -> str | None:
    """The value of a header that may come once, None when it is absent.

    Raises:
        MalformedHeader: it came more than once; two values could only be guessed between.
    """
    values = headers.getall(name, [])
    if len(values) > 1:
        raise MalformedHeader(name, "was sent more than once")
    return values[0] if values else None


def parse_number(name: str, value: str) -> int:
    """Read a non-negative integer of plain ASCII digits, for example ``"1048576"``.

    Signs, blanks, underscores and digits of other scripts are refused; leading zeros are harmless.

    Raises:
        MalformedHeader: it is anything else, or has more than 64 digits.
    """
    if not DIGITS.fullmatch(value):
        raise MalformedHeader(name, f"{value[:40]!r} is not a non-negative integer")
    if len(value) > MAX_DIGITS:
        raise MalformedHeader(name, f"has {len(value)} digits")
    return int(value)


def number(headers: Headers, name: str) -> int | None:
    """The number in a header, None when it is absent. Raises MalformedHeader as `parse_number`."""
    value = single(headers, name)
    return None if value is None else parse_number(name, value)


def tokens(headers: Headers, name: str) -> tuple[str, ...]:
    """The members of a comma list in lower case, without blanks around them; empty ones are left out."""
    joined = ",".join(headers.getall(name, []))
    return tuple(token for part in joined.split(",") if (token := part.strip().lower()))
