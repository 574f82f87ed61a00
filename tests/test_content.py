"""ALLOWED_TYPES and the types of a link, at every door: by what is declared, and by the first bytes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.content_corpus import picture, sound, windows_program
from tests.rest_client import RestClient, refused, said
from tests.tus_client import STREAM, TusClient, sha1
from tusserver.app import make_app
from tusserver.protocol.signatures import ENOUGH
from tusserver.protocol.uploads import State
from tusserver.settings import Settings
from tusserver.web.site import SITE

PNG = picture("PNG")
EXE = windows_program()
LONG_EXE = EXE + bytes(20_000)
LONG_PNG = PNG + bytes(20_000)
MISMATCH = (415, "content-type-mismatch")


@dataclass(slots=True)
class House:
    """A server that takes pictures and texts."""

    app: web.Application
    tus: TusClient
    rest: RestClient

    async def state(self, path: str) -> State:
        return (await self.app[SITE].backends.infos.load(path.rsplit("/", 1)[1])).state

    async def records(self) -> int:
        return len((await self.app[SITE].backends.infos.page()).uploads)

    async def stored(self) -> int:
        return len([one async for one in self.app[SITE].backends.store.scan()])


async def a_house(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> House:
    app = make_app(Settings(upload_folder=folder / "uploads", **chosen))
    tus = TusClient(await aiohttp_client(app))
    return House(app, tus, RestClient(tus))


@pytest.fixture
async def house(aiohttp_client: AiohttpClient, tmp_path: Path) -> House:
    return await a_house(aiohttp_client, tmp_path, allowed_types=("image/*", "text/plain"))


def declared(content_type: str, name: str = "a") -> str:
    """An `Upload-Metadata` field."""
    pairs = {"filename": name, "filetype": content_type}
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


async def test_a_declared_type_that_is_not_taken_is_refused_at_creation_and_leaves_nothing(house: House) -> None:
    told = {"Upload-Length": "5", "Upload-Metadata": declared("application/pdf")}
    for sent, body in ((told, None), (told | STREAM, b"hello")):
        reply = await house.tus.send("POST", "/files/", sent, body)
        assert refused(reply) == (415, "type-not-allowed")
        assert reply.problem["types"] == ["image/*", "text/plain"]
    assert refused(await house.rest.start("a", 5, content_type="application/pdf")) == (415, "type-not-allowed")
    assert (await house.records(), await house.stored()) == (0, 0)


async def test_what_is_what_it_was_declared_to_be_is_taken_at_every_door(house: House) -> None:
    path = await house.tus.create(len(LONG_PNG), Upload_Metadata=declared("image/png"))
    for start in range(0, len(LONG_PNG), 3000):
        assert (await house.tus.patch(path, start, LONG_PNG[start : start + 3000])).status == 204
    assert (await house.tus.get(path)).body == LONG_PNG
    path = await house.tus.create(len(PNG), PNG, Upload_Metadata=declared("image/png"))
    assert await house.state(path) is State.COMPLETE
    await house.rest.start("b", len(PNG), content_type="image/png")
    assert said(await house.rest.chunk("b", 0, PNG))["status"] == "complete"


async def test_what_is_something_else_fails_with_its_last_byte_however_small_it_is(house: House) -> None:
    path = await house.tus.create(len(EXE), Upload_Metadata=declared("image/png"))
    assert (await house.tus.patch(path, 0, EXE[:100])).status == 204
    reply = await house.tus.patch(path, 100, EXE[100:])
    assert refused(reply) == MISMATCH
    assert reply.problem["content_type"] == "image/png"
    assert await house.state(path) is State.FAILED
    assert (await house.tus.send("HEAD", path)).status == 410
    assert refused(await house.tus.get(path)) == (410, "upload-failed")
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"


async def test_what_is_something_else_fails_with_the_chunk_that_tells_and_not_at_its_end(house: House) -> None:
    path = await house.tus.create(10**10, Upload_Metadata=declared("image/png"))
    assert (await house.tus.patch(path, 0, LONG_EXE[:3000])).status == 204
    assert refused(await house.tus.patch(path, 3000, LONG_EXE[3000:6000])) == MISMATCH
    assert await house.state(path) is State.FAILED


async def test_a_body_without_end_is_refused_as_soon_as_it_tells(house: House) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            yield LONG_EXE
            sent += len(LONG_EXE)
            await asyncio.sleep(0.001)

    path = await house.tus.create(10**12, Upload_Metadata=declared("image/png"))
    async with asyncio.timeout(20):
        assert refused(await house.tus.patch(path, 0, endless())) == MISMATCH
    assert await house.state(path) is State.FAILED
    assert sent < 10**9
    id = path.rsplit("/", 1)[1]
    assert await house.app[SITE].backends.store.size(id) < 2**22


async def test_creation_with_the_bytes_of_something_else_leaves_nothing(house: House) -> None:
    for length, body in ((len(EXE), EXE), (10**10, LONG_EXE)):
        told = {"Upload-Length": str(length), "Upload-Metadata": declared("image/png")} | STREAM
        assert refused(await house.tus.send("POST", "/files/", told, body)) == MISMATCH
    assert (await house.records(), await house.stored()) == (0, 0)


async def test_nothing_is_a_text_and_no_picture(house: House) -> None:
    assert await house.state(await house.tus.create(0, Upload_Metadata=declared("text/plain"))) is State.COMPLETE
    told = {"Upload-Length": "0", "Upload-Metadata": declared("image/png")}
    assert refused(await house.tus.send("POST", "/files/", told)) == MISMATCH
    assert refused(await house.rest.start("b", 0, content_type="image/png")) == MISMATCH
    path = await house.tus.create(Upload_Defer_Length="1", Upload_Metadata=declared("image/png"))
    assert refused(await house.tus.patch(path, 0, b"", Upload_Length="0")) == MISMATCH


async def test_an_upload_that_declares_nothing_is_judged_by_its_bytes(house: House) -> None:
    for content_type in (None, "application/octet-stream"):
        told = "" if content_type is None else declared(content_type)
        for data in (PNG, LONG_PNG, b"hello"):
            path = await house.tus.create(len(data), data, Upload_Metadata=told)
            assert await house.state(path) is State.COMPLETE
        for data in (EXE, LONG_EXE):
            path = await house.tus.create(len(data), Upload_Metadata=told)
            reply = await house.tus.patch(path, 0, data)
            assert refused(reply) == MISMATCH
            assert reply.problem["types"] == ["image/*", "text/plain"]


@pytest.mark.parametrize("form", ["json", "multipart", "raw"])
async def test_a_chunk_of_something_else_fails_its_upload_in_every_form(house: House, form: str) -> None:
    await house.rest.start("a", len(LONG_EXE), content_type="image/png")
    assert refused(await house.rest.chunk("a", 0, LONG_EXE[:ENOUGH], form)) == MISMATCH
    assert refused(await house.rest.chunk("a", 1, LONG_EXE[ENOUGH:], form)) == (410, "upload-failed")
    assert refused(await house.rest.complete("a")) == (410, "upload-failed")
    assert (await house.rest.start("a", len(LONG_PNG), content_type="image/png")).status == 201


async def test_an_upload_of_unknown_length_is_judged_when_it_is_said_to_be_complete(house: House) -> None:
    await house.rest.start("a", content_type="image/png")
    assert said(await house.rest.chunk("a", 0, EXE))["status"] == "partial"
    assert refused(await house.rest.complete("a")) == MISMATCH
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"


async def test_a_chunk_that_fell_over_on_the_way_fails_nothing(house: House) -> None:
    path = await house.tus.create(len(LONG_PNG), Upload_Metadata=declared("image/png"))
    broken = bytes(100) + LONG_PNG[100:]
    assert refused(await house.tus.patch(path, 0, broken, Upload_Checksum=sha1(LONG_PNG))) == (460, "checksum-mismatch")
    assert (await house.tus.patch(path, 0, LONG_PNG, Upload_Checksum=sha1(LONG_PNG))).status == 204
    path = await house.tus.create(len(LONG_EXE), Upload_Metadata=declared("image/png"))
    assert refused(await house.tus.patch(path, 0, LONG_EXE, Upload_Checksum=sha1(LONG_EXE))) == MISMATCH


async def test_parts_are_not_judged_and_what_they_are_joined_to_is(house: House) -> None:
    for whole, status in ((LONG_PNG, 201), (LONG_EXE, 415)):
        parts = []
        for piece in (whole[:7000], whole[7000:]):
            parts.append(await house.tus.create(len(piece), Upload_Concat="partial"))
            assert (await house.tus.patch(parts[-1], 0, piece)).status == 204
        told = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": declared("image/png")}
        reply = await house.tus.send("POST", "/files/", told)
        assert reply.status == status
    assert refused(reply) == MISMATCH
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"


async def test_a_crash_before_the_record_was_written_lets_nothing_pass(house: House) -> None:
    path = await house.tus.create(len(EXE), Upload_Metadata=declared("image/png"))
    writer = await house.app[SITE].backends.store.append(path.rsplit("/", 1)[1], 0)
    await writer.write([EXE])
    await writer.close()
    assert (await house.tus.send("HEAD", path)).status == 415
    assert await house.state(path) is State.FAILED
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"


async def test_a_link_holds_what_comes_by_it_to_its_own_types_too(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    house = await a_house(aiohttp_client, tmp_path, allowed_types=("image/*", "audio/wav"))
    link = said(await house.rest.post("/links", {"types": ["image/png", "text/plain"]}))["upload_url"]

    async def send(data: bytes, content_type: str | None) -> tuple[int, str | None]:
        told = {"Upload-Length": str(len(data))} | STREAM
        told |= {} if content_type is None else {"Upload-Metadata": declared(content_type)}
        reply = await house.tus.send("POST", link, told, data)
        return reply.status, reply.problem.get("code")

    for content_type in ("image/png", "application/octet-stream", None):
        assert await send(PNG, content_type) == (201, None)
        assert await send(LONG_PNG, content_type) == (201, None)
        assert await send(EXE, content_type) == MISMATCH
    assert await send(sound(), "audio/wav") == (415, "type-not-allowed")
    assert await send(b"hello", "text/plain") == (415, "type-not-allowed")
    assert await send(sound(), None) == MISMATCH
    assert await send(b"hello", None) == MISMATCH
    assert await send(picture("JPEG"), None) == MISMATCH


async def test_what_was_begun_by_a_link_is_held_to_its_types_when_that_is_gone(house: House) -> None:
    for wanted, status in (("image/jpeg", 415), ("image/png", 204)):
        made = said(await house.rest.post("/links", {"types": [wanted]}))
        begun = await house.tus.send("POST", made["upload_url"], {"Upload-Length": str(len(PNG))})
        assert (await house.rest.send("DELETE", f"/links/{made['link_id']}")).status == 204
        assert (await house.tus.patch(begun.headers["Location"], 0, PNG)).status == status


async def test_where_every_type_is_taken_nothing_is_judged(tus: TusClient) -> None:
    path = await tus.create(len(EXE), EXE, Upload_Metadata=declared("image/png"))
    assert (await tus.get(path)).body == EXE
