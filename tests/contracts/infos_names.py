"""What every store of records does with uploads of one filename that are begun at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.contracts.infos_values import a_link, add, an_upload, ids, seconds
from tusserver.accounts.base import Accounts
from tusserver.infos.base import Infos, Latest, NameTaken, OverQuota, Quota
from tusserver.protocol.uploads import Kind, State, Upload

NOBODY = Latest(None)


def named(created: float = 0, **fields: object) -> Upload:
    """An unfinished upload of Ann's."""
    return an_upload(**{"owner": "ann", "filename": "a", "created_at": seconds(created), **fields})


class NamesContract:
    """The part of `InfosContract` that is about `Latest`."""

    @pytest.fixture
    def infos(self) -> AsyncIterator[Infos]:
        """An open, empty store of records."""
        raise NotImplementedError

    @pytest.mark.parametrize(("owner", "filename"), [("ann", "a"), (None, "a"), ("", ""), ("日本", "\udcff 'x")])
    async def test_who_saw_the_newest_of_a_name_gets_in_and_who_did_not_does_not(
        self, infos: Infos, owner: str | None, filename: str
    ) -> None:
        first, second, third = (named(at, owner=owner, filename=filename) for at in (1, 2, 3))
        with pytest.raises(NameTaken):
            await infos.create(first, latest=Latest(second.id))
        await infos.create(first, latest=NOBODY)
        for seen in (None, third.id, "", first.id + " "):
            with pytest.raises(NameTaken):
                await infos.create(second, latest=Latest(seen))
        await infos.create(second, latest=Latest(first.id))
        with pytest.raises(NameTaken):
            await infos.create(third, latest=Latest(first.id))
        assert ids((await infos.page()).uploads) == [second.id, first.id]
        await infos.save(replace(second, state=State.FAILED))
        await infos.create(third, latest=Latest(first.id))

    async def test_others_take_no_name(self, infos: Infos, accounts: Accounts) -> None:
        link = a_link()
        await accounts.add_link(link)
        states = (State.COMPLETE, State.FAILED)
        await add(
            infos,
            *(named(1, state=state) for state in states),
            named(1, owner=None),
            named(1, owner="bob"),
            named(1, filename="A"),
            named(1, filename=None),
            named(1, kind=Kind.PARTIAL),
            named(1, link=link.id),
        )
        await infos.create(named(2), latest=NOBODY)

    async def test_an_upload_that_receives_keeps_its_name_until_it_is_complete_or_removed(self, infos: Infos) -> None:
        first, second, third = (named(at, length=3) for at in (1, 2, 3))
        await infos.create(first, latest=NOBODY)
        await infos.save(replace(first, offset=1, state=State.RECEIVING))
        with pytest.raises(NameTaken):
            await infos.create(second, latest=NOBODY)
        await infos.save(replace(first, offset=3, state=State.COMPLETE))
        await infos.create(second, latest=NOBODY)
        await infos.delete(second.id)
        await infos.create(third, latest=NOBODY)

    async def test_who_has_no_room_takes_no_name(self, infos: Infos) -> None:
        await add(infos, named(1, filename="b"))
        with pytest.raises(OverQuota):
            await infos.create(named(2), latest=NOBODY, quota=Quota(open=1))
        await infos.create(named(2), latest=NOBODY, quota=Quota(open=2))

    async def test_of_many_who_begin_one_name_at_once_one_gets_in(self, infos: Infos) -> None:
        uploads = [named(number) for number in range(50)]
        answers = await asyncio.gather(
            *(infos.create(upload, latest=NOBODY) for upload in uploads), return_exceptions=True
        )
        assert [type(answer) for answer in answers].count(NameTaken) == 49
        (won,) = (upload for upload, answer in zip(uploads, answers, strict=True) if answer is None)
        assert (await infos.page()).uploads == (won,)
