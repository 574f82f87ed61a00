"""How routes refuse, shown by one refusal of each kind as a client gets it: so no example is of the writer's making."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tusserver.protocol import access, chunks, digests, filenames, images, refusals, uploads
from tusserver.protocol.checksums import ALGORITHMS
from tusserver.protocol.refusals import Refusal
from tusserver.web import body, json_body, links, listing, page, rest_chunks, rest_fields, sign_in
from tusserver.web.openapi_headers import refer
from tusserver.web.openapi_schemas import COUNT, ID_SHOWN, TEXT, Schema, several, told
from tusserver.web.problems import PASSING_ON_HEAD, of_refusal

PROBLEM = "application/problem+json"
_MOMENT = datetime(2026, 11, 21, 12, tzinfo=UTC)
_HALF = uploads.Upload(
    ID_SHOWN, _MOMENT, _MOMENT, length=12, offset=5, state=uploads.State.RECEIVING,
    last_chunk=uploads.Chunk(0, 0, 5),
)  # fmt: skip

# Those that say more than their title, or cannot be made without facts.
SAMPLES: tuple[Refusal, ...] = (
    access.BadToken("the token has run out"),
    access.SessionOver("tokens are renewed for 43200 s; send the password again"),
    access.TokenNotRenewable("whoever signed the token gives the next one"),
    body.EncodedBody("Content-Encoding 'gzip' is not taken; send the bytes as they are"),
    body.UnknownCoding("Transfer-Encoding 'gzip' is not chunked"),
    chunks.ChunkMisplaced(7, _HALF),
    chunks.ChunkOutOfOrder(3, _HALF),
    chunks.OffsetMoved(replace(_HALF, offset=7)),
    digests.BadDigest("'xyz' is not hexadecimal"),
    digests.DigestMismatch("the sha256 digest of the whole does not match; begin again"),
    filenames.BadFilename("it has a part that is empty, '.' or '..'"),
    filenames.FilenameInUse(
        "the upload of this filename is finished; say overwrite to replace it",
        filename="hello.txt", upload_id=ID_SHOWN, offset=12, size=12,
    ),
    images.BadExtension("gif", ("png", "jpg", "jpeg", "webp")),
    images.BadWish("w", "'0' is not a whole number from 1 to 4096"),
    images.ImageTooLarge("pixels", 40_000_000),
    images.NotAnImage("the name promises image/png, but the file is no image that is known here"),
    json_body.BadJson("it does not parse"),
    json_body.BodyTooLarge("at most 1048576 bytes are taken"),
    links.BadLink("max_size must be a positive whole number"),
    links.LinksFull(1_000),
    links.LinkGone("the link expired at 2026-11-21T12:00:00.000Z"),
    listing.BadQuery("cursor is none that this server gave"),
    page.NoSuchFile("there is no 'nothing.js'"),
    refusals.BackendAway("try again in a moment", headers={"Retry-After": "2"}),
    refusals.BadParts(f"{ID_SHOWN} is not complete", upload_id=ID_SHOWN, offset=5),
    refusals.Busy("another request is writing this upload", headers={"Retry-After": "1"}),
    refusals.ChecksumMismatch("sha1", 5),
    refusals.ExtensionOff("concatenation"),
    refusals.FinalUnchangeable("PATCH of a final upload is not allowed"),
    refusals.ContentTypeMismatch("the first bytes are not those of image/png", content_type="image/png"),
    refusals.Infected("Win.Test.EICAR_HDB-1"),
    refusals.LengthBelowOffset(3, 5),
    refusals.LengthFixed(13, 12),
    refusals.MalformedHeader("Upload-Length", "'-1' is not a non-negative integer"),
    refusals.MissingHeader("Upload-Length", "a creation must tell it, or Upload-Defer-Length: 1"),
    refusals.OffsetMismatch(7, 5),
    refusals.PastLength(5, 12),
    refusals.PreconditionFailed("If-Match names another version"),
    refusals.QuotaExceeded("3 uploads by this link are allowed", limit="link", most=3),
    refusals.RangeUnsatisfiable(12),
    refusals.StorageFull("the disk is full; what was stored stays, go on when there is room again"),
    refusals.TooLarge(2_000_000_000, 1_000_000_000),
    refusals.TooManyUploads("60 within a minute are allowed", headers={"Retry-After": "60"}),
    refusals.TrailerMissing(5),
    refusals.TypeNotAllowed("text/html is not one of image/*", types=["image/*"]),
    refusals.UnknownChecksum("md4", ALGORITHMS),
    refusals.UnknownMethod("PUT", ("HEAD", "PATCH", "GET", "DELETE", "OPTIONS")),
    refusals.UploadFinished("all 12 bytes are stored", offset=12, length=12),
    refusals.UploadGone("the upload expired at 2026-11-21T12:00:00Z"),
    refusals.UploadIncomplete(5, 12),
    refusals.WrongContentType("application/octet-stream"),
    refusals.WrongVersion("0.2.2"),
    rest_chunks.BadBase64("data must be Base64; send bytes as they are as multipart/form-data or as a raw body",
                          field="data"),
    rest_fields.BadField("size", "must be a whole number that is not negative"),
    sign_in.BadSignIn("username is missing or no text", field="username"),
    sign_in.TooManyAttempts(30),
)  # fmt: skip
_BY_KIND = {type(sample): sample for sample in SAMPLES}


def every_refusal() -> list[type[Refusal]]:
    """Every kind of refusal, by its code."""
    found: list[type[Refusal]] = []
    waiting = Refusal.__subclasses__()
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return sorted(found, key=lambda kind: (kind.code, kind.status))


def sample_of(kind: type[Refusal]) -> Refusal:
    """A refusal of that kind, with facts that go together."""
    return _BY_KIND[kind] if kind in _BY_KIND else kind()


def problem_schema() -> Schema:
    """What every problem document has. Addresses and methods that are no routes have codes of their own."""
    codes = sorted({kind.code for kind in every_refusal()} | {"malformed-request", "internal-error"})
    fields = {
        "type": TEXT,
        "title": told(TEXT, "What kind of problem it is."),
        "status": {"type": "integer"},
        "detail": told(TEXT, "What disagrees, and what to do."),
        "code": told(TEXT, "Stable, for programs.", examples=codes),
        "offset": told(COUNT, "Where to go on."),
        "size": told(COUNT, "Bytes of the whole."),
        "length": told(COUNT, "The same, as tus calls it."),
        "next_chunk_index": COUNT,
        "field": told(TEXT, "The field that is wrong."),
        "header": told(TEXT, "The header that is wrong."),
        "allowed": several(TEXT),
    }
    required = ["type", "title", "status", "detail", "code"]
    return {"type": "object", "description": "RFC 9457.", "properties": fields, "required": required}


def problems(kinds: Iterable[type[Refusal]], headers: tuple[str, ...], *, of_head: bool) -> dict[str, dict[str, Any]]:
    """The answers of an operation that refuses so, by status; several kinds may share one, told apart by their codes.

    Args:
        headers: what every refusal of the operation bears.
        of_head: the operation is HEAD, which says what passes with one status and never has a body.
    """
    by_status: defaultdict[int, list[type[Refusal]]] = defaultdict(list)
    for kind in dict.fromkeys(kinds):
        passes = of_head and (kind.status >= 500 or kind.status == 429)
        by_status[PASSING_ON_HEAD if passes else kind.status].append(kind)
    found = {}
    for status, same in sorted(by_status.items()):
        told = tuple(dict.fromkeys(name for kind in same for name in sample_of(kind).headers))
        found[str(status)] = {
            "description": "\n".join(f"- `{kind.code}`: {kind.title}." for kind in same),
            **({"headers": refer(headers, told)} if headers or told else {}),
            **({} if of_head else {"content": _bodies(status, same)}),
        }
    return found


def _bodies(status: int, kinds: list[type[Refusal]]) -> dict[str, Any]:
    codes = sorted({kind.code for kind in kinds})
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    return {
        PROBLEM: {
            "schema": {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]},
            "examples": {kind.code: {"$ref": f"#/components/examples/{kind.__name__}"} for kind in kinds},
        }
    }


def examples() -> dict[str, Any]:
    """A problem document of each kind, as a client gets it."""
    return {
        kind.__name__: {"summary": kind.title, "value": json.loads(of_refusal(sample_of(kind)).text or "")}
        for kind in every_refusal()
    }
