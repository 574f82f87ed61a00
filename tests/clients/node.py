"""Run the Node scripts of this folder: a job goes in as JSON, events and a result come back as JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

HERE = Path(__file__).parent
TIMEOUT = 60.0


def modules() -> Path:
    """The folder of the installed clients; fails the test, with what to do, where they are not installed."""
    folder = HERE / "node_modules"
    if shutil.which("node") is None:
        pytest.fail("these tests need Node 20 or newer: install it and run `make test-all`", pytrace=False)
    if not (folder / ".package-lock.json").exists():
        pytest.fail("the clients are not installed: run `make test-all`, or `npm ci` in tests/clients", pytrace=False)
    return folder


class NodeProcess:
    """A script that runs in a process of its own, which a test may lead step by step, or kill."""

    def __init__(self, script: str, job: Mapping[str, Any], timeout: float = TIMEOUT) -> None:
        modules()
        # A file, so that a script that says much on standard error never waits for a reader.
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            ["node", str(HERE / script)],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        # A script that hangs is ended, so that its reader gets an end of file rather than waiting for ever.
        self._deadline = threading.Timer(timeout, self.process.kill)
        self._deadline.start()
        self.send(job)

    def send(self, step: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(step) + "\n")
        self.process.stdin.flush()

    def event(self) -> Any:
        """The next value the script tells; fails the test when it ended without one."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(TIMEOUT)
            self._errors.seek(0)
            pytest.fail(f"the script ended with {self.process.returncode}:\n{self._errors.read()}")
        return json.loads(line)

    def until(self, name: str) -> Any:
        """The value under the key `name` of the first event that has one; events before it are dropped."""
        while True:
            event = self.event()
            if isinstance(event, dict) and name in event:
                return event[name]

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Tell the script that no step follows, wait for its end and let go of the pipes."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait(TIMEOUT)
        self._deadline.cancel()
        self._errors.close()


@contextmanager
def started(script: str, job: Mapping[str, Any], timeout: float = TIMEOUT) -> Iterator[NodeProcess]:
    """A script that runs for the length of a block."""
    process = NodeProcess(script, job, timeout)
    try:
        yield process
    except BaseException:
        process.kill()
        raise
    process.close()


def run(script: str, job: Mapping[str, Any], timeout: float = TIMEOUT) -> Any:
    """Run a script of this folder to its end.

    Args:
        script: its file name.
        job: what it reads on standard input.
        timeout: the seconds it may take.
    Returns:
        the last value it told, or nothing when it told none.
    """
    modules()
    done = subprocess.run(
        ["node", str(HERE / script)],
        cwd=HERE,
        input=json.dumps(job),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        pytest.fail(f"{script} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else None
