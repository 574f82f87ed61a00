"""`GET /openapi.json`: every route, made of the tables beside. OpenAPI 3.1."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from aiohttp import web

from tusserver import __version__
from tusserver.protocol.refusals import RangeUnsatisfiable
from tusserver.web.auth import AUTH
from tusserver.web.openapi_headers import HEADERS, refer
from tusserver.web.openapi_parts import BESIDE, FILES, UPLOADS, Answer, Operation, Parameter
from tusserver.web.openapi_paths import EVERY_SCHEMA, PATHS
from tusserver.web.openapi_problems import examples, problem_schema, problems
from tusserver.web.openapi_schemas import FILENAME, ID, TEXT, Schema
from tusserver.web.site import site_of

ABOUT = """A resumable upload server: uploads that are cut off go on where they stopped.

Every route works on the same uploads, so one that was begun by tus can be followed, finished and read by plain REST,
and the other way round. What is not carried out is answered with a problem document (RFC 9457), whose `code` is for
programs. Besides those told here, a request that is no HTTP is answered with 400 `malformed-request`, an address that
is no route with 404 `not-found`, another method with 405 `method-not-allowed`, and a fault of the server with 500
`internal-error`."""
Security = list[dict[str, list[str]]]
TAGS = {
    "auth": "Tokens, for `Authorization: Bearer`; where the server is open none is needed. The page's cookie counts "
    "for GET and HEAD too.",
    "rest": "Uploads by chunks, downloads and status, by filename. The same uploads that tus clients know.",
    "tus": "[tus 1.0](https://tus.io/protocols/resumable-upload), resumable uploads.",
    "images": "Several images as one act, shown in any size; and those that came by other doors.",
    "zip": "Several files as one archive.",
    "links": "Upload links: endpoints that need no token, with limits of their own.",
    "server": "The pages, and what an operator asks.",
    BESIDE: "Wherever GET is answered HEAD is too, and what a browser asks before a page of another origin may do "
    "something.",
}
VARIABLES: dict[str, tuple[str, Schema]] = {
    "filename": ("Filename of the upload, folders with it; `/` stays as it is.", FILENAME),
    "id": ("What the answer to the creation told.", {"type": ID["type"], "pattern": ID["pattern"]}),
    "stored_filename": ("Name that the image is shown under.", {**TEXT, "examples": ["image1.jpg"]}),
    "path": ("Name of the file.", {**TEXT, "examples": ["favicon.svg"]}),
}
PREFLIGHT = Answer(
    "The page may, as far as CORS_ORIGINS says so.",
    may_have=tuple(f"Access-Control-{name}" for name in ("Allow-Origin", "Allow-Methods", "Allow-Headers", "Max-Age")),
)


async def document(request: web.Request) -> web.StreamResponse:
    """The document of this server."""
    site = site_of(request)
    settings = site.settings
    addresses = Addresses(
        server=(settings.base_url or "").rstrip("/") + site.prefix or "/",
        files=settings.tus_path,
        uploads=settings.upload_url_path.rstrip("/"),
    )
    body = _written(addresses, request.config_dict[AUTH].is_open)
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-cache"})


@dataclass(frozen=True, slots=True)
class Addresses:
    """What the operator chooses: where the server is, where tus uploads are made, where images are shown."""

    server: str
    files: str
    uploads: str


# It takes as long to make as many requests to answer, and is the same for the life of a server.
@lru_cache(maxsize=8)
def _written(addresses: Addresses, is_open: bool) -> bytes:
    return json.dumps(describe(addresses, is_open=is_open), ensure_ascii=False).encode()


def describe(addresses: Addresses, *, is_open: bool) -> dict[str, Any]:
    """The document.

    Args:
        is_open: no token is needed, though one that is sent counts.
    """
    security: Security = [{}, {"bearer": []}] if is_open else [{"bearer": []}]
    paths = {
        path.replace(FILES, addresses.files).replace(UPLOADS, addresses.uploads): found for path, found in PATHS.items()
    }
    if addresses.files != "/":
        paths[addresses.files.rstrip("/")] = PATHS[FILES]
    return {
        "openapi": "3.1.0",
        "info": {"title": "tusserver", "version": __version__, "description": ABOUT},
        "servers": [{"url": addresses.server}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {path: _path(path, operations, security) for path, operations in paths.items()},
        "components": {
            "schemas": {**EVERY_SCHEMA, "Problem": problem_schema()},
            "examples": examples(),
            "headers": HEADERS,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _path(path: str, operations: dict[str, Operation], security: Security) -> dict[str, Any]:
    described: dict[str, Any] = {}
    for method, one in with_head(operations).items():
        told = _operation(method, path, one)
        described[method.lower()] = told | ({"security": security} if one.needs_token else {})
    if "options" not in described:
        described["options"] = {
            "tags": [BESIDE],
            "summary": "The preflight of browsers",
            "operationId": _name("OPTIONS", path),
            "responses": {"204": _answer(PREFLIGHT)},
        }
    variables = [Parameter(name, "path", *VARIABLES[name], required=True) for name in re.findall(r"\{(\w+)\}", path)]
    return described | ({"parameters": [_parameter(one) for one in variables]} if variables else {})


def with_head(operations: dict[str, Operation]) -> dict[str, Operation]:
    """HEAD is answered wherever GET is: the same without a body, and of the whole where GET gives a part."""
    if "GET" not in operations or "HEAD" in operations:
        return operations
    get = operations["GET"]
    head = replace(
        get,
        tag=BESIDE,
        summary=f"{get.summary}, without the body",
        text="",
        answers={status: replace(one, content={}) for status, one in get.answers.items() if status != 206},
        refusals=tuple(kind for kind in get.refusals if kind is not RangeUnsatisfiable),
        parameters=tuple(one for one in get.parameters if one.name not in ("Range", "If-Range")),
    )
    return {**operations, "HEAD": head}


def _name(method: str, path: str) -> str:
    words = re.findall(r"\w+", path) or ["root"]
    return "_".join([method.lower(), *words]) + ("_collection" if path.endswith("/") and path != "/" else "")


def _operation(method: str, path: str, one: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [one.tag],
        "summary": one.summary,
        "operationId": _name(method, path),
        "responses": _responses(one, is_head=method == "HEAD"),
    }
    if one.text:
        described["description"] = one.text
    if one.parameters:
        described["parameters"] = [_parameter(each) for each in one.parameters]
    if one.body is not None:
        content = {media: _media(schema) for media, schema in one.body.items()}
        described["requestBody"] = {"content": content, "required": not one.body_is_optional}
    return described


def _parameter(one: Parameter) -> dict[str, Any]:
    """A parameter; one that must be sent is shown with a value, which viewers fill in."""
    told = {"name": one.name, "in": one.where, "description": one.text, "required": one.required}
    shown = [one.schema["const"]] if "const" in one.schema else one.schema.get("examples", [])
    return {**told, "schema": one.schema} | ({"example": shown[0]} if one.required and shown else {})


def _media(schema: Schema) -> dict[str, Any]:
    """A schema with the example that belongs to it, where viewers look for one."""
    name = schema.get("$ref", "").rpartition("/")[2]
    shown = EVERY_SCHEMA.get(name, {}).get("examples", [])
    return {"schema": schema} | ({"example": shown[0]} if shown else {})


def _answer(one: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": one.text}
    if one.headers or one.may_have:
        described["headers"] = refer(one.headers, one.may_have)
    if one.content:
        described["content"] = {media: _media(schema) for media, schema in one.content.items()}
    return described


def _responses(one: Operation, *, is_head: bool) -> dict[str, Any]:
    """Answers by status; one that is a good answer and a refusal too has the bodies of both."""
    found = problems(one.refusals, ("Tus-Resumable",) if one.tag == "tus" else (), of_head=is_head)
    for status, answer in one.answers.items():
        good = _answer(answer)
        if (bad := found.get(str(status))) is not None:
            good["description"] += f"\n\n{bad['description']}"
            good["content"] = {**good["content"], **bad["content"]}
        found[str(status)] = good
    return dict(sorted(found.items()))
