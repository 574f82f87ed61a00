"""A process of its own on a database of records: `python -m tests.infos_process DATABASE COUNT TASKS PREFIX [durable]`.

Prints the id of each record after its creation was acknowledged, and waits for its standard input to end first.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.contracts.infos_values import START
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.uploads import Upload


async def main(path: Path, count: int, tasks: int, prefix: str, durable: bool) -> None:
    infos = SqliteInfos(path)
    await infos.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            upload = Upload(f"{prefix}{number:06}", START, START, length=number)
            await infos.create(upload, durable=durable)
            print(upload.id, flush=True)

    await asyncio.gather(*(work() for _ in range(tasks)))
    await infos.close()


if __name__ == "__main__":
    database, count, tasks, prefix = sys.argv[1:5]
    asyncio.run(main(Path(database), int(count), int(tasks), prefix, "durable" in sys.argv[5:]))
