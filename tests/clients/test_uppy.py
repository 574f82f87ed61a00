"""Uppy in a real browser, from another origin."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.fronts import Front
from tests.clients.relay import Relay
from tests.clients.uppy import UppyPage, site, uppy_page
from tests.clients.wire import MB, TUS, ask, assert_stored, is_gone, make_file, metadata, offset
from tests.running import wait_until

pytestmark = pytest.mark.engines

only_direct = pytest.mark.parametrize("front", ["direct"], indirect=True)


@pytest.fixture(scope="module")
def page() -> Iterator[UppyPage]:
    with uppy_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with site() as url:
        yield url


@pytest.fixture
def line(front: Front) -> Iterator[Relay]:
    """A line to the front on which a file of some megabytes takes seconds."""
    with Relay(front.port, rate=8 * MB) as opened:
        yield opened


@pytest.fixture
def big(tmp_path: Path) -> Path:
    return make_file(tmp_path / "big.bin", 16 * MB)


def make_png(path: Path) -> Path:
    """An image of one red point."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0\xff\0\0")
    parts = part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return path


def assert_one_upload_went_on(page: UppyPage) -> None:
    """One creation, and after the break a PATCH from where the server was."""
    assert len(page.requests("POST")) == 1
    assert int(page.requests("PATCH")[-1]["offset"]) > 0


def test_several_files_arrive_at_once(page: UppyPage, origin: str, front: Front, tmp_path: Path) -> None:
    files = [
        make_file(tmp_path / "empty.txt", 0),
        make_png(tmp_path / "picture.png"),
        make_file(tmp_path / "отчёт 報告.pdf", MB),
        *(make_file(tmp_path / f"data-{number}.bin", MB // 2) for number in range(5)),
    ]
    page.open(origin, front.endpoint)
    page.upload(*files)
    urls = page.finish()
    assert urls.keys() == {file.name for file in files}
    for file in files:
        assert_stored(urls[file.name], file)
        assert metadata(urls[file.name])["filename"] == file.name
    assert metadata(urls["picture.png"])["filetype"] == "image/png"
    assert len(page.requests("POST")) == len(files)


@only_direct
def test_a_paused_upload_goes_on_where_it_was(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    line.wait(4 * MB)
    page.call("pauseAll")
    line.rate = None
    page.call("resumeAll")
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


@only_direct
def test_after_a_reload_the_same_file_goes_on_where_it_was(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    line.wait(4 * MB)
    page.reload()
    line.rate = None
    page.upload(big)
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


@only_direct
def test_a_finished_file_that_is_added_again_is_not_sent_again(
    page: UppyPage, origin: str, front: Front, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    page.open(origin, front.endpoint)
    page.upload(file)
    first = page.finish()
    page.reload()
    page.upload(file)
    assert page.finish() == first
    assert [len(page.requests(method)) for method in ("POST", "PATCH", "HEAD")] == [1, 1, 1]


@only_direct
def test_a_network_that_goes_and_comes_back_costs_nothing(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    line.wait(4 * MB)
    page.offline(True)
    # Chromium's switch stops new requests only.
    line.cut()
    line.rate = None
    # Longer than the first retries take, all of which fail.
    time.sleep(2)
    assert [(file["done"], file["error"]) for file in page.files()] == [(False, None)]
    page.offline(False)
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


@only_direct
def test_a_line_that_is_cut_costs_nothing(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    for passed in (4 * MB, 8 * MB):
        line.wait(passed)
        line.cut()
    line.rate = None
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


@only_direct
def test_a_cancelled_upload_is_gone(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    line.wait(4 * MB)
    page.call("cancelAll")
    wait_until(lambda: [request.get("status") for request in page.requests("DELETE")] == [204])
    assert is_gone(page.requests("DELETE")[0]["url"])
    assert page.files() == []


@only_direct
def test_an_upload_that_vanished_is_begun_anew(page: UppyPage, origin: str, line: Relay, big: Path) -> None:
    page.open(origin, line.endpoint)
    page.upload(big)
    line.wait(4 * MB)
    page.call("pauseAll")
    url = page.requests("PATCH")[0]["url"]
    assert ask("DELETE", url, TUS).status == 204
    line.rate = None
    page.call("resumeAll")
    urls = page.finish()
    # The page sees the refusal, rather than a network that is broken, because it may read answers of errors too.
    assert [request["status"] for request in page.requests("HEAD")] in ([404], [410])
    assert len(page.requests("POST")) == 2
    assert urls[big.name] != url
    assert_stored(urls[big.name], big)


def test_only_named_origins_get_through(page: UppyPage, origin: str, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    front = Front(tmp_path / "front", "direct", "--cors-origins", origin)
    try:
        page.open(origin, front.endpoint)
        page.upload(file)
        assert_stored(page.finish()[file.name], file)
        with site() as stranger:
            page.open(stranger, front.endpoint, retryDelays=[0])
            page.upload(file)
            wait_until(lambda: page.files()[0]["error"])
            assert page.requests("PATCH") == []
    finally:
        front.close()


@only_direct
def test_every_header_that_uppy_can_send_passes_the_preflight(
    page: UppyPage, origin: str, front: Front, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    options = {"addRequestId": True, "overridePatchMethod": True, "parallelUploads": 2, "chunkSize": MB // 4}
    page.open(origin, front.endpoint, headers={"Authorization": "Bearer none"}, **options)
    page.upload(file)
    urls = page.finish()
    assert_stored(urls[file.name], file)
    assert offset(urls[file.name]) == MB
