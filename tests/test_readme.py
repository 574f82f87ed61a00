"""Everything that README.md tells its reader to do, done as it stands there; only the port differs."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import files_of_page, get
from tests.clients import node
from tests.clients.fronts import free_port
from tests.running import RunningServer, wait_until
from tusserver.settings import table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
TIMEOUT = 60.0


def block(section: str, language: str) -> str:
    """The code of one language under one heading."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return str(found)


def at(server: RunningServer, code: str) -> str:
    """The code for a server that has another port than a reader's."""
    assert "http://127.0.0.1:5000" in code
    return code.replace("http://127.0.0.1:5000", server.url)


def video(folder: Path) -> bytes:
    """Make the file that the examples upload, of more than two of their chunks."""
    content = os.urandom(20_000_000)
    (folder / "video.mp4").write_bytes(content)
    return content


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fetch(url: str) -> bytes:
    return get(url)[1]


@pytest.mark.engines
@pytest.mark.parametrize("section", ["A conversation in curl", "Images", "Archives"])
def test_a_conversation_in_curl_goes_as_written(own_server: RunningServer, tmp_path: Path, section: str) -> None:
    assert shutil.which("curl"), "this test needs curl: install it and run `make test-all`"
    code = at(own_server, block(section, "bash"))
    rest = run(["bash", "-euo", "pipefail", "-c", code], tmp_path)
    promised = re.findall(r"^#> (.+)$", code, re.MULTILINE)
    assert len(promised) >= 6
    for line in promised:
        assert line in rest, f"{line!r} did not come, or not at its place; what was left:\n{rest}"
        rest = rest.split(line, 1)[1]


def test_the_script_with_tuspy_uploads_and_finds_its_upload_again(own_server: RunningServer, tmp_path: Path) -> None:
    content = video(tmp_path)
    script = at(own_server, block("From Python", "python"))
    url = run([sys.executable, "-c", script], tmp_path).strip()
    assert fetch(url) == content
    assert run([sys.executable, "-c", script], tmp_path).strip() == url


def test_the_command_uploads_without_a_line_of_code(own_server: RunningServer, tmp_path: Path) -> None:
    content = video(tmp_path)
    (command,) = re.findall(r"`tusserver (upload .+?)`", README.split("## From Python")[1].split("\n## ")[0])
    said = run([sys.executable, "-m", "tusserver", *at(own_server, command).split()], tmp_path)
    (url,) = set(re.findall(re.escape(own_server.endpoint) + "[A-Za-z0-9_-]{22}", said))
    assert fetch(url) == content


@pytest.mark.engines
def test_the_script_with_tus_js_client_uploads(own_server: RunningServer, tmp_path: Path) -> None:
    content = video(tmp_path)
    (tmp_path / "node_modules").symlink_to(node.modules())
    (tmp_path / "upload.mjs").write_text(at(own_server, block("From JavaScript", "js")))
    said = run(["node", "upload.mjs"], tmp_path).splitlines()
    assert f"{len(content)} of {len(content)}" in said
    assert fetch(said[-1]) == content


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def files_of(folder: Path) -> Iterator[str]:
    """Serve a folder from an origin of its own; gives its address."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(QuietFiles, directory=str(folder))
    ) as files:
        thread = threading.Thread(target=files.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{files.server_port}"
        finally:
            files.shutdown()
            thread.join()


@pytest.mark.engines
def test_the_page_with_uppy_uploads_from_another_origin(own_server: RunningServer, tmp_path: Path) -> None:
    content = video(tmp_path)
    site = tmp_path / "site"
    site.mkdir()
    for name in ("uppy.min.mjs", "uppy.min.css"):
        shutil.copy(node.modules() / "uppy" / "dist" / name, site)
    page = at(own_server, block("From JavaScript", "html"))
    (site / "index.html").write_text(f"<!doctype html><meta charset=utf-8>{page}")
    with files_of(site) as origin:
        result = node.run("readme.mjs", {"url": origin, "files": [str(tmp_path / "video.mp4")]})
    assert result == {"failures": [], "shown": "Complete"}
    (upload,) = json.loads(fetch(own_server.url + "/status"))["uploads"]
    assert (upload["filename"], upload["status"]) == ("video.mp4", "complete")
    assert hashlib.sha256(fetch(own_server.url + "/files/" + upload["upload_id"])).digest() == (
        hashlib.sha256(content).digest()
    )


@contextmanager
def own_application(folder: Path) -> Iterator[str]:
    """The example of a mounted server as a process; gives its address."""
    port = free_port()
    code = block("Inside your own application", "python")
    assert "port=8080" in code
    script = [sys.executable, "-c", code.replace("port=8080", f"port={port}")]
    process = subprocess.Popen(script, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert process.poll() is None, process.communicate()[0]
        try:
            return bool(fetch(url))
        except urllib.error.URLError:
            return False

    try:
        wait_until(answers)
        yield url
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said, said


def test_the_server_runs_inside_an_application_of_the_reader(tmp_path: Path) -> None:
    content = video(tmp_path)
    with own_application(tmp_path) as url:
        assert fetch(url + "/") == b"my own page"
        script = block("From Python", "python").replace("http://127.0.0.1:5000", url + "/transfer")
        uploaded = run([sys.executable, "-c", script], tmp_path).strip()
        assert uploaded.startswith(url + "/transfer/files/")
        assert fetch(uploaded) == content
        assert json.loads(fetch(url + "/transfer/status"))["uploads"][0]["filename"] == "video.mp4"
        assert url + "/transfer/static/vendor/uppy.js" in files_of_page(url + "/transfer/")
    assert any((tmp_path / "uploads").iterdir())


def test_every_file_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) >= 4
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_command_for_make_in_the_readme_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"run", "test", "test-all", "build"} <= named <= targets


def test_the_command_that_measures_a_server_finds_this_one_good(own_server: RunningServer) -> None:
    (command,) = re.findall(r"`python (-m tusserver\.check URL)`", README)
    said = run([sys.executable, *command.replace("URL", own_server.endpoint).split()], ROOT)
    assert re.search(r"^MUST +\d+ holds", said, re.MULTILINE)


@pytest.mark.parametrize("chosen", re.findall(r"`\.venv/bin/python -m pytest (.+?)`", README))
def test_a_command_that_shows_a_promise_finds_tests(chosen: str) -> None:
    run([sys.executable, "-m", "pytest", "--collect-only", "-q", *chosen.split()], ROOT)


def test_the_extensions_of_the_readme_are_those_the_server_offers(server: RunningServer) -> None:
    table = README.split("| extension of tus 1.0 |")[1].split("\n\n")[0]
    told = set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE))
    request = urllib.request.Request(server.endpoint, method="OPTIONS")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        assert told == set(answer.headers["Tus-Extension"].split(","))


def test_the_settings_of_the_readme_exist_with_the_defaults_it_tells() -> None:
    known = {entry.bare_variable: entry.default for entry in table()}
    rows = re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \| (.+?) \|", README, re.MULTILINE)
    assert len(rows) >= 6
    for names, defaults in rows:
        told = [default.strip("` ") for default in defaults.split(",")]
        assert told == [known[name] for name in re.findall("[A-Z_]+", names)]
