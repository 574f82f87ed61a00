"""`GET /status`: what is stored, newest first."""

from __future__ import annotations

from aiohttp import web

from tusserver.protocol.access import Caller
from tusserver.protocol.images import THUMBNAIL_WIDTH
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.uploads import State, Upload
from tusserver.web.auth import caller_of
from tusserver.web.json_body import moment
from tusserver.web.site import Site, site_of

MOST = 200
STATUS = {State.PENDING: "pending", State.RECEIVING: "partial", State.COMPLETE: "complete", State.FAILED: "failed"}
STATES = {word: state for state, word in STATUS.items()}


class BadQuery(Refusal):
    """A parameter of the address does not parse."""

    status, code, title = 422, "bad-query", "A parameter of the address is malformed"


def limit_of(request: web.Request) -> int:
    """`limit` of the query, or what is given without it: so many of a list at most.

    Raises:
        BadQuery: status 422.
    """
    text = request.query.get("limit", "50")
    if not (text.isascii() and text.isdigit() and int(text[:10]) > 0):
        raise BadQuery(f"limit is a whole number from 1 on, not {text[:40]!r}")
    return min(int(text[:10]), MOST)


async def list_uploads(request: web.Request) -> web.StreamResponse:
    """`GET /status`: one page of the caller's uploads; `limit`, `cursor`, `state` and `filename` in the query."""
    caller = await caller_of(request)
    owner = caller.require()
    site = site_of(request)
    query = request.query
    states = [word for word in query.get("state", "").split(",") if word]
    unknown = [word for word in states if word not in STATES]
    if unknown:
        raise BadQuery(f"state is one of {', '.join(STATES)}, not {unknown[0][:40]!r}")
    limit = limit_of(request)
    try:
        page = await site.backends.infos.page(
            owner=None if caller.is_open else owner,
            states=[STATES[word] for word in states],
            filename=query.get("filename"),
            limit=limit,
            cursor=query.get("cursor"),
        )
    except ValueError:
        raise BadQuery("cursor is none that this server gave") from None
    uploads = [describe(site, await _now(site, upload, caller)) for upload in page.uploads]
    return web.json_response(
        {"uploads": uploads, "next_cursor": page.next_cursor}, headers={"Cache-Control": "no-store"}
    )


async def _now(site: Site, upload: Upload, caller: Caller) -> Upload:
    """The record of an unfinished upload as it stands at this moment."""
    if upload.is_complete:
        return upload
    try:
        return await site.service.status(upload.id, caller, nudge=False)
    except Refusal:
        return upload


def describe(site: Site, upload: Upload) -> dict[str, object]:
    """The status of an upload for JSON."""
    percent = 100.0 if upload.is_complete else None
    if percent is None and upload.length:
        percent = round(100 * upload.offset / upload.length, 1)
    told: dict[str, object] = {
        "upload_id": upload.id,
        "filename": upload.filename,
        "status": STATUS[upload.state],
        "offset": upload.offset,
        "size": upload.length,
        "percent": percent,
        "content_type": upload.content_type,
        "created_at": moment(upload.created_at),
        "updated_at": moment(upload.updated_at),
        "expires_at": moment(upload.expires_at),
        "upload_url": site.address(upload.id),
    }
    if upload.facts.image is not None:
        address = site.preview(upload.facts.image.stored_filename)
        told |= {"preview_url": address, "thumbnail_url": thumbnail(address)}
    return told


def thumbnail(preview: str) -> str:
    """Where a small form is shown of the image at an address."""
    return f"{preview}?w={THUMBNAIL_WIDTH}"
