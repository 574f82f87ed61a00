"""A server that asks who somebody is, and somebody who may use it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.wire import Answer, ask
from tests.commanding import command, environment
from tests.running import RunningServer, running

NAME, PASSWORD = "ann", "correct horse battery"
OTHER_NAME = "bob"


@contextmanager
def asking(folder: Path, *flags: str) -> Iterator[RunningServer]:
    """A server for the length of a block that takes nothing without a token; `NAME` and `OTHER_NAME` may sign in."""
    folder.mkdir(parents=True)
    for name in (NAME, OTHER_NAME):
        add = command("user", "add", name, "--password-stdin", "--upload-folder", folder)
        subprocess.run(add, cwd=folder, env=environment(folder), input=PASSWORD + "\n", text=True, check=True)
    with running(folder, "--auth", "required", *flags) as server:
        yield server


def bearer(server: RunningServer, name: str = NAME) -> dict[str, str]:
    """The header of somebody who signs in without the page."""
    body = json.dumps({"username": name, "password": PASSWORD}).encode()
    answer = ask("POST", server.url + "/auth/token", {"Content-Type": "application/json"}, body)
    assert answer.status == 200, answer
    return {"Authorization": f"Bearer {json.loads(answer.body)['access_token']}"}


def stored(server: RunningServer, name: str = NAME) -> dict[str, bytes]:
    """The finished files of somebody, by name."""
    fields = bearer(server, name)
    listed: Answer = ask("GET", server.url + "/status", fields)
    uploads = [one for one in json.loads(listed.body)["uploads"] if one["status"] == "complete"]
    return {one["filename"]: ask("GET", server.url + one["upload_url"], fields).body for one in uploads}
