"""The three forms of a chunk: what does not parse, what is cut off, what is too much."""

from __future__ import annotations

import asyncio
import base64
import gzip
from pathlib import Path

import pytest
from aiohttp import FormData
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, refused, said
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.settings import Settings

BOUNDARY = "----walls"
FORM = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
async def rest(tus: TusClient) -> RestClient:
    """A client for whom the upload `a` of 1,000,000 bytes is begun, with 5 of them stored."""
    made = RestClient(tus)
    await made.begun("a", 1_000_000)
    await made.chunk("a", 0, b"hello")
    return made


def part(name: str, value: bytes, extra: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + value + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()
NAMED = part("filename", b"a") + part("chunk_index", b"1")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"chunk_index": 1, "data": ""}, "bad-field", "filename"),
        ({"filename": "a", "data": ""}, "bad-field", "chunk_index"),
        ({"filename": "a", "chunk_index": 1}, "bad-field", "data"),
        ({"filename": "a", "chunk_index": 1, "data": 5}, "bad-field", "data"),
        ({"filename": "a", "chunk_index": -1, "data": ""}, "bad-field", "chunk_index"),
        ({"filename": "a", "chunk_index": 1, "offset": -1, "data": ""}, "bad-field", "offset"),
        ({"filename": "a", "chunk_index": 1, "data": "<binary_data>"}, "bad-base64", "data"),
        ({"filename": "a", "chunk_index": 1, "data": "aGVsbG8"}, "bad-base64", "data"),
        ({"filename": "a", "chunk_index": 1, "data": "ü"}, "bad-base64", "data"),
        ({"filename": "..", "chunk_index": 1, "data": ""}, "bad-filename", None),
        ({"filename": "a", "chunk_index": 1, "data": "", "checksum": "x"}, "bad-checksum", None),
        ({"filename": "a", "chunk_index": 1, "data": "", "cheksum": "x"}, "bad-field", "cheksum"),
    ],
)
async def test_a_json_chunk_that_cannot_be_used_names_its_field(
    rest: RestClient, body: object, code: str, field: str | None
) -> None:
    reply = await rest.post("/upload/chunk", body)
    assert refused(reply) == (422, code)
    assert reply.problem.get("field") == field


