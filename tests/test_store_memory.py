"""Bytes in memory: the contract, and the clock and capacity that tests of others use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.store import StoreContract
from tests.contracts.store_values import Limited, add, new_id
from tusserver.stores.base import Store
from tusserver.stores.memory import MemoryStore


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    @pytest.fixture
    def limited(self) -> Limited:
        @contextmanager
        def limit(store: Store, total: int, *, largest: int) -> Iterator[None]:
            assert isinstance(store, MemoryStore)
            store.capacity = total
            yield
            store.capacity = None

        return limit


async def test_the_room_left_is_what_the_capacity_leaves() -> None:
    store = MemoryStore(capacity=10)
    await add(store, b"1234")
    assert await store.free() == 6


async def test_the_time_of_a_change_is_that_of_the_clock_given() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    store = MemoryStore(clock=lambda: now)
    await store.create(id := new_id())
    now += timedelta(days=1)
    writer = await store.append(id, 0)
    await writer.write([b"bytes"])
    assert [stored.modified_at async for stored in store.scan()] == [now]
