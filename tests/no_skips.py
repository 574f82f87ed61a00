"""A pytest plugin (`-p tests.no_skips`) under which a skipped test, or one that is expected to fail, has failed."""

from __future__ import annotations

from collections.abc import Generator

import pytest


def refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        # pytest counts a report that bears this mark as no failure, whatever its outcome.
        reason = vars(report).pop("wasxfail", reason)
        report.outcome = "failed"
        report.longrepr = f"it did not run, and no test may be skipped here: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    refuse(report)
    return report
