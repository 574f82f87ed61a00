"""Every route of a site."""

from __future__ import annotations

from aiohttp import web

from tusserver.settings import Settings
from tusserver.web import (
    api_pages,
    cleanup,
    health,
    images,
    links,
    listing,
    openapi,
    page,
    rest_files,
    rest_upload,
    sign_in,
    tus,
    zip_file,
    zip_stored,
)
from tusserver.web.cors import add_cors, preflight, shared
from tusserver.web.problems import Handler
from tusserver.web.site import SITE, Site

# In this order: a fixed path wins over a name. A name may be anything, with braces and line breaks in it: what is wrong
# with it is for the route to say.
ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/", {"GET": page.root}),
    ("/static/{path:(?s:.+)}", {"GET": page.asset}),
    ("/health", {"GET": health.health}),
    ("/ready", {"GET": health.ready}),
    ("/openapi.json", {"GET": openapi.document}),
    ("/docs", {"GET": api_pages.docs}),
    ("/redoc", {"GET": api_pages.redoc}),
    ("/auth/token", {"POST": sign_in.token}),
    ("/auth/renew", {"POST": sign_in.renew}),
    ("/auth/logout", {"POST": sign_in.logout}),
    ("/auth/me", {"GET": sign_in.me}),
    ("/upload/start", {"POST": rest_upload.start}),
    ("/upload/chunk", {"POST": rest_upload.chunk}),
    ("/upload/complete", {"POST": rest_upload.complete}),
    ("/download/partial/{filename:(?s:.+)}", {"GET": rest_files.download_part}),
    ("/download/{filename:(?s:.+)}", {"GET": rest_files.download}),
    ("/status", {"GET": listing.list_uploads}),
    ("/status/{filename:(?s:.+)}", {"GET": rest_files.status}),
    ("/cleanup", {"DELETE": cleanup.cleanup}),
    ("/links", {"GET": links.list_links, "POST": links.mint}),
    ("/zip", {"GET": zip_stored.get, "POST": zip_stored.post}),
    ("/zip-file", {"POST": zip_file.zip_files}),
    ("/zip-file/", {"POST": zip_file.zip_files}),
    ("/api/upload", {"POST": images.upload}),
    ("/api/images", {"GET": images.list_images}),
    ("/api/images/{stored_filename:[^/]+}", {"DELETE": images.remove}),
)
# They answer OPTIONS themselves, and any method that `X-HTTP-Method-Override` stands in for.
LINK_ROUTES: tuple[tuple[str, dict[str, Handler]], ...] = (
    ("/links/{id:[^/]+}", {"GET": links.show, "DELETE": links.remove, "*": links.collection}),
    ("/links/{id:[^/]+}/", {"GET": links.show, "*": links.collection}),
)


def hiding_images(settings: Settings) -> str | None:
    """The path that would answer in place of the images under `upload_url_path`; None, as it should be."""
    paths = [settings.tus_path + "{id}", *(path for path, _ in (*ROUTES, *LINK_ROUTES) if "{" in path)]
    return next((path for path in paths if f"{settings.upload_url_path}/".startswith(path.partition("{")[0])), None)


async def _wait_with_continue(request: web.Request) -> None:
    """`100 Continue` is sent once every check has passed, not before: see RequestBody.accept."""


def add_routes(app: web.Application, site: Site) -> None:
    """Mount the routes of `site` into `app` under its prefix."""
    app[SITE] = site
    app.on_response_prepare.append(add_cors)
    router = app.router

    def add(method: str, path: str, handler: Handler) -> None:
        router.add_route(method, path, shared(site, handler), expect_handler=_wait_with_continue)

    add("*", site.collection, tus.collection)
    if site.collection != "/":
        add("*", site.collection.rstrip("/"), tus.collection)
    add("*", site.collection + "{id:[^/]+}", tus.upload)
    shown: dict[str, Handler] = {"GET": images.show}
    for path, handlers in (*ROUTES, (site.settings.upload_url_path + "/{stored_filename:[^/]+}", shown)):
        for method, handler in (_with_head(handlers) | {"OPTIONS": _preflight}).items():
            add(method, site.prefix + path, handler)
    for path, handlers in LINK_ROUTES:
        for method, handler in _with_head(handlers).items():
            add(method, site.prefix + path, handler)


def _with_head(handlers: dict[str, Handler]) -> dict[str, Handler]:
    """HEAD is answered wherever GET is, by what answers that; aiohttp then sends no body. RFC 9110, section 9.1."""
    return ({"HEAD": handlers["GET"]} if "GET" in handlers else {}) | handlers


async def _preflight(request: web.Request) -> web.StreamResponse:
    return web.Response(status=204, headers=preflight(request))
