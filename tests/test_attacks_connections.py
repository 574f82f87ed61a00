"""Clients that go away, never send what they announced, or open more than the machine has."""

from __future__ import annotations

import resource
import socket
import struct
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running import RunningServer, running, wait_until
from tests.test_crashes import DATA, Wire


@pytest.fixture
def wire(own_server: RunningServer) -> Wire:
    return Wire(own_server)


def reset(connection: socket.socket) -> None:
    """Close without a goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def finished(wire: Wire) -> str:
    path = wire.create()
    with wire.patch(path, 0, DATA) as connection:
        assert wire.answer(connection)[0] == 204
    return path


def test_a_download_that_is_broken_off_is_no_failure_of_the_server(wire: Wire) -> None:
    path = finished(wire)
    for received in (0, 1, 1000):
        connection = wire.send("GET", path, {})
        connection.recv(received)
        reset(connection)
    assert wire.ask("HEAD", path, {})[0] == 200
    wire.server.stop()
    assert "ERROR" not in wire.server.output


def test_a_client_that_leaves_before_100_continue_is_no_failure_of_the_server(wire: Wire) -> None:
    path = wire.create()
    for _ in range(5):
        reset(wire.patch(path, 0, b"", Expect="100-continue"))
    wait_until(lambda: wire.ask("HEAD", path, {})[0] == 200)
    wire.server.stop()
    assert "ERROR" not in wire.server.output


def test_a_refusal_instead_of_100_continue_tells_that_the_connection_closes(wire: Wire) -> None:
    path = wire.create()
    with wire.patch(path, 5, b"", Expect="100-continue") as connection:
        status, headers = wire.answer(connection)
    assert (status, headers["upload-offset"], headers["connection"]) == (409, "0", "close")


def test_a_refusal_of_a_body_that_came_keeps_the_connection(wire: Wire) -> None:
    path = wire.create()
    with wire.patch(path, 5, DATA[5:]) as connection:
        status, headers = wire.answer(connection)
        assert (status, headers.get("connection")) == (409, None)


@pytest.mark.parametrize("folder", ["", "vendor/"])
def test_a_name_too_long_for_a_file_is_not_found(wire: Wire, folder: str) -> None:
    assert wire.ask("GET", f"/static/{folder}{'a' * 300}.js", {})[0] == 404


def test_a_download_without_a_descriptor_left_is_told_to_come_again(wire: Wire) -> None:
    path, process = finished(wire), wire.server.process.pid
    with wire.send("GET", "/health", {}) as connection:
        assert wire.answer(connection)[0] == 200
        opened = {int(one.name) for one in Path(f"/proc/{process}/fd").iterdir()}
        none_left = next(number for number in range(len(opened) + 1) if number not in opened)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.prlimit(process, resource.RLIMIT_NOFILE, (none_left, hard))
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        status, headers = wire.answer(connection)
    assert (status, headers["retry-after"]) == (503, "2")


def test_the_server_takes_as_many_descriptors_as_the_system_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        with running(tmp_path) as server:
            assert resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_connections_that_cannot_be_taken_do_not_fill_the_log(wire: Wire) -> None:
    path, process = finished(wire), wire.server.process.pid
    resource.prlimit(process, resource.RLIMIT_NOFILE, (50, 50))
    with ExitStack() as opened:
        for _ in range(60):
            opened.enter_context(socket.create_connection(("127.0.0.1", wire.server.port), 10))
        wait_until(lambda: "no more connections can be taken" in wire.server.output)
        time.sleep(2)
    wait_until(lambda: wire.ask("HEAD", path, {})[0] == 200)
    wire.server.stop()
    assert len(wire.server.lines) < 20
    assert "Traceback" not in wire.server.output