async def test_what_is_not_base64_is_told_of_the_other_two_forms(rest: RestClient) -> None:
    reply = await rest.post("/upload/chunk", {"filename": "a", "chunk_index": 1, "data": "<binary_data>"})
    assert "multipart/form-data" in reply.problem["detail"]
    assert "raw body" in reply.problem["detail"]


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_json_body_that_is_too_large_names_multipart(
    aiohttp_client: AiohttpClient, tmp_path: Path, is_chunked: bool
) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", max_json_body=4096)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("a", 100_000)

    async def pieces() -> object:
        for _ in range(10):
            yield bytes(1000)

    body = pieces() if is_chunked else bytes(5000)
    reply = await rest.send("POST", "/upload/chunk", body, Content_Type="application/json")
    assert refused(reply) == (413, "body-too-large")
    assert "multipart" in reply.problem["detail"]
    fits = base64.b64encode(bytes(3000)).decode()
    assert (await rest.post("/upload/chunk", {"filename": "a", "chunk_index": 0, "data": fits})).status == 200


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"", "bad-multipart", None),
        (b"hello", "bad-multipart", None),
        (b"a" * 100_000, "bad-multipart", None),
        (NAMED + f"--{BOUNDARY}\r\n".encode() + b"A: " + b"b" * 100_000, "bad-multipart", None),
        (NAMED + f"--{BOUNDARY}\r\n".encode() + b"A: b\r\n" * 10_000, "bad-multipart", None),
        (NAMED, "bad-multipart", None),
        (NAMED + END, "bad-field", "data"),
        (part("data", b"x") + NAMED + END, "bad-field", "filename"),
        (part("filename", b"a") + part("data", b"x") + END, "bad-field", "chunk_index"),
        (NAMED + part("data", b"x") + part("checksum", b"md5:00") + END, "bad-multipart", None),
        (NAMED + part("data", b"x") + part("data", b"y") + END, "bad-multipart", None),
        (NAMED + part("data", bytes(200_000)) + part("data", b"y") + END, "bad-multipart", None),
        (NAMED + part("data", b"x"), "bad-multipart", None),
        (NAMED + part("data", bytes(200_000))[:-2], "bad-multipart", None),
        (NAMED + part("data", b"x")[:-3], "bad-multipart", None),
        (NAMED + part("filename", b"b") + part("data", b"x") + END, "bad-field", "filename"),
        (NAMED + part("colour", b"red") + part("data", b"x") + END, "bad-field", "colour"),
        (part("filename", b"a" * 9000) + part("data", b"x") + END, "bad-field", "filename"),
        (part("filename", b"\xff") + part("data", b"x") + END, "bad-field", "filename"),
        (part("filename", b"a") + part("chunk_index", b"one") + part("data", b"x") + END, "bad-field", "chunk_index"),
    ],
)
async def test_a_form_that_cannot_be_used_is_refused_and_leaves_nothing(
    rest: RestClient, body: bytes, code: str, field: str | None
) -> None:
    reply = await rest.send("POST", "/upload/chunk", body, Content_Type=FORM)
    assert refused(reply) == (422, code)
    assert reply.problem.get("field") == field
    assert (await rest.status("a"))["offset"] == 5
    assert (await rest.chunk("a", 1, b"x", "multipart")).status == 200


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/mixed; boundary=x", "multipart/x"])
async def test_a_form_of_another_kind_or_without_a_boundary_is_refused(rest: RestClient, content_type: str) -> None:
    reply = await rest.send("POST", "/upload/chunk", NAMED + END, Content_Type=content_type)
    assert refused(reply) == (422, "bad-multipart")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r\n--",
        f"\r\n--{BOUNDARY[:-1]}".encode(),
        b"\r\n" * 50_000,
        bytes(65_536),
        bytes(65_535) + b"\r",
        bytes(65_534) + b"\r\n-",
    ],
)
async def test_bytes_that_look_like_a_boundary_are_bytes(rest: RestClient, data: bytes) -> None:
    body = NAMED + part("data", data, '; filename="blob"\r\nContent-Type: application/octet-stream') + END
    reply = await rest.send("POST", "/upload/chunk", body, Content_Type=FORM)
    assert said(reply)["offset"] == 5 + len(data)
    assert (await rest.chunk("a", 1, data, "raw")).status == 200


async def test_a_form_arrives_in_any_pieces(rest: RestClient) -> None:
    body = NAMED + part("data", b"\r\n--" + BOUNDARY[:-1].encode() + bytes(300)) + END

    async def pieces() -> object:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    reply = await rest.send("POST", "/upload/chunk", pieces(), Content_Type=FORM)
    assert said(reply)["offset"] == 5 + 4 + len(BOUNDARY) - 1 + 300


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("chunk_index=1", "bad-field", "filename"),
        ("filename=a", "bad-field", "chunk_index"),
        ("filename=a&chunk_index=x", "bad-field", "chunk_index"),
        ("filename=a&offset=-5", "bad-field", "offset"),
        ("filename=a&chunk_index=1&checksum=x", "bad-checksum", None),
        ("filename=a&chunk_index=1&colour=red", "bad-field", "colour"),
        ("filename=a/..&chunk_index=1", "bad-filename", None),
    ],
)
async def test_a_raw_chunk_whose_query_cannot_be_used_is_refused(
    rest: RestClient, query: str, code: str, field: str | None
) -> None:
    reply = await rest.send("POST", f"/upload/chunk?{query}", b"x")
    assert refused(reply) == (422, code)
    assert reply.problem.get("field") == field


@pytest.mark.parametrize("form", ["json", "multipart", "raw"])
async def test_a_compressed_chunk_is_refused(rest: RestClient, form: str) -> None:
    types = {"json": "application/json", "multipart": FORM, "raw": "application/octet-stream"}
    packed = gzip.compress(b"x")
    reply = await rest.send(
        "POST", "/upload/chunk?filename=a&chunk_index=1", packed, Content_Type=types[form], Content_Encoding="gzip"
    )
    assert refused(reply) == (415, "encoded-body")


