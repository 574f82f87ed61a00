"""Fixtures of the conformance tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.running import RunningServer
from tusserver.check.probe import Probe


@pytest.fixture
async def tus(server: RunningServer) -> AsyncIterator[Probe]:
    """A client with every byte under control, on the shared server."""
    async with Probe(server.endpoint) as probe:
        yield probe
