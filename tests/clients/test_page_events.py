"""How the page learns of uploads from elsewhere, in a real browser."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.clients.page import ServerPage, create, state_of
from tests.clients.people import NAME, PASSWORD, asking, bearer
from tests.clients.wire import TUS, ask
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.engines


def begin(server: RunningServer, name: str, who: dict[str, str] | None = None, length: int = 100) -> str:
    """An upload without a byte yet; gives its URL."""
    words = base64.b64encode(name.encode()).decode()
    fields = {**TUS, **(who or {}), "Upload-Length": str(length), "Upload-Metadata": f"filename {words}"}
    answer = ask("POST", server.endpoint, fields)
    assert answer.status == 201, answer
    return server.url + answer.headers["Location"]


def add(url: str, offset: int, count: int, who: dict[str, str] | None = None) -> None:
    fields = {**TUS, **(who or {}), "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    assert ask("PATCH", url, fields, b"x" * count).status == 204


def streams(page: ServerPage) -> list[str]:
    """The names that events were asked for."""
    return [one["url"].split("/status/")[1] for one in page.requests("GET") if "/status/" in one["url"]]


def looks(page: ServerPage) -> int:
    """How often the whole list was asked for."""
    return sum("/status?" in one["url"] for one in page.requests("GET"))


def test_events_move_the_progress_of_an_upload_from_elsewhere(page: ServerPage, own_server: RunningServer) -> None:
    url = begin(own_server, "ordner/from afar.bin")
    page.open(own_server.url)
    wait_until(lambda: streams(page) == ["ordner/from%20afar.bin"])
    wait_until(lambda: looks(page) == 2)
    for offset in range(0, 90, 30):
        add(url, offset, 30)
        wait_until(lambda at=offset + 30: page.rows()[0]["state"] == f"arriving {at} %", 2)
        width = page.do("attribute", {"css": ".row .line i", "name": "style"})
        assert width == f"width: {offset + 30}%;"
    assert looks(page) == 2  # the list was not asked for any of it
    add(url, 90, 10)
    wait_until(lambda: [row["status"] for row in page.rows()] == ["complete"], 2)
    assert streams(page) == ["ordner/from%20afar.bin"]
    assert page.do("failures") == []


def test_events_come_to_who_is_signed_in(page: ServerPage, tmp_path: Path) -> None:
    with asking(tmp_path / "asking") as server:
        who = bearer(server)
        url = begin(server, "mine.bin", who)
        page.visit(server.url)
        page.sign_in(NAME, PASSWORD)
        wait_until(lambda: streams(page) == ["mine.bin"])
        add(url, 0, 50, who)
        wait_until(lambda: state_of(page, "mine.bin") == "arriving")
        assert page.do("failures") == []


def test_few_uploads_are_followed_at_once_so_that_others_have_connections(
    page: ServerPage, own_server: RunningServer
) -> None:
    urls = [begin(own_server, f"{number}.bin") for number in range(5)]
    page.open(own_server.url)
    wait_until(lambda: streams(page) == ["4.bin", "3.bin"])
    # What is not followed is asked for.
    add(urls[0], 0, 50)
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: state_of(page, "0.bin") == "arriving")


def test_where_events_fail_the_list_is_asked_for(page: ServerPage, own_server: RunningServer) -> None:
    page.open(own_server.url)
    page.do("answer", {"path": "/status/", "status": 503, "problem": {"detail": "no events today"}})
    url = begin(own_server, "slow.bin")
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: streams(page) == ["slow.bin"])
    add(url, 0, 50)
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: state_of(page, "slow.bin") == "arriving")
    add(url, 50, 50)
    wait_until(lambda: [row["status"] for row in page.rows()] == ["complete"])
    assert streams(page) == ["slow.bin"]


def test_of_two_uploads_with_one_name_each_has_its_own_progress(page: ServerPage, own_server: RunningServer) -> None:
    older = begin(own_server, "same.bin")
    newer = begin(own_server, "same.bin")
    page.open(own_server.url)
    wait_until(lambda: len(streams(page)) > 0)
    add(newer, 0, 20)
    wait_until(lambda: page.rows()[0]["state"] == "arriving 20 %")
    add(older, 0, 40)
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: [row["state"] for row in page.rows()] == ["arriving 20 %", "arriving 40 %"])


def test_an_upload_removed_elsewhere_goes_from_the_list(page: ServerPage, own_server: RunningServer) -> None:
    create(own_server, "stays.txt")
    url = begin(own_server, "goes.bin")
    page.open(own_server.url)
    wait_until(lambda: streams(page) == ["goes.bin"])
    assert ask("DELETE", url, TUS).status == 204
    wait_until(lambda: [row["name"] for row in page.rows()] == ["stays.txt"], 3)
    listed = json.loads(ask("GET", own_server.url + "/status").body)["uploads"]
    assert [one["filename"] for one in listed] == ["stays.txt"]
