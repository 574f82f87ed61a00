"""One process that listens: signals, the socket, and what the operator is told."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import shlex
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from tusserver import __version__
from tusserver.app import StartError, is_loopback, make_app
from tusserver.protocol.errors import Unavailable
from tusserver.settings import Auth, Settings
from tusserver.web.auth import AUTH
from tusserver.web.inside import Runner
from tusserver.web.page import FOLDER
from tusserver.web.site import SITE

log = logging.getLogger("tusserver")


def serve(settings: Settings) -> int:
    """Run the server until it is told to stop; gives the exit status.

    Raises:
        StartError: it cannot start.
    """
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings))
    return 0


def _open_many_files() -> None:
    """Take as many descriptors as the system allows: each running upload has three."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems name no number that they take
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _loop_errors() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """A handler of the loop's errors. Without a free descriptor asyncio tells of each connection it cannot take a
    thousand times a second, with a traceback; this tells it now and then, in one line."""
    told_at = float("-inf")

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_at
        if "_start_serving" in context["message"]:
            return  # it would have tried again, but the server was stopped
        if context["message"] != "socket.accept() out of system resource":
            loop.default_exception_handler(context)
        elif loop.time() - told_at > 10:
            told_at = loop.time()
            log.error("no more connections can be taken: %s", context["exception"])

    return handle


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    _open_many_files()
    loop.set_exception_handler(_loop_errors())
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    # aiohttp waits twice, for handlers and for those it then cancelled.
    app = make_app(settings)
    runner = Runner(
        app,
        access_log=logging.getLogger("tusserver.access") if settings.access_log else None,
        max_field_size=settings.max_header,
        max_line_size=settings.max_header,
        max_headers=settings.max_headers,
        auto_decompress=False,
        shutdown_timeout=settings.stop_timeout / 2.5,
    )
    await runner.setup()
    try:
        port = await _listen(runner, settings)
        for line in [*_start_lines(settings, port), *await _access_lines(settings, app), *await _scanner_lines(app)]:
            print(line, flush=True)
        await stop.wait()
        log.info("stopping")
    finally:
        await runner.cleanup()


async def _listen(runner: Runner, settings: Settings) -> int:
    """Take requests; gives the port."""
    site = web.TCPSite(runner, settings.host, settings.port, reuse_address=True, backlog=1024)
    try:
        await site.start()
    except OSError as error:
        raise StartError(_why_not(error, settings)) from error
    return int(runner.addresses[0][1]) if runner.addresses else settings.port


def _why_not(error: OSError, settings: Settings) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {settings.port} of {settings.host} is taken; choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {settings.port} needs more rights than this user has; choose one above 1023 with --port"
    return f"cannot listen on {settings.host}: it is no address of this machine; choose another with --host"


def _start_lines(settings: Settings, port: int) -> list[str]:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{port}"
    lines = [
        f"tusserver {__version__} listening on {url}/",
        f"  uploads   {settings.base_url or url}{settings.tus_path} (tus 1.0.0)",
        f"  storage   {settings.upload_folder} (files and SQLite, durability {settings.durability})",
    ]
    if not (FOLDER / "vendor").is_dir():
        lines.append("  page      not built: run `make assets` (uploads work without it)")
    return lines


async def _access_lines(settings: Settings, app: web.Application) -> list[str]:
    """Who may do something, and what is to be done if that is nobody."""
    auth = app[AUTH]
    if auth.is_open:
        reach = "only this machine can reach it" if is_loopback(settings.host) else "anybody who reaches it can upload"
        lines = [f"  access    open: no authentication; {reach}"]
        if settings.auth is Auth.AUTO and (settings.base_url or settings.trusted_proxies):
            lines.append("  warning   what is open here is open to everybody behind a proxy too: set AUTH=required")
        return lines
    lines = ["  access    by token: users sign in at POST /auth/token"]
    if auth.has_foreign_keys:
        lines[0] += "; tokens of the identity provider count too"
    elif not await app[SITE].backends.accounts.users():
        folder = f" --upload-folder {shlex.quote(str(settings.upload_folder))}"
        lines.append(
            f"  warning   there are no users, so nobody can upload: `tusserver user add NAME{folder}` makes one"
        )
    return lines


async def _scanner_lines(app: web.Application) -> list[str]:
    """Who looks for viruses, if anybody is to."""
    scanner = app[SITE].backends.scanner
    if scanner is None:
        return []
    try:
        return [f"  scanner   clamd at {scanner.address} ({await scanner.version()})"]
    except Unavailable:
        return [f"  warning   clamd at {scanner.address} does not answer: no upload is completed until it does"]
