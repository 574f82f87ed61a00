"""An upload as a row of the table `uploads`, and back."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tusserver.infos.cursors import from_micros, to_micros
from tusserver.protocol.uploads import Chunk, Facts, Image, Kind, State, Upload

COLUMNS = (
    "id",
    "created_at",
    "updated_at",
    "length",
    "offset",
    "state",
    "kind",
    "parts",
    "concat",
    "metadata",
    "owner",
    "filename",
    "content_type",
    "expires_at",
    "completed_at",
    "unverified",
    "link",
    "checksum",
    "overwrites",
    "last_chunk",
    "announce",
    "announce_key",
    "types",
    "final_key",
)
# Of `Upload.facts`, written by a statement of their own: few writes know any, and each value costs all the others time.
FACTS = ("crc32", "stored_filename", "image")

_STATES = {state.value: state for state in State}
_KINDS = {kind.value: kind for kind in Kind}
_NOTHING = Facts()

Row = tuple[Any, ...]


def to_text(value: str | None) -> str | bytes | None:
    """A value for a text column. A field that is no UTF-8 arrives from the web with lone surrogates, which SQLite
    takes only as bytes."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def from_text(value: str | bytes | None) -> str | None:
    """What `to_text` was given."""
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def final_key(upload: Upload) -> int:
    """A short key for `same_final`: the fields themselves may be many kilobytes, too long for an index."""
    text = json.dumps((upload.owner, upload.concat, upload.metadata))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def same_final_row(upload: Upload) -> Row:
    """The values that two final uploads which are the same have in common."""
    return (final_key(upload), to_text(upload.owner), to_text(upload.concat), to_text(upload.metadata))


def to_row(upload: Upload) -> Row:
    """The values of `COLUMNS`."""
    chunk = upload.last_chunk
    return (
        upload.id,
        to_micros(upload.created_at),
        to_micros(upload.updated_at),
        upload.length,
        upload.offset,
        upload.state.value,
        upload.kind.value,
        json.dumps(upload.parts) if upload.parts else None,
        to_text(upload.concat),
        to_text(upload.metadata),
        to_text(upload.owner),
        to_text(upload.filename),
        to_text(upload.content_type),
        None if upload.expires_at is None else to_micros(upload.expires_at),
        None if upload.completed_at is None else to_micros(upload.completed_at),
        upload.unverified,
        upload.link,
        upload.checksum,
        upload.overwrites,
        None if chunk is None else f"{chunk.index} {chunk.start} {chunk.end}",
        upload.announce,
        to_text(upload.announce_key),
        json.dumps(upload.types) if upload.types else None,
        final_key(upload) if upload.kind is Kind.FINAL else None,
    )


def has_facts(upload: Upload) -> bool:
    """Something was found out about it."""
    return upload.facts.crc32 is not None or upload.facts.image is not None


def facts_row(facts: Facts) -> Row:
    """The values of `FACTS`."""
    image = facts.image
    if image is None:
        return facts.crc32, None, None
    return facts.crc32, to_text(image.stored_filename), f"{image.width} {image.height} {image.content_type}"


def _facts(crc32: int | None, stored_filename: str | bytes | None, image: str | None) -> Facts:
    return Facts(crc32, None if image is None else _image(stored_filename, image))


def _image(stored_filename: str | bytes | None, image: str) -> Image:
    width, height, content_type = image.split(" ", 2)
    return Image(from_text(stored_filename) or "", content_type, int(width), int(height))


def from_row(row: Row) -> Upload:
    """The upload of a row of `COLUMNS` and `FACTS`.

    Raises:
        KeyError, ValueError: the row was not written by this program.
    """
    (id, created, updated, length, offset, state, kind, parts, concat, metadata, owner, filename, content_type) = row[
        :13
    ]
    expires, completed, unverified, link, checksum, overwrites, chunk, announce, key = row[13:22]
    types, crc32, stored, image = row[22:]
    return Upload(
        id,
        from_micros(created),
        from_micros(updated),
        length,
        offset,
        _STATES[state],
        _KINDS[kind],
        tuple(json.loads(parts)) if parts else (),
        from_text(concat),
        from_text(metadata),
        from_text(owner),
        from_text(filename),
        from_text(content_type),
        None if expires is None else from_micros(expires),
        None if completed is None else from_micros(completed),
        bool(unverified),
        link,
        checksum,
        bool(overwrites),
        None if chunk is None else Chunk(*map(int, chunk.split())),
        announce,
        from_text(key),
        tuple(json.loads(types)) if types else (),
        _NOTHING if crc32 is None and image is None else _facts(crc32, stored, image),
    )
