"""How long a commit takes while gigabytes are written beside it: `python -m tests.benchmarks.commits [--folder DIR]`.

The kernel gathers written bytes in memory, and whoever syncs a small file meanwhile may wait for many of them. Measure
on the file system that will hold both the bytes and the database. Gigabytes are written and removed again.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.infos import an_upload, completed
from tusserver.infos.sqlite import SqliteInfos

PIECE = 1 << 20
FILE = 4 << 30
TASKS = 16
# What a PATCH leaves between its commits.
PAUSE = 0.01


@dataclass(slots=True)
class Beside:
    """Threads that write one large file after the other, as uploads do."""

    folder: Path
    threads: int
    written: int = 0
    longest: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin to write."""
        for number in range(self.threads):
            self._running.append(threading.Thread(target=self._write, args=(self.folder / f"large-{number}",)))
            self._running[-1].start()

    def stop(self) -> None:
        """Wait for the last pieces."""
        self._ended.set()
        for thread in self._running:
            thread.join()

    def _write(self, path: Path) -> None:
        piece = random.randbytes(PIECE)
        while not self._ended.is_set():
            with path.open("wb", buffering=0) as file:
                while file.tell() < FILE and not self._ended.is_set():
                    began = time.perf_counter()
                    file.write(piece)
                    self.longest = max(self.longest, time.perf_counter() - began)
                    self.written += PIECE
            path.unlink()


async def commits(infos: SqliteInfos, seconds: float, *, durable: bool) -> list[float]:
    """The times of as many commits as `TASKS` tasks make, each a new record and its completion."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def work() -> None:
        while time.perf_counter() < end:
            upload = an_upload()
            for act in (infos.create(upload), infos.save(completed(upload), durable=durable)):
                began = time.perf_counter()
                await act
                took.append(time.perf_counter() - began)
                await asyncio.sleep(PAUSE)

    await asyncio.gather(*(work() for _ in range(TASKS)))
    return took


async def measure(folder: Path, seconds: float, threads: int, *, durable: bool) -> None:
    """Print how long commits took."""
    infos = SqliteInfos(folder / f"infos-{durable}-{threads}.db")
    await infos.open()
    beside = Beside(folder, threads)
    beside.start()
    try:
        took = sorted(await commits(infos, seconds, durable=durable))
    finally:
        await asyncio.to_thread(beside.stop)
    log = os.stat(f"{folder}/infos-{durable}-{threads}.db-wal").st_size
    await infos.close()
    parts = statistics.quantiles(took, n=1000)
    times = ", ".join(f"{name} {parts[at] * 1e3:.1f}" for name, at in (("median", 499), ("p99", 989), ("p99.9", 998)))
    kind = "durable" if durable else "survives a kill"
    print(
        f"{kind:16} {threads} large files ({beside.written / seconds / 1e6:5.0f} MB/s, longest write "
        f"{beside.longest * 1e3:5.0f} ms): {len(took) / seconds:5.0f}/s, {times}, longest {took[-1] * 1e3:.0f} ms, "
        f"log {log / 1e6:.1f} MB",
        flush=True,
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder when missing")
    parser.add_argument("--seconds", type=float, default=20, help="of one measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for durable in (False, True):
            for threads in (0, 2):
                await measure(Path(folder), options.seconds, threads, durable=durable)


if __name__ == "__main__":
    asyncio.run(main())
