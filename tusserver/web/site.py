"""What the routes share: settings, service, and how addresses are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from aiohttp import web

from tusserver.examiner import Examiner
from tusserver.gallery import Gallery
from tusserver.protocol.origins import Seen, seen
from tusserver.service import Backends, Names, UploadService
from tusserver.settings import Settings
from tusserver.sweeper import Sweeper
from tusserver.web.zip_room import Zipping


@dataclass(frozen=True, slots=True)
class Site:
    """One mounted server.

    Attributes:
        root: everything lies under its path. An application that is mounted in another one learns that path only then,
            and the router with it.
    """

    settings: Settings
    backends: Backends
    service: UploadService
    names: Names
    sweeper: Sweeper
    gallery: Gallery
    examiner: Examiner
    zipping: Zipping
    clock: Callable[[], datetime]
    root: web.AbstractResource

    @property
    def prefix(self) -> str:
        """The path under which everything lies, "" or "/like/this"."""
        return self.root.canonical.rstrip("/")

    @property
    def collection(self) -> str:
        """The path uploads are created at, with its slash."""
        return self.prefix + self.settings.tus_path

    def address(self, id: str) -> str:
        """Where an upload is: a path, which survives every mistake of a proxy; absolute when BASE_URL is set."""
        return f"{(self.settings.base_url or '').rstrip('/')}{self.collection}{id}"

    def preview(self, stored_filename: str) -> str:
        """Where an image is shown: a path, absolute when BASE_URL is set."""
        path = f"{self.prefix}{self.settings.upload_url_path}/{quote(stored_filename)}"
        return (self.settings.base_url or "").rstrip("/") + path

    def seen(self, request: web.Request) -> Seen:
        """The request as its client made it."""
        direct = Seen(request.scheme, request.host, request.remote or "")
        return seen(request.headers, direct, self.settings.trusted_proxies)


SITE: web.AppKey[Site] = web.AppKey("tusserver", Site)


def site_of(request: web.Request) -> Site:
    """The site that the route of `request` belongs to."""
    return request.config_dict[SITE]
