"""The fields that answers bear, by name. What a refusal bears is told by `openapi_problems`."""

from __future__ import annotations

from typing import Any

from tusserver.protocol.checksums import ALGORITHMS
from tusserver.protocol.refusals import TUS_VERSION
from tusserver.web.openapi_schemas import ADDRESS, COUNT, TEXT, Schema

DATE: Schema = {**TEXT, "examples": ["Sat, 28 Nov 2026 12:00:00 GMT"]}


def _one(text: str, schema: Schema, example: object = None) -> dict[str, Any]:
    return {"description": text, "schema": schema if example is None else {**schema, "examples": [example]}}


HEADERS: dict[str, dict[str, Any]] = {
    "Tus-Resumable": _one("The version of the protocol that is spoken.", {"const": TUS_VERSION}),
    "Tus-Version": _one("The versions of the protocol that could be spoken.", {"const": TUS_VERSION}),
    "Tus-Extension": _one("The extensions offered, between commas.", TEXT, "creation,checksum,termination"),
    "Tus-Max-Size": _one("Bytes of the largest upload that is taken; absent: no limit.", COUNT, 1_000_000_000),
    "Tus-Checksum-Algorithm": _one("What Upload-Checksum may name, between commas.", TEXT, ",".join(ALGORITHMS)),
    "Accept-Patch": _one("What the body of a PATCH has to be.", TEXT, "application/offset+octet-stream"),
    "Location": _one("The address of what was made.", ADDRESS, "/files/MTIzNDU2Nzg5MDEyMzQ1Ng"),
    "Upload-Offset": _one("Bytes that are stored and count; where to go on.", COUNT, 5),
    "Upload-Length": _one("Bytes of the whole, once known.", COUNT, 12),
    "Upload-Defer-Length": _one("The length has still to be told.", {"const": "1"}),
    "Upload-Metadata": _one("As it was sent.", TEXT, "filename aGVsbG8udHh0"),
    "Upload-Concat": _one("`partial`, or as it was sent for a final upload.", TEXT, "partial"),
    "Upload-Expires": _one("From then on the unfinished upload is gone.", DATE),
    "Cache-Control": _one("Whether the answer may be kept.", TEXT, "no-store"),
    "ETag": _one("The tag of these bytes, which never change.", TEXT, '"MTIzNDU2Nzg5MDEyMzQ1Ng"'),
    "Last-Modified": _one("When the file was finished.", DATE),
    "Accept-Ranges": _one("Parts can be asked for with Range.", {"const": "bytes"}),
    "Content-Range": _one("Which bytes these are, of how many.", TEXT, "bytes 0-4/12"),
    "Content-Disposition": _one("The name to keep it under. RFC 6266.", TEXT, 'attachment; filename="hello.txt"'),
    "Content-Security-Policy": _one("What the page may load and do.", TEXT, "default-src 'none'"),
    "Set-Cookie": _one("The page's cookie, which counts for GET and HEAD alone.", TEXT),
    "Vary": _one("What in the request makes another answer.", TEXT, "Accept"),
    "Allow": _one("The methods of this address.", TEXT, "POST, OPTIONS"),
    "WWW-Authenticate": _one("How to say who asks. RFC 6750.", TEXT, 'Bearer realm="tusserver"'),
    "Retry-After": _one("Seconds after which to try again.", COUNT, 2),
    "Access-Control-Allow-Origin": _one("Whose pages may use the answer, as CORS_ORIGINS says.", TEXT, "*"),
    "Access-Control-Allow-Methods": _one("The methods that such a page may use.", TEXT, "GET, POST, PATCH"),
    "Access-Control-Allow-Headers": _one("The fields that such a page may send.", TEXT, "Tus-Resumable, Upload-Offset"),
    "Access-Control-Max-Age": _one("Seconds for which the browser need not ask again.", COUNT, 86_400),
}


def refer(always: tuple[str, ...], at_times: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of one answer. A field is described once; whether it comes each time is a matter of the answer."""
    told = {name: {"$ref": f"#/components/headers/{name}"} for name in at_times}
    return {**{name: {**HEADERS[name], "required": True} for name in always}, **told}
