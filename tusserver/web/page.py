"""The page at `/` and its files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
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
    if not is_browser(request):
        return web.json_response({"message": "Hello World"}, headers={"Vary": "Accept"})
    settings = site_of(request).settings
    words = {
        'data-endpoint="files/"': f'data-endpoint="{settings.tus_path.lstrip("/")}"',
        'data-previews="public"': f'data-previews="{settings.images}"',
    }
    return await _page(words)


async def page_of_link(status: int = 200) -> web.StreamResponse:
    """The same page for an upload link, two folders below the root: what is uploaded there goes to the link itself."""
    words = {'data-endpoint="files/"': 'data-endpoint="./" data-link', 'href="./"': 'href="../../"'}
    up = {f'="{name}': f'="../../{name}' for name in ("static/", "docs", "redoc")}
    return await _page({**words, **up}, status)


def is_browser(request: web.Request) -> bool:
    """Somebody looks, rather than a program."""
    return "text/html" in request.headers.get("Accept", "")


async def _page(words: Mapping[str, str], status: int = 200) -> web.Response:
    text = await asyncio.to_thread((FOLDER / "index.html").read_text, encoding="utf-8")
    for word, other in words.items():
        text = text.replace(word, other)
    return web.Response(
        text=text,
        status=status,
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
