"""The servers that are measured beside each other: this one, others of its kind, and the limit of the machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NODE_SERVER = """
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'
const [port, directory] = process.argv.slice(2)
new Server({ path: '/files', datastore: new FileStore({ directory }) }).listen({ host: '127.0.0.1', port: +port })
"""


class Missing(Exception):
    """A server cannot be built here; its text says what is missing."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A server that can be started: `{port}`, `{folder}`, `{body}` stand in its command.

    Attributes:
        speaks_tus: else it takes PUT and gives one file, and shows what the machine can do at all.
    """

    name: str
    command: tuple[str, ...]
    speaks_tus: bool = True
    path: str = "/files/"


class Running:
    """One server process with a folder of its own."""

    def __init__(self, kind: Kind, folder: Path, body: Path) -> None:
        self.kind, self.folder = kind, folder
        self.port = _free_port()
        folder.mkdir(parents=True)
        words = [word.format(port=self.port, folder=folder, body=body) for word in kind.command]
        self._process = subprocess.Popen(
            words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        end = time.monotonic() + 20
        while not _answers(self.port):
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                raise Missing(f"{kind.name} did not start: {' '.join(words)}")
            time.sleep(0.05)
        time.sleep(0.3)

    @property
    def pids(self) -> list[int]:
        """The process and those it started."""
        found = [self._process.pid]
        for pid in found:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found.extend(map(int, children.read().split()))
        return found

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Count the largest memory from now on."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """The most memory it had in use since then, in bytes."""
        return sum(_field(pid, "VmHWM:") for pid in self.pids) * 1024

    def stop(self) -> None:
        """End it and remove what it stored."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


def build_load(place: Path) -> Path:
    """The client that makes the load."""
    _need("go", "Go, https://go.dev")
    subprocess.run(["go", "build", "-o", place / "load", "."], cwd=HERE / "load", check=True)
    return place / "load"


def build(name: str, place: Path) -> Kind:
    """Build a server, or find that it is built. Raises Missing."""
    return KINDS[name](place)


def _ours(name: str, *flags: str) -> Kind:
    words = (sys.executable, "-m", "tusserver", "serve", "--port", "{port}", "--upload-folder", "{folder}")
    return Kind(name, (*words, "--durability", "never", *flags))


def _tusd(place: Path) -> Kind:
    _need("go", "Go, https://go.dev")
    made = place / "tusd"
    if not made.exists():
        package = "github.com/tus/tusd/v2/cmd/tusd"
        _run(["go", "build", "-mod=mod", "-o", str(made), package], HERE / "peers", "tusd cannot be built")
    return Kind("tusd", (str(made), "-host", "127.0.0.1", "-port", "{port}", "-upload-dir", "{folder}"))


def _node(place: Path) -> Kind:
    _need("npm", "Node and npm")
    folder = place / "node"
    if not (folder / "node_modules").exists():
        folder.mkdir(exist_ok=True)
        (folder / "server.mjs").write_text(NODE_SERVER)
        words = [
            "npm",
            "install",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "@tus/server@2.4",
            "@tus/file-store@2",
        ]
        _run(words, folder, "@tus/server cannot be installed")
    return Kind("@tus/server", ("node", str(folder / "server.mjs"), "{port}", "{folder}"))


def _rustus(place: Path) -> Kind:
    _need("cargo", "Rust")
    made = place / "bin" / "rustus"
    if not made.exists():
        words = ["cargo", "install", "--quiet", "--locked", "--root", str(place), "rustus"]
        _run(words, place, "rustus cannot be built")
    folders = ("--data-dir", "{folder}/data", "--info-dir", "{folder}/info")
    return Kind("rustus", (str(made), "--host", "127.0.0.1", "--port", "{port}", *folders))


def _sink(place: Path, way: str) -> Kind:
    _need("cc", "a C compiler")
    _run(["cc", "-O2", "-o", str(place / "sink"), str(HERE / "peers" / "sink.c"), "-lpthread"], place, "no C compiler")
    return Kind(f"C sink, {way}", (str(place / "sink"), "{port}", "{body}", "{folder}", way), speaks_tus=False)


KINDS: dict[str, Callable[[Path], Kind]] = {
    "ours": lambda place: _ours("ours"),
    "ours-complete": lambda place: _ours("ours, complete", "--durability", "complete"),
    "tusd": _tusd,
    "node": _node,
    "rustus": _rustus,
    "copy": lambda place: _sink(place, "copy"),
    "splice": lambda place: _sink(place, "splice"),
}


def _need(program: str, what: str) -> None:
    if shutil.which(program) is None:
        raise Missing(f"{what} is not here")


def _run(words: list[str], folder: Path, what: str) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"{what}: {done.stderr.strip().splitlines()[-1:]}")
