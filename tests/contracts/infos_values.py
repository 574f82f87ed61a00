"""Records to test with, and short ways to ask for them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from tusserver.accounts.base import Link
from tusserver.infos.base import Infos
from tusserver.protocol.uploads import Upload

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

_numbers = itertools.count()


def new_id() -> str:
    """An id like the server's. The order of ids is not the order of creation, as with random ones."""
    number = next(_numbers)
    return f"{number * 7919 % 100_003:06}-{number:015}"


def an_upload(**fields: Any) -> Upload:
    """A record that differs from every other in its id only, but for what is given."""
    created = fields.pop("created_at", START)
    return Upload(fields.pop("id", None) or new_id(), created, fields.pop("updated_at", created), **fields)


def a_link(**fields: Any) -> Link:
    """A link that differs from every other in its id only, but for what is given."""
    return Link(
        fields.pop("id", None) or new_id(), fields.pop("owner", None), fields.pop("created_at", START), **fields
    )


def seconds(number: float) -> datetime:
    """A moment `number` seconds after the first."""
    return START + timedelta(seconds=number)


def ids(uploads: Iterable[Upload]) -> list[str]:
    """Their ids in their order."""
    return [upload.id for upload in uploads]


async def add(infos: Infos, *uploads: Upload) -> tuple[Upload, ...]:
    """Create records and give them back."""
    for upload in uploads:
        await infos.create(upload)
    return uploads


async def walk(infos: Infos, limit: int, **filters: Any) -> list[str]:
    """The ids of all pages."""
    page = await infos.page(limit=limit, **filters)
    found = ids(page.uploads)
    while page.next_cursor is not None:
        page = await infos.page(limit=limit, cursor=page.next_cursor, **filters)
        found += ids(page.uploads)
    return found
