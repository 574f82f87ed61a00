"""Requests made up from `/openapi.json`, sent to a real server: what it answers is what it says it answers.

No status, header, media type or body that is not described, no 5xx, nothing accepted that the document forbids, and
where a token is needed none that gets in without one.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.pictures import picture
from tests.rest_client import SECRET, token
from tests.running import running

HERE = Path(__file__).parent
TIMEOUT = 240.0


def furnished(url: str, headers: dict[str, str]) -> dict[str, list[str]]:
    """Put uploads in every state on a server, images and links; gives what they are called."""
    known: dict[str, list[str]] = {"id": [], "filename": [], "link": [], "stored_filename": []}

    def post(path: str, document: dict[str, object]) -> dict[str, str]:
        answer = requests.post(url + path, json=document, headers=headers, timeout=10)
        assert answer.ok, answer.text
        told: dict[str, str] = answer.json()
        return told

    for number in range(12):
        name = f"folder/file {number}.txt"
        known["id"].append(post("/upload/start", {"filename": name, "size": 12})["upload_id"])
        known["filename"].append(name)
        for index, piece in enumerate((b"hello", b", world")[: number % 3]):
            data = base64.b64encode(piece).decode()
            post("/upload/chunk", {"filename": name, "chunk_index": index, "data": data})
    known["link"] = [post("/links", {})["link_id"] for _ in range(6)]
    files = [("files", (f"{number}.png", picture())) for number in range(4)]
    taken = requests.post(url + "/api/upload", files=files, headers=headers, timeout=30)
    known["stored_filename"] = [one["stored_filename"] for one in taken.json()["data"]]
    return known


@pytest.mark.parametrize("auth", ["off", pytest.param("required", marks=pytest.mark.engines)])
def test_every_answer_is_one_that_the_document_describes(tmp_path: Path, auth: str) -> None:
    headers = {"Authorization": f"Bearer {token('ada')}"} if auth == "required" else {}
    with running(tmp_path / "server", "--auth", auth, env={"TUSSERVER_JWT_SECRET": SECRET}) as server:
        known = furnished(server.url, headers)
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
        command += [server.url + "/openapi.json", *(f"--header={name}: {value}" for name, value in headers.items())]
        env = {**os.environ, "KNOWN": json.dumps(known), "SCHEMATHESIS_HOOKS": "tests.schemathesis_hooks"}
        env |= {"PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: " in done.stdout, done.stdout
