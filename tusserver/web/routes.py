"""Every route of a site."""

from __future__ import annotations

from aiohttp import web

from tusserver.web import health, listing, page, sign_in, tus
from tusserver.web.cors import add_cors, preflight, shared
from tusserver.web.problems import Handler
from tusserver.web.site import SITE, Site


async def _wait_with_continue(request: web.Request) -> None:
    """`100 Continue` is sent once every check has passed, not before: see RequestBody.accept."""


def add_routes(app: web.Application, site: Site) -> None:
    """Mount the routes of `site` into `app` under its prefix."""
    app[SITE] = site
    app.on_response_prepare.append(add_cors)
    at, router = site.prefix, app.router

    def add(method: str, path: str, handler: Handler) -> None:
        router.add_route(method, path, shared(site, handler), expect_handler=_wait_with_continue)

    add("*", site.collection, tus.collection)
    if site.collection != "/":
        add("*", site.collection.rstrip("/"), tus.collection)
    add("*", site.collection + "{id}", tus.upload)
    for path, handler in (
        ("/", page.root),
        ("/static/{path:.+}", page.asset),
        ("/status", listing.list_uploads),
        ("/health", health.health),
        ("/ready", health.ready),
    ):
        add("GET", at + path, handler)
        add("OPTIONS", at + path, _preflight)
    for method, path, handler in (
        ("POST", "/auth/token", sign_in.token),
        ("POST", "/auth/logout", sign_in.logout),
        ("GET", "/auth/me", sign_in.me),
    ):
        add(method, at + path, handler)
        add("OPTIONS", at + path, _preflight)


async def _preflight(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=preflight(request))
