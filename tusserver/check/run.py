"""Try the table on a server, and tell how each line went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum

from tusserver.check.outcomes import Failed, NotOffered, NotTried
from tusserver.check.probe import Exchange, Probe
from tusserver.check.table import Requirement

# Enough to hide waiting, few enough to be no load for the server.
AT_ONCE = 8


class Result(StrEnum):
    """How a line went."""

    HOLDS = "holds"
    FAILED = "FAILED"
    NOT_OFFERED = "not offered"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a line went, why if it does not simply hold, and all that was said."""

    requirement: Requirement
    result: Result
    reason: str
    exchanges: tuple[Exchange, ...]

    @property
    def conversation(self) -> str:
        """The last exchanges in full, to be read beside the reason."""
        return "\n\n".join(map(str, self.exchanges[-4:]))


async def try_out(requirement: Requirement, endpoint: str, *, answer_timeout: float = 5.0) -> Outcome:
    """Try one line; what it creates is deleted again if the server lets it."""
    async with Probe(endpoint, timeout=answer_timeout) as tus:
        result, reason = Result.HOLDS, ""
        try:
            await requirement.check(tus)
        except Failed as failure:
            result, reason = Result.FAILED, str(failure)
        except NotOffered as missing:
            result, reason = Result.NOT_OFFERED, str(missing)
        except NotTried as untried:
            result, reason = Result.NOT_TRIED, str(untried)
        except ValueError as error:
            result, reason = Result.FAILED, f"expected an answer that can be read; came one that cannot: {error}"
        return Outcome(requirement, result, reason, tuple(tus.exchanges))


async def try_all(
    requirements: Iterable[Requirement], endpoint: str, *, answer_timeout: float = 5.0
) -> AsyncIterator[Outcome]:
    """Try the lines, a few at a time, each with uploads of its own; they come in the order given."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(requirement: Requirement) -> Outcome:
        async with turns:
            return await try_out(requirement, endpoint, answer_timeout=answer_timeout)

    tasks = [asyncio.create_task(in_turn(requirement)) for requirement in requirements]
    try:
        for task in tasks:
            yield await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
