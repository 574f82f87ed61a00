"""`/health`: the process answers. `/ready`: it can take uploads."""

from __future__ import annotations

from aiohttp import web

from tusserver.protocol.errors import BackendError
from tusserver.web.site import site_of

NO_STORE = {"Cache-Control": "no-store"}
# Below this many bytes an upload is likely to fail before it ends.
LITTLE = 64 * 1024 * 1024


async def health(request: web.Request) -> web.StreamResponse:
    """Alive, whatever the disk and the database say: a restart would not mend those."""
    return web.json_response({"status": "ok"}, headers=NO_STORE)


async def ready(request: web.Request) -> web.StreamResponse:
    """200 when uploads can be completed as far as one can tell, else 503 that names the part in the way."""
    site = site_of(request)
    parts: dict[str, str] = {"server": "stopping" if site.service.is_stopping else "ok"}
    try:
        await site.backends.infos.known([])
        parts["database"] = "ok"
    except BackendError:
        parts["database"] = "away"
    try:
        free = await site.backends.store.free()
        parts["store"] = "ok" if free is None or free > LITTLE else "full"
    except BackendError:
        parts["store"] = "away"
    scanner = site.backends.scanner
    if scanner is not None:
        try:
            await scanner.version()
            parts["scanner"] = "ok"
        except BackendError:
            parts["scanner"] = "away"
    is_ready = set(parts.values()) == {"ok"}
    return web.json_response(
        {"status": "ready" if is_ready else "not-ready", **parts}, status=200 if is_ready else 503, headers=NO_STORE
    )
