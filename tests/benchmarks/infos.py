"""How many records the database takes and gives: `python -m tests.benchmarks.infos [--folder DIR]`.

Small numbers are decided by the disk: measure on the file system that will hold the database, and on a tmpfs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tusserver.infos.base import Infos
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.uploads import State, Upload

TASKS = 64

Act = Callable[[Upload], Awaitable[object]]


def an_upload() -> Upload:
    """A record such as a browser's POST makes."""
    now = datetime.now(UTC)
    metadata = "filename aG9saWRheS5qcGc=,filetype aW1hZ2UvanBlZw==,relativePath bnVsbA=="
    return Upload(
        secrets.token_urlsafe(16),
        now,
        now,
        length=4096,
        metadata=metadata,
        filename="holiday.jpg",
        content_type="image/jpeg",
        expires_at=now + timedelta(days=7),
    )


def completed(upload: Upload) -> Upload:
    """The same record behind its last PATCH."""
    now = datetime.now(UTC)
    return replace(upload, offset=4096, state=State.COMPLETE, updated_at=now, completed_at=now, expires_at=None)


async def measure(name: str, uploads: Sequence[Upload], act: Act, tasks: int = TASKS) -> None:
    """Do `act` with every upload, `tasks` at a time, and print the rate, the time of one and the processor's time."""
    waiting = iter(uploads)
    took: list[float] = []

    async def work() -> None:
        for upload in waiting:
            began = time.perf_counter()
            await act(upload)
            took.append(time.perf_counter() - began)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(tasks)))
    wall, used = time.perf_counter() - began, time.process_time() - used
    count = len(uploads)
    median, p95 = statistics.median(took) * 1e6, statistics.quantiles(took, n=20)[-1] * 1e6
    times = f"median {median:6,.0f} µs, p95 {p95:6,.0f} µs, processor {used / count * 1e6:4.0f} µs"
    print(f"{name:34} {count / wall:8,.0f}/s, {times}")


async def measure_all(infos: Infos, count: int) -> None:
    """Every act, with one task and with `TASKS`, with and without a disk flush."""
    for durable in (False, True):
        kind = "durable" if durable else "survives a kill"
        for tasks in (1, TASKS):
            # One task that waits for a disk flush each time does a few hundred a second.
            uploads = [an_upload() for _ in range(count // 20 if tasks == 1 else count)]

            async def create(upload: Upload, durable: bool = durable) -> None:
                await infos.create(upload, durable=durable)

            async def save(upload: Upload, durable: bool = durable) -> None:
                await infos.save(upload, durable=durable)

            await measure(f"create, {kind}, {tasks} task(s)", uploads, create, tasks)
            await measure(f"save, {kind}, {tasks} task(s)", [completed(upload) for upload in uploads], save, tasks)
    await measure("load, 1 task", uploads, lambda upload: infos.load(upload.id), 1)
    await measure(f"load, {TASKS} tasks", uploads, lambda upload: infos.load(upload.id))
    await measure("load after a write", uploads[: count // 10], lambda upload: write_and_load(infos, upload), 1)
    await measure("page of 50", uploads[: count // 20], lambda _: infos.page(), 1)
    await measure(f"delete, {TASKS} tasks", uploads, lambda upload: infos.delete(upload.id))


async def write_and_load(infos: Infos, upload: Upload) -> None:
    """A write makes the reading connection's cache stale."""
    await infos.save(upload)
    await infos.load(upload.id)


async def measure_cold(path: Path, count: int = 200) -> None:
    """`load` when no page of the database is in the kernel's cache."""
    infos = SqliteInfos(path)
    await infos.open()
    uploads = [an_upload() for _ in range(100_000)]
    await asyncio.gather(*(infos.create(upload) for upload in uploads))
    await infos.close()
    await infos.open()
    await infos.load(uploads[0].id)
    with path.open("rb") as file:
        os.sync()
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    await measure(
        "load, cold, of 100,000", uploads[1 :: len(uploads) // count], lambda upload: infos.load(upload.id), 1
    )
    await infos.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to put the database; a temporary folder when missing")
    parser.add_argument("--count", type=int, default=20_000, help="records of one measurement")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        infos = SqliteInfos(Path(folder) / "infos.db")
        await infos.open()
        await measure_all(infos, options.count)
        await infos.close()
        await measure_cold(Path(folder) / "cold.db")


if __name__ == "__main__":
    asyncio.run(main())
