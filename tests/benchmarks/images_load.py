"""How much of their speed uploads keep while images are made smaller: `python -m tests.benchmarks.images_load`.

Rounds without and with a storm of requests for derived images follow each other, and each upload is held against the
one beside it: on a busy machine only the ratio says something. No image of the storm is ever in the cache.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import multiprocessing
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from tests.pictures import noise
from tests.running import RunningServer, running

if TYPE_CHECKING:
    Counter = Synchronized[int]

MIB = 1 << 20
PIECE = bytes(MIB)
# Twelve megapixels, as a telephone makes them.
SIZE = (4000, 3000)
TIMEOUT = 120


def upload(server: RunningServer, size: int) -> float:
    """MiB a second of one tus upload in one PATCH."""
    fields = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size)}
    made = requests.post(server.endpoint, headers=fields, timeout=TIMEOUT)
    head = (
        f"PATCH {made.headers['Location']} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as line:
        began = time.perf_counter()
        line.sendall(head.encode())
        for _ in range(size // MIB):
            line.sendall(PIECE)
        answer = line.recv(4096)
        took = time.perf_counter() - began
    assert answer.startswith(b"HTTP/1.1 204 "), answer
    removed = requests.delete(server.url + made.headers["Location"], headers=fields, timeout=TIMEOUT)
    assert removed.status_code == 204
    return size / MIB / took


def ask_for_ever(port: int, path: str, numbers: Iterator[int], done: Counter) -> None:
    """One client after the other image, each of a size and a quality that nobody asked for before."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    for number in numbers:
        line.request("GET", f"{path}?w={1 + number % 1500}&q={1 + number // 1500 % 100}")
        answer = line.getresponse()
        answer.read()
        if answer.status == 200:
            with done.get_lock():
                done.value += 1


def storm(port: int, path: str, clients: int, first: int, done: Counter) -> None:
    """The process of all who ask."""
    numbers = itertools.count(first)
    threads = [threading.Thread(target=ask_for_ever, args=(port, path, numbers, done)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@contextmanager
def storming(server: RunningServer, path: str, clients: int, first: int) -> Iterator[Counter]:
    """In the block `clients` ask for images without a pause; gives how many were made."""
    done: Counter = multiprocessing.Value("i", 0)
    process = multiprocessing.Process(target=storm, args=(server.port, path, clients, first, done), daemon=True)
    process.start()
    try:
        while not done.value:
            time.sleep(0.01)
        yield done
    finally:
        process.kill()
        process.join()


def measure(server: RunningServer, options: argparse.Namespace) -> list[float]:
    """The ratio of each round."""
    files = [("files", ("photo.jpg", noise("JPEG", SIZE)))]
    (photo,) = requests.post(server.url + "/api/upload", files=files, timeout=TIMEOUT).json()["data"]
    path, size = f"/uploads/{photo['stored_filename']}", options.mib * MIB
    upload(server, size)
    ratios = []
    for number in range(options.rounds):
        calm = upload(server, size)
        with storming(server, path, options.clients, number * 10_000) as done:
            before, began = done.value, time.perf_counter()
            stormy = upload(server, size)
            rate = (done.value - before) / (time.perf_counter() - began)
        ratios.append(stormy / calm)
        print(f"calm {calm:6,.0f} MiB/s, in the storm {stormy:6,.0f} MiB/s ({rate:.1f} images/s): {ratios[-1]:.2f}")
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to put the uploads; a temporary folder when missing")
    parser.add_argument("--mib", type=int, default=512, help="size of one upload")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clients", type=int, default=16, help="how many ask for images at once")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as folder,
        running(Path(folder) / "uploads", "--durability", "never") as server,
    ):
        ratios = measure(server, options)
    print(f"of their speed uploads keep {statistics.median(ratios):.2f} (median of {len(ratios)} rounds)")


if __name__ == "__main__":
    main()
