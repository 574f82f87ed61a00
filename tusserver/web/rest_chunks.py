"""A chunk in its three forms: JSON with Base64, multipart/form-data, and the bytes as they are."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from aiohttp import BodyPartReader, MultipartReader, web

from tusserver.protocol.checksums import Checksum
from tusserver.protocol.chunks import Numbered
from tusserver.protocol.digests import parse_content_digest
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.requests import Append, BodyFacts
from tusserver.service import HeldBody, Source
from tusserver.web import multipart, rest_fields
from tusserver.web.body import RequestBody, body_facts
from tusserver.web.json_body import read_json
from tusserver.web.multipart import BadMultipart, PartBody, cut_off
from tusserver.web.rest_fields import BadField, Fields, check_known
from tusserver.web.site import site_of

FIELDS = ("filename", "chunk_index", "offset", "checksum")
# A field before the file part is a name, a number or a digest.
MOST_TEXT = 8192
HINT = "; send larger chunks as multipart/form-data with a file part `data`, or as a raw body"


class BadBase64(Refusal):
    """`data` in JSON is not Base64."""

    status, code, title = 422, "bad-base64", "The data of the chunk is not Base64"


@dataclass(frozen=True, slots=True)
class Arriving:
    """A chunk whose bytes are yet to be read."""

    filename: str
    place: Numbered
    append: Append
    source: Source


async def read_chunk(request: web.Request) -> Arriving:
    """Everything about a chunk but its bytes; those of JSON are in memory.

    Raises:
        Refusal: 422 for fields, 413 for JSON that is too large, 415 and 501 as `body_facts`.
    """
    facts = body_facts(request)
    if request.content_type == "application/json":
        return await _from_json(request)
    if request.content_type.startswith("multipart/"):
        return await _from_multipart(request)
    if "filename" not in request.query:
        raise BadField("filename", "is missing: a raw body is described in the query, see JSON and multipart too")
    checksum = rest_fields.digest(request.query)
    if checksum is None and "Content-Digest" in request.headers:
        checksum = parse_content_digest(",".join(request.headers.getall("Content-Digest")))
    return _arriving(request.query, facts, checksum, RequestBody(request))


def _arriving(fields: Fields, facts: BodyFacts, checksum: Checksum | None, source: Source) -> Arriving:
    check_known(fields, FIELDS)
    name = rest_fields.filename(fields)
    place = Numbered(rest_fields.whole(fields, "chunk_index"), rest_fields.whole(fields, "offset"))
    if place.index is None and place.offset is None:
        raise BadField("chunk_index", "is missing, and so is offset")
    return Arriving(name, place, Append(offset=0, body=facts, checksum=checksum), source)


async def _from_json(request: web.Request) -> Arriving:
    fields = await read_json(request, site_of(request).settings.max_json_body, HINT)
    data = rest_fields.text(fields, "data")
    if data is None:
        raise BadField("data", "is missing")
    try:
        held = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise BadBase64(
            "data must be Base64; send bytes as they are as multipart/form-data or as a raw body", field="data"
        ) from None
    others = {name: value for name, value in fields.items() if name != "data"}
    return _arriving(others, BodyFacts(length=len(held)), rest_fields.digest(fields), HeldBody(held))


async def _from_multipart(request: web.Request) -> Arriving:
    form = await multipart.begin(request)
    async with multipart.arriving(request):
        fields, part = await _fields_before(request, form)
    return _arriving(fields, BodyFacts(length=None), rest_fields.digest(fields), LastPart(request, form, part))


async def _fields_before(request: web.Request, form: MultipartReader) -> tuple[dict[str, str], BodyPartReader]:
    """The fields in front of the part `data`, and that part."""
    fields: dict[str, str] = {}
    while (part := await multipart.next_part(request, form)) is not None:
        name = part.name or ""
        if name == "data":
            return fields, part
        if name in fields or name not in FIELDS:
            raise BadField(name, f"is not one of {', '.join(FIELDS)}, data; each may come once")
        raw = bytearray()
        while data := await multipart.next_piece(request, part):
            raw += data
            if len(raw) > MOST_TEXT:
                raise BadField(name, f"has more than {MOST_TEXT} bytes")
        try:
            fields[name] = raw.decode()
        except UnicodeDecodeError:
            raise BadField(name, "is not UTF-8") from None
    raise BadField("data", "is missing: the file part comes last")


class LastPart(PartBody):
    """The last part of a form: what a part behind it says would come too late to be obeyed. It is whole once the
    boundary that ends the form has come."""

    def __init__(self, request: web.Request, form: MultipartReader, part: BodyPartReader) -> None:
        super().__init__(request, part)
        self._form = form

    async def _more(self) -> bytes:
        if data := await super()._more():
            return data
        try:
            if await self._form.next() is None:
                return b""
            self.refusal = BadMultipart("the part data must be the last; nothing of the chunk was kept")
        except ValueError:
            self.refusal = cut_off()
        raise ConnectionError
