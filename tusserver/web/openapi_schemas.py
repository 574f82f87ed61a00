"""The values that the routes speak of, as JSON Schema, and the ways a request is described with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tusserver.protocol.checksums import ALGORITHMS
from tusserver.web.listing import STATES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ADDRESS: Schema = {"type": "string", "format": "uri-reference"}
ID: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]{22}$"}


def ref(name: str) -> Schema:
    """One of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Schema) -> Schema:
    """That, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def several(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def told(schema: Schema, text: str, **more: Any) -> Schema:
    """The schema with a description."""
    return {**schema, "description": text, **more}


def answer(fields: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with exactly these fields."""
    required = [name for name in fields if name not in optional]
    return {"type": "object", "properties": dict(fields), "required": required, "additionalProperties": False}


def wish(fields: Mapping[str, Schema], *, required: tuple[str, ...] = ()) -> Schema:
    """An object that a client sends."""
    return answer(fields, optional=tuple(name for name in fields if name not in required))


FILENAME = told(
    TEXT,
    "A label, never a path on disk: `/` between parts, no part that is empty, `.` or `..`, no control character, "
    "at most 1,024 bytes; compared in Unicode NFC.",
    examples=["largefile.zip", "photos/2026/beach.jpg"],
)
CHECKSUM = told(
    TEXT,
    f"Algorithm, colon, hexadecimal digits; one of {', '.join(ALGORITHMS)}.",
    examples=["sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"],
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
}
CHUNK_FIELDS: dict[str, Schema] = {
    "filename": FILENAME,
    "chunk_index": INDEX,
    "offset": told(COUNT, "Where the chunk belongs; needed where bytes came by tus since the last chunk."),
    "checksum": told(CHECKSUM, "Of the chunk."),
}
LIMITS_OF_LINK: dict[str, Schema] = {
    "max_size": told(or_null(COUNT), "Bytes of one upload."),
    "types": told(several(TEXT), "Content types that are taken, such as `image/*`; empty: every one."),
    "max_uploads": told(or_null(COUNT), "How many uploads may be made by it."),
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
    "Status": answer(STATUS_FIELDS),
    "Listed": answer({**STATUS_FIELDS, "content_type": or_null(TEXT)}),
    "Page": answer({"uploads": several(ref("Listed")), "next_cursor": or_null(TEXT)}),
    "Start": wish(
        {
            "filename": FILENAME,
            "size": told(SIZE, "Bytes of the whole; absent or null: not known yet."),
            "checksum": told(CHECKSUM, "Of the whole; verified when the last byte has come."),
            "content_type": told(TEXT, "Told in the answer to a download.", examples=["application/zip"]),
            "metadata": {"type": "object", "additionalProperties": TEXT, "description": "Kept as tus metadata."},
            "overwrite": told(FLAG, "Replace the finished upload of that filename, once this one is complete."),
        },
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
        }
    ),
    "JsonChunk": wish(
        {**CHUNK_FIELDS, "data": told(TEXT, "The bytes in Base64.", contentEncoding="base64")},
        required=("filename", "data"),
    ),
    "FormChunk": wish(
        {**CHUNK_FIELDS, "data": {"description": "The bytes, as a file part; it comes last.", "type": "string",
                                  "contentMediaType": "application/octet-stream"}},
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
        }
    ),
    "Complete": wish({"filename": FILENAME, "checksum": told(CHECKSUM, "Of the whole.")}, required=("filename",)),
    "Completed": answer(
        {
            "filename": FILENAME,
            "status": {"const": "complete"},
            "size": COUNT,
            "download_url": ADDRESS,
            "sha256": told(TEXT, "Of the whole, where somebody told one to verify."),
        },
        optional=("sha256",),
    ),
    "Cleaned": answer(
        {
            "removed_count": COUNT,
            "freed_bytes": COUNT,
            "removed": several(answer({"upload_id": ID, "filename": TEXT, "bytes": COUNT})),
            "dry_run": FLAG,
        }
    ),
    "Credentials": wish(
        {"username": TEXT, "password": TEXT, "cookie": told(FLAG, "Set a cookie too, for the links of a page.")},
        required=("username", "password"),
    ),
    "Token": answer({"access_token": TEXT, "token_type": {"const": "bearer"}, "expires_in": COUNT}),
    "Caller": answer({"required": FLAG, "user": or_null(TEXT), "scopes": several(TEXT)}),
    "LinkWish": wish(
        {
            **LIMITS_OF_LINK,
            "expires_in": told(or_null(COUNT), "Seconds."),
            "announce": told(
                or_null(ADDRESS),
                "Hears of each completed upload, in a POST with `X-Tusserver-Signature: sha256=<hex>`, the HMAC-SHA256 "
                "of the body keyed with `announce_key`; tried for seven days until it answers 2xx. Its host is one of "
                "the setting announce_hosts.",
            ),
        }
    ),
    "Link": answer(LINK_FIELDS, optional=("announce",)),
    "NewLink": answer(
        {
            **LINK_FIELDS,
            "announce_key": told(
                TEXT,
                "Secret of 32 bytes in URL-safe Base64, where `announce` is set; give it to the receiver, which keys "
                "its HMAC with this text. It is in this answer and in no other.",
            ),
        },
        optional=("announce_key",),
    ),
    "Links": answer({"links": several(ref("Link"))}),
    "Greeting": answer({"message": TEXT}),
    "Health": answer({"status": {"const": "ok"}}),
    "Ready": answer(
        {
            "status": {"enum": ["ready", "not-ready"]},
            "server": {"enum": ["ok", "stopping"]},
            "database": {"enum": ["ok", "away"]},
            "store": {"enum": ["ok", "full", "away"]},
        }
    ),
    "Document": {"type": "object"},
}  # fmt: skip
