"""A peer that speaks the protocol of clamd, and misbehaves on demand. It finds EICAR, which is not in this file."""

from __future__ import annotations

import asyncio
import threading
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType

# Put together here, so that no scanner takes the tests for a virus.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-" + b"ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Eicar-Signature"


@dataclass(slots=True)
class Peer:
    """clamd as far as a client can tell.

    Attributes:
        limit: bytes of a stream that it takes.
        closes_after: it closes without a word once so many bytes of a stream have come.
        says: its answer to every stream, instead of what it found.
        may_answer: it answers a stream once this is set.
        may_take: it reads what is sent once this is set.
        streams: how many bytes of each stream have come, in the order they began.
        present, most: streams at this moment, and at most.
    """

    address: str = ""
    limit: int = 1 << 30
    closes_after: int | None = None
    says: bytes | None = None
    may_take: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    streams: list[int] = field(default_factory=list)
    present: int = 0
    most: int = 0
    server: asyncio.Server | None = None

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            command = await reader.readuntil(b"\0")
            answer = await (self._instream(reader) if command == b"zINSTREAM\0" else self._told(command))
            if answer is not None:
                writer.write(answer + b"\0")
                await writer.drain()
        except (ConnectionError, EOFError):
            pass  # the client has broken off
        finally:
            writer.close()

    async def _told(self, command: bytes) -> bytes:
        return {b"zVERSION\0": b"ClamAV 1.4.6/27811/Thu", b"zPING\0": b"PONG"}.get(command, b"UNKNOWN COMMAND")

    async def _instream(self, reader: StreamReader) -> bytes | None:
        self.streams.append(0)
        place = len(self.streams) - 1
        self.present += 1
        self.most = max(self.most, self.present)
        try:
            return await self._listen(reader, place)
        finally:
            self.present -= 1

    async def _listen(self, reader: StreamReader, place: int) -> bytes | None:
        found, last = False, b""
        await self.may_take.wait()
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            data = await reader.readexactly(length)
            self.streams[place] += length
            found = found or EICAR in last + data
            last = data[-len(EICAR) :]
            if self.streams[place] > self.limit:
                return b"INSTREAM size limit exceeded. ERROR"
            if self.closes_after is not None and self.streams[place] >= self.closes_after:
                return None
        await self._may_answer(reader)
        if self.says is not None:
            return self.says
        return f"stream: {SIGNATURE} FOUND".encode() if found else b"stream: OK"

    async def _may_answer(self, reader: StreamReader) -> None:
        """Return when it may. Raises EOFError when the client is gone before that."""
        may, gone = asyncio.ensure_future(self.may_answer.wait()), asyncio.ensure_future(reader.readexactly(1))
        await asyncio.wait((may, gone), return_when=asyncio.FIRST_COMPLETED)
        may.cancel()
        if gone.done():
            gone.result()
        gone.cancel()
        await asyncio.gather(may, gone, return_exceptions=True)

    async def stop(self) -> None:
        """Nobody answers at its address any more."""
        if self.server is not None:
            self.server.close()

    async def begin(self, port: int = 0) -> None:
        """Answer, at its old address if it had one."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def peer() -> AsyncIterator[Peer]:
    """A peer that answers at once."""
    made = Peer()
    made.may_take.set()
    made.may_answer.set()
    await made.begin()
    try:
        yield made
    finally:
        made.may_take.set()
        made.may_answer.set()
        await made.stop()


class PeerInBackground:
    """A peer with an event loop of its own, for tests that have none."""

    def __init__(self) -> None:
        self.peer = Peer()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> PeerInBackground:
        self._thread.start()
        self.answer(at_once=True)
        self._loop.call_soon_threadsafe(self.peer.may_take.set)
        asyncio.run_coroutine_threadsafe(self.peer.begin(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.answer(at_once=True)
        asyncio.run_coroutine_threadsafe(self.peer.stop(), self._loop).result()
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def answer(self, *, at_once: bool) -> None:
        """Answer streams as soon as they have come, or none of them until then."""
        change = self.peer.may_answer.set if at_once else self.peer.may_answer.clear
        self._loop.call_soon_threadsafe(change)
