"""What went wrong, told in one line, and whether to try again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from tusclient.exceptions import TusCommunicationError

GONE = frozenset({404, 410})
# Passing trouble: another writer, a checksum that did not fit, a server or proxy that is busy or starting.
PASSING = frozenset({408, 409, 423, 425, 429, 460, 500, 502, 503, 504})
FIRST_DELAY, LONGEST_DELAY = 0.5, 15.0


class UploadFailed(Exception):
    """A file cannot be uploaded; the text says why in one line."""


@dataclass(slots=True)
class Patience:
    """How long to go on trying.

    Attributes:
        give_up_after: the seconds without progress after which there is no further try.
        since: when the last progress was made, on the caller's clock.
    """

    give_up_after: float
    since: float
    tries: int = 0

    def renew(self, now: float) -> None:
        self.since, self.tries = now, 0

    def delay(self, now: float) -> float | None:
        """Give the seconds to wait before the next try, or None when it is time to give up."""
        left = self.since + self.give_up_after - now
        if left <= 0:
            return None
        wait = min(FIRST_DELAY * 2.0 ** min(self.tries, 10), LONGEST_DELAY, left)
        self.tries += 1
        return wait


def is_passing(error: TusCommunicationError) -> bool:
    return error.status_code is None or error.status_code in PASSING


def describe(error: TusCommunicationError) -> str:
    """Give the reason: that of the connection, or the server's own words from its problem document."""
    if error.status_code is None:
        return reason_of(error)
    status = f"{error.status_code} {phrase(error.status_code)}".rstrip()
    if detail := detail_of(error.response_content):
        return f"{status}: {detail}"
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f"{status}, perhaps from a proxy in between; try a smaller --chunk-size"
    return status


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Checksum Mismatch" if status == 460 else ""


def detail_of(content: object) -> str:
    """Read what an answer says about itself: a problem document, or one short line of text."""
    if not isinstance(content, bytes):
        return ""
    text = content.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        is_line = 0 < len(text) <= 200 and text.isprintable() and not text.startswith("<")
        return text if is_line else ""
    detail = document.get("detail") or document.get("title") if isinstance(document, dict) else None
    return " ".join(detail.split()) if isinstance(detail, str) else ""


def reason_of(error: BaseException) -> str:
    """Find the operating system's words below the layers of exceptions that libraries put around them."""
    words = [found.strerror for found in chain(error) if isinstance(found, OSError) and found.strerror]
    return str(words[-1]).lower() if words else "the connection broke"


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and those below it: given to it as an argument, named as its reason, or its cause."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop(0)
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [*found.args, getattr(found, "reason", None), found.__cause__, found.__context__]
