"""Two server processes on one folder that are asked for the same name at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from tests.running import RunningServer, running
from tusserver.infos.sqlite import SqliteInfos

TIMES = 50


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[RunningServer, RunningServer]]:
    with running(tmp_path / "uploads") as one, running(tmp_path / "uploads") as other:
        yield one, other


async def start(session: ClientSession, server: RunningServer, **fields: Any) -> tuple[int, Any]:
    async with session.post(server.url + "/upload/start", json=fields) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_one_name_started_by_two_processes_at_once_is_one_upload(
    servers: tuple[RunningServer, RunningServer],
) -> None:
    async with ClientSession() as session:
        for number in range(TIMES):
            name = f"{number}.bin"
            answers = await asyncio.gather(
                *(start(session, server, filename=name, size=10) for server in servers for _ in range(2))
            )
            assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
            assert len({said["upload_id"] for _, said in answers}) == 1
    infos = SqliteInfos(servers[0].folder / "tusserver.db")
    await infos.open()
    assert len(await infos.unfinished()) == TIMES
    await infos.close()
    for server in servers:
        assert "Traceback" not in server.output


async def test_of_two_sizes_of_one_name_started_at_once_one_is_begun_and_the_other_refused(
    servers: tuple[RunningServer, RunningServer],
) -> None:
    async with ClientSession() as session:
        for number in range(TIMES):
            name = f"{number}.bin"
            answers = await asyncio.gather(
                *(start(session, server, filename=name, size=size) for size, server in enumerate(servers, 10))
            )
            (made,) = (said for status, said in answers if status == 201)
            (refused,) = (said for status, said in answers if status == 409)
            assert refused["code"] == "filename-in-use"
            assert refused["upload_id"] == made["upload_id"]


async def test_of_two_that_overwrite_one_name_at_once_both_go_on_with_one_upload(
    servers: tuple[RunningServer, RunningServer],
) -> None:
    async with ClientSession() as session:
        for number in range(TIMES):
            wish = {"filename": f"{number}.bin", "overwrite": True}
            await start(session, servers[0], **wish, size=5)
            answers = await asyncio.gather(*(start(session, server, **wish, size=10) for server in servers))
            assert sorted(status for status, _ in answers) == [200, 201]
            assert len({said["upload_id"] for _, said in answers}) == 1
