"""The values that the routes speak of, as JSON Schema, and the ways a request is described with."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tusserver.protocol.checksums import ALGORITHMS
from tusserver.web.listing import STATES

Schema = dict[str, Any]
Example = Mapping[str, object]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
POSITIVE: Schema = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}
# Any bytes. OpenAPI 3.1 asks for no schema; viewers offer to choose a file where there is this one.
BYTES: Schema = {"type": "string", "format": "binary"}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ADDRESS: Schema = {"type": "string", "format": "uri-reference"}
ID_SHOWN = "MTIzNDU2Nzg5MDEyMzQ1Ng"
ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$", "examples": [ID_SHOWN]}


def ref(name: str) -> Schema:
    """One of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return schema if "null" in schema["type"] else {**schema, "type": [schema["type"], "null"]}


def several(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def told(schema: Schema, text: str, **more: Any) -> Schema:
    """The schema with a description."""
    return {**schema, "description": text, **more}


def answer(fields: Mapping[str, Schema], example: Example | None = None, *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these fields; the example is shown wherever the schema is."""
    required = [name for name in fields if name not in optional]
    described = {"type": "object", "properties": dict(fields), "required": required, "additionalProperties": False}
    return described if example is None else {**described, "examples": [dict(example)]}


def wish(fields: Mapping[str, Schema], example: Example | None = None, *, required: tuple[str, ...] = ()) -> Schema:
    """An object that a client sends."""
    return answer(fields, example, optional=tuple(name for name in fields if name not in required))


# What the examples tell of: one upload of 12 bytes, of which 5 have come.
HELLO = b"hello, world"
SHA256_SHOWN = f"sha256:{sha256(HELLO).hexdigest()}"
_BEGUN, _ENDS = "2026-11-21T12:00:00.000Z", "2026-11-28T12:00:00.000Z"
_WHICH: Example = {"upload_id": ID_SHOWN, "filename": "hello.txt"}
_HALF: Example = {"status": "partial", "offset": 5, "size": 12, "percent": 41.7}
_TIMES: Example = {"created_at": _BEGUN, "updated_at": _BEGUN, "expires_at": _ENDS}
_AT: Example = {"upload_url": f"/files/{ID_SHOWN}"}
_LINK: Example = {
    "link_id": ID_SHOWN, "upload_url": f"/links/{ID_SHOWN}/", "max_size": 1_000_000, "types": ["image/*"],
    "max_uploads": 10, "uploads": 0, "created_at": _BEGUN, "expires_at": "2026-11-22T12:00:00.000Z", "announce": None,
}  # fmt: skip

FILENAME = told(
    TEXT,
    "A label, never a path on disk: `/` between parts, no part that is empty, `.` or `..`, no control character, "
    "at most 1,024 bytes; compared in Unicode NFC.",
    examples=["hello.txt", "photos/2026/beach.jpg"],
)
CHECKSUM = told(
    TEXT,
    f"Algorithm, colon, hexadecimal digits; one of {', '.join(ALGORITHMS)}.",
    examples=[SHA256_SHOWN],
)
INDEX = told(COUNT, "Number of the chunk; the first is 0 or 1.")
OFFSET = told(COUNT, "Bytes that are stored and count; where to go on.")
SIZE = told(or_null(COUNT), "Bytes of the whole; null while nobody has told it.")
STATUS = told({"type": "string", "enum": list(STATES)}, "How far the upload has come.")
EXPIRES = told(or_null(MOMENT), "From then on it is gone, unless it is finished; null: never.")
UPLOAD_URL = told(ADDRESS, "Its own address, for tus clients too.")

STATUS_FIELDS: dict[str, Schema] = {
    "upload_id": ID,
    "filename": told(or_null(TEXT), "As in the request; null where a tus client told none."),
    "status": STATUS,
    "offset": OFFSET,
    "size": SIZE,
    "percent": told(
        or_null({"type": "number", "minimum": 0, "maximum": 100}),
        "What has arrived, that of a chunk on its way included; null while the size is not known.",
    ),
    "created_at": MOMENT,
    "updated_at": MOMENT,
    "expires_at": EXPIRES,
    "upload_url": UPLOAD_URL,
    "preview_url": told(ADDRESS, "Where it is shown, if it is an image."),
    "thumbnail_url": told(ADDRESS, "Where a small form of it is shown."),
}
OF_IMAGES = ("preview_url", "thumbnail_url")
CHUNK_FIELDS: dict[str, Schema] = {
    "filename": FILENAME,
    "chunk_index": INDEX,
    "offset": told(COUNT, "Where the chunk belongs; needed where bytes came by tus since the last chunk."),
    "checksum": told(CHECKSUM, "Of the chunk."),
}
LIMITS_OF_LINK: dict[str, Schema] = {
    "max_size": told(or_null(POSITIVE), "Bytes of one upload."),
    "types": told(several(TEXT), "Content types that are taken, such as `image/*`; empty: every one."),
    "max_uploads": told(or_null(POSITIVE), "How many uploads may be made by it."),
}
LINK_FIELDS: dict[str, Schema] = {
    "link_id": ID,
    "upload_url": told(ADDRESS, "The endpoint to give to a tus client."),
    **LIMITS_OF_LINK,
    "uploads": told(COUNT, "How many were made."),
    "created_at": MOMENT,
    "expires_at": or_null(MOMENT),
    "announce": told(or_null(ADDRESS), "Told to the owner only."),
}

SCHEMAS: dict[str, Schema] = {
    "Status": answer(STATUS_FIELDS, {**_WHICH, **_HALF, **_TIMES, **_AT}, optional=OF_IMAGES),
    "Listed": answer(
        {**STATUS_FIELDS, "content_type": or_null(TEXT)},
        {**_WHICH, **_HALF, "content_type": "text/plain", **_TIMES, **_AT},
        optional=OF_IMAGES,
    ),
    "Page": answer(
        {"uploads": several(ref("Listed")), "next_cursor": or_null(TEXT)},
        {"uploads": [{**_WHICH, **_HALF, "content_type": None, **_TIMES, **_AT}], "next_cursor": None},
    ),
    "Start": wish(
        {
            "filename": FILENAME,
            "size": told(SIZE, "Bytes of the whole; absent or null: not known yet."),
            "checksum": told(or_null(CHECKSUM), "Of the whole; verified when the last byte has come."),
            "content_type": told(or_null(TEXT), "Told in the answer to a download.", examples=["application/zip"]),
            "metadata": {
                "type": ["object", "null"], "additionalProperties": TEXT, "description": "Kept as tus metadata."
            },
            "overwrite": told(or_null(FLAG), "Replace the finished upload of that name once this one is complete."),
        },
        {"filename": "hello.txt", "size": 12, "checksum": SHA256_SHOWN},
        required=("filename",),
    ),
    "Started": answer(
        {
            "upload_id": ID,
            "filename": FILENAME,
            "size": SIZE,
            "offset": OFFSET,
            "chunk_size": told(COUNT, "Bytes of a chunk that suit this server."),
            "status": STATUS,
            "upload_url": UPLOAD_URL,
            "expires_at": EXPIRES,
        },
        {
            **_WHICH, "size": 12, "offset": 0, "chunk_size": 8_388_608, "status": "pending", **_AT,
            "expires_at": _ENDS,
        },
    ),
    "JsonChunk": wish(
        {
            **{name: schema if name == "filename" else or_null(schema) for name, schema in CHUNK_FIELDS.items()},
            "data": told(TEXT, "The bytes in Base64.", contentEncoding="base64"),
        },
        {"filename": "hello.txt", "chunk_index": 0, "data": b64encode(HELLO[:5]).decode()},
        required=("filename", "data"),
    ),
    "FormChunk": wish(
        {**CHUNK_FIELDS, "data": told(BYTES, "The bytes, as a file part; it comes last.")},
        {"filename": "hello.txt", "chunk_index": 1, "data": HELLO[5:].decode()},
        required=("filename", "data"),
    ),
    "Stored": answer(
        {
            "filename": FILENAME,
            "chunk_index": or_null(INDEX),
            "next_chunk_index": told(COUNT, "Number of the chunk to send next."),
            "offset": OFFSET,
            "size": SIZE,
            "status": STATUS,
        },
        {
            "filename": "hello.txt", "chunk_index": 0, "next_chunk_index": 1, "offset": 5, "size": 12,
            "status": "partial",
        },
    ),
    "Complete": wish(
        {"filename": FILENAME, "checksum": told(or_null(CHECKSUM), "Of the whole.")},
        {"filename": "hello.txt"},
        required=("filename",),
    ),
    "Completed": answer(
        {
            "filename": FILENAME,
            "status": {"const": "complete"},
            "size": COUNT,
            "download_url": ADDRESS,
            "sha256": told(TEXT, "Of the whole, where somebody told one to verify."),
        },
        {
            "filename": "hello.txt", "status": "complete", "size": 12, "download_url": "/download/hello.txt",
            "sha256": SHA256_SHOWN.removeprefix("sha256:"),
        },
        optional=("sha256",),
    ),
    "Cleaned": answer(
        {
            "removed_count": COUNT,
            "freed_bytes": COUNT,
            "removed": several(answer({"upload_id": ID, "filename": or_null(TEXT), "bytes": COUNT})),
            "dry_run": FLAG,
        },
        {"removed_count": 1, "freed_bytes": 5, "removed": [{**_WHICH, "bytes": 5}], "dry_run": False},
    ),
    "Credentials": wish(
        {"username": TEXT, "password": TEXT, "cookie": told(FLAG, "Set a cookie too, for the links of a page.")},
        {"username": "ada", "password": "correct horse battery staple"},
        required=("username", "password"),
    ),
    "Token": answer(
        {"access_token": TEXT, "token_type": {"const": "bearer"}, "expires_in": COUNT},
        {"access_token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "token_type": "bearer", "expires_in": 900},
    ),
    "Caller": answer(
        {"required": FLAG, "user": or_null(TEXT), "scopes": several(TEXT)},
        {"required": True, "user": "ada", "scopes": ["admin"]},
    ),
    "LinkWish": wish(
        {
            **{name: or_null(schema) for name, schema in LIMITS_OF_LINK.items()},
            "expires_in": told(or_null(POSITIVE), "Seconds."),
            "announce": told(
                or_null(ADDRESS),
                "Hears of each completed upload, in a POST with `X-Tusserver-Signature: sha256=<hex>`, the HMAC-SHA256 "
                "of the body keyed with `announce_key`; tried for seven days until it answers 2xx. Its host is one of "
                "the setting announce_hosts.",
            ),
        },
        {"max_size": 1_000_000, "types": ["image/*"], "max_uploads": 10, "expires_in": 86_400},
    ),
    "Link": answer(LINK_FIELDS, _LINK, optional=("announce",)),
    "NewLink": answer(
        {
            **LINK_FIELDS,
            "announce_key": told(
                TEXT,
                "Secret of 32 bytes in URL-safe Base64, where `announce` is set; give it to the receiver, which keys "
                "its HMAC with this text. It is in this answer and in no other.",
            ),
        },
        _LINK,
        optional=("announce_key",),
    ),
    "Links": answer({"links": several(ref("Link"))}, {"links": [_LINK]}),
    "Greeting": answer({"message": TEXT}, {"message": "Hello World"}),
    "Health": answer({"status": {"const": "ok"}}, {"status": "ok"}),
    "Ready": answer(
        {
            "status": {"enum": ["ready", "not-ready"]},
            "server": {"enum": ["ok", "stopping"]},
            "database": {"enum": ["ok", "away"]},
            "store": {"enum": ["ok", "full", "away"]},
            "scanner": told({"enum": ["ok", "away"]}, "Where uploads are looked at for viruses."),
        },
        {"status": "ready", "server": "ok", "database": "ok", "store": "ok"},
        optional=("scanner",),
    ),
    "Document": {"type": "object"},
}  # fmt: skip
