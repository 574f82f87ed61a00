"""A tus client for tests: one call, one request, and what comes back as it is."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession
from aiohttp.test_utils import TestClient
from multidict import CIMultiDictProxy

from tests.described import check_refusal

VERSION = {"Tus-Resumable": "1.0.0"}
STREAM = {"Content-Type": "application/offset+octet-stream"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that was read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    problem: dict[str, Any] = field(default_factory=dict)


def sha1(data: bytes) -> str:
    """An `Upload-Checksum` field."""
    return "sha1 " + base64.b64encode(hashlib.sha1(data).digest()).decode()


class TusClient:
    """Speaks to the server of an aiohttp test client."""

    def __init__(self, client: TestClient[Any, Any]) -> None:
        self.client = client
        self.session: ClientSession = client.session

    async def send(self, method: str, path: str, headers: dict[str, str] | None = None, body: Any = None) -> Reply:
        """Any request, with the version of the protocol."""
        sent = VERSION | (headers or {})
        body = io.BytesIO(body) if isinstance(body, bytes) else body
        async with self.client.request(method, path, headers=sent, data=body, allow_redirects=False) as answer:
            raw = await answer.read()
            is_problem = answer.content_type == "application/problem+json" and method != "HEAD"
            problem = await answer.json(content_type=None) if is_problem else {}
            if is_problem:
                check_refusal(method, path, problem)
            return Reply(answer.status, answer.headers, raw, problem)

    async def create(self, length: int | None = None, body: bytes | None = None, **headers: str) -> str:
        """The path of a new upload; names of headers with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if length is not None:
            sent["Upload-Length"] = str(length)
        reply = await self.send("POST", "/files/", sent | (STREAM if body else {}), body)
        assert reply.status == 201, reply
        return reply.headers["Location"]

    async def patch(self, path: str, offset: int, body: Any, **headers: str) -> Reply:
        """More bytes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.send("PATCH", path, {"Upload-Offset": str(offset)} | STREAM | sent, body)

    async def offset(self, path: str) -> int:
        """Where the upload stands."""
        reply = await self.send("HEAD", path)
        assert reply.status == 200, reply
        return int(reply.headers["Upload-Offset"])

    async def get(self, path: str, **headers: str) -> Reply:
        """A download."""
        return await self.send("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})
