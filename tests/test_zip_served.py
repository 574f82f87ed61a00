"""Archives of a real server: many gigabytes, many entries, restarts, and how much memory all that takes."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import random
import statistics
import threading
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.running import RunningServer, running, wait_until
from tests.zip_uploads import MOMENT, put, tree_of
from tusserver.web.zip_file import PER_REQUEST

MIB, GIB = 1 << 20, 1 << 30
GROWTH = 20 * MIB
TIMEOUT = 120
JSON = {"Content-Type": "application/json"}
BOUNDARY = "walls"


def address(ids: list[str]) -> str:
    return f"/zip?uploads={','.join(ids)}"


@contextmanager
def asked(
    server: RunningServer, method: str, path: str, body: bytes | None = None, **headers: str
) -> Iterator[http.client.HTTPResponse]:
    """An answer that is yet to be read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        yield connection.getresponse()
    finally:
        connection.close()


def length_of(server: RunningServer, ids: list[str]) -> int:
    with asked(server, "HEAD", address(ids)) as answer:
        assert answer.status == 200
        return int(answer.headers["Content-Length"])


def some(server: RunningServer, ids: list[str], start: int, end: int) -> bytes:
    with asked(server, "GET", address(ids), Range=f"bytes={start}-{end - 1}") as answer:
        assert answer.status == 206
        return answer.read()


class Remote(io.RawIOBase):
    """An archive of a server as a file: what is read of it is asked for by a range."""

    def __init__(self, server: RunningServer, ids: list[str]) -> None:
        self._server, self._ids, self._at = server, ids, 0
        self._length = length_of(server, ids)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        start, end = self._at, self._length if size < 0 else min(self._length, self._at + size)
        self._at = max(start, end)
        return some(self._server, self._ids, start, end) if start < end else b""


def drained(answer: http.client.HTTPResponse) -> tuple[int, str]:
    """How many bytes came, and their SHA-256."""
    digest, size, buffer = hashlib.sha256(), 0, bytearray(MIB)
    while count := answer.readinto(buffer):
        digest.update(memoryview(buffer)[:count])
        size += count
    return size, digest.hexdigest()


