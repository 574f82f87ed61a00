"""Filenames of the REST routes: labels that name an upload of an owner, never a path on disk."""

from __future__ import annotations

import unicodedata

from tusserver.protocol.metadata import MAX_FILENAME
from tusserver.protocol.refusals import Refusal

# Unicode's bidirectional embeddings, overrides and isolates: with them a name shows an end that it does not have.
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class BadFilename(Refusal):
    """A filename that names nothing safely."""

    status, code, title = 422, "bad-filename", "The filename is not one that can be kept"


class FilenameInUse(Refusal):
    """The owner has an upload of that name."""

    status, code, title = 409, "filename-in-use", "There is an upload of that filename"


def parse_filename(name: str) -> str:
    """The name in Unicode NFC; `/` is allowed between parts.

    Raises:
        BadFilename: status 422, it is empty, over 1,024 bytes, has control characters (those that turn the direction
            of what is shown too), or a part that is empty, ``.`` or ``..``.
    """
    if len(name) > MAX_FILENAME:
        raise BadFilename(f"it has more than {MAX_FILENAME} bytes")
    normal = unicodedata.normalize("NFC", name)
    if len(normal.encode("utf-8", "surrogatepass")) > MAX_FILENAME:
        raise BadFilename(f"it has more than {MAX_FILENAME} bytes")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in normal):
        raise BadFilename("it has control characters")
    if not TURNING.isdisjoint(normal):
        raise BadFilename("it has characters that turn the direction of what is shown")
    if any(part in ("", ".", "..") for part in normal.split("/")):
        raise BadFilename("it has a part that is empty, '.' or '..'")
    return normal
