"""Forms with files, read as they arrive: a part at a time, and nothing of them on a disk. RFC 7578."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from tusserver.protocol.refusals import BodyStalled, Refusal
from tusserver.web.body import RequestBody
from tusserver.web.json_body import request_goes_on
from tusserver.web.site import site_of

PIECE = 1 << 16
# What aiohttp's reader raises for a form that is none, or would, if warnings were errors.
UNREADABLE = (
    *(ValueError, AssertionError, LookupError, RuntimeError, Warning),
    *(web.HTTPException, HttpProcessingError),
)


class BadMultipart(Refusal):
    """The multipart body does not follow its grammar, or ends before its last boundary. RFC 7578."""

    status, code, title = 422, "bad-multipart", "The multipart body cannot be read"


@asynccontextmanager
async def arriving(request: web.Request) -> AsyncIterator[None]:
    """In the block some of the form is awaited, for the read timeout at most.

    Raises:
        BadMultipart: status 422, it does not parse.
        BodyStalled: status 503, it did not come.
        ConnectionError: nobody is there any more.
    """
    try:
        async with asyncio.timeout(site_of(request).settings.read_timeout):
            yield
    except TimeoutError:
        raise BodyStalled("the form stopped arriving") from None
    except web.RequestPayloadError as error:
        raise ConnectionResetError("the connection broke inside the form") from error
    except UNREADABLE as error:
        raise BadMultipart("it does not parse") from error


async def begin(request: web.Request) -> MultipartReader:
    """The form in the body; the client is told to go on with it.

    Raises:
        BadMultipart: status 422, the body is something else.
    """
    if request.content_type != "multipart/form-data" or "boundary=" not in request.headers["Content-Type"]:
        raise BadMultipart("it must be multipart/form-data with a boundary")
    await request_goes_on(request)
    async with arriving(request):
        return await request.multipart()


async def next_part(request: web.Request, form: MultipartReader) -> BodyPartReader | None:
    """The next part of the form, None at its end; what is left of the one before is passed over.

    Raises:
        BadMultipart, BodyStalled, ConnectionError: as `arriving`.
    """
    async with arriving(request):
        part = await form.next()
    if part is None:
        return None
    if not isinstance(part, BodyPartReader) or not _is_field(part):
        raise BadMultipart("a part is no field of a form")
    return part


def _is_field(part: BodyPartReader) -> bool:
    """It says its name, and everything else that it says of itself parses; aiohttp only warns of what does not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            name, _ = part.name, part.filename
        except Warning:
            return False
    return name is not None


async def next_piece(request: web.Request, part: BodyPartReader) -> bytes:
    """What arrives next of a part, b"" at its end.

    Raises:
        BadMultipart, BodyStalled, ConnectionError: as `arriving`.
    """
    async with arriving(request):
        while not part.at_eof():
            if data := await part.read_chunk(PIECE):
                return data
    return b""


class PartBody(RequestBody):
    """A `Source`: a part of a form, as it arrives. It is whole once the boundary behind it has come.

    Attributes:
        refusal: why it was given up, if the form is to blame.
    """

    def __init__(self, request: web.Request, part: BodyPartReader) -> None:
        super().__init__(request)
        self._part = part
        self.refusal: Refusal | None = None

    async def accept(self) -> None:
        """The client was told to go on before the form was read."""
        self._last = self._loop.time()

    def held(self) -> bytes | None:
        """Not before the form around the part was read."""
        return None

    @property
    def pourable(self) -> int:
        """None: the form around the part has to be read too."""
        return 0

    async def _more(self) -> bytes:
        try:
            while not self._part.at_eof():
                if data := await self._part.read_chunk(PIECE):
                    return data
        except ValueError:
            self.refusal = cut_off()
            raise ConnectionError from None
        return b""

    def _left(self) -> bytes:
        return b""


def cut_off() -> BadMultipart:
    """The refusal of a form that ends too early."""
    return BadMultipart("it ends before its last boundary; nothing of it was kept")
