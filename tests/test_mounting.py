"""Several servers in one process: each in an application of its own, mounted in another."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, said
from tests.tus_client import STREAM, TusClient
from tusserver.accounts.base import User
from tusserver.accounts.passwords import make_hash
from tusserver.app import StartError, setup
from tusserver.settings import Settings
from tusserver.web.site import SITE

NAMED = {"Upload-Metadata": f"filename {base64.b64encode(b'a').decode()}"}


def test_a_second_server_in_one_application_is_refused_with_what_to_do(tmp_path: Path) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "one"))
    site, routes = app[SITE], len(app.router.routes())
    with pytest.raises(StartError, match="add_subapp"):
        setup(app, Settings(upload_folder=tmp_path / "two"), prefix="/two")
    assert (app[SITE], len(app.router.routes())) == (site, routes)


class Two:
    """A server at the root and one in an application that is mounted at `/two`, with a prefix of its own."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.app, self.inner = web.Application(), web.Application()
        origins = ("https://example.com",)
        setup(self.app, Settings(upload_folder=folder / "one", cors_origins=origins))
        setup(self.inner, Settings(upload_folder=folder / "two", cors_origins=origins), prefix=prefix)
        self.app.add_subapp("/two/", self.inner)


@pytest.mark.parametrize("prefix", ["", "/deep"])
async def test_a_server_in_a_sub_application_tells_addresses_that_lead_to_it(
    aiohttp_client: AiohttpClient, tmp_path: Path, prefix: str
) -> None:
    two = Two(tmp_path, prefix)
    tus = TusClient(await aiohttp_client(two.app))
    rest, at = RestClient(tus), f"/two{prefix}"
    made = await tus.send("POST", f"{at}/files/", STREAM | NAMED | {"Upload-Length": "10"}, b"hello")
    path = made.headers["Location"]
    assert (made.status, path.startswith(f"{at}/files/")) == (201, True)
    assert (await tus.patch(path, 5, b"world")).status == 204
    assert (await tus.get(path)).body == b"helloworld"
    assert said(await rest.send("GET", f"{at}/status/a"))["upload_url"] == path
    assert (await rest.send("GET", f"{at}/download/a")).body == b"helloworld"
    link = said(await rest.post(f"{at}/links", {}))["upload_url"]
    parts = [
        (await tus.send("POST", link, STREAM | {"Upload-Length": "2", "Upload-Concat": "partial"}, data)).headers
        for data in (b"on", b"ce")
    ]
    concat = f"final;{' '.join(part['Location'] for part in parts)}"
    final = await tus.send("POST", link, {"Upload-Concat": concat})
    assert (await tus.get(final.headers["Location"])).body == b"once"
    document = said(await rest.send("GET", f"{at}/openapi.json"))
    assert document["servers"] == [{"url": at}]
    await rest.post(f"{at}/upload/start", {"filename": "b", "size": 0})
    completed = said(await rest.post(f"{at}/upload/complete", {"filename": "b"}))
    assert completed["download_url"] == f"{at}/download/b"
    assert (await rest.send("GET", completed["download_url"])).status == 200


async def test_servers_side_by_side_know_nothing_of_each_other(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    two = Two(tmp_path, "")
    tus = TusClient(await aiohttp_client(two.app))
    rest = RestClient(tus)
    for at, data in (("", b"first"), ("/two", b"other")):
        made = await tus.send("POST", f"{at}/files/", STREAM | NAMED | {"Upload-Length": "5"}, data)
        assert made.status == 201
    assert (await rest.send("GET", "/download/a")).body == b"first"
    assert (await rest.send("GET", "/two/download/a")).body == b"other"
    assert [len(said(await rest.send("GET", f"{at}/status"))["uploads"]) for at in ("", "/two")] == [1, 1]


async def test_an_answer_bears_each_header_once(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    two = Two(tmp_path, "")
    tus = TusClient(await aiohttp_client(two.app))
    for path in ("/", "/two/", "/two/status", "/two/status/nobody"):
        reply = await tus.send("GET", path, {"Origin": "https://example.com"})
        assert reply.headers.getall("Access-Control-Allow-Origin") == ["https://example.com"], path
        vary = [word.strip() for word in reply.headers.get("Vary", "").split(",")]
        assert "Origin" in vary, path
        assert len(vary) == len(set(vary)), (path, vary)


async def test_a_cookie_is_for_the_server_that_gave_it(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    two = Two(tmp_path, "/deep")
    tus = TusClient(await aiohttp_client(two.app))
    site = two.inner[SITE]
    await site.backends.accounts.add_user(User("ada", make_hash("secret"), frozenset(), site.clock()))
    body = json.dumps({"username": "ada", "password": "secret", "cookie": True}).encode()
    reply = await tus.send("POST", "/two/deep/auth/token", {"Content-Type": "application/json"}, body)
    assert "Path=/two/deep;" in reply.headers["Set-Cookie"]
