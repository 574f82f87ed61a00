"""A process of its own on a database of records.

`python -m tests.infos_process DATABASE COUNT TASKS PREFIX [durable] [open=N]` prints the id of each record after its
creation was acknowledged, and waits for its standard input to end first. With `open=N` it creates only while fewer
than so many are unfinished.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from tests.contracts.infos_values import START
from tusserver.infos.base import OverQuota, Quota
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.uploads import Upload


async def main(path: Path, count: int, tasks: int, prefix: str, *, durable: bool, quota: Quota | None) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            upload = Upload(f"{prefix}{number:06}", START, START, length=number)
            with suppress(OverQuota):
                await infos.create(upload, durable=durable, quota=quota)
                print(upload.id, flush=True)

    await asyncio.gather(*(work() for _ in range(tasks)))
    await infos.close()


if __name__ == "__main__":
    database, count, tasks, prefix = sys.argv[1:5]
    options = sys.argv[5:]
    most = [Quota(open=int(option.removeprefix("open="))) for option in options if option.startswith("open=")]
    durable, quota = "durable" in options, most[0] if most else None
    asyncio.run(main(Path(database), int(count), int(tasks), prefix, durable=durable, quota=quota))
