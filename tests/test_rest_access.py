"""Who may use the REST routes: names are the caller's own, and a token that runs out costs no progress."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused, said, token

CHUNK = {"filename": "a", "chunk_index": 0, "data": ""}
ROUTES = [
    ("POST", "/upload/start", {"filename": "a", "size": 10}),
    ("POST", "/upload/chunk", CHUNK),
    ("POST", "/upload/chunk?filename=a&chunk_index=0", None),
    ("POST", "/upload/complete", {"filename": "a"}),
    ("GET", "/download/a", None),
    ("HEAD", "/download/a", None),
    ("GET", "/download/partial/a", None),
    ("GET", "/status", None),
    ("GET", "/status/a", None),
    ("DELETE", "/cleanup", None),
    ("GET", "/links", None),
    ("POST", "/links", {}),
]


@pytest.mark.parametrize(("method", "path", "fields"), ROUTES)
async def test_a_route_needs_a_token_that_counts(
    aiohttp_client: AiohttpClient, tmp_path: Path, method: str, path: str, fields: object
) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    await owners["ann"].begun("a", 10)
    tokens = {"": "token-needed", "nonsense": "bad-token", token("ann", lasts=-1, began=-9): "bad-token"}
    for sent, code in tokens.items():
        rest = RestClient(owners["ann"].tus, **({"Authorization": f"Bearer {sent}"} if sent else {}))
        reply = await (rest.send(method, path, Range="bytes=0-1") if fields is None else rest.post(path, fields))
        assert reply.status == 401, reply
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert method == "HEAD" or reply.problem["code"] == code


@pytest.mark.parametrize("form", ["multipart/form-data; boundary=x", "application/octet-stream", "application/json"])
async def test_a_chunk_of_nobody_is_refused_before_its_body(
    aiohttp_client: AiohttpClient, tmp_path: Path, form: str
) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    reader, writer = await asyncio.open_connection("127.0.0.1", owners["ann"].tus.client.server.port)
    writer.write(
        b"POST /upload/chunk?filename=a&chunk_index=0 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 100000000\r\n"
        b"Expect: 100-continue\r\nContent-Type: " + form.encode() + b"\r\n\r\n"
    )
    assert (await asyncio.wait_for(reader.readline(), 3)).startswith(b"HTTP/1.1 401 ")
    writer.close()
    await writer.wait_closed()


async def test_names_of_others_do_not_exist(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    ann, bo = owners["ann"], owners["bo"]
    await ann.begun("a", 10)
    await ann.chunk("a", 0, b"hello")
    for reply in (
        await bo.chunk("a", 1, b"world"),
        await bo.chunk("a", 1, b"world", "multipart"),
        await bo.chunk("a", 1, b"world", "raw"),
        await bo.complete("a"),
        await bo.send("GET", "/status/a"),
        await bo.send("GET", "/status/a", Accept="text/event-stream"),
        await bo.send("GET", "/download/a"),
        await bo.send("GET", "/download/partial/a", Range="bytes=0-1"),
    ):
        assert refused(reply) == (404, "upload-not-found")
    assert said(await bo.send("GET", "/status"))["uploads"] == []
    assert (await bo.start("a", 3)).status == 201
    await bo.chunk("a", 0, b"bo!")
    assert (await ann.status("a"))["offset"] == 5
    assert (await bo.send("GET", "/download/a")).body == b"bo!"


@pytest.mark.parametrize("form", ["json", "multipart", "raw"])
async def test_a_token_that_has_run_out_finishes_what_it_began_and_begins_nothing(
    aiohttp_client: AiohttpClient, tmp_path: Path, form: str
) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    await owners["ann"].begun("old", 10)
    ends = time.time()
    short = RestClient(owners["ann"].tus, Authorization=f"Bearer {token('ann', lasts=0.2)}")
    await short.begun("a", 10)
    await asyncio.sleep(max(0.0, ends + 1.2 - time.time()))
    assert refused(await short.start("a", 10)) == (401, "bad-token")
    assert said(await short.chunk("a", 0, b"hello", form))["offset"] == 5
    assert said(await short.chunk("a", 1, b"world", form))["status"] == "complete"
    assert (await short.complete("a")).status == 200
    assert refused(await short.chunk("nobody", 0, b"hello", form)) == (401, "bad-token")
    assert (await owners["ann"].send("GET", "/download/a")).body == b"helloworld"


async def test_events_go_on_though_the_token_runs_out(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    await ann.begun("a", 5)
    short = {"Authorization": f"Bearer {token('ann', lasts=1)}", "Accept": "text/event-stream"}
    async with ann.tus.client.get("/status/a", headers=short) as answer:
        assert answer.status == 200
        await asyncio.sleep(1.2)
        await ann.chunk("a", 0, b"hello")
        assert b'"complete"' in await asyncio.wait_for(answer.content.read(), 3)


async def test_an_owner_has_room_for_so_many(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path, max_owner_bytes=100, max_owner_open=2)).values()
    replies = await asyncio.gather(*(ann.start(f"{number}", 60) for number in range(10)))
    assert sorted(reply.status for reply in replies) == [201] + [403] * 9
    full = next(reply for reply in replies if reply.status == 403)
    assert (full.problem["code"], full.problem["limit"], full.problem["most"]) == ("quota-exceeded", "bytes", 100)
    assert (await bo.start("a", 60)).status == 201


async def test_uploads_within_a_minute_are_counted(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path, max_owner_per_minute=2))["ann"]
    replies = [await ann.start(f"{number}", 0) for number in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 429]
    assert replies[2].problem["code"] == "too-many-uploads"
    assert int(replies[2].headers["Retry-After"]) > 0


async def test_an_upload_by_a_link_is_the_owners_by_its_name(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path)).values()
    link = said(await ann.post("/links", {"max_size": 100}))["upload_url"]
    name = base64.b64encode(b"a").decode()

    async def body() -> AsyncIterator[bytes]:
        yield b"hello"

    stock = {"Upload-Metadata": f"filename {name}", "Upload-Length": "5"}
    made = await ann.tus.send("POST", link, stock | {"Content-Type": "application/offset+octet-stream"}, body())
    assert made.status == 201, made
    assert (await ann.send("GET", "/download/a")).body == b"hello"
    assert (await bo.send("GET", "/download/a")).status == 404
    assert (await ann.tus.send("OPTIONS", link)).headers["Tus-Version"] == "1.0.0"
    assert said(await ann.tus.send("GET", link.rstrip("/")))["uploads"] == 1
    made = await ann.tus.send("PUT", link, stock | {"X-HTTP-Method-Override": "POST"})
    assert made.status == 201
    assert (await ann.send("DELETE", link.rstrip("/"))).status == 204
    assert refused(await ann.tus.send("POST", link, stock)) == (404, "link-not-found")
