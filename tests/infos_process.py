"""A process of its own on a database of records.

`python -m tests.infos_process DATABASE COUNT TASKS PREFIX [durable] [open=N] [name=X]` prints the id of each record
after its creation was acknowledged, and waits for its standard input to end first. With `open=N` it creates only while
fewer than so many are unfinished; with `name=X` all have this filename, and it creates only while none is unfinished.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

from tests.contracts.infos_values import START
from tusserver.infos.base import Latest, NameTaken, OverQuota, Quota
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.uploads import Upload


async def main(path: Path, count: int, tasks: int, prefix: str, options: list[str]) -> None:
    most = option(options, "open")
    quota = None if most is None else Quota(open=int(most))
    name = option(options, "name")
    latest = None if name is None else Latest(None)
    infos = SqliteInfos(path)
    await infos.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            upload = Upload(f"{prefix}{number:06}", START, START, length=number, filename=name)
            with suppress(OverQuota, NameTaken):
                await infos.create(upload, durable="durable" in options, quota=quota, latest=latest)
                print(upload.id, flush=True)

    await asyncio.gather(*(work() for _ in range(tasks)))
    await infos.close()


def option(options: list[str], name: str) -> str | None:
    """What follows `name=`."""
    return next((each.partition("=")[2] for each in options if each.startswith(f"{name}=")), None)


if __name__ == "__main__":
    database, count, tasks, prefix = sys.argv[1:5]
    asyncio.run(main(Path(database), int(count), int(tasks), prefix, sys.argv[5:]))
