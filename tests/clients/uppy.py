"""Uppy in Chromium, on a page of another origin than the server's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.clients.node import HERE, NodeProcess, modules
from tests.running import wait_until

SESSION_TIMEOUT = 300.0


class UppyPage:
    """The one browser of the tests, and the page that is open in it."""

    def __init__(self, process: NodeProcess) -> None:
        self._process = process

    def open(self, site: str, endpoint: str, **options: Any) -> None:
        """Open the site's page, with nothing remembered from before; Uppy's Tus plugin gets the options."""
        self._do("open", f"{site}/#{quote(json.dumps({'endpoint': endpoint, **options}))}")

    def add(self, *files: Path) -> None:
        """Choose files, as a user does."""
        self._do("add", [str(file) for file in files])

    def upload(self, *files: Path) -> None:
        """Choose files and start."""
        self.add(*files)
        self.call("upload")

    def call(self, method: str) -> None:
        """Call a method of Uppy and do not wait for what it gives."""
        self._do("call", method)

    def reload(self) -> None:
        self._do("reload")

    def offline(self, is_offline: bool) -> None:
        self._do("offline", is_offline)

    def files(self) -> list[dict[str, Any]]:
        """The files Uppy has: name, url, done, error."""
        found: list[dict[str, Any]] = self._do("files")
        return found

    def finish(self, timeout: float = 30.0) -> dict[str, str]:
        """Wait until every file is there or failed; gives the URLs by name when none failed."""
        wait_until(lambda: all(file["done"] or file["error"] for file in self.files()), timeout, step=0.05)
        files = self.files()
        assert not [file for file in files if file["error"]], files
        return {file["name"]: file["url"] for file in files}

    def requests(self, method: str) -> list[dict[str, Any]]:
        """The requests of a method since the page was opened: url, offset and, when it was answered, status."""
        return [request for request in self._do("requests") if request["method"] == method]

    def _do(self, act: str, argument: object = None) -> Any:
        self._process.send({"do": act, "with": argument})
        answer = self._process.event()
        assert "done" in answer, answer
        return answer["done"]


@contextmanager
def uppy_page() -> Iterator[UppyPage]:
    process = NodeProcess("uppy.mjs", {}, SESSION_TIMEOUT)
    try:
        yield UppyPage(process)
    finally:
        process.close()


class _Handler(BaseHTTPRequestHandler):
    """The two files of the site."""

    def __init__(self, files: dict[str, tuple[str, Path]], *args: Any) -> None:
        self._files = files
        super().__init__(*args)

    def do_GET(self) -> None:
        if self.path not in self._files:
            self.send_error(404)
            return
        kind, path = self._files[self.path]
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """The tests print nothing."""


@contextmanager
def site() -> Iterator[str]:
    """A site of its own origin, which gives the page and Uppy's bundle."""
    bundle = modules() / "uppy" / "dist" / "uppy.min.js"
    files = {"/": ("text/html", HERE / "uppy.html"), "/uppy.min.js": ("text/javascript", bundle)}
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, files))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
