"""`GET /openapi.json`: every route, made of the tables beside. OpenAPI 3.1."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from aiohttp import web

from tusserver import __version__
from tusserver.protocol.refusals import Refusal
from tusserver.web.openapi_paths import FILES, PATHS, Operation
from tusserver.web.openapi_schemas import COUNT, ID, SCHEMAS, TEXT, Schema, several, told
from tusserver.web.site import Site, site_of

PROBLEM = "application/problem+json"
TAGS = {
    "auth": "Tokens. Every other route takes one in `Authorization: Bearer`; where the server is open none is needed.",
    "rest": "Uploads by chunks, downloads and status, by filename. The same uploads that tus clients know.",
    "tus": "tus 1.0, resumable uploads: https://tus.io/protocols/resumable-upload",
    "links": "Upload links: endpoints that need no token, with limits of their own.",
    "server": "The page, and what an operator asks.",
}
VARIABLES: dict[str, tuple[str, Schema]] = {
    "filename": ("Filename of the upload, folders with it; `/` stays as it is.", TEXT),
    "id": ("What the answer to the creation told.", ID),
    "path": ("Name of the file.", TEXT),
}
# What a browser asks before a page of another origin may do something.
PREFLIGHT: Schema = {"description": "The page may, as far as CORS_ORIGINS says so."}


async def document(request: web.Request) -> web.StreamResponse:
    """The document of this server."""
    return web.json_response(describe(site_of(request)), headers={"Cache-Control": "no-cache"})


def describe(site: Site) -> dict[str, Any]:
    """The document, with the addresses that the operator chose."""
    files = site.settings.tus_path
    paths = {path.replace(FILES, files): operations for path, operations in PATHS.items()}
    paths[files.rstrip("/")] = PATHS[FILES]
    return {
        "openapi": "3.1.0",
        "info": {"title": "tusserver", "version": __version__, "description": "A resumable upload server."},
        "servers": [{"url": (site.settings.base_url or "").rstrip("/") + site.prefix or "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": {path: _path(path, operations) for path, operations in paths.items()},
        "components": {
            "schemas": {**SCHEMAS, "Problem": _problem_schema()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def every_refusal() -> list[type[Refusal]]:
    """Every kind of refusal, by its code."""
    found: list[type[Refusal]] = []
    waiting = Refusal.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: (kind.code, kind.status))


def _problem_schema() -> Schema:
    codes = sorted({kind.code for kind in every_refusal()} | {"malformed-request", "internal-error"})
    fields = {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": told(TEXT, "What disagrees, and what to do."),
        "code": told({"type": "string"}, "Stable, for programs. Addresses and methods that are no routes have others.",
                     examples=codes),
        "offset": told(COUNT, "Where to go on."),
        "size": told(COUNT, "Bytes of the whole."),
        "length": told(COUNT, "The same, as tus calls it."),
        "next_chunk_index": COUNT,
        "field": told(TEXT, "The field that is wrong."),
        "header": told(TEXT, "The header that is wrong."),
        "allowed": several(TEXT),
    }  # fmt: skip
    required = ["type", "title", "status", "detail", "code"]
    return {"type": "object", "description": "RFC 9457.", "properties": fields, "required": required}


def _path(path: str, operations: dict[str, Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {method.lower(): _operation(method, path, one) for method, one in operations.items()}
    if "options" not in described:
        described["options"] = {
            "tags": [next(iter(operations.values())).tag],
            "summary": "The preflight of browsers.",
            "operationId": _name("OPTIONS", path),
            "responses": {"204": PREFLIGHT},
        }
    variables = re.findall(r"\{(\w+)\}", path)
    if variables:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "description": VARIABLES[name][0],
             "schema": VARIABLES[name][1]}
            for name in variables
        ]  # fmt: skip
    return described


def _name(method: str, path: str) -> str:
    words = re.findall(r"\w+", path) or ["root"]
    return "_".join([method.lower(), *words]) + ("_collection" if path.endswith("/") and path != "/" else "")


def _operation(method: str, path: str, one: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [one.tag],
        "summary": one.summary,
        "operationId": _name(method, path),
        "responses": _responses(one),
    }
    if one.parameters:
        described["parameters"] = [
            {"name": each.name, "in": each.where, "description": each.text, "required": each.required,
             "schema": each.schema}
            for each in one.parameters
        ]  # fmt: skip
    if one.body is not None:
        described["requestBody"] = {"content": {media: {"schema": schema} for media, schema in one.body.items()}}
    if one.needs_token:
        described["security"] = [{"bearer": []}, {}]
    return described


def _responses(one: Operation) -> dict[str, Any]:
    """Answers by status; several refusals may share one, told apart by their codes."""
    found: dict[str, Any] = {}
    for status, (media, schema) in one.answers.items():
        found[str(status)] = {"description": "As asked."} | ({"content": {media: {"schema": schema}}} if media else {})
    by_status = defaultdict(list)
    for kind in dict.fromkeys(one.refusals):
        by_status[kind.status].append(kind)
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, kinds in sorted(by_status.items()):
        text = "\n".join(f"- `{kind.code}`: {kind.title}." for kind in kinds)
        found[str(status)] = {"description": text, "content": problem}
    found["default"] = {"description": "Any other problem.", "content": problem}
    return found
