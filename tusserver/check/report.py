"""The outcomes as lines of text, and the table as a page of the docs."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from tusserver.check.run import Outcome, Result
from tusserver.check.table import TABLE, Level, Requirement

SECTIONS = {
    "core": "Core protocol",
    "creation": "creation",
    "defer": "creation-defer-length",
    "with-upload": "creation-with-upload",
    "checksum": "checksum",
    "trailer": "checksum-trailer",
    "expiration": "expiration",
    "termination": "termination",
    "concat": "concatenation",
    "unfinished": "concatenation-unfinished",
}

HEADING = """\
# What a tus server must answer

This page is made by `python -m tusserver.check --table > docs/requirements.md`; a test compares it.

The lines are those of the tus 1.0.0 specification for servers. MUST and SHOULD are its words. EXT is where it leaves a
choice or is silent, and the line is the answer held right here; HARD is where it is silent and another answer loses
data.

Each line is a function of `tusserver/check/`, named in the last column. `tests/conformance/test_requirements.py` tries
every one on the running server, so `pytest tests/conformance -k core.options.extensions` runs a single line.
`python -m tusserver.check URL` tries them on any server.
"""


def line_of(outcome: Outcome) -> str:
    """One outcome as a line; the reason follows on lines of its own."""
    line = outcome.requirement
    reason = "".join(f"\n    {text}" for text in outcome.reason.splitlines())
    return f"{outcome.result:11}  {line.level:6}  {line.id}: {line.sentence}{reason}"


def totals(outcomes: Sequence[Outcome]) -> str:
    """How many lines of each level went how."""
    counts = Counter((outcome.requirement.level, outcome.result) for outcome in outcomes)
    lines = []
    for level in Level:
        told = [f"{counts[level, result]} {result}" for result in Result if counts[level, result]]
        if told:
            lines.append(f"{level:6} {', '.join(told)}")
    return "\n".join(lines)


def conforms(outcomes: Iterable[Outcome]) -> bool:
    """No line that the specification calls a MUST failed."""
    return not any(outcome.result is Result.FAILED and outcome.requirement.level is Level.MUST for outcome in outcomes)


def table() -> str:
    """The table as Markdown."""
    pages = [HEADING]
    for section, title in SECTIONS.items():
        lines = [line for line in TABLE.values() if line.id.partition(".")[0] == section]
        rows = "\n".join(f"| {line.id} | {line.level} | {line.sentence} | {held_by(line)} |" for line in lines)
        pages.append(f"## {title}\n\n| id | level | requirement | held by |\n| --- | --- | --- | --- |\n{rows}\n")
    return "\n".join(pages)


def held_by(line: Requirement) -> str:
    """The file and the name of the function that tries a line."""
    name = getattr(line.check, "__name__", "")
    return f"`{Path(inspect.getfile(line.check)).stem}.{name}`"
