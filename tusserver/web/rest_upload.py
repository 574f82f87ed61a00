"""Uploads by chunks in plain REST: start, chunk, complete. The same uploads that tus clients know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web

from tusserver.protocol.chunks import next_index
from tusserver.protocol.digests import DigestMismatch, format_digest
from tusserver.protocol.metadata import MIME_TYPE, Metadata, make_metadata
from tusserver.protocol.refusals import (
    BodyCut,
    ChecksumMismatch,
    MalformedHeader,
    PastLength,
    UploadFinished,
)
from tusserver.protocol.requests import Creation
from tusserver.protocol.rules import Grant
from tusserver.web import rest_fields
from tusserver.web.auth import caller_of
from tusserver.web.json_body import moment, read_json
from tusserver.web.listing import STATUS
from tusserver.web.multipart import PartBody
from tusserver.web.rest_chunks import read_chunk
from tusserver.web.rest_fields import BadField, Fields, check_known
from tusserver.web.site import Site, site_of

START_FIELDS = ("filename", "size", "checksum", "content_type", "metadata", "overwrite")
COMPLETE_FIELDS = ("filename", "checksum")
NO_STORE = {"Cache-Control": "no-store"}


async def start(request: web.Request) -> web.StreamResponse:
    """`POST /upload/start`: 201 and a new upload, or 200 and the unfinished one of that name and size."""
    caller = await caller_of(request)
    owner = caller.require()
    site = site_of(request)
    creation = _parse_start(await read_json(request), site)
    upload, is_new = await site.names.start(creation, Grant(owner=owner), caller)
    address = site.address(upload.id)
    told = {
        "upload_id": upload.id,
        "filename": upload.filename,
        "size": upload.length,
        "offset": upload.offset,
        "chunk_size": site.settings.chunk_size,
        "status": STATUS[upload.state],
        "upload_url": address,
        "expires_at": moment(upload.expires_at),
    }
    return web.json_response(told, status=201 if is_new else 200, headers=NO_STORE | {"Location": address})


async def chunk(request: web.Request) -> web.StreamResponse:
    """`POST /upload/chunk`: the next bytes, whole or not at all."""
    caller = await caller_of(request)
    # Before the body is read: a token that has run out is judged once it is known which upload is meant.
    rest_fields.namespace(caller)
    site = site_of(request)
    arriving = await read_chunk(request)
    found = await rest_fields.find_to_write(site.names, caller, arriving.filename)
    with _in_the_words_of_rest():
        try:
            upload = await site.service.append_chunk(found.id, arriving.place, arriving.append, arriving.source, caller)
        except BodyCut:
            if isinstance(arriving.source, PartBody) and arriving.source.refusal is not None:
                raise arriving.source.refusal from None
            raise
    last = upload.last_chunk
    told = {
        "filename": upload.filename,
        "chunk_index": arriving.place.index if last is None or arriving.place.index is not None else last.index,
        "next_chunk_index": next_index(upload),
        "offset": upload.offset,
        "size": upload.length,
        "status": STATUS[upload.state],
    }
    return web.json_response(told, headers=NO_STORE)


async def complete(request: web.Request) -> web.StreamResponse:
    """`POST /upload/complete`: every byte has come; said again, it is answered again."""
    caller = await caller_of(request)
    rest_fields.namespace(caller)
    site = site_of(request)
    fields = await read_json(request)
    check_known(fields, COMPLETE_FIELDS)
    name, checksum = rest_fields.filename(fields), rest_fields.digest(fields)
    found = await rest_fields.find_to_write(site.names, caller, name)
    upload = await site.service.complete(found.id, caller, checksum)
    told = {
        "filename": upload.filename,
        "status": STATUS[upload.state],
        "size": upload.length,
        "download_url": rest_fields.download_address(site, upload),
    }
    verified = format_digest(checksum) if checksum is not None else upload.checksum
    if verified is not None and verified.startswith("sha256:"):
        told["sha256"] = verified.removeprefix("sha256:")
    return web.json_response(told, headers=NO_STORE)


@contextmanager
def _in_the_words_of_rest() -> Iterator[None]:
    """The refusals of tus that have another status in plain REST."""
    try:
        yield
    except ChecksumMismatch as error:
        raise DigestMismatch(error.detail, headers=error.headers, **error.facts) from None
    except UploadFinished as error:
        length = error.facts["length"]
        assert isinstance(length, int)
        raise PastLength(length, length) from None


def _parse_start(fields: Fields, site: Site) -> Creation:
    check_known(fields, START_FIELDS)
    name, size = rest_fields.filename(fields), rest_fields.whole(fields, "size")
    content_type, checksum = _content_type(fields), rest_fields.digest(fields)
    return Creation(
        length=size,
        is_deferred=size is None,
        metadata=_metadata(fields, name, content_type, site.settings.max_metadata),
        filename=name,
        content_type=content_type,
        whole=None if checksum is None else format_digest(checksum),
        overwrites=rest_fields.flag(fields, "overwrite"),
    )


def _content_type(fields: Fields) -> str | None:
    told = rest_fields.text(fields, "content_type")
    if told is None:
        return None
    bare = told.partition(";")[0].strip().lower()
    if not MIME_TYPE.fullmatch(bare):
        raise BadField("content_type", "is no type such as image/png")
    return bare


def _metadata(fields: Fields, name: str, content_type: str | None, most: int) -> Metadata:
    """What a tus client is told of an upload that begins here."""
    told = fields.get("metadata")
    told = {} if told is None else told
    if not isinstance(told, Mapping) or not all(isinstance(value, str) for value in told.values()):
        raise BadField("metadata", "must be an object of texts")
    named = {"filename": name} | ({} if content_type is None else {"filetype": content_type})
    try:
        return make_metadata({**told, **named}, most)
    except MalformedHeader as error:
        raise BadField("metadata", f"cannot be kept: {error.detail}") from None
