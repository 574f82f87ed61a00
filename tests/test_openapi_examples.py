"""The examples of `/openapi.json` are what their schemas say, and what a server answers when they are sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from jsonschema import Draft202012Validator
from pytest_aiohttp import AiohttpClient

from tests.pictures import picture
from tests.rest_client import RestClient, said
from tests.test_openapi import document_of, operations_in, resolved
from tests.tus_client import Reply, TusClient
from tusserver.accounts.base import User
from tusserver.accounts.passwords import make_hash
from tusserver.app import make_app
from tusserver.settings import Auth, Settings
from tusserver.web.openapi_schemas import HELLO, ID_SHOWN
from tusserver.web.site import SITE

MOMENT = "2026-11-21T12:00:00.000Z"


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


def contents_in(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type of a request or an answer, and where it is."""
    for method, path, one in operations_in(document):
        places = [("body", one.get("requestBody", {})), *one["responses"].items()]
        for place, holder in places:
            for media, content in holder.get("content", {}).items():
                yield f"{method} {path} {place} {media}", content


async def test_every_example_is_what_its_schema_says(rest: RestClient) -> None:
    document = await document_of(rest)
    problems = document["components"]["examples"]
    for where, content in contents_in(document):
        shown = [content["example"]] if "example" in content else []
        shown += [problems[one["$ref"].rpartition("/")[2]]["value"] for one in content.get("examples", {}).values()]
        for example in shown:
            faults = list(Draft202012Validator(resolved(document, content["schema"])).iter_errors(example))
            assert faults == [], where
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", []):
            assert Draft202012Validator(resolved(document, schema)).is_valid(example), name


async def test_every_json_that_is_sent_or_answered_has_an_example(rest: RestClient) -> None:
    bare = [
        where
        for where, content in contents_in(await document_of(rest))
        if "json" in where and "example" not in content and "examples" not in content
    ]
    assert bare == ["get /openapi.json 200 application/json"]


def alike(told: object) -> object:
    """A document in which ids, times and the server's port are those of the examples."""
    text = re.sub(r"(?<![\w-])[\w-]{22}(?![\w-])", ID_SHOWN, json.dumps(told))
    text = re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', f'"{MOMENT}"', text)
    return json.loads(re.sub(r"http://127\.0\.0\.1:\d+/", "http://127.0.0.1:5000/", text))


class Conversation:
    """Sends what the document shows, and compares what comes back with what it shows."""

    def __init__(self, rest: RestClient, document: dict[str, Any]) -> None:
        self.rest, self.paths = rest, document["paths"]

    def shown(self, method: str, path: str, media: str = "application/json") -> Any:
        return self.paths[path][method]["requestBody"]["content"][media]["example"]

    async def send(self, method: str, path: str, *, known: dict[str, str] | None = None, **changed: object) -> Reply:
        address = re.sub(r"\{(\w+)\}", lambda name: (known or {})[name[1]], path)
        if "requestBody" not in self.paths[path][method]:
            return await self.rest.send(method.upper(), address)
        return await self.rest.post(address, self.shown(method, path) | changed)

    def check(self, method: str, path: str, reply: Reply, **changed: object) -> None:
        """The answer is the example, with what the test has made otherwise."""
        shown = self.paths[path][method]["responses"][str(reply.status)]["content"]["application/json"]["example"]
        assert alike(said(reply)) == alike(shown | changed), f"{method} {path}"


@pytest.fixture
async def talk(rest: RestClient) -> Conversation:
    return Conversation(rest, await document_of(rest))


async def test_an_upload_by_chunks_goes_as_the_examples_say(talk: Conversation, rest: RestClient) -> None:
    started = await talk.send("post", "/upload/start")
    assert started.status == 201
    talk.check("post", "/upload/start", started)
    talk.check("post", "/upload/start", await talk.send("post", "/upload/start"))
    talk.check("post", "/upload/chunk", await talk.send("post", "/upload/chunk"))
    talk.check(
        "get", "/status/{filename}", await talk.send("get", "/status/{filename}", known={"filename": "hello.txt"})
    )
    talk.check("get", "/status", await talk.send("get", "/status"))
    form = FormData()
    shown = talk.shown("post", "/upload/chunk", "multipart/form-data")
    for name, value in shown.items():
        form.add_field(name, str(value), filename="hello.txt" if name == "data" else None)
    stored = await rest.send("POST", "/upload/chunk", form)
    assert (stored.status, said(stored)["offset"], said(stored)["status"]) == (200, len(HELLO), "complete")
    talk.check("post", "/upload/complete", await talk.send("post", "/upload/complete"))
    assert (await rest.send("GET", said(started)["upload_url"])).body == HELLO


async def test_what_a_cleanup_tells_is_the_example(talk: Conversation) -> None:
    await talk.send("post", "/upload/start")
    await talk.send("post", "/upload/chunk")
    cleaned = await talk.rest.send("DELETE", "/cleanup?older_than=0")
    talk.check("delete", "/cleanup", cleaned)


async def test_links_are_as_the_examples_say(talk: Conversation) -> None:
    made = await talk.send("post", "/links")
    talk.check("post", "/links", made)
    talk.check("get", "/links", await talk.send("get", "/links"))
    shown = said(await talk.send("get", "/links/{id}", known={"id": said(made)["link_id"]}))
    assert "announce" not in shown


async def test_images_are_as_the_examples_say(talk: Conversation, rest: RestClient) -> None:
    form = FormData()
    form.add_field("files", picture("JPEG", (1024, 768)), filename="image1.jpg", content_type="image/jpeg")
    taken = await rest.send("POST", "/api/upload", form)
    ((image),) = said(taken)["data"]
    size = {"file_size": image["file_size"]}
    shown = talk.paths["/api/upload"]["post"]["responses"]["200"]["content"]["application/json"]["example"]["data"][0]
    talk.check("post", "/api/upload", taken, data=[shown | size])
    talk.check("get", "/api/images", await talk.send("get", "/api/images"), data=[shown | size])


async def test_what_the_server_tells_of_itself_is_the_example(talk: Conversation) -> None:
    for path in ("/", "/health", "/ready"):
        talk.check("get", path, await talk.send("get", path))


async def test_a_token_is_given_and_told_of_as_the_examples_say(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    app = make_app(Settings(upload_folder=tmp_path / "uploads", auth=Auth.REQUIRED))
    rest = RestClient(TusClient(await aiohttp_client(app)))
    talk = Conversation(rest, await document_of(rest))
    shown = talk.shown("post", "/auth/token")
    user = User(shown["username"], make_hash(shown["password"]), frozenset({"admin"}), datetime.now(UTC))
    await app[SITE].backends.accounts.add_user(user)
    given = await talk.send("post", "/auth/token")
    token = said(given)["access_token"]
    talk.check("post", "/auth/token", given, access_token=token)
    rest.headers["Authorization"] = f"Bearer {token}"
    talk.check("get", "/auth/me", await talk.send("get", "/auth/me"))
    renewed = await talk.send("post", "/auth/renew")
    talk.check("post", "/auth/renew", renewed, access_token=said(renewed)["access_token"])
