"""HTTP dates. RFC 9110, section 5.6.7."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime


def format_date(moment: datetime) -> str:
    """The moment (aware) as an IMF-fixdate, for example ``"Sun, 06 Nov 1994 08:49:37 GMT"``.

    Parts of seconds are cut.
    """
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0), usegmt=True)


def parse_date(value: str) -> datetime | None:
    """Read an HTTP date in any of its three forms; None when it is no date, which HTTP asks to ignore."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError, IndexError):
        # OverflowError: the last hours of the year 9999, told in a zone where UTC is already in the next.
        return None
