"""`GET` and `POST /zip`: finished uploads as one archive."""

from __future__ import annotations

import base64
import io
import itertools
import random
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, refused
from tests.tus_client import Reply, TusClient
from tusserver.web import zip_stored

MIB = 1 << 20


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


async def stored(rest: RestClient, name: str | None, data: bytes = b"data", length: int | None = None) -> str:
    """The id of an upload with these bytes, unfinished where its length is larger."""
    headers = dict(rest.headers)
    if name is not None:
        headers["Upload-Metadata"] = f"filename {base64.b64encode(name.encode()).decode()}"
    path = await rest.tus.create(len(data) if length is None else length, data, **headers)
    return path.rpartition("/")[2]


async def get(rest: RestClient, *uploads: str, name: str | None = None, **headers: str) -> Reply:
    query = [("uploads", upload) for upload in uploads] + ([] if name is None else [("name", name)])
    return await rest.send("GET", f"/zip?{urlencode(query)}", **headers)


async def post(rest: RestClient, *uploads: str, **fields: Any) -> Reply:
    return await rest.post("/zip", {"uploads": uploads, **fields})


def files_in(reply: Reply) -> dict[str, bytes]:
    """What is in an archive, whose every CRC is right."""
    assert reply.status == 200, reply
    with zipfile.ZipFile(io.BytesIO(reply.body)) as opened:
        return {info.filename: opened.read(info) for info in opened.infolist()}


async def test_uploads_come_as_one_archive_with_their_names_and_folders(rest: RestClient) -> None:
    one = await stored(rest, "photos/2026/Größe 日本.jpg", b"first")
    two = await stored(rest, "notes.txt", b"second" * 1000)
    none = await stored(rest, None, b"no name")
    reply = await get(rest, f"{one},{two},{none}")
    assert files_in(reply) == {"photos/2026/Größe 日本.jpg": b"first", "notes.txt": b"second" * 1000, none: b"no name"}
    assert reply.headers["Content-Type"] == "application/zip"
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    assert reply.headers["Content-Disposition"] == 'attachment; filename="uploads.zip"'
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert "Last-Modified" not in reply.headers


async def test_both_methods_and_both_forms_of_a_list_give_the_same_bytes(rest: RestClient) -> None:
    ids = [await stored(rest, f"{n}.txt", b"%d" % n) for n in range(3)]
    replies = [await get(rest, ",".join(ids)), await get(rest, *ids), await post(rest, *ids)]
    assert {(reply.headers["ETag"], reply.body) for reply in replies} == {(replies[0].headers["ETag"], replies[0].body)}
    assert list(files_in(replies[0])) == ["0.txt", "1.txt", "2.txt"]
    assert list(files_in(await get(rest, ids[2], ids[0]))) == ["2.txt", "0.txt"]


async def test_a_filename_means_the_newest_finished_upload_of_it(rest: RestClient) -> None:
    await stored(rest, "a/b.txt", b"old")
    await stored(rest, "a/b.txt", b"new")
    await stored(rest, "a/b.txt", b"unfin", 10)
    assert files_in(await get(rest, "a/b.txt")) == {"a/b.txt": b"new"}
    assert files_in(await post(rest, "a/b.txt")) == {"a/b.txt": b"new"}


async def test_a_filename_with_commas_is_one_before_it_is_several(rest: RestClient) -> None:
    await stored(rest, "a,b", b"both")
    for name in "abc":
        await stored(rest, name, name.encode())
    assert files_in(await get(rest, "a,b")) == {"a,b": b"both"}
    assert files_in(await get(rest, "a,c")) == {"a": b"a", "c": b"c"}
    assert list(files_in(await get(rest, "a,b", "c,a"))) == ["a,b", "c", "a"]
    assert files_in(await post(rest, "a,b", "b")) == {"a,b": b"both", "b": b"b"}
    assert files_in(await get(rest, ",a,,b,")) == {"a": b"a", "b": b"b"}


async def test_a_filename_may_look_like_an_id(rest: RestClient) -> None:
    name = "A" * 22
    await stored(rest, name, b"its data")
    assert files_in(await get(rest, name)) == {name: b"its data"}


