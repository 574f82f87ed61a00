"""What the tests ask the server themselves, and the files they send."""

from __future__ import annotations

import base64
import hashlib
import http.client
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

from tests.clients.relay import Relay
from tests.running import wait_until

MB = 1_000_000
TUS = {"Tus-Resumable": "1.0.0"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def ask(method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """One request on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    try:
        connection.request(method, parts.path or "/", body, dict(headers or {}))
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def offset(url: str) -> int:
    """The bytes the server says it has."""
    answer = ask("HEAD", url, TUS)
    assert answer.status in (200, 204), answer
    return int(answer.headers["Upload-Offset"])


def metadata(url: str) -> dict[str, str]:
    """The metadata the server tells, decoded."""
    field = ask("HEAD", url, TUS).headers.get("Upload-Metadata") or ""
    pairs = (pair.partition(" ") for pair in field.split(",") if pair)
    return {key: base64.b64decode(value).decode() for key, _, value in pairs}


def is_gone(url: str) -> bool:
    """Whether the server knows nothing of an upload (any more)."""
    return ask("HEAD", url, TUS).status in (404, 410)


def make_file(path: Path, size: int) -> Path:
    """A file of bytes that look random, the same ones for the same name and size."""
    path.write_bytes(random.Random(f"{path.name} {size}").randbytes(size))
    return path


def assert_stored(url: str, file: Path) -> None:
    """The download has the bytes of the file."""
    answer = ask("GET", url)
    assert answer.status == 200, answer
    assert len(answer.body) == file.stat().st_size
    assert hashlib.sha256(answer.body).hexdigest() == hashlib.sha256(file.read_bytes()).hexdigest()


def wait_for_what_passed(url: str, line: Relay, timeout: float = 10.0) -> int:
    """Wait until the server tells (nearly) all bytes that went over a line which is cut; gives the offset.

    The line counts the bytes of the headers and a piece that it may not have handed on; nginx holds a buffer of 16 kB.
    """
    at_least = line.passed - 64 * 1024
    wait_until(lambda: offset(url) >= at_least, timeout)
    told, before = offset(url), -1
    while told != before:
        time.sleep(0.1)
        told, before = offset(url), told
    return told
