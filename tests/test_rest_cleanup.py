"""`DELETE /cleanup`: what goes, what stays, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused, said
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.settings import Settings


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


async def cleanup(rest: RestClient, query: str = "") -> dict[str, object]:
    reply = await rest.send("DELETE", f"/cleanup{query}")
    assert reply.status == 200, reply
    return said(reply)


async def test_stale_uploads_go_and_finished_ones_stay(rest: RestClient) -> None:
    stale = await rest.begun("half", 10)
    await rest.chunk("half", 0, b"hello")
    await rest.begun("whole", 5)
    await rest.chunk("whole", 0, b"world")
    told = await cleanup(rest, "?older_than=0")
    assert told == {
        "removed_count": 1,
        "freed_bytes": 5,
        "removed": [{"upload_id": stale.rpartition("/")[2], "filename": "half", "bytes": 5}],
        "dry_run": False,
    }
    assert refused(await rest.send("GET", "/status/half")) == (404, "upload-not-found")
    assert (await rest.send("GET", "/download/whole")).body == b"world"


async def test_a_dry_run_tells_the_same_and_removes_nothing(rest: RestClient) -> None:
    await rest.begun("half", 10)
    dry = await cleanup(rest, "?older_than=0&dry_run=true")
    assert (dry["removed_count"], dry["dry_run"]) == (1, True)
    assert (await rest.status("half"))["status"] == "pending"
    assert await cleanup(rest, "?older_than=0") == dry | {"dry_run": False}


async def test_what_is_fresh_stays_by_default(rest: RestClient) -> None:
    await rest.begun("half", 10)
    assert (await cleanup(rest))["removed_count"] == 0
    assert (await cleanup(rest, "?older_than=60"))["removed_count"] == 0


async def test_without_older_than_the_setting_counts(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", stale_after=0.2)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("half", 10)
    assert (await cleanup(rest))["removed_count"] == 0
    await asyncio.sleep(0.3)
    assert (await cleanup(rest))["removed_count"] == 1


async def test_expired_uploads_go_however_fresh_and_are_told_once(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", expires_after=0.2)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    path = await rest.begun("half", 10)
    await asyncio.sleep(0.3)
    assert refused(await rest.send("GET", "/status/half")) == (410, "upload-gone")
    for query in ("?dry_run=true&older_than=0", ""):
        told = await cleanup(rest, query)
        assert told["removed"] == [{"upload_id": path.rpartition("/")[2], "filename": "half", "bytes": 0}]


@pytest.mark.parametrize("door", ["tus", "rest"])
async def test_an_upload_that_is_receiving_is_left_alone(rest: RestClient, door: str) -> None:
    path = await rest.begun("busy", 10)
    may_end = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"hello"
        await may_end.wait()
        yield b"world"

    sending = asyncio.create_task(
        rest.tus.patch(path, 0, slowly())
        if door == "tus"
        else rest.send("POST", "/upload/chunk?filename=busy&chunk_index=0", slowly())
    )
    await asyncio.sleep(0.2)
    assert (await cleanup(rest, "?older_than=0"))["removed_count"] == 0
    may_end.set()
    assert (await sending).status in (200, 204)
    assert (await rest.send("GET", "/download/busy")).body == b"helloworld"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("older_than=-1", "older_than"),
        ("older_than=1d", "older_than"),
        ("older_than=99999999999", "older_than"),
        ("dry_run=perhaps", "dry_run"),
        ("dryrun=true", "dryrun"),
    ],
)
async def test_a_query_that_cannot_be_used_removes_nothing(rest: RestClient, query: str, field: str) -> None:
    await rest.begun("half", 10)
    reply = await rest.send("DELETE", f"/cleanup?older_than=0&{query}" if "dry" in query else f"/cleanup?{query}")
    assert refused(reply) == (422, "bad-field")
    assert reply.problem["field"] == field
    assert (await rest.status("half"))["status"] == "pending"


async def test_uploads_of_others_stay_and_an_admin_removes_everybodys(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    for name, rest in owners.items():
        await rest.begun("same name", 10)
        await rest.chunk("same name", 0, name.encode())
    told = await cleanup(owners["ann"], "?older_than=0")
    assert (told["removed_count"], told["freed_bytes"]) == (1, 3)
    assert (await owners["ann"].send("GET", "/status/same%20name")).status == 404
    assert (await owners["bo"].status("same name"))["offset"] == 2
    assert (await cleanup(owners["root"], "?older_than=0"))["removed_count"] == 2
    assert (await owners["bo"].send("GET", "/status/same%20name")).status == 404
