"""What every store of records does with what was found out about finished uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.contracts.infos_values import add, an_upload, ids, new_id, seconds, walk
from tusserver.infos.base import Infos
from tusserver.protocol.errors import Conflict, NotFound
from tusserver.protocol.uploads import Facts, Image, Kind, State, Upload


def finished(completed: float = 0, **fields: object) -> Upload:
    """A complete upload."""
    return an_upload(
        **{"length": 3, "offset": 3, "state": State.COMPLETE, "completed_at": seconds(completed), **fields}
    )


def shown_as(stored_filename: str) -> Facts:
    """Facts of an image of this name."""
    return Facts(image=Image(stored_filename, "image/png", 4, 3))


class FactsContract:
    """The part of `InfosContract` that is about `Upload.facts`."""

    @pytest.fixture
    def infos(self) -> AsyncIterator[Infos]:
        """An open, empty store of records."""
        raise NotImplementedError

    @pytest.mark.parametrize("crc32", [0, 1, 2**31, 2**32 - 1])
    async def test_what_is_noted_is_added_and_nothing_else_changes(self, infos: Infos, crc32: int) -> None:
        upload, other = await add(infos, finished(), finished())
        facts = Facts(crc32, Image("a.webp", "image/webp", 2**31, 1))
        await infos.note(upload.id, Facts(crc32))
        assert await infos.load(upload.id) == replace(upload, facts=Facts(crc32))
        await infos.note(upload.id, Facts(image=facts.image))
        assert await infos.load(upload.id) == replace(upload, facts=facts)
        await infos.note(upload.id, Facts())
        assert await infos.load(upload.id) == replace(upload, facts=facts)
        assert await infos.load(other.id) == other

    async def test_a_fact_that_is_noted_again_takes_the_place_of_the_first(self, infos: Infos) -> None:
        (upload,) = await add(infos, finished())
        for facts in (Facts(1, Image("a", "image/png", 1, 2)), Facts(2, Image("b", "image/gif", 3, 4))):
            await infos.note(upload.id, facts)
            assert (await infos.load(upload.id)).facts == facts
        assert (await infos.image("b")).id == upload.id
        with pytest.raises(NotFound):
            await infos.image("a")

    async def test_who_saves_a_record_that_was_loaded_before_forgets_no_fact(self, infos: Infos) -> None:
        (upload,) = await add(infos, finished(announce="x"))
        facts = Facts(5, shown_as("a.png").image)
        await infos.note(upload.id, facts)
        moved = replace(upload, updated_at=seconds(9), expires_at=seconds(10))
        changed = replace(moved, announce=None)
        for saved in (moved, replace(moved, facts=facts), changed, replace(changed, facts=facts)):
            await infos.save(saved)
            assert await infos.load(upload.id) == replace(saved, facts=facts)
        await infos.save(replace(moved, facts=Facts(6)))
        assert (await infos.load(upload.id)).facts == replace(facts, crc32=6)

    async def test_nothing_is_noted_where_there_is_no_complete_upload(self, infos: Infos) -> None:
        uploads = [finished(state=state) for state in State if state is not State.COMPLETE]
        (holder, *_) = await add(infos, finished(), *uploads)
        await infos.note(holder.id, shown_as("taken.png"))
        for id in [*ids(uploads), new_id(), "", "'"]:
            for facts in (Facts(1), shown_as("a.png"), shown_as("taken.png")):
                with pytest.raises(NotFound):
                    await infos.note(id, facts)
        assert [await infos.load(id) for id in ids(uploads)] == uploads

    # Images

    @pytest.mark.parametrize("name", ["a.png", "", "日本語.png", "\udcff\udcfe.png", "a\0b", "'; DROP TABLE x; --"])
    async def test_an_image_is_found_by_exactly_its_name(self, infos: Infos, name: str) -> None:
        upload, other = await add(infos, finished(), finished())
        await infos.note(upload.id, shown_as(name))
        await infos.note(other.id, shown_as("A.PNG"))
        assert await infos.image(name) == replace(upload, facts=shown_as(name))
        for different in (name + " ", name + "\0", "A.png"):
            with pytest.raises(NotFound):
                await infos.image(different)
        await infos.delete(upload.id)
        with pytest.raises(NotFound):
            await infos.image(name)

    async def test_no_two_uploads_have_one_stored_filename(self, infos: Infos) -> None:
        holder, other = await add(infos, finished(), finished(owner="ann"))
        await infos.note(holder.id, shown_as("a.png"))
        await infos.note(holder.id, shown_as("a.png"))
        with pytest.raises(Conflict):
            await infos.note(other.id, Facts(3, shown_as("a.png").image))
        with pytest.raises(Conflict):
            await infos.save(replace(other, facts=shown_as("a.png")))
        with pytest.raises(Conflict):
            await infos.create(finished(facts=shown_as("a.png")))
        assert await infos.load(other.id) == other
        assert len((await infos.page()).uploads) == 2
        await infos.delete(holder.id)
        await infos.note(other.id, shown_as("a.png"))
        assert (await infos.image("a.png")).id == other.id

    async def test_of_many_who_take_one_stored_filename_at_once_one_succeeds(self, infos: Infos) -> None:
        uploads = await add(infos, *(finished() for _ in range(30)))
        notes = (infos.note(upload.id, Facts(9, shown_as("a.png").image)) for upload in uploads)
        *answers, beside = await asyncio.gather(*notes, infos.create(finished()), return_exceptions=True)
        assert [type(answer) for answer in answers].count(Conflict) == 29
        assert beside is None
        (won,) = (upload for upload, answer in zip(uploads, answers, strict=True) if answer is None)
        assert await infos.image("a.png") == replace(won, facts=Facts(9, shown_as("a.png").image))

    async def test_a_page_of_images_has_those_of_an_owner_or_of_all(self, infos: Infos) -> None:
        owners = [None, "ann", "", "\udcff"]
        uploads = [finished(owner=owners[number % 4], created_at=seconds(number // 3)) for number in range(40)]
        uploads.append(finished(kind=Kind.PARTIAL, owner="ann"))
        await add(infos, *uploads)
        for number, upload in enumerate(uploads):
            await infos.note(upload.id, Facts(1, shown_as(f"{number}.png").image if number % 3 else None))
        uploads = [upload for number, upload in enumerate(uploads) if number % 3 and upload.kind is Kind.REGULAR]
        uploads.sort(key=lambda upload: (upload.created_at, upload.id), reverse=True)
        for owner in [*owners, "bob"]:
            wanted = [upload.id for upload in uploads if owner is None or upload.owner == owner]
            assert await walk(infos, 4, owner=owner, only_images=True) == wanted

    # Those that nobody looked at yet

    async def test_unexamined_are_complete_ones_without_a_crc_the_oldest_first(self, infos: Infos) -> None:
        second, first, image, known = (finished(completed) for completed in (5, 4, 6, 1))
        await add(infos, second, first, image, known, finished(kind=Kind.PARTIAL), finished(state=State.FAILED))
        (late,) = await add(infos, an_upload(length=3))
        await infos.note(image.id, shown_as("a.png"))
        assert ids(await infos.unexamined()) == [known.id, first.id, second.id, image.id]
        await infos.note(known.id, Facts(0))
        assert ids(await infos.unexamined(limit=2)) == [first.id, second.id]
        await infos.save(replace(late, state=State.COMPLETE, offset=3, completed_at=seconds(4.5)))
        await infos.delete(second.id)
        assert ids(await infos.unexamined()) == [first.id, late.id, image.id]

    async def test_finished_before_gives_examined_and_unexamined_ones_in_one_order(self, infos: Infos) -> None:
        uploads = [finished(at, kind=Kind.PARTIAL if at == 3 else Kind.REGULAR) for at in range(9)]
        await add(infos, *uploads)
        for upload in uploads[::2]:
            await infos.note(upload.id, Facts(1))
        assert ids(await infos.finished_before(seconds(7))) == ids(uploads[:8])
        assert ids(await infos.finished_before(seconds(7), limit=4)) == ids(uploads[:4])

    # Several in one read

    async def test_many_are_loaded_at_once_and_those_that_are_not_there_are_missing(self, infos: Infos) -> None:
        uploads = await add(infos, *(an_upload(metadata=str(number)) for number in range(997)))
        await infos.delete(uploads[0].id)
        asked = [*reversed(ids(uploads)), uploads[5].id, new_id(), "'"]
        assert await infos.load_many(asked) == {upload.id: upload for upload in uploads[1:]}
        assert await infos.load_many([]) == {}
