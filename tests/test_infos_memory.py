"""Records in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.infos import InfosContract
from tusserver.accounts.base import Accounts, Link
from tusserver.accounts.memory import MemoryAccounts
from tusserver.infos.base import Infos
from tusserver.infos.memory import MemoryInfos


class TestMemoryInfos(InfosContract):
    @pytest.fixture
    def links(self) -> dict[str, Link]:
        return {}

    @pytest.fixture
    def accounts(self, links: dict[str, Link]) -> Accounts:
        return MemoryAccounts(links)

    @pytest.fixture
    async def infos(self, links: dict[str, Link]) -> AsyncIterator[Infos]:
        infos = MemoryInfos(links)
        await infos.open()
        yield infos
        await infos.close()
