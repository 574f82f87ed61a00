"""Every upload is looked at for viruses before it is complete, at every door, whatever clamd and the clients do."""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import FormData
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from pytest_aiohttp import AiohttpClient

from tests.clamd import EICAR, SIGNATURE, Peer, peer
from tests.content_corpus import picture
from tests.rest_client import RestClient, refused, said
from tests.scan_house import AWAY, BAD, GOOD, INFECTED, House, a_site
from tests.test_announce import until
from tests.tus_client import STREAM, TusClient, sha1
from tusserver.protocol.uploads import State


@pytest.fixture
async def clamd() -> AsyncIterator[Peer]:
    async with peer() as made:
        yield made


@pytest.fixture
async def house(aiohttp_client: AiohttpClient, tmp_path: Path, clamd: Peer) -> House:
    app = a_site(tmp_path, clamd)
    tus = TusClient(await aiohttp_client(app))
    return House(app, tus, RestClient(tus), clamd)


# clean and not


async def test_clean_uploads_are_complete_at_every_door_and_were_looked_at_once(house: House) -> None:
    tus, rest = house.tus, house.rest
    path = await tus.create(len(GOOD))
    assert (await tus.patch(path, 0, GOOD[:50])).status == 204
    reply = await tus.patch(path, 50, GOOD[50:])
    assert (reply.status, reply.headers["Upload-Offset"]) == (204, str(len(GOOD)))
    assert await house.state(path) is State.COMPLETE
    assert (await tus.get(path)).body == GOOD
    assert await house.state(await tus.create(len(GOOD), GOOD)) is State.COMPLETE
    await rest.start("a", len(GOOD))
    assert said(await rest.chunk("a", 0, GOOD))["status"] == "complete"
    await rest.start("b")
    assert said(await rest.chunk("b", 0, GOOD))["status"] == "partial"
    assert said(await rest.complete("b"))["status"] == "complete"
    assert said(await rest.complete("b"))["status"] == "complete"
    assert house.clamd.streams == [len(GOOD)] * 4


async def test_a_virus_fails_its_upload_and_its_bytes_are_gone_at_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    path = await house.tus.create(len(BAD), Upload_Metadata="filename YQ==")
    with caplog.at_level(logging.WARNING, "tusserver"):
        reply = await house.tus.patch(path, 0, BAD)
    assert refused(reply) == INFECTED
    assert reply.problem["signature"] == SIGNATURE
    assert SIGNATURE in caplog.text
    assert (await house.state(path), await house.size(path)) == (State.FAILED, 0)
    assert (await house.tus.send("HEAD", path)).status == 410
    assert refused(await house.tus.get(path)) == (410, "upload-failed")
    assert refused(await house.tus.patch(path, 0, BAD)) == (410, "upload-failed")
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"
    assert (await house.tus.send("DELETE", path)).status == 204


async def test_creation_with_a_virus_leaves_nothing(house: House) -> None:
    reply = await house.tus.send("POST", "/files/", {"Upload-Length": str(len(BAD))} | STREAM, BAD)
    assert refused(reply) == INFECTED
    assert await house.count() == (0, 0)


@pytest.mark.parametrize("form", ["json", "multipart", "raw"])
async def test_a_virus_that_comes_in_numbered_chunks_is_found(house: House, form: str) -> None:
    await house.rest.start("a", len(BAD))
    assert said(await house.rest.chunk("a", 0, BAD[:130], form))["status"] == "partial"
    assert refused(await house.rest.chunk("a", 1, BAD[130:], form)) == INFECTED
    assert refused(await house.rest.complete("a")) == (410, "upload-failed")


async def test_a_virus_in_an_upload_of_unknown_length_is_found_when_it_is_complete(house: House) -> None:
    await house.rest.start("a")
    assert said(await house.rest.chunk("a", 0, BAD))["status"] == "partial"
    assert refused(await house.rest.complete("a")) == INFECTED
    path = await house.tus.create(Upload_Defer_Length="1")
    assert (await house.tus.patch(path, 0, BAD)).status == 204
    assert refused(await house.tus.patch(path, len(BAD), b"", Upload_Length=str(len(BAD)))) == INFECTED


