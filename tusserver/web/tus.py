"""The tus door. A route reads headers into a value, asks the service, answers."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from aiohttp import web

from tusserver.protocol.ids import is_id, parse_part
from tusserver.protocol.refusals import TUS_VERSION, ExtensionOff, UploadNotFound
from tusserver.protocol.requests import OCTET_STREAM, Creation, check_version, parse_method
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import Kind, Upload
from tusserver.protocol.withheld import told_offset
from tusserver.web.auth import caller_of
from tusserver.web.body import RequestBody, body_facts
from tusserver.web.cors import preflight
from tusserver.web.download import download
from tusserver.web.inside import keeps_trailers
from tusserver.web.site import Site, site_of

COLLECTION_METHODS = ("POST", "OPTIONS")
UPLOAD_METHODS = ("HEAD", "PATCH", "GET", "DELETE", "OPTIONS")


async def collection(request: web.Request) -> web.StreamResponse:
    """`/files/`: creation and configuration."""
    method = parse_method(request.method, request.headers, COLLECTION_METHODS)
    return await (create(request) if method == "POST" else options(request))


async def upload(request: web.Request) -> web.StreamResponse:
    """`/files/{id}`: everything about one upload."""
    if request.method == "OPTIONS":
        return await options(request)
    method = parse_method(request.method, request.headers, UPLOAD_METHODS)
    if method != "GET":
        # HEAD is also how download managers and people look; only a version that is another one is refused there.
        if method != "HEAD" or "Tus-Resumable" in request.headers:
            check_version(request.headers)
        if method == "DELETE":
            site_of(request).service.offer.require("termination")
    if not is_id(request.match_info["id"]):
        raise UploadNotFound("there is no upload at this address")
    return await ROUTES[method](request)


async def options(request: web.Request) -> web.StreamResponse:
    """OPTIONS: what this server can do, whatever version the client speaks.

    Source: tus 1.0.0, OPTIONS.
    """
    site = site_of(request)
    told = {"Tus-Resumable": TUS_VERSION, "Tus-Version": TUS_VERSION, **site.service.offer.announce()}
    if "Tus-Extension" in told and not keeps_trailers(request):
        names = told["Tus-Extension"].split(",")
        told["Tus-Extension"] = ",".join(name for name in names if name != "checksum-trailer")
    if site.settings.max_size is not None:
        told["Tus-Max-Size"] = str(site.settings.max_size)
    told["Accept-Patch"] = OCTET_STREAM
    return web.Response(status=204, headers=told | preflight(request))


async def create(request: web.Request) -> web.StreamResponse:
    """POST: a new upload, perhaps with its first bytes, or a final one.

    Source: tus 1.0.0, extensions Creation, Creation With Upload, Concatenation.
    """
    check_version(request.headers)
    return await create_by(request, Grant(owner=(await caller_of(request)).require()))


async def create_by(request: web.Request, grant: Grant) -> web.StreamResponse:
    """A new upload for whoever has `grant`."""
    site = site_of(request)
    creation = site.service.offer.read_creation(request.headers, body_facts(request))
    _check_trailer(request, creation.has_checksum_trailer)
    made = await site.service.start(_with_part_ids(site, request, creation), RequestBody(request), grant)
    headers = _told(site, made) | {"Location": site.address(made.id)}
    if creation.body is not None:
        headers["Upload-Offset"] = str(made.offset)
    return web.Response(status=201, headers=headers)


def _with_part_ids(site: Site, request: web.Request, creation: Creation) -> Creation:
    if creation.kind is not Kind.FINAL:
        return creation
    hosts = {site.seen(request).hostname}
    paths = {site.collection}
    if site.settings.base_url is not None:
        public = urlsplit(site.settings.base_url)
        hosts.add(public.hostname or "")
        paths.add(urlsplit(site.address("")).path)
    return replace(creation, parts=tuple(parse_part(part, paths, hosts) for part in creation.parts))


async def head(request: web.Request) -> web.StreamResponse:
    """HEAD: where the upload stands. Never waits for a writer.

    Source: tus 1.0.0, HEAD.
    """
    site = site_of(request)
    found = await site.service.status(request.match_info["id"], await caller_of(request))
    told = {"Tus-Resumable": TUS_VERSION, "Cache-Control": "no-store"}
    told |= site.service.offer.tell_head(found, site.clock())
    if found.length is not None:
        told["Upload-Length"] = str(found.length)
    if found.kind is not Kind.FINAL or found.is_complete:
        told["Upload-Offset"] = str(told_offset(found))
    return web.Response(status=200, headers=told)


async def patch(request: web.Request) -> web.StreamResponse:
    """PATCH: more bytes.

    Source: tus 1.0.0, PATCH.
    """
    site = site_of(request)
    append = site.service.offer.read_append(request.headers, body_facts(request))
    _check_trailer(request, append.has_checksum_trailer)
    found = await site.service.append(request.match_info["id"], append, RequestBody(request), await caller_of(request))
    return web.Response(status=204, headers=_told(site, found) | {"Upload-Offset": str(found.offset)})


async def delete(request: web.Request) -> web.StreamResponse:
    """DELETE: the upload is gone.

    Source: tus 1.0.0, extension Termination.
    """
    await site_of(request).service.terminate(request.match_info["id"], await caller_of(request))
    return web.Response(status=204, headers={"Tus-Resumable": TUS_VERSION})


ROUTES = {"HEAD": head, "PATCH": patch, "DELETE": delete, "GET": download, "OPTIONS": options}


def _told(site: Site, found: Upload) -> dict[str, str]:
    return {"Tus-Resumable": TUS_VERSION} | site.service.offer.tell(found, site.clock())


def _check_trailer(request: web.Request, is_announced: bool) -> None:
    """Inside another application's runner nobody sees trailers, so none may be promised."""
    if is_announced and not keeps_trailers(request):
        raise ExtensionOff("checksum-trailer")
