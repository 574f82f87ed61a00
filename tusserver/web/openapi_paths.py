"""Every route in one line or a few: what it takes, what it answers, how it refuses. In the order of the pages."""

from __future__ import annotations

from dataclasses import dataclass

from tusserver.protocol import access, chunks, digests, filenames, refusals
from tusserver.web import (
    body,
    json_body,
    links,
    listing,
    multipart,
    page,
    rest_chunks,
    rest_fields,
    rest_files,
    sign_in,
)
from tusserver.web.openapi_schemas import CHUNK_FIELDS, COUNT, FLAG, TEXT, Schema, ref, told

Refusals = tuple[type[refusals.Refusal], ...]
# What an address stands for that the operator chooses, see `tus_path`.
FILES = "{files}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value beside the body; `where` is `query` or `header`."""

    name: str
    where: str
    text: str
    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        body: the schema of each media type that is taken.
        answers: for each status the media type ("" for none) and its schema.
        needs_token: where tokens are required, this needs one.
    """

    tag: str
    summary: str
    answers: dict[int, tuple[str, Schema | None]]
    refusals: Refusals = ()
    parameters: tuple[Parameter, ...] = ()
    body: dict[str, Schema] | None = None
    needs_token: bool = True


JSON = "application/json"
BYTES: Schema = {}
OCTETS = "application/octet-stream"
PATCHED = "application/offset+octet-stream"
NOTHING: tuple[str, Schema | None] = ("", None)

WHO: Refusals = (access.TokenNeeded, access.BadToken)
OFTEN: Refusals = (refusals.BackendAway,)
FIND: Refusals = (*WHO, refusals.UploadNotFound, refusals.UploadGone, *OFTEN)
ALIVE: Refusals = (*FIND, refusals.UploadFailed)
NAMED: Refusals = (*FIND, filenames.BadFilename)
FIELDS: Refusals = (rest_fields.BadField, filenames.BadFilename, digests.BadDigest)
DOCUMENT: Refusals = (json_body.BadJson, json_body.BodyTooLarge)
ROOM: Refusals = (refusals.QuotaExceeded, refusals.TooManyUploads, refusals.TooLarge, refusals.StorageFull)
ARRIVES: Refusals = (
    *(refusals.TakenOver, refusals.Busy, refusals.BodyStalled, refusals.Stopping, refusals.StorageFull),
    *(body.EncodedBody, body.UnknownCoding),
)
READ: Refusals = (*ALIVE, refusals.UploadIncomplete, refusals.PreconditionFailed, refusals.RangeUnsatisfiable)
TUS: Refusals = (refusals.WrongVersion, refusals.MalformedHeader, refusals.UnknownMethod)
CREATE: Refusals = (
    *(*WHO, *TUS, *ROOM, *ARRIVES, *OFTEN, refusals.MissingHeader, refusals.PastLength, refusals.ExtensionOff),
    *(refusals.UnknownChecksum, refusals.ChecksumMismatch, refusals.TrailerMissing, refusals.BadParts),
)
APPEND: Refusals = (
    *(*ALIVE, *TUS, *ARRIVES, refusals.MissingHeader, refusals.WrongContentType, refusals.OffsetMismatch),
    *(refusals.PastLength, refusals.TooLarge, refusals.UploadFinished, refusals.FinalUnchangeable),
    *(refusals.LengthFixed, refusals.LengthBelowOffset, refusals.ExtensionOff, refusals.UnknownChecksum),
    *(refusals.ChecksumMismatch, refusals.TrailerMissing, digests.DigestMismatch),
)


def query(name: str, text: str, schema: Schema = TEXT) -> Parameter:
    return Parameter(name, "query", text, schema)


def header(name: str, text: str, schema: Schema = TEXT, *, required: bool = False) -> Parameter:
    return Parameter(name, "header", text, schema, required)


VERSION = header("Tus-Resumable", "Version of the protocol.", {"const": "1.0.0"}, required=True)
RANGE = header("Range", "One range of bytes.", told(TEXT, "RFC 9110, 14.2.", examples=["bytes=1000-2000"]))
CHECKED = header("Upload-Checksum", "Algorithm, one blank, Base64 digest of the body.")
OVERRIDE = header("X-HTTP-Method-Override", "The method that is meant, for those who can only POST.")
CREATION = (
    VERSION,
    header("Upload-Length", "Bytes of the whole.", COUNT),
    header("Upload-Defer-Length", "1: the length is told later.", {"const": "1"}),
    header("Upload-Metadata", "Pairs of a key and a Base64 value between commas; `filename`, `filetype`."),
    header("Upload-Concat", "`partial`, or `final;` and the addresses of the parts."),
    CHECKED,
    OVERRIDE,
)
FILE_ANSWERS: dict[int, tuple[str, Schema | None]] = {200: (OCTETS, BYTES), 206: (OCTETS, BYTES), 304: NOTHING}
MAKE = Operation(
    "tus", "Make an upload, perhaps with its first bytes.", {201: NOTHING}, CREATE, CREATION, {PATCHED: {}}
)
TELL = Operation("tus", "What the server can do; also the preflight of browsers.", {204: NOTHING}, needs_token=False)
MAKE_BY_LINK = Operation(
    "links", "Make an upload by the link: the endpoint for a stock tus client.", {201: NOTHING},
    (*CREATE, links.LinkNotFound, links.LinkGone, refusals.TypeNotAllowed), CREATION, {PATCHED: BYTES}, False,
)  # fmt: skip
SHOW_LINK = Operation(
    "links", "What the link allows; its address is enough.", {200: (JSON, ref("Link"))}, (links.LinkNotFound, *OFTEN),
    needs_token=False,
)  # fmt: skip
START = Operation(
    "rest", "Begin an upload, or go on with the unfinished one of that name and size (200).",
    {201: (JSON, ref("Started")), 200: (JSON, ref("Started"))},
    (*WHO, *FIELDS, *DOCUMENT, *ROOM, *OFTEN, filenames.FilenameInUse, refusals.Busy), (), {JSON: ref("Start")},
)  # fmt: skip
CHUNK = Operation(
    "rest",
    "Store the next chunk, whole or not at all, in one of three forms: JSON is held in memory and bounded, a form and "
    "a raw body (described in the query) are streamed. The chunk stored last, sent again, changes nothing.",
    {200: (JSON, ref("Stored"))},
    (
        *(*ALIVE, *FIELDS, *DOCUMENT, *ARRIVES, rest_chunks.BadBase64, multipart.BadMultipart),
        *(chunks.ChunkOutOfOrder, chunks.OffsetMoved, chunks.ChunkMisplaced, digests.DigestMismatch),
        *(refusals.PastLength, refusals.TooLarge, refusals.FinalUnchangeable),
    ),
    (
        *(query(name, "Of a raw body. " + schema["description"], schema) for name, schema in CHUNK_FIELDS.items()),
        header("Content-Digest", "Of a raw body. RFC 9530."),
    ),
    {JSON: ref("JsonChunk"), "multipart/form-data": ref("FormChunk"), OCTETS: BYTES},
)
COMPLETE = Operation(
    "rest", "Confirm that every byte has come; a size that was not known becomes what there is.",
    {200: (JSON, ref("Completed"))},
    (*ALIVE, *FIELDS, *DOCUMENT, refusals.UploadIncomplete, digests.DigestMismatch, refusals.Busy), (),
    {JSON: ref("Complete")},
)  # fmt: skip
CLEAN = Operation(
    "rest",
    "Remove the caller's expired and stale unfinished uploads; everybody's for a token with the scope `admin`. Never "
    "a finished one, never one that is receiving.",
    {200: (JSON, ref("Cleaned"))},
    (*WHO, rest_fields.BadField, *OFTEN),
    (
        query("older_than", "Seconds since the last byte from which on an upload is stale.", COUNT),
        query("dry_run", "Only tell what would go.", FLAG),
    ),
)
LIST = Operation(
    "rest", "The caller's uploads, newest first.", {200: (JSON, ref("Page"))},
    (*WHO, listing.BadQuery, refusals.MalformedHeader, *OFTEN),
    (
        query("state", "Only these, between commas: pending, partial, complete, failed."),
        query("filename", "Only this one."),
        query("limit", "At most so many, 200 at most.", COUNT),
        query("cursor", "`next_cursor` of the page before."),
    ),
)  # fmt: skip

PATHS: dict[str, dict[str, Operation]] = {
    "/auth/token": {
        "POST": Operation(
            "auth", "A token for a user name and a password.", {200: (JSON, ref("Token"))},
            (sign_in.BadCredentials, sign_in.TooManyAttempts, sign_in.BadSignIn, *OFTEN), (),
            {JSON: ref("Credentials"), sign_in.FORM: ref("Credentials")}, False,
        ),
    },
    "/auth/logout": {"POST": Operation("auth", "Take the page's cookie away.", {204: NOTHING}, needs_token=False)},
    "/auth/me": {
        "GET": Operation("auth", "Whose the token is.", {200: (JSON, ref("Caller"))}, needs_token=False),
    },
    "/upload/start": {"POST": START},
    "/upload/chunk": {"POST": CHUNK},
    "/upload/complete": {"POST": COMPLETE},
    "/status": {"GET": LIST},
    "/status/{filename}": {
        "GET": Operation(
            "rest",
            "How far the newest upload of that name is; with `Accept: text/event-stream` an event at every change "
            "until it is complete, failed or gone.",
            {200: (JSON, ref("Status")), 204: NOTHING},
            NAMED,
            (header("Last-Event-ID", "Sent by an EventSource that connects again."),),
        ),
    },
    "/download/{filename}": {
        "GET": Operation("rest", "The newest finished upload of that name.", FILE_ANSWERS, (*READ, *NAMED), (RANGE,)),
        "HEAD": Operation("rest", "The same without its bytes.", {200: NOTHING, 304: NOTHING}, (*READ, *NAMED)),
    },
    "/download/partial/{filename}": {
        "GET": Operation(
            "rest", "The bytes that Range names.", FILE_ANSWERS, (*READ, *NAMED, rest_files.RangeRequired),
            (header(RANGE.name, RANGE.text, RANGE.schema, required=True),),
        ),
        "HEAD": Operation(
            "rest", "The same of the whole, without its bytes.", {200: NOTHING, 304: NOTHING},
            (*READ, *NAMED, rest_files.RangeRequired),
            (header(RANGE.name, RANGE.text, RANGE.schema, required=True),),
        ),
    },
    "/cleanup": {"DELETE": CLEAN},
    FILES: {"POST": MAKE, "OPTIONS": TELL},
    FILES + "{id}": {
        "HEAD": Operation(
            "tus", "Where the upload stands; its address is enough.", {200: NOTHING}, (*ALIVE, *TUS), needs_token=False
        ),
        "PATCH": Operation(
            "tus", "More bytes.", {204: NOTHING}, APPEND,
            (
                VERSION,
                header("Upload-Offset", "Where they go.", COUNT, required=True),
                header("Upload-Length", "The length, where it was deferred.", COUNT),
                CHECKED,
            ),
            {PATCHED: BYTES},
        ),
        "GET": Operation("tus", "The finished file.", FILE_ANSWERS, READ, (RANGE,)),
        "DELETE": Operation(
            "tus", "Remove it, complete or not.", {204: NOTHING}, (*FIND, *TUS, refusals.Busy, refusals.ExtensionOff),
            (VERSION,),
        ),
        "POST": Operation(
            "tus", "Another method, in disguise.", {200: NOTHING, 204: NOTHING}, APPEND,
            (VERSION, header(OVERRIDE.name, OVERRIDE.text, required=True)), {PATCHED: BYTES},
        ),
        "OPTIONS": TELL,
    },
    "/links": {
        "GET": Operation("links", "The caller's links, newest first.", {200: (JSON, ref("Links"))}, (*WHO, *OFTEN)),
        "POST": Operation(
            "links", "Make a link.", {201: (JSON, ref("NewLink"))}, (*WHO, links.BadLink, *DOCUMENT, *OFTEN), (),
            {JSON: ref("LinkWish")},
        ),
    },
    "/links/{id}": {
        "GET": SHOW_LINK,
        "DELETE": Operation(
            "links", "It makes no more uploads; those it made stay.", {204: NOTHING}, (*WHO, links.LinkNotFound, *OFTEN)
        ),
        "POST": MAKE_BY_LINK,
        "OPTIONS": TELL,
    },
    "/links/{id}/": {"GET": SHOW_LINK, "POST": MAKE_BY_LINK, "OPTIONS": TELL},
    "/": {
        "GET": Operation(
            "server", "A greeting; the page to a browser.", {200: (JSON, ref("Greeting"))}, needs_token=False
        ),
    },
    "/static/{path}": {
        "GET": Operation(
            "server", "A file of the page.", {200: (OCTETS, BYTES)}, (page.NoSuchFile,), needs_token=False
        ),
    },
    "/health": {
        "GET": Operation("server", "The process is alive.", {200: (JSON, ref("Health"))}, needs_token=False),
    },
    "/ready": {
        "GET": Operation(
            "server", "Whether uploads can be taken, part by part.",
            {200: (JSON, ref("Ready")), 503: (JSON, ref("Ready"))}, needs_token=False,
        ),
    },
    "/openapi.json": {
        "GET": Operation("server", "This document.", {200: (JSON, ref("Document"))}, needs_token=False),
    },
}  # fmt: skip
