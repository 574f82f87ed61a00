"""Links that somebody without an account uploads by, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.page import ServerPage
from tests.clients.people import NAME, OTHER_NAME, PASSWORD, asking, bearer, stored
from tests.clients.relay import Relay
from tests.clients.wire import MB, ask, make_file
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.engines


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with asking(tmp_path / "uploads") as started:
        yield started


def mint(server: RunningServer, **wish: object) -> str:
    """A new link of `NAME`; gives its path."""
    fields = {**bearer(server), "Content-Type": "application/json"}
    answer = ask("POST", server.url + "/links", fields, json.dumps(wish).encode())
    assert answer.status == 201, answer
    path: str = json.loads(answer.body)["upload_url"]
    return path


def test_a_link_that_is_made_is_shown_with_its_limits_and_copied(page: ServerPage, server: RunningServer) -> None:
    page.visit(server.url)
    page.sign_in(NAME, PASSWORD)
    page.click(role="button", name="New link")
    page.do("select", {"css": "#link-size", "value": "10485760"})
    page.fill("#link-count", "2")
    page.click(role="button", name="Make the link")
    page.wait(css=".link-row")
    assert page.text(".link-row .meta") == "up to 10 MB each · 0 of 2 files · expires in 7 days"
    address = page.do("attribute", {"css": ".link-row .name", "name": "href"})
    wait_until(lambda: page.text("#toast") in ("Link copied", f"Copy it by hand: {address}"))
    assert ask("GET", address).status == 200


def test_somebody_without_an_account_uploads_by_a_link_and_sees_nothing_else(
    page: ServerPage, server: RunningServer, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "from-a-friend.bin", MB)
    page.visit(server.url + mint(server, max_uploads=2))
    page.wait(role="button", name="Choose files")
    wait_until(lambda: page.text(".uppy-Dashboard-note") == "Any kind of file · 0 of 2 files")
    page.add(file)
    page.wait(css=".uppy-StatusBar.is-complete")
    for css in ("#sign-in", "#side", "#who"):
        page.wait(css=css, state="hidden")
    assert page.do("failures") == []
    asked = {request["url"].split("/", 3)[3] for request in page.requests("GET")}
    assert not any(path.startswith(("status", "auth", "files")) for path in asked)
    assert stored(server) == {file.name: file.read_bytes()}


def test_the_foot_of_the_page_leads_to_what_describes_the_api_from_a_link_too(
    page: ServerPage, server: RunningServer
) -> None:
    for path in ("/", mint(server)):
        page.visit(server.url + path)
        for name in ("docs", "redoc", "static/vendor/licenses.txt"):
            href = page.do("attribute", {"css": f".foot-links [href$='{name}']", "name": "href"})
            assert href == f"{server.url}/{name}"
            assert ask("GET", href, {"Accept": "text/html"}).status == 200


def test_a_link_that_is_removed_takes_no_more_and_what_came_by_it_stays(
    page: ServerPage, server: RunningServer, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "from-a-friend.bin", 1000)
    address = server.url + mint(server, max_uploads=2)
    page.visit(address)
    page.wait(role="button", name="Choose files")
    page.add(file)
    page.wait(css=".uppy-StatusBar.is-complete")
    page.visit(server.url)
    page.sign_in(NAME, PASSWORD)
    wait_until(lambda: [row["name"] for row in page.rows()] == [file.name])
    page.wait(css=".link-row")
    assert page.text(".link-row .meta") == "1 of 2 files"
    page.click(role="button", name="Remove the link")
    page.click(role="button", name="Remove")
    page.wait(css=".link-row", state="detached")
    assert page.do("focused").strip() == "New link"
    page.visit(address)
    wait_until(lambda: page.text("#title") == "This link is closed.")
    page.wait(css="#drop", state="hidden")
    assert stored(server) == {file.name: file.read_bytes()}


def test_what_a_link_does_not_take_is_told_before_it_is_sent(
    page: ServerPage, server: RunningServer, tmp_path: Path
) -> None:
    page.visit(server.url + mint(server, max_size=1000, types=["image/*"]))
    wait_until(lambda: page.text(".uppy-Dashboard-note").startswith("image/*"))
    page.add(make_file(tmp_path / "large.png", 2000))
    wait_until(lambda: "large.png is larger" in page.text("#toast"))
    page.add(make_file(tmp_path / "words.txt", 20))
    wait_until(lambda: "image/*" in page.text("#toast"))
    assert page.requests("POST") == []


def test_one_file_too_many_is_refused_in_the_servers_words(
    page: ServerPage, server: RunningServer, tmp_path: Path
) -> None:
    page.visit(server.url + mint(server, max_uploads=1))
    page.wait(role="button", name="Choose files")
    page.add(make_file(tmp_path / "one.bin", 10), make_file(tmp_path / "two.bin", 10))
    wait_until(lambda: ".bin stopped: " in page.text("#toast"))
    assert "tus:" not in page.text("#toast")
    assert len(stored(server)) == 1


def test_an_upload_by_a_link_goes_on_after_a_reload_also_for_somebody_else_who_is_signed_in(
    page: ServerPage, tmp_path: Path, big: Path
) -> None:
    with asking(tmp_path / "asking") as server, Relay(server.port, rate=4 * MB) as line:
        page.visit(line.url)
        page.sign_in(OTHER_NAME, PASSWORD)
        page.wait(role="button", name="Choose files")
        page.do("tab", line.url + mint(server))
        page.wait(role="button", name="Choose files")
        page.add(big)
        line.wait(3 * MB)
        page.do("reload")
        wait_until(lambda: page.text("#toast") == "Went on with the upload where it stopped")
        line.rate = None
        page.wait(css=".uppy-StatusBar.is-complete")
        assert len([one for one in page.requests("POST") if "/links/" in one["url"]]) == 1
        assert stored(server) == {big.name: big.read_bytes()}
        assert stored(server, OTHER_NAME) == {}


def test_an_address_without_its_last_slash_leads_to_the_page(page: ServerPage, server: RunningServer) -> None:
    path = mint(server)
    page.visit(server.url + path.rstrip("/"))
    page.wait(role="button", name="Choose files")
    assert page.text("#endpoint") == server.url + path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_of_a_link_fits_the_screen(
    page: ServerPage, server: RunningServer, tmp_path: Path, width: int, scheme: str
) -> None:
    path = mint(server, max_size=10_485_760, max_uploads=3, expires_in=86_400)
    for name, address in (("link", path), ("closed", "/links/nothing/")):
        page.visit(server.url + address, width=width, height=860, scheme=scheme, touch=width < 800)
        page.wait(css="#drop", state="hidden" if name == "closed" else "visible")
        wait_until(lambda: not page.text("#title").startswith("Cut"))
        if name == "link":
            page.wait(css=".uppy-Dashboard-note")
        page.do("screenshot", str(tmp_path / "screenshots" / f"{name}-{width}-{scheme}.png"))
        assert page.do("layout")["overflow"] <= 0
