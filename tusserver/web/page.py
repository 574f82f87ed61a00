"""The page at `/` and its files."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiohttp import web

from tusserver.protocol.refusals import Refusal
from tusserver.web.site import site_of

FOLDER = Path(__file__).resolve().parent.parent / "static"
# What lies in the folder beside these is for making the page, not for serving it. Bounded as names of files are.
SERVED = re.compile(r"(vendor/)?[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\.(css|js|svg|png|ico|txt)", re.ASCII)
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; media-src 'self' blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class NoSuchFile(Refusal):
    """The page has no such file."""

    status, code, title = 404, "not-found", "There is nothing at this address"


async def root(request: web.Request) -> web.StreamResponse:
    """`GET /`: the page for a browser, a greeting for a program."""
    if "text/html" not in request.headers.get("Accept", ""):
        return web.json_response({"message": "Hello World"}, headers={"Vary": "Accept"})
    site = site_of(request)
    text = await asyncio.to_thread((FOLDER / "index.html").read_text, encoding="utf-8")
    text = text.replace('data-endpoint="files/"', f'data-endpoint="{site.settings.tus_path.lstrip("/")}"')
    return web.Response(
        text=text,
        content_type="text/html",
        headers={
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
            "Vary": "Accept",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


async def asset(request: web.Request) -> web.StreamResponse:
    """`GET /static/{path}`: a file of the page."""
    name = request.match_info["path"]
    path = FOLDER / name
    if not SERVED.fullmatch(name) or not path.is_file():
        raise NoSuchFile(f"there is no {name[:80]!r}")
    return web.FileResponse(path, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
