"""`Upload-Metadata`: kept exactly as received, read for the few labels the server shows."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tusserver.protocol.refusals import MalformedHeader

NAME = "Upload-Metadata"
# Visible ASCII but the comma, which separates pairs; the blank separates key and value.
KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+", re.ASCII)
MAX_FILENAME = 1024  # bytes of UTF-8
# They reorder what is shown: "photo\u202egpj.exe" reads as "photoexe.jpg".
BIDI_CONTROLS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
MIME_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Metadata:
    """`field` as received, and its values by key in the order sent; a key without value has b""."""

    field: str
    values: dict[str, bytes]

    def texts(self, *keys: str) -> Iterator[str]:
        """The values of `keys` that are text and tell something, in the order asked.

        Uppy turns every value into text, so an absent one arrives as ``null``, ``undefined`` or nothing.
        """
        for key in keys:
            try:
                value = self.values.get(key, b"").decode("utf-8")
            except UnicodeDecodeError:
                continue
            if value not in ("", "null", "undefined"):
                yield value

    def text(self, *keys: str) -> str | None:
        """The first of `texts`."""
        return next(self.texts(*keys), None)

    @property
    def filename(self) -> str | None:
        """The name to show, with folders when the client sent them: a label, never a path on disk."""
        names = map(clean_filename, self.texts("relativePath", "filename", "name"))
        return next((name for name in names if name), None)

    @property
    def content_type(self) -> str | None:
        """The type the client declares, for example ``"image/png"``, if it is one."""
        declared = self.texts("filetype", "type", "contentType", "content_type")
        types = (text.partition(";")[0].strip().lower() for text in declared)
        return next((bare for bare in types if MIME_TYPE.fullmatch(bare)), None)


def parse_metadata(field: str | None, max_size: int) -> Metadata | None:
    """Read an `Upload-Metadata` field: comma-separated pairs of a key, a blank and a Base64 value.

    Args:
        field: as received; None and the empty field, which tuspy sends, mean there is none.
        max_size: bytes the field may have.
    Raises:
        MalformedHeader: it is too long, or does not follow the grammar. It is never altered.

    Source: tus 1.0.0, extension Creation, field Upload-Metadata.
    """
    if not field:
        return None
    if len(field) > max_size:
        raise MalformedHeader(NAME, f"has {len(field)} characters, at most {max_size} are taken")
    values: dict[str, bytes] = {}
    for pair in field.split(","):
        key, value = _parse_pair(pair)
        if key in values:
            raise MalformedHeader(NAME, f"the key {key[:40]!r} was given twice")
        values[key] = value
    return Metadata(field, values)


def make_metadata(texts: Mapping[str, str], max_size: int) -> Metadata:
    """The field that tells `texts`, for uploads that begin by another door.

    Raises:
        MalformedHeader: a key is none, or the field would be longer than `max_size`.
    """
    values = {key: text.encode("utf-8", "replace") for key, text in texts.items()}
    pairs = (f"{key} {base64.b64encode(value).decode()}".rstrip() for key, value in values.items())
    made = parse_metadata(",".join(pairs), max_size)
    if made is None or made.values != values:  # a comma in a key begins a pair that nobody named
        raise MalformedHeader(NAME, "a key is none of visible ASCII characters without a comma")
    return made


def _parse_pair(pair: str) -> tuple[str, bytes]:
    key, _, value = pair.partition(" ")
    if not KEY.fullmatch(key):
        raise MalformedHeader(NAME, f"{key[:40]!a} is no key of visible ASCII characters")
    try:
        return key, base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedHeader(NAME, f"the value of {key[:40]!r} is not Base64") from None


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in BIDI_CONTROLS


def clean_filename(name: str) -> str | None:
    """A name fit to be shown and offered: Unicode NFC, no control characters, no empty, ``.`` or ``..`` part.

    Gives None when nothing is left. A clean name stays as it is.
    """
    # Bounded first: to put n accents on one letter into their order takes n² steps.
    end = name[-4 * MAX_FILENAME :].replace("\\", "/")
    # Most names have nothing to be dropped, and are found to be so in a tenth of the time.
    visible = end if end.isprintable() else "".join(filter(_is_shown, end))
    # Composed last: a control character may have stood between a letter and its accent.
    parts = [part.strip() for part in unicodedata.normalize("NFC", visible).split("/")]
    label = "/".join(part for part in parts if part not in ("", ".", ".."))
    encoded = label.encode("utf-8")
    if len(encoded) > MAX_FILENAME:
        # From the front, so that the extension stays; the cut may leave "../" of "a../".
        return clean_filename(encoded[-MAX_FILENAME:].decode("utf-8", "ignore"))
    return label or None
