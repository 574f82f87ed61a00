"""A tus client that asks exactly what a requirement is about, and keeps what was said."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

from tusserver.check.outcomes import Failed, NoAnswer, NotOffered, NotTried, expect
from tusserver.check.wire import NO_BODY, Answer, Body, Headers, Wire, request_head, sized

VERSION = "1.0.0"
CHUNK_TYPE = "application/offset+octet-stream"
EMPTY = sized(b"")

# Filling a larger limit would take minutes on a slow line.
LARGEST_LIMIT = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was asked and what came, to be shown beside a failure."""

    head: bytes
    sent: int
    answer: Answer | NoAnswer

    def __str__(self) -> str:
        asked = self.head.decode("latin-1").replace("\r\n", "\n").rstrip("\n")
        lines = [f"> {line}" for line in [*asked.split("\n"), f"({self.sent} bytes of body on the wire)"]]
        body = self.answer.body[:400].decode("utf-8", "replace") if isinstance(self.answer, Answer) else ""
        return "\n".join([*lines, *(f"< {line}" for line in f"{self.answer}\n{body}".rstrip("\n").split("\n"))])


class Probe:
    """Requests to one tus endpoint. As a context it ends with every connection closed, and what it created deleted
    if the server lets it.

    Args:
        endpoint: where uploads are created, an http or https URL.
        timeout: seconds that one connection, and one answer, may take.
    """

    def __init__(self, endpoint: str, *, timeout: float = 5.0) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self.exchanges: list[Exchange] = []
        self.created: list[str] = []
        self.begun: list[Wire] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for wire in self.begun:
            await wire.close()
        kept = list(self.exchanges)
        with suppress(TimeoutError, NoAnswer):
            async with asyncio.timeout(self.timeout):
                for url in self.created:
                    await self.delete(url)
        self.exchanges = kept

    async def request(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: Body = NO_BODY,
        *,
        version: str | None = VERSION,
    ) -> Answer:
        """Send one request on a connection of its own; `version` is the value of Tus-Resumable, None leaves it out."""
        head = request_head(method, url, with_version(headers, version), body)
        wire = await Wire.connect(url, self.timeout)
        try:
            answer = await wire.exchange(method, head, body)
        except NoAnswer as error:
            self._keep(head, body, error)
            raise NoAnswer(f"{error}, to {method} {urlsplit(url).path}") from error
        finally:
            await wire.close()
        self._keep(head, body, answer)
        self._remember(answer)
        return answer

    async def expecting(self, method: str, url: str, headers: Headers, body: Body) -> tuple[Answer, Answer]:
        """Ask with `Expect: 100-continue` and send the body only when told to; gives the first and the final answer."""
        head = request_head(method, url, [*with_version(headers, VERSION), ("Expect", "100-continue")], body)
        wire = await Wire.connect(url, self.timeout)
        try:
            await wire.send(head)
            first = final = await wire.next_answer(method)
            if first.status == 100:
                await wire.send(*body.segments)
                final = await wire.answer(method)
        except NoAnswer as error:
            self._keep(head, NO_BODY, error)
            raise
        finally:
            await wire.close()
        self._keep(head, body, final)
        self._remember(final)
        return first, final

    async def begin(self, method: str, url: str, headers: Headers, body: Body, count: int) -> Wire:
        """Send the head and the first `count` bytes of the body as it stands on the wire, and leave it at that.

        The connection is the caller's: to send more, to read the answer, to close or to reset it.
        """
        head = request_head(method, url, with_version(headers, VERSION), body)
        wire = await Wire.connect(url, self.timeout)
        self.begun.append(wire)
        await wire.send(head + b"".join(body.segments)[:count])
        return wire

    def _keep(self, head: bytes, body: Body, answer: Answer | NoAnswer) -> None:
        self.exchanges.append(Exchange(head, sum(map(len, body.segments)), answer))

    def _remember(self, answer: Answer) -> None:
        if answer.status == 201 and (location := answer.get("Location")):
            self.created.append(urljoin(self.endpoint, location))

    # What the server says of itself.

    async def options(self, url: str | None = None, headers: Headers = ()) -> Answer:
        """OPTIONS, without Tus-Resumable."""
        return await self.request("OPTIONS", url or self.endpoint, headers, version=None)

    async def extensions(self) -> list[str]:
        """The names in Tus-Extension."""
        return names_in((await self.options()).get("Tus-Extension"))

    async def needs(self, *extensions: str) -> None:
        """Raise NotOffered unless every one of `extensions` is announced."""
        offered = await self.extensions()
        if missing := [name for name in extensions if name not in offered]:
            raise NotOffered(f"Tus-Extension does not name {' and '.join(missing)}")

    async def max_size(self) -> int:
        """Tus-Max-Size. Raises NotTried if the server tells none, or one that takes too long to fill."""
        told = (await self.options()).get("Tus-Max-Size")
        if told is None:
            raise NotTried("the server tells no Tus-Max-Size; start it with a limit of about 1 MiB")
        expect(told.isascii() and told.isdigit(), "digits in Tus-Max-Size", repr(told))
        if int(told) > LARGEST_LIMIT:
            raise NotTried(f"Tus-Max-Size is {told}; start the server with a limit of about 1 MiB")
        return int(told)

    async def needs_room(self, size: int) -> None:
        """Raise NotTried if an upload of `size` bytes is over the server's limit."""
        told = (await self.options()).get("Tus-Max-Size")
        if told is not None and int(told) < size:
            raise NotTried(f"it takes an upload of {size} bytes, and Tus-Max-Size is {told}")

    # Uploads.

    async def post(self, headers: Headers, body: Body = EMPTY, *, version: str | None = VERSION) -> Answer:
        """POST to the endpoint."""
        return await self.request("POST", self.endpoint, headers, body, version=version)

    async def create(self, length: int | None, data: bytes = b"", headers: Headers = ()) -> str:
        """Create an upload (`length` None defers it), PATCH its first bytes, and give its URL."""
        told = ("Upload-Defer-Length", "1") if length is None else ("Upload-Length", str(length))
        answer = await self.post([told, *as_pairs(headers)])
        url = self.location(answer)
        if data:
            expect_status(await self.patch(url, 0, data), 204)
        return url

    def location(self, answer: Answer) -> str:
        """The absolute URL of what was created. Raises Failed unless it is a 201 with a Location."""
        expect_status(answer, 201)
        location = answer.get("Location")
        if not location:
            raise Failed(f"expected a Location on the answer to POST; came\n{answer}")
        return urljoin(self.endpoint, location)

    async def patch(
        self,
        url: str,
        offset: int | str | None,
        data: bytes | Body,
        headers: Headers = (),
        *,
        kind: str | None = CHUNK_TYPE,
    ) -> Answer:
        """PATCH `data` at `offset`, with `kind` as the Content-Type; None leaves either header out."""
        given = as_pairs(headers)
        if kind is not None:
            given = [("Content-Type", kind), *given]
        if offset is not None:
            given = [("Upload-Offset", str(offset)), *given]
        return await self.request("PATCH", url, given, sized(data) if isinstance(data, bytes) else data)

    async def head(self, url: str) -> Answer:
        """HEAD."""
        return await self.request("HEAD", url)

    async def get(self, url: str) -> Answer:
        """GET."""
        return await self.request("GET", url)

    async def delete(self, url: str) -> Answer:
        """DELETE."""
        return await self.request("DELETE", url, EMPTY.fields)

    async def offset(self, url: str) -> int:
        """Upload-Offset of an upload that must be there."""
        answer = await self.head(url)
        expect_status(answer, 200, 204)
        told = answer.get("Upload-Offset") or ""
        expect(told.isascii() and told.isdigit(), "a number in Upload-Offset on HEAD", repr(told))
        return int(told)

    async def expect_offset(self, url: str, offset: int) -> None:
        """Raise Failed unless HEAD tells `offset`."""
        came = await self.offset(url)
        expect(came == offset, f"Upload-Offset {offset} on HEAD", came)

    async def expect_stored(self, url: str, data: bytes) -> None:
        """Raise Failed unless GET gives exactly `data`; NotTried if the server does not give uploads back at all."""
        answer = await self.get(url)
        if answer.status in (405, 501):
            raise NotTried(f"GET of an upload is {answer.status} here, so its bytes cannot be compared")
        expect_status(answer, 200)
        expect(answer.body == data, f"the {len(data)} bytes that were sent", different(answer.body, data))

    async def finish(self, url: str, data: bytes, *, patience: float = 5.0) -> None:
        """Resume as clients do (HEAD, PATCH from there, again when refused for the moment) and compare the bytes."""
        end = asyncio.get_running_loop().time() + patience
        while (offset := await self.offset(url)) < len(data):
            answer = await self.patch(url, offset, data[offset:])
            if answer.status not in (409, 423, 500, 503) or asyncio.get_running_loop().time() > end:
                expect_status(answer, 204)
            await asyncio.sleep(0.05 if answer.status != 204 else 0)
        expect(offset == len(data), f"Upload-Offset {len(data)} at the end", offset)
        await self.expect_stored(url, data)

    async def unknown(self) -> str:
        """A URL that looks like that of an upload but is none."""
        url = await self.create(1)
        start, _, id = url.rpartition("/")
        letters = id * (1 + 16 // max(len(id), 1))
        return f"{start}/{''.join(random.sample(letters, max(len(id), 16)))}"


def as_pairs(headers: Headers) -> list[tuple[str, str | bytes]]:
    """Header fields as a list, in their order."""
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def with_version(headers: Headers, version: str | None) -> list[tuple[str, str | bytes]]:
    """The fields, after Tus-Resumable unless `version` is None."""
    return as_pairs(headers) if version is None else [("Tus-Resumable", version), *as_pairs(headers)]


def names_in(value: str | None) -> list[str]:
    """The items of a comma list; none for a header that was not sent."""
    return [name.strip(" \t") for name in (value or "").split(",") if name.strip(" \t")]


def expect_status(answer: Answer, *statuses: int) -> None:
    """Raise Failed unless the answer has one of `statuses`."""
    expect(answer.status in statuses, f"status {' or '.join(map(str, statuses))}", f"{answer}")


def expect_refused(answer: Answer, also: Iterable[int] = ()) -> None:
    """Raise Failed unless the answer is a 4xx, or one of `also`."""
    expect(400 <= answer.status < 500 or answer.status in also, "a refusal, 4xx", f"{answer}")


def different(came: bytes, wanted: bytes) -> str:
    """Where two byte strings part."""
    place = next((i for i, (a, b) in enumerate(zip(came, wanted, strict=False)) if a != b), min(len(came), len(wanted)))
    return f"{len(came)} bytes that differ from byte {place} on: {came[place : place + 20]!r}"