async def test_same_names_are_numbered_and_no_name_leads_out_of_the_folder(rest: RestClient) -> None:
    names = ["a.txt", "A.TXT", "../../a.txt", "C:\\x\\a.txt", "a.txt/b", "con.txt"]
    ids = [await stored(rest, name, b"%d" % n) for n, name in enumerate(names)]
    assert files_in(await post(rest, *ids, ids[0])) == {
        "a (2).txt": b"0",
        "A (3).TXT": b"1",
        "a (4).txt": b"2",
        "C_/x/a.txt": b"3",
        "a.txt/b": b"4",
        "_con.txt": b"5",
        "a (5).txt": b"0",
    }


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("holiday", 'filename="holiday.zip"'),
        ("Holiday.ZIP", 'filename="Holiday.ZIP"'),
        ("Größe", "filename=\"Gr__e.zip\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.zip"),
        ("a/b", 'filename="b.zip"'),
    ],
)
async def test_the_archive_has_the_name_asked_for(rest: RestClient, name: str, told: str) -> None:
    id = await stored(rest, "a")
    for reply in (await get(rest, id, name=name), await post(rest, id, name=name)):
        assert reply.headers["Content-Disposition"] == f"attachment; {told}"


# Parts of it


async def test_any_range_is_that_part_of_the_whole(rest: RestClient) -> None:
    chance = random.Random(7)
    sizes = [0, 1, 5000, MIB - 1, MIB, MIB + 1, 3 * MIB, *(chance.randrange(3000) for _ in range(300)), MIB + 9]
    ids = [await stored(rest, f"{n % 5}/{n}", chance.randbytes(size)) for n, size in enumerate(sizes)]
    reply = await post(rest, *ids)
    whole, tag = reply.body, reply.headers["ETag"]
    assert [len(data) for data in files_in(reply).values()] == sizes
    for _ in range(60):
        start = chance.randrange(len(whole))
        end = min(len(whole), start + chance.choice([1, 40, 5000, 2 * MIB, len(whole)]))
        part = await rest.send(
            "POST", "/zip", b'{"uploads": ["%s"]}' % '", "'.join(ids).encode(),
            Content_Type="application/json", Range=f"bytes={start}-{end - 1}", If_Range=tag,
        )  # fmt: skip
        assert part.status == 206
        assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
        assert part.body == whole[start:end]


async def test_conditions_are_those_of_any_file(rest: RestClient) -> None:
    id = await stored(rest, "a", b"x" * 100)
    whole = await get(rest, id)
    tag = whole.headers["ETag"]
    same = await get(rest, id, If_None_Match=tag)
    assert (same.status, same.body, same.headers["ETag"]) == (304, b"", tag)
    assert (await get(rest, id, Range="bytes=0-9", If_Range='"zip-other"')).body == whole.body
    assert (await get(rest, id, Range="bytes=-22")).body == whole.body[-22:]
    assert refused(await get(rest, id, Range="bytes=9999-")) == (416, "range-unsatisfiable")
    assert refused(await get(rest, id, If_Match='"zip-other"')) == (412, "precondition-failed")
    body = b'{"uploads": ["%s"]}' % id.encode()
    again = await rest.send("POST", "/zip", body, Content_Type="application/json", If_None_Match=tag)
    assert refused(again) == (412, "precondition-failed")
    # What a list of filenames means today may be older than what it meant yesterday.
    assert (await get(rest, id, If_Modified_Since="Fri, 01 Jan 2100 00:00:00 GMT")).status == 200


