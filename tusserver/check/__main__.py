"""`python -m tusserver.check URL`: how a tus server answers to each requirement."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tusserver.check.outcomes import Failed
from tusserver.check.probe import Probe
from tusserver.check.report import conforms, line_of, table, totals
from tusserver.check.run import Outcome, Result, try_all
from tusserver.check.table import TABLE


def parse_arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line; exits with 2 and a usage line if it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m tusserver.check", description=__doc__)
    parser.add_argument("url", nargs="?", help="where uploads are created, for example http://127.0.0.1:5000/files/")
    parser.add_argument("--only", default="", metavar="ID", help="only lines whose id begins like this")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="for each answer (default: 5)")
    parser.add_argument("--verbose", action="store_true", help="show what was said before a failure")
    parser.add_argument("--table", action="store_true", help="print the table of requirements as Markdown")
    arguments = parser.parse_args(words)
    if not arguments.table and not (arguments.url or "").startswith(("http://", "https://")):
        parser.error("give the URL that uploads are created at, http:// or https://")
    return arguments


async def check(arguments: argparse.Namespace) -> int:
    """Try the table, print a line for each, and give the exit status."""
    try:
        await Probe(arguments.url, timeout=arguments.timeout).options()
    except Failed as error:
        print(f"{arguments.url}: {error}", file=sys.stderr)
        return 2
    outcomes: list[Outcome] = []
    chosen = [line for line in TABLE.values() if line.id.startswith(arguments.only)]
    async for outcome in try_all(chosen, arguments.url, answer_timeout=arguments.timeout):
        outcomes.append(outcome)
        print(line_of(outcome), flush=True)
        if arguments.verbose and outcome.result is Result.FAILED:
            print(f"\n{outcome.conversation}\n")
    print(f"\n{totals(outcomes)}")
    return 0 if conforms(outcomes) else 1


def main(words: list[str] | None = None) -> int:
    """Carry out the command line; gives 0 if no MUST failed, 1 if one did, 2 if nothing could be tried."""
    arguments = parse_arguments(sys.argv[1:] if words is None else words)
    if arguments.table:
        print(table(), end="")
        return 0
    return asyncio.run(check(arguments))


if __name__ == "__main__":
    sys.exit(main())
