"""The one file that knows every name: puts the parts together, mounts them, runs them."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import secrets
import shlex
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

from aiohttp import web

from tusserver import __version__
from tusserver.accounts.base import Accounts
from tusserver.accounts.keys import KeyFile
from tusserver.extensions import offer
from tusserver.infos.base import Quota
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.lockers.host import HostLocker
from tusserver.protocol.errors import Unavailable
from tusserver.protocol.ids import RANDOM_BYTES, make_id
from tusserver.protocol.rules import Limits
from tusserver.service import Backends, Names, Policy, UploadService
from tusserver.settings import Auth, Settings
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of
from tusserver.sweeper import Report, Sweeper
from tusserver.web.announce import Announcer
from tusserver.web.auth import AUTH, Authenticator
from tusserver.web.cors import everywhere
from tusserver.web.inside import Runner
from tusserver.web.page import FOLDER
from tusserver.web.routes import add_routes
from tusserver.web.site import SITE, Site

log = logging.getLogger("tusserver")

BYTES, DATABASE, SOCKETS, KEYS = "bytes", "tusserver.db", "run", "keys.json"
# How often running bodies are looked at for one that rests too long, in seconds.
LOOK_INTERVAL = 0.5


class StartError(Exception):
    """The server cannot start; the text is one line for the operator."""


@dataclass(frozen=True, slots=True)
class _Parts:
    backends: Backends
    service: UploadService
    sweeper: Sweeper


def _clock() -> datetime:
    return datetime.now(UTC)


def _put_together(settings: Settings) -> _Parts:
    folder = settings.upload_folder
    infos = SqliteInfos(folder / DATABASE)
    backends = Backends(
        store=FileStore(folder / BYTES),
        infos=infos,
        locker=HostLocker(lambda id: path_of(folder / BYTES, id), folder / SOCKETS),
        accounts=SqliteAccounts(infos),
    )
    policy = Policy(
        limits=Limits(settings.max_size, _span(settings.expires_after)),
        durability=settings.durability,
        lock_timeout=settings.lock_timeout,
        quota=_quota(settings),
    )
    service = UploadService(
        backends,
        offer(settings.disabled_extensions, max_metadata=settings.max_metadata),
        policy,
        clock=_clock,
        new_id=lambda: make_id(secrets.token_bytes(RANDOM_BYTES)),
    )
    return _Parts(backends, service, Sweeper(service, keep_finished=_span(settings.keep_finished)))


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _quota(settings: Settings) -> Quota | None:
    most = (settings.max_owner_bytes, settings.max_owner_open, settings.max_owner_per_minute)
    return None if most == (None, None, None) else Quota(*most)


def _authenticator(settings: Settings) -> Authenticator:
    """Raises StartError."""
    is_open = settings.auth is Auth.OFF or (settings.auth is Auth.AUTO and _is_loopback(settings.host))
    try:
        return Authenticator(settings, KeyFile(settings.upload_folder / KEYS), is_open=is_open, clock=_clock)
    except Unavailable as error:
        raise StartError(str(error)) from error


@asynccontextmanager
async def _authenticating(auth: Authenticator) -> AsyncIterator[None]:
    """Tokens can be made and verified in the block. Raises StartError."""
    try:
        await auth.open()
    except Unavailable as error:
        raise StartError(str(error)) from error
    try:
        yield
    finally:
        await auth.close()


@asynccontextmanager
async def _opened(parts: _Parts) -> AsyncIterator[_Parts]:
    """Every backend open, and closed in the end. Raises StartError."""
    backends = parts.backends
    order = (backends.store, backends.infos, backends.accounts, backends.locker)
    opened = []
    try:
        for backend in order:
            await backend.open()
            opened.append(backend)
        yield parts
    except Unavailable as error:
        if len(opened) == len(order):
            raise
        raise StartError(str(error)) from error
    finally:
        await parts.service.close()
        for backend in reversed(opened):
            await backend.close()


async def _look_after(service: UploadService, read_timeout: float) -> None:
    while True:
        await asyncio.sleep(min(LOOK_INTERVAL, read_timeout))
        service.end_stalled(read_timeout)


@asynccontextmanager
async def _at_work(parts: _Parts, settings: Settings, announcer: Announcer) -> AsyncIterator[None]:
    """Recovered, and swept from time to time. Clients do not wait for final uploads to be joined."""
    mended = await parts.sweeper.recover(join=False)
    if mended:
        log.info("put %d uploads right that a crash had left behind", mended)
    tasks = [
        asyncio.create_task(parts.sweeper.run(settings.sweep_interval)),
        asyncio.create_task(announcer.run()),
        asyncio.create_task(_look_after(parts.service, settings.read_timeout)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def setup(app: web.Application, settings: Settings, *, prefix: str = "") -> None:
    """Mount the whole server in another aiohttp application.

    Args:
        prefix: path under which everything lies, for example ``"/uploads"``.
    Raises:
        StartError: the public key of the settings cannot be read; when the application starts, if the folder, the
            database or the keys cannot be used.

    Where that application listens is not known here: `settings.auth` is judged by `settings.host`, so whoever listens
    on more than a loopback address sets one of the two.
    `checksum-trailer` is offered only where `Runner` runs the application: aiohttp drops trailers elsewhere.
    """
    parts = _put_together(settings)
    app[AUTH] = auth = _authenticator(settings)
    site = Site(
        settings,
        parts.backends,
        parts.service,
        Names(parts.service),
        parts.sweeper,
        clock=_clock,
        prefix=prefix.rstrip("/"),
    )
    announcer = Announcer(parts.service, settings.announce_hosts, site.address)
    parts.service.ledger.on_complete = announcer.notice
    add_routes(app, site)

    async def work(_: web.Application) -> AsyncIterator[None]:
        async with _opened(parts), _authenticating(auth), _at_work(parts, settings, announcer):
            yield

    async def stop(_: web.Application) -> None:
        parts.service.stop_receiving()

    app.cleanup_ctx.append(work)
    app.on_shutdown.append(stop)


def make_app(settings: Settings) -> web.Application:
    """An application that is this server and nothing else."""
    app = web.Application(middlewares=[everywhere])
    setup(app, settings)
    return app


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
        for line in [*_start_lines(settings, port), *await _access_lines(settings, app)]:
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
        reach = "only this machine can reach it" if _is_loopback(settings.host) else "anybody who reaches it can upload"
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@asynccontextmanager
async def accounts_of(settings: Settings, *, may_begin: bool = False) -> AsyncIterator[Accounts]:
    """The users and links in the folder of `settings`, also while a server runs on it.

    Args:
        may_begin: the folder is made if it is not there.
    Raises:
        StartError: the folder or the database cannot be used.
    """
    if not may_begin:
        await asyncio.to_thread(_require_folder, settings)
    async with _opened(_put_together(settings)) as parts:
        yield parts.backends.accounts


def rotate_key(settings: Settings, *, revoke: bool = False) -> None:
    """Let a new key sign tokens; a server that runs on the folder of `settings` notices by itself.

    Args:
        revoke: tokens signed until now count no more.
    Raises:
        StartError: the folder or the keys cannot be used.
    """
    _require_folder(settings)
    try:
        KeyFile(settings.upload_folder / KEYS).rotate(_clock(), revoke=revoke)
    except Unavailable as error:
        raise StartError(str(error)) from error


def _require_folder(settings: Settings) -> None:
    if not settings.upload_folder.is_dir():
        raise StartError(f"there is no folder {settings.upload_folder}")


async def cleanup(settings: Settings, *, dry_run: bool = False, older_than: float | None = None) -> Report:
    """One sweep of the folder of `settings`, also while a server runs on it.

    Args:
        older_than: seconds; unfinished uploads without a byte for longer go too.
    Raises:
        StartError: the folder or the database cannot be used.
    """
    await asyncio.to_thread(_require_folder, settings)
    parts = _put_together(settings)
    async with _opened(parts):
        return await parts.sweeper.sweep(dry_run=dry_run, older_than=_span(older_than))
