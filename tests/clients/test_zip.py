"""Archives with the programs that people unpack and fetch them with: unzip, 7z, curl."""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import shutil
import socket
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.running import RunningServer, running
from tests.zip_uploads import put

pytestmark = pytest.mark.engines

MIB, GIB = 1 << 20, 1 << 30
CUTS = 100
FILES = {
    "notes.txt": b"some text",
    "photos/2026/Größe 日本 🏖.jpg": bytes(range(256)) * 4000,
    "photos/empty": b"",
    "עברית/ملف.txt": b"right to left",
    "a'b$c `d.txt": b"quotes",
}


def ran(*command: str, folder: Path | None = None, status: tuple[int, ...] = (0,)) -> str:
    """What a program prints; fails the test where it ends with another status."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"these tests need {command[0]}: install it and run `make test-all`", pytrace=False)
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    said = done.stdout.decode(errors="replace")
    assert done.returncode in status, said
    return said


def fetch(server: RunningServer, ids: list[str], into: Path) -> Path:
    ran(
        "curl", "--silent", "--show-error", "--fail", "--output", str(into), f"{server.url}/zip?uploads={','.join(ids)}"
    )
    return into


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "uploads"
    ids = put(folder, *FILES.items())
    with running(folder) as server:
        yield fetch(server, ids, tmp_path / "archive.zip")


@pytest.mark.parametrize(
    ("test", "unpack"),
    [
        (("unzip", "-t"), ("unzip", "-q", "-d", "unpacked")),
        (("7z", "t"), ("7z", "x", "-ounpacked")),
    ],
    ids=["unzip", "7z"],
)
def test_a_program_finds_nothing_wrong_and_unpacks_the_files(
    archive: Path, tmp_path: Path, test: tuple[str, ...], unpack: tuple[str, ...]
) -> None:
    ran(*test, str(archive))
    # Options of unzip stand in front of the archive, but for -d.
    command = (*unpack[:2], str(archive), *unpack[2:])
    ran(*command, folder=tmp_path)
    assert tree(tmp_path / "unpacked") == FILES


def test_an_archive_made_in_memory_is_read_by_both(tmp_path: Path) -> None:
    (tmp_path / "Größe.txt").write_bytes(b"again and again " * 10_000)
    with running(tmp_path / "uploads") as server:
        form = ("-F", f"files=@{tmp_path / 'Größe.txt'}", "-F", f"files=@{tmp_path / 'Größe.txt'}")
        ran("curl", "--silent", "--fail", *form, "--output", str(tmp_path / "out.zip"), f"{server.url}/zip-file/")
    ran("unzip", "-t", str(tmp_path / "out.zip"))
    ran("7z", "t", str(tmp_path / "out.zip"))
    assert zipfile.ZipFile(tmp_path / "out.zip").namelist() == ["Größe.txt", "Größe (2).txt"]


class Cutter:
    """Passes one connection after the other on to a server, until `left` bytes of the answer have come.

    Attributes:
        kill: called then, if there is one.
    """

    def __init__(self, port: int) -> None:
        self.left = 0
        self.kill: Callable[[], None] | None = None
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(("127.0.0.1", self._port)) as server:
                    server.sendall(client.recv(65536))
                    self._answer(server, client)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := server.recv(65536):
                client.sendall(some[: self.left])
                self.left -= min(self.left, len(some))
                if not self.left:
                    break
        if self.kill is not None:
            self.kill()


def continue_with_curl(cutter: Cutter, query: str, into: Path) -> None:
    cut_off = (18, 52, 56)
    ran(
        "curl", "--silent", "--show-error", "--fail", "--header", "Connection: close",
        "--continue-at", "-", "--output", str(into),
        f"http://127.0.0.1:{cutter.port}/zip?{query}", status=(0, *cut_off),
    )  # fmt: skip


def test_curl_goes_on_after_a_hundred_cuts_and_kills_of_the_server(tmp_path: Path) -> None:
    folder, out, chance = tmp_path / "uploads", tmp_path / "out.zip", random.Random(9)
    sizes = [chance.choice([0, 10, 3000, 100_000, MIB + 1]) for _ in range(60)]
    ids = put(folder, *((f"{n % 4}/same.bin", chance.randbytes(size)) for n, size in enumerate(sizes)))
    query = f"uploads={','.join(ids)}"
    with running(folder) as server:
        whole = fetch(server, ids, tmp_path / "whole.zip").read_bytes()
    cuts = kills = 0
    out.touch()
    while out.stat().st_size < len(whole):
        with running(folder) as server, contextlib.closing(Cutter(server.port)) as cutter:
            while out.stat().st_size < len(whole) and cutter.kill is None:
                # One part in a hundred on average; the head of the answer is a part of it.
                cutter.left = chance.randrange(500, 2 * len(whole) // CUTS)
                cuts += 1
                if cuts % 25 == 0:
                    cutter.kill = server.kill
                    kills += 1
                continue_with_curl(cutter, query, out)
    assert cuts >= CUTS * 3 // 4
    assert kills >= 2
    assert hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(whole).digest()
    ran("unzip", "-t", str(out))


@pytest.mark.slow
def test_the_programs_read_5_gib_and_70_000_entries(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    ids = put(folder, ("hole.bin", 5 * GIB), ("behind.txt", b"behind"))
    many = put(folder, *((f"{n % 50}/{n:03}.txt", b"0123456789") for n in range(700))) * 100
    with running(folder) as server:
        large = fetch(server, ids, tmp_path / "large.zip")
        (tmp_path / "wanted.json").write_text(json.dumps({"uploads": many}))
        ran(
            "curl", "--silent", "--fail", "--json", f"@{tmp_path / 'wanted.json'}",
            "--output", str(tmp_path / "many.zip"), f"{server.url}/zip",
        )  # fmt: skip
    for archive, count in ((large, 2), (tmp_path / "many.zip", 70_000)):
        assert "No errors detected" in ran("unzip", "-tq", str(archive))
        said = ran("7z", "t", str(archive))
        assert "Everything is Ok" in said
        assert f"Files: {count}" in said
