"""Reading a finished upload: conditions, ranges, names and types. RFC 9110, RFC 6266."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from tusserver.protocol.dates import parse_date
from tusserver.protocol.fields import MAX_DIGITS, Headers
from tusserver.protocol.media_types import suggested_type
from tusserver.protocol.refusals import PreconditionFailed, RangeUnsatisfiable

# Shown in the page of a browser; everything else is offered as a file, so that no script of a stranger runs here.
INLINE_IMAGES = frozenset(f"image/{kind}" for kind in ("png", "jpeg", "gif", "webp", "avif", "bmp", "x-icon"))
# Without blanks, as the grammar has it: optional ones on both sides of a number cost the square of their count.
RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII | re.IGNORECASE)
ENTITY_TAG = re.compile(r'(?:W/)?"[^"]*"')


@dataclass(frozen=True, slots=True)
class Representation:
    """What a GET may give: its bytes, its strong tag (with quotes) and when it was last modified (aware).

    Without a date no condition of one holds, nor does any fail. RFC 9110, 13.1.3 and 13.1.4.
    """

    length: int
    etag: str
    modified_at: datetime | None = None

    @property
    def date(self) -> datetime | None:
        """`modified_at` as a header can say it."""
        return None if self.modified_at is None else self.modified_at.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Answer:
    """How to answer a GET: 200 with everything, 206 with the bytes from `start` up to `end`, or 304."""

    status: int
    start: int
    end: int


def judge_get(headers: Headers, found: Representation) -> Answer:
    """Evaluate conditions and range in the order of RFC 9110, 13.2.2.

    One range is served as 206; several, or a unit that is not bytes, are answered with the whole, which is allowed.

    Raises:
        PreconditionFailed: status 412.
        RangeUnsatisfiable: status 416.
    """
    _check_preconditions(headers, found)
    if _is_not_modified(headers, found):
        return Answer(304, 0, 0)
    whole = Answer(200, 0, found.length)
    field = _one(headers, "Range")
    if field is None or not _range_applies(headers, found):
        return whole
    return _parse_range(field, found.length) or whole


def _one(headers: Headers, name: str) -> str | None:
    values = headers.getall(name, [])
    return values[0].strip() if len(values) == 1 else None


def _matches(field: str, etag: str, *, weakly: bool) -> bool:
    if field.strip() == "*":
        return True
    tags = ENTITY_TAG.findall(field)
    return etag in tags or (weakly and f"W/{etag}" in tags)


def _check_preconditions(headers: Headers, found: Representation) -> None:
    if headers.getall("If-Match", []):
        if not _matches(",".join(headers.getall("If-Match", [])), found.etag, weakly=False):
            raise PreconditionFailed("If-Match names another version")
        return
    since = parse_date(_one(headers, "If-Unmodified-Since") or "")
    if since is not None and found.date is not None and found.date > since:
        raise PreconditionFailed("it was modified after If-Unmodified-Since")


def _is_not_modified(headers: Headers, found: Representation) -> bool:
    if headers.getall("If-None-Match", []):
        return _matches(",".join(headers.getall("If-None-Match", [])), found.etag, weakly=True)
    since = parse_date(_one(headers, "If-Modified-Since") or "")
    return since is not None and found.date is not None and found.date <= since


def _range_applies(headers: Headers, found: Representation) -> bool:
    """If-Range: a strong tag that is ours, or exactly our date. RFC 9110, 13.1.5."""
    if not headers.getall("If-Range", []):
        return True
    condition = _one(headers, "If-Range") or ""
    if condition.startswith(('"', "W/")):
        return condition == found.etag
    return found.date is not None and parse_date(condition) == found.date


def _parse_range(field: str, length: int) -> Answer | None:
    match = RANGE.fullmatch(field)
    if match is None or match[1] == match[2] == "" or max(len(match[1]), len(match[2])) > MAX_DIGITS:
        return None
    if match[1] == "":
        wanted = int(match[2])
        if wanted and not length:
            # It can be satisfied by nothing, which no Content-Range can say. RFC 9110, 14.1.2.
            return None
        start, end = max(0, length - wanted), length
    else:
        start = int(match[1])
        last = int(match[2]) if match[2] else length - 1
        if match[2] and last < start:
            return None
        end = min(last + 1, length)
    if start >= end:
        raise RangeUnsatisfiable(length)
    return Answer(206, start, end)


def content_type_of(declared: str | None, filename: str | None) -> str:
    """The type to send: the one declared, else the one the name suggests, else octet-stream."""
    return declared or suggested_type(filename or "")


def is_inline(content_type: str) -> bool:
    """A browser may show it in place: pictures without scripts, sound and film."""
    return content_type in INLINE_IMAGES or content_type.startswith(("audio/", "video/"))


def content_disposition(filename: str | None, fallback: str, *, inline: bool) -> str:
    """`Content-Disposition` with the last part of a name, in ASCII and, where it differs, as RFC 8187 has it.

    Args:
        filename: a label, with folders or without; None: there is none.
        fallback: ASCII name in that case.

    Source: RFC 6266, sections 4.1 and 4.3 and appendix D.
    """
    kind = "inline" if inline else "attachment"
    name = (filename or "").rpartition("/")[2] or fallback
    plain = "".join(character if " " <= character <= "~" and character not in '"\\%' else "_" for character in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='', errors='replace')}"
    return f'{kind}; filename="{plain}"{extended}'


def security_headers() -> dict[str, str]:
    """Headers that keep a stranger's file from acting on this origin, whatever a browser makes of it."""
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; "
        "sandbox",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
