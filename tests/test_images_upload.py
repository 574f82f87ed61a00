"""`POST /api/upload`: what is taken, what is told of it, and what is refused with which facts."""

from __future__ import annotations

import asyncio
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pytest_aiohttp import AiohttpClient

from tests.image_client import END, FORM, JPEG, PNG, file, listed, part, sent, server_of, taken
from tests.pictures import form, jpeg_of, noise, opened, picture
from tests.rest_client import RestClient, refused, said
from tests.test_access_doors import stored
from tests.tus_client import TusClient


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


async def test_every_field_of_the_answer_is_told_of_each_file(rest: RestClient) -> None:
    reply = await sent(rest, ("one.png", PNG), ("two.jpg", JPEG))
    assert said(reply)["message"] == "Successfully uploaded 2 files"
    one, two = said(reply)["data"]
    base = f"http://127.0.0.1:{rest.tus.client.port}/uploads"
    assert one == {
        "stored_filename": "one.png",
        "preview_url": f"{base}/one.png",
        "original_filename": "one.png",
        "file_size": len(PNG),
        "content_type": "image/png",
        "upload_id": one["upload_id"],
        "width": 8,
        "height": 6,
        "thumbnail_url": f"{base}/one.png?w=320",
    }
    assert (two["content_type"], two["width"], two["height"]) == ("image/jpeg", 40, 20)


async def test_of_one_file_the_message_says_file(rest: RestClient) -> None:
    assert said(await sent(rest, ("one.png", PNG)))["message"] == "Successfully uploaded 1 file"


@pytest.mark.parametrize("field", ["files", "file", "files[]"])
async def test_the_part_may_be_called_as_people_call_it(rest: RestClient, field: str) -> None:
    assert (await rest.send("POST", "/api/upload", form(("one.png", PNG), field=field))).status == 200


async def test_an_image_is_an_upload_like_any_other(rest: RestClient) -> None:
    (one,) = await taken(rest, ("one.png", PNG))
    path = f"/files/{one['upload_id']}"
    assert await rest.tus.offset(path) == len(PNG)
    reply = await rest.tus.get(path)
    assert (reply.body, reply.headers["Content-Type"]) == (PNG, "image/png")
    assert (await rest.send("GET", "/download/one.png")).body == PNG
    (status,) = await listed(rest)
    assert (status["status"], status["size"], status["content_type"]) == ("complete", len(PNG), "image/png")


async def test_addresses_begin_with_the_public_one_where_that_is_known(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, base_url="https://img.example.com/x/", upload_url_path="/pics")
    (one,) = await taken(rest, ("one.png", PNG))
    assert one["preview_url"] == "https://img.example.com/x/pics/one.png"
    assert (await rest.send("GET", "/pics/one.png")).body == PNG


async def test_addresses_begin_with_what_a_named_proxy_says(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    told = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "img.example.com"}
    direct = await server_of(aiohttp_client, tmp_path / "direct")
    reply = await direct.send("POST", "/api/upload", form(("one.png", PNG)), **told)
    assert said(reply)["data"][0]["preview_url"].startswith("http://127.0.0.1:")
    proxied = await server_of(aiohttp_client, tmp_path / "proxied", trusted_proxies=(ip_network("127.0.0.1"),))
    reply = await proxied.send("POST", "/api/upload", form(("one.png", PNG)), **told)
    assert said(reply)["data"][0]["preview_url"] == "https://img.example.com/uploads/one.png"


