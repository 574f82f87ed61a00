"""What every door has in common: CORS, problem documents, limits, proxies, health."""

from __future__ import annotations

import asyncio
import gzip
import json
from ipaddress import ip_network
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.running import RunningServer
from tests.tus_client import STREAM, TusClient
from tusserver.app import make_app, setup
from tusserver.settings import Settings

LOOPBACK = (ip_network("127.0.0.0/8"),)


async def client_of(aiohttp_client: AiohttpClient, folder: Path, **chosen: object) -> TusClient:
    settings = Settings(upload_folder=folder / "uploads", **chosen)  # type: ignore[arg-type]
    return TusClient(await aiohttp_client(make_app(settings)))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/status", 200),
        ("GET", "/health", 200),
        ("OPTIONS", "/files/", 204),
        ("GET", "/files/", 405),
        ("HEAD", "/files/AAAAAAAAAAAAAAAAAAAAAA", 404),
        ("PATCH", "/files/AAAAAAAAAAAAAAAAAAAAAA", 415),
        ("GET", "/nothing/here", 404),
        ("GET", "/static/package.json", 404),
        ("GET", "/static/..%2Fapp.py", 404),
        ("DELETE", "/health", 405),
    ],
)
async def test_every_answer_of_a_route_bears_cors_headers(tus: TusClient, method: str, path: str, status: int) -> None:
    reply = await tus.send(method, path, {"Origin": "https://example.com"})
    assert reply.status == status
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    if status >= 400 and method != "HEAD":
        assert reply.problem["status"] == status
        assert reply.problem["code"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/files/a%7Bb%7D", "upload-not-found"),
        ("/files/a%0Ab", "upload-not-found"),
        ("/links/a%7Bb%7D/", "link-not-found"),
        ("/uploads/a%7Bb%7D.png", "upload-not-found"),
        ("/download/a%7Bb%7D", "upload-not-found"),
    ],
)
async def test_a_name_that_nothing_has_is_refused_in_the_words_of_its_route(
    tus: TusClient, path: str, code: str
) -> None:
    reply = await tus.send("GET", path)
    assert (reply.status, reply.problem["code"]) == (404, code)


async def test_a_preflight_allows_what_tus_clients_send_and_what_pages_add(tus: TusClient) -> None:
    asked = "authorization,tus-resumable,upload-offset,x-my-header"
    reply = await tus.send(
        "OPTIONS",
        "/files/AAAAAAAAAAAAAAAAAAAAAA",
        {
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": asked,
        },
    )
    assert reply.status == 204
    allowed = {name.strip().lower() for name in reply.headers["Access-Control-Allow-Headers"].split(",")}
    assert allowed.issuperset(asked.split(","))
    assert "PATCH" in reply.headers["Access-Control-Allow-Methods"]


async def test_named_origins_are_compared_whole_and_told_to_caches(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, cors_origins=("https://example.com",))
    good = await tus.send("OPTIONS", "/files/", {"Origin": "https://example.com"})
    bad = await tus.send("OPTIONS", "/files/", {"Origin": "https://example.com.evil.org"})
    assert good.headers["Access-Control-Allow-Origin"] == "https://example.com"
    assert "Access-Control-Allow-Origin" not in bad.headers
    assert good.headers["Vary"] == bad.headers["Vary"] == "Origin"


