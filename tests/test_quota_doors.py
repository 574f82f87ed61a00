"""However many come at once, by whichever door: never more get in than there is room for, and who is refused leaves
nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused, said
from tests.tus_client import STREAM, Reply

MANY = 50
LENGTH = 60


def files(folder: Path) -> list[Path]:
    """What lies in the folder of bytes."""
    return [path for path in (folder / "uploads" / "bytes").rglob("*") if path.is_file()]


async def post(rest: RestClient, collection: str = "/files/", body: bytes | None = None, **told: str) -> Reply:
    """A creation by tus."""
    fields = {"Upload-Length": str(LENGTH)} | {name.replace("_", "-"): value for name, value in told.items()}
    return await rest.tus.send("POST", collection, rest.headers | fields | (STREAM if body else {}), body)


async def create(rest: RestClient, door: str, number: int) -> Reply:
    if door == "rest":
        return await rest.start(f"{number}", LENGTH)
    return await post(rest, body=b"hello" if door == "with-upload" else None)


@pytest.mark.parametrize("door", ["tus", "with-upload", "rest"])
@pytest.mark.parametrize("room", [{"max_owner_open": 1}, {"max_owner_bytes": LENGTH + 1}], ids=["open", "bytes"])
async def test_of_fifty_at_once_exactly_one_gets_the_last_place(
    aiohttp_client: AiohttpClient, tmp_path: Path, door: str, room: dict[str, Any]
) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path, **room)).values()
    replies = await asyncio.gather(*(create(ann, door, number) for number in range(MANY)))
    assert sorted(reply.status for reply in replies) == [201] + [403] * (MANY - 1)
    assert {refused(reply) for reply in replies if reply.status != 201} == {(403, "quota-exceeded")}
    assert len(files(tmp_path)) == 1
    assert (await create(bo, door, 0)).status == 201


@pytest.mark.parametrize("door", ["tus", "with-upload", "rest"])
async def test_too_many_within_a_minute_are_told_when_to_come_again(
    aiohttp_client: AiohttpClient, tmp_path: Path, door: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path, max_owner_per_minute=3))["ann"]
    replies = await asyncio.gather(*(create(ann, door, number) for number in range(MANY)))
    assert sorted(reply.status for reply in replies) == [201] * 3 + [429] * (MANY - 3)
    for reply in replies:
        if reply.status != 201:
            assert refused(reply) == (429, "too-many-uploads")
            assert 0 < int(reply.headers["Retry-After"]) <= 60
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("body", [None, b"hello"], ids=["tus", "with-upload"])
async def test_of_fifty_at_once_by_a_link_for_one_exactly_one_gets_in(
    aiohttp_client: AiohttpClient, tmp_path: Path, body: bytes | None
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {"max_uploads": 1}))["upload_url"]
    replies = await asyncio.gather(*(post(RestClient(ann.tus), link, body) for _ in range(MANY)))
    assert sorted(reply.status for reply in replies) == [201] + [403] * (MANY - 1)
    assert {refused(reply) for reply in replies if reply.status != 201} == {(403, "quota-exceeded")}
    assert len(files(tmp_path)) == 1


async def test_a_final_upload_without_room_leaves_nothing_behind(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path, max_owner_bytes=LENGTH + 1))["ann"]
    part = await post(ann, Upload_Concat="partial")
    before = files(tmp_path)
    final = {"Upload-Concat": f"final;{part.headers['Location']}"}
    reply = await ann.tus.send("POST", "/files/", ann.headers | final)
    assert refused(reply) == (403, "quota-exceeded")
    assert (reply.problem["limit"], reply.problem["most"]) == ("bytes", LENGTH + 1)
    assert files(tmp_path) == before


@pytest.mark.parametrize(("most", "status"), [(None, 403), (30_000_000, 403), (1_000, 201)])
async def test_an_upload_of_unknown_length_needs_a_bound_where_bytes_are_counted(
    aiohttp_client: AiohttpClient, tmp_path: Path, most: int | None, status: int
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path, max_owner_bytes=100_000_000))["ann"]
    link = said(await ann.post("/links", {"max_size": most}))["upload_url"]
    reply = await ann.tus.send("POST", link, {"Upload-Defer-Length": "1"})
    assert reply.status == status
    assert len(files(tmp_path)) == (status == 201)
