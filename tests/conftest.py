"""Fixtures shared by every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from pytest_aiohttp import AiohttpClient

from tests.running import RunningServer, running
from tests.tus_client import TusClient
from tusserver.app import make_app
from tusserver.settings import Settings

# Everywhere the same examples, so that a failure is one of the change at hand; `--hypothesis-profile default` looks
# for new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One running server for all tests that leave nothing behind that another would see."""
    with running(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A running server of the test's own."""
    with running(tmp_path / "uploads") as started:
        yield started


@pytest.fixture
async def tus(aiohttp_client: AiohttpClient, tmp_path: Path) -> TusClient:
    """A client of a server of the test's own, in this process."""
    return TusClient(await aiohttp_client(make_app(Settings(upload_folder=tmp_path / "uploads"))))
