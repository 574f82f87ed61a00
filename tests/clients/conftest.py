"""Every scenario runs against the server itself, and once more through nginx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.fronts import Front
from tests.clients.page import ServerPage, server_page
from tests.clients.relay import Relay
from tests.clients.wire import MB, make_file
from tests.running import RunningServer

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


@pytest.fixture(scope="module")
def page() -> Iterator[ServerPage]:
    with server_page() as opened:
        yield opened


@pytest.fixture
def line(own_server: RunningServer) -> Iterator[Relay]:
    """A line to a server of the test's own, on which a file of some megabytes takes seconds."""
    with Relay(own_server.port, rate=4 * MB) as opened:
        yield opened


@pytest.fixture
def big(tmp_path: Path) -> Path:
    return make_file(tmp_path / "big.bin", 12 * MB)
