"""The check itself: every line can fail, and no server can make it wait for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.running import RunningServer
from tusserver.check.__main__ import check, main, parse_arguments
from tusserver.check.run import Result, try_all
from tusserver.check.table import TABLE

Handler = Callable[[web.Request], Awaitable[web.Response]]
Start = Callable[[Handler], Awaitable[str]]

EVERYTHING = (
    "creation,creation-with-upload,creation-defer-length,checksum,checksum-trailer,expiration,termination,concatenation"
)
PROMISES = {"Tus-Version": "1.0.0", "Tus-Max-Size": "4194304", "Tus-Checksum-Algorithm": "sha1"}


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a server that answers everything by one function; gives its endpoint."""
    servers: list[TestServer] = []

    async def start_with(handler: Handler) -> str:
        app = web.Application(client_max_size=2**25)
        app.router.add_route("*", "/{tail:.*}", handler)
        server = TestServer(app)
        servers.append(server)
        await server.start_server()
        return str(server.make_url("/files/"))

    yield start_with
    for server in servers:
        await server.close()


async def grant_all(request: web.Request) -> web.Response:
    """Promise everything, agree to everything, and do nothing."""
    await request.read()
    if request.method == "OPTIONS":
        return web.Response(status=204, headers={**PROMISES, "Tus-Extension": EVERYTHING})
    if request.method == "POST":
        return web.Response(status=201, headers={"Location": "/files/1"})
    return web.Response(status=200 if request.method in ("GET", "HEAD") else 204)


async def refuse_all(request: web.Request) -> web.Response:
    """Promise everything, and refuse everything."""
    await request.read()
    if request.method == "OPTIONS":
        extensions = f"{EVERYTHING},concatenation-unfinished"
        return web.Response(status=200, headers={**PROMISES, "Tus-Extension": extensions})
    return web.Response(status=400)


async def talk_nonsense(request: web.Request) -> web.Response:
    """Tell a configuration that makes no sense."""
    await request.read()
    odd = {"Tus-Extension": "creation-with-upload, checksum, a b,", "Tus-Max-Size": "-1"}
    return web.Response(status=500, headers=odd)


async def name_badly(request: web.Request) -> web.Response:
    """Announce checksums by a name no client could send."""
    await request.read()
    return web.Response(headers={"Tus-Extension": "checksum", "Tus-Checksum-Algorithm": "SHA 1"})


async def test_every_line_fails_on_a_server_that_grants_or_refuses_or_muddles_everything(start: Start) -> None:
    failed = set()
    for handler in (grant_all, refuse_all, talk_nonsense, name_badly):
        async for outcome in try_all(TABLE.values(), await start(handler)):
            if outcome.result is Result.FAILED:
                failed.add(outcome.requirement.id)
    assert set(TABLE) - failed == set()


async def test_a_server_that_falls_silent_fails_each_line_in_its_time(start: Start) -> None:
    async def fall_silent(request: web.Request) -> web.Response:
        if request.method != "OPTIONS":
            await asyncio.sleep(60)
        return web.Response(headers={**PROMISES, "Tus-Extension": EVERYTHING})

    endpoint = await start(fall_silent)
    started_at = time.monotonic()
    held = set()
    async for outcome in try_all(TABLE.values(), endpoint, answer_timeout=0.1):
        if outcome.result is Result.HOLDS:
            held.add(outcome.requirement.id)
    assert all(id.startswith(("core.options", "checksum.")) for id in held), held
    assert time.monotonic() - started_at < 20


async def test_a_server_that_never_answers_ends_the_check_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    released = asyncio.Event()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/files/"
    assert await check(parse_arguments([url, "--timeout", "0.1"])) == 2
    released.set()
    server.close()
    await server.wait_closed()
    assert capsys.readouterr().err.startswith(f"{url}: expected an answer; came nothing whole within 0.1 s")


def test_the_command_tells_each_line_and_the_totals(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([server.endpoint, "--only", "core.options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"holds        MUST    core.options: {TABLE['core.options'].sentence}"
    assert lines[-2:] == ["MUST   4 holds, 1 not tried", "EXT    1 holds"]


async def test_the_command_shows_what_was_said_before_a_failure(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    endpoint = await start(refuse_all)
    assert await check(parse_arguments([endpoint, "--only", "creation.post", "--verbose"])) == 1
    shown = capsys.readouterr().out
    assert "FAILED       MUST    creation.post" in shown
    assert "> Upload-Length: 5" in shown
    assert "< 400" in shown


@pytest.mark.parametrize("words", [[], ["localhost:5000"], ["--no-such-flag"]])
def test_the_command_without_an_address_says_how_it_is_used(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: python -m tusserver.check")
