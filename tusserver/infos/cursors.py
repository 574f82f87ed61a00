"""The opaque cursor of a listing: the place of the last record of a page, so that new records move nothing."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Whole microseconds since 1970 UTC. `moment` is aware."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC time of `to_micros`."""
    return EPOCH + timedelta(microseconds=micros)


def format_cursor(created: int, id: str) -> str:
    """The cursor behind a record that was created at `created` microseconds since 1970."""
    return base64.urlsafe_b64encode(f"{created} {id}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Give back what `format_cursor` took.

    Raises:
        ValueError: it is not a cursor.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        created, _, id = text.partition(" ")
        place = int(created), id
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{cursor!r} is not a cursor of this listing") from error
    if format_cursor(*place) != cursor or not -(2**63) <= place[0] < 2**63:
        raise ValueError(f"{cursor!r} is not a cursor of this listing")
    return place
