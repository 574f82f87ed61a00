"""How far an upload is, and the events of its way there."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from tusserver.protocol.access import Caller
from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.refusals import Refusal, UploadGone, UploadNotFound
from tusserver.protocol.rules import check_alive
from tusserver.protocol.uploads import State, Upload
from tusserver.service import OF_NO_USE
from tusserver.web import listing
from tusserver.web.site import Site, site_of

# Seconds between two looks, so that no more than four events a second are sent.
LOOK = 0.25
# Proxies close a connection on which nothing moves; most of them after a minute.
HEARTBEAT = 15.0
ENDED = ("complete", "failed", "gone")
# Streams at once in this process. Each looks at its upload four times a second and holds a connection.
MOST_STREAMS = 1_000
STREAMS: set[web.StreamResponse] = set()


class StreamsFull(Refusal):
    """As many events are followed as this process can serve; the status itself can be asked for."""

    status, code, title = 503, "too-many-streams", "Too many streams of events are open"

    def __init__(self) -> None:
        super().__init__("try again in a moment, or ask without text/event-stream", headers={"Retry-After": "5"})


async def look(site: Site, found: Upload, caller: Caller) -> Upload:
    """The record as it stands at this moment. A failed upload may be looked at until its time runs out.

    Raises:
        UploadNotFound: status 404; UploadGone: status 410.
    """
    try:
        return await site.service.status(found.id, caller, nudge=False)
    except OF_NO_USE:
        upload = await site.service.ledger.load(found.id)
        check_alive(upload, site.clock())
        return upload


async def describe(site: Site, upload: Upload) -> dict[str, object]:
    """The status for JSON. `offset` is where to go on; `percent` counts what has arrived of a running chunk too."""
    told = listing.describe(site, upload)
    del told["content_type"]
    if upload.state in (State.PENDING, State.RECEIVING) and upload.length:
        try:
            arrived = max(upload.offset, await site.backends.store.size(upload.id))
        except NotFound:
            arrived = upload.offset
        told["percent"] = min(99.9, round(100 * arrived / upload.length, 1))
    return told


async def follow(request: web.Request, found: Upload, caller: Caller) -> web.StreamResponse:
    """The status as server-sent events: at once, at every change, and for the last time when nothing more will come.

    An EventSource connects again when the stream ends; one that has seen the last event hears 204, which stops it.

    Source: HTML, section Server-sent events.
    """
    site = site_of(request)
    seen = request.headers.get("Last-Event-ID")
    told = await _told(site, found, caller)
    if seen == found.id and told["status"] in ENDED:
        return web.Response(status=204)
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    response = web.StreamResponse(headers=headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    if len(STREAMS) >= MOST_STREAMS:
        raise StreamsFull
    STREAMS.add(response)
    try:
        await response.prepare(request)
        await _tell(request, response, found, caller, told)
    finally:
        STREAMS.discard(response)
    return response


async def _tell(
    request: web.Request, response: web.StreamResponse, found: Upload, caller: Caller, told: dict[str, object]
) -> None:
    site = site_of(request)
    loop = asyncio.get_running_loop()
    sent: dict[str, object] = {}
    written_at = loop.time()
    while not _is_over(request, site):
        has_ended = told["status"] in ENDED
        if told != sent:
            await response.write(_event(told, found.id if has_ended else None))
            sent, written_at = told, loop.time()
        elif loop.time() - written_at >= HEARTBEAT:
            await response.write(b":\n\n")
            written_at = loop.time()
        if has_ended:
            break
        await asyncio.sleep(LOOK)
        try:
            told = await _told(site, found, caller)
        except (BackendError, Refusal):
            break  # the client connects again, and then hears what is the matter


def _is_over(request: web.Request, site: Site) -> bool:
    """Nobody listens any more, or the server is being stopped."""
    return site.service.is_stopping or request.transport is None or request.transport.is_closing()


async def _told(site: Site, found: Upload, caller: Caller) -> dict[str, object]:
    try:
        return await describe(site, await look(site, found, caller))
    except (UploadNotFound, UploadGone):
        return await describe(site, found) | {"status": "gone"}


def _event(told: dict[str, object], id: str | None) -> bytes:
    lines = [f"data: {json.dumps(told)}", *([] if id is None else [f"id: {id}"])]
    return ("\n".join(lines) + "\n\n").encode()
