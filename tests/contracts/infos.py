"""What every store of records must do. A backend's test class inherits and gives the fixture `infos`."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.contracts.infos_facts import FactsContract
from tests.contracts.infos_names import NamesContract
from tests.contracts.infos_questions import QuestionsContract
from tests.contracts.infos_quotas import QuotasContract
from tests.contracts.infos_values import START, a_link, add, an_upload, ids, new_id, seconds, walk
from tusserver.accounts.base import Accounts
from tusserver.infos.base import Infos
from tusserver.protocol.errors import Conflict, NotFound
from tusserver.protocol.uploads import Chunk, Facts, Image, Kind, State, Upload

LARGEST = 2**63 - 1
FULL = {
    "length": 10,
    "offset": 7,
    "state": State.FAILED,
    "kind": Kind.FINAL,
    "parts": ("b" * 22, "a" * 22, "b" * 22),
    "concat": "final;/files/b /files/a /files/b",
    "metadata": "filename d29ybGQ=,empty",
    "owner": "someone",
    "filename": "world.txt",
    "content_type": "text/plain",
    "expires_at": seconds(1),
    "completed_at": seconds(2),
    "unverified": True,
    "link": "l" * 22,
    "checksum": f"sha256:{'0' * 64}",
    "overwrites": True,
    "last_chunk": Chunk(3, 0, 7),
    "announce": "https://example.com/heard?a=b",
    "announce_key": "signs what is told",
    "types": ("image/png", "text/*"),
    "facts": Facts(0xFFFFFFFF, Image("world\udcff 1.png", "image/png", 640, 480)),
}
NAMES = ["", " ", "a\0b", "日本語.png", "🦆", "e\u0301", "'; DROP TABLE uploads; --", "\udcff\udcfe.bin", "x" * 100_000]


class InfosContract(QuestionsContract, QuotasContract, FactsContract, NamesContract):
    """Every promise of `tusserver.infos.base.Infos` that holds in one process."""

    # Records

    async def test_a_record_comes_back_with_every_field(self, infos: Infos, accounts: Accounts) -> None:
        await accounts.add_link(a_link(id="l" * 22))
        assert FULL.keys() | {"id", "created_at", "updated_at"} == {field.name for field in fields(Upload)}
        (upload,) = await add(infos, an_upload(updated_at=seconds(3), **FULL))
        assert await infos.load(upload.id) == upload

    async def test_a_record_of_nothing_but_an_id_and_times_comes_back(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload())
        assert await infos.load(upload.id) == upload

    @pytest.mark.parametrize("field", ["concat", "metadata", "owner", "filename", "content_type"])
    @pytest.mark.parametrize("text", NAMES)
    async def test_text_comes_back_as_it_was(self, infos: Infos, field: str, text: str) -> None:
        (upload,) = await add(infos, an_upload(**{field: text}))
        assert getattr(await infos.load(upload.id), field) == text

    @pytest.mark.parametrize("number", [0, 1, 2**31, 2**32, 2**53 + 1, LARGEST])
    async def test_a_number_comes_back_exactly(self, infos: Infos, number: int) -> None:
        (upload,) = await add(infos, an_upload(length=number, offset=number))
        loaded = await infos.load(upload.id)
        assert (loaded.length, loaded.offset) == (number, number)

    @pytest.mark.parametrize("state", State)
    @pytest.mark.parametrize("kind", Kind)
    async def test_state_and_kind_come_back_as_themselves(self, infos: Infos, state: State, kind: Kind) -> None:
        (upload,) = await add(infos, an_upload(state=state, kind=kind))
        loaded = await infos.load(upload.id)
        assert loaded.state is state
        assert loaded.kind is kind

    @pytest.mark.parametrize(
        "moment",
        [
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
            datetime(2026, 3, 29, 1, 30, 0, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ],
    )
    async def test_a_time_comes_back_in_utc_to_the_microsecond(self, infos: Infos, moment: datetime) -> None:
        (upload,) = await add(
            infos, an_upload(created_at=moment, updated_at=moment, expires_at=moment, completed_at=moment)
        )
        loaded = await infos.load(upload.id)
        for found in (loaded.created_at, loaded.updated_at, loaded.expires_at, loaded.completed_at):
            assert found is not None
            assert found == moment
            assert found.utcoffset() == timedelta(0)

    async def test_an_id_that_exists_is_a_conflict_and_changes_nothing(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(length=1))
        with pytest.raises(Conflict):
            await infos.create(replace(upload, length=2))
        assert await infos.load(upload.id) == upload

    @pytest.mark.parametrize("durable", [False, True])
    async def test_what_was_written_is_read_by_whoever_begins_later(self, infos: Infos, durable: bool) -> None:
        upload = an_upload(length=100)
        await infos.create(upload, durable=durable)
        for offset in range(1, 20):
            upload = replace(upload, offset=offset, state=State.RECEIVING, updated_at=seconds(offset))
            await infos.save(upload, durable=durable)
            assert await infos.load(upload.id) == upload
            assert (await infos.page()).uploads == (upload,)

    async def test_save_replaces_every_field_and_keeps_the_facts_that_it_does_not_know(
        self, infos: Infos, accounts: Accounts
    ) -> None:
        await accounts.add_link(a_link(id="l" * 22))
        full, bare = an_upload(updated_at=seconds(3), **FULL), an_upload(created_at=seconds(5))
        await add(infos, full, bare)
        emptied, filled = replace(bare, id=full.id), replace(full, id=bare.id, facts=Facts(7))
        await infos.save(emptied)
        await infos.save(filled)
        assert await infos.load(full.id) == replace(emptied, facts=full.facts)
        assert await infos.load(bare.id) == filled

    async def test_save_changes_no_other_record(self, infos: Infos) -> None:
        one, other = await add(infos, an_upload(length=5), an_upload(length=5))
        await infos.save(replace(one, offset=3))
        assert await infos.load(other.id) == other

    async def test_a_deleted_record_is_gone_from_everywhere(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(kind=Kind.FINAL, parts=("p",), concat="final;/p", expires_at=START))
        await infos.delete(upload.id)
        with pytest.raises(NotFound):
            await infos.load(upload.id)
        assert (await infos.page()).uploads == ()
        assert await infos.expired(seconds(1)) == []
        assert await infos.unfinished() == []
        assert await infos.finals_of("p") == []
        assert await infos.same_final(upload) is None
        assert await infos.known([upload.id]) == set()

    async def test_a_deleted_id_can_be_used_again(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(length=3))
        await infos.delete(upload.id)
        await add(infos, replace(upload, length=4))
        assert (await infos.load(upload.id)).length == 4

    @pytest.mark.parametrize("id", ["x" * 22, "", "'", "日本語"])
    async def test_an_id_without_a_record_is_not_found(self, infos: Infos, id: str) -> None:
        await add(infos, an_upload())
        with pytest.raises(NotFound):
            await infos.load(id)
        with pytest.raises(NotFound):
            await infos.save(an_upload(id=id or "none"))
        with pytest.raises(NotFound):
            await infos.delete(id)
        assert len((await infos.page()).uploads) == 1

    async def test_ids_differ_in_case(self, infos: Infos) -> None:
        lower, upper = await add(infos, an_upload(id="a" * 22, length=1), an_upload(id="A" * 22, length=2))
        assert await infos.load(lower.id) == lower
        assert await infos.load(upper.id) == upper

    # Tasks

    async def test_two_hundred_tasks_disturb_each_other_in_nothing(self, infos: Infos) -> None:
        async def live(number: int) -> Upload | None:
            upload = an_upload(length=10, filename=str(number), created_at=seconds(number))
            await infos.create(upload, durable=number % 50 == 0)
            with pytest.raises(Conflict):
                await infos.create(upload)
            for offset in range(1, 6):
                upload = replace(upload, offset=offset, state=State.RECEIVING)
                await infos.save(upload)
                assert await infos.load(upload.id) == upload
            with pytest.raises(NotFound):
                await infos.delete(new_id())
            if number % 3 == 0:
                await infos.delete(upload.id)
                return None
            return upload

        lived = await asyncio.gather(*(live(number) for number in range(200)))
        left = [upload for upload in lived if upload is not None]
        assert await walk(infos, 50) == ids(reversed(left))
        for upload in left:
            assert await infos.load(upload.id) == upload

    async def test_of_many_who_create_one_id_one_succeeds(self, infos: Infos) -> None:
        uploads = [an_upload(id="one" + "-" * 19, length=number) for number in range(50)]
        answers = await asyncio.gather(*(infos.create(upload) for upload in uploads), return_exceptions=True)
        won = [upload for upload, answer in zip(uploads, answers, strict=True) if answer is None]
        assert [type(answer) for answer in answers].count(Conflict) == 49
        assert [await infos.load(won[0].id)] == won

    async def test_writes_of_one_task_keep_their_order(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(length=100))
        await asyncio.gather(*(infos.save(replace(upload, offset=offset)) for offset in range(100)))
        assert (await infos.load(upload.id)).offset == 99

    async def test_a_write_whose_task_is_cancelled_is_still_made(self, infos: Infos) -> None:
        uploads = [an_upload() for _ in range(20)]
        tasks = [asyncio.create_task(infos.create(upload)) for upload in uploads]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        (behind,) = await add(infos, an_upload())
        assert await infos.known(ids(uploads)) == set(ids(uploads))
        assert await infos.load(behind.id) == behind

    async def test_close_finishes_what_waits_and_may_be_called_again(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(length=500))
        tasks = [asyncio.create_task(infos.save(replace(upload, offset=offset))) for offset in range(200)]
        tasks += [asyncio.create_task(infos.create(an_upload())) for _ in range(200)]
        await asyncio.sleep(0)
        await infos.close()
        await asyncio.gather(*tasks)
        await infos.close()
