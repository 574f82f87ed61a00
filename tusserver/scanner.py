"""A small client of clamd, the daemon of ClamAV: bytes are streamed to it, and it says what it found in them.

Source: clamd(8), commands INSTREAM, PING and VERSION, in their form with `z` and a zero at the end.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

from tusserver.protocol.errors import Unavailable

T = TypeVar("T")

CONNECTING = 5.0
# clamd gives up on a stream after its ReadTimeout of two minutes, and on a file after its MaxScanTime of two.
PATIENCE = 300.0
PIECE = 1 << 16
END = b"\0"
TOO_LONG = "; raise StreamMaxLength (with MaxFileSize and MaxScanSize) in clamd.conf to the largest upload"


class Clamd:
    """clamd at one address. Any number of streams at once; each has a connection of its own."""

    def __init__(self, address: str, *, patience: float = PATIENCE) -> None:
        """
        Args:
            address: ``"host:port"``, ``"[::1]:3310"`` or the path of a Unix socket.
            patience: seconds that clamd may take nothing and say nothing before it counts as away.
        """
        self.address = address
        self._patience = patience

    async def scan(self, pieces: AsyncIterator[bytes]) -> str | None:
        """The name of what was found in the bytes, None if there is nothing.

        Raises:
            Unavailable: clamd is away, broke off, or takes no stream of this length; nobody knows what is in them.
        """
        async with self._connected() as (reader, writer):
            # It answers before the end when it takes no more, and then closes; so its answer is awaited all along.
            answering = asyncio.ensure_future(reader.readuntil(END))
            try:
                await self._send(pieces, writer, answering)
                return self._verdict(await self._in_time(answering))
            finally:
                answering.cancel()
                await asyncio.gather(answering, return_exceptions=True)

    async def version(self) -> str:
        """What answers there, for example ``"ClamAV 1.4.6/27811/Thu Nov 19 08:25:15 2026"``. Raises Unavailable."""
        async with self._connected() as (reader, writer):
            writer.write(b"zVERSION" + END)
            told = await self._in_time(asyncio.wait_for(reader.readuntil(END), CONNECTING))
        return told.rstrip(END).decode("utf-8", "replace")

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[StreamReader, StreamWriter]]:
        host, _, port = self.address.rpartition(":")
        try:
            async with asyncio.timeout(CONNECTING):
                if self.address.startswith("/"):
                    reader, writer = await asyncio.open_unix_connection(self.address)
                else:
                    reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except OSError as error:  # TimeoutError is one
            raise Unavailable(f"clamd at {self.address} does not answer") from error
        try:
            yield reader, writer
        finally:
            # Nothing that is still on its way matters to anybody.
            writer.transport.abort()

    async def _send(self, pieces: AsyncIterator[bytes], writer: StreamWriter, answering: asyncio.Future[bytes]) -> None:
        writer.write(b"zINSTREAM" + END)
        async for piece in pieces:
            view = memoryview(piece)
            for start in range(0, len(view), PIECE):
                part = view[start : start + PIECE]
                writer.write(len(part).to_bytes(4, "big"))
                writer.write(part)
                if not await self._taken(writer) or answering.done():
                    return
        writer.write(bytes(4))

    async def _taken(self, writer: StreamWriter) -> bool:
        """Wait until little is left to be sent; False if clamd has closed, which its answer explains."""
        try:
            async with asyncio.timeout(self._patience):
                await writer.drain()
        except ConnectionError:
            return False
        except TimeoutError as error:
            raise Unavailable(f"clamd at {self.address} took nothing for {self._patience:g} seconds") from error
        return True

    async def _in_time(self, answer: Awaitable[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError as error:
            raise Unavailable(f"clamd at {self.address} said nothing in time") from error
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise Unavailable(f"clamd at {self.address} broke off") from error

    def _verdict(self, answer: bytes) -> str | None:
        """What an answer such as ``stream: Eicar-Signature FOUND`` means."""
        told = answer.rstrip(END).decode("utf-8", "replace").removeprefix("stream: ")
        if told == "OK":
            return None
        if told.endswith(" FOUND"):
            return told.removesuffix(" FOUND")
        hint = TOO_LONG if "size limit exceeded" in told else ""
        raise Unavailable(f"clamd at {self.address} says {told[:200]!r}{hint}")
