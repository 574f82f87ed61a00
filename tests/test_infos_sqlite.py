"""Records in SQLite: the contract, and what only a database on disk can show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.infos import InfosContract
from tusserver.infos.base import Infos
from tusserver.infos.sqlite import SqliteInfos


class TestSqliteInfos(InfosContract):
    @pytest.fixture
    async def infos(self, tmp_path: Path) -> AsyncIterator[Infos]:
        infos = SqliteInfos(tmp_path / "infos.db")
        await infos.open()
        yield infos
        await infos.close()
