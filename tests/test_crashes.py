"""Stops and kills of the real server: what a client was told is there when it comes back."""

from __future__ import annotations

import hashlib
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from tests.running import RunningServer, running, wait_until
from tests.tus_client import sha1

DATA = hashlib.shake_128(b"tusserver").digest(6_000_000)


class Wire:
    """Single requests by socket, so that a body can stop in the middle."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> socket.socket:
        """Send a request, of whose body `body` may be only the beginning."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.server.port}", "Tus-Resumable: 1.0.0"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection = socket.create_connection(("127.0.0.1", self.server.port), 10)
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return connection

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, dict[str, str]]:
        """Send a request and read its answer."""
        with self.send(method, path, headers, body) as connection:
            return self.answer(connection)

    def answer(self, connection: socket.socket) -> tuple[int, dict[str, str]]:
        """The status and the headers, in lower case, of the next answer."""
        raw = b""
        while b"\r\n\r\n" not in raw and (more := connection.recv(65536)):
            raw += more
        first, *lines = raw.split(b"\r\n\r\n")[0].decode().split("\r\n")
        return int(first.split()[1]), {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}

    def create(self, length: int = len(DATA), **headers: str) -> str:
        """The path of a new upload."""
        return self.ask("POST", "/files/", {"Upload-Length": str(length)} | headers)[1]["location"]

    def patch(self, path: str, offset: int, body: bytes, **headers: str) -> socket.socket:
        """A PATCH that announces every byte from `offset` on and sends `body`."""
        announced = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(DATA) - offset),
        }
        return self.send("PATCH", path, announced | headers, body)

    def offset(self, path: str) -> int:
        """Where the upload stands."""
        status, headers = self.ask("HEAD", path, {})
        assert status == 200, headers
        return int(headers["upload-offset"])

    def finish(self, path: str) -> None:
        """Send the rest, and hold the result against the data."""
        offset = self.offset(path)
        with self.patch(path, offset, DATA[offset:]) as connection:
            assert self.answer(connection)[0] == 204
        with self.send("GET", path, {"Connection": "close"}) as connection:
            raw = b""
            while more := connection.recv(1 << 20):
                raw += more
        assert raw.partition(b"\r\n\r\n")[2] == DATA


@pytest.mark.parametrize("durability", ["complete", "always", "never"])
def test_what_arrived_before_a_kill_is_there_after_it(tmp_path: Path, durability: str) -> None:
    server = RunningServer(tmp_path, "--durability", durability)
    wire = Wire(server)
    path = wire.create()
    with wire.patch(path, 0, DATA[:3_000_000]):
        wait_until(lambda: wire.offset(path) == 3_000_000)
        server.kill()
    with running(tmp_path) as again:
        assert Wire(again).offset(path) == 3_000_000
        Wire(again).finish(path)


def test_unverified_bytes_are_dropped_after_a_kill(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    wire = Wire(server)
    path = wire.create()
    stored = tmp_path / "bytes"
    with wire.patch(path, 0, DATA[:3_000_000], **{"Upload-Checksum": sha1(DATA)}):
        wait_until(lambda: any(file.stat().st_size > 1_000_000 for file in stored.rglob("*") if file.is_file()))
        assert wire.offset(path) == 0
        server.kill()
    with running(tmp_path) as again:
        assert Wire(again).offset(path) == 0
        Wire(again).finish(path)


def test_an_upload_whose_last_byte_was_stored_before_a_kill_is_complete_after_it(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        path = Wire(server).create(5)
        with Wire(server).send(
            "PATCH",
            path,
            {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", "Content-Length": "5"},
            b"hel",
        ):
            wait_until(lambda: Wire(server).offset(path) == 3)
    id = path.rpartition("/")[2]
    with (tmp_path / "bytes" / id[:2] / id).open("ab") as file:
        file.write(b"lo")  # as if the process had died between the last write and the record
    with running(tmp_path) as again:
        status, headers = Wire(again).ask("GET", path, {})
        assert (status, headers["content-length"]) == (200, "5")


@pytest.mark.parametrize("offset", [0, 1_000_000])
def test_a_stop_cuts_a_running_body_at_a_stored_byte_and_says_so(tmp_path: Path, offset: int) -> None:
    server = RunningServer(tmp_path)
    wire = Wire(server)
    path = wire.create()
    if offset:
        with wire.send(
            "PATCH",
            path,
            {
                "Upload-Offset": "0",
                "Content-Type": "application/offset+octet-stream",
                "Content-Length": str(offset),
            },
            DATA[:offset],
        ) as connection:
            assert wire.answer(connection)[0] == 204
    with wire.patch(path, offset, DATA[offset : offset + 2_000_000]) as connection:
        wait_until(lambda: wire.offset(path) == offset + 2_000_000)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5
        status, headers = wire.answer(connection)
    assert (status, headers["upload-offset"]) == (503, str(offset + 2_000_000))
    assert "Traceback" not in server.output
    with running(tmp_path) as again:
        Wire(again).finish(path)


def test_a_stop_ends_within_five_seconds_though_a_client_goes_on_sending(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    wire = Wire(server)
    path = wire.create()
    with (
        wire.patch(path, 0, DATA[:100]),
        wire.send("GET", "/", {}),
        socket.create_connection(("127.0.0.1", server.port)),
    ):
        wait_until(lambda: wire.offset(path) == 100)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 5


def test_a_final_upload_that_a_kill_interrupted_is_joined_at_the_next_start(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        wire = Wire(server)
        parts = []
        for body in (b"hello ", b"world"):
            stream = {"Content-Type": "application/offset+octet-stream", "Content-Length": str(len(body))}
            status, headers = wire.ask(
                "POST", "/files/", {"Upload-Length": str(len(body)), "Upload-Concat": "partial"} | stream, body
            )
            assert status == 201
            parts.append(headers["location"])
        final = wire.ask("POST", "/files/", {"Upload-Concat": f"final;{' '.join(parts)}"})[1]["location"]
    # As if the process had died before the copy was done.
    id = final.rpartition("/")[2]
    with (tmp_path / "bytes" / id[:2] / id).open("r+b") as file:
        file.truncate(3)
    database = sqlite3.connect(tmp_path / "tusserver.db")
    database.execute("UPDATE uploads SET state = 'pending', offset = 0, completed_at = NULL WHERE id = ?", (id,))
    database.commit()
    database.close()
    with running(tmp_path) as again:
        wire = Wire(again)
        wait_until(lambda: "upload-offset" in wire.ask("HEAD", final, {})[1])
        with wire.send("GET", final, {"Connection": "close"}) as connection:
            raw = b""
            while more := connection.recv(65536):
                raw += more
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert raw.endswith(b"hello world")
