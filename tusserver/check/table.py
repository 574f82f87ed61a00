"""The table of requirements: what a tus 1.0.0 server must answer, each line with the function that tries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from tusserver.check.probe import Probe

Check = Callable[[Probe], Awaitable[None]]


class Level(StrEnum):
    """How binding a line is. MUST and SHOULD are the specification's words."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    EXT = "EXT"  # the specification leaves it open; the line is the answer held right here
    HARD = "HARD"  # the specification is silent, and anything else loses data


@dataclass(frozen=True, slots=True)
class Requirement:
    """One line. `check` returns when it holds and raises Failed, NotOffered or NotTried otherwise."""

    id: str
    level: Level
    sentence: str
    check: Check


TABLE: dict[str, Requirement] = {}


def requirement(id: str, level: Level, sentence: str) -> Callable[[Check], Check]:
    """Enter the decorated function in the table."""

    def enter(check: Check) -> Check:
        if id in TABLE:
            raise ValueError(f"{id} is in the table already")
        TABLE[id] = Requirement(id, level, sentence, check)
        return check

    return enter
