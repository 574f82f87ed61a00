"""GET of an upload's own address, over HTTP."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.tus_client import TusClient

DATA = bytes(range(256)) * 40


def metadata(**values: str) -> str:
    """An `Upload-Metadata` field."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())


async def upload(tus: TusClient, data: bytes = DATA, **values: str) -> str:
    """The path of a finished upload."""
    return await tus.create(len(data), data, Upload_Metadata=metadata(**values))


async def test_a_finished_upload_is_downloaded_whole_as_an_attachment(tus: TusClient) -> None:
    path = await upload(tus, filename="Größe 日本.pdf", filetype="application/pdf")
    reply = await tus.get(path)
    assert reply.status == 200
    assert reply.body == DATA
    assert reply.headers["Content-Length"] == str(len(DATA))
    assert reply.headers["Content-Type"] == "application/pdf"
    assert reply.headers["Content-Disposition"].startswith("attachment; ")
    assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%E6%97%A5%E6%9C%AC.pdf" in reply.headers["Content-Disposition"]
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Accept-Ranges"] == "bytes"
    assert reply.headers["ETag"] == f'"{path.rpartition("/")[2]}"'


async def test_a_picture_is_shown_in_place_and_a_page_of_a_stranger_is_not(tus: TusClient) -> None:
    picture = await tus.get(await upload(tus, filename="a.png", filetype="image/png"))
    page = await tus.get(await upload(tus, filename="a.html", filetype="text/html"))
    drawing = await tus.get(await upload(tus, filename="a.svg", filetype="image/svg+xml"))
    assert picture.headers["Content-Disposition"].startswith("inline; ")
    assert page.headers["Content-Disposition"].startswith("attachment; ")
    assert drawing.headers["Content-Disposition"].startswith("attachment; ")
    assert "sandbox" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=1000-2000", 1000, 2001), ("bytes=10000-", 10000, 10240), ("bytes=-1", 10239, 10240)],
)
async def test_a_range_is_answered_with_206_and_exactly_its_bytes(
    tus: TusClient, field: str, start: int, end: int
) -> None:
    reply = await tus.get(await upload(tus), Range=field)
    assert reply.status == 206
    assert reply.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert reply.body == DATA[start:end]


async def test_a_range_behind_the_end_is_refused_with_416_and_the_length(tus: TusClient) -> None:
    reply = await tus.get(await upload(tus), Range=f"bytes={len(DATA)}-")
    assert reply.status == 416
    assert reply.headers["Content-Range"] == f"bytes */{len(DATA)}"
    assert reply.problem["code"] == "range-unsatisfiable"


async def test_if_range_with_another_tag_gives_the_whole(tus: TusClient) -> None:
    path = await upload(tus)
    same = await tus.get(path, Range="bytes=0-9", If_Range=f'"{path.rpartition("/")[2]}"')
    other = await tus.get(path, Range="bytes=0-9", If_Range='"other"')
    assert (same.status, len(same.body)) == (206, 10)
    assert (other.status, other.body) == (200, DATA)


async def test_if_none_match_with_its_tag_gives_304_without_a_body(tus: TusClient) -> None:
    path = await upload(tus)
    reply = await tus.get(path, If_None_Match=f'"{path.rpartition("/")[2]}"')
    assert (reply.status, reply.body) == (304, b"")


async def test_if_match_with_another_tag_is_refused_with_412(tus: TusClient) -> None:
    reply = await tus.get(await upload(tus), If_Match='"other"')
    assert (reply.status, reply.problem["code"]) == (412, "precondition-failed")


async def test_an_unfinished_upload_is_refused_with_409_and_says_how_far_it_is(tus: TusClient) -> None:
    path = await tus.create(100, b"x" * 40)
    reply = await tus.get(path)
    assert reply.status == 409
    assert reply.problem["code"] == "upload-incomplete"
    assert (reply.problem["offset"], reply.problem["length"]) == (40, 100)


async def test_an_empty_file_is_downloaded_with_no_bytes(tus: TusClient) -> None:
    reply = await tus.get(await tus.create(0))
    assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")


async def test_a_download_goes_on_when_the_upload_is_deleted_meanwhile(tus: TusClient) -> None:
    data = hashlib.shake_128(b"seed").digest(32 << 20)
    path = await upload(tus, data)
    async with tus.client.get(path) as answer:
        first = await answer.content.read(1000)
        assert (await tus.send("DELETE", path)).status == 204
        rest = await answer.content.read()
        assert first + rest == data
    assert (await tus.get(path)).status == 404


async def test_a_name_with_folders_is_offered_by_its_last_part(tus: TusClient) -> None:
    path = await upload(tus, relativePath="../photos/../2026/a b.txt", filename="a b.txt")
    reply = await tus.get(path)
    assert reply.headers["Content-Disposition"] == 'attachment; filename="a b.txt"'
    listed = await tus.send("GET", "/status")
    assert b"photos/2026/a b.txt" in listed.body
