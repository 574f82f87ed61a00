"""Users and links in memory: for tests and for servers that may forget everybody when they stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from tusserver.accounts.base import Accounts, Link, TooManyLinks, User
from tusserver.protocol.errors import Conflict, NotFound

T = TypeVar("T")


class MemoryAccounts:
    """Users and links in dictionaries of this process.

    No method waits, so every one is atomic among the tasks of one event loop.

    Args:
        links: those that records in memory count uploads at.
    """

    def __init__(self, links: dict[str, Link] | None = None) -> None:
        self._users: dict[str, User] = {}
        self._links = {} if links is None else links

    async def open(self) -> None:
        """Nothing to connect."""

    async def close(self) -> None:
        """Nothing waits; users and links stay, as they would in a file."""

    async def add_user(self, user: User) -> None:
        if user.name in self._users:
            raise Conflict(f"there is a user {user.name} already")
        self._users[user.name] = user

    async def user(self, name: str) -> User:
        return _found(self._users, name, "user")

    async def users(self) -> Sequence[User]:
        return sorted(self._users.values(), key=lambda user: user.name)

    async def save_user(self, user: User) -> None:
        await self.user(user.name)
        self._users[user.name] = user

    async def remove_user(self, name: str) -> None:
        await self.user(name)
        del self._users[name]

    async def add_link(self, link: Link, *, most: int | None = None) -> None:
        last = link.created_at
        usable = [one for one in await self.links(link.owner) if one.expires_at is None or one.expires_at > last]
        if most is not None and len(usable) >= most:
            raise TooManyLinks(most)
        if link.id in self._links:
            raise Conflict(f"there is a link {link.id} already")
        self._links[link.id] = link

    async def link(self, id: str) -> Link:
        return _found(self._links, id, "link")

    async def links(self, owner: str | None) -> Sequence[Link]:
        found = [link for link in self._links.values() if link.owner == owner]
        return sorted(found, key=lambda link: (link.created_at, link.id), reverse=True)

    async def remove_link(self, id: str) -> None:
        await self.link(id)
        del self._links[id]


def _found(items: Mapping[str, T], key: str, kind: str) -> T:
    try:
        return items[key]
    except KeyError:
        raise NotFound(f"there is no {kind} {key}") from None


_: type[Accounts] = MemoryAccounts
