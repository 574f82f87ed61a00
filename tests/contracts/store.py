"""What every store of bytes must do. A backend's test class inherits and gives the fixtures `store` and `limited`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.store_pull import PullContract
from tests.contracts.store_values import MIB, Limited, add, content, new_id, pattern, scanned
from tests.contracts.store_writer import WriterContract
from tusserver.protocol.errors import Conflict, NotFound, OutOfSpace
from tusserver.stores.base import Store


class StoreContract(WriterContract, PullContract):
    """Every promise of `tusserver.stores.base`."""

    # Creating

    async def test_a_new_upload_is_empty(self, store: Store) -> None:
        await store.create(id := new_id())
        assert await store.size(id) == 0
        assert await content(store, id) == b""

    async def test_creating_an_id_again_is_a_conflict_and_keeps_its_bytes(self, store: Store) -> None:
        id = await add(store, b"kept")
        with pytest.raises(Conflict):
            await store.create(id)
        assert await content(store, id) == b"kept"

    @pytest.mark.parametrize("id", ["-" * 22, "_" * 22, "0" * 22, "-_AZaz09" + "x" * 14])
    async def test_every_letter_of_an_id_can_be_stored(self, store: Store, id: str) -> None:
        await add(store, b"bytes", id)
        assert await scanned(store) == {id: 5}

    async def test_ids_that_differ_in_one_letter_are_different_uploads(self, store: Store) -> None:
        ids = ["a" * 22, "a" * 21 + "b", "b" + "a" * 21, "A" * 22]
        for id in ids:
            await add(store, id.encode(), id)
        assert [await content(store, id) for id in ids] == [id.encode() for id in ids]

    # Missing

    async def test_appending_to_what_was_never_created_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.append(new_id(), 0)

    async def test_the_size_of_what_was_never_created_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.size(new_id())

    async def test_the_file_of_what_was_never_created_is_not_found(self, store: Store) -> None:
        with pytest.raises(NotFound):
            await store.file(new_id())

    async def test_reading_what_was_never_created_is_not_found_at_the_first_step(self, store: Store) -> None:
        pieces = store.read(new_id(), 0, 10)
        with pytest.raises(NotFound):
            await anext(pieces)

    async def test_deleting_what_was_never_created_frees_nothing(self, store: Store) -> None:
        assert await store.delete(new_id()) == 0

    async def test_a_message_names_no_place_on_the_machine(self, store: Store) -> None:
        with pytest.raises(NotFound) as told:
            await store.size(new_id())
        assert "/" not in str(told.value)

    # Reading

    @pytest.mark.parametrize(
        ("start", "end"),
        [
            (0, 0),
            (0, 1),
            (3, 3),
            (5, 3),
            (0, 2 * MIB + 3),
            (MIB - 1, MIB + 1),
            (MIB, 2 * MIB),
            (2 * MIB + 2, 2 * MIB + 3),
        ],
    )
    async def test_a_range_is_read_from_its_start_up_to_its_end(self, store: Store, start: int, end: int) -> None:
        whole = pattern(2 * MIB + 3)
        id = await add(store, whole)
        assert await content(store, id, start, end) == whole[start:end]

    async def test_reading_ends_where_the_stored_bytes_end(self, store: Store) -> None:
        id = await add(store, b"short")
        assert await content(store, id, 2, 100) == b"ort"
        assert await content(store, id, 7, 100) == b""

    async def test_pieces_are_at_most_one_mebibyte_and_never_empty(self, store: Store) -> None:
        id = await add(store, pattern(3 * MIB + 1))
        sizes = [len(piece) async for piece in store.read(id, 0, 4 * MIB)]
        assert sum(sizes) == 3 * MIB + 1
        assert min(sizes) > 0
        assert max(sizes) <= MIB

    async def test_a_deletion_does_not_disturb_who_is_reading(self, store: Store) -> None:
        whole = pattern(3 * MIB)
        id = await add(store, whole)
        pieces = store.read(id, 0, len(whole))
        seen = await anext(pieces)
        await store.delete(id)
        seen += b"".join([piece async for piece in pieces])
        assert seen == whole

    async def test_reading_beside_a_writer_sees_what_was_written(self, store: Store) -> None:
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"first"])
        assert await content(store, id, 0, 100) == b"first"
        assert await store.size(id) == 5
        await writer.write([b"second"])
        assert await content(store, id, 0, 100) == b"firstsecond"
        await writer.close()

    async def test_many_are_read_at_once_in_the_order_asked_for(self, store: Store) -> None:
        one, two, none = await add(store, b"first"), await add(store, b"second"), await add(store)
        wanted = [(two, 1, 4), (one, 0, 5), (none, 0, 9), (one, 3, 100), (one, 9, 100), (two, 2, 2), (two, 0, 6)]
        assert await store.read_many(wanted) == [b"eco", b"first", b"", b"st", b"", b"", b"second"]
        assert await store.read_many([]) == []

    async def test_of_many_a_missing_one_is_not_found(self, store: Store) -> None:
        id = await add(store, b"bytes")
        with pytest.raises(NotFound):
            await store.read_many([(id, 0, 5), (new_id(), 0, 5)])

    async def test_the_file_is_one_ordinary_file_with_the_bytes_or_none(self, store: Store) -> None:
        id = await add(store, b"bytes")
        path = await store.file(id)
        assert path is None or await asyncio.to_thread(path.read_bytes) == b"bytes"

    # Concatenating

    @pytest.mark.parametrize(
        "parts",
        [[], [b""], [b"one"], [b"one", b"", b"two"], [pattern(2 * MIB + 1), b"x", pattern(MIB)]],
        ids=["nothing", "one empty", "one", "an empty one between", "large ones"],
    )
    async def test_parts_are_joined_in_their_order(self, store: Store, parts: Sequence[bytes]) -> None:
        ids = [await add(store, part) for part in parts]
        into = await add(store)
        assert await store.concatenate(ids, into) == sum(map(len, parts))
        assert await content(store, into) == b"".join(parts)
        assert [await content(store, id) for id in ids] == list(parts)

    async def test_a_part_named_twice_is_there_twice(self, store: Store) -> None:
        one, other, into = await add(store, b"one"), await add(store, b"other"), await add(store)
        assert await store.concatenate([one, other, one], into) == 11
        assert await content(store, into) == b"oneotherone"

    async def test_joining_again_gives_the_same_bytes(self, store: Store) -> None:
        ids = [await add(store, b"one"), await add(store, b"two")]
        into = await add(store, b"what a crash left behind, longer than the whole")
        for _ in range(2):
            assert await store.concatenate(ids, into) == 6
            assert await content(store, into) == b"onetwo"

    async def test_a_missing_part_is_not_found_and_changes_nothing(self, store: Store) -> None:
        one, into = await add(store, b"one"), await add(store, b"as it was")
        with pytest.raises(NotFound):
            await store.concatenate([one, new_id()], into)
        assert await content(store, into) == b"as it was"

    async def test_joining_into_what_was_never_created_is_not_found(self, store: Store) -> None:
        one = await add(store, b"one")
        with pytest.raises(NotFound):
            await store.concatenate([one], new_id())
        assert await scanned(store) == {one: 3}

    async def test_an_upload_is_no_part_of_itself(self, store: Store) -> None:
        one, into = await add(store, b"one"), await add(store, b"as it was")
        with pytest.raises(Conflict):
            await store.concatenate([one, into], into)
        assert await content(store, into) == b"as it was"

    async def test_parts_that_do_not_fit_leave_nothing_behind_and_fit_later(
        self, store: Store, limited: Limited
    ) -> None:
        ids = [await add(store, pattern(MIB)), await add(store, pattern(MIB))]
        into = await add(store, b"what a crash left behind")
        with limited(store, 3 * MIB, largest=MIB + 1), pytest.raises(OutOfSpace):
            await store.concatenate(ids, into)
        assert await store.size(into) == 0
        assert await store.concatenate(ids, into) == 2 * MIB

    # Deleting

    async def test_deleting_tells_the_bytes_freed_and_leaves_nothing(self, store: Store) -> None:
        id, other = await add(store, pattern(MIB + 1)), await add(store, b"other")
        assert await store.delete(id) == MIB + 1
        with pytest.raises(NotFound):
            await store.size(id)
        assert await scanned(store) == {other: 5}

    async def test_deleting_again_frees_nothing(self, store: Store) -> None:
        id = await add(store, b"bytes")
        assert [await store.delete(id), await store.delete(id)] == [5, 0]

    async def test_a_deleted_id_can_be_created_anew_and_is_empty(self, store: Store) -> None:
        id = await add(store, b"bytes")
        await store.delete(id)
        await store.create(id)
        assert await store.size(id) == 0

    async def test_deleting_works_where_nothing_more_can_be_stored(self, store: Store, limited: Limited) -> None:
        id = await add(store, b"bytes")
        with limited(store, 5, largest=5):
            assert await store.delete(id) == 5

    # Looking around

    async def test_an_empty_store_has_nothing(self, store: Store) -> None:
        assert await scanned(store) == {}

    async def test_a_scan_tells_everything_stored(self, store: Store) -> None:
        expected = {await add(store, b"x" * size): size for size in range(50)}
        assert await scanned(store) == expected

    async def test_a_scan_tells_when_the_bytes_last_changed(self, store: Store) -> None:
        before = datetime.now(UTC)
        id = await add(store)
        writer = await store.append(id, 0)
        await writer.write([b"bytes"])
        await writer.close()
        (found,) = [stored async for stored in store.scan()]
        assert found.modified_at.tzinfo is UTC
        # A file system keeps the time of its last tick.
        assert before - timedelta(seconds=0.1) <= found.modified_at <= datetime.now(UTC)

    async def test_deleting_during_a_scan_does_not_end_it(self, store: Store) -> None:
        for size in range(20):
            await add(store, b"x" * size)
        seen = []
        async for stored in store.scan():
            seen.append(stored.id)
            await store.delete(stored.id)
        assert len(set(seen)) == len(seen) == 20
        assert await scanned(store) == {}

    async def test_the_room_left_is_told_or_not_known(self, store: Store) -> None:
        free = await store.free()
        assert free is None or free > 0
