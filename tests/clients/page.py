"""The server's own page in Chromium, used as people use it: by its buttons and by what it shows."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.clients.node import NodeProcess
from tests.clients.wire import TUS, ask
from tests.running import RunningServer, wait_until

SESSION_TIMEOUT = 400.0
COMPLETE = ".uppy-StatusBar.is-complete"
PAUSE_ALL = {"css": ".uppy-StatusBar-actionCircleBtn[aria-label='Pause']"}
RESUME_ALL = {"css": ".uppy-StatusBar-actionCircleBtn[aria-label='Resume']"}


class ServerPage:
    """The one browser of the tests, and the page that is open in it."""

    def __init__(self, process: NodeProcess) -> None:
        self._process = process

    def open(self, url: str, **options: Any) -> None:
        """Open the page, with nothing remembered from before, and wait until it is ready to be used.

        Args:
            url: where the server, or a line to it, is.
            options: width, height, scheme, touch, sharp, missing; see page.mjs.
        """
        self.visit(url, **options)
        self.wait(css="#rows:not([aria-busy])", state="attached")

    def visit(self, url: str, **options: Any) -> None:
        """Open a page as somebody who was never here; it may not be ready yet."""
        self.do("open", {"url": url, **options})

    def sign_in(self, name: str, password: str) -> None:
        """Fill in the form that asks for a password, and send it."""
        self.wait(css="#sign-in")
        self.fill("#sign-in-name", name)
        self.enter(password)

    def enter(self, password: str) -> None:
        """Give the password only, where the name stands already."""
        self.fill("#sign-in-password", password)
        self.click(role="button", name="Sign in")

    def fill(self, css: str, value: str) -> None:
        self.do("fill", {"css": css, "value": value})

    def add(self, *files: Path) -> None:
        """Choose files; the page begins at once."""
        self.do("add", [str(file) for file in files])

    def click(self, **what: str | list[str]) -> None:
        """Click on what has a `css` selector, or a `role` and a `name`; `modifiers` are keys held down."""
        self.do("click", what)

    def wait(self, **what: str) -> None:
        """Wait until something is there: `css`, or `role` and `name`; `state` is Playwright's."""
        self.do("wait", what)

    def text(self, css: str) -> str:
        found: str = self.do("text", {"css": css})
        return found

    def rows(self) -> list[dict[str, str]]:
        """The uploads listed, from the top: name, url, status, state, facts."""
        found: list[dict[str, str]] = self.do("rows")
        return found

    def tiles(self) -> list[dict[str, Any]]:
        """The images shown in the gallery, from the first: name, state, isChosen."""
        found: list[dict[str, Any]] = self.do("tiles")
        return found

    def images(self, css: str) -> list[dict[str, Any]]:
        """Images on the page: width and height of what was decoded, url, alt, place."""
        found: list[dict[str, Any]] = self.do("images", css)
        return found

    def finish(self) -> dict[str, str]:
        """Wait until the widget says that all is there and the list agrees; gives the URLs by name."""
        self.wait(css=COMPLETE)
        wait_until(lambda: all(row["status"] == "complete" for row in self.rows()), step=0.05)
        return {row["name"]: row["url"] for row in self.rows()}

    def requests(self, method: str) -> list[dict[str, Any]]:
        """The requests of a method since the page was opened: url, offset and, when it was answered, status."""
        return [request for request in self.do("requests") if request["method"] == method]

    def hosts(self) -> set[str]:
        """The hosts that were asked for anything."""
        return {urlsplit(request["url"]).netloc for request in self.do("requests") if request["url"][:4] == "http"}

    def do(self, act: str, argument: object = None) -> Any:
        """One act of page.mjs; gives its answer."""
        self._process.send({"do": act, "with": argument})
        answer = self._process.event()
        assert "done" in answer, answer
        return answer["done"]


@contextmanager
def server_page() -> Iterator[ServerPage]:
    process = NodeProcess("page.mjs", {}, SESSION_TIMEOUT)
    try:
        yield ServerPage(process)
    finally:
        process.close()


def create(server: RunningServer, name: str, body: bytes = b"") -> str:
    """Put a finished upload on the server from elsewhere; gives its URL."""
    words = base64.b64encode(name.encode()).decode()
    fields = {**TUS, "Upload-Length": str(len(body)), "Upload-Metadata": f"filename {words}"}
    answer = ask("POST", server.endpoint, {**fields, "Content-Type": "application/offset+octet-stream"}, body)
    assert answer.status == 201, answer
    return server.url + answer.headers["Location"]


def state_of(page: ServerPage, name: str) -> str:
    """What the list says of an upload, without the percentage."""
    found = [row["state"] for row in page.rows() if row["name"] == name]
    return found[0].split(" ")[0] if found else ""
