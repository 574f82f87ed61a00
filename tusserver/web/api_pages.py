"""`/docs` and `/redoc`: the routes of this server, to be tried out and to be read. Nothing comes from elsewhere."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tusserver.web.page import FOLDER

_ONLY_HERE = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; "
)
DOCS_POLICY = _ONLY_HERE + "img-src 'self' data:; style-src 'self'"
# ReDoc writes its rules into style elements that are empty as far as a policy sees, and one that holds the look of
# scroll bars; its search runs in a worker that it makes of its own text.
_EMPTY, _SCROLL_BARS = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc="
REDOC_POLICY = (
    f"{_ONLY_HERE}img-src 'self' data:; style-src 'self' 'sha256-{_EMPTY}' 'sha256-{_SCROLL_BARS}'; worker-src blob:"
)
MISSING = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>API</title>
<p>The libraries that this page is made with are not there. Run <code>make assets</code> where the server was installed
from, and load the page again. The routes are described in <a href="openapi.json">openapi.json</a>.</p>
</html>
"""


async def docs(request: web.Request) -> web.StreamResponse:
    """`GET /docs`: Swagger UI."""
    return await _page("docs.html", "swagger-ui.js", DOCS_POLICY)


async def redoc(request: web.Request) -> web.StreamResponse:
    """`GET /redoc`: ReDoc."""
    return await _page("redoc.html", "redoc.js", REDOC_POLICY)


async def _page(name: str, library: str, policy: str) -> web.Response:
    text = await asyncio.to_thread(_read, name, library)
    return web.Response(
        status=503 if text is None else 200,
        text=MISSING if text is None else text,
        content_type="text/html",
        headers={
            "Content-Security-Policy": policy,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


def _read(name: str, library: str) -> str | None:
    """The page, None where its library was never made."""
    return (FOLDER / name).read_text(encoding="utf-8") if (FOLDER / "vendor" / library).is_file() else None
