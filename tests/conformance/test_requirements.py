"""Every line of the table of requirements, on the running server; and that no line is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from tests.running import RunningServer, running
from tusserver.check.report import table
from tusserver.check.run import Result, try_out
from tusserver.check.table import TABLE, Requirement

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "requirements.md"
# The list that the table was made from; it lies beside the checkout only where the project itself is worked on.
SOURCE = ROOT.parent / "shared" / "protocol.md"

LIMITED = ("--max-size", "1MiB")
SHORT_LIVED = ("--expires-after", "2s", "--sweep-interval", "1s")
WITHOUT_UNFINISHED = ("--disabled-extensions", "concatenation-unfinished")

# Lines that cannot be tried on a server with its default settings.
FLAGS: dict[str, tuple[str, ...]] = {
    "core.options.max-size": LIMITED,
    "creation.max-size": LIMITED,
    "defer.max-size": LIMITED,
    "defer.max-size-bytes": LIMITED,
    "defer.max-size-chunked": LIMITED,
    "concat.max-size": LIMITED,
    "expiration.gone": SHORT_LIVED,
    "expiration.finished-stays": SHORT_LIVED,
    "concat.unfinished-refused": WITHOUT_UNFINISHED,
}

Endpoint = Callable[[tuple[str, ...]], str]


@pytest.fixture(scope="session")
def endpoint_with(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Gives the endpoint of a server with these flags; each is started once, when first asked for."""
    endpoints: dict[tuple[str, ...], str] = {(): server.endpoint}
    with ExitStack() as servers:

        def endpoint(flags: tuple[str, ...]) -> str:
            if flags not in endpoints:
                folder = tmp_path_factory.mktemp("conformance")
                endpoints[flags] = servers.enter_context(running(folder, *flags)).endpoint
            return endpoints[flags]

        yield endpoint


def every_line() -> list[ParameterSet]:
    lines = []
    for line in TABLE.values():
        marks = [pytest.mark.requirement(line.id)]
        if FLAGS.get(line.id) == SHORT_LIVED:
            marks.append(pytest.mark.slow)
        lines.append(pytest.param(line, id=f"{line.id}: {line.sentence}", marks=marks))
    return lines


@pytest.mark.parametrize("line", every_line())
async def test_the_server_holds(line: Requirement, endpoint_with: Endpoint) -> None:
    outcome = await try_out(line, endpoint_with(FLAGS.get(line.id, ())))
    # Not offered and not tried are no excuse here: this server offers everything.
    assert outcome.result is Result.HOLDS, f"{outcome.result}: {outcome.reason}\n\n{outcome.conversation}"


def test_the_docs_show_the_table_as_it_is() -> None:
    assert DOCS.read_text() == table(), "run: python -m tusserver.check --table > docs/requirements.md"


def test_every_flag_belongs_to_a_line_of_the_table() -> None:
    assert set(FLAGS) <= set(TABLE)


if SOURCE.exists():

    def test_no_line_of_the_source_is_missing_or_reworded() -> None:
        rows = re.findall(r"^\| ([a-z0-9.-]+\.[a-z0-9.-]+) \| ([A-Z]+) \| (.+) \|$", SOURCE.read_text(), re.MULTILINE)
        assert [(line.id, line.level.value, line.sentence) for line in TABLE.values()] == rows
