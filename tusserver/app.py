"""The one file that knows every name: puts the parts together and mounts them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from aiohttp import web

from tusserver.accounts.base import Accounts
from tusserver.accounts.keys import KeyFile
from tusserver.examiner import Examiner
from tusserver.extensions import offer
from tusserver.gallery import Gallery, Rules
from tusserver.imaging.base import Bounds
from tusserver.imaging.images import Images
from tusserver.infos.base import Quota
from tusserver.infos.sqlite import SqliteAccounts, SqliteInfos
from tusserver.lockers.host import HostLocker
from tusserver.protocol.errors import Unavailable
from tusserver.protocol.ids import RANDOM_BYTES, make_id
from tusserver.protocol.rules import Limits
from tusserver.protocol.uploads import Upload
from tusserver.scanner import Clamd
from tusserver.service import Backends, Names, Policy, UploadService
from tusserver.settings import Auth, Settings
from tusserver.stores.file import FileStore
from tusserver.stores.paths import path_of
from tusserver.sweeper import Report, Sweeper
from tusserver.web.announce import Announcer
from tusserver.web.auth import AUTH, Authenticator
from tusserver.web.cors import everywhere
from tusserver.web.routes import add_routes, hiding_images
from tusserver.web.site import SITE, Site
from tusserver.web.zip_room import Zipping

log = logging.getLogger("tusserver")

BYTES, DATABASE, SOCKETS, KEYS = "bytes", "tusserver.db", "run", "keys.json"
DERIVED, SCRATCH = "derived", "scratch"
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
        scanner=None if settings.clamd is None else Clamd(settings.clamd),
    )
    policy = Policy(
        limits=Limits(settings.max_size, _span(settings.expires_after)),
        durability=settings.durability,
        lock_timeout=settings.lock_timeout,
        quota=_quota(settings),
        types=settings.allowed_types,
    )
    service = UploadService(
        backends,
        offer(settings.disabled_extensions, max_metadata=settings.max_metadata),
        policy,
        clock=_clock,
        new_id=_ids(),
    )
    return _Parts(backends, service, Sweeper(service, keep_finished=_span(settings.keep_finished)))


def _ids() -> Callable[[], str]:
    """Ids by chance. The system is asked for many at a time, since asking takes longer than all else about an id."""
    waiting: list[bytes] = []

    def new_id() -> str:
        if not waiting:
            data = secrets.token_bytes(RANDOM_BYTES * 64)
            waiting.extend(data[at : at + RANDOM_BYTES] for at in range(0, len(data), RANDOM_BYTES))
        return make_id(waiting.pop())

    return new_id


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _quota(settings: Settings) -> Quota | None:
    most = (settings.max_owner_bytes, settings.max_owner_open, settings.max_owner_per_minute)
    # Where nothing bounds an upload of unknown length, only images come without one.
    return None if most == (None, None, None) else Quota(*most, deferred=settings.max_size or settings.image_max_size)


def _authenticator(settings: Settings) -> Authenticator:
    """Raises StartError."""
    is_open = settings.auth is Auth.OFF or (settings.auth is Auth.AUTO and is_loopback(settings.host))
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


def _gallery(service: UploadService, settings: Settings) -> Gallery:
    bounds = Bounds(settings.image_max_size, settings.image_max_pixels, settings.image_max_frames)
    images = Images(
        settings.upload_folder / DERIVED,
        bounds,
        workers=settings.image_workers,
        timeout=settings.image_timeout,
        cache_size=settings.image_cache,
    )
    rules = Rules(settings.allowed_extensions, settings.image_max_size, settings.image_optimise)
    return Gallery(service, images, rules, settings.upload_folder / SCRATCH, secrets.token_bytes)


@asynccontextmanager
async def _showing(gallery: Gallery) -> AsyncIterator[None]:
    """Images can be read in the block. Raises StartError."""
    try:
        await gallery.open()
    except Unavailable as error:
        raise StartError(str(error)) from error
    try:
        yield
    finally:
        await gallery.close()


async def _look_after(service: UploadService, read_timeout: float) -> None:
    while True:
        await asyncio.sleep(min(LOOK_INTERVAL, read_timeout))
        service.end_stalled(read_timeout)


@asynccontextmanager
async def _at_work(parts: _Parts, site: Site, announcer: Announcer) -> AsyncIterator[None]:
    """Recovered, and swept from time to time. Clients do not wait for final uploads to be joined."""
    mended = await parts.sweeper.recover(join=False)
    if mended:
        log.info("put %d uploads right that a crash had left behind", mended)
    tasks = [
        asyncio.create_task(parts.sweeper.run(site.settings.sweep_interval)),
        asyncio.create_task(announcer.run()),
        asyncio.create_task(site.examiner.run()),
        asyncio.create_task(_look_after(parts.service, site.settings.read_timeout)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await site.zipping.close()


def _site(parts: _Parts, settings: Settings, root: web.AbstractResource) -> Site:
    gallery = _gallery(parts.service, settings)
    return Site(
        settings,
        parts.backends,
        parts.service,
        Names(parts.service),
        parts.sweeper,
        gallery,
        Examiner(parts.service, gallery.consider),
        Zipping(settings.zip_max_size, settings.zip_memory),
        clock=_clock,
        root=root,
    )


def setup(app: web.Application, settings: Settings, *, prefix: str = "") -> None:
    """Mount the whole server in another aiohttp application.

    Args:
        prefix: path under which everything lies, for example ``"/uploads"``.
    Raises:
        StartError: the application has one already, the public key of the settings cannot be read, or images would have
            the path of another route; when the application starts, if the folder, the database or the keys cannot be
            used.

    Where that application listens is not known here: `settings.auth` is judged by `settings.host`, so whoever listens
    on more than a loopback address sets one of the two.
    `checksum-trailer` is offered only where `Runner` runs the application: aiohttp drops trailers elsewhere.
    """
    if SITE in app:
        raise StartError("this application has a server already; make an application for each and use app.add_subapp")
    if (path := hiding_images(settings)) is not None:
        raise StartError(f"upload_url_path: {settings.upload_url_path} lies in {path}; images need a path of their own")
    parts = _put_together(settings)
    app[AUTH] = auth = _authenticator(settings)
    site = _site(parts, settings, app.router.add_resource(prefix.rstrip("/") + "/"))
    announcer = Announcer(parts.service, settings.announce_hosts, site.address)

    def notice(upload: Upload) -> None:
        announcer.notice(upload)
        site.examiner.notice(upload)

    parts.service.ledger.on_complete = notice
    parts.service.ledger.on_removed = site.gallery.forget
    add_routes(app, site)

    async def work(_: web.Application) -> AsyncIterator[None]:
        async with (
            _opened(parts),
            _authenticating(auth),
            _showing(site.gallery),
            _at_work(parts, site, announcer),
        ):
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


def is_loopback(host: str) -> bool:
    """Only this machine can reach what listens there."""
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
