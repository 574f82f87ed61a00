"""What the tables of routes are written with: what a route takes, what it answers, how it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tusserver.protocol import access, digests, filenames, refusals
from tusserver.web import auth, body, json_body, rest_fields
from tusserver.web.openapi_schemas import BYTES, TEXT, Schema

Refusals = tuple[type[refusals.Refusal], ...]

JSON = "application/json"
HTML = "text/html"
FORM = "multipart/form-data"
OCTETS = "application/octet-stream"
PATCHED = "application/offset+octet-stream"
# The tag of what every address answers besides.
BESIDE = "everywhere"
# Addresses that the operator chooses, see the settings `tus_path` and `upload_url_path`.
FILES = "{files}"
UPLOADS = "{uploads}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value beside the body; `where` is `query` or `header`."""

    name: str
    where: str
    text: str
    schema: Schema
    required: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back when it was done.

    Attributes:
        content: the schema of each media type; none where there is no body.
        headers: what comes along each time, named in `openapi_headers.HEADERS`.
        may_have: what comes along at times.
    """

    text: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    may_have: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        summary: one line without a full stop; `text` says the rest.
        answers: by status.
        body: the schema of each media type that is taken.
        needs_token: where tokens are required, this needs one.
    """

    tag: str
    summary: str
    answers: Mapping[int, Answer]
    refusals: Refusals = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] | None = None
    body_is_optional: bool = False
    needs_token: bool = True
    text: str = ""


Paths = dict[str, dict[str, Operation]]


def query(name: str, text: str, schema: Schema = TEXT, *, required: bool = False) -> Parameter:
    return Parameter(name, "query", text, schema, required)


def header(name: str, text: str, schema: Schema = TEXT, *, required: bool = False) -> Parameter:
    return Parameter(name, "header", text, schema, required)


WHO: Refusals = (access.TokenNeeded, access.BadToken, auth.KeysAway)
OFTEN: Refusals = (refusals.BackendAway,)
FIND: Refusals = (*WHO, refusals.UploadNotFound, refusals.UploadGone, *OFTEN)
ALIVE: Refusals = (*FIND, refusals.UploadFailed)
NAMED: Refusals = (*FIND, filenames.BadFilename)
FIELDS: Refusals = (rest_fields.BadField, filenames.BadFilename, digests.BadDigest)
DOCUMENT: Refusals = (json_body.BadJson, json_body.BodyTooLarge, refusals.BodyStalled)
ROOM: Refusals = (
    *(refusals.QuotaExceeded, refusals.TooManyUploads, refusals.TooLarge, refusals.TypeNotAllowed),
    refusals.StorageFull,
)
# What the last byte may bring about.
ENDS: Refusals = (digests.DigestMismatch, refusals.ContentTypeMismatch, refusals.Infected, refusals.ScannerAway)
ARRIVES: Refusals = (
    *(refusals.TakenOver, refusals.Busy, refusals.BodyStalled, refusals.Stopping, refusals.StorageFull),
    *(body.EncodedBody, body.UnknownCoding),
    *ENDS,
)
READ: Refusals = (*ALIVE, refusals.UploadIncomplete, refusals.PreconditionFailed, refusals.RangeUnsatisfiable)

RANGE = header("Range", "One range of bytes. RFC 9110, 14.2.", {**TEXT, "examples": ["bytes=0-4"]})
CONDITIONS = (
    header("If-None-Match", "304 if the file has one of these tags."),
    header("If-Match", "412 unless the file has one of these tags."),
    header("If-Range", "The tag or date of the file that the range is meant for; the whole comes if it is another."),
)
FILE_HEADERS = ("ETag", "Last-Modified", "Cache-Control", "Accept-Ranges", "Content-Disposition")
UNCHANGED = Answer("It is the one that the client has.", headers=("ETag", "Last-Modified", "Cache-Control"))
FILE_ANSWERS: Mapping[int, Answer] = {
    200: Answer("The whole, in the type that was declared.", {"*/*": BYTES}, FILE_HEADERS),
    206: Answer("The bytes of the range.", {"*/*": BYTES}, (*FILE_HEADERS, "Content-Range")),
    304: UNCHANGED,
}