@pytest.mark.parametrize("size", [1000, 300_000])
@pytest.mark.parametrize("form", ["multipart", "raw"])
async def test_a_chunk_that_is_cut_off_leaves_nothing(rest: RestClient, form: str, size: int) -> None:
    head = NAMED + part("data", b"")[:-2] if form == "multipart" else b""
    path = "/upload/chunk" if form == "multipart" else "/upload/chunk?filename=a&chunk_index=1"
    port = rest.tus.client.server.port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    kind = FORM if form == "multipart" else "application/octet-stream"
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: example.com\r\nContent-Type: {kind}\r\nContent-Length: 900000\r\n\r\n".encode()
        + head
        + bytes(size)
    )
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()
    await writer.wait_closed()
    reply = await rest.chunk("a", 1, b"world", form)
    assert said(reply)["offset"] == 10
    assert (await rest.tus.offset((await rest.status("a"))["upload_url"])) == 10


@pytest.mark.parametrize("form", ["multipart", "raw"])
async def test_a_chunk_that_stops_arriving_is_ended_and_leaves_nothing(
    aiohttp_client: AiohttpClient, tmp_path: Path, form: str
) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", read_timeout=0.2)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("a", 1_000_000)

    async def slowly() -> object:
        yield (NAMED.replace(b"1", b"0") + part("data", b"")[:-2] if form == "multipart" else b"") + bytes(100_000)
        await asyncio.sleep(5)
        yield b"never"

    kind = FORM if form == "multipart" else "application/octet-stream"
    path = "/upload/chunk" if form == "multipart" else "/upload/chunk?filename=a&chunk_index=0"
    reply = await rest.send("POST", path, slowly(), Content_Type=kind)
    assert refused(reply) == (503, "body-stalled")
    assert reply.problem["offset"] == 0
    assert (await rest.status("a"))["status"] == "pending"


async def test_a_form_whose_fields_stop_arriving_is_ended(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", read_timeout=0.2)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))

    async def slowly() -> object:
        yield part("filename", b"a")
        await asyncio.sleep(5)
        yield END

    assert refused(await rest.send("POST", "/upload/chunk", slowly(), Content_Type=FORM)) == (503, "body-stalled")


@pytest.mark.parametrize("is_repeated", [False, True])
async def test_a_repeated_chunk_that_stops_arriving_holds_nobody_up(
    aiohttp_client: AiohttpClient, tmp_path: Path, is_repeated: bool
) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", read_timeout=30)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("a", 1000)
    await rest.chunk("a", 0, b"hello")
    may_end = asyncio.Event()

    async def slowly() -> object:
        yield b"hel"
        await may_end.wait()
        yield b"lo"

    index = 0 if is_repeated else 1
    first = asyncio.create_task(rest.send("POST", f"/upload/chunk?filename=a&chunk_index={index}", slowly()))
    await asyncio.sleep(0.2)
    assert said(await asyncio.wait_for(rest.chunk("a", 1, b"world"), 3))["offset"] == 10
    may_end.set()
    assert refused(await first) == (423, "taken-over")


async def test_a_chunk_ahead_of_its_turn_does_not_disturb_the_one_whose_turn_it_is(rest: RestClient) -> None:
    may_end = asyncio.Event()

    async def slowly() -> object:
        yield b"wor"
        await may_end.wait()
        yield b"ld"

    first = asyncio.create_task(rest.send("POST", "/upload/chunk?filename=a&chunk_index=1", slowly()))
    await asyncio.sleep(0.2)
    assert refused(await rest.chunk("a", 2, b"later")) == (409, "chunk-out-of-order")
    may_end.set()
    assert said(await first)["offset"] == 10


async def test_a_form_with_the_file_first_is_told_the_order(rest: RestClient) -> None:
    form = FormData()
    form.add_field("data", b"x", filename="blob")
    form.add_field("filename", "a")
    reply = await rest.send("POST", "/upload/chunk", form)
    assert refused(reply) == (422, "bad-field")
