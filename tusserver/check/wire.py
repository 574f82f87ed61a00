"""HTTP/1.1 with every byte under control: headers given twice, bytes outside ASCII, chunks and trailers as chosen,
bodies cut short. One connection carries one exchange; each step gives up when its time is over."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit

from tusserver.check.outcomes import NoAnswer

Headers = Mapping[str, str | bytes] | Sequence[tuple[str, str | bytes]]

# Long enough for a server on the same machine to read each segment by itself.
SEGMENT_PAUSE = 0.002
GOODBYE_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line, its headers as received (names in lower case, values as Latin-1) and the body."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def get(self, name: str) -> str | None:
        """The value of a header, several of them joined as a list; None if it was not sent."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None

    def __str__(self) -> str:
        return "\n".join([f"{self.status}", *(f"{name}: {value}" for name, value in self.headers)])


@dataclass(frozen=True, slots=True)
class Body:
    """Header fields that frame a body, and its bytes on the wire in the segments they are sent in."""

    fields: tuple[tuple[str, str], ...] = ()
    segments: tuple[bytes, ...] = ()


NO_BODY = Body()


def cut_at(data: bytes, cuts: Iterable[int]) -> tuple[bytes, ...]:
    """Cut `data` at each position of `cuts` that lies inside it."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return tuple(data[start:end] for start, end in pairwise(places) if start < end)


def sized(data: bytes, cuts: Iterable[int] = ()) -> Body:
    """A body told by Content-Length, sent in segments that end at `cuts`."""
    return Body((("Content-Length", str(len(data))),), cut_at(data, cuts))


def chunked(pieces: Iterable[bytes], trailers: Mapping[str, str] | None = None, cuts: Iterable[int] = ()) -> Body:
    """A chunked body of one chunk for each piece that is not empty, then `trailers`; `cuts` count bytes on the wire."""
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    ending = "".join(f"{name}: {value}\r\n" for name, value in (trailers or {}).items())
    wire = chunks + b"0\r\n" + ending.encode("latin-1") + b"\r\n"
    return Body((("Transfer-Encoding", "chunked"),), cut_at(wire, cuts))


def request_head(method: str, url: str, headers: Headers, body: Body = NO_BODY) -> bytes:
    """The request line and the headers of a request to `url`, in the order given."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    given = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"{method} {target} HTTP/1.1".encode("latin-1")]
    for name, value in [("Host", parts.netloc.rpartition("@")[2]), *given, *body.fields]:
        lines.append(name.encode("latin-1") + b": " + (value if isinstance(value, bytes) else value.encode("latin-1")))
    return b"\r\n".join(lines) + b"\r\n\r\n"


class _Inbox(asyncio.StreamReader):
    """A reset that follows an answer reads as an end, so that the answer is not lost with it."""

    def set_exception(self, exc: Exception | type[Exception]) -> None:
        self.feed_eof()


class Wire:
    """One connection. Every method raises NoAnswer when its time is over, or the server goes, in the middle."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout = timeout

    @classmethod
    async def connect(cls, url: str, step_timeout: float) -> Wire:
        """Connect to the host of `url`, by TLS if its scheme is https."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        loop = asyncio.get_running_loop()
        reader = _Inbox(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(step_timeout):
                transport, _ = await loop.create_connection(
                    lambda: protocol,
                    parts.hostname or "",
                    parts.port or (443 if secure else 80),
                    ssl=ssl.create_default_context() if secure else None,
                )
        except (OSError, TimeoutError) as error:
            raise NoAnswer(f"expected a connection to {parts.netloc}; came {error or 'nothing in time'}") from error
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, loop), step_timeout)

    async def send(self, *segments: bytes) -> None:
        """Send the segments with a pause between two of them.

        A server that no longer reads is no error here: what it answers, or that it does not, is what counts.
        """
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                for number, segment in enumerate(segments):
                    if number:
                        await asyncio.sleep(SEGMENT_PAUSE)
                    self._writer.write(segment)
                    await self._writer.drain()

    async def exchange(self, method: str, head: bytes, body: Body = NO_BODY) -> Answer:
        """Send a request and read its answer; sending stops when the answer comes before the end of the body."""
        # The first segment travels with the head, as it does from every client.
        first = head + b"".join(body.segments[:1])
        sending = asyncio.create_task(self.send(first, *body.segments[1:]))
        try:
            return await self.answer(method)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def answer(self, method: str) -> Answer:
        """The answer to a request; interim answers (100, 103) are passed over."""
        while (answer := await self.next_answer(method)).status < 200:
            pass
        return answer

    async def next_answer(self, method: str) -> Answer:
        """The next answer, which may be an interim one."""
        try:
            async with asyncio.timeout(self._timeout):
                status, headers = await self._head()
                return Answer(status, headers, await self._body(method, Answer(status, headers)))
        except TimeoutError as error:
            raise NoAnswer(f"expected an answer; came nothing whole within {self._timeout:g} s") from error
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise NoAnswer("expected an answer; came the end of the connection before it was whole") from error
        except ValueError as error:
            raise NoAnswer(f"expected an HTTP answer; came something else: {error}") from error

    async def _head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(lines[0])
        fields = (line.partition(":") for line in lines[1:] if line)
        return int(rest[:3]), tuple((name.lower(), value.strip(" \t")) for name, _, value in fields)

    async def _body(self, method: str, head: Answer) -> bytes:
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return b""
        if (head.get("Transfer-Encoding") or "").lower() == "chunked":
            return await self._chunks()
        length = head.get("Content-Length")
        return await (self._reader.read() if length is None else self._reader.readexactly(int(length)))

    async def _chunks(self) -> bytes:
        pieces = []
        while size := int((await self._reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        while (await self._reader.readuntil(b"\r\n")) != b"\r\n":
            pass
        return b"".join(pieces)

    async def close(self) -> None:
        """Say goodbye in order (FIN) and release the connection."""
        self._writer.close()
        try:
            async with asyncio.timeout(GOODBYE_TIMEOUT):
                await self._writer.wait_closed()
        except OSError:
            self._writer.transport.abort()

    async def reset(self) -> None:
        """Break the connection off (RST), as a crashed client's kernel or a firewall does."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        await self.close()
