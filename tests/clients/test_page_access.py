"""The page of a server that asks who somebody is, in a real browser."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.page import PAUSE_ALL, RESUME_ALL, ServerPage, state_of
from tests.clients.people import NAME, OTHER_NAME, PASSWORD, asking, stored
from tests.clients.relay import Relay
from tests.clients.wire import MB, ask, make_file
from tests.running import RunningServer, wait_until

pytestmark = pytest.mark.engines


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:  # of the test's own, and one that asks
    with asking(tmp_path / "uploads") as started:
        yield started


def sign_in(page: ServerPage, url: str, name: str = NAME) -> None:
    page.visit(url)
    page.sign_in(name, PASSWORD)
    page.wait(css="#rows:not([aria-busy])", state="attached")
    page.wait(role="button", name="Choose files")


def creations(page: ServerPage) -> list[dict[str, Any]]:
    return [request for request in page.requests("POST") if request["url"].endswith("/files/")]


def has_paused(line: Relay) -> bool:
    """No more bytes come, once what the browser had handed on has passed."""
    passed = line.passed
    time.sleep(0.3)
    return line.passed == passed


def test_nothing_but_a_form_is_shown_to_somebody_unknown(page: ServerPage, server: RunningServer) -> None:
    page.visit(server.url)
    page.wait(role="textbox", name="User name")
    assert "asks who you are" in page.text("#sign-in")
    for css in ("#drop", "#side", "#who"):
        page.wait(css=css, state="hidden")
    assert {request["url"].split("/", 3)[3] for request in page.requests("GET") if "static" not in request["url"]} == {
        "",
        "auth/me",
    }
    assert page.do("failures") == []


def test_a_wrong_password_is_told_in_the_servers_words_and_a_right_one_lets_in(
    page: ServerPage, server: RunningServer
) -> None:
    page.visit(server.url)
    page.sign_in(NAME, "wrong")
    wait_until(lambda: page.text("#sign-in-error") == "The user name or the password is wrong.")
    page.enter(PASSWORD)
    page.wait(css="#sign-in", state="hidden")
    page.wait(role="button", name="Choose files")
    assert page.text("#who-name") == NAME
    assert page.text("#recent-title") == "Your uploads"


def test_who_fails_too_often_is_told_how_long_to_wait(page: ServerPage, server: RunningServer) -> None:
    page.visit(server.url)
    page.sign_in(NAME, "wrong")

    def fail() -> bool:
        page.enter("wrong")
        return page.text("#sign-in-error").startswith("Too many attempts to sign in: try again in ")

    page.wait(css="#sign-in-error")
    wait_until(fail)


def test_a_file_is_sent_listed_downloaded_and_deleted_by_who_is_signed_in(
    page: ServerPage, server: RunningServer, tmp_path: Path
) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    sign_in(page, server.url)
    page.add(file)
    page.finish()
    bytes_sent = page.do("download", {"role": "link", "name": f"Download {file.name}"})
    assert base64.b64decode(bytes_sent) == file.read_bytes()
    page.click(role="button", name=f"Delete {file.name}")
    page.click(role="button", name="Delete")
    page.wait(css="#empty")
    assert stored(server) == {}
    assert page.do("failures") == []


def test_nobody_sees_what_belongs_to_somebody_else(page: ServerPage, server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "mine.bin", 1000)
    sign_in(page, server.url)
    page.add(file)
    url = page.finish()[file.name]
    sign_in(page, server.url, OTHER_NAME)
    assert page.rows() == []
    assert ask("GET", url).status == 401


def test_signing_out_leaves_no_token_and_no_file_of_an_upload_in_the_browser(
    page: ServerPage, tmp_path: Path, big: Path
) -> None:
    with asking(tmp_path / "asking") as server, Relay(server.port, rate=4 * MB) as line:
        sign_in(page, line.url)
        page.add(big)
        line.wait(3 * MB)
        wait_until(lambda: state_of(page, big.name) == "uploading")
        assert "Bearer" not in str(page.do("stored")["local"])
        page.click(role="button", name=f"Sign out {NAME}")
        page.wait(role="textbox", name="Password")
        assert page.do("stored")["session"] == {}
        wait_until(lambda: has_paused(line))
        assert line.passed < 11 * MB
        page.do("reload")
        page.wait(role="textbox", name="Password")
        assert page.requests("DELETE") == []
        line.rate = None
        page.sign_in(OTHER_NAME, PASSWORD)
        page.wait(css="#empty")
        page.click(role="button", name=f"Sign out {OTHER_NAME}")
        # What had arrived is the owner's still, and the same file goes on there.
        page.sign_in(NAME, PASSWORD)
        wait_until(lambda: state_of(page, big.name) == "stopped")
        page.wait(role="button", name="Choose files")
        page.add(big)
        page.finish()
        assert len(creations(page)) == 1
        assert stored(server) == {big.name: big.read_bytes()}


def test_an_upload_goes_on_after_its_token_ran_out_and_the_next_waits_for_a_password(
    page: ServerPage, tmp_path: Path, big: Path
) -> None:
    late = make_file(tmp_path / "late.bin", MB)
    flags = ("--token-lifetime", "3s", "--session-lifetime", "1s")
    with asking(tmp_path / "asking", *flags) as server, Relay(server.port, rate=MB) as line:
        sign_in(page, line.url)
        page.add(big)
        page.wait(css="#sign-in.again")
        wait_until(lambda: "new files wait here" in page.text("#sign-in-why"))
        # Broken and begun again: bytes are taken under the token that was good when the upload began.
        page.click(**PAUSE_ALL)
        wait_until(lambda: state_of(page, big.name) == "paused")
        page.click(**RESUME_ALL)
        line.rate = 4 * MB
        page.do("drop", [str(late)])
        wait_until(lambda: [r.get("status") for r in page.requests("PATCH")][-1] == 204)
        assert [request["status"] for request in creations(page)] == [201]
        page.enter(PASSWORD)
        wait_until(lambda: stored(server).keys() == {big.name, late.name})
        assert [request["offset"] for request in page.requests("PATCH")].count("0") == 2
        assert stored(server) == {file.name: file.read_bytes() for file in (big, late)}


def test_a_token_is_renewed_as_long_as_uploads_run_and_what_comes_later_asks_for_no_password(
    page: ServerPage, tmp_path: Path, big: Path
) -> None:
    late = make_file(tmp_path / "late.bin", MB)
    with asking(tmp_path / "asking", "--token-lifetime", "3s") as server, Relay(server.port, rate=2 * MB) as line:
        sign_in(page, line.url)
        since = time.monotonic()
        page.add(big)
        wait_until(lambda: time.monotonic() - since > 3.5)
        page.do("drop", [str(late)])
        page.finish()
        renewals = [one["status"] for one in page.requests("POST") if one["url"].endswith("/auth/renew")]
        assert renewals == [200] * len(renewals) != []
        page.wait(css="#sign-in", state="hidden")
        assert stored(server) == {file.name: file.read_bytes() for file in (big, late)}
        # Without work the next password is asked for in time.
        page.wait(css="#sign-in.again")
        assert [one["url"] for one in page.do("requests") if one.get("status") == 401] == []
        assert page.do("failures") == []


def test_a_reload_leaves_somebody_signed_in_and_an_upload_goes_on(page: ServerPage, tmp_path: Path, big: Path) -> None:
    with asking(tmp_path / "asking") as server, Relay(server.port, rate=4 * MB) as line:
        sign_in(page, line.url)
        page.add(big)
        line.wait(3 * MB)
        wait_until(lambda: state_of(page, big.name) == "uploading")
        page.do("reload")
        wait_until(lambda: page.text("#toast") == "Went on with the upload where it stopped")
        line.rate = None
        page.finish()
        assert stored(server) == {big.name: big.read_bytes()}
        assert [request["offset"] for request in page.requests("PATCH")].count("0") == 1


def test_another_tab_knows_who_is_signed_in_and_hears_who_signs_out(page: ServerPage, server: RunningServer) -> None:
    sign_in(page, server.url)
    page.do("tab", server.url)
    page.wait(role="button", name="Choose files")
    assert page.text("#who-name") == NAME
    page.do("switch", 0)
    page.click(role="button", name=f"Sign out {NAME}")
    page.do("switch", 1)
    page.wait(role="textbox", name="Password")


def test_an_open_server_asks_nobody(page: ServerPage, own_server: RunningServer) -> None:
    page.open(own_server.url)
    page.wait(role="button", name="Choose files")
    for css in ("#sign-in", "#who", "#links"):
        page.wait(css=css, state="hidden")
    assert page.text("#recent-title") == "On this server"
    assert page.do("stored")["session"] == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_forms_fit_the_screen(page: ServerPage, tmp_path: Path, width: int, scheme: str) -> None:
    shots = tmp_path / "screenshots"

    def look(state: str) -> None:
        page.do("screenshot", str(shots / f"{state}-{width}-{scheme}.png"))
        assert page.do("layout")["overflow"] <= 0

    with asking(tmp_path / "asking", "--token-lifetime", "8s") as server:
        page.visit(server.url, width=width, height=860, scheme=scheme, touch=width < 800)
        page.sign_in(NAME, "wrong")
        page.wait(css="#sign-in-error")
        look("sign-in")
        page.enter(PASSWORD)
        page.wait(role="button", name="New link")
        page.click(role="button", name="New link")
        page.fill("#link-count", "5")
        look("form-of-a-link")
        page.click(role="button", name="Make the link")
        page.wait(css=".link-row")
        look("links")
        page.wait(css="#sign-in.again")
        look("again")
