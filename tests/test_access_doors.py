"""What is somebody else's does not exist, at every door; what a token that is missing, old or broken still opens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.clients.people import asking, bearer
from tests.clients.wire import ask
from tests.rest_client import RestClient, owners_of, refused, said, token
from tests.running import RunningServer
from tests.tus_client import STREAM, VERSION, Reply, TusClient

NAME = {"Upload-Metadata": "filename YQ=="}
LENGTH = "Upload-Length: 100000000"
BROKEN = ["nonsense", token("ann")[:-5], "a" * 1000]


async def tus_send(rest: RestClient, method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
    """A request of the tus protocol with the caller's token."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await rest.tus.send(method, path, rest.headers | sent | (STREAM if body is not None else {}), body)


async def patched(rest: RestClient, path: str, body: bytes, offset: int = 0) -> Reply:
    return await tus_send(rest, "PATCH", path, body, Upload_Offset=str(offset))


async def created(rest: RestClient, length: int, **headers: str) -> str:
    reply = await tus_send(rest, "POST", "/files/", None, Upload_Length=str(length), **headers)
    assert reply.status == 201, reply
    return reply.headers["Location"]


def stored(folder: Path) -> list[tuple[str, bytes]]:
    """Every stored upload, by its file's name."""
    return sorted(
        (path.name, path.read_bytes()) for path in (folder / "uploads" / "bytes").rglob("*") if path.is_file()
    )


async def test_an_upload_of_somebody_else_does_not_exist_for_tus(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path)).values()
    half, whole = await created(ann, 10, **NAME), await created(ann, 5, **NAME)
    assert (await patched(ann, half, b"hello")).status == 204
    assert (await patched(ann, whole, b"world")).status == 204
    before = stored(tmp_path)
    for path in (half, whole):
        for reply in (
            await patched(bo, path, b"stolen", 5),
            await tus_send(bo, "POST", path, b"stolen", X_HTTP_Method_Override="PATCH", Upload_Offset="5"),
            await tus_send(bo, "DELETE", path),
            await tus_send(bo, "GET", path),
        ):
            assert refused(reply) == (404, "upload-not-found")
        assert (await tus_send(bo, "HEAD", path)).status == 404
    assert stored(tmp_path) == before
    assert (await tus_send(ann, "GET", whole)).body == b"world"


async def test_an_upload_of_somebody_else_does_not_exist_for_rest(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path)).values()
    await patched(ann, await created(ann, 10, **NAME), b"hello")
    before = stored(tmp_path)
    assert refused(await bo.send("GET", "/status/a")) == (404, "upload-not-found")
    assert refused(await bo.send("GET", "/download/a")) == (404, "upload-not-found")
    assert said(await bo.send("GET", "/status"))["uploads"] == []
    assert said(await bo.send("DELETE", "/cleanup?older_than=0"))["removed_count"] == 0
    assert stored(tmp_path) == before
    assert len(said(await ann.send("GET", "/status"))["uploads"]) == 1


@pytest.mark.parametrize("parts", ["{theirs}", "{own} {theirs}"])
async def test_parts_of_somebody_else_are_joined_to_nothing(
    aiohttp_client: AiohttpClient, tmp_path: Path, parts: str
) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path)).values()
    theirs, own = [await created(rest, 5, Upload_Concat="partial") for rest in (ann, bo)]
    await patched(ann, theirs, b"world")
    await patched(bo, own, b"hello")
    before = stored(tmp_path)
    concat = "final;" + parts.format(theirs=theirs, own=own)
    stolen = await tus_send(bo, "POST", "/files/", Upload_Concat=concat)
    unknown = await tus_send(bo, "POST", "/files/", Upload_Concat=concat.replace(theirs, "/files/" + "A" * 22))
    assert refused(stolen) == refused(unknown)
    assert stolen.problem["detail"].replace(theirs.rpartition("/")[2], "A" * 22) == unknown.problem["detail"]
    assert stored(tmp_path) == before


async def test_without_a_token_one_may_look_and_nothing_else(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    path, nobody = await created(ann, 10), RestClient(ann.tus)
    before = stored(tmp_path)
    assert (await tus_send(nobody, "HEAD", path)).status == 200
    for reply in (
        await patched(nobody, path, b"hello"),
        await tus_send(nobody, "GET", path),
        await tus_send(nobody, "DELETE", path),
        await tus_send(nobody, "POST", "/files/", Upload_Length="5"),
        await tus_send(nobody, "POST", "/files/", b"hello", Upload_Length="5"),
    ):
        assert refused(reply) == (401, "token-needed")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
    assert stored(tmp_path) == before


@pytest.mark.parametrize("text", BROKEN, ids=["a-word", "cut-off", "long"])
async def test_with_a_broken_token_one_may_look_and_nothing_else(
    aiohttp_client: AiohttpClient, tmp_path: Path, text: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    path, broken = await created(ann, 10), RestClient(ann.tus, Authorization=f"Bearer {text}")
    assert (await tus_send(broken, "HEAD", path)).status == 200
    for reply in (await patched(broken, path, b"hello"), await tus_send(broken, "DELETE", path)):
        assert refused(reply) == (401, "bad-token")
        assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert await ann.tus.offset(path) == 0


async def test_a_token_that_has_run_out_goes_on_with_what_began_under_it(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    old = RestClient(ann.tus, Authorization=f"Bearer {token('ann', lasts=0.5)}")
    path = await created(old, 10)
    await asyncio.sleep(0.6)
    assert refused(await tus_send(old, "POST", "/files/", Upload_Length="5")) == (401, "bad-token")
    assert (await tus_send(old, "HEAD", path)).status == 200
    assert (await patched(old, path, b"hello")).status == 204
    assert (await patched(old, path, b"world", 5)).status == 204
    assert refused(await tus_send(old, "GET", path)) == (401, "bad-token")
    assert (await tus_send(ann, "GET", path)).body == b"helloworld"


async def test_an_open_server_asks_nobody_and_takes_any_token(tus: TusClient) -> None:
    for text in ("", *BROKEN):
        rest = RestClient(tus, **({"Authorization": f"Bearer {text}"} if text else {}))
        path = await created(rest, 5)
        assert (await patched(RestClient(tus), path, b"hello")).status == 204
        assert (await tus_send(rest, "GET", path)).body == b"hello"
        assert (await tus_send(rest, "DELETE", path)).status == 204


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with asking(tmp_path_factory.mktemp("asking") / "uploads") as started:
        yield started


@pytest.mark.parametrize("expect", ["Expect: 100-continue\r\n", ""], ids=["asking-first", "at-once"])
@pytest.mark.parametrize("method", ["PATCH", "POST"])
def test_a_large_body_of_nobody_is_refused_before_it_comes(server: RunningServer, method: str, expect: str) -> None:
    made = ask("POST", server.endpoint, bearer(server) | VERSION | {"Upload-Length": "100000000"})
    before = stored(server.folder.parent)
    path, told = (made.headers["Location"], "Upload-Offset: 0") if method == "PATCH" else ("/files/", LENGTH)
    head = [f"{method} {path} HTTP/1.1", "Host: example.com", "Content-Length: 100000000", told]
    head += [f"{name}: {value}" for name, value in (VERSION | STREAM).items()]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall("\r\n".join([*head, expect, ""]).encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")
    assert stored(server.folder.parent) == before
