"""Finished uploads, and how far the others are, by filename."""

from __future__ import annotations

from aiohttp import web

from tusserver.protocol.access import Caller
from tusserver.protocol.downloads import RANGE
from tusserver.protocol.filenames import parse_filename
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.rules import judge_download
from tusserver.protocol.uploads import Upload
from tusserver.web.auth import caller_of
from tusserver.web.download import send
from tusserver.web.rest_fields import find_finished, find_to_read
from tusserver.web.rest_status import describe, follow, look
from tusserver.web.site import Site, site_of

NO_STORE = {"Cache-Control": "no-store"}


class RangeRequired(Refusal):
    """The route is for parts of a file, and none was asked for."""

    status, code, title = 400, "range-required", "A range is required"


async def download(request: web.Request) -> web.StreamResponse:
    """`GET /download/{filename}`: the newest finished upload of that name, always as a file to keep.

    The owner's own goes before those that came by a link.
    """
    return await send(request, (await _finished(request)).id, inline=False)


async def download_part(request: web.Request) -> web.StreamResponse:
    """`GET /download/partial/{filename}`: the bytes that `Range` names."""
    field = request.headers.get("Range", "").strip()
    match = RANGE.fullmatch(field)
    if match is None or match[1] == match[2] == "":
        raise RangeRequired("send Range: bytes=FIRST-LAST with one range; GET /download/{filename} gives the whole")
    return await download(request)


async def status(request: web.Request) -> web.StreamResponse:
    """`GET /status/{filename}`: how far the newest upload of that name is."""
    site, caller = site_of(request), await caller_of(request)
    found = await find_to_read(site.names, caller, parse_filename(request.match_info["filename"]))
    if "text/event-stream" in request.headers.get("Accept", ""):
        return await follow(request, found, caller)
    return web.json_response(await describe(site, await look(site, found, caller)), headers=NO_STORE)


async def finished(site: Site, caller: Caller, name: str) -> Upload:
    """The upload that may be read by this filename.

    Raises:
        TokenNeeded, BadToken: status 401; UploadNotFound: status 404.
        UploadIncomplete, UploadFailed, UploadGone: none of that name is finished, and this has become of the newest.
    """
    try:
        return await find_finished(site.names, caller, name)
    except UploadNotFound:
        found = await look(site, await find_to_read(site.names, caller, name), caller)
        judge_download(found, site.clock())
        return found


async def _finished(request: web.Request) -> Upload:
    name = parse_filename(request.match_info["filename"])
    return await finished(site_of(request), await caller_of(request), name)
