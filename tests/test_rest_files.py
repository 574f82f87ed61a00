"""Downloads and status by filename, and the events of a status."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientResponse
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, refused, said
from tests.tus_client import STREAM, VERSION, TusClient
from tusserver.app import make_app
from tusserver.settings import Settings
from tusserver.web import rest_status

STATUS = [
    *("upload_id", "filename", "status", "offset", "size", "percent"),
    *("created_at", "updated_at", "expires_at", "upload_url"),
]
DATA = bytes(range(256)) * 16


@pytest.fixture
async def rest(tus: TusClient) -> RestClient:
    """A client for whom `folder/naïve.bin` is stored."""
    made = RestClient(tus)
    await made.begun("folder/naïve.bin", len(DATA))
    await made.chunk("folder/naïve.bin", 0, DATA)
    return made


PATH = "/download/folder/na%C3%AFve.bin"
PART = "/download/partial/folder/na%C3%AFve.bin"


async def test_a_download_is_an_attachment_with_its_name_tag_date_and_length(rest: RestClient) -> None:
    reply = await rest.send("GET", PATH)
    assert (reply.status, reply.body) == (200, DATA)
    assert reply.headers["Content-Disposition"] == "attachment; filename=\"na_ve.bin\"; filename*=UTF-8''na%C3%AFve.bin"
    assert reply.headers["Content-Length"] == str(len(DATA))
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["ETag"].startswith('"')
    assert reply.headers["Last-Modified"].endswith(" GMT")


async def test_a_picture_is_an_attachment_too(rest: RestClient) -> None:
    await rest.begun("a.png", 5, content_type="image/png")
    await rest.chunk("a.png", 0, b"hello")
    reply = await rest.send("GET", "/download/a.png")
    assert reply.headers["Content-Type"] == "image/png"
    assert reply.headers["Content-Disposition"].startswith("attachment;")


async def test_head_of_a_download_tells_the_same_and_sends_nothing(rest: RestClient) -> None:
    reply = await rest.send("HEAD", PATH, Range="bytes=1-3")
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", str(len(DATA)))
    assert (await rest.send("GET", PATH)).body == DATA


async def test_conditions_are_honoured(rest: RestClient) -> None:
    whole = await rest.send("GET", PATH)
    tag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert (await rest.send("GET", PATH, If_None_Match=tag)).status == 304
    assert (await rest.send("GET", PATH, If_Modified_Since=date)).status == 304
    assert refused(await rest.send("GET", PATH, If_Match='"other"')) == (412, "precondition-failed")
    assert (await rest.send("GET", PATH, Range="bytes=0-0", If_Range=tag)).status == 206
    assert (await rest.send("GET", PATH, Range="bytes=0-0", If_Range='"other"')).status == 200


@pytest.mark.parametrize(
    ("sent", "expected", "told"),
    [
        ("bytes=1000-2000", DATA[1000:2001], "bytes 1000-2000/4096"),
        ("bytes=4000-", DATA[4000:], "bytes 4000-4095/4096"),
        ("bytes=-10", DATA[-10:], "bytes 4086-4095/4096"),
        ("bytes=0-99999", DATA, "bytes 0-4095/4096"),
    ],
)
async def test_a_partial_download_gives_exactly_the_bytes_asked_for(
    rest: RestClient, sent: str, expected: bytes, told: str
) -> None:
    for path in (PART, PATH):
        reply = await rest.send("GET", path, Range=sent)
        assert (reply.status, reply.headers["Content-Range"]) == (206, told)
        assert reply.body == expected


@pytest.mark.parametrize("sent", [None, "bytes=-", "lines=1-2", "bytes=1-2,5-6", "bytes"])
async def test_a_partial_download_without_a_range_is_refused(rest: RestClient, sent: str | None) -> None:
    reply = await rest.send("GET", PART, **({} if sent is None else {"Range": sent}))
    assert refused(reply) == (400, "range-required")


async def test_a_range_out_of_reach_is_416_with_the_length(rest: RestClient) -> None:
    reply = await rest.send("GET", PART, Range="bytes=4096-")
    assert refused(reply) == (416, "range-unsatisfiable")
    assert reply.headers["Content-Range"] == "bytes */4096"


@pytest.mark.parametrize("path", ["/download/{}", "/download/partial/{}"])
async def test_an_unfinished_upload_is_409_with_how_far_it_is(rest: RestClient, path: str) -> None:
    await rest.begun("half", 10)
    await rest.chunk("half", 0, b"hello")
    reply = await rest.send("GET", path.format("half"), Range="bytes=0-1")
    assert refused(reply) == (409, "upload-incomplete")
    assert (reply.problem["offset"], reply.problem["size"]) == (5, 10)


@pytest.mark.parametrize("path", ["/download/{}", "/download/partial/{}", "/status/{}"])
@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("nobody", 404, "upload-not-found"),
        ("a%00b", 422, "bad-filename"),
        ("a%0Ab", 422, "bad-filename"),
        ("a//b", 422, "bad-filename"),
    ],
)
async def test_an_unknown_name_is_404_and_a_bad_one_422(
    rest: RestClient, path: str, name: str, status: int, code: str
) -> None:
    assert refused(await rest.send("GET", path.format(name), Range="bytes=0-1")) == (status, code)


async def test_a_fixed_path_wins_over_a_name(rest: RestClient) -> None:
    await rest.begun("partial/folder/naïve.bin", 5)
    await rest.chunk("partial/folder/naïve.bin", 0, b"hello")
    assert (await rest.send("GET", PART, Range="bytes=0-9")).body == DATA[:10]


async def test_the_status_has_the_fields_of_the_contract_through_an_uploads_life(rest: RestClient) -> None:
    await rest.begun("a", 8)
    seen = [await rest.status("a")]
    for index in range(2):
        await rest.chunk("a", index, b"half")
        seen.append(await rest.status("a"))
    assert all(sorted(told) == sorted(STATUS) for told in seen)
    facts = [(told["status"], told["offset"], told["percent"]) for told in seen]
    assert facts == [("pending", 0, 0.0), ("partial", 4, 50.0), ("complete", 8, 100.0)]
    assert seen[0]["expires_at"] is not None
    assert seen[2]["expires_at"] is None
    assert {told["upload_url"] for told in seen} == {f"/files/{seen[0]['upload_id']}"}


async def test_the_newest_upload_of_a_name_is_the_one_that_is_meant(rest: RestClient) -> None:
    name = base64.b64encode(b"a").decode()
    for body in (b"one", b"two"):
        await rest.tus.create(3, body, Upload_Metadata=f"filename {name}")
    await rest.tus.create(10, Upload_Metadata=f"filename {name}")
    assert (await rest.status("a"))["status"] == "pending"
    assert (await rest.send("GET", "/download/a")).body == b"two"


async def test_a_part_of_a_final_upload_has_no_name(rest: RestClient) -> None:
    name = base64.b64encode(b"a").decode()
    await rest.tus.create(3, b"one", Upload_Metadata=f"filename {name}", Upload_Concat="partial")
    assert refused(await rest.send("GET", "/status/a")) == (404, "upload-not-found")


async def test_looking_at_a_slow_upload_does_not_end_it(rest: RestClient) -> None:
    """HEAD does: a tus client asks when it believes its connection dead. A page that watches must not."""
    path = await rest.begun("slow", 10)
    may_end = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"hello"
        await may_end.wait()
        yield b"world"

    patch = asyncio.create_task(rest.tus.patch(path, 0, slowly()))
    await asyncio.sleep(1.3)
    assert (await rest.status("slow"))["offset"] == 5
    assert said(await rest.send("GET", "/status"))["uploads"][0]["offset"] == 5
    await asyncio.sleep(0.1)
    may_end.set()
    assert (await patch).status == 204


@asynccontextmanager
async def watching(rest: RestClient, name: str, **headers: str) -> AsyncIterator[ClientResponse]:
    sent = {"Accept": "text/event-stream"} | {key.replace("_", "-"): value for key, value in headers.items()}
    async with rest.tus.client.get(f"/status/{name}", headers=sent) as answer:
        yield answer


async def events(answer: ClientResponse) -> AsyncIterator[dict[str, Any]]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


async def test_events_follow_an_upload_to_its_end(rest: RestClient) -> None:
    await rest.begun("a", 15)
    seen: list[dict[str, Any]] = []
    async with watching(rest, "a") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        async for told in events(answer):
            seen.append(told)
            if len(seen) <= 3:
                await rest.chunk("a", len(seen) - 1, b"hello")
    facts = [(told["status"], told["offset"]) for told in seen]
    assert facts == [("pending", 0), ("partial", 5), ("partial", 10), ("complete", 15)]
    assert all(sorted(told) == sorted(STATUS) for told in seen)


@pytest.mark.parametrize("door", ["tus", "multipart", "raw"])
async def test_events_tell_the_way_of_one_long_chunk_at_most_four_times_a_second(rest: RestClient, door: str) -> None:
    size = 20_000_000
    path = await rest.begun("long", size)

    async def slowly() -> AsyncIterator[bytes]:
        if door == "multipart":
            for name, value in (("filename", "long"), ("chunk_index", "0"), ("data", "")):
                yield f'--walls\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()
                yield b"" if name == "data" else b"\r\n"
        for _ in range(20):
            yield bytes(1_000_000)
            await asyncio.sleep(0.1)
        if door == "multipart":
            yield b"\r\n--walls--\r\n"

    async def send() -> int:
        if door == "tus":
            return (await rest.tus.patch(path, 0, slowly())).status
        kind = "multipart/form-data; boundary=walls" if door == "multipart" else "application/octet-stream"
        query = "" if door == "multipart" else "?filename=long&chunk_index=0"
        return (await rest.send("POST", f"/upload/chunk{query}", slowly(), Content_Type=kind)).status

    loop = asyncio.get_running_loop()
    began = loop.time()
    async with watching(rest, "long") as answer:
        sending = asyncio.create_task(send())
        seen = [told async for told in events(answer)]
    assert await sending in (200, 204)
    took = loop.time() - began
    assert 4 <= len(seen) <= took * 4 + 2
    percents = [told["percent"] for told in seen]
    assert percents == sorted(set(percents))
    assert seen[-1]["status"] == "complete"
    if door != "tus":
        # A numbered chunk counts as a whole.
        assert {told["offset"] for told in seen} == {0, size}


async def test_events_end_with_gone_when_the_upload_is_removed(rest: RestClient) -> None:
    path = await rest.begun("a", 15)
    seen = []
    async with watching(rest, "a") as answer:
        async for told in events(answer):
            seen.append(told["status"])
            await rest.tus.send("DELETE", path)
    assert seen == ["pending", "gone"]


async def test_events_end_with_failed_when_the_whole_does_not_match(rest: RestClient) -> None:
    await rest.begun("a", 5, checksum="md5:" + "00" * 16)
    seen = []
    async with watching(rest, "a") as answer:
        async for told in events(answer):
            seen.append(told["status"])
            await rest.chunk("a", 0, b"hello")
    assert seen == ["pending", "failed"]


async def test_a_page_that_has_seen_the_last_event_is_told_to_stop(rest: RestClient) -> None:
    async with watching(rest, "folder/naïve.bin") as answer:
        lines = (await answer.read()).decode().splitlines()
    (id,) = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")]
    async with watching(rest, "folder/naïve.bin", Last_Event_ID=id) as answer:
        assert answer.status == 204
    async with watching(rest, "folder/naïve.bin", Last_Event_ID="another") as answer:
        assert answer.status == 200


async def test_a_quiet_stream_is_kept_alive(rest: RestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_status, "HEARTBEAT", 0.3)
    await rest.begun("a", 15)
    async with watching(rest, "a") as answer:
        await answer.content.readuntil(b"\n\n")
        assert await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 3) == b":\n\n"


async def test_a_stream_ends_when_the_server_stops(aiohttp_client: AiohttpClient, tmp_path: Any) -> None:
    client = await aiohttp_client(make_app(Settings(upload_folder=tmp_path)))
    rest = RestClient(TusClient(client))
    await rest.begun("a", 15)
    async with watching(rest, "a") as answer:
        await answer.content.readuntil(b"\n\n")
        closing = asyncio.create_task(client.server.close())
        assert await asyncio.wait_for(answer.content.read(), 3) == b""
    await closing


async def test_a_browser_may_ask_from_elsewhere(rest: RestClient) -> None:
    asked = {"Origin": "https://example.com", "Access-Control-Request-Headers": "authorization"}
    for method, path in (("DELETE", "/cleanup"), ("GET", PATH), ("POST", "/upload/chunk"), ("GET", "/status/a")):
        headers = asked | {"Access-Control-Request-Method": method}
        reply = await rest.send("OPTIONS", path, **headers)
        assert reply.status == 204
        assert method in reply.headers["Access-Control-Allow-Methods"]


async def test_a_chunk_of_tus_and_one_of_rest_look_alike_to_both_doors(rest: RestClient) -> None:
    sent = VERSION | STREAM
    path = await rest.begun("both", 10)
    assert (await rest.tus.send("PATCH", path, sent | {"Upload-Offset": "0"}, b"hello")).status == 204
    assert (await rest.status("both"))["offset"] == await rest.tus.offset(path) == 5


async def test_past_so_many_streams_of_events_the_next_is_refused_until_one_ends(
    rest: RestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest_status, "MOST_STREAMS", 2)
    await rest.begun("a", 15)
    async with watching(rest, "a") as first, watching(rest, "a") as second:
        for answer in (first, second):
            await answer.content.readuntil(b"\n\n")
        reply = await rest.send("GET", "/status/a", Accept="text/event-stream")
        assert refused(reply) == (503, "too-many-streams")
        assert reply.headers["Retry-After"] == "5"
        assert (await rest.status("a"))["status"] == "pending"
        assert (await rest.send("HEAD", "/status/a", Accept="text/event-stream")).status == 200
        await rest.chunk("a", 0, b"hello")
    for _ in range(100):
        async with watching(rest, "a") as answer:
            if answer.status == 200:
                return
        await asyncio.sleep(0.05)
    raise AssertionError("streams that have ended take room")