@pytest.mark.parametrize(
    ("name", "original", "stored_as"),
    [
        ("My photo (1).PNG", "My photo (1).PNG", "My_photo_1_.png"),
        ("../../etc/a.png", "etc/a.png", "a.png"),
        ("C:\\Users\\ann\\a.png", "C:/Users/ann/a.png", "a.png"),
        ("a\0b.png", "ab.png", "a_b.png"),
        ("\u202egnp.exe.png", "gnp.exe.png", "_gnp.exe.png"),
        ("Größe 日本.png", "Größe 日本.png", "Größe_日本.png"),
        ("a" * 300 + ".png", "a" * 300 + ".png", "a" * 146 + ".png"),
    ],
)
async def test_a_name_is_made_safe_and_the_image_is_found_by_it(
    rest: RestClient, name: str, original: str, stored_as: str
) -> None:
    body = part("files", PNG, f"; filename*=UTF-8''{quote(name, safe='')}") + END
    (one,) = said(await rest.send("POST", "/api/upload", body, Content_Type=FORM))["data"]
    assert (one["original_filename"], one["stored_filename"]) == (original, stored_as)
    async with rest.tus.session.get(one["preview_url"]) as answer:
        assert (answer.status, await answer.read()) == (200, PNG)


async def test_a_name_that_is_taken_gets_a_short_random_end(rest: RestClient) -> None:
    first, second = await taken(rest, ("a.png", PNG), ("a.png", picture("PNG", (9, 9))))
    assert first["stored_filename"] == "a.png"
    assert second["stored_filename"].startswith("a-")
    assert len(second["stored_filename"]) == len("a-1234567.png")
    assert (await rest.send("GET", f"/uploads/{second['stored_filename']}")).body == picture("PNG", (9, 9))


async def test_twenty_files_of_one_name_at_once_get_twenty_names(rest: RestClient) -> None:
    found = await asyncio.gather(*(taken(rest, ("a.png", PNG)) for _ in range(20)))
    names = [one["stored_filename"] for (one,) in found]
    assert len(set(names)) == 20
    assert "a.png" in names


NONE = [
    pytest.param(None, None, id="no body"),
    pytest.param(b"{}", "application/json", id="JSON"),
    pytest.param(b"a=b", "application/x-www-form-urlencoded", id="a form of another kind"),
    pytest.param(END, FORM, id="an empty form"),
    pytest.param(part("files", b"", '; filename=""') + END, FORM, id="a form in which nobody chose a file"),
    pytest.param(part("album", b"holiday") + END, FORM, id="a form with a field"),
]


@pytest.mark.parametrize(("body", "kind"), NONE)
async def test_a_request_without_a_file_is_406(rest: RestClient, body: bytes | None, kind: str | None) -> None:
    headers = {} if kind is None else {"Content_Type": kind}
    assert refused(await rest.send("POST", "/api/upload", body, **headers)) == (406, "no-files")
    assert await listed(rest) == []


REFUSED = [
    ("a.gif", picture("GIF"), (415, "extension-not-allowed")),
    ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", (415, "extension-not-allowed")),
    ("a", PNG, (415, "extension-not-allowed")),
    ("..", PNG, (415, "extension-not-allowed")),
    ("a.png.exe", PNG, (415, "extension-not-allowed")),
    ("a.png", b"", (415, "not-an-image")),
    ("a.png", b"hello", (415, "not-an-image")),
    ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>" * 9, (415, "not-an-image")),
    ("a.png", JPEG, (415, "not-an-image")),
    ("a.jpg", PNG, (415, "not-an-image")),
    ("a.png", noise("PNG", (64, 64))[:-2000], (415, "not-an-image")),
    ("a.jpg", noise("JPEG", (64, 64))[:-500], (415, "not-an-image")),
]


@pytest.mark.parametrize(("name", "data", "why"), REFUSED, ids=range(len(REFUSED)))
async def test_a_file_that_is_no_image_of_its_name_is_415(
    rest: RestClient, tmp_path: Path, name: str, data: bytes, why: tuple[int, str]
) -> None:
    reply = await sent(rest, (name, data))
    assert refused(reply) == why
    if why[1] == "extension-not-allowed":
        assert reply.problem["allowed"] == ["jpeg", "jpg", "png", "webp"]
    assert await listed(rest) == []
    assert stored(tmp_path) == []


async def test_the_operator_chooses_the_extensions(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, allowed_extensions=frozenset({"gif"}))
    assert [one["content_type"] for one in await taken(rest, ("a.gif", picture("GIF")))] == ["image/gif"]
    assert refused(await sent(rest, ("a.png", PNG))) == (415, "extension-not-allowed")


