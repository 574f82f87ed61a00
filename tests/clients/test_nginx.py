"""What nginx in front must neither hide nor add."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.clients.fronts import Front
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, Answer, ask, assert_stored, make_file, offset
from tests.running import wait_until

pytestmark = pytest.mark.engines

only_nginx = pytest.mark.parametrize("front", ["nginx"], indirect=True)


@pytest.fixture
def own_nginx(tmp_path: Path) -> Iterator[Front]:
    """A server behind nginx that the test may kill."""
    started = Front(tmp_path / "front", "nginx")
    yield started
    started.close()


def post(front: Front, **headers: str) -> Answer:
    return ask("POST", front.endpoint, {**TUS, **{name.replace("_", "-"): value for name, value in headers.items()}})


def create(front: Front, **headers: str) -> str:
    answer = post(front, **headers)
    assert answer.status == 201, answer
    return urljoin(front.endpoint, str(answer.headers["Location"]))


def test_the_location_leads_back_through_the_same_door(front: Front) -> None:
    url = create(front, Upload_Length="5")
    assert url.startswith(front.endpoint)
    assert offset(url) == 0


@only_nginx
def test_bytes_reach_the_server_while_the_request_still_runs(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 8 * MB)
    url = create(front, Upload_Length=str(8 * MB))
    path = url.removeprefix(front.url)
    with Relay(front.port, rate=4 * MB) as line:
        headers = [f"{name}: {value}" for name, value in TUS.items()]
        headers += ["Upload-Offset: 0", "Content-Type: application/offset+octet-stream", "Expect:"]
        options = [option for header in headers for option in ("-H", header)]
        command = ["curl", "-sS", "--fail", "-X", "PATCH", *options, "-T", str(file), line.url + path]
        with subprocess.Popen(command) as sending:
            wait_until(lambda: offset(front.server.url + path) > MB)
            assert line.passed < 4 * MB
            line.rate = None
        assert sending.returncode == 0
    assert_stored(url, file)


def test_a_final_upload_may_name_two_hundred_parts(front: Front) -> None:
    parts = [create(front, Upload_Concat="partial", Upload_Length="0") for _ in range(200)]
    field = "final;" + " ".join(parts)
    assert len(field) > 8190
    url = create(front, Upload_Concat=field)
    answer = ask("HEAD", url, TUS)
    assert (answer.status, answer.headers["Upload-Length"]) == (200, "0")
    assert answer.headers["Upload-Concat"] == field


@only_nginx
def test_what_a_client_says_about_its_host_is_not_believed(front: Front) -> None:
    part = create(front, Upload_Concat="partial", Upload_Length="0")
    elsewhere = part.replace(front.url, "http://files.example.com")
    answer = post(front, Upload_Concat=f"final;{elsewhere}", X_Forwarded_Host="files.example.com")
    assert 400 <= answer.status < 500, answer


@only_nginx
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["in-one-piece", "body-after-a-while"])
def test_a_checksum_behind_the_body_which_nginx_drops_is_missed(front: Front, pause: float) -> None:
    url = create(front, Upload_Length="5")
    digest = base64.b64encode(hashlib.sha1(b"hello").digest()).decode()
    head = [
        f"PATCH {url.removeprefix(front.url)} HTTP/1.1",
        "Host: 127.0.0.1",
        "Tus-Resumable: 1.0.0",
        "Upload-Offset: 0",
        "Content-Type: application/offset+octet-stream",
        "Transfer-Encoding: chunked",
        "Trailer: Upload-Checksum",
    ]
    with socket.create_connection(("127.0.0.1", front.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        time.sleep(pause)
        connection.sendall(f"5\r\nhello\r\n0\r\nUpload-Checksum: sha1 {digest}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    assert offset(url) == 0


def test_a_server_that_is_away_is_no_end_of_the_upload(own_nginx: Front) -> None:
    url = create(own_nginx, Upload_Length="5")
    own_nginx.server.kill()
    away = ask("HEAD", url, TUS)
    # The browser clients begin again at byte 0 when a HEAD gets a 5xx, and ask again when it gets 423.
    assert away.status == 423
    assert away.headers["Retry-After"]
    assert ask("PATCH", url, TUS).status == 502
    own_nginx.restart()
    assert offset(url) == 0
