"""Users and links in SQLite: the contract, and what only a database can show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.accounts import AccountsContract, a_user
from tests.contracts.infos_values import a_link
from tests.databases import by_hand
from tusserver.accounts.base import Accounts
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.infos.sqlite import accounts as statements
from tusserver.protocol.errors import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "infos.db"


@pytest.fixture
async def infos(path: Path) -> AsyncIterator[SqliteInfos]:
    infos = SqliteInfos(path)
    await infos.open()
    yield infos
    await infos.close()


class TestSqliteAccounts(AccountsContract):
    @pytest.fixture
    async def accounts(self, infos: SqliteInfos) -> AsyncIterator[Accounts]:
        accounts = SqliteAccounts(infos)
        await accounts.open()
        yield accounts
        await accounts.close()


async def test_users_and_links_are_there_for_who_opens_the_database_next(path: Path) -> None:
    user, link = a_user("ann"), a_link(owner="ann")
    for turn in range(2):
        infos = SqliteInfos(path)
        await infos.open()
        accounts = SqliteAccounts(infos)
        if turn == 0:
            await accounts.add_user(user)
            await accounts.add_link(link)
        assert await accounts.user("ann") == user
        assert await accounts.link(link.id) == link
        await infos.close()


async def test_without_the_records_open_everything_is_unavailable(path: Path) -> None:
    accounts = SqliteAccounts(SqliteInfos(path))
    for act in (accounts.open(), accounts.user("ann"), accounts.add_link(a_link()), accounts.users()):
        with pytest.raises(Unavailable, match=r"infos\.db is closed"):
            await act


async def test_what_an_operator_was_told_is_on_the_disk(infos: SqliteInfos, path: Path) -> None:
    accounts = SqliteAccounts(infos)
    await accounts.add_link(a_link())
    # FULL flushes the log at each commit.
    assert infos.database.opened.connections.write.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize(
    ("statement", "values"),
    [(statements.USER, ("a",)), (statements.LINK, ("a",)), (statements.LINKS, (None,)), (statements.LINKS, ("a",))],
)
async def test_a_key_is_looked_up_through_an_index(
    infos: SqliteInfos, path: Path, statement: str, values: tuple[str | None]
) -> None:
    with by_hand(path) as other:
        plan = [row[3] for row in other.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert [step.split()[0] for step in plan] == ["SEARCH"]
