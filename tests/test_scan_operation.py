"""Scans across starts and stops, and what the operator sees of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from pytest_aiohttp import AiohttpClient

from tests.clamd import Peer, peer
from tests.rest_client import RestClient, refused, said
from tests.running import RunningServer
from tests.scan_house import AWAY, BAD, GOOD, House, a_site
from tests.test_announce import until
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.protocol.uploads import State, Upload
from tusserver.service.scans import Scans
from tusserver.settings import Settings
from tusserver.stores.memory import MemoryStore
from tusserver.web.site import SITE


@pytest.fixture
async def clamd() -> AsyncIterator[Peer]:
    async with peer() as made:
        yield made


@pytest.fixture
async def house(aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer) -> House:
    app = a_site(tmp_path, clamd)
    tus = TusClient(await aiohttp_client(app))
    return House(app, tus, RestClient(tus), clamd)


# starting and stopping


async def test_what_was_not_looked_at_is_after_the_next_start_which_does_not_wait_for_it(
    aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer
) -> None:
    house = House(app := a_site(tmp_path, clamd), tus := TusClient(await aiohttp_client(app)), RestClient(tus), clamd)
    clamd.may_answer.clear()
    paths = [await tus.create(len(data)) for data in (GOOD, BAD)]
    patches = [house.patch_in_the_background(path, 0, data) for path, data in zip(paths, (GOOD, BAD), strict=True)]
    await house.scanning(2)
    async with asyncio.timeout(10):
        await tus.client.close()
    await asyncio.gather(*patches, return_exceptions=True)
    async with asyncio.timeout(3):
        tus = TusClient(await aiohttp_client(app := a_site(tmp_path, clamd)))
    house = House(app, tus, RestClient(tus), clamd)
    await house.scanning(4)
    assert refused(await tus.get(paths[0])) == (409, "upload-incomplete")
    clamd.may_answer.set()
    await until(lambda: house.is_in(paths[0], State.COMPLETE))
    await until(lambda: house.is_in(paths[1], State.FAILED))
    assert await house.size(paths[1]) == 0


async def test_without_a_scanner_what_waited_for_one_is_complete_after_the_start(
    aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer
) -> None:
    clamd.says = b"no"
    tus = TusClient(await aiohttp_client(a_site(tmp_path, clamd)))
    path = await tus.create(len(GOOD))
    assert refused(await tus.patch(path, 0, GOOD)) == AWAY
    await tus.client.close()
    tus = TusClient(await aiohttp_client(make_app(Settings(upload_folder=tmp_path / "uploads"))))
    assert (await tus.get(path)).body == GOOD


async def test_durability_always_holds_for_what_waits_for_a_scan(
    aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer
) -> None:
    tus = TusClient(await aiohttp_client(a_site(tmp_path, clamd, durability="always")))
    path = await tus.create(len(GOOD))
    assert (await tus.patch(path, 0, GOOD)).status == 204
    parts = [await tus.create(len(GOOD), GOOD, Upload_Concat="partial")]
    made = await tus.send("POST", "/files/", {"Upload-Concat": f"final;{parts[0]}"})
    assert (await tus.get(made.headers["Location"])).body == GOOD


async def test_a_final_upload_that_nobody_could_look_at_is_complete_after_the_next_start(
    aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer
) -> None:
    clamd.says = b"no"
    tus = TusClient(await aiohttp_client(a_site(tmp_path, clamd)))
    part = await tus.create(len(GOOD), Upload_Concat="partial")
    assert refused(await tus.patch(part, 0, GOOD)) == AWAY
    clamd.says = None
    assert await tus.offset(part) == len(GOOD)
    clamd.says = b"no"
    assert refused(await tus.send("POST", "/files/", {"Upload-Concat": f"final;{part}"})) == AWAY
    await tus.client.close()
    clamd.says = None
    app = a_site(tmp_path, clamd)
    await aiohttp_client(app)

    async def states() -> list[State]:
        return [upload.state for upload in (await app[SITE].backends.infos.page()).uploads]

    async def is_complete() -> bool:
        return await states() == [State.COMPLETE]

    await until(is_complete)


class Broken:
    """A scanner with a fault of ours."""

    address = "nowhere"

    async def scan(self, pieces: AsyncIterator[bytes]) -> str | None:
        raise RuntimeError("a fault of ours")

    async def version(self) -> str:
        return self.address


async def test_a_fault_of_ours_completes_nothing_and_is_logged_also_where_nobody_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def never(id: str) -> NoReturn:
        pytest.fail(f"{id} was decided")

    now = datetime.now(UTC)
    upload = Upload("id", now, now, length=5, offset=5, state=State.RECEIVING)
    scans = Scans(Broken(), MemoryStore(), complete=never, condemn=never)
    await asyncio.wait([scans.begin(upload)])
    assert "the scan of upload id failed" in caplog.text
    with pytest.raises(RuntimeError):
        await scans.outcome(upload)
    await scans.close()


# what the operator sees


async def test_ready_tells_whether_anybody_can_look(house: House) -> None:
    reply = await house.tus.send("GET", "/ready")
    assert (reply.status, said(reply)["scanner"]) == (200, "ok")
    await house.clamd.stop()
    reply = await house.tus.send("GET", "/ready")
    assert (reply.status, said(reply)["status"], said(reply)["scanner"]) == (503, "not-ready", "away")


async def test_the_start_tells_where_clamd_is_and_whether_it_answers(tmp_path: Path, clamd: Peer) -> None:
    for is_there, line in (
        (True, f"  scanner   clamd at {clamd.address} (ClamAV 1.4.6/27811/Thu)"),
        (False, f"  warning   clamd at {clamd.address} does not answer: no upload is completed until it does"),
    ):
        if not is_there:
            await clamd.stop()
        server = await asyncio.to_thread(RunningServer, tmp_path, "--clamd", clamd.address)
        try:
            await until(partial(_is_told, server, line))
        finally:
            await asyncio.to_thread(server.stop)


def _is_told(server: RunningServer, line: str) -> bool:
    return line in server.output.splitlines()
