"""Several files of one form are one act: all of them or none, whatever happens on the way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from tests.clamd import EICAR, peer
from tests.clients.fronts import free_port
from tests.image_client import BOUNDARY, END, FORM, JPEG, PNG, file, listed, part, sent, server_of, taken, until
from tests.image_making import chunk
from tests.pictures import jpeg_of, noise, opened, picture
from tests.rest_client import RestClient, owners_of, refused, said
from tests.test_access_doors import stored
from tests.tus_client import TusClient


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


LAST = [
    ("c.gif", PNG, "extension-not-allowed"),
    ("c.png", b"hello", "not-an-image"),
    ("c.png", noise("PNG", (64, 64))[:-2000], "not-an-image"),
    ("c.jpg", jpeg_of(20_001), "image-too-large"),
]


@pytest.mark.parametrize(("name", "data", "code"), LAST, ids=[code for *_, code in LAST])
async def test_of_three_files_none_is_kept_when_the_last_is_refused(
    aiohttp_client: AiohttpClient, tmp_path: Path, name: str, data: bytes, code: str
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_max_size=20_000)
    reply = await sent(rest, ("a.png", PNG), ("b.jpg", JPEG), (name, data))
    assert refused(reply)[1] == code
    assert await listed(rest) == await listed(rest, "/api/images") == []
    assert stored(tmp_path) == []
    assert (await rest.send("GET", "/uploads/a.png")).status == 404
    assert [one["stored_filename"] for one in await taken(rest, ("a.png", PNG))] == ["a.png"]


BROKEN = [
    b"",
    b"hello",
    file(PNG),
    file(PNG)[:-2],
    file(PNG)[:-40],
    file(PNG) + b"--other--\r\n",
    file(PNG) + file(JPEG, "b.jpg"),
    part("files", PNG, "; filename*=UTF-8''a/b.png") + END,
    file(PNG) + part("files", PNG, "; filename*=UTF-8''a/b.png") + END,
    file(PNG) + f"--{BOUNDARY}\r\nContent-Type: image/png\r\n\r\n".encode() + PNG + b"\r\n" + END,
    file(PNG) + f"--{BOUNDARY}\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n".encode() + END,
]


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
async def test_a_form_that_does_not_parse_is_422_and_nothing_of_it_is_kept(
    rest: RestClient, tmp_path: Path, body: bytes
) -> None:
    assert refused(await rest.send("POST", "/api/upload", body, Content_Type=FORM)) == (422, "bad-multipart")
    assert stored(tmp_path) == []
    assert await listed(rest) == []


MISTAKEN = [
    (file(PNG) + file(PNG, name="avatar") + END, "avatar"),
    (file(PNG) + part("files", PNG) + END, "files"),
    (file(PNG) + part("notes", b" " * 70_000) + END, "notes"),
]


@pytest.mark.parametrize(("body", "field"), MISTAKEN, ids=range(len(MISTAKEN)))
async def test_a_file_that_would_be_lost_without_a_word_is_422(rest: RestClient, body: bytes, field: str) -> None:
    reply = await rest.send("POST", "/api/upload", body, Content_Type=FORM)
    assert refused(reply) == (422, "bad-field")
    assert reply.problem["field"] == field
    assert await listed(rest) == []


async def test_fields_that_are_no_files_are_passed_over(rest: RestClient) -> None:
    body = part("album", b"holiday") + file(PNG) + part("files", b"", '; filename=""') + part("x", b"") + END
    assert len(said(await rest.send("POST", "/api/upload", body, Content_Type=FORM))["data"]) == 1


@pytest.mark.parametrize(
    ("one", "most"), [(file(picture("PNG", (1, 1))), 100), (part("album", b"holiday"), 100)], ids=["files", "fields"]
)
async def test_more_parts_than_are_taken_at_once_are_413(
    rest: RestClient, tmp_path: Path, one: bytes, most: int
) -> None:
    reply = await rest.send("POST", "/api/upload", one * (most + 1) + file(PNG) + END, Content_Type=FORM)
    assert refused(reply) == (413, "too-many-files")
    assert reply.problem["limit"] == most
    assert stored(tmp_path) == []


async def test_as_many_files_as_are_taken_at_once_are_taken(rest: RestClient) -> None:
    body = file(picture("PNG", (1, 1))) * 100 + END
    reply = await rest.send("POST", "/api/upload", body, Content_Type=FORM)
    assert said(reply)["message"] == "Successfully uploaded 100 files"


async def test_a_form_that_stops_arriving_is_ended_and_leaves_nothing(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, read_timeout=0.2)

    async def slowly(first: bytes) -> Any:
        yield first
        await asyncio.sleep(5)
        yield END

    for first in (file(PNG), file(PNG) + file(noise("PNG", (64, 64)), "b.png")[:5000]):
        reply = await rest.send("POST", "/api/upload", slowly(first), Content_Type=FORM)
        assert refused(reply) == (503, "body-stalled")
        assert await listed(rest) == []
        assert stored(tmp_path) == []


@pytest.mark.parametrize("cut", [0, 20, len(file(PNG)) + 150, len(file(PNG)) + 9000])
async def test_when_its_client_is_gone_nothing_of_a_form_is_kept(rest: RestClient, tmp_path: Path, cut: int) -> None:
    body = (file(PNG) + file(noise("PNG", (64, 64)), "b.png"))[:cut]
    _, writer = await asyncio.open_connection("127.0.0.1", rest.tus.client.port)
    head = f"POST /api/upload HTTP/1.1\r\nHost: example.com\r\nContent-Type: {FORM}\r\nContent-Length: 900000\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await writer.wait_closed()

    async def is_gone() -> bool:
        return not await listed(rest) and not stored(tmp_path)

    await until(is_gone)


async def test_without_a_token_nothing_is_taken_where_one_is_needed(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    for reply in (
        await sent(RestClient(ann.tus), ("a.png", PNG)),
        await RestClient(ann.tus).send("POST", "/api/upload"),
    ):
        assert refused(reply) == (401, "token-needed")
    assert stored(tmp_path) == []
    (one,) = await taken(ann, ("a.png", PNG))
    assert one["stored_filename"] == "a.png"


@pytest.mark.parametrize(
    ("room", "count"),
    [({"max_owner_bytes": 20_000}, 2), ({"max_owner_bytes": 20_000, "max_size": 15_000}, 2), ({"max_owner_open": 2}, 3),
     ({"max_owner_per_minute": 2}, 3)],
    ids=["bytes", "bytes of any size", "open", "per-minute"],
)  # fmt: skip
async def test_a_form_past_the_limits_of_its_owner_is_refused_as_one(
    aiohttp_client: AiohttpClient, tmp_path: Path, room: dict[str, int], count: int
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_max_size=12_000, **room)
    reply = await sent(rest, *((f"{number}.jpg", jpeg_of(9_000)) for number in range(count)))
    assert reply.status in (403, 429), reply
    assert reply.problem["code"] in ("quota-exceeded", "too-many-uploads")
    assert stored(tmp_path) == []
    assert len(await taken(rest, ("a.jpg", jpeg_of(9_000)))) == 1


async def test_a_file_that_has_come_counts_for_its_own_size(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """Not for the largest that one of unknown length may come to."""
    rest = await server_of(
        aiohttp_client, tmp_path, max_owner_bytes=2_000_000, max_size=1_500_000, image_max_size=100_000
    )
    files = [(f"{number}.jpg", jpeg_of(9_000)) for number in range(20)]
    assert len(await taken(rest, *files)) == 20


# What reads forms waits for some kilobytes more than it gives.
LARGE = file(noise("PNG", (400, 400)), "b.png")


async def test_a_file_of_an_act_that_goes_on_is_nobody_elses_to_change(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, lock_timeout=0.2)
    may_end = asyncio.Event()

    async def slowly() -> Any:
        yield file(PNG) + LARGE[:-100]
        await may_end.wait()
        yield LARGE[-100:] + END

    act = asyncio.create_task(rest.send("POST", "/api/upload", slowly(), Content_Type=FORM))

    async def has_come() -> bool:
        return any(one["size"] == len(PNG) for one in await listed(rest))

    await until(has_come)
    (first,) = [one for one in await listed(rest) if one["size"] is not None]
    assert (first["status"], first["offset"]) == ("pending", 0)
    for reply in (
        await rest.tus.patch(first["upload_url"], 0, PNG),
        await rest.tus.send("DELETE", first["upload_url"]),
        await rest.complete("a.png"),
    ):
        assert refused(reply) == (423, "upload-busy")
    may_end.set()
    assert (await act).status == 200
    assert (await rest.send("GET", "/uploads/a.png")).body == PNG


async def test_whoever_takes_over_a_file_that_is_arriving_ends_the_act(rest: RestClient, tmp_path: Path) -> None:
    async def slowly() -> Any:
        yield file(PNG) + LARGE[:-100]
        await asyncio.sleep(30)

    act = asyncio.create_task(rest.send("POST", "/api/upload", slowly(), Content_Type=FORM))

    async def is_taken_over() -> bool:
        for one in await listed(rest):
            if one["filename"] == "b.png" and one["offset"]:
                await rest.tus.patch(one["upload_url"], one["offset"], b"<script>")
        return act.done()

    await until(is_taken_over)
    assert refused(await act) == (423, "taken-over")

    async def is_gone() -> bool:
        return not await listed(rest) and not stored(tmp_path)

    await until(is_gone)


async def test_of_two_files_none_is_kept_when_the_second_carries_a_virus_and_none_is_complete_before_that_is_known(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    async with peer() as clamd:
        rest = await server_of(aiohttp_client, tmp_path, clamd=clamd.address)
        infected = PNG[:-12] + chunk(b"tEXt", b"Comment\0" + EICAR) + PNG[-12:]
        assert opened(infected).size == (8, 6)
        clamd.may_answer.clear()
        act = asyncio.create_task(sent(rest, ("a.jpg", JPEG), ("b.png", infected)))

        async def is_looked_at() -> bool:
            return clamd.present == 1

        await until(is_looked_at)
        assert [one["status"] for one in await listed(rest)] == ["partial"]
        clamd.may_answer.set()
        assert refused(await act) == (422, "infected")
        assert stored(tmp_path) == []
        assert len(await taken(rest, ("a.jpg", JPEG))) == 1
        assert len(clamd.streams) == 3


async def test_without_anybody_to_look_for_viruses_nothing_of_a_form_is_kept(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, clamd=f"127.0.0.1:{free_port()}")
    assert refused(await sent(rest, ("a.jpg", JPEG), ("b.png", PNG))) == (503, "scanner-away")
    assert stored(tmp_path) == []


async def test_the_types_that_the_operator_takes_hold_for_images_too(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, allowed_types=("image/jpeg",))
    reply = await sent(rest, ("a.jpg", JPEG), ("b.png", PNG))
    assert refused(reply) == (415, "type-not-allowed")
    assert stored(tmp_path) == []
    assert await listed(rest) == []
    assert len(await taken(rest, ("a.jpg", JPEG))) == 1
