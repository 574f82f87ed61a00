"""What this server relies on behind aiohttp's public interface; a release that changes it fails here."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader

from tests.running import RunningServer
from tusserver.app import make_app
from tusserver.settings import Settings
from tusserver.web.inside import Runner, keeps_trailers, left_over, to_come, trailer

HEAD = b"PUT / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
BODY = b"5\r\nhello\r\n0\r\nX-Sum: one\r\n\r\n"


async def test_a_stream_that_broke_still_gives_what_it_holds() -> None:
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), 2**16, loop=loop)
    stream.feed_data(b"arrived")
    stream.feed_data(b" before")
    stream.set_exception(ConnectionResetError())
    with pytest.raises(ConnectionResetError):
        await stream.readany()
    assert left_over(stream) == b"arrived before"
    assert left_over(stream) == b""


@pytest.fixture
async def told() -> list[object]:
    """What the handler of the test's server found, request by request."""
    return []


@pytest.fixture
async def port(told: list[object]) -> object:
    """The port of a server whose handler reads the body and then the trailer."""

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        assert keeps_trailers(request)
        told.append((body, trailer(request, "X-Sum")))
        return web.Response()

    app = web.Application()
    app.router.add_put("/", handler)
    runner = Runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def exchange(port: int, *pieces: bytes, answers: int = 1) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)
    for _ in range(answers):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await writer.wait_closed()


async def test_a_trailer_is_found_in_one_piece(port: int, told: list[object]) -> None:
    await exchange(port, HEAD + BODY)
    assert told == [(b"hello", ["one"])]


@pytest.mark.parametrize("cut", range(1, len(HEAD + BODY), 7))
async def test_a_trailer_is_found_wherever_the_request_is_cut(port: int, told: list[object], cut: int) -> None:
    whole = HEAD + BODY
    await exchange(port, whole[:cut], whole[cut:])
    assert told == [(b"hello", ["one"])]


async def test_a_trailer_is_found_byte_by_byte(port: int, told: list[object]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in HEAD + BODY:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await writer.wait_closed()
    assert told == [(b"hello", ["one"])]


async def test_each_request_of_a_connection_has_its_own_trailer(port: int, told: list[object]) -> None:
    plain = b"PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    await exchange(port, HEAD + BODY, plain, HEAD + BODY.replace(b"one", b"two"), plain, answers=4)
    assert told == [(b"hello", ["one"]), (b"\r\n\r\n", []), (b"hello", ["two"]), (b"\r\n\r\n", [])]


async def test_a_trailer_behind_a_pipelined_head_is_not_guessed(port: int, told: list[object]) -> None:
    plain = b"PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\n\r\nbody"
    await exchange(port, plain + HEAD + BODY, answers=2)
    assert told == [(b"body", []), (b"hello", [])]


async def test_bytes_of_a_body_that_look_like_a_trailer_are_none(port: int, told: list[object]) -> None:
    fake = b"\r\n0\r\nX-Sum: fake\r\n\r\n"
    chunk = b"%x\r\n%b\r\n0\r\nX-Sum: real\r\n\r\n" % (len(fake), fake)
    await exchange(port, HEAD + chunk)
    assert told == [(fake, ["real"])]


async def test_inside_another_runner_trailers_are_neither_offered_nor_taken(tmp_path: Path) -> None:
    runner = web.AppRunner(make_app(Settings(upload_folder=tmp_path / "uploads")))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(b"OPTIONS /files/ HTTP/1.1\r\nHost: example.com\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b"checksum," in answer
    assert b"checksum-trailer" not in answer
    writer.write(
        b"POST /files/ HTTP/1.1\r\nHost: example.com\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 5\r\n"
        b"Content-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\nTrailer: Upload-Checksum\r\n"
        b"\r\n5\r\nhello\r\n0\r\nUpload-Checksum: sha1 "
        + base64.b64encode(hashlib.sha1(b"hello").digest())
        + b"\r\n\r\n"
    )
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 400 ")
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /files/ HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /files/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
async def test_what_is_no_request_gets_a_problem_document(server: RunningServer, rubbish: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(rubbish)
    answer = await asyncio.wait_for(reader.read(), 5)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    assert b"application/problem+json" in answer
    assert b"Traceback" not in answer
    writer.close()


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[tuple[int, Path]]:
    """The port and the folder of a whole server in this process, on connections of its own."""
    runner = Runner(make_app(Settings(upload_folder=tmp_path / "uploads")))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1], tmp_path / "uploads" / "bytes"
    await runner.cleanup()


LARGE = hashlib.shake_128(b"large").digest(2_000_000)


async def upload_large(port: int) -> bytes:
    """The head of the answer to an upload that goes past the parser."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /files/ HTTP/1.1\r\nHost: example.com\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 2000000\r\n"
        b"Content-Type: application/offset+octet-stream\r\nContent-Length: 2000000\r\n\r\n"
    )
    await asyncio.sleep(0.05)
    writer.write(LARGE)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_without_a_free_descriptor_a_large_body_goes_by_the_parser(
    own: tuple[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def none_left(number: int) -> int:
        tried.append(number)
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "dup", none_left)
    assert b" 201 " in await upload_large(own[0])
    assert len(tried) == 1
    assert [path.read_bytes() for path in own[1].rglob("*") if path.is_file()] == [LARGE]


async def test_a_connection_that_drops_what_comes_is_not_counted_on() -> None:
    seen: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(to_come(request))
        request.protocol.close()  # as aiohttp does with every connection when it is about to stop
        seen.append(to_come(request))
        return web.Response()

    app = web.Application()
    app.router.add_put("/", handler)
    runner = Runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write(b"PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000000\r\n\r\n" + bytes(1000))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    await writer.wait_closed()
    await runner.cleanup()
    assert seen == [999_000, 0]
