"""tus-js-client on Node."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients import node
from tests.clients.fronts import Front
from tests.clients.relay import Relay
from tests.clients.wire import MB, assert_stored, is_gone, make_file, metadata

pytestmark = pytest.mark.engines

CHUNK = 300_000
WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "chunked": {"options": {"chunkSize": CHUNK}},
    "from-memory": {"source": "buffer", "options": {"chunkSize": CHUNK}},
    "from-a-stream": {"source": "stream", "options": {"chunkSize": CHUNK, "uploadSize": MB}},
    "deferred-length": {"source": "stream", "options": {"chunkSize": CHUNK, "uploadLengthDeferred": True}},
    "parallel": {"options": {"parallelUploads": 3}},
    "parallel-and-chunked": {"options": {"parallelUploads": 3, "chunkSize": CHUNK // 2}},
    "data-during-creation": {"options": {"uploadDataDuringCreation": True}},
    "data-during-creation-chunked": {"options": {"uploadDataDuringCreation": True, "chunkSize": CHUNK}},
    "patch-by-post": {"options": {"overridePatchMethod": True}},
    "with-request-ids": {"options": {"addRequestId": True}},
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What the script told at its end."""

    url: str
    requests: list[dict[str, Any]]
    error: str | None = None
    aborted: bool = False

    def count(self, method: str) -> int:
        return sum(request["method"] == method for request in self.requests)

    def offsets(self, url: str | None = None) -> list[int]:
        """Where each PATCH began, of one upload or of all."""
        patches = (request for request in self.requests if request["method"] == "PATCH")
        return [int(request["offset"]) for request in patches if url in (None, request["url"])]


def send(endpoint: str, file: Path, **job: Any) -> Sent:
    """Upload a file to the end, or to where the job aborts it."""
    sent = Sent(**node.run("tusjs.mjs", {"endpoint": endpoint, "path": str(file), **job})["result"])
    assert sent.error is None, sent
    return sent


@pytest.mark.parametrize("way", WAYS)
def test_a_file_arrives(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    sent = send(front.endpoint, file, **WAYS[way])
    assert_stored(sent.url, file)
    # A refusal that the client mends by itself is a fault all the same.
    assert {request["status"] for request in sent.requests} <= {200, 201, 204}, sent


@pytest.mark.parametrize("options", [{}, {"uploadDataDuringCreation": True}], ids=["plain", "data-during-creation"])
def test_an_empty_file_is_finished_by_its_creation(front: Front, tmp_path: Path, options: dict[str, Any]) -> None:
    file = make_file(tmp_path / "empty.bin", 0)
    # From memory, because tus-js-client cannot take a slice of an empty file.
    sent = send(front.endpoint, file, source="buffer", options=options)
    assert_stored(sent.url, file)
    assert sent.count("PATCH") == 0


@pytest.mark.parametrize("way", ["whole", "parallel", "deferred-length"])
def test_metadata_comes_back(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "отчёт 報告.pdf", MB)
    told = {"filename": file.name, "filetype": "application/pdf", "relativePath": "null", "note": ""}
    job = {**WAYS[way], "options": {**WAYS[way].get("options", {}), "metadata": told}}
    sent = send(front.endpoint, file, **job)
    assert metadata(sent.url) == told
    assert_stored(sent.url, file)


def test_parallel_parts_become_one_upload(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    sent = send(front.endpoint, file, **WAYS["parallel"])
    assert (sent.count("POST"), sent.count("PATCH")) == (4, 3)
    assert_stored(sent.url, file)


@pytest.mark.parametrize("way", ["whole", "chunked"])
def test_abort_with_terminate_deletes_what_arrived(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "big.bin", 8 * MB)
    with Relay(front.port, rate=8 * MB) as line:
        aborted = send(line.endpoint, file, abortAt=MB, terminate=True, **WAYS[way])
        assert aborted.aborted
        assert is_gone(aborted.url)


def test_an_aborted_upload_goes_on_in_another_process(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    storage = str(tmp_path / "urls.json")
    with Relay(front.port, rate=8 * MB) as line:
        aborted = send(line.endpoint, file, storage=storage, abortAt=4 * MB)
        assert aborted.aborted
        line.rate = None
        resumed = send(line.endpoint, file, storage=storage)
        assert_went_on(resumed, aborted.url)
        assert_stored(resumed.url, file)


@pytest.mark.parametrize("way", ["whole", "chunked", "parallel"])
def test_killed_in_the_middle_it_goes_on_in_another_process(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "big.bin", 24 * MB)
    job = {"storage": str(tmp_path / "urls.json"), **WAYS[way]}
    with Relay(front.port, rate=8 * MB) as line:
        killed = node.NodeProcess("tusjs.mjs", {"endpoint": line.endpoint, "path": str(file), **job})
        line.wait(4 * MB)
        killed.kill()
        line.cut()
        line.rate = None
        resumed = send(line.endpoint, file, **job)
        assert_stored(resumed.url, file)
    # Of parallel parts only the final one is created anew.
    assert resumed.count("POST") == (1 if way == "parallel" else 0)
    assert sum(resumed.offsets()) > 0


def test_a_client_that_hangs_gives_way_to_another_and_finds_its_upload_done(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    job = {"storage": str(tmp_path / "urls.json")}
    with Relay(front.port, rate=8 * MB) as line:
        with node.started("tusjs.mjs", {"endpoint": line.endpoint, "path": str(file), **job}) as hanging:
            line.wait(4 * MB)
            hanging.process.send_signal(signal.SIGSTOP)
            line.rate = None
            began = time.monotonic()
            other = send(line.endpoint, file, **job)
            # tus-js-client gives up after four retries, which take nine seconds.
            assert time.monotonic() - began < 6
            hanging.process.send_signal(signal.SIGCONT)
            woken = Sent(**hanging.until("result"))
        assert_went_on(other, woken.url)
        assert woken.error is None
        assert woken.count("POST") == 1, woken
        assert_stored(other.url, file)


@pytest.mark.parametrize("way", ["whole", "chunked", "parallel"])
def test_it_outlives_a_server_that_dies(own_front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(own_front.port, rate=8 * MB) as line:
        job = {"endpoint": line.endpoint, "path": str(file), **WAYS[way]}
        with node.started("tusjs.mjs", job) as client:
            line.wait(6 * MB)
            # Away for longer than the first retry, which comes at once.
            own_front.kill_and_restart(away=1.0)
            line.rate = None
            sent = Sent(**client.until("result"))
        assert sent.error is None
        assert_stored(sent.url, file)
    # Three parts and the final upload.
    assert sent.count("POST") == (4 if way == "parallel" else 1), sent
    for url in {request["url"] for request in sent.requests}:
        assert sent.offsets(url) == sorted(sent.offsets(url))
    assert sent.offsets()[-1] > 0


def assert_went_on(resumed: Sent, url: str) -> None:
    """It asked for the offset and continued there; nothing was begun anew."""
    assert resumed.url == url
    assert resumed.count("POST") == 0, resumed
    assert resumed.offsets()[0] > 0
