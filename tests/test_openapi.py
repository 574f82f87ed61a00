"""`/openapi.json` and the router say the same, both ways, and answers are what their schemas say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, said
from tests.tus_client import TusClient
from tusserver.app import make_app, setup
from tusserver.protocol.refusals import Refusal
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


async def test_every_refusal_but_the_unspoken_is_told_at_some_route(rest: RestClient) -> None:
    text = json.dumps(await document_of(rest))
    # Nobody hears of a body that was cut.
    unspoken = {Refusal.code, "body-cut"}
    missing = [kind.code for kind in every_refusal() if f"`{kind.code}`" not in text and kind.code not in unspoken]
    assert missing == []


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
