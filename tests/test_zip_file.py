"""`POST /zip-file/`: the files of a form as one archive, in memory."""

from __future__ import annotations

import asyncio
import io
import random
import socket
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused
from tests.tus_client import Reply, TusClient
from tusserver.app import make_app
from tusserver.settings import Settings
from tusserver.web import zip_file
from tusserver.web.site import SITE, Site
from tusserver.web.zip_file import MOST_FILES, PER_REQUEST
from tusserver.web.zip_room import ZipBusy, Zipping

LIMIT = 1_000_000
BOUNDARY = "walls"


class Server:
    """A server with small limits; `zipping` is its memory."""

    def __init__(self, rest: RestClient, site: Site) -> None:
        self.rest, self.zipping, self.folder = rest, site.zipping, site.settings.upload_folder

    async def post(self, *files: tuple[str, bytes], path: str = "/zip-file/") -> Reply:
        return await self.rest.send("POST", path, form_of(*files))

    @property
    def used(self) -> int:
        return self.zipping._used

    @property
    def port(self) -> int:
        port = self.rest.tus.client.port
        assert port is not None
        return port


@pytest.fixture
async def server(aiohttp_client: AiohttpClient, tmp_path: Path) -> Server:
    return await serve(aiohttp_client, tmp_path)


async def serve(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> Server:
    limits = {"zip_max_size": LIMIT, "zip_memory": 5 * LIMIT}
    app = make_app(Settings(upload_folder=folder / "uploads", **{**limits, **chosen}))
    return Server(RestClient(TusClient(await aiohttp_client(app))), app[SITE])


def form_of(*files: tuple[str, bytes]) -> FormData:
    form = FormData(quote_fields=False)
    for number, (name, data) in enumerate(files):
        form.add_field(f"field{number}", io.BytesIO(data), filename=name, content_type="application/octet-stream")
    return form


def files_in(reply: Reply) -> dict[str, bytes]:
    assert reply.status == 200, reply
    with zipfile.ZipFile(io.BytesIO(reply.body)) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


def raw_form(*parts: tuple[str, bytes], end: bytes = b"--") -> bytes:
    """A form as it is on the wire; each part with what stands behind `form-data`."""
    body = b"".join(
        f"--{BOUNDARY}\r\nContent-Disposition: form-data{what}\r\n\r\n".encode() + data + b"\r\n"
        for what, data in parts
    )  # fmt: skip
    return body + b"--" + BOUNDARY.encode() + end + b"\r\n"


async def post_raw(server: Server, body: Any) -> Reply:
    return await server.rest.send(
        "POST", "/zip-file/", body, Content_Type=f"multipart/form-data; boundary={BOUNDARY}"
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/zip-file/", "/zip-file"])
async def test_files_of_a_form_come_back_as_a_compressed_archive(server: Server, path: str) -> None:
    noise = random.Random(1).randbytes(300_000)
    files = {"text.txt": b"again and again " * 10_000, "noise.bin": noise, "empty": b"", "Größe 日本.txt": b"x"}
    reply = await server.post(*files.items(), path=path)
    assert files_in(reply) == files
    assert len(reply.body) < 320_000
    assert reply.headers["Content-Type"] == "application/zip"
    assert reply.headers["Content-Disposition"] == 'attachment; filename="files.zip"'
    assert reply.headers["Cache-Control"] == "no-store"
    assert server.used == 0


async def test_same_names_are_numbered_and_none_leads_out_of_the_folder(server: Server) -> None:
    reply = await server.post(("a.txt", b"1"), ("a.txt", b"2"), ("../../A.txt", b"3"), ("C:\\x\\a.txt", b"4"))
    assert files_in(reply) == {"a.txt": b"1", "a (2).txt": b"2", "A (3).txt": b"3", "C_/x/a.txt": b"4"}


async def test_fields_that_are_no_files_are_passed_over(server: Server) -> None:
    parts = [
        ('; name="comment"', b"hello"),
        ('; name="files"; filename="a"', b"1"),
        ('; name="none"; filename=""', b""),
    ]
    assert files_in(await post_raw(server, raw_form(*parts))) == {"a": b"1"}


@pytest.mark.parametrize("parts", [[], [('; name="comment"', b"hello")], [('; name="files"; filename=""', b"")]])
async def test_a_form_without_files_is_refused_with_422(server: Server, parts: list[tuple[str, bytes]]) -> None:
    assert refused(await post_raw(server, raw_form(*parts))) == (422, "no-files")
    assert server.used == 0


async def test_files_of_exactly_the_limit_are_taken_and_one_byte_more_is_not(server: Server) -> None:
    half = LIMIT // 2
    assert len(files_in(await server.post(("a", bytes(half)), ("b", bytes(half))))) == 2
    reply = await server.post(("a", bytes(half)), ("b", bytes(half + 1)))
    assert refused(reply) == (413, "files-too-large")
    assert reply.problem["limit"] == LIMIT
    assert server.used == 0


async def test_a_body_of_unknown_length_is_held_to_the_same_limit(server: Server) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        body = raw_form(('; name="files"; filename="a"', bytes(size)))
        for at in range(0, len(body), 50_000):
            yield body[at : at + 50_000]

    assert files_in(await post_raw(server, pieces(LIMIT))) == {"a": bytes(LIMIT)}
    assert refused(await post_raw(server, pieces(LIMIT + 1))) == (413, "files-too-large")


async def test_the_413_comes_as_soon_as_the_limit_is_passed(server: Server) -> None:
    """The client says nothing of a length and would go on sending for ever."""
    goes_on = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield raw_form(('; name="files"; filename="a"', bytes(LIMIT + 300_000)))[: LIMIT + 250_000]
        await goes_on.wait()

    reply = await asyncio.wait_for(post_raw(server, pieces()), 5)
    assert refused(reply) == (413, "files-too-large")
    goes_on.set()


async def test_a_body_that_says_itself_that_it_is_too_large_is_refused_before_it_comes(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"POST /zip-file/ HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=walls\r\n"
        b"Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


# aiohttp's reader calls what it has deprecated itself.
@pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")
async def test_more_files_than_are_taken_are_refused_with_413(server: Server) -> None:
    body = raw_form(*[('; name="f"; filename="a"', b"")] * (MOST_FILES + 1))
    reply = await post_raw(server, body)
    assert refused(reply) == (413, "files-too-large")
    assert reply.problem["most"] == MOST_FILES


@pytest.mark.filterwarnings("ignore:unread_data:DeprecationWarning")
async def test_others_have_their_turn_between_small_parts(server: Server) -> None:
    body = raw_form(*[('; name="f"; filename=""', b"x")] * 1000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    reply = await post_raw(server, body)
    counting.cancel()
    assert refused(reply) == (422, "no-files")
    assert turns > 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"this is no form",
        raw_form(('; name="f"; filename="a"', b"data"), end=b""),
        raw_form(('; name="f"; filename="a"', b"data"))[:-20],
        raw_form(('; filename="a"', b"data")),
        raw_form(("", b"data")),
    ],
)
async def test_a_broken_form_is_refused_with_422(server: Server, body: bytes) -> None:
    assert refused(await post_raw(server, body)) == (422, "bad-multipart")
    assert server.used == 0


async def test_another_body_than_a_form_is_refused_with_422(server: Server) -> None:
    reply = await server.rest.send("POST", "/zip-file/", b"data", Content_Type="application/octet-stream")
    assert refused(reply) == (422, "bad-multipart")


async def test_where_tokens_are_needed_it_needs_one(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    nobody = RestClient(ann.tus)
    for path in ("/zip-file/", "/zip-file"):
        assert refused(await nobody.send("POST", path, form_of(("a", b"1")))) == (401, "token-needed")
        assert files_in(await ann.send("POST", path, form_of(("a", b"1")))) == {"a": b"1"}


# Memory


async def test_what_finds_no_memory_is_told_to_come_again(server: Server) -> None:
    with server.zipping.room(4 * LIMIT):
        reply = await server.post(("a", b"x"))
        assert refused(reply) == (503, "zip-busy")
        assert int(reply.headers["Retry-After"]) > 0
    assert files_in(await server.post(("a", b"x"))) == {"a": b"x"}


async def test_of_many_at_once_each_has_an_answer_and_the_first_have_an_archive(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    memory = 4 * (LIMIT + PER_REQUEST)
    server = await serve(aiohttp_client, tmp_path, zip_memory=memory)
    noise = random.Random(2).randbytes(LIMIT - 100)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, server.used)
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    replies = await asyncio.gather(*(server.post(("a", noise)) for _ in range(20)))
    watching.cancel()
    made = [reply for reply in replies if reply.status == 200]
    others = [reply for reply in replies if reply.status != 200]
    assert len(made) >= 4
    assert all(files_in(reply) == {"a": noise} for reply in made)
    assert {refused(reply) for reply in others} <= {(503, "zip-busy")}
    assert LIMIT < most <= memory
    assert server.used == 0


def test_memory_is_set_aside_up_to_its_bound_and_one_alone_is_always_taken() -> None:
    zipping = Zipping(100, 1000)
    with zipping.room(600) as first:
        first.take(100)
        with pytest.raises(ZipBusy), zipping.room(301):
            pytest.fail("there is no room for it")
        with zipping.room(200) as second:
            with pytest.raises(ZipBusy):
                second.take(101)
            second.take(100)
            with pytest.raises(ZipBusy):
                first.take(1)
        first.take(300)
        assert first.size == 1000
    with zipping.room(5000) as alone:
        alone.take(1)
        with pytest.raises(ZipBusy), zipping.room(1):
            pytest.fail("there is no room for it")
    with zipping.room(1000):
        pass


async def test_who_breaks_off_leaves_no_memory_in_use(server: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = raw_form(('; name="f"; filename="a"', bytes(LIMIT)))
    head = f"POST /zip-file/ HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: LIMIT // 2])
    await writer.drain()
    await until(lambda: server.used > LIMIT)
    writer.close()
    await writer.wait_closed()
    await until(lambda: server.used == 0)
    assert await reader.read() == b""


async def until(fact: Any) -> None:
    for _ in range(500):
        if fact():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true")


async def test_who_stops_sending_is_told_so_and_leaves_no_memory_in_use(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    server = await serve(aiohttp_client, tmp_path, read_timeout=0.2)

    async def pieces() -> AsyncIterator[bytes]:
        yield raw_form(('; name="f"; filename="a"', bytes(5000)))[:-500]
        await asyncio.sleep(60)

    assert refused(await asyncio.wait_for(post_raw(server, pieces()), 5)) == (503, "body-stalled")
    assert server.used == 0


async def test_a_form_that_dribbles_does_not_keep_its_memory(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zip_file, "SLOWEST", 1 << 30)
    server = await serve(aiohttp_client, tmp_path, read_timeout=0.3)

    async def pieces() -> AsyncIterator[bytes]:
        yield raw_form(('; name="f"; filename="a"', bytes(5000)))[:-500]
        for _ in range(100):
            await asyncio.sleep(0.1)
            yield b"x"

    assert refused(await asyncio.wait_for(post_raw(server, pieces()), 5)) == (503, "body-stalled")
    assert server.used == 0


def reluctant(server: Server, size: int) -> socket.socket:
    """A client that has sent its files and reads nothing; its system takes little on its behalf."""
    body = raw_form(('; name="f"; filename="a"', random.Random(3).randbytes(size)))
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    head = f"POST /zip-file/ HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
    client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return client


def read_all(client: socket.socket) -> bytes:
    received = bytearray()
    while some := client.recv(1 << 20):
        received += some
    return bytes(received)


async def test_who_reads_slowly_holds_no_thread(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    size = 16_000_000
    server = await serve(aiohttp_client, tmp_path, zip_max_size=size, zip_memory=20 * size)
    slow = [await asyncio.to_thread(reluctant, server, size) for _ in range(4)]
    await until(lambda: server.used > 4 * size)
    assert files_in(await asyncio.wait_for(server.post(("a", b"x" * 100_000)), 20)) == {"a": b"x" * 100_000}
    assert server.used > 4 * size
    for client in slow:
        client.close()
    await until(lambda: server.used == 0)


async def test_who_reads_nothing_for_long_is_cut_off(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    size = 16_000_000
    server = await serve(aiohttp_client, tmp_path, zip_max_size=size, zip_memory=20 * size, read_timeout=0.3)
    with await asyncio.to_thread(reluctant, server, size) as client:
        await until(lambda: server.used > size)
        await until(lambda: server.used == 0)
        received = await asyncio.to_thread(read_all, client)
    assert 0 < len(received) < size
    assert not received.endswith(b"0\r\n\r\n"), "it must not look whole"


async def test_nothing_of_it_is_on_the_disk(server: Server) -> None:
    before = sorted(server.folder.rglob("*"))
    reply = await server.post(("a", random.Random(4).randbytes(LIMIT - 10)))
    assert reply.status == 200
    assert sorted(server.folder.rglob("*")) == before