async def test_head_tells_what_get_would_send(rest: RestClient) -> None:
    id = await stored(rest, "a", b"x" * 100)
    whole = await get(rest, id)
    head = await rest.send("HEAD", f"/zip?uploads={id}", Range="bytes=0-3")
    assert (head.status, head.body) == (200, b"")
    for field in ("Content-Length", "ETag", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[field] == whole.headers[field]


async def test_the_tag_is_another_when_a_filename_means_another_upload(rest: RestClient) -> None:
    await stored(rest, "a", b"old")
    old = await get(rest, "a")
    await stored(rest, "a", b"new")
    new = await get(rest, "a")
    assert old.headers["ETag"] != new.headers["ETag"]
    assert (await get(rest, "a", Range="bytes=5-", If_Range=old.headers["ETag"])).body == new.body


# Refusals


async def test_an_unknown_upload_is_named_in_the_refusal(rest: RestClient) -> None:
    id = await stored(rest, "a")
    for wanted in ("nothing.txt", "B" * 22, "ä/ö"):
        for reply in (await get(rest, f"{id},{wanted}"), await post(rest, id, wanted)):
            assert refused(reply) == (404, "upload-not-found")
            assert reply.problem["upload"] == wanted


async def test_an_unfinished_upload_is_named_in_the_refusal_with_how_far_it_is(rest: RestClient) -> None:
    id, half = await stored(rest, "a"), await stored(rest, "half.bin", b"12345", 12)
    for wanted in (half, "half.bin"):
        reply = await get(rest, id, wanted)
        assert refused(reply) == (409, "upload-incomplete")
        assert (reply.problem["upload"], reply.problem["offset"], reply.problem["size"]) == (wanted, 5, 12)
        assert wanted in reply.problem["detail"]


async def test_a_failed_upload_is_refused_with_410(rest: RestClient) -> None:
    await rest.begun("f", 4, checksum="sha256:" + "00" * 32)
    await rest.chunk("f", 0, b"data")
    reply = await get(rest, "f")
    assert (*refused(reply), reply.problem["upload"]) == (410, "upload-failed", "f")


@pytest.mark.parametrize("query", ["", "?uploads=", "?uploads=,,", "?upload=a"])
async def test_a_request_that_names_nothing_is_refused_with_422(rest: RestClient, query: str) -> None:
    reply = await rest.send("GET", f"/zip{query}")
    assert (*refused(reply), reply.problem["field"]) == (422, "bad-field", "uploads")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "uploads"),
        ({"uploads": []}, "uploads"),
        ({"uploads": "a"}, "uploads"),
        ({"uploads": ["a", 1]}, "uploads"),
        ({"uploads": {"a": "b"}}, "uploads"),
        ({"uploads": ["a"], "name": 5}, "name"),
        ({"uploads": ["a"], "names": "a"}, "names"),
    ],
)
async def test_fields_that_cannot_be_used_are_named(rest: RestClient, fields: dict[str, Any], field: str) -> None:
    await stored(rest, "a")
    reply = await rest.post("/zip", fields)
    assert (*refused(reply), reply.problem["field"]) == (422, "bad-field", field)


@pytest.mark.parametrize("name", ["..", "a//b", "x" * 1025, "a\x01b", "\ud800"])
async def test_what_is_no_filename_is_refused_with_422(rest: RestClient, name: str) -> None:
    id = await stored(rest, "a")
    reply = await post(rest, id, name)
    assert (*refused(reply), reply.problem["upload"]) == (422, "bad-filename", name)
    assert refused(await post(rest, id, name=name)) == (422, "bad-filename")


async def test_a_body_that_is_no_json_is_refused_with_422(rest: RestClient) -> None:
    reply = await rest.send("POST", "/zip", b"uploads=a", Content_Type="application/x-www-form-urlencoded")
    assert refused(reply) == (422, "bad-json")


async def test_more_entries_than_an_archive_has_are_refused_with_413(rest: RestClient) -> None:
    reply = await post(rest, *["a"] * (zip_stored.MOST_ENTRIES + 1))
    assert refused(reply) == (413, "too-many-entries")
    assert reply.problem["most"] == 100_000


async def test_uploads_of_somebody_else_do_not_exist(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    owners = await owners_of(aiohttp_client, tmp_path)
    ann, bo, root = owners["ann"], owners["bo"], owners["root"]
    id = await stored(ann, "secret.txt", b"of ann")
    half = await stored(ann, "half.txt", b"of", 5)
    assert files_in(await get(ann, id, "secret.txt")) == {"secret.txt": b"of ann", "secret (2).txt": b"of ann"}
    for other, wanted in itertools.product((bo, root), (id, half, "secret.txt", "half.txt", f"{id},secret.txt")):
        for reply in (await get(other, wanted), await post(other, wanted)):
            assert refused(reply) == (404, "upload-not-found")
            assert "secret" not in wanted or "of" not in reply.problem
    mine = await stored(bo, "secret.txt", b"of bo")
    assert files_in(await get(bo, "secret.txt")) == {"secret.txt": b"of bo"}
    assert refused(await get(bo, mine, id)) == (404, "upload-not-found")


async def test_where_tokens_are_needed_nothing_is_told_without_one(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    id = await stored(ann, "secret.txt")
    nobody = RestClient(ann.tus)
    for wanted in (id, "secret.txt", "nothing"):
        assert refused(await get(nobody, wanted)) == (401, "token-needed")
        assert refused(await post(nobody, wanted)) == (401, "token-needed")


async def test_the_address_of_an_archive_may_be_quoted(rest: RestClient) -> None:
    await stored(rest, "a b&c,d.txt", b"x")
    assert files_in(await rest.send("GET", f"/zip?uploads={quote('a b&c,d.txt')}")) == {"a b&c,d.txt": b"x"}
