"""The server as a client meets it: by itself, or behind nginx with the settings that `docker/nginx.conf` ships."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.running import RunningServer

CONF = Path(__file__).parents[2] / "docker" / "nginx.conf"
START_TIMEOUT = 10.0


class Nginx:
    """Debian's nginx on a free port, run from the file that the container uses; only places differ."""

    def __init__(self, folder: Path, server_port: int) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            pytest.fail("these tests need nginx: install Debian's `nginx-light` and run `make test-all`", pytrace=False)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        places = {
            "listen 80;": f"listen 127.0.0.1:{self.port};",
            "server tusserver:5000;": f"server 127.0.0.1:{server_port};",
            "/tmp/nginx": f"{folder}/nginx",
            "/dev/stdout": f"{folder}/access.log",
            "/dev/stderr": f"{folder}/error.log",
        }
        text = CONF.read_text()
        for shipped, here in places.items():
            assert shipped in text, f"{shipped} is not in {CONF.name}"
            text = text.replace(shipped, here)
        (folder / "nginx.conf").write_text(text)
        directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
        self._output = (folder / "output.log").open("w+")
        self.process = subprocess.Popen(
            [
                program,
                "-p",
                str(folder),
                "-e",
                f"{folder}/error.log",
                "-c",
                str(folder / "nginx.conf"),
                "-g",
                directives,
            ],
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
            except ConnectionRefusedError:
                time.sleep(0.02)
            else:
                return
        self.stop()
        raise RuntimeError("nginx did not start")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(START_TIMEOUT)
        self._output.close()


class Front:
    """A server and the port that clients use, which is nginx's when the kind is `nginx`."""

    def __init__(self, folder: Path, kind: str, *flags: str) -> None:
        self.kind = kind
        self._folder = folder / "uploads"
        self._flags = ("--trusted-proxies", "127.0.0.1/32", *flags)
        self.server = RunningServer(self._folder, *self._flags)
        self.nginx = Nginx(folder / "nginx", self.server.port) if kind == "nginx" else None
        self.port = self.nginx.port if self.nginx else self.server.port
        self.url = f"http://127.0.0.1:{self.port}"
        self.endpoint = self.url + "/files/"

    def restart(self) -> None:
        """A server that was killed comes back on the same port, with the same folder."""
        self.server = RunningServer(self._folder, *self._flags, port=self.server.port)

    def kill_and_restart(self, away: float = 0.0) -> None:
        """The server dies without a goodbye and is back after so many seconds."""
        self.server.kill()
        self._assert_no_traceback()
        time.sleep(away)
        self.restart()

    def close(self) -> None:
        if self.nginx:
            self.nginx.stop()
        self.server.stop()
        self._assert_no_traceback()

    def _assert_no_traceback(self) -> None:
        assert "Traceback" not in self.server.output, self.server.output


def free_port() -> int:
    """A port of loopback that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
