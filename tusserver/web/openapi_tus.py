"""The routes of tus 1.0, and upload links, which are endpoints for it."""

from __future__ import annotations

from dataclasses import replace

from tusserver.protocol import refusals
from tusserver.protocol.refusals import TUS_VERSION
from tusserver.web import links
from tusserver.web.openapi_parts import (
    ALIVE,
    ARRIVES,
    BESIDE,
    CONDITIONS,
    DOCUMENT,
    ENDS,
    FILE_ANSWERS,
    FILES,
    FIND,
    HTML,
    JSON,
    OFTEN,
    PATCHED,
    RANGE,
    READ,
    ROOM,
    WHO,
    Answer,
    Operation,
    Paths,
    Refusals,
    header,
)
from tusserver.web.openapi_schemas import BYTES, COUNT, TEXT, ref

TUS: Refusals = (refusals.WrongVersion, refusals.MalformedHeader, refusals.UnknownMethod)
CREATE: Refusals = (
    *(*WHO, *TUS, *ROOM, *ARRIVES, *OFTEN, refusals.MissingHeader, refusals.PastLength, refusals.ExtensionOff),
    *(refusals.UnknownChecksum, refusals.ChecksumMismatch, refusals.TrailerMissing, refusals.BadParts),
)
APPEND: Refusals = (
    *(*ALIVE, *TUS, *ARRIVES, refusals.MissingHeader, refusals.WrongContentType, refusals.OffsetMismatch),
    *(refusals.PastLength, refusals.TooLarge, refusals.UploadFinished, refusals.FinalUnchangeable),
    *(refusals.LengthFixed, refusals.LengthBelowOffset, refusals.ExtensionOff, refusals.UnknownChecksum),
    *(refusals.ChecksumMismatch, refusals.TrailerMissing, refusals.QuotaExceeded),
)
REMOVE: Refusals = (*FIND, *TUS, refusals.Busy, refusals.ExtensionOff)
BY_LINK: Refusals = (*CREATE, links.LinkNotFound, links.LinkGone)

