"""The list of uploads on the page at `/`, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.page import ServerPage, create, state_of
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, is_gone
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.engines


def test_deleting_asks_first_and_leaves_the_focus_in_the_list(page: ServerPage, own_server: RunningServer) -> None:
    urls = {name: create(own_server, name, b"x") for name in ("one.txt", "two.txt")}
    page.open(own_server.url)
    page.do("focus", {"role": "button", "name": "Delete two.txt"})
    page.do("press", "Enter")
    assert page.do("focused") == "Keep"
    page.do("press", "Escape")
    assert page.do("focused") == "Delete two.txt"
    assert page.requests("DELETE") == []
    page.do("press", "Enter")
    page.do("press", "Shift+Tab")
    page.do("press", "Enter")
    wait_until(lambda: [row["name"] for row in page.rows()] == ["one.txt"])
    assert page.do("focused") == "Delete one.txt"
    assert is_gone(urls["two.txt"])
    assert not is_gone(urls["one.txt"])


def test_a_running_upload_deleted_in_the_list_ends_everywhere(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    wait_until(lambda: state_of(page, big.name) == "uploading")
    page.click(role="button", name=f"Cancel and delete {big.name}")
    page.click(role="button", name="Delete")
    page.wait(css="#empty")
    page.wait(role="button", name="Choose files")
    line.rate = None
    assert is_gone(page.requests("PATCH")[0]["url"])
    assert len(page.requests("POST")) == 1


def test_older_uploads_are_shown_when_asked_for(page: ServerPage, own_server: RunningServer) -> None:
    for number in range(25):
        create(own_server, f"{number}.txt")
    page.open(own_server.url)
    assert [row["name"] for row in page.rows()] == [f"{number}.txt" for number in range(24, 4, -1)]
    page.click(role="button", name="Show older uploads")
    wait_until(lambda: len(page.rows()) == 25)
    page.click(role="button", name="Refresh the list")
    page.wait(css="#more", state="hidden")
    assert [row["name"] for row in page.rows()] == [f"{number}.txt" for number in range(24, -1, -1)]


def test_an_unfinished_upload_says_how_far_it_is_and_when_it_goes(page: ServerPage, own_server: RunningServer) -> None:
    fields = {**TUS, "Upload-Length": "10", "Content-Type": "application/offset+octet-stream"}
    assert ask("POST", own_server.endpoint, fields, b"four").status == 201
    page.open(own_server.url)
    [row] = page.rows()
    assert (row["name"], row["state"], row["facts"]) == (
        "Unnamed file",
        "stopped 40 %",
        "4 B of 10 B · expires in 7 days",
    )
