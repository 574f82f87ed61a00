"""Uploads by chunks in plain REST: the fields, the order of the chunks, and every refusal with its facts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import datetime
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, refused, said
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.settings import Settings

FORMS = ("json", "multipart", "raw")
HELLO = b"hello"
WRONG = "sha256:" + "00" * 32


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


async def test_start_tells_what_a_client_needs_and_nothing_else(rest: RestClient) -> None:
    reply = await rest.start("largefile.zip", 100_000_000)
    told = said(reply)
    assert reply.status == 201
    assert list(told) == ["upload_id", "filename", "size", "offset", "chunk_size", "status", "upload_url", "expires_at"]
    assert reply.headers["Location"] == told["upload_url"] == f"/files/{told['upload_id']}"
    assert datetime.fromisoformat(told["expires_at"]).tzinfo is not None
    rest_of_it = {key: told[key] for key in ("filename", "size", "offset", "chunk_size", "status")}
    assert rest_of_it == {
        "filename": "largefile.zip",
        "size": 100_000_000,
        "offset": 0,
        "chunk_size": 8 * 1024 * 1024,
        "status": "pending",
    }


async def test_start_again_with_the_same_size_goes_on(rest: RestClient) -> None:
    path = await rest.begun("a", 10)
    await rest.chunk("a", 0, HELLO)
    reply = await rest.start("a", 10)
    assert (reply.status, reply.headers["Location"]) == (200, path)
    assert (said(reply)["offset"], said(reply)["status"]) == (5, "partial")


async def test_start_again_without_a_size_goes_on_where_none_is_known(rest: RestClient) -> None:
    path = await rest.begun("a")
    assert (await rest.start("a")).headers["Location"] == path


@pytest.mark.parametrize(("first", "second"), [(10, 11), (10, None), (None, 10)])
async def test_start_with_another_size_is_refused_with_where_the_first_stands(
    rest: RestClient, first: int | None, second: int | None
) -> None:
    path = await rest.begun("a", first)
    await rest.chunk("a", 0, HELLO)
    reply = await rest.start("a", second)
    assert refused(reply) == (409, "filename-in-use")
    assert reply.problem["offset"] == 5
    assert reply.problem.get("size") == first
    assert path.endswith(reply.problem["upload_id"])


async def test_start_with_another_checksum_is_refused(rest: RestClient) -> None:
    await rest.begun("a", 5, checksum=sha256(HELLO))
    assert refused(await rest.start("a", 5, checksum=WRONG)) == (409, "filename-in-use")
    assert (await rest.start("a", 5, checksum=sha256(HELLO))).status == 200
    assert (await rest.start("a", 5)).status == 200


async def test_a_checksum_told_when_starting_again_is_verified(rest: RestClient) -> None:
    await rest.begun("a", 5)
    assert (await rest.start("a", 5, checksum=WRONG)).status == 200
    assert refused(await rest.chunk("a", 0, HELLO)) == (422, "checksum-mismatch")
    assert (await rest.status("a"))["status"] == "failed"


async def test_a_finished_name_is_in_use_until_its_replacement_is_complete(rest: RestClient) -> None:
    old = await rest.begun("a", 5)
    await rest.chunk("a", 0, HELLO)
    reply = await rest.start("a", 5)
    assert refused(reply) == (409, "filename-in-use")
    new = await rest.begun("a", 5, overwrite=True)
    assert new != old
    assert (await rest.status("a"))["status"] == "pending"
    assert (await rest.send("GET", "/download/a")).body == HELLO
    await rest.chunk("a", 0, b"world")
    assert (await rest.send("GET", "/download/a")).body == b"world"
    assert refused(await rest.send("GET", old)) == (404, "upload-not-found")


async def test_overwriting_an_unfinished_upload_ends_it(rest: RestClient) -> None:
    old = await rest.begun("a", 10)
    await rest.chunk("a", 0, HELLO)
    new = await rest.begun("a", 10, overwrite=True)
    assert (await rest.tus.send("HEAD", old)).status == 404
    assert (await rest.status("a"))["offset"] == 0
    await rest.chunk("a", 0, HELLO)
    # The same wish again is that of a client which goes on.
    again = await rest.start("a", 10, overwrite=True)
    assert (again.status, again.headers["Location"], said(again)["offset"]) == (200, new, 5)


async def test_what_is_refused_at_start_ends_nothing(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", max_size=100)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("a", 10)
    await rest.chunk("a", 0, HELLO)
    assert refused(await rest.start("a", 1000, overwrite=True)) == (413, "too-large")
    assert (await rest.status("a"))["offset"] == 5


async def test_after_a_failure_start_makes_a_new_upload(rest: RestClient) -> None:
    failed = await rest.begun("a", 5, checksum=WRONG)
    assert refused(await rest.chunk("a", 0, HELLO)) == (422, "checksum-mismatch")
    assert (await rest.status("a"))["status"] == "failed"
    assert refused(await rest.send("GET", "/download/a")) == (410, "upload-failed")
    assert await rest.begun("a", 5, checksum=sha256(HELLO)) != failed


async def test_starts_side_by_side_make_one_upload(rest: RestClient) -> None:
    replies = await asyncio.gather(*(rest.start("a", 10) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [200] * 19 + [201]
    assert len({reply.headers["Location"] for reply in replies}) == 1


async def test_a_tus_client_sees_what_was_told_at_start(rest: RestClient) -> None:
    path = await rest.begun("ü/a.txt", 5, content_type="text/plain; charset=utf-8", metadata={"caption": "one"})
    head = await rest.tus.send("HEAD", path)
    pairs = dict(pair.split(" ") for pair in head.headers["Upload-Metadata"].split(","))
    values = {key: base64.b64decode(value).decode() for key, value in pairs.items()}
    assert values == {"caption": "one", "filename": "ü/a.txt", "filetype": "text/plain"}
    assert head.headers["Upload-Length"] == "5"


async def test_an_upload_that_a_tus_client_began_goes_on_by_its_name(rest: RestClient) -> None:
    name = base64.b64encode(b"a.bin").decode()
    path = await rest.tus.create(10, HELLO, Upload_Metadata=f"filename {name}")
    reply = await rest.start("a.bin", 10)
    assert (reply.status, reply.headers["Location"], said(reply)["offset"]) == (200, path, 5)
    assert refused(await rest.chunk("a.bin", 0, b"world")) == (409, "offset-moved")
    assert said(await rest.chunk("a.bin", 0, b"world", offset=5))["status"] == "complete"


@pytest.mark.parametrize("size", [0, 5])
async def test_an_upload_without_bytes_is_complete_at_once_and_confirmed(rest: RestClient, size: int) -> None:
    told = said(await rest.start("a", size))
    assert told["status"] == ("pending" if size else "complete")
    assert (await rest.complete("a")).status == (409 if size else 200)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({}, "bad-field", "filename"),
        ({"filename": None}, "bad-field", "filename"),
        ({"filename": 7}, "bad-field", "filename"),
        ({"filename": ""}, "bad-filename", None),
        ({"filename": "../a"}, "bad-filename", None),
        ({"filename": "a//b"}, "bad-filename", None),
        ({"filename": "a/./b"}, "bad-filename", None),
        ({"filename": "a\x00b"}, "bad-filename", None),
        ({"filename": "\ud800"}, "bad-filename", None),
        ({"filename": "ä" * 513}, "bad-filename", None),
        ({"filename": "a", "size": -1}, "bad-field", "size"),
        ({"filename": "a", "size": 1.5}, "bad-field", "size"),
        ({"filename": "a", "size": True}, "bad-field", "size"),
        ({"filename": "a", "size": "٣"}, "bad-field", "size"),
        ({"filename": "a", "size": [1]}, "bad-field", "size"),
        ({"filename": "a", "checksum": 5}, "bad-field", "checksum"),
        ({"filename": "a", "checksum": "sha256:zz"}, "bad-checksum", None),
        ({"filename": "a", "checksum": "sha256:00"}, "bad-checksum", None),
        ({"filename": "a", "checksum": "whirlpool:00"}, "bad-checksum", None),
        ({"filename": "a", "content_type": "a picture"}, "bad-field", "content_type"),
        ({"filename": "a", "metadata": "k v"}, "bad-field", "metadata"),
        ({"filename": "a", "metadata": []}, "bad-field", "metadata"),
        ({"filename": "a", "metadata": {"k": 1}}, "bad-field", "metadata"),
        ({"filename": "a", "metadata": {"k v": "1"}}, "bad-field", "metadata"),
        ({"filename": "a", "metadata": {"k": "1" * 20_000}}, "bad-field", "metadata"),
        ({"filename": "a", "overwrite": "perhaps"}, "bad-field", "overwrite"),
        ({"filename": "a", "overwrite": 1}, "bad-field", "overwrite"),
        ({"filename": "a", "checksums": "x"}, "bad-field", "checksums"),
        ([], "bad-json", None),
    ],
)
async def test_a_start_that_cannot_be_carried_out_names_its_field(
    rest: RestClient, fields: object, code: str, field: str | None
) -> None:
    reply = await rest.post("/upload/start", fields)
    assert refused(reply) == (422, code)
    assert reply.problem.get("field") == field
    assert said(await rest.send("GET", "/status"))["uploads"] == []


async def test_a_size_no_file_can_have_is_too_large(rest: RestClient) -> None:
    assert refused(await rest.start("a", 2**63)) == (413, "too-large")


async def test_names_that_look_the_same_are_the_same(rest: RestClient) -> None:
    path = await rest.begun("e\u0301", 5)
    reply = await rest.start("\u00e9", 5)
    assert (reply.status, reply.headers["Location"]) == (200, path)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("form", FORMS)
async def test_chunks_are_appended_in_order_from_0_or_1(rest: RestClient, form: str, first: int) -> None:
    await rest.begun("a b/ü.bin", 11)
    one = await rest.chunk("a b/ü.bin", first, HELLO, form, checksum=sha256(HELLO))
    assert list(said(one)) == ["filename", "chunk_index", "next_chunk_index", "offset", "size", "status"]
    assert said(one) == {
        "filename": "a b/ü.bin",
        "chunk_index": first,
        "next_chunk_index": first + 1,
        "offset": 5,
        "size": 11,
        "status": "partial",
    }
    two = said(await rest.chunk("a b/ü.bin", first + 1, b" world", form))
    assert (two["offset"], two["status"], two["next_chunk_index"]) == (11, "complete", first + 2)
    assert (await rest.send("GET", "/download/a%20b/%C3%BC.bin")).body == b"hello world"


@pytest.mark.parametrize("form", FORMS)
async def test_the_last_chunk_again_changes_nothing(rest: RestClient, form: str) -> None:
    await rest.begun("a", 15)
    await rest.chunk("a", 0, HELLO)
    first = await rest.chunk("a", 1, b"world", form)
    for again in ("json", "multipart", "raw"):
        repeated = await rest.chunk("a", 1, b"world", again)
        assert (repeated.status, repeated.body) == (200, first.body)
    assert (await rest.status("a"))["offset"] == 10
    await rest.chunk("a", 2, b"! the", form)
    done = await rest.chunk("a", 2, b"! the", form)
    assert (done.status, said(done)["status"]) == (200, "complete")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("index", "data"), [(0, HELLO), (3, b"x"), (1, b"other"), (1, b"worl"), (1, b"world!")])
async def test_another_number_or_other_bytes_are_refused_with_the_next(
    rest: RestClient, form: str, index: int, data: bytes
) -> None:
    await rest.begun("a", 15)
    await rest.chunk("a", 0, HELLO)
    await rest.chunk("a", 1, b"world")
    reply = await rest.chunk("a", index, data, form)
    assert refused(reply) == (409, "chunk-out-of-order")
    assert (reply.problem["next_chunk_index"], reply.problem["offset"]) == (2, 10)
    assert (await rest.status("a"))["offset"] == 10


@pytest.mark.parametrize("index", [2, 7])
async def test_the_first_chunk_is_0_or_1(rest: RestClient, index: int) -> None:
    await rest.begun("a", 15)
    reply = await rest.chunk("a", index, HELLO)
    assert refused(reply) == (409, "chunk-out-of-order")
    assert (reply.problem["next_chunk_index"], reply.problem["offset"]) == (0, 0)


@pytest.mark.parametrize("form", FORMS)
async def test_a_chunk_goes_by_its_offset_alone(rest: RestClient, form: str) -> None:
    await rest.begun("a", 10)
    one = said(await rest.chunk("a", None, HELLO, form, offset=0))
    assert (one["chunk_index"], one["next_chunk_index"], one["offset"]) == (0, 1, 5)
    reply = await rest.chunk("a", None, b"world", form, offset=4)
    assert refused(reply) == (409, "offset-mismatch")
    assert (reply.problem["offset"], reply.problem["next_chunk_index"]) == (5, 1)
    assert said(await rest.chunk("a", None, b"world", form, offset=5))["status"] == "complete"


@pytest.mark.parametrize("form", FORMS)
async def test_bytes_that_came_by_tus_ask_for_the_offset(rest: RestClient, form: str) -> None:
    path = await rest.begun("a", 12)
    await rest.chunk("a", 1, b"hell")
    await rest.tus.patch(path, 4, b"o wo")
    reply = await rest.chunk("a", 2, b"rld!", form)
    assert refused(reply) == (409, "offset-moved")
    assert (reply.problem["offset"], reply.problem["next_chunk_index"]) == (8, 2)
    assert said(await rest.chunk("a", 2, b"rld!", form, offset=8))["status"] == "complete"
    assert (await rest.tus.get(path)).body == b"hello world!"


@pytest.mark.parametrize("form", FORMS)
async def test_a_wrong_checksum_is_422_and_nothing_is_kept(rest: RestClient, form: str) -> None:
    big = bytes(200_000)
    await rest.begun("a", 300_000)
    await rest.chunk("a", 0, HELLO)
    for data in (b"x", big):
        reply = await rest.chunk("a", 1, data, form, checksum=WRONG)
        assert refused(reply) == (422, "checksum-mismatch")
        assert (reply.problem["offset"], reply.problem["algorithm"]) == (5, "sha256")
        assert (await rest.status("a"))["offset"] == 5
    assert said(await rest.chunk("a", 1, big, form, checksum=sha256(big)))["offset"] == 200_005


@pytest.mark.parametrize("algorithm", ["sha1", "md5", "crc32", "sha512"])
async def test_checksums_of_tus_count_here(rest: RestClient, algorithm: str) -> None:
    digests = {"crc32": "3610a686"} if algorithm == "crc32" else {}
    digest = digests.get(algorithm) or hashlib.new(algorithm, HELLO).hexdigest()
    await rest.begun("a", 10)
    assert (await rest.chunk("a", 0, HELLO, checksum=f"{algorithm}:{digest}")).status == 200
    assert refused(await rest.chunk("a", 1, b"world", checksum=f"{algorithm}:{digest}")) == (422, "checksum-mismatch")


async def test_a_raw_chunk_is_verified_by_its_content_digest(rest: RestClient) -> None:
    await rest.begun("a", 10)
    digest = base64.b64encode(hashlib.sha256(HELLO).digest()).decode()
    path = "/upload/chunk?filename=a&chunk_index={}"
    good = await rest.send("POST", path.format(0), HELLO, Content_Digest=f"unknown=:AAA=:, sha-256=:{digest}:")
    assert good.status == 200
    bad = await rest.send("POST", path.format(1), b"world", Content_Digest=f"sha-256=:{digest}:")
    assert refused(bad) == (422, "checksum-mismatch")
    unreadable = await rest.send("POST", path.format(1), b"world", Content_Digest="sha-256=:AAAA:")
    assert refused(unreadable) == (422, "bad-checksum")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("most", [6, 100_000])
async def test_past_the_size_is_413_and_nothing_is_kept(rest: RestClient, form: str, most: int) -> None:
    await rest.begun("a", 5 + most)
    await rest.chunk("a", 0, HELLO)
    reply = await rest.chunk("a", 1, bytes(most + 1), form)
    assert refused(reply) == (413, "past-length")
    assert (reply.problem["offset"], reply.problem["length"]) == (5, 5 + most)
    assert (await rest.status("a"))["offset"] == 5
    assert said(await rest.chunk("a", 1, bytes(most), form))["status"] == "complete"
    assert refused(await rest.chunk("a", 2, b"x", form)) == (413, "past-length")


async def test_past_the_largest_upload_is_413_where_no_size_is_known(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    settings = Settings(upload_folder=tmp_path / "uploads", max_size=8)
    rest = RestClient(TusClient(await aiohttp_client(make_app(settings))))
    await rest.begun("a")
    await rest.chunk("a", 0, HELLO)
    assert refused(await rest.chunk("a", 1, b"worl")) == (413, "too-large")
    assert said(await rest.chunk("a", 1, b"wor"))["offset"] == 8


@pytest.mark.parametrize("act", ["chunk", "complete"])
async def test_an_unknown_name_is_404(rest: RestClient, act: str) -> None:
    reply = await (rest.chunk("nobody", 0, HELLO) if act == "chunk" else rest.complete("nobody"))
    assert refused(reply) == (404, "upload-not-found")
    assert reply.problem["filename"] == "nobody"
