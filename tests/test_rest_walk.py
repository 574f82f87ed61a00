"""A walk through the plain REST API as its first README told it, by Python's requests and by curl."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.commanding import command, environment
from tests.running import RunningServer, running

PASSWORD = "correct horse"
# The documents of that README, as they stand there; the bytes are its <binary_data>.
START = '{ "filename": "largefile.zip", "size": 100000000 }'
CHUNK = '{ "filename": "largefile.zip", "chunk_index": 1, "data": "<binary_data>" }'
COMPLETE = '{ "filename": "largefile.zip" }'
SIZE = 100_000_000
# JSON is held in memory and bounded, so the first chunk is smaller than the others.
FIRST, SECOND = 10_000_000, 50_000_000
TIMEOUT = 120.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server that asks for tokens, with the user ada."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    made = subprocess.run(
        command("user", "add", "ada", "--password-stdin", "--upload-folder", str(folder)),
        cwd=tmp_path, env=environment(tmp_path), input=PASSWORD + "\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert made.returncode == 0, made
    with running(folder, "--auth", "required") as started:
        yield started


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


class Ada:
    """The user of the server, signed in."""

    def __init__(self, url: str, session: requests.Session) -> None:
        self.url, self.session = url, session
        form = {"username": "ada", "password": PASSWORD}
        token = session.post(f"{url}/auth/token", data=form, timeout=TIMEOUT).json()
        assert token["token_type"] == "bearer"
        session.headers["Authorization"] = f"Bearer {token['access_token']}"

    def ask(self, method: str, path: str, **request: Any) -> requests.Response:
        """One request, that is carried out."""
        answer = self.session.request(method, self.url + path, timeout=TIMEOUT, **request)
        assert answer.ok, answer.text
        return answer

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        """What a POST is answered with."""
        told: dict[str, Any] = self.ask("POST", path, **request).json()
        return told

    def status(self) -> tuple[str, int, float]:
        """How far the file is."""
        told = self.ask("GET", "/status/largefile.zip").json()
        return told["status"], told["offset"], told["percent"]


def upload(ada: Ada, content: bytes) -> None:
    assert ada.post("/upload/start", json=json.loads(START))["status"] == "pending"
    assert ada.status() == ("pending", 0, 0.0)
    first = json.loads(CHUNK) | {"data": base64.b64encode(content[:FIRST]).decode()}
    assert ada.post("/upload/chunk", json=first)["next_chunk_index"] == 2
    assert ada.status() == ("partial", FIRST, 10.0)
    second = {"filename": "largefile.zip", "chunk_index": 2}
    told = ada.post("/upload/chunk", data=second, files={"data": content[FIRST:SECOND]})
    assert (told["next_chunk_index"], told["offset"]) == (3, SECOND)
    assert ada.status() == ("partial", SECOND, 50.0)
    third = second | {"chunk_index": 3}
    assert ada.post("/upload/chunk", params=third, data=content[SECOND:])["status"] == "complete"
    assert ada.status() == ("complete", SIZE, 100.0)


def test_the_walk_by_requests(server: RunningServer, content: bytes) -> None:
    with requests.Session() as session:
        ada = Ada(server.url, session)
        upload(ada, content)
        digest = hashlib.sha256(content).hexdigest()
        done = ada.post("/upload/complete", json=json.loads(COMPLETE) | {"checksum": f"sha256:{digest}"})
        assert (done["status"], done["size"], done["sha256"]) == ("complete", SIZE, digest)

        whole = ada.ask("GET", done["download_url"])
        assert whole.content == content
        assert whole.headers["Content-Disposition"] == 'attachment; filename="largefile.zip"'
        part = ada.ask("GET", "/download/partial/largefile.zip", headers={"Range": "bytes=1000-2000"})
        assert (part.status_code, len(part.content)) == (206, 1_001)
        assert part.content == content[1000:2001]
        assert part.headers["Content-Range"] == f"bytes 1000-2000/{SIZE}"

        ada.post("/upload/start", json={"filename": "given-up", "size": 5})
        cleaned = ada.ask("DELETE", "/cleanup", params={"older_than": 0}).json()
        assert [one["filename"] for one in cleaned["removed"]] == ["given-up"]
        assert ada.status()[0] == "complete"


WALK = r"""
token=$(curl -sSf "$url/auth/token" -d username=ada --data-urlencode "password=correct horse" | field access_token)
auth="Authorization: Bearer $token"
json='Content-Type: application/json'
status() { curl -sSf -H "$auth" "$url/status/largefile.zip" | field status offset; }

curl -sSf -H "$auth" -H "$json" "$url/upload/start" -d '{ "filename": "largefile.zip", "size": 100000000 }' |
  field status chunk_size
status

head -c 10000000 largefile.zip | base64 -w 0 > data
{ printf '{ "filename": "largefile.zip", "chunk_index": 1, "data": "'; cat data; printf '" }'; } |
  curl -sSf -H "$auth" -H "$json" "$url/upload/chunk" --data-binary @- | field next_chunk_index
status

head -c 50000000 largefile.zip | tail -c 40000000 > part
curl -sSf -H "$auth" "$url/upload/chunk" -F filename=largefile.zip -F chunk_index=2 -F data=@part |
  field next_chunk_index
status

tail -c 50000000 largefile.zip > part
curl -sSf -H "$auth" -H 'Content-Type: application/octet-stream' -T part -X POST \
  "$url/upload/chunk?filename=largefile.zip&chunk_index=3" | field next_chunk_index
status

curl -sSf -H "$auth" -H "$json" "$url/upload/complete" -d '{ "filename": "largefile.zip" }' | field status size

curl -sSf -H "$auth" -OJ --output-dir got "$url/download/largefile.zip"
cmp got/largefile.zip largefile.zip && echo equal
curl -sSf -H "$auth" -o partial -w '%{http_code} %{size_download}\n' "$url/download/partial/largefile.zip" \
  -H 'Range: bytes=1000-2000'
head -c 2001 largefile.zip | tail -c 1001 | cmp - partial && echo equal

curl -sSf -H "$auth" -X DELETE "$url/cleanup" | field removed_count
curl -sS -o /dev/null -w '%{http_code}\n' "$url/status/largefile.zip"
"""
FIELD = """#!/usr/bin/env python3
import json, sys
told = json.load(sys.stdin)
print(*(told[name] for name in sys.argv[1:]))
"""
SAID = """\
pending 8388608
pending 0
2
partial 10000000
3
partial 50000000
4
complete 100000000
complete 100000000
equal
206 1001
equal
0
401
"""


@pytest.mark.engines
def test_the_walk_by_curl(server: RunningServer, content: bytes, tmp_path: Path) -> None:
    assert shutil.which("curl"), "this test needs curl: install it and run `make test-all`"
    assert START in WALK
    assert COMPLETE in WALK
    work = tmp_path / "work"
    (work / "got").mkdir(parents=True)
    (work / "field").write_text(FIELD)
    (work / "field").chmod(0o755)
    (work / "largefile.zip").write_bytes(content)
    path = f"{work}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", WALK],
        cwd=work, env={**os.environ, "PATH": path, "url": server.url}, capture_output=True, text=True, timeout=TIMEOUT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert done.stdout == SAID
