"""Everything that reaches behind aiohttp's public interface, in one place, each with its reason.

`tests/test_web_inside.py` holds what is relied on, so a release of aiohttp that changes it fails there and not in use.

1. Trailers. aiohttp's parser reads the fields behind a chunked body and drops them. `RequestHandler` sees every byte
   before the parser does, so it lets a `TrailerScanner` walk over the chunked bodies that announce a trailer.
2. What is left of a broken body. When a connection breaks, `StreamReader` raises before it gives what it still holds;
   those bytes arrived, and a client need not send them again.
3. Errors of the parser, which never reach a handler, become problem documents too.
4. Bodies past the parser. A large body costs a third of the processor's time if it goes from the socket to the file
   without it (`Wire`). Behind such a body the connection gets a new parser, for the old one still waits for its bytes.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Sequence
from functools import partial
from typing import Any

from aiohttp import web, web_protocol
from aiohttp.http_parser import HttpRequestParser, RawRequestMessage
from aiohttp.streams import StreamReader

from tusserver.protocol.chunked import TrailerScanner
from tusserver.web.problems import problem

HEAD_END = b"\r\n\r\n"
READ_BUFSIZE = 2**16


class RequestHandler(web_protocol.RequestHandler):
    """aiohttp's connection, that also keeps the trailers of its requests."""

    __slots__ = ("_before", "_make_parser", "_payload", "_scanner", "scanned")

    def __init__(self, *args: Any, read_bufsize: int = READ_BUFSIZE, auto_decompress: bool = True, **options: Any):
        super().__init__(*args, read_bufsize=read_bufsize, auto_decompress=auto_decompress, **options)
        self._make_parser = partial(
            HttpRequestParser,
            self,
            self._loop,
            read_bufsize,
            max_line_size=self.max_line_size,
            max_field_size=self.max_field_size,
            max_headers=self.max_headers,
            payload_exception=web.RequestPayloadError,
            auto_decompress=auto_decompress,
            max_msg_queue_size=self._max_msg_queue_size,
        )
        self._before = b""  # the last bytes of a head that came in pieces
        self._payload: StreamReader | None = None  # of the last request
        self._scanner: TrailerScanner | None = None  # of the body that is arriving
        self.scanned: tuple[StreamReader, TrailerScanner] | None = None

    def data_received(self, data: bytes) -> None:
        """The next bytes from the wire. b"" makes the parser go on with what it holds."""
        if self._scanner is not None:
            self._scanner.feed(data)
            if self._scanner.is_done:
                self._scanner = None
        count, is_body = self._request_count, self._payload is not None and not self._payload.is_eof()
        super().data_received(data)
        if self._request_count == count:
            if not is_body:
                self._before = (self._before + data)[1 - len(HEAD_END) :]
            return
        # Behind another request in the same piece nobody can tell where the head began; such a trailer is not found,
        # and its body is refused as one whose checksum did not come.
        is_alone = self._request_count == count + 1 and not is_body
        head, self._before = (self._before + data if self._before else data.lstrip(b"\r\n")), b""
        self._look_at(head if is_alone else b"")

    def _look_at(self, head: bytes) -> None:
        if not self._messages:
            return
        message, payload = self._messages[-1]
        self._payload = payload if isinstance(payload, StreamReader) else None
        end = head.find(HEAD_END)
        if end < 0 or self._payload is None or not isinstance(message, RawRequestMessage):
            return
        if message.chunked and "Trailer" in message.headers:
            scanner = TrailerScanner()
            scanner.feed(head[end + len(HEAD_END) :])
            self.scanned = (self._payload, scanner)
            self._scanner = None if scanner.is_done else scanner

    def go_on_behind(self, payload: StreamReader, left: int) -> None:
        """Read requests again, behind a body of which `left` bytes are still to come and nobody wants them."""
        if self.transport is None:
            return
        if left:
            self._parser = _Rest(self, payload, left)  # type: ignore[assignment]
        else:
            self._parser = self._make_parser()
            payload.feed_eof()
        self.transport.resume_reading()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that does not parse, or whose handler failed outside this server's own routes."""
        if status >= 500:
            return super().handle_error(request, status, exc, message)
        self.logger.debug("malformed request from %s: %s", request.remote, message)
        response = problem(status, "malformed-request", "The request is malformed", _plain(message))
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.force_close()
        return response


