"""Every scenario runs against the server itself, and once more through nginx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.fronts import Front

KINDS = ["direct", pytest.param("nginx", marks=pytest.mark.engines)]


@pytest.fixture(scope="session", params=KINDS)
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A server for all tests that leave it as it is."""
    started = Front(tmp_path_factory.mktemp("front"), request.param)
    yield started
    started.close()


@pytest.fixture(params=KINDS)
def own_front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """A server of the test's own, which it may kill."""
    started = Front(tmp_path / "front", request.param)
    yield started
    started.close()
