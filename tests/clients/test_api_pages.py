"""`/docs` and `/redoc` in Chromium: they show the routes, ask nobody but this server, and trying out works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.clients.page import ServerPage
from tests.clients.people import NAME, PASSWORD, asking
from tests.clients.wire import ask
from tests.running import RunningServer

pytestmark = pytest.mark.engines

PAGES = {"/docs": ".opblock", "/redoc": "[data-section-id]"}

MOUNTED = """
import socket, sys
from pathlib import Path
from aiohttp import web
from tusserver.app import setup
from tusserver.settings import Settings

app, listening = web.Application(), socket.create_server(("127.0.0.1", 0))
setup(app, Settings(upload_folder=Path(sys.argv[1])), prefix="/transfer")
print(f"http://127.0.0.1:{listening.getsockname()[1]}/transfer", flush=True)
web.run_app(app, sock=listening, print=None)
"""


def opened(page: ServerPage, url: str, path: str, **options: object) -> None:
    page.visit(url + path, **options)
    page.wait(css=PAGES[path])


def operation(id: str) -> str:
    """The part of `/docs` that an operation has."""
    return f".opblock[id$='-{id}']"


def tried(page: ServerPage, id: str) -> tuple[str, str]:
    """Open an operation and execute it as it stands; gives the status and the body that are shown."""
    page.click(css=f"{operation(id)} .opblock-summary-control")
    return executed(page, id)


def executed(page: ServerPage, id: str) -> tuple[str, str]:
    page.click(css=f"{operation(id)} .execute")
    page.wait(css=f"{operation(id)} .live-responses-table .response-col_status")
    status = page.text(f"{operation(id)} .live-responses-table tbody .response-col_status")
    return status.split()[0], page.text(f"{operation(id)} .live-responses-table .response-col_description code")


def check_quiet(page: ServerPage, url: str) -> None:
    """No error in the console, and nobody else was asked for anything."""
    assert page.do("failures") == []
    assert page.hosts() == {urlsplit(url).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_every_route_and_asks_nobody_else(
    page: ServerPage, server: RunningServer, path: str, scheme: str
) -> None:
    opened(page, server.url, path, scheme=scheme)
    document = json.loads(ask("GET", server.url + "/openapi.json").body)
    shown = page.text("#api")
    if path == "/docs":
        # It puts blanks that have no width into paths, for lines to break there.
        shown = shown.replace("\u200b", "")
        assert [name for name in document["paths"] if name not in shown] == []
    summaries = {
        one["summary"] for path in document["paths"].values() for one in path.values() if isinstance(one, dict)
    }
    assert [text for text in summaries if text not in shown] == []
    check_quiet(page, server.url)
    assert page.do("layout")["overflow"] == 0


def test_the_search_of_redoc_finds_a_route(page: ServerPage, server: RunningServer) -> None:
    opened(page, server.url, "/redoc")
    page.fill("[role=search] input", "resume")
    page.wait(css="[data-role='search:results'] [data-section-id], [role=search] [data-item-id]")
    check_quiet(page, server.url)


def test_trying_out_asks_the_server_that_the_page_came_from(page: ServerPage, server: RunningServer) -> None:
    opened(page, server.url, "/docs")
    status, body = tried(page, "get_health")
    assert (status, json.loads(body)) == ("200", {"status": "ok"})
    check_quiet(page, server.url)


def test_a_token_of_the_first_route_opens_the_others(page: ServerPage, tmp_path: Path) -> None:
    with asking(tmp_path / "closed", "--base-url", "https://example.com") as server:
        opened(page, server.url, "/docs")
        assert tried(page, "post_upload_start")[0] == "401"
        page.click(css=f"{operation('post_auth_token')} .opblock-summary-control")
        page.fill(f"{operation('post_auth_token')} textarea", json.dumps({"username": NAME, "password": PASSWORD}))
        status, body = executed(page, "post_auth_token")
        assert status == "200"
        page.click(css=".authorize")
        page.fill(".auth-container input", json.loads(body)["access_token"])
        page.click(css=".auth-btn-wrapper .authorize")
        page.click(css=".btn-done")
        page.click(css=f"{operation('post_upload_start')} .btn-clear")
        status, body = executed(page, "post_upload_start")
        assert (status, json.loads(body)["filename"]) == ("201", "hello.txt")
        # The addresses told are the public ones; what is tried out goes where the page came from.
        assert json.loads(body)["upload_url"].startswith("https://example.com/files/")
        assert page.hosts() == {urlsplit(server.url).netloc}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[str]:
    """The address of a server below a prefix of another application."""
    process = subprocess.Popen(
        [sys.executable, "-c", MOUNTED, str(tmp_path / "uploads")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_below_a_prefix_is_whole_and_asks_below_it(page: ServerPage, mounted: str, path: str) -> None:
    opened(page, mounted, path)
    check_quiet(page, mounted)
    if path == "/docs":
        assert tried(page, "get_health")[0] == "200"
    asked = {request["url"] for request in page.requests("GET") if request["url"].startswith("http")}
    assert [url for url in asked if not url.startswith(mounted + "/")] == []
