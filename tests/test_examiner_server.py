"""Uploads that come in have the right of way before examinations; and a server that examines."""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.examining import House, until
from tests.running import RunningServer, running
from tests.tus_client import STREAM, VERSION
from tusserver.examiner import BUSY_UPLOADS
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts
from tusserver.service import HeldBody


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path).opened() as made:
        yield made


# Making way


class SlowBody(HeldBody):
    """A body whose end waits for the test."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.may_end = asyncio.Event()

    def held(self) -> None:
        """It has not come."""

    async def read(self) -> bytes:
        await self.may_end.wait()
        return b""


async def test_while_a_body_comes_in_few_are_examined_and_afterwards_all(house: House) -> None:
    uploads = await asyncio.gather(*(house.upload(b"%d" % number) for number in range(300)))
    fresh = await house.upload(b"", length=10)
    body = SlowBody()
    append = Append(0, BodyFacts(OCTET_STREAM, 10))
    receiving = asyncio.create_task(house.service.append(fresh.id, append, body, house.caller))
    await until(lambda: house.service.is_receiving)
    async with house.examining():
        await asyncio.sleep(1)
        count = 300 - len(await house.infos.unexamined(limit=300))
        assert 0.2 * BUSY_UPLOADS < count < 1.5 * BUSY_UPLOADS
        body.may_end.set()
        await asyncio.gather(receiving, return_exceptions=True)
        await house.noted(*uploads)


# A server


def records_of(server: RunningServer) -> SqliteInfos:
    return SqliteInfos(server.folder / "tusserver.db")


async def send(server: RunningServer, count: int) -> list[tuple[str, int]]:
    """The ids and CRCs of so many new uploads."""

    async def one(session: ClientSession, number: int) -> tuple[str, int]:
        data = os.urandom(number + 1)
        sent = VERSION | STREAM | {"Upload-Length": str(len(data))}
        async with session.post(server.endpoint, data=data, headers=sent) as answer:
            assert answer.status == 201
            return answer.headers["Location"].rsplit("/", 1)[1], zlib.crc32(data)

    async with ClientSession() as session:
        return await asyncio.gather(*(one(session, number) for number in range(count)))


async def all_noted(server: RunningServer, made: list[tuple[str, int]]) -> None:
    infos = records_of(server)
    await infos.open()
    try:
        async with asyncio.timeout(10):
            while True:
                found = await infos.load_many([id for id, _ in made])
                if all(upload.facts.crc32 is not None for upload in found.values()):
                    break
                await asyncio.sleep(0.05)
        assert {id: upload.facts.crc32 for id, upload in found.items()} == dict(made)
    finally:
        await infos.close()


async def test_a_server_examines_what_it_receives(tmp_path: Path) -> None:
    with running(tmp_path / "uploads") as server:
        await all_noted(server, await send(server, 20))


async def test_a_server_that_is_killed_examines_the_rest_after_its_restart(tmp_path: Path) -> None:
    server = await asyncio.to_thread(RunningServer, tmp_path / "uploads")
    try:
        made = await send(server, 300)
    finally:
        await asyncio.to_thread(server.kill)
    infos = records_of(server)
    await infos.open()
    assert await infos.unexamined()
    await infos.close()
    with running(tmp_path / "uploads") as server:
        await all_noted(server, made)
