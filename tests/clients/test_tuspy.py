"""tuspy, the client of Python scripts."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tusclient.client import TusClient
from tusclient.exceptions import TusUploadFailed
from tusclient.uploader.uploader import AsyncUploader, Uploader

from tests.clients.fronts import Front
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, assert_stored, make_file, metadata, offset, wait_for_what_passed

SCRIPT = Path(__file__).with_name("tuspy_upload.py")

WAYS: dict[str, dict[str, Any]] = {
    "whole": {},
    "chunked": {"chunk_size": 300_000},
    "whole-with-checksum": {"upload_checksum": True},
    "chunked-with-checksums": {"chunk_size": 300_000, "upload_checksum": True},
}
every_way = pytest.mark.parametrize("way", WAYS)


@contextmanager
def uploader_of(endpoint: str, file: Path, **options: Any) -> Iterator[Uploader]:
    # A stream, because tuspy leaves the files that it opens itself to the garbage collector.
    with file.open("rb") as stream:
        yield TusClient(endpoint).uploader(file_stream=stream, **options)


def url_of(uploader: Uploader | AsyncUploader) -> str:
    assert uploader.url is not None
    return uploader.url


@every_way
def test_a_file_arrives(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    with uploader_of(front.endpoint, file, **WAYS[way]) as uploader:
        uploader.upload()
    assert_stored(url_of(uploader), file)


@every_way
async def test_a_file_arrives_by_the_async_uploader(front: Front, tmp_path: Path, way: str) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    with file.open("rb") as stream:
        uploader = TusClient(front.endpoint).async_uploader(file_stream=stream, **WAYS[way])
        await uploader.upload()
    assert_stored(url_of(uploader), file)


def test_an_empty_file_is_finished_by_its_creation(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "empty.bin", 0)
    with uploader_of(front.endpoint, file) as uploader:
        uploader.upload()
    assert_stored(url_of(uploader), file)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({}, id="none"),
        pytest.param({"note": ""}, id="an-empty-value"),
        pytest.param({"filename": "data.bin", "note": ""}, id="an-empty-value-among-others"),
        pytest.param({"filename": "отчёт 報告.pdf", "filetype": "application/pdf"}, id="a-name-that-is-not-latin"),
    ],
)
def test_metadata_comes_back(front: Front, tmp_path: Path, told: dict[str, str]) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    with uploader_of(front.endpoint, file, metadata=told) as uploader:
        uploader.upload()
    assert metadata(url_of(uploader)) == told
    assert_stored(url_of(uploader), file)


def damaged_sha1(chunk: bytes) -> Any:
    """The digest of other bytes, as if the line had damaged the chunk."""
    return hashlib.sha1(chunk + b"!")


class DamagingUploader(Uploader):
    CHECKSUM_ALGORITHM_PAIR = ("sha1", damaged_sha1)  # type: ignore[assignment]


def test_a_wrong_checksum_is_460_and_moves_nothing(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3000)
    with uploader_of(front.endpoint, file, chunk_size=1000, upload_checksum=True) as half:
        half.upload(stop_at=1000)
        url = url_of(half)
        with pytest.raises(TusUploadFailed) as failure:
            DamagingUploader(file_stream=half.file_stream, url=url, client=half.client, upload_checksum=True).upload()
        assert failure.value.status_code == 460
        assert offset(url) == 1000
        half.upload()
    assert_stored(url, file)


def test_a_chunk_of_an_upload_that_is_gone_is_an_error(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 2000)
    with uploader_of(front.endpoint, file, chunk_size=1000) as uploader:
        uploader.upload(stop_at=1000)
        assert ask("DELETE", url_of(uploader), TUS).status == 204
        with pytest.raises(TusUploadFailed) as failure:
            uploader.upload()
    assert failure.value.status_code in (404, 410)


def test_killed_in_the_middle_it_goes_on_from_its_url_storage(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(front.port, rate=8 * MB) as line:
        url = kill_in_the_middle(line, file, {})
        at = wait_for_what_passed(url, line)
        assert 0 < at < 16 * MB
        assert run_to_the_end(line, file, {}) == (url, at)
        assert_stored(url, file)


def test_killed_in_a_chunk_with_a_checksum_it_goes_on_behind_the_chunk_before(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    options = {"chunk_size": 5 * MB, "upload_checksum": True}
    with Relay(front.port, rate=8 * MB) as line:
        url = kill_in_the_middle(line, file, options)
        assert run_to_the_end(line, file, options) == (url, 5 * MB)
        assert_stored(url, file)


def kill_in_the_middle(line: Relay, file: Path, options: dict[str, Any]) -> str:
    """A script is killed when half of the file has passed; gives the upload's URL."""
    with subprocess.Popen(script(line, file, options), stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        url: str = killed.stdout.readline().split()[0]
        line.wait(8 * MB)
        killed.kill()
    line.cut()
    line.rate = None
    return url


def run_to_the_end(line: Relay, file: Path, options: dict[str, Any]) -> tuple[str, int]:
    """The script again; gives the URL and the offset it went on from."""
    done = subprocess.run(script(line, file, options), capture_output=True, text=True, timeout=30, check=True)
    url, at = done.stdout.split()
    return url, int(at)


def script(line: Relay, file: Path, options: dict[str, Any]) -> list[str]:
    storage = file.with_name("urls.json")
    return [sys.executable, str(SCRIPT), line.endpoint, str(file), str(storage), json.dumps(options)]


@pytest.mark.parametrize(
    "options",
    [{}, {"chunk_size": 4 * MB}, {"chunk_size": 4 * MB, "upload_checksum": True}],
    ids=["whole", "chunked", "chunked-with-checksums"],
)
def test_with_retries_it_outlives_a_server_that_dies(own_front: Front, tmp_path: Path, options: dict[str, Any]) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with (
        Relay(own_front.port, rate=8 * MB) as line,
        ThreadPoolExecutor(1) as pool,
        uploader_of(line.endpoint, file, retries=20, retry_delay=1, **options) as uploader,
    ):
        uploading = pool.submit(uploader.upload)
        line.wait(6 * MB)
        url = url_of(uploader)
        own_front.kill_and_restart()
        line.rate = None
        uploading.result(30)
        assert uploader.url == url
        assert_stored(url, file)