async def test_a_virus_that_comes_in_parts_is_found_in_the_whole(house: House) -> None:
    for whole, status in ((GOOD, 201), (BAD, 422)):
        pieces = whole[:130], whole[130:]
        parts = [await house.tus.create(len(piece), piece, Upload_Concat="partial") for piece in pieces]
        reply = await house.tus.send("POST", "/files/", {"Upload-Concat": f"final;{' '.join(parts)}"})
        assert reply.status == status
    assert refused(reply) == INFECTED
    assert refused(await house.tus.send("POST", "/files/", {"Upload-Concat": f"final;{' '.join(parts)}"})) == INFECTED


async def test_a_virus_in_a_part_is_found_there(house: House) -> None:
    path = await house.tus.create(len(BAD), Upload_Concat="partial")
    assert refused(await house.tus.patch(path, 0, BAD)) == INFECTED


async def test_a_final_upload_made_before_its_parts_is_looked_at_when_they_have_come(house: House) -> None:
    path = await house.tus.create(len(GOOD), Upload_Concat="partial")
    made = await house.tus.send("POST", "/files/", {"Upload-Concat": f"final;{path}"})
    assert made.status == 201
    assert (await house.tus.patch(path, 0, GOOD)).status == 204
    await until(lambda: house.is_in(made.headers["Location"], State.COMPLETE))
    assert house.clamd.streams == [len(GOOD)] * 2
    assert (await house.tus.get(made.headers["Location"])).body == GOOD


async def test_an_upload_with_a_wrong_digest_fails_though_it_is_clean(house: House) -> None:
    await house.rest.start("a", len(GOOD), checksum=f"sha256:{'0' * 64}")
    assert refused(await house.rest.chunk("a", 0, GOOD)) == (422, "checksum-mismatch")
    assert said(await house.rest.send("GET", "/status/a"))["status"] == "failed"


async def test_nothing_has_no_virus(house: House) -> None:
    assert await house.state(await house.tus.create(0)) is State.COMPLETE
    assert house.clamd.streams == []


# a scan that takes long


async def test_head_beside_a_scan_tells_one_byte_less_and_the_last_byte_sent_again_waits_for_the_verdict(
    house: House,
) -> None:
    house.clamd.may_answer.clear()
    path = await house.tus.create(len(GOOD))
    first = house.patch_in_the_background(path, 0, GOOD)
    await house.scanning()
    async with asyncio.timeout(3):
        assert await house.tus.offset(path) == len(GOOD) - 1
    again = house.patch_in_the_background(path, len(GOOD) - 1, GOOD[-1:])
    await asyncio.sleep(0.3)
    assert not first.done()
    assert not again.done()
    reply = await house.tus.get(path)
    assert refused(reply) == (409, "upload-incomplete")
    assert "look at them" in reply.problem["detail"]
    house.clamd.may_answer.set()
    for reply in (await first, await again):
        assert (reply.status, reply.headers["Upload-Offset"]) == (204, str(len(GOOD)))
    assert await house.tus.offset(path) == len(GOOD)
    assert house.clamd.streams == [len(GOOD)]
    assert (await house.tus.get(path)).body == GOOD


async def test_everybody_who_waits_for_a_verdict_hears_of_a_virus(house: House) -> None:
    house.clamd.may_answer.clear()
    path = await house.tus.create(len(BAD))
    first = house.patch_in_the_background(path, 0, BAD)
    await house.scanning()
    again = house.patch_in_the_background(path, len(BAD) - 1, BAD[-1:])
    await asyncio.sleep(0.1)
    house.clamd.may_answer.set()
    assert [refused(await first), refused(await again)] == [INFECTED] * 2


