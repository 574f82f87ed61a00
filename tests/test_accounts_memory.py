"""Users and links in memory."""

from __future__ import annotations

import pytest

from tests.contracts.accounts import AccountsContract
from tusserver.accounts.base import Accounts
from tusserver.accounts.memory import MemoryAccounts


class TestMemoryAccounts(AccountsContract):
    @pytest.fixture
    async def accounts(self) -> Accounts:
        accounts = MemoryAccounts()
        await accounts.open()
        return accounts
