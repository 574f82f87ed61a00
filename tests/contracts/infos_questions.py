"""What every store of records answers about many records: pages, what the sweeper asks, concatenation."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contracts.infos_values import START, add, an_upload, ids, new_id, seconds, walk
from tusserver.infos.base import Infos, OwnedBy, Quota
from tusserver.protocol.errors import Conflict
from tusserver.protocol.uploads import Kind, State, Upload


class QuestionsContract:
    """The half of `InfosContract` that asks about many records."""

    @pytest.fixture
    def infos(self) -> AsyncIterator[Infos]:
        """An open, empty store of records."""
        raise NotImplementedError

    # Pages

    async def test_an_empty_store_has_one_empty_page(self, infos: Infos) -> None:
        page = await infos.page()
        assert page.uploads == ()
        assert page.next_cursor is None

    @pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11])
    async def test_pages_go_from_the_newest_to_the_oldest(self, infos: Infos, limit: int) -> None:
        uploads = [an_upload(created_at=START + timedelta(microseconds=number // 2)) for number in range(10)]
        await add(infos, *random.Random(1).sample(uploads, len(uploads)))
        newest_first = sorted(uploads, key=lambda upload: (upload.created_at, upload.id), reverse=True)
        assert await walk(infos, limit) == ids(newest_first)

    async def test_the_last_page_has_no_cursor_even_when_it_is_full(self, infos: Infos) -> None:
        await add(infos, *(an_upload() for _ in range(4)))
        first = await infos.page(limit=2)
        last = await infos.page(limit=2, cursor=first.next_cursor)
        assert len(last.uploads) == 2
        assert last.next_cursor is None

    async def test_records_that_arrive_or_go_while_somebody_pages_move_nothing(self, infos: Infos) -> None:
        old = [an_upload(created_at=seconds(number)) for number in range(8)]
        await add(infos, *old)
        page = await infos.page(limit=3)
        seen = ids(page.uploads)
        while page.next_cursor is not None:
            await add(infos, an_upload(created_at=seconds(100)), an_upload(created_at=seconds(101)))
            # The record that the cursor stands on is deleted too.
            await infos.delete(page.uploads[-1].id)
            page = await infos.page(limit=3, cursor=page.next_cursor)
            seen += ids(page.uploads)
        assert seen == ids(reversed(old))

    async def test_a_page_tells_the_records_as_last_saved(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(length=4))
        saved = replace(upload, offset=4, state=State.COMPLETE, completed_at=seconds(1), filename="n", owner="o")
        await infos.save(saved)
        assert (await infos.page(owner="o", states=[State.COMPLETE], filename="n")).uploads == (saved,)

    async def test_partial_uploads_are_in_no_page(self, infos: Infos) -> None:
        facts = {"owner": "o", "filename": "f", "state": State.RECEIVING}
        partial, regular, final = (an_upload(kind=kind, **facts) for kind in (Kind.PARTIAL, Kind.REGULAR, Kind.FINAL))
        await add(infos, partial, regular, final)
        for filters in ({}, {"owner": "o"}, {"filename": "f"}, {"states": [State.RECEIVING]}, {"states": list(State)}):
            assert set(await walk(infos, 1, **filters)) == {regular.id, final.id}

    async def test_every_combination_of_filters_gives_the_records_that_match_all(self, infos: Infos) -> None:
        choice = random.Random(2)
        owners, names = [None, "", "ann", "日本"], [None, "", "a.txt", "A.txt", "\udcff"]
        uploads = [
            an_upload(
                created_at=seconds(number // 3),
                owner=choice.choice(owners),
                filename=choice.choice(names),
                state=choice.choice(list(State)),
            )
            for number in range(120)
        ]
        await add(infos, *uploads)
        uploads.sort(key=lambda upload: (upload.created_at, upload.id), reverse=True)
        state_sets: list[set[State]] = [
            set(chosen) for size in range(5) for chosen in itertools.combinations(State, size)
        ]
        for owner, name, states in itertools.product(owners, names, state_sets):
            wanted = [
                upload.id
                for upload in uploads
                if (owner is None or upload.owner == owner)
                and (name is None or upload.filename == name)
                and (not states or upload.state in states)
            ]
            assert await walk(infos, 50, owner=owner, states=states, filename=name) == wanted
            assert await walk(infos, 3, owner=owner, states=states, filename=name) == wanted

    @pytest.mark.parametrize(
        "cursor", ["", "x", "!", "MQ", "YSBi", "MSAy=", "日本", "a" * 4000, "OTIyMzM3MjAzNjg1NDc3NTgwOCB4"]
    )
    async def test_a_cursor_that_no_page_gave_is_a_value_error(self, infos: Infos, cursor: str) -> None:
        with pytest.raises(ValueError, match="cursor"):
            await infos.page(cursor=cursor)

    async def test_a_cursor_is_safe_in_a_url(self, infos: Infos) -> None:
        await add(infos, *(an_upload(created_at=seconds(number), id=f"-_{number:020}") for number in range(30)))
        page = await infos.page(limit=1)
        while page.next_cursor is not None:
            assert page.next_cursor.replace("-", "").replace("_", "").isalnum()
            page = await infos.page(limit=1, cursor=page.next_cursor)

    # Filenames

    async def test_the_newest_of_a_name_is_the_owners_and_none_is_an_owner_too(self, infos: Infos) -> None:
        facts = {"filename": "\udcff", "length": 0}
        older = an_upload(owner="ann", created_at=seconds(1), state=State.COMPLETE, **facts)
        newer = an_upload(owner="ann", created_at=seconds(2), **facts)
        nobodys = an_upload(created_at=seconds(3), **facts)
        await add(infos, newer, nobodys, older, an_upload(owner="bob", created_at=seconds(9), **facts))
        await add(infos, an_upload(owner="ann", created_at=seconds(9), filename="other"))
        await add(infos, an_upload(owner="ann", created_at=seconds(9), kind=Kind.PARTIAL, **facts))
        assert await infos.newest("ann", "\udcff") == newer
        assert await infos.newest(None, "\udcff") == nobodys
        assert await infos.newest("ann", "\udcff", [State.COMPLETE]) == older
        assert await infos.newest("ann", "\udcff", [State.PENDING, State.RECEIVING]) == newer
        assert await infos.newest("ann", "\udcff", [State.FAILED]) is None
        guests = an_upload(filename="\udcff", owner="ann", created_at=seconds(99))
        await add(infos, guests)
        await infos.save(replace(guests, link="l" * 22))
        assert await infos.newest("ann", "\udcff", by_link=False) == newer
        assert await infos.newest("ann", "\udcff", [State.PENDING, State.RECEIVING], by_link=False) == newer
        assert await infos.newest("ann", "") is None
        assert await infos.newest("", "\udcff") is None

    async def test_of_one_moment_the_newest_has_the_greatest_id(self, infos: Infos) -> None:
        states = [State.PENDING, State.RECEIVING] * 5
        uploads = await add(infos, *(an_upload(filename="a", state=state) for state in states))
        for asked in ((), states):
            found = await infos.newest(None, "a", asked)
            assert found is not None
            assert found.id == max(ids(uploads))

    async def test_older_of_a_name_are_complete_uploads_of_the_same_owner(self, infos: Infos) -> None:
        def named(created: int, **fields: object) -> Upload:
            return an_upload(**{"filename": "a", "state": State.COMPLETE, "created_at": seconds(created), **fields})

        upload, first = await add(infos, named(5), named(1))
        await add(infos, named(6), named(1, owner="ann"), named(1, filename="A"), named(1, filename=None))
        await add(infos, named(1, state=State.RECEIVING), named(1, state=State.FAILED), named(1, kind=Kind.PARTIAL))
        assert ids(await infos.older_of_name(upload)) == [first.id]
        assert ids(await infos.older_of_name(replace(upload, owner="ann", created_at=START))) == []
        assert len(await infos.older_of_name(replace(upload, owner="ann"))) == 1
        assert await infos.older_of_name(replace(upload, filename=None)) == []

    async def test_of_two_of_one_moment_only_one_is_older_than_the_other(self, infos: Infos) -> None:
        uploads = await add(infos, *(an_upload(filename="a", state=State.COMPLETE) for _ in range(5)))
        falling = sorted(uploads, key=lambda upload: upload.id, reverse=True)
        for place, upload in enumerate(falling):
            assert ids(await infos.older_of_name(upload)) == ids(falling[place + 1 :])

    async def test_no_more_than_a_hundred_older_ones_are_given_at_once(self, infos: Infos) -> None:
        old = await add(
            infos, *(an_upload(filename="a", state=State.COMPLETE, created_at=seconds(at)) for at in range(101))
        )
        newest_first = list(reversed(ids(old)))
        assert ids(await infos.older_of_name(an_upload(filename="a", created_at=seconds(200)))) == newest_first[:100]

    # What the sweeper and recovery ask

    async def test_expired_are_those_whose_date_has_come_the_oldest_date_first(self, infos: Infos) -> None:
        later, never, now, first = await add(
            infos,
            an_upload(expires_at=seconds(10) + timedelta(microseconds=1)),
            an_upload(),
            an_upload(expires_at=seconds(10), state=State.FAILED),
            an_upload(expires_at=seconds(2), kind=Kind.PARTIAL, state=State.COMPLETE),
        )
        assert ids(await infos.expired(seconds(10))) == [first.id, now.id]
        assert ids(await infos.expired(seconds(10), limit=1)) == [first.id]
        assert ids(await infos.expired(seconds(1))) == []
        assert ids(await infos.expired(seconds(99))) == [first.id, now.id, later.id]
        assert never.id not in ids(await infos.expired(seconds(10**6)))

    async def test_a_saved_date_of_expiry_counts_at_once(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(expires_at=seconds(1)))
        await infos.save(replace(upload, expires_at=seconds(5)))
        assert await infos.expired(seconds(4)) == []
        await infos.save(replace(upload, expires_at=None))
        assert await infos.expired(seconds(10)) == []
        await infos.save(replace(upload, expires_at=START))
        assert ids(await infos.expired(seconds(4))) == [upload.id]

    async def test_finished_before_gives_complete_records_the_oldest_first(self, infos: Infos) -> None:
        second, first, _ = await add(
            infos,
            an_upload(state=State.COMPLETE, completed_at=seconds(5)),
            an_upload(state=State.COMPLETE, completed_at=seconds(4), kind=Kind.PARTIAL),
            an_upload(state=State.COMPLETE, completed_at=seconds(6)),
        )
        await add(infos, an_upload(state=State.FAILED, completed_at=seconds(1)), an_upload(state=State.COMPLETE))
        assert ids(await infos.finished_before(seconds(5))) == [first.id, second.id]
        assert ids(await infos.finished_before(seconds(5), limit=1)) == [first.id]
        assert await infos.finished_before(seconds(3)) == []

    async def test_to_announce_are_complete_and_not_yet_told_the_oldest_first(self, infos: Infos) -> None:
        facts = {"announce": "http://example.com/", "state": State.COMPLETE}
        second, first = await add(infos, *(an_upload(completed_at=seconds(moment), **facts) for moment in (5, 4)))
        unfinished, _ = await add(
            infos, an_upload(announce="http://example.com/"), an_upload(state=State.COMPLETE, completed_at=START)
        )
        assert ids(await infos.to_announce()) == [first.id, second.id]
        assert ids(await infos.to_announce(limit=1)) == [first.id]
        await infos.save(replace(first, announce=None))
        await infos.save(replace(unfinished, state=State.COMPLETE, completed_at=seconds(6)))
        assert ids(await infos.to_announce()) == [second.id, unfinished.id]

    async def test_unfinished_are_pending_and_receiving_by_id(self, infos: Infos) -> None:
        uploads = [an_upload(state=state, kind=kind) for state in State for kind in Kind]
        await add(infos, *uploads)
        wanted = sorted(upload.id for upload in uploads if upload.state in (State.PENDING, State.RECEIVING))
        assert ids(await infos.unfinished()) == wanted
        assert ids(await infos.unfinished(limit=2)) == wanted[:2]
        assert ids(await infos.unfinished(after=wanted[1], limit=2)) == wanted[2:4]
        assert await infos.unfinished(after=wanted[-1]) == []

    async def test_stale_are_unfinished_ones_that_nothing_moved_since(self, infos: Infos) -> None:
        kinds = [an_upload(state=state, kind=kind, updated_at=seconds(3)) for state in State for kind in Kind]
        (moved, anns) = an_upload(updated_at=seconds(3.1)), an_upload(updated_at=seconds(1), owner="ann")
        await add(infos, *kinds, moved, anns)
        nobodys = sorted(upload.id for upload in kinds if upload.state in (State.PENDING, State.RECEIVING))
        everybodys = sorted([*nobodys, anns.id])
        assert ids(await infos.stale(seconds(3))) == everybodys
        assert ids(await infos.stale(seconds(2))) == [anns.id]
        assert ids(await infos.stale(seconds(3), of=OwnedBy("ann"))) == [anns.id]
        assert ids(await infos.stale(seconds(3), of=OwnedBy(None))) == nobodys
        assert await infos.stale(seconds(3), of=OwnedBy("")) == []
        assert ids(await infos.stale(seconds(3), after=everybodys[1], limit=2)) == everybodys[2:4]
        assert ids(await infos.stale(seconds(3), of=OwnedBy(None), after=nobodys[1], limit=2)) == nobodys[2:4]

    async def test_known_tells_which_ids_have_a_record(self, infos: Infos) -> None:
        uploads = await add(infos, *(an_upload() for _ in range(500)))
        strangers = [new_id() for _ in range(500)]
        assert await infos.known([*ids(uploads), *strangers]) == set(ids(uploads))
        assert await infos.known(strangers) == set()
        assert await infos.known([]) == set()
        assert await infos.known([uploads[0].id, uploads[0].id]) == {uploads[0].id}
        assert await infos.known({uploads[0].id, "'", "日本語"}) == {uploads[0].id}

    # Concatenation

    async def test_finals_of_are_the_unfinished_finals_that_name_the_part(self, infos: Infos) -> None:
        def final(state: State, *parts: str, kind: Kind = Kind.FINAL) -> Upload:
            return an_upload(kind=kind, parts=parts, state=state)

        pending, receiving = final(State.PENDING, "a", "b"), final(State.RECEIVING, "b", "a", "a")
        await add(infos, pending, receiving, final(State.COMPLETE, "a"), final(State.FAILED, "a"), final(State.PENDING))
        await add(infos, final(State.PENDING, "a", kind=Kind.PARTIAL), final(State.PENDING, "A", "ab"))
        assert set(ids(await infos.finals_of("a"))) == {pending.id, receiving.id}
        assert set(ids(await infos.finals_of("b"))) == {pending.id, receiving.id}
        assert await infos.finals_of("c") == []
        assert receiving in await infos.finals_of("a")

    async def test_finals_of_follows_what_is_saved_and_deleted(self, infos: Infos) -> None:
        (final,) = await add(infos, an_upload(kind=Kind.FINAL, parts=("a", "b")))
        await infos.save(replace(final, parts=("b", "c")))
        assert await infos.finals_of("a") == []
        assert ids(await infos.finals_of("c")) == [final.id]
        await infos.save(replace(final, parts=("b",), state=State.COMPLETE))
        assert await infos.finals_of("b") == []
        await infos.save(final)
        assert ids(await infos.finals_of("b")) == [final.id]
        await infos.delete(final.id)
        assert await infos.finals_of("b") == []

    async def test_a_final_of_a_thousand_parts_is_found_by_each(self, infos: Infos) -> None:
        parts = tuple(new_id() for _ in range(1000))
        (final,) = await add(infos, an_upload(kind=Kind.FINAL, parts=parts))
        assert (await infos.load(final.id)).parts == parts
        for part in (parts[0], parts[500], parts[999]):
            assert ids(await infos.finals_of(part)) == [final.id]

    async def test_same_final_is_the_newest_with_the_same_owner_concat_and_metadata(self, infos: Infos) -> None:
        facts = {"kind": Kind.FINAL, "concat": "final;/files/a", "metadata": "filename YQ==", "owner": "ann"}
        newest = an_upload(created_at=seconds(9), state=State.COMPLETE, **facts)
        failed: list[Upload] = [an_upload(created_at=seconds(at), state=State.FAILED, **facts) for at in (1, 2)]
        await add(infos, failed[0], failed[1], newest)
        for other in (
            {"owner": None},
            {"owner": "bob"},
            {"concat": "final;/files/b"},
            {"metadata": None},
            {"metadata": ""},
            {"kind": Kind.REGULAR},
        ):
            await add(infos, an_upload(created_at=seconds(20), **{**facts, **other}))
        assert await infos.same_final(an_upload(**facts)) == newest
        assert await infos.same_final(an_upload(**{**facts, "owner": "carl"})) is None
        assert await infos.same_final(an_upload(**{**facts, "concat": None})) is None

    async def test_same_final_takes_none_for_a_value_like_any_other(self, infos: Infos) -> None:
        (final,) = await add(infos, an_upload(kind=Kind.FINAL, concat="final;/files/a"))
        assert await infos.same_final(replace(final, id=new_id())) == final
        assert await infos.same_final(replace(final, metadata="")) is None
        assert await infos.same_final(replace(final, owner="")) is None

    async def test_of_final_uploads_that_are_the_same_one_gets_in_however_many_come(self, infos: Infos) -> None:
        facts: dict[str, Any] = {"kind": Kind.FINAL, "concat": "final;/files/\udcff", "metadata": None, "owner": "ann"}
        finals = [an_upload(**facts) for _ in range(20)]
        answers = await asyncio.gather(*(infos.create(final) for final in finals), return_exceptions=True)
        assert [type(answer) for answer in answers].count(Conflict) == 19
        (won,) = [final for final, answer in zip(finals, answers, strict=True) if answer is None]
        assert await infos.same_final(won) == won
        for other in ({"owner": None}, {"metadata": ""}, {"concat": "final;/files/b"}, {"kind": Kind.REGULAR}):
            await infos.create(an_upload(**{**facts, **other}))
        await infos.save(replace(won, state=State.COMPLETE))
        with pytest.raises(Conflict):
            await infos.create(an_upload(**facts), quota=Quota(open=1))

    async def test_a_final_upload_that_failed_or_expired_is_made_anew(self, infos: Infos) -> None:
        facts: dict[str, Any] = {"kind": Kind.FINAL, "concat": "final;/files/a"}
        await infos.create(an_upload(created_at=seconds(0), state=State.FAILED, **facts))
        await infos.create(an_upload(created_at=seconds(1), expires_at=seconds(3), **facts))
        with pytest.raises(Conflict):
            await infos.create(an_upload(created_at=seconds(2), **facts))
        await infos.create(an_upload(created_at=seconds(3), **facts))

    async def test_same_final_follows_what_is_saved(self, infos: Infos) -> None:
        (final,) = await add(infos, an_upload(kind=Kind.FINAL, concat="final;/files/a", metadata="\udcff"))
        await infos.save(replace(final, metadata="b"))
        assert await infos.same_final(final) is None
        assert ids([await infos.same_final(replace(final, metadata="b")) or an_upload()]) == [final.id]
