"""What a store of users and upload links promises. Every one passes `tests/contracts/accounts.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tusserver.protocol.errors import BackendError


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in; `password` is the text of a salted hash."""

    name: str
    password: str
    scopes: frozenset[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Link:
    """Leave to upload for whoever knows its address, within limits of its own.

    Attributes:
        id: 22 characters of `[A-Za-z0-9_-]`, 128 random bits.
        owner: whom the uploads belong to; None where nobody is asked.
        max_size: bytes of one upload, None: what the server allows.
        types: content types (``"image/png"``, ``"image/*"``) that are taken, empty: every one.
        max_uploads: how many uploads may be made by it, None: any number.
        uploads: how many were made.
        expires_at: from then on it makes no more; None: never.
        announce: URL that hears of each completed upload, None: nobody does.
        announce_key: secret that signs what is told, for the owner's and the receiver's eyes only.
    """

    id: str
    owner: str | None
    created_at: datetime
    max_size: int | None = None
    types: tuple[str, ...] = ()
    max_uploads: int | None = None
    uploads: int = 0
    expires_at: datetime | None = None
    announce: str | None = None
    announce_key: str | None = None


class TooManyLinks(BackendError):
    """An owner has as many links as they may have."""

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} links are allowed")
        self.most = most


class Accounts(Protocol):
    """Users by name, links by id. Order, crashes and errors as `Infos` promises them.

    A link counts the uploads that `Infos.create` makes by it.
    """

    async def open(self) -> None:
        """Be ready; the records it shares a database with are open. Raises Unavailable with one clear sentence."""
        ...

    async def close(self) -> None:
        """Finish what waits; the records are closed later."""
        ...

    async def add_user(self, user: User) -> None:
        """Raises Conflict if the name is taken."""
        ...

    async def user(self, name: str) -> User:
        """Raises NotFound."""
        ...

    async def users(self) -> Sequence[User]:
        """Every user by name."""
        ...

    async def save_user(self, user: User) -> None:
        """Replace the user of that name. Raises NotFound."""
        ...

    async def remove_user(self, name: str) -> None:
        """Raises NotFound. What they uploaded stays."""
        ...

    async def add_link(self, link: Link, *, most: int | None = None) -> None:
        """Add a link.

        Args:
            most: how many links its owner may have, this one included, that have not expired when it is made.
        Raises:
            TooManyLinks: they have; however many are added at once, never more get in.
            Conflict: the id exists.
        """
        ...

    async def link(self, id: str) -> Link:
        """Raises NotFound."""
        ...

    async def links(self, owner: str | None) -> Sequence[Link]:
        """Those of an owner, newest first."""
        ...

    async def remove_link(self, id: str) -> None:
        """Raises NotFound. What was uploaded by it stays."""
        ...
