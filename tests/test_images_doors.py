"""`/api/images`, and images that come by other doors: listed, shown, named so that nobody guesses them, removed."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from pytest_aiohttp import AiohttpClient

from tests.image_client import listed, server_of, taken, until
from tests.pictures import jpeg_of, noise, opened, picture
from tests.rest_client import RestClient, owners_of, refused, said
from tests.tus_client import STREAM, TusClient
from tusserver.web.site import SITE

PNG, JPEG = picture("PNG", (40, 20)), noise("JPEG", (400, 200))


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


def named(name: str) -> dict[str, str]:
    return {"Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}"}


async def by_tus(rest: RestClient, name: str, data: bytes, path: str = "/files/", **headers: str) -> str:
    """The id of an upload that came in two PATCHes."""
    told = rest.headers | headers | (named(name) if name else {})
    made = await rest.tus.send("POST", path, told | {"Upload-Length": str(len(data))})
    assert made.status == 201, made
    address = made.headers["Location"]
    half = len(data) // 2
    for start, piece in ((0, data[:half]), (half, data[half:])):
        reply = await rest.tus.send("PATCH", address, rest.headers | {"Upload-Offset": str(start)} | STREAM, piece)
        assert reply.status == 204, reply
    return address.rpartition("/")[2]


async def looked_at(rest: RestClient, id: str) -> dict[str, Any]:
    """The status of a finished upload once it was looked at."""
    assert rest.tus.client.app is not None
    infos = rest.tus.client.app[SITE].backends.infos

    async def is_examined() -> bool:
        return (await infos.load(id)).facts.crc32 is not None

    await until(is_examined)
    (found,) = [one for one in await listed(rest) if one["upload_id"] == id]
    return found


async def test_the_callers_images_are_listed_newest_first_and_page_by_page(rest: RestClient) -> None:
    for number in range(5):
        await taken(rest, (f"{number}.png", PNG))
    told = await listed(rest, "/api/images")
    assert [one["stored_filename"] for one in told] == ["4.png", "3.png", "2.png", "1.png", "0.png"]
    assert told[0] == (await taken(rest, ("5.png", PNG)))[0] | {
        name: told[0][name]
        for name in ("stored_filename", "original_filename", "upload_id", "preview_url", "thumbnail_url")
    }
    found, cursor = [], ""
    while True:
        page = said(await rest.send("GET", f"/api/images?limit=2{cursor}"))
        found += [one["stored_filename"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == ["5.png", "4.png", "3.png", "2.png", "1.png", "0.png"]


@pytest.mark.parametrize(
    ("query", "status"), [("cursor=x", 422), ("limit=x", 422), ("limit=0", 422), ("limit=-1", 422)]
)
async def test_a_query_that_means_nothing_is_refused(rest: RestClient, query: str, status: int) -> None:
    assert refused(await rest.send("GET", f"/api/images?{query}"))[0] == status


async def test_somebody_elses_images_are_neither_listed_nor_removed(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann, bo, _ = (await owners_of(aiohttp_client, tmp_path)).values()
    (one,) = await taken(ann, ("a.png", PNG))
    assert await listed(bo, "/api/images") == []
    reply = await bo.send("DELETE", "/api/images/a.png")
    assert refused(reply) == (404, "upload-not-found")
    assert reply.problem == (await bo.send("DELETE", "/api/images/none.png")).problem
    assert one["upload_id"] not in str(reply.problem)
    nobody = RestClient(ann.tus)
    for method, path in (("GET", "/api/images"), ("DELETE", "/api/images/a.png"), ("DELETE", "/api/images/none.png")):
        assert refused(await nobody.send(method, path)) == (401, "token-needed")
    assert await listed(ann, "/api/images") == [one]
    (other,) = await taken(bo, ("a.png", PNG))
    assert re.fullmatch(r"a-[a-z2-7]{7}\.png", other["stored_filename"])
    assert (await ann.send("DELETE", "/api/images/a.png")).status == 204
    assert await listed(ann, "/api/images") == []
    assert await listed(bo, "/api/images") == [other]


async def test_an_image_that_is_removed_is_gone_by_every_door_and_its_name_is_free(rest: RestClient) -> None:
    (one,) = await taken(rest, ("a.png", PNG))
    assert (await rest.send("DELETE", "/api/images/a.png")).status == 204
    for path in ("/uploads/a.png", f"/files/{one['upload_id']}", "/download/a.png", "/status/a.png"):
        assert refused(await rest.send("GET", path)) == (404, "upload-not-found")
    assert refused(await rest.send("DELETE", "/api/images/a.png")) == (404, "upload-not-found")
    assert [one["stored_filename"] for one in await taken(rest, ("a.png", PNG))] == ["a.png"]


async def test_an_image_that_came_by_tus_gets_its_preview_and_its_thumbnail(rest: RestClient) -> None:
    found = await looked_at(rest, await by_tus(rest, "photos/a.jpg", JPEG))
    assert (found["preview_url"], found["thumbnail_url"]) == ("/uploads/a.jpg", "/uploads/a.jpg?w=320")
    assert (await rest.send("GET", found["preview_url"])).body == JPEG
    assert opened((await rest.send("GET", found["thumbnail_url"])).body).size == (320, 160)
    (one,) = await listed(rest, "/api/images")
    assert (one["stored_filename"], one["original_filename"]) == ("a.jpg", "photos/a.jpg")
    assert (one["width"], one["height"], one["upload_id"]) == (400, 200, found["upload_id"])


async def test_an_image_that_came_by_chunks_is_one_too(rest: RestClient) -> None:
    id = (await rest.begun("a.jpg", len(JPEG))).rpartition("/")[2]
    await rest.chunk("a.jpg", 0, JPEG[:1000])
    await rest.chunk("a.jpg", 1, JPEG[1000:], "multipart")
    assert (await looked_at(rest, id))["preview_url"] == "/uploads/a.jpg"


async def test_an_image_that_was_joined_of_parts_is_one_too_and_its_parts_are_none(rest: RestClient) -> None:
    parts = [
        await by_tus(rest, "a.jpg", data, **{"Upload-Concat": "partial"}) for data in (JPEG, noise("JPEG", (9, 9)))
    ]
    concat = "final;" + " ".join(f"/files/{id}" for id in parts[:1])
    made = await rest.tus.send("POST", "/files/", {"Upload-Concat": concat} | named("a.jpg"))
    found = await looked_at(rest, made.headers["Location"].rpartition("/")[2])
    assert found["preview_url"] == "/uploads/a.jpg"
    assert len(await listed(rest, "/api/images")) == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", JPEG),
        ("a.txt", JPEG),
        ("a.gif", picture("GIF")),
        ("a.jpg", b"hello"),
        ("a.jpg", JPEG[:-1000]),
        ("a.html", b"<html><body>hello"),
        ("a.jpg", jpeg_of(200_001)),
        ("", b"hello"),
    ],
    ids=range(8),
)
async def test_what_is_odd_about_is_an_upload_and_no_image(
    aiohttp_client: AiohttpClient, tmp_path: Path, name: str, data: bytes
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_max_size=200_000)
    found = await looked_at(rest, await by_tus(rest, name, data))
    assert found["status"] == "complete"
    assert "preview_url" not in found
    assert await listed(rest, "/api/images") == []


@pytest.mark.parametrize(("name", "shown_as"), [("", "image.jpg"), ("holiday", "holiday.jpg")])
async def test_an_image_whose_name_promises_nothing_gets_the_extension_of_its_bytes(
    rest: RestClient, name: str, shown_as: str
) -> None:
    assert (await looked_at(rest, await by_tus(rest, name, JPEG)))["preview_url"] == f"/uploads/{shown_as}"


async def test_nobody_guesses_the_name_of_what_somebody_uploaded_by_another_door(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {}))["upload_url"]
    ids = [await by_tus(ann, "passport.jpg", JPEG), await by_tus(RestClient(ann.tus), "passport.jpg", JPEG, link)]
    for id in ids:
        preview = (await looked_at(ann, id))["preview_url"]
        assert re.fullmatch(r"/uploads/passport-[a-z2-7]{10}\.jpg", preview)
        assert (await RestClient(ann.tus).send("GET", preview)).body == JPEG
    assert refused(await ann.send("GET", "/uploads/passport.jpg")) == (404, "upload-not-found")


async def test_what_is_uploaded_as_an_image_keeps_its_plain_name(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    (one,) = await taken(ann, ("a.jpg", JPEG))
    found = await looked_at(ann, one["upload_id"])
    assert found["preview_url"] == "/uploads/a.jpg"
