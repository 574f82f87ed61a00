"""`POST /upload/complete`: what it confirms, and what it refuses."""

from __future__ import annotations

import hashlib

import pytest

from tests.rest_client import RestClient, refused, said
from tests.tus_client import TusClient

HELLO = b"hello"
WRONG = "sha256:" + "00" * 32


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


async def test_complete_gives_a_size_to_what_had_none(rest: RestClient) -> None:
    await rest.begun("a")
    assert said(await rest.chunk("a", 0, HELLO))["size"] is None
    assert said(await rest.complete("a")) == {
        "filename": "a",
        "status": "complete",
        "size": 5,
        "download_url": "/download/a",
    }


async def test_complete_said_twice_is_answered_twice_the_same(rest: RestClient) -> None:
    await rest.begun("a", 5)
    await rest.chunk("a", 0, HELLO)
    digest = sha256(HELLO)
    first, second = [await rest.complete("a", checksum=digest) for _ in range(2)]
    assert (first.status, first.body) == (second.status, second.body)
    assert said(first)["sha256"] == digest.removeprefix("sha256:")


async def test_complete_tells_the_digest_that_was_given_at_start(rest: RestClient) -> None:
    await rest.begun("a", 5, checksum=sha256(HELLO))
    await rest.chunk("a", 0, HELLO)
    assert said(await rest.complete("a"))["sha256"] == sha256(HELLO).removeprefix("sha256:")


async def test_complete_with_bytes_missing_tells_how_many_there_are(rest: RestClient) -> None:
    await rest.begun("a", 10)
    await rest.chunk("a", 0, HELLO)
    reply = await rest.complete("a")
    assert refused(reply) == (409, "upload-incomplete")
    assert (reply.problem["offset"], reply.problem["size"]) == (5, 10)


async def test_complete_with_another_checksum_makes_the_upload_fail(rest: RestClient) -> None:
    await rest.begun("a", 5)
    await rest.chunk("a", 0, HELLO)
    assert refused(await rest.complete("a", checksum=WRONG)) == (422, "checksum-mismatch")
    assert (await rest.status("a"))["status"] == "failed"
    assert refused(await rest.send("GET", "/download/a")) == (410, "upload-failed")
    assert refused(await rest.complete("a")) == (410, "upload-failed")
    assert refused(await rest.chunk("a", 0, HELLO)) == (410, "upload-failed")


async def test_the_address_of_a_file_that_a_fixed_path_hides_is_its_own(rest: RestClient) -> None:
    path = await rest.begun("partial/a", 0)
    assert said(await rest.complete("partial/a"))["download_url"] == path
    assert (await rest.send("GET", path)).status == 200
