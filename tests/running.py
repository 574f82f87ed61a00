"""Start the real server as a process of its own, on loopback and a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LISTENING = re.compile(r"listening on (http://\S+)")
START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


class RunningServer:
    """A server process. `url` ends without a slash; `output` is everything it printed so far."""

    def __init__(self, folder: Path, *flags: str, env: dict[str, str] | None = None, port: int = 0) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.url = ""
        self._listening = threading.Event()
        command = [sys.executable, "-m", "tusserver", "serve", "--port", str(port), "--upload-folder", str(folder)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TUSSERVER_")}
        # The folder is the working directory too, so that no .env of the developer's is read.
        folder.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [*command, *flags],
            cwd=folder,
            env={**clean, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(START_TIMEOUT) or not self.url:
            self.kill()
            raise RuntimeError(f"the server did not start:\n{self.output}")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if not self.url and (found := LISTENING.search(line)):
                self.url = found[1].rstrip("/")
                self._listening.set()
        self._listening.set()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    @property
    def endpoint(self) -> str:
        """The address uploads are created at."""
        return self.url + "/files/"

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        """As `kill -9`: no goodbye."""
        self.process.kill()
        self._finish()

    def stop(self) -> int:
        """As an operator stops it; gives the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._finish()
        return self.process.returncode

    def _finish(self) -> None:
        self.process.wait()
        self._reader.join(STOP_TIMEOUT)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def running(folder: Path, *flags: str, env: dict[str, str] | None = None, port: int = 0) -> Iterator[RunningServer]:
    """A server for the length of a block; fails the block when its log holds a traceback."""
    server = RunningServer(folder, *flags, env=env, port=port)
    try:
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.output, server.output


def wait_until(fact: object, timeout: float = 10.0, step: float = 0.02) -> None:
    """Wait until calling `fact` gives something true."""
    end = time.monotonic() + timeout
    while not fact():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError("it did not come true")
        time.sleep(step)