async def test_more_than_the_last_byte_is_not_taken_beside_a_scan(house: House) -> None:
    house.clamd.may_answer.clear()
    path = await house.tus.create(len(GOOD))
    first = house.patch_in_the_background(path, 0, GOOD)
    await house.scanning()
    assert refused(await house.tus.patch(path, len(GOOD) - 1, b"zz")) == (413, "past-length")
    assert refused(await house.tus.patch(path, 50, GOOD[50:])) == (409, "offset-mismatch")
    house.clamd.may_answer.set()
    assert (await first).status == 204


async def test_a_client_that_gave_up_finds_its_upload_complete_and_nobody_looks_twice(house: House) -> None:
    house.clamd.may_answer.clear()
    path = await house.tus.create(len(GOOD))
    patch = house.patch_in_the_background(path, 0, GOOD)
    await house.scanning()
    patch.cancel()
    await asyncio.gather(patch, return_exceptions=True)
    assert await house.tus.offset(path) == len(GOOD) - 1
    house.clamd.may_answer.set()
    await until(lambda: house.is_in(path, State.COMPLETE))
    assert await house.tus.offset(path) == len(GOOD)
    assert house.clamd.streams == [len(GOOD)]


async def test_a_status_beside_a_scan_is_told_at_once(house: House) -> None:
    house.clamd.may_answer.clear()
    await house.rest.start("a", len(GOOD))
    chunk = asyncio.create_task(house.rest.chunk("a", 0, GOOD))
    await house.scanning()
    told = said(await house.rest.send("GET", "/status/a"))
    assert (told["status"], told["offset"], told["percent"]) == ("partial", len(GOOD), 99.9)
    assert (await house.rest.start("a", len(GOOD))).status == 200
    completing = asyncio.create_task(house.rest.complete("a"))
    await asyncio.sleep(0.1)
    house.clamd.may_answer.set()
    assert said(await chunk)["status"] == said(await completing)["status"] == "complete"
    assert house.clamd.streams == [len(GOOD)]


async def test_a_removal_does_not_wait_for_a_scan(house: House) -> None:
    house.clamd.may_answer.clear()
    path = await house.tus.create(len(GOOD))
    patch = house.patch_in_the_background(path, 0, GOOD)
    await house.scanning()
    async with asyncio.timeout(3):
        assert (await house.tus.send("DELETE", path)).status == 204
        assert refused(await patch) == (404, "upload-not-found")
        await until(lambda: house.clamd.present == 0)
    assert await house.count() == (0, 0)


async def test_so_many_scans_go_on_at_once_and_no_more(house: House) -> None:
    paths = [await house.tus.create(len(GOOD)) for _ in range(30)]
    house.clamd.may_answer.clear()
    patches = [house.patch_in_the_background(path, 0, GOOD) for path in paths]
    await until(lambda: house.clamd.present == 8)
    house.clamd.may_answer.set()
    assert {(await patch).status for patch in patches} == {204}
    assert (house.clamd.most, len(house.clamd.streams)) == (8, 30)


# clamd away