VERSION = header("Tus-Resumable", "Version of the protocol.", {"const": TUS_VERSION}, required=True)
CHECKED = header(
    "Upload-Checksum", "Algorithm, one blank, Base64 digest of the body.",
    {**TEXT, "examples": ["sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00="]},
)  # fmt: skip
OVERRIDE = header(
    "X-HTTP-Method-Override", "The method that is meant, for those who can only POST.", {"enum": ["PATCH", "DELETE"]}
)
CREATION = (
    VERSION,
    header("Upload-Length", "Bytes of the whole.", {**COUNT, "examples": [12]}),
    header("Upload-Defer-Length", "1: the length is told later.", {"const": "1"}),
    header(
        "Upload-Metadata", "Pairs of a key and a Base64 value between commas; `filename`, `filetype`.",
        {**TEXT, "examples": ["filename aGVsbG8udHh0,filetype dGV4dC9wbGFpbg=="]},
    ),
    header("Upload-Concat", "`partial`, or `final;` and the addresses of the parts."),
    CHECKED,
)  # fmt: skip
APPENDING = (
    VERSION,
    header("Upload-Offset", "Where they go: what HEAD told.", COUNT, required=True),
    header("Upload-Length", "The length, where it was deferred.", COUNT),
    CHECKED,
)
TOLD, AT_TIMES = ("Tus-Resumable",), ("Upload-Offset", "Upload-Expires")
MADE = Answer(
    "It is at `Location`.", headers=(*TOLD, "Location"), may_have=AT_TIMES
)  # fmt: skip
APPENDED = Answer(
    "They are stored, up to `Upload-Offset`.", headers=(*TOLD, "Upload-Offset"), may_have=("Upload-Expires",)
)
ANNOUNCED = Answer(
    "Headers tell the extensions and the limits.",
    headers=(*TOLD, "Tus-Version", "Accept-Patch"),
    may_have=("Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
)
MAKE = Operation(
    "tus", "Make an upload", {201: MADE}, CREATE, CREATION, {PATCHED: BYTES}, body_is_optional=True,
    text="Perhaps with its first bytes (creation-with-upload), or from parts that were uploaded side by side "
    "(concatenation).",
)  # fmt: skip
TELL = Operation(
    "tus", "What the server can do", {204: ANNOUNCED}, needs_token=False, text="It is also the preflight of browsers."
)
MAKE_BY_LINK = Operation(
    "links", "Make an upload by the link", {201: MADE}, BY_LINK, CREATION, {PATCHED: BYTES}, body_is_optional=True,
    needs_token=False, text="The endpoint for a stock tus client that has no token.",
)  # fmt: skip
SHOW_LINK = Operation(
    "links", "What the link allows",
    {200: Answer("The link without `announce`; its page to a browser.", {JSON: ref("Link"), HTML: TEXT}, ("Vary",))},
    (links.LinkNotFound, *OFTEN), needs_token=False, text="Whoever knows its address may ask.",
)  # fmt: skip
WHERE = Operation(
    "tus", "Where the upload stands",
    {200: Answer(
        "Go on at `Upload-Offset`.", headers=(*TOLD, "Cache-Control"),
        may_have=(
            "Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat",
            "Upload-Expires",
        ),
    )},
    (*ALIVE, *ENDS, *TUS), needs_token=False,
    text="The address of the upload is enough, so that no client loses its way with its token. Whatever passes by "
    "itself is answered with 423.",
)  # fmt: skip

PATHS: Paths = {
    FILES: {"POST": MAKE, "OPTIONS": TELL},
    FILES + "{id}": {
        "HEAD": WHERE,
        "PATCH": Operation(
            "tus", "More bytes", {204: APPENDED}, APPEND, APPENDING, {PATCHED: BYTES},
            text="A token that was valid when the upload began is enough.",
        ),
        "GET": Operation("tus", "The finished file", FILE_ANSWERS, READ, (RANGE, *CONDITIONS)),
        "DELETE": Operation(
            "tus", "Remove the upload, complete or not", {204: Answer("It is gone.", headers=TOLD)}, REMOVE, (VERSION,)
        ),
        "POST": Operation(
            "tus", "Another method, in disguise", {204: replace(APPENDED, headers=TOLD, may_have=AT_TIMES)}, APPEND,
            (*APPENDING, header(OVERRIDE.name, OVERRIDE.text, OVERRIDE.schema, required=True)), {PATCHED: BYTES},
            text="Described here as PATCH; DELETE is answered as if it had come so.",
        ),
        "OPTIONS": TELL,
    },
    "/links": {
        "GET": Operation(
            "links", "The caller's links, newest first",
            {200: Answer("All of them.", {JSON: ref("Links")}, ("Cache-Control",))}, (*WHO, *OFTEN),
        ),
        "POST": Operation(
            "links", "Make a link",
            {201: Answer("`upload_url` is to give away.", {JSON: ref("NewLink")}, ("Location", "Cache-Control"))},
            (*WHO, links.BadLink, links.LinksFull, *DOCUMENT, *OFTEN), body={JSON: ref("LinkWish")},
            body_is_optional=True,
        ),
    },
    "/links/{id}": {
        "GET": SHOW_LINK,
        "DELETE": Operation(
            "links", "Take a link back", {204: Answer("It makes no more uploads.")},
            (*WHO, links.LinkNotFound, *OFTEN), text="The uploads that it made stay.",
        ),
        "POST": MAKE_BY_LINK,
        "OPTIONS": replace(TELL, tag=BESIDE),
    },
    "/links/{id}/": {"GET": SHOW_LINK, "POST": MAKE_BY_LINK, "OPTIONS": replace(TELL, tag=BESIDE)},
}  # fmt: skip
