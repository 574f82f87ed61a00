"""Stands for a server that reads images: `python -m tests.imaging_process FOLDER FILE`, to be looked at and killed.

Holds what a worker must not inherit, says `ready`, and then reads the same slow file for ever.
"""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import sqlite3
import sys
from pathlib import Path

from tusserver.imaging.base import Bounds
from tusserver.imaging.images import Images


async def serve(folder: Path, file: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    database = sqlite3.connect(folder / "database")
    database.execute("CREATE TABLE held (x)")
    log = (folder / "log").open("w")
    # Even what was made to be inherited, by a library that knows no better.
    for descriptor in (listening.fileno(), log.fileno()):
        os.set_inheritable(descriptor, True)
    largest = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (largest, largest))
    images = Images(folder / "cache", Bounds(), timeout=60)
    await images.open()
    await images.inspect(file.with_name("small.png"))
    print(*images.pids, "PIL" in sys.modules, flush=True)
    while True:
        await images.inspect(file)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
