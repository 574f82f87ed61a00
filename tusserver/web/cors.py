"""CORS on every answer of this server, also on errors: without it a browser hides why something was refused."""

from __future__ import annotations

from aiohttp import web

from tusserver.protocol.origins import cors_headers, preflight_headers
from tusserver.web.problems import Handler, guarded
from tusserver.web.site import Site, site_of

ORIGINS: web.RequestKey[tuple[str, ...]] = web.RequestKey("tusserver.cors_origins", tuple)


def shared(site: Site, handler: Handler) -> Handler:
    """The handler as a route of this site: its failures are problem documents, its answers bear CORS headers."""
    safe = guarded(handler)
    origins = site.settings.cors_origins

    async def route(request: web.Request) -> web.StreamResponse:
        request[ORIGINS] = origins
        return await safe(request)

    return route


@web.middleware
async def everywhere(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same where no route is, for an application that is this server and nothing else."""
    return await shared(site_of(request), handler)(request)


async def add_cors(request: web.Request, response: web.StreamResponse) -> None:
    """Before an answer is sent: the headers for pages of other origins, on the routes of a site."""
    # Once, also where both an application and the one it is mounted in are servers.
    origins = request.pop(ORIGINS, None)
    if origins is None:
        return
    for name, value in cors_headers(request.headers.get("Origin"), origins).items():
        if name == "Vary" and name in response.headers:
            value = f"{response.headers[name]}, {value}"
        response.headers[name] = value
    response.headers["Server"] = "tusserver"


def preflight(request: web.Request) -> dict[str, str]:
    """Headers that an answer to OPTIONS bears besides, when a browser asks."""
    if "Origin" not in request.headers:
        return {}
    return preflight_headers(request.headers.get("Access-Control-Request-Headers"))
