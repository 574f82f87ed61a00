"""Users and upload links in the database of the records, so that an upload is counted at its link as it is made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from tusserver.accounts.base import Accounts, Link, TooManyLinks, User
from tusserver.infos.cursors import from_micros, to_micros
from tusserver.infos.sqlite.database import changing
from tusserver.infos.sqlite.infos import SqliteInfos
from tusserver.infos.sqlite.rows import Row, from_text, to_text
from tusserver.protocol.errors import BackendError, Conflict, NotFound

_USER = "name, password, scopes, created_at"
ADD_USER = f"INSERT INTO users ({_USER}) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING"
SAVE_USER = "UPDATE users SET password = ?2, scopes = ?3, created_at = ?4 WHERE name = ?1"
REMOVE_USER = "DELETE FROM users WHERE name = ?"
USER = f"SELECT {_USER} FROM users WHERE name = ?"
USERS = f"SELECT {_USER} FROM users ORDER BY name"

_LINK = "id, owner, created_at, max_size, types, max_uploads, uploads, expires_at, announce, announce_key"
ADD_LINK = f"INSERT INTO links ({_LINK}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
COUNT_LINKS = """SELECT count(*) FROM (SELECT 1 FROM links INDEXED BY links_owner
    WHERE owner IS ? AND (expires_at IS NULL OR expires_at > ?) LIMIT ?)"""
REMOVE_LINK = "DELETE FROM links WHERE id = ?"
LINK = f"SELECT {_LINK} FROM links WHERE id = ?"
LINKS = f"SELECT {_LINK} FROM links INDEXED BY links_owner WHERE owner IS ? ORDER BY created_at DESC, id DESC"


class SqliteAccounts:
    """Users and links beside the records of `infos`, which opens and closes the database for both."""

    def __init__(self, infos: SqliteInfos) -> None:
        self._database = infos.database

    async def open(self) -> None:
        """The records have opened the database. Raises Unavailable if they have not."""
        _ = self._database.opened

    async def close(self) -> None:
        """The records finish what waits when they close it."""

    async def add_user(self, user: User) -> None:
        missed = Conflict(f"there is a user {user.name} already")
        # What an operator was told of users and links stays so after a power cut: there are few.
        await self._database.write(changing(_user_row(user), ADD_USER, missed=missed), durable=True)

    async def user(self, name: str) -> User:
        rows = await self._database.look_up(USER, (to_text(name),))
        if not rows:
            raise _no_user(name)
        return _user(rows[0])

    async def users(self) -> Sequence[User]:
        return [_user(row) for row in await self._database.fetch(USERS, ())]

    async def save_user(self, user: User) -> None:
        await self._database.write(changing(_user_row(user), SAVE_USER, missed=_no_user(user.name)), durable=True)

    async def remove_user(self, name: str) -> None:
        await self._database.write(changing((to_text(name),), REMOVE_USER, missed=_no_user(name)), durable=True)

    async def add_link(self, link: Link, *, most: int | None = None) -> None:
        add = changing(_link_row(link), ADD_LINK, missed=Conflict(f"there is a link {link.id} already"))

        def act(connection: sqlite3.Connection) -> BackendError | None:
            if most is not None:
                values = (to_text(link.owner), to_micros(link.created_at), most)
                (count,) = connection.execute(COUNT_LINKS, values).fetchone()
                if count >= most:
                    return TooManyLinks(most)
            return add(connection)

        await self._database.write(act, durable=True)

    async def link(self, id: str) -> Link:
        rows = await self._database.look_up(LINK, (id,))
        if not rows:
            raise _no_link(id)
        return _link(rows[0])

    async def links(self, owner: str | None) -> Sequence[Link]:
        return [_link(row) for row in await self._database.fetch(LINKS, (to_text(owner),))]

    async def remove_link(self, id: str) -> None:
        await self._database.write(changing((id,), REMOVE_LINK, missed=_no_link(id)), durable=True)


def _user_row(user: User) -> Row:
    return (to_text(user.name), user.password, json.dumps(sorted(user.scopes)), to_micros(user.created_at))


def _user(row: Row) -> User:
    name, password, scopes, created_at = row
    return User(from_text(name) or "", password, frozenset(json.loads(scopes)), from_micros(created_at))


def _link_row(link: Link) -> Row:
    return (
        link.id,
        to_text(link.owner),
        to_micros(link.created_at),
        link.max_size,
        json.dumps(link.types),
        link.max_uploads,
        link.uploads,
        None if link.expires_at is None else to_micros(link.expires_at),
        to_text(link.announce),
        to_text(link.announce_key),
    )


def _link(row: Row) -> Link:
    id, owner, created_at, max_size, types, max_uploads, uploads, expires_at, announce, announce_key = row
    return Link(
        id,
        from_text(owner),
        from_micros(created_at),
        max_size,
        tuple(json.loads(types)),
        max_uploads,
        uploads,
        None if expires_at is None else from_micros(expires_at),
        from_text(announce),
        from_text(announce_key),
    )


def _no_user(name: str) -> BackendError:
    return NotFound(f"there is no user {name}")


def _no_link(id: str) -> BackendError:
    return NotFound(f"there is no link {id}")


_: type[Accounts] = SqliteAccounts
