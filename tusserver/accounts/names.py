"""What a user may be called."""

from __future__ import annotations

import unicodedata

MOST_CHARACTERS = 255


def parse_name(text: str) -> str:
    """The name of a user in its one form, NFC: keyboards write the same letter in several ways.

    Raises:
        ValueError: it is none; the message is the end of a sentence about it.
    """
    name = unicodedata.normalize("NFC", text)
    if not name or name != name.strip():
        raise ValueError("is empty, or begins or ends with a space")
    if len(name) > MOST_CHARACTERS:
        raise ValueError(f"has more than {MOST_CHARACTERS} characters")
    # Lone surrogates, which no database and no JSON of others takes, are not printable either.
    if not name.isprintable():
        raise ValueError("has characters that cannot be printed")
    return name
