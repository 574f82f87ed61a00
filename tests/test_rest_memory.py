"""Large chunks by plain REST go to the disk as they come: the server's memory does not grow with them."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest

from tests.running import RunningServer, running

MIB = 1 << 20
CHUNK = 64 * MIB
SIZE = 2048 * MIB
GROWTH = 16 * MIB
PIECE = bytes(range(256)) * 4096  # 1 MiB
BOUNDARY = "walls"


def resident(server: RunningServer) -> int:
    """The most memory that the server ever had in use, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def ask(server: RunningServer, path: str, fields: dict[str, object]) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", path, json.dumps(fields), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told: dict[str, object] = json.loads(answer.read())
    assert answer.status in (200, 201), told
    connection.close()
    return told


def send(server: RunningServer, index: int, form: str, size: int) -> int:
    """One chunk, a mebibyte at a time; gives the offset behind it."""
    head, tail, query, kind = b"", b"", f"?filename=big&chunk_index={index}", "application/octet-stream"
    if form == "multipart":
        parts = [("filename", "big"), ("chunk_index", str(index)), ("data", "")]
        texts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}' for name, text in parts]
        head, tail, query = "\r\n".join(texts).encode(), f"\r\n--{BOUNDARY}--\r\n".encode(), ""
        kind = f"multipart/form-data; boundary={BOUNDARY}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.putrequest("POST", f"/upload/chunk{query}")
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(head) + size + len(tail)))
    connection.endheaders(head)
    for _ in range(size // len(PIECE)):
        connection.send(PIECE)
    connection.send(tail)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    assert answer.status == 200, told
    connection.close()
    return int(told["offset"])


def growth_of(folder: Path, form: str, size: int) -> int:
    with running(folder, "--durability", "never") as server:
        ask(server, "/upload/start", {"filename": "small", "size": 1})
        ask(server, "/upload/chunk", {"filename": "small", "chunk_index": 0, "data": "eA=="})
        ask(server, "/upload/start", {"filename": "big", "size": size})
        time.sleep(0.5)
        before = resident(server)
        for index in range(size // CHUNK):
            assert send(server, index, form, CHUNK) == (index + 1) * CHUNK
        return resident(server) - before


@pytest.mark.parametrize("form", ["multipart", "raw"])
def test_the_memory_does_not_grow_with_a_chunk(tmp_path: Path, form: str) -> None:
    assert growth_of(tmp_path, form, 2 * CHUNK) < GROWTH


@pytest.mark.slow
@pytest.mark.engines
@pytest.mark.parametrize("form", ["multipart", "raw"])
def test_the_memory_does_not_grow_with_2_gib_in_chunks_of_64_mib(tmp_path: Path, form: str) -> None:
    assert growth_of(tmp_path, form, SIZE) < GROWTH
