"""How an archive is sent: which CRCs are made for it and when, and what happens where its files change meanwhile."""

from __future__ import annotations

import asyncio
import io
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from aiohttp import ClientError
from pytest_aiohttp import AiohttpClient

from tests.rest_client import RestClient, refused
from tests.tus_client import TusClient
from tests.zip_uploads import put_beside
from tusserver.app import BYTES, make_app
from tusserver.infos.base import Infos
from tusserver.protocol.uploads import Facts, Upload
from tusserver.settings import Settings
from tusserver.stores.base import Store
from tusserver.stores.paths import path_of
from tusserver.web.site import SITE, Site

MIB = 1 << 20
SMALL, LARGE = b"small" * 100, bytes(range(256)) * 8192


class Watched:
    """An examiner that keeps what it is asked for, and answers when the gate is open."""

    def __init__(self, examiner: Any) -> None:
        self._examiner = examiner
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    async def crc32(self, upload: Upload) -> int:
        self.asked.append(upload.id)
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        crc32: int = await self._examiner.crc32(upload)
        return crc32


class Forgetful:
    """Records of which nobody has found out anything."""

    def __init__(self, infos: Infos) -> None:
        self._infos = infos

    def __getattr__(self, name: str) -> Any:
        return getattr(self._infos, name)

    async def load_many(self, ids: Sequence[str]) -> dict[str, Upload]:
        found = await self._infos.load_many(ids)
        return {id: replace(one, facts=Facts()) for id, one in found.items()}


