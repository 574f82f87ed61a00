"""Signing in by password: tokens, cookie, refusals, and who is asked for a token at all."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from tests.clients.wire import ask
from tests.running import RunningServer, running
from tests.signing import NOW, SECRET, shared
from tests.tus_client import Reply, TusClient
from tusserver.accounts import attempts
from tusserver.accounts.base import User
from tusserver.accounts.passwords import make_hash
from tusserver.app import StartError, make_app, setup
from tusserver.settings import Auth, Settings
from tusserver.web.site import SITE

PASSWORD = "correct horse"
HASH = make_hash(PASSWORD)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass(slots=True)
class Door:
    """A client of a server where ada, an admin, may sign in."""

    tus: TusClient

    async def sign_in(self, body: Any = None, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
        fields = {"username": "ada", "password": PASSWORD} | fields
        sent = json.dumps(fields).encode() if body is None else body
        return await self.tus.send("POST", "/auth/token", JSON | (headers or {}), sent)

    async def token(self) -> str:
        return str(json.loads((await self.sign_in()).body)["access_token"])

    async def me(self, **headers: str) -> dict[str, Any]:
        reply = await self.tus.send("GET", "/auth/me", headers)
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
        made: dict[str, Any] = json.loads(reply.body)
        return made


async def door_of(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> Door:
    app = make_app(Settings(upload_folder=folder / "uploads", **({"auth": Auth.REQUIRED} | chosen)))
    client: TestClient[Any, Any] = await aiohttp_client(app)
    await app[SITE].backends.accounts.add_user(User("ada", HASH, frozenset({"admin"}), NOW))
    return Door(TusClient(client))


@pytest.fixture
async def door(aiohttp_client: AiohttpClient, tmp_path: Path) -> Door:
    return await door_of(aiohttp_client, tmp_path)


async def test_a_password_gives_a_token_that_says_who_asks(door: Door) -> None:
    reply = await door.sign_in()
    told = json.loads(reply.body)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    assert (told.keys(), told["token_type"], told["expires_in"]) == (
        {"access_token", "token_type", "expires_in"}, "bearer", 900,
    )  # fmt: skip
    assert "Set-Cookie" not in reply.headers
    assert await door.me() == {"required": True, "user": None, "scopes": []}
    authorization = f"Bearer {told['access_token']}"
    assert await door.me(Authorization=authorization) == {"required": True, "user": "ada", "scopes": ["admin"]}
    assert (await door.me(Authorization=authorization.replace("Bearer", "bEARER ")))["user"] == "ada"


async def test_a_form_does_as_well(door: Door) -> None:
    reply = await door.sign_in(b"grant_type=password&username=ada&password=correct+horse", FORM)
    assert reply.status == 200
    assert json.loads(reply.body)["access_token"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "wrong"},
        {"password": ""},
        {"password": PASSWORD + "\0"},
        {"password": "x" * 2000},
        {"username": "eve"},
        {"username": "Ada"},
        {"username": "ada "},
        {"username": ""},
        {"username": "\ud800"},
        {"password": "\ud800"},
        {"username": "a" * 5000},
        {"username": "' OR 1=1 --"},
    ],
)
async def test_a_wrong_name_and_a_wrong_password_are_refused_alike(door: Door, wrong: dict[str, Any]) -> None:
    reply = await door.sign_in(**wrong)
    assert (reply.status, reply.problem["code"]) == (401, "bad-credentials")
    assert reply.problem["detail"] == (await door.sign_in(username="eve")).problem["detail"]
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (JSON, b""),
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b"null"),
        (JSON, b"[" * 15_000),
        (JSON, b"\xff\xfe"),
        (JSON, b'{"username": "ada"}'),
        (JSON, b'{"username": "ada", "password": 7}'),
        (JSON, b'{"username": ["ada"], "password": "x"}'),
        (JSON, b" " * 20_000),
        (FORM, b""),
        (FORM, b"username=ada"),
        (FORM, b"username=ada&password=a&password=b"),
        (FORM, b"username=%ff&password=x"),
        (FORM, b"&".join([b"a=b"] * 50)),
        ({"Content-Type": "text/plain"}, b'{"username": "ada", "password": "correct horse"}'),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--"),
    ],
)
async def test_a_body_that_is_no_sign_in_is_422(door: Door, headers: dict[str, str], body: bytes) -> None:
    reply = await door.tus.send("POST", "/auth/token", headers, body)
    assert (reply.status, reply.problem["code"]) == (422, "bad-sign-in")


async def test_after_some_failures_everybody_waits_and_a_known_password_does_not_help(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_WAIT", 60)
    wrong = await asyncio.gather(*(door.sign_in(password="wrong") for _ in range(12)))
    assert sorted(reply.status for reply in wrong) == [401] * 5 + [429] * 7
    reply = await door.sign_in()
    assert (reply.status, reply.problem["code"]) == (429, "too-many-attempts")
    assert 1 < int(reply.headers["Retry-After"]) == reply.problem["retry_after"] <= 60
    monkeypatch.setattr(attempts, "FIRST_WAIT", 0)
    assert (await door.sign_in()).status == 200


@pytest.mark.parametrize(("trusted", "statuses"), [(LOOPBACK, {401}), ((), {401, 429})])
async def test_the_address_that_counts_is_that_behind_a_named_proxy(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: Any, statuses: set[int]
) -> None:
    monkeypatch.setattr(attempts, "FIRST_WAIT", 60)
    door = await door_of(aiohttp_client, tmp_path, trusted_proxies=trusted)
    replies = [
        await door.sign_in(username=f"user {number}", headers={"X-Forwarded-For": f"192.0.2.{number}"})
        for number in range(22)
    ]
    assert {reply.status for reply in replies} == statuses


async def test_the_cookie_is_for_the_page_and_reads_only(door: Door) -> None:
    reply = await door.sign_in(cookie=True)
    (cookie,) = reply.headers.getall("Set-Cookie")
    name, _, rest = cookie.partition("=")
    assert name == "tusserver_token"
    assert {part.strip() for part in rest.split(";")[1:]} == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=900"}
    sent = {"Cookie": cookie.partition(";")[0]}
    door.tus.session.cookie_jar.clear()
    assert (await door.me(**sent))["user"] == "ada"
    creation = await door.tus.send("POST", "/files/", sent | {"Upload-Length": "5"})
    assert (creation.status, creation.problem["code"]) == (401, "token-needed")
    overridden = await door.tus.send("GET", "/files/", sent | {"Upload-Length": "5", "X-HTTP-Method-Override": "POST"})
    assert (overridden.status, overridden.problem["code"]) == (401, "token-needed")


async def test_the_cookie_is_kept_to_https_where_the_client_came_by_it(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    door = await door_of(aiohttp_client, tmp_path, trusted_proxies=LOOPBACK)
    reply = await door.sign_in(cookie=True, headers={"X-Forwarded-Proto": "https"})
    assert "; Secure" in reply.headers["Set-Cookie"]


@pytest.mark.parametrize("wanted", [False, None, 1, "true"])
async def test_no_cookie_comes_unasked(door: Door, wanted: object) -> None:
    assert "Set-Cookie" not in (await door.sign_in(cookie=wanted)).headers
    form = await door.sign_in(b"username=ada&password=correct+horse&cookie=true", FORM)
    assert (form.status, "Set-Cookie" in form.headers) == (200, False)


async def test_signing_out_takes_the_cookie_back(door: Door) -> None:
    reply = await door.tus.send("POST", "/auth/logout")
    assert reply.status == 204
    assert 'tusserver_token=""' in reply.headers["Set-Cookie"]
    assert "Max-Age=0" in reply.headers["Set-Cookie"]
    assert "Path=/" in reply.headers["Set-Cookie"]


async def test_the_cookie_says_nothing_to_a_page_of_another_origin(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    neighbour = "http://127.0.0.1:1"
    door = await door_of(aiohttp_client, tmp_path, cors_origins=(neighbour,))
    cookie = f"tusserver_token={await door.token()}"
    assert (await door.me(Cookie=cookie, Origin=neighbour))["user"] is None
    assert (await door.me(Cookie=cookie, Origin="null"))["user"] is None
    own = str(door.tus.client.make_url("/")).rstrip("/")
    assert (await door.me(Cookie=cookie, Origin=own))["user"] == "ada"
    assert (await door.me(Authorization=f"Bearer {await door.token()}", Origin=neighbour))["user"] == "ada"


async def test_a_token_in_the_header_wins_over_the_cookie(door: Door) -> None:
    cookie = f"tusserver_token={await door.token()}"
    assert (await door.me(Cookie=cookie, Authorization="Bearer x"))["user"] is None
    assert (await door.me(Cookie=cookie))["user"] == "ada"


async def test_what_a_proxy_in_front_asks_for_is_no_token(door: Door) -> None:
    basic = "Basic " + base64.b64encode(b"ada:correct horse").decode()
    reply = await door.tus.send("POST", "/files/", {"Upload-Length": "5", "Authorization": basic})
    assert (reply.status, reply.problem["code"]) == (401, "token-needed")
    assert (await door.me(Authorization=basic, Cookie=f"tusserver_token={await door.token()}"))["user"] == "ada"


@pytest.mark.parametrize("value", ["Bearer", "Bearer ", "Bearer a b", "Bearer x", "bearer ä"])
async def test_a_token_that_is_none_is_a_bad_token(door: Door, value: str) -> None:
    reply = await door.tus.send("POST", "/files/", {"Upload-Length": "5", "Authorization": value})
    assert (reply.status, reply.problem["code"]) == (401, "bad-token")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]


async def test_two_tokens_are_none(door: Door) -> None:
    token = await door.token()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}"), ("Upload-Length", "5")]
    async with door.tus.client.post("/files/", headers=[*headers, ("Tus-Resumable", "1.0.0")]) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (401, "bad-token")


@pytest.mark.parametrize("path", ["/auth/token", "/auth/logout", "/auth/me"])
async def test_pages_of_other_origins_may_ask(door: Door, path: str) -> None:
    reply = await door.tus.send("OPTIONS", path, {"Origin": "https://example.com"})
    assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, "*")


@pytest.mark.parametrize(
    ("host", "auth", "is_required"),
    [
        ("127.0.0.1", "auto", False), ("::1", "auto", False), ("localhost", "auto", False),
        ("0.0.0.0", "auto", True), ("::", "auto", True), ("files.example.com", "auto", True),
        ("192.0.2.1", "auto", True), ("127.0.0.1", "required", True), ("0.0.0.0", "off", False),
    ],
)  # fmt: skip
async def test_who_is_asked_depends_on_the_address_unless_it_is_said(
    aiohttp_client: AiohttpClient, tmp_path: Path, host: str, auth: str, is_required: bool
) -> None:
    door = await door_of(aiohttp_client, tmp_path, host=host, auth=auth)
    assert (await door.me())["required"] is is_required
    assert (await door.tus.send("POST", "/files/", {"Upload-Length": "5"})).status == (401 if is_required else 201)


async def test_a_token_counts_also_where_none_is_needed(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    door = await door_of(aiohttp_client, tmp_path, auth="off", jwt_secret=SECRET)
    token = shared(iat=None, exp=2**32)
    assert await door.me(Authorization=f"Bearer {token}") == {"required": False, "user": "ada", "scopes": []}
    bad = {"Authorization": "Bearer x", "Upload-Length": "5"}
    assert (await door.tus.send("POST", "/files/", bad)).status == 201


async def test_a_body_that_stops_arriving_is_given_up(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    door = await door_of(aiohttp_client, tmp_path, read_timeout=0.1)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"username"'
        await asyncio.sleep(3)
        yield b': "ada"}'

    reply = await door.tus.send("POST", "/auth/token", JSON, slowly())
    assert (reply.status, reply.problem["code"]) == (503, "body-stalled")


async def test_a_prefix_of_another_application_is_the_cookies_path(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "uploads", auth=Auth.REQUIRED), prefix="/up")
    tus = TusClient(await aiohttp_client(app))
    await app[SITE].backends.accounts.add_user(User("ada", HASH, frozenset(), NOW))
    sent = json.dumps({"username": "ada", "password": PASSWORD, "cookie": True}).encode()
    assert "Path=/up;" in (await tus.send("POST", "/up/auth/token", JSON, sent)).headers["Set-Cookie"]
    assert "Path=/up;" in (await tus.send("POST", "/up/auth/logout")).headers["Set-Cookie"]


def test_a_public_key_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^jwt_public_key: "):
        make_app(Settings(upload_folder=tmp_path, jwt_public_key="/nowhere/key.pem"))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with running(tmp_path_factory.mktemp("guarded"), "--auth", "required", env={"TUSSERVER_JWT_SECRET": SECRET}) as one:
        yield one


def test_a_token_of_100_kb_is_401_on_the_wire(guarded: RunningServer) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    for token in ("a" * 100_000, shared(groups="g" * 75_000)):
        assert len(token) >= 100_000
        answer = ask("POST", guarded.endpoint, headers | {"Authorization": f"Bearer {token}"})
        assert (answer.status, json.loads(answer.body)["code"]) == (401, "bad-token")


def test_expect_continue_is_answered_before_a_body_is_awaited(guarded: RunningServer) -> None:
    body = b'{"username": "ada", "password": "wrong"}'
    head = (
        "POST /auth/token HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")