@pytest.mark.parametrize(
    ("chosen", "measure", "limit"),
    [({"image_max_size": 9_000}, "bytes", 9_000), ({"image_max_pixels": 1_000}, "pixels", 1_000)],
)
async def test_an_image_past_a_limit_is_413_and_tells_the_limit(
    aiohttp_client: AiohttpClient, tmp_path: Path, chosen: dict[str, int], measure: str, limit: int
) -> None:
    rest = await server_of(aiohttp_client, tmp_path, **chosen)
    reply = await sent(rest, ("a.jpg", noise("JPEG", (200, 100))))
    assert refused(reply) == (413, "image-too-large")
    assert (reply.problem["measure"], reply.problem["limit"]) == (measure, limit)
    assert stored(tmp_path) == []


async def test_an_image_of_exactly_the_largest_size_is_taken(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_max_size=9_000)
    assert [one["file_size"] for one in await taken(rest, ("a.jpg", jpeg_of(9_000)))] == [9_000]
    assert refused(await sent(rest, ("a.jpg", jpeg_of(9_001)))) == (413, "image-too-large")


async def test_an_image_is_held_to_the_limit_of_every_upload_too(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, max_size=9_000)
    assert [one["file_size"] for one in await taken(rest, ("a.jpg", jpeg_of(9_000)))] == [9_000]
    reply = await sent(rest, ("a.jpg", jpeg_of(9_001)))
    assert refused(reply) == (413, "too-large")
    assert reply.problem["max_size"] == 9_000


async def test_a_compressed_form_is_refused(rest: RestClient) -> None:
    reply = await rest.send("POST", "/api/upload", file(PNG) + END, Content_Type=FORM, Content_Encoding="gzip")
    assert refused(reply) == (415, "encoded-body")


async def test_what_is_optimised_is_stored_anew(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_optimise=True)
    data = jpeg_of(50_000)
    (one,) = await taken(rest, ("a.jpg", data))
    assert one["file_size"] < 5_000
    reply = await rest.send("GET", "/uploads/a.jpg")
    assert len(reply.body) == one["file_size"]
    assert opened(reply.body).format == "JPEG"
    assert (await rest.tus.get(f"/files/{one['upload_id']}")).body == reply.body


async def test_what_cannot_be_made_smaller_stays_as_it_is(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    rest = await server_of(aiohttp_client, tmp_path, image_optimise=True)
    data = picture("WEBP", (16, 16), lossless=True)
    await taken(rest, ("a.webp", data))
    assert (await rest.send("GET", "/uploads/a.webp")).body == data


async def test_parts_in_any_pieces_are_the_same_images(rest: RestClient) -> None:
    body = file(PNG) + file(JPEG, "b.jpg") + END

    async def pieces() -> Any:
        for start in range(0, len(body), 7):
            yield body[start : start + 7]

    assert len(said(await rest.send("POST", "/api/upload", pieces(), Content_Type=FORM))["data"]) == 2
    assert (await rest.send("GET", "/uploads/b.jpg")).body == JPEG


async def test_a_name_that_is_no_text_is_made_one(rest: RestClient) -> None:
    body = part("files", PNG, '; filename="x.png"').replace(b"x.png", b"\xff\xfe.png") + END
    (one,) = said(await rest.send("POST", "/api/upload", body, Content_Type=FORM))["data"]
    assert (one["original_filename"], one["stored_filename"]) == (".png", "_.png")


@pytest.mark.parametrize(
    "told", ['filename="ä 日本.png"', "filename=\"a.png\"; filename*=UTF-8''%C3%A4%20%E6%97%A5%E6%9C%AC.png"]
)
async def test_a_name_of_any_script_is_read_as_browsers_and_as_programs_send_it(rest: RestClient, told: str) -> None:
    reply = await rest.send("POST", "/api/upload", part("files", PNG, f"; {told}") + END, Content_Type=FORM)
    assert said(reply)["data"][0]["original_filename"] == "ä 日本.png"
