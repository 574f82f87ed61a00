"""Clean-up under fire: uploads of every kind on one folder, two servers that sweep it, one of which is killed again and
again, and the command `tusserver cleanup` beside them, which is killed too.

`python -m tests.cleanup_fire COUNT` does it with COUNT uploads and prints what became of them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.running import RunningServer
from tusserver.protocol.ids import make_id
from tusserver.stores.paths import path_of

TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
# The seconds after which what is not finished expires; the slow uploads take longer than that.
EXPIRES = 4
AT_ONCE = 16
SLOW = 3  # slow uploads by each door
KILLS = 4
COMMANDS = 6
FLAGS = (f"--expires-after={EXPIRES}s", "--sweep-interval=200ms", "--durability=never")


@dataclass(slots=True)
class Fire:
    """The folder, and what was put into it: names that must stay with their bytes, ids that must go."""

    folder: Path
    stays: dict[str, bytes] = field(default_factory=dict)
    goes: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    removed: int = 0
    removed_by_command: int = 0

    def path(self, id: str) -> Path:
        """Where bytes lie."""
        return path_of(self.folder / "bytes", id)

    def records(self) -> dict[str, str]:
        """The state of every record by its id."""
        with closing(sqlite3.connect(self.folder / "tusserver.db", timeout=30)) as database:
            return dict(database.execute("SELECT id, state FROM uploads"))

    def stored(self) -> set[str]:
        """The ids that have bytes."""
        return {file.name for file in (self.folder / "bytes").glob("??/*")}


class Sender:
    """Puts uploads of every kind into a fire through one server."""

    def __init__(self, fire: Fire, session: aiohttp.ClientSession, url: str) -> None:
        self.fire, self.session, self.url = fire, session, url
        self.kinds: list[Callable[[str, bytes], Awaitable[None]]] = [
            *(self.finished_by_tus, self.finished_by_rest, self.pending, self.half, self.part),
            *(self.orphan, self.fresh_orphan, self.without_bytes),
        ]

    async def post(self, path: str, status: int, **request: object) -> str:
        """The id in the Location of the answer."""
        async with self.session.post(self.url + path, **request) as answer:  # type: ignore[arg-type]
            assert answer.status == status, await answer.text()
            return answer.headers.get("Location", "").rpartition("/")[2]

    async def tus(self, name: str, length: int, body: bytes, **headers: str) -> str:
        """A new upload by tus with its first bytes."""
        named = {"Upload-Metadata": f"filename {base64.b64encode(name.encode()).decode()}"}
        sent = TUS | named | {"Upload-Length": str(length)} | {k.replace("_", "-"): v for k, v in headers.items()}
        return await self.post("/files/", 201, headers=sent, data=body)

    async def finished_by_tus(self, name: str, data: bytes) -> None:
        await self.tus(name, len(data), data)
        self.fire.stays[name] = data

    async def finished_by_rest(self, name: str, data: bytes) -> None:
        await self.post("/upload/start", 201, json={"filename": name, "size": len(data)})
        await self.post(f"/upload/chunk?filename={name}&chunk_index=0", 200, data=data)
        self.fire.stays[name] = data

    async def pending(self, name: str, data: bytes) -> None:
        self.fire.goes.add(await self.post("/upload/start", 201, json={"filename": name, "size": len(data)}))

    async def half(self, name: str, data: bytes) -> None:
        self.fire.goes.add(await self.tus(name, 2 * len(data), data))

    async def part(self, name: str, data: bytes) -> None:
        self.fire.goes.add(await self.tus(name, len(data), data, Upload_Concat="partial"))

    async def orphan(self, name: str, data: bytes) -> None:
        """Bytes without a record, as a crash leaves them, of two hours ago."""
        id = self._bytes(data)
        os.utime(self.fire.path(id), (time.time() - 7200,) * 2)
        self.fire.goes.add(id)

    async def fresh_orphan(self, name: str, data: bytes) -> None:
        """The same of now: the upload may be about to get its record."""
        self.fire.fresh.add(self._bytes(data))

    def _bytes(self, data: bytes) -> str:
        id = make_id(os.urandom(16))
        self.fire.path(id).parent.mkdir(parents=True, exist_ok=True)
        self.fire.path(id).write_bytes(data)
        return id

    async def without_bytes(self, name: str, data: bytes) -> None:
        """A record whose bytes are gone, as a kill between two steps of a removal leaves it."""
        id = await self.tus(name, 2 * len(data), data)
        self.fire.path(id).unlink()
        self.fire.goes.add(id)

    async def slow(self, name: str, door: str) -> None:
        """An upload that is being received all the time."""
        data = os.urandom(1000)

        async def drip() -> AsyncIterator[bytes]:
            for at in range(0, len(data), 50):
                yield data[at : at + 50]
                await asyncio.sleep(2 * EXPIRES / 20)

        if door == "rest":
            await self.post("/upload/start", 201, json={"filename": name, "size": len(data)})
            await self.post(f"/upload/chunk?filename={name}&chunk_index=0", 200, data=drip())
        else:
            id = await self.tus(name, len(data), b"")
            sent = TUS | {"Upload-Offset": "0"}
            async with self.session.patch(f"{self.url}/files/{id}", headers=sent, data=drip()) as answer:
                assert answer.status == 204, await answer.text()
        self.fire.stays[name] = data


async def each(count: int, act: Callable[[int], Awaitable[None]]) -> None:
    """The act for every number, so many at once."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await act(number)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))


