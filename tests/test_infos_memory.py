"""Records in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.contracts.infos import InfosContract
from tusserver.infos.base import Infos
from tusserver.infos.memory import MemoryInfos


class TestMemoryInfos(InfosContract):
    @pytest.fixture
    async def infos(self) -> AsyncIterator[Infos]:
        infos = MemoryInfos()
        await infos.open()
        yield infos
        await infos.close()
