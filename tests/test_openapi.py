"""`/openapi.json` and the router say the same, both ways, and answers are what their schemas say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, owners_of, said
from tests.tus_client import TusClient
from tusserver.app import make_app, setup
from tusserver.protocol.refusals import BodyCut
from tusserver.settings import Settings
from tusserver.web import tus
from tusserver.web.openapi_problems import every_refusal

# Handlers that take every method, and those they answer otherwise than by 405.
TAKERS = {"collection": tus.COLLECTION_METHODS, "id": (*tus.UPLOAD_METHODS, "POST")}
HTTP_METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


async def document_of(rest: RestClient, prefix: str = "") -> dict[str, Any]:
    reply = await rest.send("GET", f"{prefix}/openapi.json")
    assert reply.status == 200
    return said(reply)


def routes_of(app: web.Application, prefix: str = "") -> set[tuple[str, str]]:
    """Method and path of every route; those for any method as the methods that they take."""
    found = set()
    for route in app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical.removeprefix(prefix)
        if route.method == "*":
            is_upload = path.endswith("{id}") and "/links/" not in path
            found |= {(method, path) for method in TAKERS["id" if is_upload else "collection"]}
        else:
            found.add((route.method, path))
    return found


def described_in(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if method in HTTP_METHODS
    }


@pytest.mark.parametrize("tus_path", ["/files/", "/some/where/"])
async def test_every_route_is_described_and_everything_described_is_a_route(
    aiohttp_client: AiohttpClient, tmp_path: Path, tus_path: str
) -> None:
    app = make_app(Settings(upload_folder=tmp_path / "uploads", tus_path=tus_path))
    rest = RestClient(TusClient(await aiohttp_client(app)))
    assert described_in(await document_of(rest)) == routes_of(app)


async def test_a_mounted_server_describes_its_routes_below_its_prefix(
    aiohttp_client: AiohttpClient, tmp_path: Path
) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "uploads"), prefix="/transfer")
    rest = RestClient(TusClient(await aiohttp_client(app)))
    document = await document_of(rest, "/transfer")
    assert document["servers"] == [{"url": "/transfer"}]
    assert described_in(document) == routes_of(app, "/transfer")


async def test_methods_described_are_not_answered_with_405_and_others_are(rest: RestClient) -> None:
    document = await document_of(rest)
    for path, operations in document["paths"].items():
        address = (
            path.replace("{id}", "A" * 22)
            .replace("{filename}", "a")
            .replace("{path}", "page.js")
            .replace("{stored_filename}", "a.png")
        )
        for method in HTTP_METHODS - {"options"}:
            override = {"X_HTTP_Method_Override": "PATCH"} if path == "/files/{id}" and method == "post" else {}
            reply = await rest.send(method.upper(), address, **override)
            assert (reply.status == 405) == (method not in operations), (method, path, reply.status)


async def test_the_document_is_valid_openapi(rest: RestClient) -> None:
    document = await document_of(rest)
    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    names = [
        one["operationId"] for path in document["paths"].values() for key, one in path.items() if key in HTTP_METHODS
    ]
    assert len(names) == len(set(names))


async def test_every_code_of_a_refusal_is_in_the_document_and_no_two_kinds_are_mixed_up(rest: RestClient) -> None:
    document = await document_of(rest)
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["examples"]
    assert {kind.code for kind in every_refusal()} <= set(codes)
    titles: dict[tuple[str, int], set[str]] = {}
    for kind in every_refusal():
        titles.setdefault((kind.code, kind.status), set()).add(kind.title)
    assert [key for key, value in titles.items() if len(value) > 1] == []


def operations_in(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and what is said of each operation."""
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            if method in HTTP_METHODS:
                yield method, path, one


async def test_every_refusal_is_described_where_it_can_occur(rest: RestClient) -> None:
    told = set()
    for _, _, one in operations_in(await document_of(rest)):
        for status, answer in one["responses"].items():
            schema = answer.get("content", {}).get("application/problem+json", {}).get("schema", {"allOf": []})
            told |= {(int(status), code) for part in schema["allOf"] for code in _codes(part)}
    # Nobody hears of a body that was cut.
    kinds = {(kind.status, kind.code) for kind in every_refusal() if kind is not BodyCut}
    assert sorted(kinds - told) == []


def _codes(schema: dict[str, Any]) -> list[str]:
    codes: list[str] = schema.get("properties", {}).get("code", {}).get("enum", [])
    return codes


