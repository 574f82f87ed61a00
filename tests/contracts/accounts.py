"""What every store of users and upload links must do. A backend's test class inherits and gives `accounts`."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import pytest

from tests.contracts.infos_values import START, a_link, new_id, seconds
from tusserver.accounts.base import Accounts, Link, TooManyLinks, User
from tusserver.protocol.errors import Conflict, NotFound


def a_user(name: str, **changed: Any) -> User:
    """A user of this name."""
    return replace(User(name, "scrypt$salt$hash", frozenset(), START), **changed)


class AccountsContract:
    """Every promise of `tusserver.accounts.base.Accounts` that holds in one process."""

    @pytest.fixture
    def accounts(self) -> Accounts:
        """An open, empty store of users and links."""
        raise NotImplementedError

    # Users

    @pytest.mark.parametrize("name", ["ann", "Ann", "a n n", "日本", "🦆", "'; DROP TABLE users; --", "\udcff"])
    async def test_a_user_comes_back_with_every_field(self, accounts: Accounts, name: str) -> None:
        user = a_user(name, scopes=frozenset(("admin", "read")), created_at=seconds(3))
        await accounts.add_user(user)
        assert await accounts.user(name) == user

    async def test_users_are_told_by_name(self, accounts: Accounts) -> None:
        assert list(await accounts.users()) == []
        users = [a_user(name) for name in ("bob", "ann", "Zoe", "é", "日本")]
        for user in users:
            await accounts.add_user(user)
        assert list(await accounts.users()) == sorted(users, key=lambda user: user.name)

    async def test_a_name_that_is_taken_is_a_conflict_and_changes_nothing(self, accounts: Accounts) -> None:
        user = a_user("ann")
        await accounts.add_user(user)
        with pytest.raises(Conflict):
            await accounts.add_user(replace(user, password="other"))
        await accounts.add_user(a_user("Ann", password="other"))
        assert await accounts.user("ann") == user

    async def test_save_replaces_one_user(self, accounts: Accounts) -> None:
        user, other = a_user("ann"), a_user("bob")
        await accounts.add_user(user)
        await accounts.add_user(other)
        changed = replace(user, password="new", scopes=frozenset(("admin",)), created_at=seconds(1))
        await accounts.save_user(changed)
        assert list(await accounts.users()) == [changed, other]

    async def test_a_removed_user_is_gone_and_the_name_is_free(self, accounts: Accounts) -> None:
        await accounts.add_user(a_user("ann"))
        await accounts.remove_user("ann")
        assert list(await accounts.users()) == []
        await accounts.add_user(a_user("ann", password="other"))
        assert (await accounts.user("ann")).password == "other"

    @pytest.mark.parametrize("name", ["", "ANN", "ann ", "\udcff"])
    async def test_a_name_nobody_has_is_not_found(self, accounts: Accounts, name: str) -> None:
        await accounts.add_user(a_user("ann"))
        with pytest.raises(NotFound):
            await accounts.user(name)
        with pytest.raises(NotFound):
            await accounts.save_user(a_user(name))
        with pytest.raises(NotFound):
            await accounts.remove_user(name)
        assert list(await accounts.users()) == [a_user("ann")]

    async def test_of_many_who_take_one_name_one_succeeds(self, accounts: Accounts) -> None:
        users = [a_user("ann", password=str(number)) for number in range(20)]
        answers = await asyncio.gather(*(accounts.add_user(user) for user in users), return_exceptions=True)
        won = [user for user, answer in zip(users, answers, strict=True) if answer is None]
        assert [type(answer) for answer in answers].count(Conflict) == 19
        assert [await accounts.user("ann")] == won

    # Links

    async def test_a_link_comes_back_with_every_field(self, accounts: Accounts) -> None:
        full: dict[str, Any] = {
            "owner": "日本",
            "created_at": seconds(1),
            "max_size": 2**63 - 1,
            "types": ("image/*", "text/plain"),
            "max_uploads": 2**53,
            "uploads": 7,
            "expires_at": seconds(9),
            "announce": "https://example.com/heard?a=b",
            "announce_key": "日本\udcff",
        }
        assert full.keys() | {"id"} == {field.name for field in fields(Link)}
        for link in (a_link(**full), a_link()):
            await accounts.add_link(link)
            assert await accounts.link(link.id) == link

    async def test_links_are_those_of_the_owner_newest_first(self, accounts: Accounts) -> None:
        owners = [None, "ann", "", "\udcff"]
        links = [a_link(owner=owners[number % 4], created_at=seconds(number // 8)) for number in range(24)]
        for link in links:
            await accounts.add_link(link)
        links.sort(key=lambda link: (link.created_at, link.id), reverse=True)
        for owner in [*owners, "bob"]:
            assert list(await accounts.links(owner)) == [link for link in links if link.owner == owner]

    async def test_an_id_that_exists_is_a_conflict_and_changes_nothing(self, accounts: Accounts) -> None:
        link = a_link(max_uploads=3)
        await accounts.add_link(link)
        with pytest.raises(Conflict):
            await accounts.add_link(replace(link, max_uploads=4))
        assert await accounts.link(link.id) == link

    async def test_an_owner_has_no_more_links_than_allowed_however_many_come_at_once(self, accounts: Accounts) -> None:
        for owner in (None, "bob", "\udcff"):
            await accounts.add_link(a_link(owner=owner))
        links = [a_link(owner="ann") for _ in range(20)]
        answers = await asyncio.gather(*(accounts.add_link(link, most=3) for link in links), return_exceptions=True)
        assert [type(answer) for answer in answers if answer is not None] == [TooManyLinks] * 17
        won = [link for link, answer in zip(links, answers, strict=True) if answer is None]
        assert {link.id for link in await accounts.links("ann")} == {link.id for link in won}
        await accounts.add_link(a_link(owner="ann"))
        await accounts.remove_link(won[0].id)
        with pytest.raises(TooManyLinks) as refused:
            await accounts.add_link(a_link(owner="ann"), most=3)
        assert refused.value.most == 3

    async def test_links_that_have_expired_take_nobodys_room(self, accounts: Accounts) -> None:
        for end in (seconds(1), seconds(2), None):
            await accounts.add_link(a_link(owner=None, expires_at=end))
        now = seconds(1)
        with pytest.raises(TooManyLinks):
            await accounts.add_link(a_link(owner=None, created_at=now), most=2)
        await accounts.add_link(a_link(owner=None, created_at=now), most=3)
        await accounts.add_link(a_link(owner=None, created_at=seconds(2)), most=3)

    async def test_a_removed_link_is_gone(self, accounts: Accounts) -> None:
        link, other = a_link(), a_link()
        await accounts.add_link(link)
        await accounts.add_link(other)
        await accounts.remove_link(link.id)
        for act in (accounts.link, accounts.remove_link):
            with pytest.raises(NotFound):
                await act(link.id)
        assert list(await accounts.links(None)) == [other]

    async def test_an_id_without_a_link_is_not_found(self, accounts: Accounts) -> None:
        await accounts.add_link(a_link())
        for id in (new_id(), "", "'"):
            with pytest.raises(NotFound):
                await accounts.link(id)
