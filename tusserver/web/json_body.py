"""JSON of requests and answers."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

from aiohttp import web

from tusserver.protocol.refusals import BodyStalled, Refusal
from tusserver.web.site import site_of

# Enough for every document but base64 chunks, which say their own limit.
MOST = 1 << 20
# The same: a document of 16 MiB that is nothing but small members takes half a second to read, and everybody waits.
MOST_MEMBERS = 20_000


class BadJson(Refusal):
    """The body is no JSON object."""

    status, code, title = 422, "bad-json", "The body is not the JSON that is expected"


class BodyTooLarge(Refusal):
    """The JSON document is too large to be held in memory."""

    status, code, title = 413, "body-too-large", "The JSON document is too large"


async def read_json(
    request: web.Request, most: int = MOST, hint: str = "", *, members: int = MOST_MEMBERS
) -> dict[str, Any]:
    """The JSON object in the body; an absent body is an empty one.

    Args:
        most: bytes that are taken.
        hint: what to do instead of sending more.
        members: commas and brackets that are taken, those in texts included.
    Raises:
        BadJson: status 422.
        BodyTooLarge: status 413, as soon as it is known.
        BodyStalled: status 503, no byte came for the read timeout.
    """
    if (request.content_length or 0) > most:
        raise BodyTooLarge(f"at most {most} bytes are taken{hint}")
    await request_goes_on(request)
    raw, patience = bytearray(), site_of(request).settings.read_timeout
    while data := await _next(request, patience):
        raw += data
        if len(raw) > most:
            raise BodyTooLarge(f"at most {most} bytes are taken{hint}")
    if not raw:
        return {}
    if sum(map(raw.count, (b",", b"[", b"{"))) > members:
        raise BadJson("it has too many members")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadJson("it does not parse") from None
    if not isinstance(value, dict):
        raise BadJson("it must be an object")
    return value


async def _next(request: web.Request, patience: float) -> bytes:
    """What arrives next, b"" at the end."""
    try:
        async with asyncio.timeout(patience):
            return await request.content.readany()
    except TimeoutError:
        raise BodyStalled("the body stopped arriving") from None


async def request_goes_on(request: web.Request) -> None:
    """Answer `Expect: 100-continue`, which the routes of this server do only when they want the body."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What aiohttp counts is the answer, which has not begun.
        request.writer.output_size = 0


def moment(value: datetime | None) -> str | None:
    """A time for JSON, for example ``"2026-11-21T12:00:00.000Z"``."""
    return None if value is None else value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
