"""A small client of clamd, the daemon of ClamAV: bytes are streamed to it, and it says what it found in them.

Source: clamd(8), commands INSTREAM and VERSION, in their form with `z` and a zero at the end.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

from tusserver.protocol.errors import Unavailable

CONNECTING = 5.0
# clamd gives up on a stream after its ReadTimeout of two minutes, and on a file after its MaxScanTime of two.
PATIENCE = 300.0
PIECE = 1 << 18
END = b"\0"
LONGEST_ANSWER = 4096
TOO_LONG = "; raise StreamMaxLength (with MaxFileSize and MaxScanSize) in clamd.conf to the largest upload"


class Clamd:
    """clamd at one address. Any number of streams at once; each has a connection of its own.

    Sockets rather than asyncio's streams: clamd that takes no more says why and closes, and a stream that finds the
    connection broken while it writes forgets what there was to read.
    """

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
        with await self._connected() as line:
            if await self._put(line, b"zINSTREAM" + END):
                await self._stream(line, pieces)
            return self._verdict(await self._answer(line, self._patience))

    async def version(self) -> str:
        """What answers there, for example ``"ClamAV 1.4.6/27811/Thu Nov 19 08:25:15 2026"``. Raises Unavailable."""
        with await self._connected() as line:
            await self._put(line, b"zVERSION" + END)
            return await self._answer(line, CONNECTING)

    async def _connected(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        failure: OSError = ConnectionRefusedError()
        try:
            async with asyncio.timeout(CONNECTING):
                for family, place in await self._places():
                    line = socket.socket(family, socket.SOCK_STREAM)
                    line.setblocking(False)
                    try:
                        await loop.sock_connect(line, place)
                    except OSError as error:
                        line.close()
                        failure = error
                    except BaseException:
                        line.close()
                        raise
                    else:
                        if family != socket.AF_UNIX:
                            # The end of a stream is four bytes, which are not to wait for what came before.
                            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        return line
        except OSError as error:  # TimeoutError is one
            failure = error
        raise Unavailable(f"clamd at {self.address} does not answer") from failure

    async def _places(self) -> list[tuple[socket.AddressFamily, Any]]:
        if self.address.startswith("/"):
            return [(socket.AF_UNIX, self.address)]
        host, _, port = self.address.rpartition(":")
        found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        return [(family, place) for family, _, _, _, place in found]

    async def _stream(self, line: socket.socket, pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            for start in range(0, len(piece), PIECE):
                part = piece[start : start + PIECE]
                if not await self._put(line, len(part).to_bytes(4, "big") + part):
                    return
        await self._put(line, bytes(4))

    async def _put(self, line: socket.socket, data: bytes) -> bool:
        """Send all of it; False if clamd has closed, which its answer explains."""
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.get_running_loop().sock_sendall(line, data)
        except TimeoutError as error:
            raise Unavailable(f"clamd at {self.address} took nothing for {self._patience:g} seconds") from error
        except OSError:
            return False
        return True

    async def _answer(self, line: socket.socket, patience: float) -> str:
        answer = b""
        try:
            async with asyncio.timeout(patience):
                while END not in answer and len(answer) < LONGEST_ANSWER:
                    more = await asyncio.get_running_loop().sock_recv(line, LONGEST_ANSWER)
                    if not more:
                        raise EOFError
                    answer += more
        except TimeoutError as error:
            raise Unavailable(f"clamd at {self.address} said nothing for {patience:g} seconds") from error
        except (OSError, EOFError) as error:
            raise Unavailable(f"clamd at {self.address} broke off") from error
        return answer.partition(END)[0].decode("utf-8", "replace")

    def _verdict(self, answer: str) -> str | None:
        """What an answer such as ``stream: Eicar-Signature FOUND`` means."""
        told = answer.removeprefix("stream: ")
        if told == "OK":
            return None
        if told.endswith(" FOUND"):
            return told.removesuffix(" FOUND")
        hint = TOO_LONG if "size limit exceeded" in told else ""
        raise Unavailable(f"clamd at {self.address} says {told[:200]!r}{hint}")