async def test_location_is_a_path_and_absolute_where_base_url_says_so(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    plain = await client_of(aiohttp_client, tmp_path / "1")
    assert (await plain.create(5)).startswith("/files/")
    public = await client_of(aiohttp_client, tmp_path / "2", base_url="https://up.example.com/api")
    assert (await public.create(5)).startswith("https://up.example.com/api/files/")


async def test_parts_are_found_by_the_public_address_and_no_other(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, base_url="https://up.example.com/api")
    part = await tus.create(5, b"hello", Upload_Concat="partial")
    final = await tus.send("POST", "/files/", {"Upload-Concat": f"final;{part}"})
    assert final.status == 201
    other = await tus.send("POST", "/files/", {"Upload-Concat": f"final;{part.replace('up.', 'evil.')}"})
    assert (other.status, other.problem["code"]) == (400, "bad-parts")


@pytest.mark.parametrize(("trusted", "status"), [(LOOPBACK, 201), ((), 400)])
async def test_a_forwarded_host_counts_only_from_a_named_proxy(
    aiohttp_client: AiohttpClient, tmp_path: Path, trusted: object, status: int
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, trusted_proxies=trusted)
    part = await tus.create(5, b"hello", Upload_Concat="partial")
    concat = {"Upload-Concat": f"final;https://up.example.com{part}", "X-Forwarded-Host": "up.example.com, x"}
    assert (await tus.send("POST", "/files/", concat)).status == status


async def test_an_over_long_metadata_field_is_refused_and_creates_nothing(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, max_metadata=100)
    reply = await tus.send("POST", "/files/", {"Upload-Length": "5", "Upload-Metadata": "k " + "A" * 400})
    assert (reply.status, reply.problem["header"]) == (400, "Upload-Metadata")
    assert json.loads((await tus.send("GET", "/status")).body)["uploads"] == []


async def test_a_compressed_body_is_refused_before_a_byte_is_stored(tus: TusClient) -> None:
    path = await tus.create(5)
    reply = await tus.patch(path, 0, gzip.compress(b"hello"), Content_Encoding="gzip")
    assert (reply.status, reply.problem["code"]) == (415, "encoded-body")
    assert await tus.offset(path) == 0


async def test_a_transfer_coding_besides_chunked_is_refused_before_a_byte_is_stored(own_server: RunningServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", own_server.port)
    writer.write(
        b"POST /files/ HTTP/1.1\r\nHost: example.com\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n"
        b"Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 501 ")
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_stops_arriving_is_ended_and_what_came_is_kept(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, read_timeout=0.2)
    path = await tus.create(10)

    async def slowly() -> object:
        yield b"hello"
        await asyncio.sleep(5)
        yield b"never"

    reply = await tus.patch(path, 0, slowly())
    assert (reply.status, reply.problem["code"], reply.problem["offset"]) == (503, "body-stalled", 5)
    assert await tus.offset(path) == 5


async def test_the_listing_pages_filters_and_tells_the_state(tus: TusClient) -> None:
    await tus.create(4, b"done")
    await tus.create(8, b"half")
    await tus.create(9)
    first = json.loads((await tus.send("GET", "/status?limit=2")).body)
    second = json.loads((await tus.send("GET", f"/status?limit=2&cursor={first['next_cursor']}")).body)
    assert [one["status"] for one in first["uploads"] + second["uploads"]] == ["pending", "partial", "complete"]
    assert second["next_cursor"] is None
    only = json.loads((await tus.send("GET", "/status?state=partial")).body)["uploads"]
    assert [(one["offset"], one["size"], one["percent"]) for one in only] == [(4, 8, 50.0)]


@pytest.mark.parametrize("query", ["state=finished", "cursor=nonsense", "limit=-1", "limit=0", "limit=", "limit=many"])
async def test_a_malformed_query_is_refused(tus: TusClient, query: str) -> None:
    reply = await tus.send("GET", f"/status?{query}")
    assert (reply.status, reply.problem["code"]) == (422, "bad-query")


async def test_uploads_are_not_listed_on_an_address_others_can_reach(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    tus = await client_of(aiohttp_client, tmp_path, host="0.0.0.0")
    reply = await tus.send("GET", "/status")
    assert (reply.status, reply.problem["code"]) == (401, "token-needed")


async def test_health_and_readiness_are_told(tus: TusClient) -> None:
    assert json.loads((await tus.send("GET", "/health")).body) == {"status": "ok"}
    ready = await tus.send("GET", "/ready")
    assert ready.status == 200
    assert json.loads(ready.body) == {"status": "ready", "server": "ok", "database": "ok", "store": "ok"}


async def test_a_browser_gets_the_page_and_a_program_a_greeting(tus: TusClient) -> None:
    page = await tus.send("GET", "/", {"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert json.loads((await tus.send("GET", "/")).body) == {"message": "Hello World"}


async def test_the_server_is_mounted_under_a_prefix_of_another_application(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    async def own(request: web.Request) -> web.Response:
        return web.Response(text="mine")

    app = web.Application()
    app.router.add_get("/", own)
    setup(app, Settings(upload_folder=tmp_path / "uploads"), prefix="/uploads")
    tus = TusClient(await aiohttp_client(app))
    assert (await tus.send("GET", "/")).body == b"mine"
    created = await tus.send("POST", "/uploads/files/", {"Upload-Length": "5"} | STREAM, b"hello")
    assert created.headers["Location"].startswith("/uploads/files/")
    assert (await tus.get(created.headers["Location"])).body == b"hello"
    assert "Access-Control-Allow-Origin" not in (await tus.send("GET", "/")).headers


async def test_an_extension_that_is_off_is_neither_offered_nor_taken(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    off = frozenset({"checksum", "termination", "concatenation"})
    tus = await client_of(aiohttp_client, tmp_path, disabled_extensions=off)
    offered = (await tus.send("OPTIONS", "/files/")).headers["Tus-Extension"].split(",")
    assert offered == ["creation", "creation-with-upload", "creation-defer-length", "expiration"]
    path = await tus.create(5)
    assert (await tus.send("DELETE", path)).problem["code"] == "extension-off"
    assert (await tus.patch(path, 0, b"hello", Upload_Checksum="sha1 x")).problem["code"] == "extension-off"
    assert (await tus.send("POST", "/files/", {"Upload-Concat": "partial", "Upload-Length": "1"})).status == 400
    assert await tus.offset(path) == 0