async def test_without_clamd_nothing_is_complete_and_nothing_is_lost(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(house.clamd.address.rpartition(":")[2])
    await house.clamd.stop()
    path = await house.tus.create(len(GOOD))
    with caplog.at_level(logging.WARNING, "tusserver"):
        reply = await house.tus.patch(path, 0, GOOD)
    assert refused(reply) == AWAY
    assert int(reply.headers["Retry-After"]) > 0
    assert house.clamd.address in caplog.text
    head = await house.tus.send("HEAD", path)
    assert (head.status, int(head.headers["Retry-After"]) > 0) == (423, True)
    assert refused(await house.tus.get(path)) == (409, "upload-incomplete")
    assert refused(await house.tus.patch(path, len(GOOD) - 1, GOOD[-1:])) == AWAY
    assert refused(await house.tus.patch(path, len(GOOD), b"")) == AWAY
    assert await house.size(path) == len(GOOD)
    await house.clamd.begin(port)
    assert await house.tus.offset(path) == len(GOOD)
    assert await house.state(path) is State.COMPLETE


async def test_plain_rest_tries_again_with_complete(house: House) -> None:
    house.clamd.says = b"stream: what ERROR"
    await house.rest.start("a", len(GOOD))
    assert refused(await house.rest.chunk("a", 0, GOOD)) == AWAY
    assert refused(await house.rest.complete("a")) == AWAY
    assert said(await house.rest.chunk("a", 0, GOOD))["next_chunk_index"] == 1
    house.clamd.says = None
    assert said(await house.rest.complete("a"))["status"] == "complete"


async def test_a_creation_that_nobody_could_look_at_leaves_nothing(house: House) -> None:
    house.clamd.closes_after = 1
    assert refused(await house.tus.send("POST", "/files/", {"Upload-Length": "5"} | STREAM, b"hello")) == AWAY
    assert await house.count() == (0, 0)


async def test_a_final_upload_that_nobody_could_look_at_is_found_again(house: House) -> None:
    part = await house.tus.create(len(GOOD), GOOD, Upload_Concat="partial")
    house.clamd.says = b"no"
    final = {"Upload-Concat": f"final;{part}"}
    assert refused(await house.tus.send("POST", "/files/", final)) == AWAY
    house.clamd.says = None
    reply = await house.tus.send("POST", "/files/", final)
    assert reply.status == 201
    assert (await house.tus.get(reply.headers["Location"])).body == GOOD
    assert (await house.count())[1] == 2


async def test_an_upload_that_is_too_large_for_clamd_is_never_complete(house: House) -> None:
    house.clamd.limit = 100
    path = await house.tus.create(len(GOOD))
    assert refused(await house.tus.patch(path, 0, GOOD)) == AWAY
    assert (await house.tus.send("HEAD", path)).status == 423
    assert refused(await house.tus.get(path)) == (409, "upload-incomplete")


async def test_what_fell_over_on_the_way_is_not_looked_at(house: House) -> None:
    path = await house.tus.create(len(GOOD))
    assert refused(await house.tus.patch(path, 0, BAD, Upload_Checksum=sha1(GOOD))) == (460, "checksum-mismatch")
    assert house.clamd.streams == []
    assert (await house.tus.patch(path, 0, GOOD, Upload_Checksum=sha1(GOOD))).status == 204


# links and images


async def test_uploads_by_a_link_are_looked_at_too(house: House) -> None:
    link = said(await house.rest.post("/links", {"max_uploads": 2}))["upload_url"]
    assert (await house.tus.send("POST", link, {"Upload-Length": "5"} | STREAM, b"hello")).status == 201
    told = {"Upload-Length": str(len(BAD)), "Upload-Metadata": f"filename {base64.b64encode(b'b').decode()}"}
    assert refused(await house.tus.send("POST", link, told | STREAM, BAD)) == INFECTED


@pytest.mark.parametrize("suffix", ["png", "jpg"])
async def test_an_image_with_a_virus_is_refused_with_all_that_came_along(house: House, suffix: str) -> None:
    made = io.BytesIO()
    if suffix == "png":
        told = PngInfo()
        told.add_text("Comment", EICAR.decode())
        Image.new("RGB", (9, 9)).save(made, "PNG", pnginfo=told)
    else:
        Image.new("RGB", (9, 9)).save(made, "JPEG", comment=EICAR)
    form = FormData()
    form.add_field("files", io.BytesIO(picture("PNG")), filename="good.png")
    form.add_field("files", io.BytesIO(made.getvalue()), filename=f"bad.{suffix}")
    assert refused(await house.rest.send("POST", "/api/upload", form)) == INFECTED
    assert await house.count() == (0, 0)
    form = FormData()
    form.add_field("files", io.BytesIO(picture("PNG")), filename="good.png")
    assert (await house.rest.send("POST", "/api/upload", form)).status == 200
    assert len(house.clamd.streams) == 3
