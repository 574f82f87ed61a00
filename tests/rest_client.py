"""A client of the REST routes for tests: one call, one request, and what comes back as it is."""

from __future__ import annotations

import base64
import io
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jwt
from aiohttp import FormData
from pytest_aiohttp import AiohttpClient

from tests.described import check_refusal
from tests.tus_client import Reply, TusClient
from tusserver.app import make_app
from tusserver.settings import Auth, Settings


class RestClient:
    """Speaks to the server that a tus client speaks to."""

    def __init__(self, tus: TusClient, **headers: str) -> None:
        self.tus = tus
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Any request, without a word of tus."""
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        body = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.tus.client.request(method, path, headers=sent, data=body, allow_redirects=False) as answer:
            raw = await answer.read()
            is_problem = answer.content_type == "application/problem+json" and method != "HEAD"
            problem = json.loads(raw) if is_problem else {}
            if is_problem:
                check_refusal(method, path, problem)
            return Reply(answer.status, answer.headers, raw, problem)

    async def post(self, path: str, fields: Any) -> Reply:
        """A JSON document."""
        return await self.send("POST", path, json.dumps(fields).encode(), Content_Type="application/json")

    async def start(self, name: str, size: int | None = None, **fields: Any) -> Reply:
        """`POST /upload/start`."""
        return await self.post("/upload/start", {"filename": name, "size": size, **fields})

    async def begun(self, name: str, size: int | None = None, **fields: Any) -> str:
        """The address of a new upload."""
        reply = await self.start(name, size, **fields)
        assert reply.status == 201, reply
        return reply.headers["Location"]

    async def chunk(self, name: str, index: int | None, data: bytes, form: str = "json", **fields: Any) -> Reply:
        """`POST /upload/chunk` in one of the three forms; `index` None leaves the number out."""
        told = {"filename": name, **({} if index is None else {"chunk_index": index}), **fields}
        if form == "json":
            return await self.post("/upload/chunk", {**told, "data": base64.b64encode(data).decode()})
        if form == "raw":
            query = "&".join(f"{key}={quote(str(value))}" for key, value in told.items())
            return await self.send("POST", f"/upload/chunk?{query}", data, Content_Type="application/octet-stream")
        document = FormData()
        for key, value in told.items():
            document.add_field(key, str(value))
        document.add_field("data", io.BytesIO(data), filename="blob", content_type="application/octet-stream")
        return await self.send("POST", "/upload/chunk", document)

    async def complete(self, name: str, **fields: Any) -> Reply:
        """`POST /upload/complete`."""
        return await self.post("/upload/complete", {"filename": name, **fields})

    async def status(self, name: str) -> dict[str, Any]:
        """What `GET /status/{filename}` tells."""
        reply = await self.send("GET", f"/status/{quote(name)}")
        assert reply.status == 200, reply
        return said(reply)


SECRET = "a secret that is long enough for HS256"


def token(owner: str, *, lasts: float = 900.0, began: float = 0.0, scope: str = "") -> str:
    """What an identity provider with the shared secret issues; times in seconds from now."""
    now = time.time()
    claims = {"sub": owner, "iat": now + began, "exp": now + lasts, "scope": scope}
    return jwt.encode(claims, SECRET, "HS256")


async def owners_of(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> dict[str, RestClient]:
    """Clients of ann, bo and root, who is admin, of one server where everybody needs a token."""
    settings = Settings(upload_folder=folder / "uploads", auth=Auth.REQUIRED, jwt_secret=SECRET, **chosen)
    tus = TusClient(await aiohttp_client(make_app(settings)))
    tokens = {"ann": token("ann"), "bo": token("bo"), "root": token("root", scope="admin")}
    return {name: RestClient(tus, Authorization=f"Bearer {text}") for name, text in tokens.items()}


def said(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer."""
    document = json.loads(reply.body)
    assert isinstance(document, dict)
    return document


def refused(reply: Reply) -> tuple[int, str]:
    """Status and code of a refusal."""
    assert reply.headers["Content-Type"] == "application/problem+json", reply
    assert reply.problem["status"] == reply.status
    return reply.status, reply.problem["code"]
