"""Names of the files in an archive: each can be written on every system, inside the folder it is unpacked in, once."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from tusserver.protocol.metadata import clean_filename

# What Windows does not take in a name: it refuses the whole archive, or writes to another place, such as a drive.
FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
# There they are devices, whatever their extension.
DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{kind}{n}" for kind in ("com", "lpt") for n in range(10))])
# File systems take 255 bytes; what is left over is for a number.
MOST_PART = 240
MOST_EXTENSION = 32
# Sorts before everything that may be in a name, so that what lies in a folder follows the name of the folder.
INSIDE = "\0"


def entry_name(label: str | None, fallback: str) -> str:
    """The name in an archive for an upload: relative, with the folders that its label has.

    Args:
        label: of whatever source, checked or not; None or nothing that can be shown: there is none.
        fallback: name in that case.

    A name that every system takes stays as it is.
    """
    return "/".join(map(_part, (clean_filename(label or "") or fallback).split("/")))


def _part(part: str) -> str:
    part = _shortened(part.translate(FORBIDDEN))
    # Windows drops them, and "a." would be "a".
    kept = part.rstrip(". ")
    part = kept + "_" * (len(part) - len(kept))
    return f"_{part}" if part.partition(".")[0].rstrip().lower() in DEVICES else part


def _shortened(part: str) -> str:
    if len(part.encode()) <= MOST_PART:
        return part
    stem, extension = _split(part)
    if len(extension.encode()) > MOST_EXTENSION:
        stem, extension = part, ""
    return stem.encode()[: MOST_PART - len(extension.encode())].decode(errors="ignore") + extension


def _split(part: str) -> tuple[str, str]:
    """A name and its extension with the dot, "" if it has none."""
    stem, dot, extension = part.rpartition(".")
    return (stem, dot + extension) if stem else (part, "")


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names in their order, with a number where two would be one file: ``name (2).ext``.

    Macs and Windows take names for the same that differ in case only, and a file cannot have the name of a folder;
    then the file gets the number.

    Args:
        names: as `entry_name` makes them; gone through twice, so no iterator.
    """
    keys = sorted(map(_key, names))
    folders = {one for one, after in pairwise(keys) if after.startswith(one + INSIDE)}
    unclear = folders | {one for one, after in pairwise(keys) if one == after}
    last: dict[str, int] = {}
    for name in names:
        key = _key(name)
        if key not in unclear:
            yield name
        elif key not in folders and key not in last:
            last[key] = 1
            yield name
        else:
            number = last.get(key, 1) + 1
            # Two names never come to the same one with a number, but somebody may have given that name to a file.
            while _is_one_of(keys, _key(_numbered(name, number))):
                number += 1
            last[key] = number
            yield _numbered(name, number)


def _key(name: str) -> str:
    """The same for names that some system takes for the same."""
    return unicodedata.normalize("NFC", name.casefold()).replace("/", INSIDE)


def _is_one_of(keys: Sequence[str], key: str) -> bool:
    """It is one of the sorted keys, or a folder of one."""
    at = bisect_left(keys, key)
    return at < len(keys) and (keys[at] == key or keys[at].startswith(key + INSIDE))


def _numbered(name: str, number: int) -> str:
    folder, slash, last = name.rpartition("/")
    stem, extension = _split(last)
    return f"{folder}{slash}{stem} ({number}){extension}"