class Fileless:
    """A store whose bytes are no files."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def file(self, id: str) -> Path | None:
        await self._store.size(id)
        return None


class Served:
    """A server on a folder with uploads whose CRCs are not known."""

    def __init__(self, folder: Path, ids: Sequence[str]) -> None:
        self.folder, self.ids = folder, ids
        self.app = make_app(Settings(upload_folder=folder))
        self.site = self.app[SITE]
        self.examiner = Watched(self.site.examiner)
        infos = cast(Infos, Forgetful(self.site.backends.infos))
        self.set(examiner=self.examiner, backends=replace(self.site.backends, infos=infos))

    def set(self, **parts: Any) -> None:
        self.site = self.app[SITE] = replace(self.site, **parts)

    async def client(self, aiohttp_client: AiohttpClient) -> RestClient:
        return RestClient(TusClient(await aiohttp_client(self.app)))

    @property
    def address(self) -> str:
        return f"/zip?uploads={','.join(self.ids)}"

    def path(self, index: int) -> Path:
        return path_of(self.folder / BYTES, self.ids[index])


async def serve(folder: Path, *files: tuple[str, int | bytes]) -> Served:
    return Served(folder, await put_beside(folder, *files))


@pytest.fixture
async def three(tmp_path: Path) -> Served:
    return await serve(tmp_path / "uploads", ("a", SMALL), ("b", LARGE), ("c", SMALL))


def is_whole(body: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(body)) as opened:
        return opened.testzip() is None and [len(opened.read(name)) for name in opened.namelist()] == [
            len(SMALL), len(LARGE), len(SMALL)
        ]  # fmt: skip


async def test_each_crc_is_asked_for_once(three: Served, aiohttp_client: AiohttpClient) -> None:
    rest = await three.client(aiohttp_client)
    reply = await rest.send("GET", three.address)
    assert is_whole(reply.body)
    assert sorted(three.examiner.asked) == sorted(three.ids)


async def test_no_crc_is_asked_for_that_is_known(three: Served, aiohttp_client: AiohttpClient) -> None:
    three.set(backends=replace(three.site.backends, infos=three.site.service.ledger.infos))
    rest = await three.client(aiohttp_client)
    for id, data in zip(three.ids, (SMALL, LARGE, SMALL), strict=True):
        await three.site.backends.infos.note(id, Facts(crc32=zlib.crc32(data)))
    reply = await rest.send("GET", three.address)
    assert is_whole(reply.body)
    assert three.examiner.asked == []


async def test_a_range_of_data_and_the_headers_ask_for_none(three: Served, aiohttp_client: AiohttpClient) -> None:
    rest = await three.client(aiohttp_client)
    begin = 31 + len(SMALL) + 31
    reply = await rest.send("GET", three.address, Range=f"bytes={begin}-{begin + len(LARGE) - 1}")
    assert (reply.status, reply.body) == (206, LARGE)
    head = await rest.send("HEAD", three.address)
    whole = int(head.headers["Content-Length"])
    end = await rest.send("GET", three.address, Range="bytes=-22")
    assert (end.status, len(end.body)) == (206, 22)
    assert three.examiner.asked == []
    # The directory begins in front of the last 163 bytes.
    some = await rest.send("GET", three.address, Range=f"bytes={whole - 22 - 47}-{whole - 23}")
    assert some.body.startswith(b"PK\1\2")
    assert three.examiner.asked == three.ids[2:]


async def test_what_comes_before_a_crc_is_not_held_back_while_it_is_made(
    three: Served, aiohttp_client: AiohttpClient
) -> None:
    rest = await three.client(aiohttp_client)
    three.examiner.gate.clear()
    async with rest.tus.client.get(three.address) as answer:
        assert answer.status == 200
        begin = await answer.content.readexactly(14)
        assert begin.startswith(b"PK\3\4")
        more = asyncio.create_task(answer.content.readexactly(1))
        await asyncio.sleep(0.1)
        assert not more.done()
        three.examiner.gate.set()
        rest_of_it = await more + await answer.content.read()
    assert is_whole(begin + rest_of_it)


async def test_a_store_without_files_gives_the_same_archive(three: Served, aiohttp_client: AiohttpClient) -> None:
    store = cast(Store, Fileless(three.site.backends.store))
    three.set(backends=replace(three.site.backends, store=store))
    rest = await three.client(aiohttp_client)
    whole = await rest.send("GET", three.address)
    assert is_whole(whole.body)
    part = await rest.send("GET", three.address, Range="bytes=700-900000")
    assert part.body == whole.body[700:900_001]


async def cut_off(rest: RestClient, address: str, meanwhile: Callable[[], Awaitable[None]] | None = None) -> bytes:
    """What comes of an archive that breaks off; fails if it comes as a whole one.

    Args:
        meanwhile: done when the first bytes have come.
    """
    received = bytearray()
    try:
        async with rest.tus.client.get(address) as answer:
            assert answer.status == 200
            received += await answer.content.readexactly(14)
            if meanwhile is not None:
                await meanwhile()
            async for some in answer.content.iter_any():
                received += some
    except (ClientError, ConnectionError):
        return bytes(received)
    pytest.fail(f"{len(received)} bytes came, and nothing said that there are more")


async def test_an_upload_removed_while_its_crc_is_made_cuts_the_connection(
    three: Served, aiohttp_client: AiohttpClient
) -> None:
    rest = await three.client(aiohttp_client)
    three.examiner.gate.clear()

    async def remove() -> None:
        assert (await rest.tus.send("DELETE", f"/files/{three.ids[0]}")).status == 204
        three.examiner.gate.set()

    assert len(await cut_off(rest, three.address, remove)) == 14
    assert refused(await rest.send("GET", three.address)) == (404, "upload-not-found")


@pytest.mark.parametrize("last", [SMALL, LARGE], ids=["small", "large"])
async def test_a_file_removed_before_its_turn_cuts_the_connection(
    tmp_path: Path, aiohttp_client: AiohttpClient, last: bytes
) -> None:
    # The first is more than what lies between server and client, so the last has not had its turn when it goes.
    served = await serve(tmp_path / "uploads", ("a", 64 * MIB), ("b", last))
    rest = await served.client(aiohttp_client)

    async def remove() -> None:
        assert (await rest.tus.send("DELETE", f"/files/{served.ids[1]}")).status == 204

    received = await cut_off(rest, served.address, remove)
    assert 64 * MIB <= len(received) < 64 * MIB + 31 + 32 + len(last)


@pytest.mark.parametrize("fileless", [False, True])
@pytest.mark.parametrize("index", [0, 1])
async def test_a_file_that_has_lost_bytes_cuts_the_connection(
    three: Served, aiohttp_client: AiohttpClient, index: int, fileless: bool
) -> None:
    if fileless:
        store = cast(Store, Fileless(three.site.backends.store))
        three.set(backends=replace(three.site.backends, store=store))
    rest = await three.client(aiohttp_client)
    assert is_whole((await rest.send("GET", three.address)).body)
    three.examiner.gate.clear()

    async def shorten() -> None:
        with three.path(index).open("r+b") as file:
            file.truncate(400)
        three.examiner.gate.set()

    # The reading of CRCs finds it too; here they are known by then.
    crcs = {id: zlib.crc32(data) for id, data in zip(three.ids, (SMALL, LARGE, SMALL), strict=True)}
    three.examiner._examiner = Knowing(crcs)
    await cut_off(rest, three.address, shorten)


class Knowing:
    """An examiner that knows."""

    def __init__(self, crcs: dict[str, int]) -> None:
        self._crcs = crcs

    async def crc32(self, upload: Upload) -> int:
        return self._crcs[upload.id]


async def test_any_failure_on_the_way_cuts_the_connection_and_is_logged(
    three: Served, aiohttp_client: AiohttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    rest = await three.client(aiohttp_client)
    three.examiner.failure = ArithmeticError("nobody thought of this")
    assert len(await cut_off(rest, three.address)) == 14
    assert "was cut off: ArithmeticError('nobody thought of this')" in caplog.text


def test_the_parts_replaced_here_are_parts_of_a_site() -> None:
    assert {"examiner", "backends"} <= set(Site.__slots__)
