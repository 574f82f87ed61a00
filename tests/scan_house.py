"""A server in the process of the test that asks a clamd which does as it is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.clamd import EICAR, Peer
from tests.rest_client import RestClient
from tests.test_announce import until
from tests.tus_client import Reply, TusClient
from tusserver.app import make_app
from tusserver.protocol.uploads import State, Upload
from tusserver.settings import Settings
from tusserver.web.site import SITE

BAD = b"x" * 100 + EICAR + b"y" * 100
GOOD = b"z" * len(BAD)
INFECTED, AWAY = (422, "infected"), (503, "scanner-away")


@dataclass(slots=True)
class House:
    """A server in this process, with a clamd that does as it is told."""

    app: web.Application
    tus: TusClient
    rest: RestClient
    clamd: Peer

    async def record(self, path: str) -> Upload:
        return await self.app[SITE].backends.infos.load(path.rsplit("/", 1)[1])

    async def state(self, path: str) -> State:
        return (await self.record(path)).state

    async def is_in(self, path: str, state: State) -> bool:
        return await self.state(path) is state

    async def size(self, path: str) -> int:
        return await self.app[SITE].backends.store.size(path.rsplit("/", 1)[1])

    async def count(self) -> tuple[int, int]:
        """Records, and places in the store."""
        site = self.app[SITE]
        return len((await site.backends.infos.page()).uploads), len([one async for one in site.backends.store.scan()])

    def patch_in_the_background(self, path: str, offset: int, data: bytes) -> asyncio.Task[Reply]:
        return asyncio.create_task(self.tus.patch(path, offset, data))

    async def scanning(self, streams: int = 1) -> None:
        """Wait until clamd has begun so many streams and holds one of them."""
        await until(lambda: len(self.clamd.streams) == streams and self.clamd.present > 0)


def a_site(folder: Path, clamd: Peer, **chosen: Any) -> web.Application:
    return make_app(Settings(upload_folder=folder / "uploads", clamd=clamd.address, lock_timeout=0.2, **chosen))
