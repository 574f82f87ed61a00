"""Everything that reaches behind aiohttp's public interface, in one place, each with its reason.

`tests/test_web_inside.py` holds what is relied on, so a release of aiohttp that changes it fails there and not in use.

1. Trailers. aiohttp's parser reads the fields behind a chunked body and drops them. `RequestHandler` sees every byte
   before the parser does, so it lets a `TrailerScanner` walk over the chunked bodies that announce a trailer.
2. What is left of a broken body. When a connection breaks, `StreamReader` raises before it gives what it still holds;
   those bytes arrived, and a client need not send them again.
3. Errors of the parser, which never reach a handler, become problem documents too.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web, web_protocol
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from tusserver.protocol.chunked import TrailerScanner
from tusserver.web.problems import problem

HEAD_END = b"\r\n\r\n"


class RequestHandler(web_protocol.RequestHandler):
    """aiohttp's connection, that also keeps the trailers of its requests."""

    __slots__ = ("_before", "_payload", "_scanner", "scanned")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
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


def left_over(stream: StreamReader) -> bytes:
    """What a stream still holds, also after it was broken off."""
    return stream._read_nowait(-1)
