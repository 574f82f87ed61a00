"""What a writer of every store must do: the half of the contract that is about appending."""

from __future__ import annotations

import array
import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from tests.contracts.store_values import MIB, Limited, add, content, new_id, pattern, scanned
from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace
from tusserver.stores.base import Buffer, Store, Writer

CALLS: dict[str, Callable[[Writer], Awaitable[None]]] = {
    "write": lambda writer: writer.write([b"late"]),
    "cut": lambda writer: writer.cut(0),
    "sync": lambda writer: writer.sync(),
}


class WriterContract:
    """Every promise of `tusserver.stores.base.Writer` and of `Store.append`."""

    # Appending

    async def test_buffers_are_appended_in_their_order(self, store: Store) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"one", b"two"])
        await writer.write([b"three"])
        assert writer.offset == 11
        await writer.close()
        assert await content(store, id) == b"onetwothree"

    @pytest.mark.parametrize(
        "buffer",
        [b"bytes", bytearray(b"bytes"), memoryview(b"bytes"), memoryview(b"some bytes here")[5:10]],
        ids=["bytes", "bytearray", "memoryview", "slice"],
    )
    async def test_every_kind_of_buffer_is_taken(self, store: Store, buffer: Buffer) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([buffer])
        assert writer.offset == 5
        await writer.close()
        assert await content(store, id) == b"bytes"

    async def test_a_buffer_counts_in_bytes_whatever_its_items_are(self, store: Store) -> None:
        numbers = array.array("I", range(100))
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([memoryview(numbers)])
        assert writer.offset == 100 * numbers.itemsize
        await writer.close()
        assert await content(store, id) == numbers.tobytes()

    @pytest.mark.parametrize("count", [0, 1, 1023, 1024, 1025, 5000])
    async def test_any_number_of_buffers_is_taken(self, store: Store, count: int) -> None:
        buffers = [b"%d," % number for number in range(count)]
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write(buffers)
        await writer.close()
        assert await content(store, id) == b"".join(buffers)

    async def test_empty_buffers_add_nothing(self, store: Store) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"", b"a", b"", bytearray(), b"b", b""])
        await writer.write([])
        await writer.write([b""])
        assert writer.offset == 2
        await writer.close()
        assert await content(store, id) == b"ab"

    async def test_a_buffer_may_be_used_again_after_the_write(self, store: Store) -> None:
        buffer = bytearray(b"first")
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([buffer])
        buffer[:] = b"other and longer"
        await writer.close()
        assert await content(store, id) == b"first"

    async def test_a_writer_goes_on_where_the_last_one_ended(self, store: Store) -> None:
        id = await add(store, b"one")
        writer = await store.append(id, 3)
        assert writer.offset == 3
        await writer.write([b"two"])
        await writer.close()
        assert await content(store, id) == b"onetwo"

    @pytest.mark.parametrize("offset", [0, 1, 4])
    async def test_what_lies_behind_the_offset_is_dropped(self, store: Store, offset: int) -> None:
        id = await add(store, b"right or wrong")
        writer = await store.append(id, offset)
        assert (writer.offset, await store.size(id)) == (offset, offset)
        await writer.write([b"new"])
        await writer.close()
        assert await content(store, id) == b"right or wrong"[:offset] + b"new"

    async def test_appending_past_the_stored_bytes_is_a_conflict_and_changes_nothing(self, store: Store) -> None:
        id = await add(store, b"four")
        with pytest.raises(Conflict):
            await store.append(id, 5)
        assert await content(store, id) == b"four"

    async def test_many_writers_work_side_by_side(self, store: Store) -> None:
        wholes = [pattern(100_000 + number, number) for number in range(20)]

        async def upload(whole: bytes) -> str:
            id = await add(store)
            writer = await store.append(id, 0)
            for at in range(0, len(whole), 7_001):
                await writer.write([whole[at : at + 7_001]])
            await writer.close()
            return id

        ids = await asyncio.gather(*map(upload, wholes))
        assert [await content(store, id) for id in ids] == wholes

    @pytest.mark.parametrize("seed", range(10))
    async def test_any_order_of_calls_leaves_what_a_plain_buffer_would_hold(self, store: Store, seed: int) -> None:
        chance = random.Random(seed)
        held = bytearray()
        id = await add(store)
        writer = await store.append(id, 0)
        for _ in range(60):
            match chance.randrange(4):
                case 0 | 1:
                    buffers = [chance.randbytes(chance.randrange(5000)) for _ in range(chance.randrange(4))]
                    await writer.write(buffers)
                    held += b"".join(buffers)
                case 2:
                    offset = chance.randint(len(held) // 2, len(held))
                    await writer.cut(offset)
                    del held[offset:]
                case 3:
                    await writer.close()
                    offset = chance.randint(len(held) // 2, len(held))
                    writer = await store.append(id, offset)
                    del held[offset:]
            assert writer.offset == len(held)
        await writer.sync()
        await writer.close()
        assert await content(store, id) == held

    # Cutting

    async def test_a_cut_drops_the_end_and_writing_goes_on_there(self, store: Store) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"verified, not verified"])
        await writer.cut(8)
        assert (writer.offset, await store.size(id)) == (8, 8)
        await writer.write([b"!"])
        await writer.close()
        assert await content(store, id) == b"verified!"

    @pytest.mark.parametrize("offset", [-1, 6])
    async def test_a_cut_outside_of_the_bytes_is_an_error_and_changes_nothing(self, store: Store, offset: int) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"bytes"])
        with pytest.raises(ValueError, match="cannot cut"):
            await writer.cut(offset)
        assert (writer.offset, await store.size(id)) == (5, 5)
        await writer.close()

    # Syncing and closing

    async def test_a_sync_may_come_at_any_time_and_changes_nothing(self, store: Store) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.sync()
        await writer.write([b"one"])
        await writer.sync()
        await writer.sync()
        await writer.write([b"two"])
        await writer.sync()
        await writer.close()
        assert await content(store, id) == b"onetwo"

    async def test_many_syncs_may_wait_together(self, store: Store) -> None:
        writers = [await store.append(await add(store, b"bytes"), 5) for _ in range(40)]
        await asyncio.gather(*[writer.sync() for writer in writers])
        await asyncio.gather(*[writer.close() for writer in writers])

    async def test_closing_again_does_nothing(self, store: Store) -> None:
        writer = await store.append(await add(store), 0)
        await writer.close()
        await writer.close()

    @pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
    async def test_a_closed_writer_does_nothing_more(
        self, store: Store, call: Callable[[Writer], Awaitable[None]]
    ) -> None:
        id = await add(store, b"bytes")
        writer = await store.append(id, 5)
        await writer.close()
        with pytest.raises(ValueError, match="closed"):
            await call(writer)
        assert await content(store, id) == b"bytes"

    # Full

    @pytest.mark.parametrize("sizes", [[10], [4, 6], [1] * 10, [7, 3, 20]], ids=str)
    async def test_of_what_does_not_fit_the_beginning_is_kept(
        self, store: Store, limited: Limited, sizes: list[int]
    ) -> None:
        whole = pattern(8 + sum(sizes))
        id = await add(store, whole[:8])
        writer = await store.append(id, 8)
        starts = [8 + sum(sizes[:index]) for index in range(len(sizes))]
        buffers = [whole[start : start + size] for start, size in zip(starts, sizes, strict=True)]
        with limited(store, 13, largest=13), pytest.raises(OutOfSpace):
            await writer.write(buffers)
        assert (writer.offset, await store.size(id)) == (13, 13)
        assert await content(store, id) == whole[:13]
        await writer.write([whole[13:]])
        await writer.close()
        assert await content(store, id) == whole

    async def test_on_a_full_disk_cutting_syncing_and_closing_still_work(self, store: Store, limited: Limited) -> None:
        id = await add(store, b"bytes")
        writer = await store.append(id, 5)
        with limited(store, 5, largest=5):
            with pytest.raises(OutOfSpace):
                await writer.write([b"more"])
            await writer.cut(3)
            await writer.sync()
            await writer.close()
        assert await content(store, id) == b"byt"

    # Cancelled

    @pytest.mark.parametrize("turns", range(12))
    async def test_a_cancelled_write_is_over_when_it_says_so(self, store: Store, turns: int) -> None:
        whole = pattern(4 * MIB)
        id = await add(store)
        writer = await store.append(id, 0)
        writing = asyncio.create_task(writer.write([whole]))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing
        reached = writer.offset
        assert reached in (0, len(whole))  # not begun, or ended
        assert await store.size(id) == reached
        await writer.close()
        next_writer = await store.append(id, 0)
        await asyncio.sleep(0.01)
        assert await store.size(id) == 0
        await next_writer.close()

    async def test_a_write_is_cancelled_again_and_again_and_still_ends_first(self, store: Store) -> None:
        whole = pattern(16 * MIB)
        id = await add(store)
        writer = await store.append(id, 0)
        writing = asyncio.create_task(writer.write([whole]))
        await asyncio.sleep(0)
        while not writing.done():
            writing.cancel()
            await asyncio.sleep(0)
        assert await store.size(id) == writer.offset == len(whole)
        await writer.close()

    async def test_closing_waits_for_a_write_under_way(self, store: Store) -> None:
        whole = pattern(16 * MIB)
        id = await add(store)
        writer = await store.append(id, 0)
        writing = asyncio.create_task(writer.write([whole]))
        await asyncio.sleep(0)
        await writer.close()
        reached = await store.size(id)
        with suppress(ValueError):  # closed before it began
            await writing
        assert await store.size(id) == reached
        assert reached in (0, len(whole))

    # In one step

    async def test_data_that_is_here_is_added_in_one_step(self, store: Store) -> None:
        id = await add(store, b"one")
        await store.add(id, 3, b"two")
        assert await content(store, id) == b"onetwo"
        await store.add(id, 4, b"!")  # what lies behind is dropped, as `append` does
        assert await content(store, id) == b"onet!"
        await store.add(id, 5, b"")
        assert await store.size(id) == 5

    async def test_a_new_upload_is_made_with_its_data(self, store: Store) -> None:
        for data in (b"whole", b""):
            await store.add(id := new_id(), 0, data, is_new=True)
            assert await content(store, id) == data

    async def test_adding_behind_the_end_or_making_what_there_is_is_a_conflict(self, store: Store) -> None:
        id = await add(store, b"bytes")
        with pytest.raises(Conflict):
            await store.add(id, 6, b"late")
        with pytest.raises(Conflict):
            await store.add(id, 0, b"again", is_new=True)
        with pytest.raises(NotFound):
            await store.add(new_id(), 0, b"nowhere")
        assert await content(store, id) == b"bytes"

    async def test_what_does_not_fit_in_one_step_leaves_nothing(self, store: Store, limited: Limited) -> None:
        id = await add(store, b"bytes")
        new = new_id()
        with limited(store, 8, largest=8):
            with pytest.raises(OutOfSpace):
                await store.add(id, 5, b"more")
            with pytest.raises(OutOfSpace):
                await store.add(new, 0, b"something new", is_new=True)
        assert await content(store, id) == b"bytes"
        assert await scanned(store) == {id: 5}
