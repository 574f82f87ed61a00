"""`GET /uploads/{stored_filename}`: the image as it came and in other sizes and formats, and to whom."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image
from pytest_aiohttp import AiohttpClient

from tests.image_client import server_of, taken, until
from tests.pictures import form, noise, opened, picture
from tests.rest_client import RestClient, owners_of, refused, said
from tests.tus_client import Reply, TusClient
from tusserver.app import StartError, make_app, setup
from tusserver.settings import Previews, Settings

PNG, JPEG = picture("PNG", (40, 20)), noise("JPEG", (400, 200))


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


async def shown(rest: RestClient, name: str = "a.jpg", query: str = "", **headers: str) -> Reply:
    return await rest.send("GET", f"/uploads/{name}{'?' + query if query else ''}", **headers)


async def test_an_image_is_shown_in_place_with_its_own_type_and_may_do_nothing(rest: RestClient) -> None:
    await taken(rest, ("a.jpg", JPEG))
    reply = await shown(rest)
    assert (reply.status, reply.body) == (200, JPEG)
    assert reply.headers["Content-Type"] == "image/jpeg"
    assert reply.headers["Content-Disposition"] == 'inline; filename="a.jpg"'
    assert reply.headers["Content-Length"] == str(len(JPEG))
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in reply.headers["Content-Security-Policy"]
    assert reply.headers["Cache-Control"].startswith("public, max-age=")
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert "Last-Modified" in reply.headers


async def test_head_tells_the_same_without_the_bytes(rest: RestClient) -> None:
    await taken(rest, ("a.jpg", JPEG))
    for query in ("", "w=20"):
        whole = await shown(rest, query=query)
        reply = await rest.send("HEAD", f"/uploads/a.jpg?{query}")
        assert (reply.status, reply.body) == (200, b"")
        assert {**reply.headers, "Date": ""} == {**whole.headers, "Date": ""}


@pytest.mark.parametrize("query", ["", "w=320", "format=webp"])
async def test_ranges_and_conditions_hold_for_it_and_for_what_is_made_of_it(rest: RestClient, query: str) -> None:
    await taken(rest, ("a.jpg", JPEG))
    whole = await shown(rest, query=query)
    tag = whole.headers["ETag"]
    part = await shown(rest, query=query, Range="bytes=100-199", If_Range=tag)
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.body)}"
    assert part.headers["Content-Type"] == whole.headers["Content-Type"]
    assert (await shown(rest, query=query, Range="bytes=0-9", If_Range='"other"')).body == whole.body
    same = await shown(rest, query=query, If_None_Match=tag)
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    assert same.headers["Cache-Control"] == whole.headers["Cache-Control"]
    behind = await shown(rest, query=query, Range="bytes=9999999-")
    assert refused(behind) == (416, "range-unsatisfiable")
    assert behind.problem["length"] == len(whole.body)
    assert refused(await shown(rest, query=query, If_Match='"other"')) == (412, "precondition-failed")


async def test_every_form_of_an_image_has_a_tag_of_its_own_and_none_tells_the_address_of_the_upload(
    rest: RestClient,
) -> None:
    (one,) = await taken(rest, ("a.jpg", JPEG))
    forms = ["", "w=20", "h=20", "w=20&format=webp", "w=20&q=5&format=webp"]
    replies = [await shown(rest, query=query) for query in forms]
    assert len({reply.headers["ETag"] for reply in replies}) == len(forms)
    for reply in replies:
        assert one["upload_id"] not in f"{reply.headers}"


@pytest.mark.parametrize(
    ("query", "kind", "size"),
    [
        ("w=320", "JPEG", (320, 160)),
        ("h=50", "JPEG", (100, 50)),
        ("w=50&h=50&fit=cover", "JPEG", (50, 50)),
        ("w=50&h=50&fit=contain", "JPEG", (50, 25)),
        ("w=800&fit=contain", "JPEG", (800, 400)),
        ("w=800", "JPEG", (400, 200)),
        ("w=800&fit=scale-down", "JPEG", (400, 200)),
        ("format=png", "PNG", (400, 200)),
        ("w=64&format=webp&q=40", "WEBP", (64, 32)),
        ("w=64&format=avif", "AVIF", (64, 32)),
        ("w=64&unknown=1&utm_source=x", "JPEG", (64, 32)),
    ],
)
async def test_an_image_is_shown_in_the_size_and_format_that_is_asked_for(
    rest: RestClient, query: str, kind: str, size: tuple[int, int]
) -> None:
    await taken(rest, ("a.jpg", JPEG))
    reply = await shown(rest, query=query)
    assert reply.status == 200, reply
    image = opened(reply.body)
    assert (image.format, image.size) == (kind, size)
    assert reply.headers["Content-Type"] == f"image/{kind.lower()}"
    suffix = "jpg" if kind == "JPEG" else kind.lower()
    assert reply.headers["Content-Disposition"].endswith(f'.{suffix}"')
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("w=0", "w"), ("w=4097", "w"), ("w=1.5", "w"), ("w=-1", "w"), ("w=", "w"), ("w=a", "w"), ("w=1&w=2", "w"),
        ("h=5000", "h"), ("fit=stretch", "fit"), ("format=gif", "format"), ("format=bmp", "format"), ("q=0", "q"),
        ("q=101", "q"),
    ],
)  # fmt: skip
async def test_a_parameter_that_means_nothing_is_422_and_named(rest: RestClient, query: str, parameter: str) -> None:
    await taken(rest, ("a.jpg", JPEG))
    reply = await shown(rest, query=query)
    assert refused(reply) == (422, "bad-wish")
    assert reply.problem["parameter"] == parameter


@pytest.mark.parametrize("name", ["a.png", "a%00.jpg", "%ff.jpg", "A.JPG", "a" * 400, "tusserver.db"])
async def test_a_name_that_no_image_has_is_404(rest: RestClient, name: str) -> None:
    await taken(rest, ("a.jpg", JPEG))
    assert refused(await shown(rest, name)) == (404, "upload-not-found")


async def test_what_is_made_of_an_image_stands_upright_and_tells_no_place(rest: RestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    made = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(made, "JPEG", exif=exif)
    (one,) = await taken(rest, ("a.jpg", made.getvalue()))
    assert (one["width"], one["height"]) == (20, 40)
    small = opened((await shown(rest, query="h=20")).body)
    assert small.size == (10, 20)
    assert dict(small.getexif()) == {}
    assert (await shown(rest)).body == made.getvalue()


async def test_a_derived_image_is_made_once_for_all_who_ask_at_the_same_time(rest: RestClient, tmp_path: Path) -> None:
    await taken(rest, ("a.jpg", JPEG))
    replies = await asyncio.gather(*(shown(rest, query="w=100") for _ in range(100)))
    assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
    (one,) = [path for path in tmp_path.rglob("*.100x0.*") if path.is_file()]
    assert one.stat().st_size == len(replies[0].body)


async def test_an_image_that_is_removed_by_any_door_is_shown_no_more(rest: RestClient, tmp_path: Path) -> None:
    one, two = await taken(rest, ("a.jpg", JPEG), ("b.jpg", JPEG))
    for name in ("a.jpg", "b.jpg"):
        assert (await shown(rest, name, "w=100")).status == 200
    assert (await rest.send("DELETE", "/api/images/a.jpg")).status == 204
    assert (await rest.tus.send("DELETE", f"/files/{two['upload_id']}")).status == 204
    for name in ("a.jpg", "b.jpg"):
        for query in ("", "w=100"):
            assert refused(await shown(rest, name, query)) == (404, "upload-not-found")

    async def is_tidy() -> bool:
        return not [path for path in tmp_path.rglob("*.100x0.*") if path.is_file()]

    await until(is_tidy)
    assert refused(await rest.send("GET", f"/files/{one['upload_id']}")) == (404, "upload-not-found")


async def private(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> dict[str, RestClient]:
    owners = await owners_of(aiohttp_client, folder, images=Previews.PRIVATE, **chosen)
    return {**owners, "nobody": RestClient(owners["ann"].tus)}


async def test_previews_are_public_where_uploads_need_a_token(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    (one,) = await taken(ann, ("a.jpg", JPEG))
    nobody = RestClient(ann.tus)
    assert (await shown(nobody)).body == JPEG
    assert (await shown(nobody, query="w=20")).status == 200
    assert refused(await nobody.send("GET", f"/files/{one['upload_id']}")) == (401, "token-needed")


async def test_private_previews_are_for_those_who_may_read_the_upload(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    people = await private(aiohttp_client, tmp_path)
    (one,) = await taken(people["ann"], ("a.jpg", JPEG))
    for query in ("", "w=20"):
        reply = await shown(people["ann"], query=query)
        assert (reply.status, reply.headers["Cache-Control"]) == (200, "private, no-cache")
        foreign = await shown(people["bo"], query=query)
        assert refused(foreign) == (404, "upload-not-found")
        assert one["upload_id"] not in str(foreign.problem)
        assert foreign.problem == (await shown(people["bo"], "none.jpg", query)).problem
        for name in ("a.jpg", "none.jpg"):
            assert refused(await shown(people["nobody"], name, query)) == (401, "token-needed")


async def test_the_cookie_of_the_page_opens_private_previews(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    people = await private(aiohttp_client, tmp_path)
    await taken(people["ann"], ("a.jpg", JPEG))
    text = people["ann"].headers["Authorization"].removeprefix("Bearer ")
    assert (await shown(people["nobody"], Cookie=f"tusserver_token={text}")).body == JPEG
    reply = await people["nobody"].send("DELETE", "/api/images/a.jpg", Cookie=f"tusserver_token={text}")
    assert refused(reply) == (401, "token-needed")


async def test_private_previews_of_an_open_server_are_for_everybody(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, images=Previews.PRIVATE)
    await taken(rest, ("a.jpg", JPEG))
    assert (await shown(rest)).body == JPEG


async def test_what_came_as_gif_is_shown_as_gif_and_made_smaller_as_png(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, allowed_extensions=frozenset({"gif"}))
    await taken(rest, ("a.gif", picture("GIF", (40, 20))))
    assert (await shown(rest, "a.gif")).headers["Content-Type"] == "image/gif"
    small = await shown(rest, "a.gif", "w=20")
    assert (opened(small.body).format, small.headers["Content-Type"]) == ("PNG", "image/png")
    assert small.headers["Content-Disposition"] == 'inline; filename="a.gif.png"'


async def test_a_page_of_another_origin_may_show_and_read_it(rest: RestClient) -> None:
    await taken(rest, ("a.jpg", JPEG))
    reply = await shown(rest, Origin="https://example.com")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    preflight = await rest.send("OPTIONS", "/uploads/a.jpg", Origin="https://example.com")
    assert preflight.status == 204


@pytest.mark.parametrize(
    "path", ["/files", "/status", "/download/pictures", "/api/images", "/static/pictures", "/links"]
)
def test_a_path_for_images_where_another_route_would_answer_stops_the_start(tmp_path: Path, path: str) -> None:
    with pytest.raises(StartError, match=f"upload_url_path: {path} "):
        make_app(Settings(upload_folder=tmp_path, upload_url_path=path))


async def test_images_may_be_shown_under_a_path_of_any_depth(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, upload_url_path="/media/pictures/2026")
    (one,) = await taken(rest, ("a.jpg", JPEG))
    assert one["preview_url"].endswith("/media/pictures/2026/a.jpg")
    assert (await rest.send("GET", "/media/pictures/2026/a.jpg")).body == JPEG


async def test_an_upload_waits_for_nobody_who_only_wants_to_see(rest: RestClient) -> None:
    await taken(rest, ("a.jpg", noise("JPEG", (2000, 1500))))
    looking = [asyncio.create_task(shown(rest, query=f"w={width}")) for width in range(1, 91)]
    await asyncio.wait(looking, return_when=asyncio.FIRST_COMPLETED)
    assert len(await taken(rest, ("b.png", PNG))) == 1
    assert sum(not task.done() for task in looking) > 30
    statuses = [reply.status for reply in await asyncio.gather(*looking)]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) >= 64


async def test_a_server_below_a_prefix_shows_its_images_there(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "uploads"), prefix="/transfer")
    rest = RestClient(TusClient(await aiohttp_client(app)))
    (one,) = said(await rest.send("POST", "/transfer/api/upload", form(("a.jpg", JPEG))))["data"]
    assert one["preview_url"].endswith("/transfer/uploads/a.jpg")
    assert (await rest.send("GET", "/transfer/uploads/a.jpg?w=20")).status == 200