async def clean(fire: Fire, session: aiohttp.ClientSession, url: str) -> None:
    """Ask a server to clean up; the one that is killed may not answer."""
    try:
        async with session.delete(f"{url}/cleanup?older_than=2") as answer:
            assert answer.status == 200, await answer.text()
            fire.removed += (await answer.json())["removed_count"]
    except aiohttp.ClientError:
        pass


async def kill_again_and_again(fire: Fire, session: aiohttp.ClientSession) -> None:
    """A second server that sweeps, is asked to sweep, and is killed meanwhile."""
    for round in range(KILLS):
        server = await asyncio.to_thread(RunningServer, fire.folder, *FLAGS)
        cleaning = [asyncio.create_task(clean(fire, session, server.url)) for _ in range(3)]
        await asyncio.sleep(0.3 + 0.2 * round)
        await asyncio.to_thread(server.kill)
        await asyncio.gather(*cleaning)
        assert "Traceback" not in server.output, server.output


async def command_again_and_again(fire: Fire) -> None:
    """`tusserver cleanup` as an operator runs it; every third time it is killed on the way."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TUSSERVER_")}
    words = ("cleanup", "--json", "--older-than=2s", "--upload-folder", str(fire.folder))
    for round in range(COMMANDS):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tusserver", *words),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=fire.folder, env=clean,
        )  # fmt: skip
        is_killed = round % 3 == 2
        if is_killed:
            await asyncio.sleep(0.5 + 0.2 * round / COMMANDS)
            with suppress(ProcessLookupError):
                process.kill()
        told, errors = await process.communicate()
        assert b"Traceback" not in errors, errors.decode()
        if process.returncode == 0:
            fire.removed_by_command += json.loads(told)["removed_count"]
        else:
            assert is_killed, errors.decode()


async def burn(fire: Fire, count: int) -> None:
    """Everything at once; when it returns what was to go had its time to."""
    server = await asyncio.to_thread(RunningServer, fire.folder, *FLAGS)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(120)) as session:
            sender = Sender(fire, session, server.url)

            async def make(number: int) -> None:
                kind = sender.kinds[number % len(sender.kinds)]
                await kind(f"{kind.__name__}-{number}", os.urandom(100 + number % 50))

            async with asyncio.TaskGroup() as group:
                group.create_task(each(count, make))
                for door in ("tus", "rest"):
                    for number in range(SLOW):
                        group.create_task(sender.slow(f"slow-{door}-{number}", door))
                group.create_task(kill_again_and_again(fire, session))
                group.create_task(command_again_and_again(fire))
                for _ in range(4 * EXPIRES):
                    await clean(fire, session, server.url)
                    await asyncio.sleep(0.3)
            for _ in range(300):
                if not fire.goes & (fire.records().keys() | fire.stored()):
                    break
                await asyncio.sleep(0.2)
            await verify(fire, session, server.url)
    finally:
        await asyncio.to_thread(server.stop)
    assert "Traceback" not in server.output, server.output


async def verify(fire: Fire, session: aiohttp.ClientSession, url: str) -> None:
    """Every finished upload is there byte for byte, and of the others nothing."""
    names = list(fire.stays)

    async def read(number: int) -> None:
        async with session.get(f"{url}/download/{names[number]}") as answer:
            assert answer.status == 200, names[number]
            assert await answer.read() == fire.stays[names[number]], names[number]

    await each(len(names), read)
    records, stored = fire.records(), fire.stored()
    assert set(records.values()) == {"complete"}
    assert len(records) == len(names)
    assert fire.goes & (records.keys() | stored) == set()
    assert stored - records.keys() == fire.fresh


def main(folder: Path, count: int) -> Fire:
    """One fire of so many uploads."""
    fire = Fire(folder)
    asyncio.run(burn(fire, count))
    return fire


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        done = main(Path(place), int(sys.argv[1]))
        print(
            f"{sys.argv[1]} uploads and {2 * SLOW} slow ones, {KILLS} kills, {time.monotonic() - began:.0f} s: "
            f"{len(done.stays)} finished of which 0 were removed, {len(done.goes)} to go of which 0 are left, "
            f"{len(done.fresh)} fresh orphans untouched; DELETE /cleanup removed {done.removed}, "
            f"tusserver cleanup {done.removed_by_command}"
        )
