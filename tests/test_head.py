"""HEAD is answered wherever GET is: the same status, the same headers, and no body. RFC 9110, section 9.3.2."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused, said
from tests.tus_client import Reply, TusClient
from tusserver.app import make_app
from tusserver.settings import Settings

NAMED = [
    *("/", "/health", "/ready", "/status", "/status/a", "/status/half", "/openapi.json", "/auth/me", "/links"),
    *("/static/page.js", "/download/a", "/download/half", "/status/nobody", "/status/a//b", "/status?limit=x"),
]


class Site(RestClient):
    """A server with a finished upload, `a`, an unfinished one, `half`, and a link."""

    def __init__(self, app: web.Application, tus: TusClient) -> None:
        super().__init__(tus)
        self.app = app
        self.link = ""

    async def fill(self) -> None:
        for name in ("a", "half"):
            await self.begun(name, 5 if name == "a" else 10)
            await self.chunk(name, 0, b"hello")
        self.link = said(await self.post("/links", {"max_size": 5}))["upload_url"]

    def addresses(self) -> list[str]:
        """One of every route that answers GET by itself."""
        routes = [route for route in self.app.router.routes() if route.method == "GET" and route.resource is not None]
        id = self.link.strip("/").rpartition("/")[2]
        canonical = [route.resource.canonical for route in routes if route.resource is not None]
        return [re.sub(r"\{.+?\}", "a", path.replace("{id}", id)) for path in canonical]


@pytest.fixture
async def site(aiohttp_client: AiohttpClient, tmp_path: Path) -> Site:
    app = make_app(Settings(upload_folder=tmp_path / "uploads"))
    made = Site(app, TusClient(await aiohttp_client(app)))
    await made.fill()
    return made


def told(reply: Reply) -> tuple[int, dict[str, str]]:
    """The status and the headers, without the moment of the answer."""
    return reply.status, {name: value for name, value in reply.headers.items() if name != "Date"}


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_every_route_that_answers_get_answers_head_alike_and_without_a_body(site: Site, accept: str) -> None:
    addresses = [*NAMED, *site.addresses()]
    assert len(addresses) > 25
    for path in addresses:
        headers = {"Accept": accept, "Range": "bytes=0-1"} if "partial" in path else {"Accept": accept}
        got = await site.send("GET", path, **headers)
        head = await site.send("HEAD", path, **headers)
        assert head.body == b"", path
        if got.status == 206:
            continue  # only GET has ranges
        assert told(head) == told(got), path


async def test_a_connection_goes_on_behind_head(site: Site) -> None:
    for path in NAMED:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.tus.client.port)
        try:
            writer.write(f"HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            second = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            assert first.startswith(b"HTTP/1.1 "), path
            assert second.startswith(b"HTTP/1.1 200 "), path
            body = await asyncio.wait_for(reader.readexactly(16), 10)
            assert body == b'{"status": "ok"}'
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize("path", ["/status/a", "/status/half"])
async def test_head_of_the_events_of_a_status_tells_their_type_and_ends(site: Site, path: str) -> None:
    async with asyncio.timeout(5):
        reply = await site.send("HEAD", path, Accept="text/event-stream")
    assert (reply.status, reply.headers["Content-Type"], reply.body) == (200, "text/event-stream", b"")


async def test_head_needs_a_token_where_get_does(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    await ann.begun("a", 10)
    nobody = RestClient(ann.tus)
    for path in ("/status", "/status/a", "/links", "/download/a"):
        assert (await nobody.send("HEAD", path)).status == 401, path
        assert refused(await nobody.send("GET", path)) == (401, "token-needed")
    assert (await ann.send("HEAD", "/status/a")).status == 200
