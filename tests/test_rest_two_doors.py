"""One upload, two protocols: whatever order they come in, both doors tell the same offset and the bytes are right."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, said
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.settings import Durability, Settings

ACTS = ("chunk", "patch", "head", "status", "disconnect")
LENGTH = 6
ORDERINGS = list(itertools.product(ACTS, repeat=LENGTH))
# `make test` takes every 121st, which is prime to 5 and so has every act in every place; `make test-exhaustive` all.
SAMPLE = 121
PIECE = 7
SIZE = PIECE * LENGTH
DATA = bytes(range(SIZE))
AT_ONCE = 16


class Door:
    """One upload and what its two clients do with it, in turn."""

    def __init__(self, rest: RestClient, name: str) -> None:
        self.rest, self.name, self.path = rest, name, ""
        self.offset, self.index = 0, 0

    async def run(self, acts: Iterable[str]) -> None:
        """Every act, then both clients agree, then the rest of the bytes."""
        self.path = await self.rest.begun(self.name, SIZE)
        for act in acts:
            await getattr(self, act)()
        assert (await self.rest.status(self.name))["offset"] == await self.rest.tus.offset(self.path) == self.offset
        while self.offset < SIZE:
            await self.chunk()
        assert (await self.rest.status(self.name))["status"] == "complete"
        assert (await self.rest.complete(self.name)).status == 200
        assert (await self.rest.send("GET", f"/download/{self.name}")).body == DATA
        assert (await self.rest.tus.get(self.path)).body == DATA
        assert (await self.rest.tus.send("DELETE", self.path)).status == 204

    async def chunk(self) -> None:
        """The next numbered chunk; where bytes came by tus it is refused, and sent again with the offset told."""
        data = DATA[self.offset : self.offset + PIECE]
        reply = await self.rest.chunk(self.name, self.index, data, "raw")
        if reply.status == 409:
            assert reply.problem["code"] == "offset-moved"
            assert (reply.problem["offset"], reply.problem["next_chunk_index"]) == (self.offset, self.index)
            reply = await self.rest.chunk(self.name, self.index, data, "raw", offset=self.offset)
        assert reply.status == 200, reply
        self.offset += PIECE
        self.index += 1
        assert (said(reply)["offset"], said(reply)["next_chunk_index"]) == (self.offset, self.index)

    async def patch(self) -> None:
        """The next bytes by tus."""
        reply = await self.rest.tus.patch(self.path, self.offset, DATA[self.offset : self.offset + PIECE])
        assert reply.status == 204, reply
        self.offset += PIECE
        assert reply.headers["Upload-Offset"] == str(self.offset)

    async def head(self) -> None:
        """Where a tus client believes it stands."""
        assert await self.rest.tus.offset(self.path) == self.offset

    async def status(self) -> None:
        """Where a REST client believes it stands."""
        told = await self.rest.status(self.name)
        assert (told["offset"], told["status"] == "complete") == (self.offset, self.offset == SIZE)

    async def disconnect(self) -> None:
        """Two bytes of the next piece by each door, then the connection breaks: tus keeps them, a chunk goes whole."""
        if self.offset + PIECE > SIZE:
            return
        query = f"filename={self.name}&chunk_index={self.index}&offset={self.offset}"
        async with self._begun(f"POST /upload/chunk?{query}"):
            await asyncio.sleep(0.002)
        assert await self.rest.tus.offset(self.path) == self.offset
        async with self._begun(
            f"PATCH {self.path}",
            "Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Upload-Offset: {self.offset}\r\n",
        ):
            while await self.rest.tus.offset(self.path) == self.offset:
                pass
        assert await self.rest.tus.offset(self.path) == self.offset + 2
        reply = await self.rest.tus.patch(self.path, self.offset + 2, DATA[self.offset + 2 : self.offset + PIECE])
        assert reply.status == 204, reply
        self.offset += PIECE

    @asynccontextmanager
    async def _begun(self, line: str, headers: str = "") -> AsyncIterator[None]:
        """A request of which two bytes come in the block; behind it the connection breaks."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.rest.tus.client.server.port)
        head = f"{line} HTTP/1.1\r\nHost: example.com\r\n{headers}Content-Length: {PIECE}\r\n\r\n"
        writer.write(head.encode() + DATA[self.offset : self.offset + 2])
        await writer.drain()
        yield
        writer.close()
        await writer.wait_closed()


async def run_all(rest: RestClient, orderings: list[tuple[str, ...]]) -> None:
    numbers = iter(range(len(orderings)))

    async def worker() -> None:
        for number in numbers:
            try:
                await Door(rest, f"u{number}").run(orderings[number])
            except Exception as error:
                raise AssertionError(f"{' '.join(orderings[number])}: {error!r}") from error

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())


@pytest.fixture
async def rest(aiohttp_client: AiohttpClient, tmp_path: Path) -> RestClient:
    # A lock that is never let go shows all the same; a machine with other work to do does not.
    settings = Settings(upload_folder=tmp_path / "uploads", durability=Durability.NEVER, lock_timeout=60)
    return RestClient(TusClient(await aiohttp_client(make_app(settings))))


def test_the_sample_has_every_act_in_every_place_and_every_pair_in_a_row() -> None:
    sample = ORDERINGS[::SAMPLE]
    for place in range(LENGTH):
        assert {acts[place] for acts in sample} == set(ACTS)
    pairs = {pair for acts in sample for pair in itertools.pairwise(acts)}
    assert pairs == set(itertools.product(ACTS, repeat=2))


async def test_a_sample_of_orderings_gives_the_same_bytes_and_offsets(rest: RestClient) -> None:
    await run_all(rest, ORDERINGS[::SAMPLE])


@pytest.mark.exhaustive
async def test_all_orderings_give_the_same_bytes_and_offsets(rest: RestClient) -> None:
    await run_all(rest, ORDERINGS)
