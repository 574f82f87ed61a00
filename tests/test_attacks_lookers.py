"""Those who look on do not disturb the client that uploads."""

from __future__ import annotations

import pytest

from tests.running import RunningServer, wait_until
from tests.test_crashes import DATA, Wire
from tusserver.service.receive import RESTING


@pytest.fixture
def wire(own_server: RunningServer) -> Wire:
    return Wire(own_server)


@pytest.mark.parametrize("look", ["listing", "final"])
def test_a_sender_that_rests_is_not_cut_by_those_who_look_on(wire: Wire, look: str) -> None:
    told = {"Upload-Concat": "partial"} if look == "final" else {}
    path = wire.ask("POST", "/files/", {"Upload-Length": str(len(DATA))} | told)[1]["location"]
    with wire.patch(path, 0, DATA[:1000]) as connection:
        wait_until(lambda: wire.offset(path) == 1000)
        connection.settimeout(RESTING + 0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        if look == "final":
            assert wire.ask("POST", "/files/", {"Upload-Concat": f"final;{path}"})[0] == 201
        else:
            assert wire.ask("GET", "/status", {})[0] == 200
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        connection.sendall(DATA[1000:])
        assert wire.answer(connection)[0] == 204
