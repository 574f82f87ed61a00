"""What strangers and guests try at the doors that ask who comes."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
from pytest_aiohttp import AiohttpClient
from yarl import URL

from tests.rest_client import RestClient, owners_of, refused, said, token
from tests.tus_client import STREAM
from tusserver.web import links


@pytest.mark.parametrize(
    "id",
    [
        "%2F%2Fevil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "%5C%5Cevil.example",
        "%2F%2Fa%0D%0AX-Own:%20b",
    ],
)
async def test_the_address_of_a_link_leads_to_no_other_site(
    aiohttp_client: AiohttpClient, tmp_path: Path, id: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    address = URL(f"/links/{id}", encoded=True)
    async with ann.tus.client.get(address, headers={"Accept": "text/html"}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers.get("Location")) == (404, None)


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/upload/start", "application/json", b'{"filename": "a", "\\ud800": 1}'),
        (
            "/upload/chunk",
            "multipart/form-data; boundary=B",
            b'--B\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--B--\r\n',
        ),
    ],
)
async def test_a_name_that_is_no_text_is_told_of_without_a_failure(
    aiohttp_client: AiohttpClient, tmp_path: Path, path: str, content_type: str, body: bytes
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    assert refused(await ann.send("POST", path, body, Content_Type=content_type)) == (422, "bad-field")


@pytest.mark.parametrize(
    "wish",
    [{"announce": "http://["}, {"announce": "http://a/\ud800"}, {"announce": "http://a/\r\nX: y"}, {"types": ""}],
)
async def test_a_link_that_cannot_be_read_is_refused(
    aiohttp_client: AiohttpClient, tmp_path: Path, wish: dict[str, str]
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    assert refused(await ann.post("/links", wish)) == (422, "bad-link")


@pytest.mark.parametrize("path", ["/upload/start", "/upload/chunk", "/upload/complete", "/links"])
async def test_a_document_that_stops_arriving_is_given_up(
    aiohttp_client: AiohttpClient, tmp_path: Path, path: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path, read_timeout=0.2))["ann"]

    async def slowly() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(3)
        yield b"}"

    reply = await ann.send("POST", path, slowly(), Content_Type="application/json")
    assert refused(reply) == (503, "body-stalled")


async def test_a_document_of_nothing_but_members_is_refused_unread(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    body = b'{"data": [' + b"{}," * 1_000_000 + b"{}]}"
    reply = await ann.send("POST", "/upload/chunk", body, Content_Type="application/json")
    assert (*refused(reply), reply.problem["detail"]) == (422, "bad-json", "it has too many members")


@pytest.mark.parametrize("size", [10, 20])
async def test_the_owners_chunks_do_not_go_where_somebody_sends_by_a_link(
    aiohttp_client: AiohttpClient, tmp_path: Path, size: int
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    address = await ann.begun("plan.txt", 10)
    await ann.chunk("plan.txt", 0, b"hello")
    link = said(await ann.post("/links", {}))["upload_url"]
    name = base64.b64encode(b"plan.txt").decode()
    sent = await ann.tus.send("POST", link, {"Upload-Length": str(size), "Upload-Metadata": f"filename {name}"})
    assert sent.status == 201
    again = await ann.start("plan.txt", 10)
    assert (again.status, again.headers["Location"], said(again)["offset"]) == (200, address, 5)
    assert said(await ann.chunk("plan.txt", 1, b"world"))["offset"] == 10
    assert (await ann.complete("plan.txt")).status == 200
    assert await ann.tus.offset(sent.headers["Location"]) == 0


@pytest.mark.parametrize("key", ["a,b", "a eA==,relativePath", "", "ä", "a b"])
async def test_metadata_names_no_more_than_its_keys(aiohttp_client: AiohttpClient, tmp_path: Path, key: str) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    assert refused(await ann.start("a", 5, metadata={key: "x"})) == (422, "bad-field")
    assert (await ann.send("GET", "/status/a")).status == 404


async def test_what_is_finished_is_taken_back_neither_by_a_guest_nor_by_an_old_token(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {}))["upload_url"]
    path = (await ann.tus.send("POST", link, {"Upload-Length": "5"})).headers["Location"]
    unfinished = (await ann.tus.send("POST", link, {"Upload-Length": "5"})).headers["Location"]
    assert (await ann.tus.patch(path, 0, b"hello")).status == 204
    assert refused(await ann.tus.send("DELETE", path)) == (401, "token-needed")
    assert (await ann.tus.send("DELETE", unfinished)).status == 204
    await ann.start("a", 0)
    own = (await ann.status("a"))["upload_url"]
    old = RestClient(ann.tus, Authorization=f"Bearer {token('ann', began=-60, lasts=-1)}", Tus_Resumable="1.0.0")
    assert refused(await old.send("DELETE", own)) == (401, "bad-token")
    for finished in (path, own):
        assert (await ann.send("DELETE", finished, Tus_Resumable="1.0.0")).status == 204


async def test_removing_a_link_lifts_no_limit_of_what_was_begun_by_it(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {"max_size": 10}))["upload_url"]
    path = (await ann.tus.send("POST", link, {"Upload-Defer-Length": "1"})).headers["Location"]
    told = (await ann.tus.send("POST", link, {"Upload-Length": "10"})).headers["Location"]
    assert (await ann.tus.patch(path, 0, b"hello")).status == 204
    assert (await ann.send("DELETE", link.rstrip("/"))).status == 204
    assert refused(await ann.tus.patch(path, 5, bytes(100))) == (413, "too-large")
    assert refused(await ann.tus.patch(path, 5, b"", Upload_Length="100")) == (413, "too-large")
    assert (await ann.tus.patch(path, 5, b"", Upload_Length="5")).status == 204
    assert (await ann.tus.patch(told, 0, bytes(10))).status == 204


async def test_the_largest_size_of_a_link_holds_for_what_is_joined_by_it(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {"max_size": 10}))["upload_url"]
    stream = {"Content-Type": "application/offset+octet-stream"}
    parts = []
    for _ in range(2):
        fields = {"Upload-Length": "10", "Upload-Concat": "partial"}
        parts.append((await ann.tus.send("POST", link, fields | stream, b"0123456789")).headers["Location"])
    assert (await ann.tus.send("POST", link, {"Upload-Concat": f"final;{parts[0]}"})).status == 201
    reply = await ann.tus.send("POST", link, {"Upload-Concat": f"final;{' '.join(parts)}"})
    assert (reply.status, reply.problem["code"]) == (413, "too-large")


async def test_what_comes_by_a_link_hides_nothing_of_the_owners(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    link = said(await ann.post("/links", {}))["upload_url"]
    sent = STREAM | {"Upload-Length": "5", "Upload-Metadata": "filename YQ=="}

    async def downloaded() -> bytes:
        parts = await ann.send("GET", "/download/partial/a", Range="bytes=0-4")
        whole = await ann.send("GET", "/download/a")
        assert (whole.status, parts.status, parts.body) == (200, 206, whole.body)
        return whole.body

    assert (await ann.tus.send("POST", link, sent, b"first")).status == 201
    assert await downloaded() == b"first"
    assert (await ann.start("a", 5, overwrite=True)).status == 201
    assert await downloaded() == b"first"
    await ann.chunk("a", 0, b"owned")
    made = await ann.tus.send("POST", link, sent, b"later")
    assert made.status == 201
    assert await downloaded() == b"owned"
    # The status is that of the newest, and what came by the link is read at its own address.
    assert (await ann.status("a"))["upload_url"] == made.headers["Location"]
    assert (await ann.send("GET", made.headers["Location"])).body == b"later"


async def test_an_owner_has_no_more_links_than_allowed(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_LINKS", 3)
    owners = await owners_of(aiohttp_client, tmp_path)
    made = await asyncio.gather(*(owners["ann"].post("/links", {}) for _ in range(10)))
    refusals = [reply for reply in made if reply.status != 201]
    assert len(refusals) == 7
    assert {(*refused(reply), reply.problem["most"]) for reply in refusals} == {(409, "too-many-links", 3)}
    assert len(said(await owners["ann"].send("GET", "/links"))["links"]) == 3
    assert (await owners["bo"].post("/links", {})).status == 201
    gone = next(said(reply)["upload_url"] for reply in made if reply.status == 201)
    assert (await owners["ann"].send("DELETE", gone.rstrip("/"))).status == 204
    assert (await owners["ann"].post("/links", {})).status == 201


@pytest.mark.parametrize("name", ["invoice\u202egpj.exe", "a\u2066b"])
async def test_a_name_that_shows_another_end_is_refused_everywhere(
    aiohttp_client: AiohttpClient, tmp_path: Path, name: str
) -> None:
    ann = (await owners_of(aiohttp_client, tmp_path))["ann"]
    replies = [await ann.start(name, 5), await ann.chunk(name, 0, b"hello"), await ann.complete(name)]
    replies += [await ann.send("GET", f"/{route}/{quote(name)}") for route in ("status", "download")]
    assert [refused(reply) for reply in replies] == [(422, "bad-filename")] * 5
