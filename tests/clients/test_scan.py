"""Scans as stock clients meet them, and as the real clamd makes them, with a signature of our own for EICAR."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clamd import EICAR, PeerInBackground
from tests.clients import node
from tests.clients.fronts import free_port
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, assert_stored, is_gone, make_file
from tests.running import RunningServer, running, wait_until

pytestmark = pytest.mark.engines

STREAM_MAX = 2 * MB
SETTINGS = """\
Foreground yes
DatabaseDirectory {folder}/signatures
TemporaryDirectory {folder}
LocalSocket {folder}/socket
TCPAddr 127.0.0.1
TCPSocket {port}
StreamMaxLength {stream_max}
"""


class Clamd:
    """Debian's clamd, which knows one virus and asks nobody for more."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
        if program is None:
            pytest.fail("these tests need clamd: install `clamav-daemon` and run `make test-all`", pytrace=False)
        (folder / "signatures").mkdir()
        (folder / "signatures" / "own.ndb").write_text(f"Eicar:0:*:{EICAR.hex()}\n")
        port = free_port()
        self.socket, self.port = f"{folder}/socket", f"127.0.0.1:{port}"
        (folder / "clamd.conf").write_text(SETTINGS.format(folder=folder, port=port, stream_max=STREAM_MAX))
        folder.chmod(0o755)
        self._log = (folder / "log").open("w+")
        command = [program, "-c", str(folder / "clamd.conf")]
        self.process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: self.process.poll() is not None or Path(self.socket).exists(), 60)
            assert self.process.poll() is None, (folder / "log").read_text()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self._log.close()


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    # Not below pytest's own folder, whose path may be longer than that of a socket.
    with tempfile.TemporaryDirectory() as folder:
        made = Clamd(Path(folder))
        try:
            yield made
        finally:
            made.stop()


def upload(server: RunningServer, data: bytes) -> tuple[int, str]:
    """Status of the only PATCH of a new upload, and its address."""
    made = ask("POST", server.endpoint, TUS | {"Upload-Length": str(len(data))})
    url = server.url + made.headers["Location"]
    sent = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    return ask("PATCH", url, sent, data).status, url


@pytest.mark.parametrize("way", ["socket", "port"])
def test_the_real_clamd_finds_what_it_knows_and_lets_the_rest_through(clamd: Clamd, tmp_path: Path, way: str) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", EICAR)
    with running(tmp_path / "uploads", "--clamd", getattr(clamd, way)) as server:
        wait_until(lambda: "scanner   clamd at" in server.output)
        assert ask("GET", f"{server.url}/ready").status == 200
        for data, status in ((os.urandom(MB), 204), (EICAR, 422), (packed.getvalue(), 422), (b"x" + EICAR, 422)):
            answered, url = upload(server, data)
            assert answered == status
            assert is_gone(url) is (status == 422)
        assert ask("GET", url).status == 410


def test_what_is_too_long_for_the_real_clamd_is_not_complete_and_the_log_says_what_to_raise(
    clamd: Clamd, tmp_path: Path
) -> None:
    with running(tmp_path / "uploads", "--clamd", clamd.port) as server:
        answered, url = upload(server, os.urandom(STREAM_MAX + 1))
        assert answered == 503
        assert ask("HEAD", url, TUS).status == 423
        assert ask("GET", url).status == 409
        assert "StreamMaxLength" in server.output


@contextmanager
def behind_a_line(folder: Path, peer: PeerInBackground) -> Iterator[Relay]:
    """A server that asks the peer, and a line to it that can be cut."""
    flags = ("--clamd", peer.peer.address, "--lock-timeout", "200ms")
    with running(folder / "uploads", *flags) as server, Relay(server.port) as line:
        yield line


def job(line: Relay, file: Path) -> dict[str, Any]:
    return {"endpoint": line.endpoint, "path": str(file), "options": {"retryDelays": [0, 100, 300, 500]}}


def test_tus_js_client_waits_for_a_scan_however_often_its_connection_breaks(tmp_path: Path) -> None:
    file = make_file(tmp_path / "file", MB)
    with PeerInBackground() as peer, behind_a_line(tmp_path, peer) as line:
        peer.answer(at_once=False)
        with node.started("tusjs.mjs", job(line, file)) as client:
            wait_until(lambda: peer.peer.present == 1)
            for _ in range(4):
                line.cut()
                time.sleep(1.0)  # it asks, is told one byte less, and waits for the answer to its last byte
            peer.answer(at_once=True)
            result = client.until("result")
        assert "error" not in result
        methods = [request["method"] for request in result["requests"]]
        assert methods.count("POST") == 1
        offsets = [request.get("offset") for request in result["requests"] if request["method"] == "PATCH"]
        assert set(offsets) == {"0", str(MB - 1)}
        assert peer.peer.streams == [MB]
        assert_stored(result["url"], file)


def test_tus_js_client_ends_at_once_on_a_virus(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(EICAR)
    with PeerInBackground() as peer, behind_a_line(tmp_path, peer) as line:
        result = node.run("tusjs.mjs", job(line, file))["result"]
        assert "infected" in result["error"]
        assert [request["method"] for request in result["requests"]] == ["POST", "PATCH"]


def test_tus_js_client_ends_at_once_on_what_is_not_what_it_declares(tmp_path: Path) -> None:
    file = make_file(tmp_path / "file", 10 * MB)
    told = {"options": {"metadata": {"filetype": "image/png"}, "retryDelays": [0, 100, 300]}}
    with running(tmp_path / "uploads", "--allowed-types", "image/*") as server:
        wish = {"endpoint": server.endpoint, "path": str(file), **told}
        result = node.run("tusjs.mjs", wish)["result"]
    assert "content-type-mismatch" in result["error"]
    assert [request["method"] for request in result["requests"]] == ["POST", "PATCH"]
