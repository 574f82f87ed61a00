"""What every store of records holds to when there is room for so many: quotas of owners, limits of links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from tests.contracts.infos_values import START, a_link, add, an_upload, ids, new_id, seconds
from tusserver.accounts.base import Accounts
from tusserver.infos.base import Infos, OverQuota, Quota
from tusserver.protocol.errors import Conflict
from tusserver.protocol.uploads import Kind, State, Upload


async def refusal(infos: Infos, upload: Upload, quota: Quota | None = None) -> tuple[str, int] | None:
    """Which limit an upload is over, and how much that is; None if there was room for it."""
    try:
        await infos.create(upload, quota=quota)
    except OverQuota as error:
        assert await infos.known([upload.id]) == set()
        return error.limit, error.most
    return None


async def at_once(infos: Infos, uploads: Sequence[Upload], quota: Quota | None = None) -> list[Upload]:
    """Create them side by side; gives those for which there was room."""
    said = await asyncio.gather(*(refusal(infos, upload, quota) for upload in uploads))
    made = [upload for upload, why in zip(uploads, said, strict=True) if why is None]
    assert await infos.known(ids(uploads)) == set(ids(made))
    return made


class QuotasContract:
    """The part of `InfosContract` about `Quota` and links."""

    @pytest.fixture
    def infos(self) -> AsyncIterator[Infos]:
        """An open, empty store of records."""
        raise NotImplementedError

    @pytest.fixture
    def accounts(self) -> Accounts:
        """The open, empty store of links at which `infos` counts."""
        raise NotImplementedError

    # Owners

    @pytest.mark.parametrize("owner", [None, "", "ann", "\udcff"])
    async def test_of_fifty_at_once_as_many_get_in_as_there_is_room_for(self, infos: Infos, owner: str | None) -> None:
        def fifty() -> list[Upload]:
            return [an_upload(owner=owner, length=10) for _ in range(50)]

        assert len(await at_once(infos, fifty(), Quota(bytes=19))) == 1
        assert len(await at_once(infos, fifty(), Quota(open=2))) == 1
        assert len(await at_once(infos, fifty(), Quota(per_minute=4))) == 2

    async def test_bytes_are_the_lengths_of_finished_and_unfinished_uploads_together(self, infos: Infos) -> None:
        await add(infos, *(an_upload(owner="ann", length=10, state=state) for state in State))
        await add(infos, an_upload(owner="ann", length=10, kind=Kind.PARTIAL), an_upload(owner="bob", length=10))
        quota = Quota(bytes=60)
        assert await refusal(infos, an_upload(owner="ann", length=11), quota) == ("bytes", 60)
        assert await refusal(infos, an_upload(owner="ann", length=10), quota) is None
        assert await refusal(infos, an_upload(owner="ann", length=1), quota) == ("bytes", 60)
        assert await refusal(infos, an_upload(owner="ann", length=0), quota) is None
        assert await refusal(infos, an_upload(length=60), quota) is None

    async def test_an_upload_of_unknown_length_counts_for_what_the_quota_says(self, infos: Infos) -> None:
        quota = Quota(bytes=100, deferred=40)
        upload, _ = await add(infos, an_upload(owner="ann"), an_upload(owner="ann"))
        assert await refusal(infos, an_upload(owner="ann"), quota) == ("bytes", 100)
        assert await refusal(infos, an_upload(owner="ann", length=21), quota) == ("bytes", 100)
        await infos.save(replace(upload, length=5))
        assert await refusal(infos, an_upload(owner="ann"), quota) is None
        assert await refusal(infos, an_upload(owner="ann", length=16), quota) == ("bytes", 100)
        assert await refusal(infos, an_upload(owner="ann", length=15), quota) is None

    async def test_one_of_unknown_length_may_count_for_less_when_it_is_added(self, infos: Infos) -> None:
        quota = Quota(bytes=100, deferred=60, bound=40)
        assert await refusal(infos, an_upload(), quota) is None
        assert await refusal(infos, an_upload(), quota) is None  # 60 that are there and 40
        assert await refusal(infos, an_upload(), quota) == ("bytes", 100)
        assert await refusal(infos, an_upload(length=1), quota) == ("bytes", 100)

    async def test_the_largest_lengths_are_counted_exactly(self, infos: Infos) -> None:
        largest = 2**63 - 1
        quota = Quota(bytes=largest)
        many = await add(infos, *(an_upload(length=largest) for _ in range(5)))
        assert await refusal(infos, an_upload(length=0), quota) == ("bytes", largest)
        for upload in many:
            await infos.delete(upload.id)
        await add(infos, an_upload(length=1))
        assert await refusal(infos, an_upload(length=largest), quota) == ("bytes", largest)
        assert await refusal(infos, an_upload(length=largest - 1), quota) is None

    async def test_open_are_pending_and_receiving_uploads(self, infos: Infos) -> None:
        quota = Quota(open=3)
        await add(infos, *(an_upload(state=state) for state in State), an_upload(owner="ann"))
        assert await refusal(infos, an_upload(kind=Kind.PARTIAL), quota) is None
        assert await refusal(infos, an_upload(), quota) == ("open", 3)
        assert await refusal(infos, an_upload(state=State.COMPLETE), quota) is None

    async def test_completion_and_failure_make_room_among_the_open(self, infos: Infos) -> None:
        quota = Quota(open=2)
        one, two = await add(infos, an_upload(length=4), an_upload(length=4))
        await infos.save(replace(one, offset=2, state=State.RECEIVING))
        assert await refusal(infos, an_upload(), quota) == ("open", 2)
        await infos.save(replace(one, offset=4, state=State.COMPLETE))
        assert await refusal(infos, an_upload(), quota) is None
        assert await refusal(infos, an_upload(), quota) == ("open", 2)
        await infos.save(replace(two, state=State.FAILED))
        assert await refusal(infos, an_upload(), quota) is None
        await infos.save(two)
        assert await refusal(infos, an_upload(), quota) == ("open", 2)

    async def test_a_deleted_upload_makes_room_for_bytes_and_among_the_open(self, infos: Infos) -> None:
        quota = Quota(bytes=10, open=1)
        (upload,) = await add(infos, an_upload(owner="ann", length=10))
        assert await refusal(infos, an_upload(owner="ann", length=0), quota) == ("open", 1)
        await infos.delete(upload.id)
        assert await refusal(infos, an_upload(owner="ann", length=10), quota) is None

    async def test_per_minute_are_those_made_less_than_a_minute_before(self, infos: Infos) -> None:
        quota = Quota(per_minute=2)

        async def makes(at: float, **fields: object) -> bool:
            return await refusal(infos, an_upload(created_at=seconds(at), **fields), quota) is None

        assert await makes(0)
        assert await makes(30, kind=Kind.PARTIAL)
        assert not await makes(59.9)
        assert await makes(59.9, owner="ann")
        assert await makes(60)
        assert not await makes(89.9)
        assert await makes(90)
        # A clock that was ahead and put right locks nobody out.
        assert await makes(-60)

    async def test_an_upload_that_moves_to_another_owner_counts_there(self, infos: Infos) -> None:
        (upload,) = await add(infos, an_upload(owner="ann", length=10))
        await infos.save(replace(upload, owner=None))
        assert await refusal(infos, an_upload(length=1), Quota(bytes=10)) == ("bytes", 10)
        assert await refusal(infos, an_upload(owner="ann", length=10), Quota(bytes=10, open=1)) is None

    async def test_a_conflict_counts_for_nothing(self, infos: Infos) -> None:
        quota = Quota(bytes=20, open=2)
        (upload,) = await add(infos, an_upload(length=10))
        for _ in range(3):
            with pytest.raises(Conflict):
                await infos.create(upload, quota=quota)
        assert await refusal(infos, an_upload(length=10), quota) is None

    # Links

    async def test_a_link_counts_what_is_made_by_it(self, infos: Infos, accounts: Accounts) -> None:
        link, other = a_link(max_uploads=2), a_link()
        for one in (link, other):
            await accounts.add_link(one)
        assert await refusal(infos, an_upload(link=link.id)) is None
        assert (await accounts.link(link.id)).uploads == 1
        await add(infos, an_upload(), *(an_upload(link=other.id) for _ in range(3)))
        assert await refusal(infos, an_upload(link=link.id)) is None
        assert await refusal(infos, an_upload(link=link.id)) == ("link", 2)
        assert (await accounts.link(link.id)) == replace(link, uploads=2)
        assert (await accounts.link(other.id)).uploads == 3

    async def test_of_fifty_at_once_a_link_makes_as_many_as_it_may(self, infos: Infos, accounts: Accounts) -> None:
        link = a_link(max_uploads=1)
        await accounts.add_link(link)
        assert len(await at_once(infos, [an_upload(link=link.id) for _ in range(50)])) == 1
        assert (await accounts.link(link.id)).uploads == 1

    async def test_a_link_makes_nothing_from_the_moment_it_expires(self, infos: Infos, accounts: Accounts) -> None:
        link = a_link(expires_at=seconds(10))
        await accounts.add_link(link)
        assert await refusal(infos, an_upload(link=link.id, created_at=seconds(9.9))) is None
        assert await refusal(infos, an_upload(link=link.id, created_at=seconds(10))) == ("link", 0)

    async def test_a_link_that_is_gone_makes_nothing_and_leaves_what_it_made(
        self, infos: Infos, accounts: Accounts
    ) -> None:
        link = a_link()
        await accounts.add_link(link)
        (upload,) = await add(infos, an_upload(link=link.id, length=5))
        await accounts.remove_link(link.id)
        assert await refusal(infos, an_upload(link=link.id)) == ("link", 0)
        await infos.save(replace(upload, offset=5, state=State.COMPLETE))
        assert (await infos.load(upload.id)).link == link.id

    async def test_what_is_refused_is_not_counted_at_the_link_and_disturbs_nobody(
        self, infos: Infos, accounts: Accounts
    ) -> None:
        link = a_link(max_uploads=9)
        await accounts.add_link(link)
        (there,) = await add(infos, an_upload(owner="ann", length=10))
        quota = Quota(bytes=15)
        acts = [
            infos.create(replace(there, link=link.id, owner=None), quota=quota),
            infos.create(an_upload(owner="ann", length=6, link=link.id), quota=quota),
            infos.create(an_upload(owner="ann", length=5, link=link.id), quota=quota),
            infos.create(an_upload(link=new_id())),
            infos.create(an_upload(link=link.id)),
        ]
        answers = await asyncio.gather(*acts, return_exceptions=True)
        kinds = [type(answer) for answer in answers]
        assert kinds == [Conflict, OverQuota, type(None), OverQuota, type(None)]
        assert (await accounts.link(link.id)).uploads == 2
        assert (await infos.load(there.id)).created_at == START