async def test_every_operation_has_a_summary_a_known_tag_and_answers_with_a_text(rest: RestClient) -> None:
    document = await document_of(rest)
    tags = [tag["name"] for tag in document["tags"]]
    for method, path, one in operations_in(document):
        where = f"{method} {path}"
        assert one["summary"], where
        assert not one["summary"].endswith("."), where
        assert [tag in tags for tag in one["tags"]] == [True], where
        assert any(status < "400" for status in one["responses"]), where
        assert all(answer["description"] for answer in one["responses"].values()), where


async def test_to_head_no_answer_has_a_body_and_what_passes_by_itself_is_423(rest: RestClient) -> None:
    heads = [one for method, _, one in operations_in(await document_of(rest)) if method == "head"]
    assert [answer for one in heads for answer in one["responses"].values() if "content" in answer] == []
    problems = {
        status: answer["description"]
        for one in heads
        for status, answer in one["responses"].items()
        if (status >= "500" or status == "429") and "`" in answer["description"]
    }
    assert problems == {}


async def test_a_token_is_asked_for_where_one_is_needed_and_none_is_where_the_server_is_open(
    aiohttp_client: AiohttpClient, tmp_path: Path, rest: RestClient
) -> None:
    closed = (await owners_of(aiohttp_client, tmp_path / "closed"))["ann"]
    said_open, said_closed = await document_of(rest), await document_of(closed)
    needed = {f"{method} {path}" for method, path, one in operations_in(said_closed) if "security" in one}
    assert {"post /upload/start", "patch /files/{id}", "get /download/{filename}", "delete /links/{id}"} <= needed
    assert needed.isdisjoint({"post /auth/token", "head /files/{id}", "get /health", "post /links/{id}/", "get /docs"})
    for _, _, one in operations_in(said_closed):
        assert one.get("security", [{"bearer": []}]) == [{"bearer": []}]
    assert {
        f"{method} {path}" for method, path, one in operations_in(said_open) if {} in one.get("security", [])
    } == needed


async def test_the_server_is_where_its_operator_says_it_is(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "uploads", base_url="https://example.com/up/"), prefix="/transfer")
    rest = RestClient(TusClient(await aiohttp_client(app)))
    assert (await document_of(rest, "/transfer"))["servers"] == [{"url": "https://example.com/up/transfer"}]


def resolved(document: dict[str, Any], schema: Any) -> Any:
    """The schema with every reference put in."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        return {key: resolved(document, value) for key, value in schema.items()}
    return [resolved(document, one) for one in schema] if isinstance(schema, list) else schema


async def test_answers_are_what_their_schemas_say(rest: RestClient) -> None:
    document = await document_of(rest)

    async def check(method: str, path: str, reply: Any) -> None:
        response = document["paths"][path][method]["responses"][str(reply.status)]
        media = reply.headers["Content-Type"].partition(";")[0]
        content = response["content"][media]
        Draft202012Validator(resolved(document, content["schema"])).validate(said(reply))

    start = document["paths"]["/upload/start"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    Draft202012Validator(resolved(document, start)).validate({"filename": "largefile.zip", "size": 100000000})
    await check("post", "/upload/start", await rest.start("a", 10))
    await check("post", "/upload/start", await rest.start("a", 10))
    await check("post", "/upload/start", await rest.start("a", 11))
    for form in ("json", "multipart"):
        await check("post", "/upload/chunk", await rest.chunk("a", 0, b"hello", form))
    await check("post", "/upload/chunk", await rest.chunk("a", 7, b"hello"))
    await check("get", "/status/{filename}", await rest.send("GET", "/status/a"))
    await check("get", "/status", await rest.send("GET", "/status"))
    await check("get", "/download/{filename}", await rest.send("GET", "/download/a"))
    await check("post", "/upload/complete", await rest.complete("a"))
    await rest.chunk("a", 1, b"world", "raw")
    await check("post", "/upload/complete", await rest.complete("a"))
    await check("post", "/upload/complete", await rest.complete("a", checksum="sha256:" + "00" * 32))
    await rest.start("b", 10)
    await check("delete", "/cleanup", await rest.send("DELETE", "/cleanup?older_than=0"))
    await check("delete", "/cleanup", await rest.send("DELETE", "/cleanup?older_than=x"))
    made = await rest.post("/links", {"max_size": 5})
    await check("post", "/links", made)
    await check("get", "/links", await rest.send("GET", "/links"))
    await check("get", "/links/{id}", await rest.send("GET", said(made)["upload_url"].rstrip("/")))
    for path in ("/", "/health", "/ready", "/auth/me"):
        await check("get", path, await rest.send("GET", path))
