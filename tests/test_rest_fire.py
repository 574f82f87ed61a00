"""Clean-up under fire; `python -m tests.cleanup_fire 10000` is the same on a larger scale."""

from __future__ import annotations

from pathlib import Path

from tests import cleanup_fire


def test_two_servers_and_the_command_remove_all_that_must_go_and_nothing_else_though_they_are_killed(
    tmp_path: Path,
) -> None:
    fire = cleanup_fire.main(tmp_path, 600)
    assert len(fire.stays) == 150 + 2 * cleanup_fire.SLOW
    assert len(fire.goes) == 375
    assert fire.removed > 0
