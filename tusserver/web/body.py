"""The body of a request as a source of bytes."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tusserver.protocol.refusals import Refusal
from tusserver.protocol.requests import BodyFacts
from tusserver.service import Ending, Flow, Pull, Put
from tusserver.web.inside import Wire, has_hung_up, left_over, to_come, trailer
from tusserver.web.json_body import request_goes_on


class EncodedBody(Refusal):
    """A compressed body; offsets count bytes as they are."""

    status, code, title = 415, "encoded-body", "The body is encoded"


class UnknownCoding(Refusal):
    """A transfer coding besides chunked. RFC 9112, section 6.1."""

    status, code, title = 501, "unknown-transfer-coding", "The transfer coding is not supported"


def body_facts(request: web.Request) -> BodyFacts:
    """What the headers tell of the body.

    Raises:
        EncodedBody: status 415, it has a Content-Encoding.
        UnknownCoding: status 501, it has a Transfer-Encoding besides chunked.
    """
    encoding = request.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise EncodedBody(f"Content-Encoding {encoding[:40]!r} is not taken; send the bytes as they are")
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise UnknownCoding(f"Transfer-Encoding {coding[:40]!r} is not chunked")
    is_chunked = coding is not None
    length = None if is_chunked else request.content_length or 0
    return BodyFacts(request.headers.get("Content-Type"), length)


class RequestBody:
    """A `Source`: aiohttp's stream of a request, that can be ended from outside and loses nothing when it breaks."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._content = request.content
        self._ending: Ending | None = None
        self._stop: Ending | None = None
        self._reader: asyncio.Task[object] | None = None
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._wire: Wire | None = None
        self._may_pour = True
        self._is_pulling = False

    async def accept(self) -> None:
        """Answer `Expect: 100-continue`. RFC 9110, 10.1.1."""
        self._last = self._loop.time()
        await request_goes_on(self._request)

    @property
    def ending(self) -> Ending | None:
        """Why `read` gave b""."""
        return self._ending

    @property
    def rested(self) -> float:
        """Seconds since the last byte came; none while bytes are fetched, for then the disk is what is waited for."""
        return 0.0 if self._is_pulling else self._loop.time() - self._last

    @property
    def is_hung_up(self) -> bool:
        """Its sender is gone or will send no more."""
        return has_hung_up(self._request)

    def stop(self, why: Ending) -> None:
        """End it: a `read` that waits is woken, a later one gives what is there."""
        if self._stop is None and self._ending is None:
            self._stop = why
            if self._reader is not None:
                self._reader.cancel()
            if self._wire is not None:
                self._wire.wake()

    def held(self) -> bytes | None:
        """All of it, as soon as the parser has it."""
        content = self._content
        if self._stop is not None or not content.is_eof() or content.exception() is not None:
            return None
        return left_over(content) if self._request.can_read_body else b""

    async def read(self) -> bytes:
        """What has arrived, b"" at the end."""
        if self._ending is not None:
            return b""
        if self._stop is not None:
            return self._end(self._stop)
        self._reader = asyncio.current_task()
        try:
            data = await self._more()
        except asyncio.CancelledError:
            if self._stop is None or self._reader is None:
                raise
            self._reader.uncancel()
            return self._end(self._stop)
        except Exception:  # whatever aiohttp and the transport put into a stream that breaks
            return self._end(Ending.CUT)
        finally:
            self._reader = None
        if not data:
            self._ending = Ending.WHOLE
        self._last = self._loop.time()
        return data

    @property
    def pourable(self) -> int:
        """Bytes that `pour` can take."""
        is_open = self._stop is None and self._ending is None
        return to_come(self._request) if is_open and self._may_pour else 0

    async def pour(self, put: Put, pull: Pull) -> None:
        """Have what is still to come pulled from the connection itself; without a free descriptor nothing is done."""
        try:
            wire = Wire(self._request)
        except OSError:
            self._may_pour = False
            return
        with wire as self._wire:
            await put(wire.first)
            while wire.left and self._stop is None:
                self._is_pulling = True
                try:
                    flow = await pull(wire.fd, wire.left, self._took)
                finally:
                    self._is_pulling = False
                if flow is Flow.ENDED:
                    self._ending = Ending.CUT
                    return
                if flow is Flow.RESTING and self._stop is None:
                    await wire.readable()

    def _took(self, count: int) -> None:
        assert self._wire is not None
        self._wire.left -= count
        self._last = self._loop.time()

    async def _more(self) -> bytes:
        """What arrives next, b"" behind the last of it; raises whatever it likes when it breaks."""
        return await self._content.readany()

    def _end(self, ending: Ending) -> bytes:
        self._ending = ending
        return self._left()

    def _left(self) -> bytes:
        """What has arrived and was not read."""
        return left_over(self._content)

    def trailer(self, name: str) -> list[str]:
        """Values of a field behind the body."""
        return trailer(self._request, name)