def _plain(message: str | None) -> str:
    """The first line of what the parser says; the following ones repeat the request."""
    lines = (message or "it is no HTTP/1.1 request").strip().splitlines()
    return lines[0].rstrip(": ")


class _Server(web.Server):
    def __call__(self) -> web_protocol.RequestHandler:
        return RequestHandler(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application on connections that keep trailers."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server
        return server


def trailer(request: web.BaseRequest, name: str) -> list[str]:
    """Values of a field behind the body of `request`, once that has been read to its end."""
    connection = request.protocol
    if not isinstance(connection, RequestHandler) or connection.scanned is None:
        return []
    payload, scanner = connection.scanned
    return scanner.field(name) if payload is request.content and not scanner.is_broken else []


def keeps_trailers(request: web.BaseRequest) -> bool:
    """The connection of `request` is one of this module's."""
    return isinstance(request.protocol, RequestHandler)


class _Rest:
    """Stands in for the parser while the rest of a body comes that nobody wants; what follows it is parsed again."""

    def __init__(self, connection: RequestHandler, payload: StreamReader, left: int) -> None:
        self._connection, self._payload, self._left = connection, payload, left

    def feed_data(self, data: bytes) -> tuple[Sequence[Any], bool, bytes]:
        dropped = min(self._left, len(data))
        self._left -= dropped
        if self._left:
            return (), False, b""
        self._connection._parser = parser = self._connection._make_parser()
        self._payload.feed_eof()
        return parser.feed_data(data[dropped:])

    def pause_reading(self) -> None:
        """It keeps nothing."""

    def message_consumed(self) -> None:
        """It made none."""


def has_hung_up(request: web.BaseRequest) -> bool:
    """The far end has closed its side, whether or not everything before that was read: the transport does not know
    before it was."""
    transport = request.transport
    if transport is None or transport.is_closing():
        return True
    wire = transport.get_extra_info("socket")
    if wire is None:
        return False
    poll = select.poll()
    poll.register(wire.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def to_come(request: web.BaseRequest) -> int:
    """Bytes of the body that have not arrived and that a `Wire` can bring; 0 if it cannot."""
    connection, length = request.protocol, request.content_length
    transport = connection.transport
    if length is None or transport is None or not isinstance(connection, RequestHandler) or request.content.is_eof():
        return 0
    if connection._close or connection._force_close or transport.is_closing():
        return 0  # it drops what comes, and counts none of it
    if transport.get_extra_info("sslcontext") is not None or transport.get_extra_info("socket") is None:
        return 0
    return length - request.content.total_bytes


class Wire:
    """The socket of a request while its body is taken past the parser. Only where `to_come` says so.

    Attributes:
        first: what the parser had taken, which nobody has read.
        fd: the socket; non-blocking, and nobody else reads it until the block ends.
        left: bytes of the body that are still in it; whoever reads some says so here.

    Raises:
        OSError: there is no descriptor left; nothing has changed.
    """

    def __init__(self, request: web.BaseRequest) -> None:
        connection, payload = request.protocol, request.content
        assert isinstance(connection, RequestHandler)
        assert connection.transport is not None
        self.fd = os.dup(connection.transport.get_extra_info("socket").fileno())
        self._connection, self._payload = connection, payload
        # The parser hands over more as soon as it has room.
        pieces = []
        while piece := left_over(payload):
            pieces.append(piece)
        self.first = b"".join(pieces)
        connection.transport.pause_reading()
        self.left = (request.content_length or 0) - payload.total_bytes
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> Wire:
        return self

    async def readable(self) -> None:
        """Return when there is something to read, or after `wake`."""
        self._waiter = self._loop.create_future()
        self._loop.add_reader(self.fd, self.wake)
        try:
            await self._waiter
        finally:
            self._loop.remove_reader(self.fd)

    def wake(self) -> None:
        """End the wait of `readable`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        self._connection.go_on_behind(self._payload, self.left)


def left_over(stream: StreamReader) -> bytes:
    """What a stream still holds, also after it was broken off."""
    return stream._read_nowait(-1)
