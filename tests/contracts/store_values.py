"""Values and short cuts of the contract of stores."""

from __future__ import annotations

import random
import secrets
from contextlib import AbstractContextManager
from typing import Protocol

from tusserver.stores.base import Store

MIB = 1024 * 1024


class Limited(Protocol):
    """Makes a store full for the length of a block."""

    def __call__(self, store: Store, total: int, *, largest: int) -> AbstractContextManager[None]:
        """No more than `total` bytes fit in, or no upload grows past `largest`: whichever the backend can do."""
        ...


def new_id() -> str:
    return secrets.token_urlsafe(16)


def pattern(size: int, seed: int = 1) -> bytes:
    """Bytes that are the same each time and repeat nowhere."""
    return random.Random(seed).randbytes(size)


async def add(store: Store, data: bytes = b"", id: str | None = None) -> str:
    """Store an upload; gives its id."""
    id = id or new_id()
    await store.create(id)
    if data:
        writer = await store.append(id, 0)
        await writer.write([data])
        await writer.close()
    return id


async def content(store: Store, id: str, start: int = 0, end: int | None = None) -> bytes:
    """What is stored from `start` on."""
    end = await store.size(id) if end is None else end
    return b"".join([piece async for piece in store.read(id, start, end)])


async def scanned(store: Store) -> dict[str, int]:
    """Ids and sizes of everything stored."""
    found = [stored async for stored in store.scan()]
    assert len({stored.id for stored in found}) == len(found)
    return {stored.id: stored.size for stored in found}