def memory(server: RunningServer) -> int:
    """The most memory that the server ever had in use, in bytes."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def warm(server: RunningServer, ids: list[str]) -> int:
    """The memory of a server that has made archives, but no large ones."""
    for _ in range(5):
        with asked(server, "POST", "/zip", json.dumps({"uploads": ids}).encode(), **JSON) as answer:
            assert answer.status == 200
            drained(answer)
    return memory(server)


def test_zipfile_reads_entries_of_5_gib_and_what_lies_behind_them(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    small = put(folder, ("a.txt", b"before"), ("b.txt", b"behind"))
    # As if somebody had read it all; the bytes that are read here do not reach its end.
    (large,) = put(folder, ("big/hole.bin", 5 * GIB), crc32=0)
    wanted = [small[0], large, small[1]]
    with running(folder) as server, zipfile.ZipFile(Remote(server, wanted)) as opened:
        assert [(info.filename, info.file_size) for info in opened.infolist()] == [
            ("a.txt", 6), ("big/hole.bin", 5 * GIB), ("b.txt", 6)
        ]  # fmt: skip
        assert opened.read("a.txt") == b"before"
        assert opened.read("b.txt") == b"behind"
        with opened.open("big/hole.bin") as hole:
            assert hole.read(1000) == bytes(1000)


def test_70_000_entries_are_read_back_and_take_no_more_memory_than_few(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    data = b"0123456789" * 50
    ids = put(folder, *((f"holiday {n % 7}/IMG_{n:04}.jpg", data) for n in range(700)), crc32=zlib.crc32(data))
    with running(folder) as server:
        before = warm(server, ids)
        body = json.dumps({"uploads": ids * 100, "name": "all"}).encode()
        with asked(server, "POST", "/zip", body, **JSON) as answer:
            assert answer.status == 200
            whole = answer.read()
            assert len(whole) == int(answer.headers["Content-Length"])
        growth = memory(server) - before
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        names = opened.namelist()
        assert len(names) == len(set(names)) == 70_000
        assert (names[0], names[700], names[-1]) == (
            "holiday 0/IMG_0000.jpg", "holiday 0/IMG_0000 (2).jpg", "holiday 6/IMG_0699 (100).jpg"
        )  # fmt: skip
        assert all(opened.read(name) == data for name in random.Random(5).sample(names, 2000))
        assert opened.infolist()[-1].date_time == MOMENT.timetuple()[:6]
    assert growth < GROWTH


@pytest.mark.exhaustive
def test_70_000_uploads_take_no_more_memory_than_few(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    data = b"0123456789" * 100
    ids = put(folder, *((f"holiday {n % 50}/IMG_{n:05}.jpg", data) for n in range(70_000)), crc32=zlib.crc32(data))
    with running(folder) as server:
        before = warm(server, ids[:700])
        sums = set()
        for _ in range(3):
            with asked(server, "POST", "/zip", json.dumps({"uploads": ids}).encode(), **JSON) as answer:
                sums.add(drained(answer))
        assert len(sums) == 1
        assert memory(server) - before < GROWTH


def test_the_memory_does_not_grow_with_the_size_of_an_archive(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    small = put(folder, ("a", 1000), ("b", 2 * MIB), crc32=0)
    large = put(folder, ("hole", GIB), *((f"m{n}", MIB) for n in range(300)), crc32=0)
    with running(folder) as server:
        before = warm(server, small)
        with asked(server, "GET", address(large)) as answer:
            assert drained(answer)[0] == int(answer.headers["Content-Length"]) > GIB + 300 * MIB
        assert memory(server) - before < GROWTH


@pytest.mark.alone
def test_the_first_byte_of_a_range_far_back_in_10_gib_comes_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    ids = put(folder, *((f"part{n}", GIB) for n in range(10)))
    with running(folder) as server:
        far = length_of(server, ids) * 9 // 10
        times = []
        for _ in range(9):
            start = time.monotonic()
            assert some(server, ids, far, far + 1) == b"\0"
            times.append(time.monotonic() - start)
    assert statistics.median(times) < 0.05


def test_an_archive_goes_on_after_the_server_was_killed(tmp_path: Path) -> None:
    folder, chance = tmp_path / "uploads", random.Random(6)
    ids = put(folder, *((f"{n % 3}/same.bin", chance.randbytes(size)) for n, size in enumerate([3 * MIB, 10, 5 * MIB])))
    with running(folder) as server:
        with asked(server, "GET", address(ids)) as answer:
            tag, length = answer.headers["ETag"], int(answer.headers["Content-Length"])
            first = answer.read(4 * MIB)
        server.kill()
    with running(folder) as server:
        with asked(server, "GET", address(ids), Range=f"bytes={len(first)}-", If_Range=tag) as answer:
            assert (answer.status, answer.headers["ETag"]) == (206, tag)
            whole = first + answer.read()
        with asked(server, "GET", address(ids)) as answer:
            assert answer.read() == whole
    assert len(whole) == length
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None


def test_who_leaves_an_archive_leaves_nothing_open(tmp_path: Path) -> None:
    folder = tmp_path / "uploads"
    ids = put(folder, ("a", 64 * MIB), ("b", 64 * MIB), crc32=0)
    with running(folder) as server:
        length_of(server, ids)
        opened = Path(f"/proc/{server.process.pid}/fd")
        before = len(list(opened.iterdir()))
        for _ in range(5):
            with asked(server, "GET", address(ids)) as answer:
                assert answer.read(1000)
        wait_until(lambda: len(list(opened.iterdir())) <= before)


# The files of a form


def form_of(size: int, data: bytes) -> tuple[bytes, dict[str, str]]:
    """A form with one file, and what is said of it."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'.encode()
    body = head + (data * (size // len(data) + 1))[:size] + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def test_a_form_of_100_mb_and_one_byte_is_refused_once_they_have_come(tmp_path: Path) -> None:
    with running(tmp_path / "uploads") as server:
        body, headers = form_of(100_000_001, b"0123456789")
        with asked(server, "POST", "/zip-file/", body, **headers) as answer:
            assert (answer.status, json.loads(answer.read())["code"]) == (413, "files-too-large")
        body, headers = form_of(100_000_000, b"0123456789" * 1000)
        with asked(server, "POST", "/zip-file/", body, **headers) as answer:
            assert answer.status == 200
            with zipfile.ZipFile(io.BytesIO(answer.read())) as opened:
                assert opened.getinfo("a.bin").file_size == 100_000_000


def written(server: RunningServer) -> int:
    """Bytes that the server had the disk write."""
    io_of = Path(f"/proc/{server.process.pid}/io").read_text()
    return int(dict(line.split(": ") for line in io_of.splitlines())["write_bytes"])


@contextmanager
def watched(folder: Path) -> Iterator[set[Path]]:
    """Everything that is seen below a folder while the block runs."""
    seen: set[Path] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            seen.update(folder.rglob("*"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def test_twenty_forms_at_once_stay_within_the_memory_set_aside_and_off_the_disk(tmp_path: Path) -> None:
    size = 10_000_000
    bound = 4 * (size + PER_REQUEST)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    flags = ("--zip-max-size", str(size), "--zip-memory", str(bound))
    with running(tmp_path / "uploads", *flags, env={"TMPDIR": str(temporary)}) as server:
        noise = random.Random(8).randbytes(size)
        body, headers = form_of(1000, noise)
        with asked(server, "POST", "/zip-file/", body, **headers) as answer:
            answer.read()
        body, headers = form_of(size, noise)
        before, tree, disk = memory(server), tree_of(tmp_path), written(server)

        def send(_: int) -> tuple[int, bytes]:
            with asked(server, "POST", "/zip-file/", body, **headers) as answer:
                return answer.status, answer.read()

        with watched(tmp_path) as seen, ThreadPoolExecutor(20) as senders:
            answers = list(senders.map(send, range(20)))
        growth = memory(server) - before
        assert {str(path.relative_to(tmp_path)) for path in seen if not path.is_dir()} <= set(tree)
        assert tree_of(tmp_path) == tree
        assert written(server) == disk
    made = [archive for status, archive in answers if status == 200]
    assert len(made) >= 4
    assert {status for status, _ in answers} <= {200, 503}
    for archive in made:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            assert opened.read("a.bin") == noise
    assert growth < bound
