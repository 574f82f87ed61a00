"""What `tusserver upload` makes of answers that a good server does not give, and the parts it is made of."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tusclient.exceptions import TusCommunicationError
from urllib3.connection import HTTPConnection

from tests.clients.wire import make_file
from tests.commanding import inside, refused, uploaded
from tusserver.upload.failures import Patience, describe, reason_of
from tusserver.upload.files import DEAD_AFTER, notice_dead_connections
from tusserver.upload.stored import KEPT_FOR, StoredUrls


class Scripted(BaseHTTPRequestHandler):
    """A server that says yes to a POST, and to a PATCH what the test wants; it keeps the headers it got."""

    seen: list[dict[str, str]]
    answer: tuple[int, dict[str, str], bytes]

    def do_POST(self) -> None:
        self.seen.append(dict(self.headers))
        self._say(201, {"Location": "/files/x"})

    def do_HEAD(self) -> None:
        self._say(200, {"Upload-Offset": "0"})

    def do_PATCH(self) -> None:
        self.seen.append(dict(self.headers))
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(*self.answer)

    def _say(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def scripted(status: int, headers: dict[str, str], body: bytes = b"") -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A scripted server; gives where uploads are created, and the headers it has seen."""
    seen: list[dict[str, str]] = []
    handler = type("Handler", (Scripted,), {"seen": seen, "answer": (status, headers, body)})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/files/", seen
        server.shutdown()
        thread.join()


def test_headers_go_with_every_request(tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    with scripted(204, {"Upload-Offset": "1000"}) as (endpoint, seen):
        flags = "--header", "Authorization: Bearer abc", "--header", "X-Request-ID:1"
        uploaded(inside(tmp_path, "upload", file, "--to", endpoint, *flags))
    assert [(one["Authorization"], one["X-Request-ID"]) for one in seen] == [("Bearer abc", "1")] * 2


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (204, {}, b"", "the server answered a chunk without a number in Upload-Offset"),
        (204, {"Upload-Offset": "many"}, b"", "the server answered a chunk without a number in Upload-Offset"),
        (204, {"Upload-Offset": "0"}, b"", "the server said yes to a chunk and kept its offset at 0"),
        (403, {}, b"", "403 Forbidden"),
        (403, {}, b"token has run out\n", "403 Forbidden: token has run out"),
        (404, {}, b"", "404 Not Found"),
        (
            413,
            {},
            b"<html>",
            "413 Request Entity Too Large, perhaps from a proxy in between; try a smaller --chunk-size",
        ),
        (503, {}, b'{"detail": "busy"}', "503 Service Unavailable: busy; given up after 0.3 s without progress"),
        (460, {}, b"", "460 Checksum Mismatch; given up after 0.3 s without progress"),
    ],
)
def test_what_a_server_makes_of_a_chunk_is_told(
    tmp_path: Path, status: int, headers: dict[str, str], body: bytes, words: str
) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    with scripted(status, headers, body) as (endpoint, _):
        line = refused(inside(tmp_path, "upload", file, "--to", endpoint, "--give-up-after", "300ms"))
    assert line == f"tusserver: {file}: {words}"


def test_a_connection_whose_other_end_vanished_is_noticed_by_the_system() -> None:
    options = HTTPConnection.default_socket_options
    usual = list(options)
    try:
        notice_dead_connections()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connection = HTTPConnection("127.0.0.1", listener.getsockname()[1])
            connection.connect()
            opened = connection.sock
            assert isinstance(opened, socket.socket)
            assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == DEAD_AFTER * 1000
            connection.close()
    finally:
        options[:] = usual


def test_waiting_grows_up_to_a_bound_and_ends_when_there_was_no_progress_for_too_long() -> None:
    patience = Patience(give_up_after=60, since=100)
    assert [patience.delay(100 + number) for number in range(7)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert patience.delay(157) == 3
    assert patience.delay(160) is None
    patience.renew(160)
    assert patience.delay(160) == 0.5


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"title": "Too Large", "detail": "at most\\n 10 bytes"}', ": at most 10 bytes"),
        (b'{"title": "Too Large"}', ": Too Large"),
        (b'{"detail": 3}', ""),
        (b'["detail"]', ""),
        (b"plain words", ": plain words"),
        (b"two\nlines", ""),
        (b"<html>", ""),
        (b"\xff\xfe\x00", ""),
        (b"x" * 201, ""),
        (b"", ""),
        (None, ""),
    ],
)
def test_of_an_answer_the_detail_or_one_short_line_is_told(content: bytes | None, words: str) -> None:
    error = TusCommunicationError("", 400, content)  # type: ignore[no-untyped-call]
    assert describe(error) == f"400 Bad Request{words}"


def test_the_reason_is_what_the_system_said_below_the_exceptions_of_libraries() -> None:
    low = ConnectionResetError(104, "Connection reset by peer")
    high = RuntimeError("aborted", RuntimeError("protocol"))
    high.__cause__ = low
    assert reason_of(OSError(high)) == "connection reset by peer"
    assert reason_of(RuntimeError("aborted", low)) == "connection reset by peer"
    assert reason_of(RuntimeError("nothing below")) == "the connection broke"


def test_what_was_stored_long_ago_is_forgotten(tmp_path: Path) -> None:
    stored = StoredUrls(tmp_path)
    for key in ("old", "new"):
        stored.put(key, f"http://127.0.0.1/files/{key}")
    long_ago = time.time() - KEPT_FOR - 60
    os.utime(tmp_path / "old.json", (long_ago, long_ago))
    stored.prune()
    assert (stored.get("old"), stored.get("new")) == (None, "http://127.0.0.1/files/new")
