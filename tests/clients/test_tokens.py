"""Uploads of hours with tokens of minutes, in compressed time: six seconds with a token of one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tusclient.client import TusClient

from tests.clients import node
from tests.clients.people import asking, bearer, stored
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, make_file
from tests.running import RunningServer

CHUNK = 100_000
RATE = MB // 4
LIFETIME = 2.0
SIZE = 3_000_000

pytestmark = pytest.mark.slow


@dataclass(slots=True)
class Hours:
    """A server whose tokens end early, a slow line to it and a file that takes many lives of a token."""

    server: RunningServer
    line: Relay
    file: Path
    token: dict[str, str]
    began: float

    def assert_arrived(self) -> None:
        """The file is there once, whole; the token that was used ended long before, and begins nothing any more."""
        assert time.monotonic() - self.began > 5 * LIFETIME
        refused = ask("POST", self.server.endpoint, TUS | self.token | {"Upload-Length": "5"})
        assert refused.status == 401
        assert list(stored(self.server).values()) == [self.file.read_bytes()]
        assert sum(path.is_file() for path in (self.server.folder / "bytes").rglob("*")) == 1


@pytest.fixture
def hours(tmp_path: Path) -> Iterator[Hours]:
    file = make_file(tmp_path / "long.bin", SIZE)
    with (
        asking(tmp_path / "uploads", "--token-lifetime", f"{LIFETIME:.0f}s") as server,
        Relay(server.port, rate=RATE) as line,
    ):
        yield Hours(server, line, file, bearer(server), time.monotonic())


def test_tuspy_never_begins_again_though_its_token_ran_out(hours: Hours) -> None:
    client = TusClient(hours.line.endpoint, headers=hours.token)
    with hours.file.open("rb") as stream:
        uploader = client.uploader(file_stream=stream, chunk_size=CHUNK, metadata={"filename": "long.bin"})
        offsets = [0]
        while uploader.offset < SIZE:
            uploader.upload_chunk()  # type: ignore[no-untyped-call]
            offsets.append(uploader.offset)
    assert offsets == list(range(0, SIZE + 1, CHUNK))
    hours.assert_arrived()


def test_tuspy_goes_on_after_a_cut_though_its_token_ran_out(hours: Hours) -> None:
    client = TusClient(hours.line.endpoint, headers=hours.token)
    with hours.file.open("rb") as stream, ThreadPoolExecutor(1) as pool:
        uploader = client.uploader(
            file_stream=stream, chunk_size=CHUNK, retries=5, retry_delay=0.1, metadata={"filename": "long.bin"}
        )
        uploading = pool.submit(uploader.upload)
        hours.line.wait(SIZE // 2)
        hours.line.cut()
        uploading.result(30)
    hours.assert_arrived()


@pytest.mark.engines
@pytest.mark.parametrize("chunk", [CHUNK, None], ids=["chunked", "whole"])
def test_tus_js_client_never_begins_again_though_its_token_ran_out(hours: Hours, chunk: int | None) -> None:
    told = {"headers": hours.token, "metadata": {"filename": "long.bin"}, "retryDelays": [100, 100, 100]}
    options = told | ({"chunkSize": chunk} if chunk else {})
    job = {"endpoint": hours.line.endpoint, "path": str(hours.file), "options": options}
    result = node.run("tusjs.mjs", job)["result"]
    assert "error" not in result, result
    methods = [request["method"] for request in result["requests"]]
    assert methods == ["POST"] + ["PATCH"] * (SIZE // chunk if chunk else 1)
    assert {request["status"] for request in result["requests"]} == {201, 204}
    hours.assert_arrived()
