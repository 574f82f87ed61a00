"""`/docs` and `/redoc` as they are served: each file from this server, under any prefix, by a policy that holds it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from tests.browsing import NAMED_IN_HTML
from tests.rest_client import RestClient
from tests.tus_client import TusClient
from tusserver.app import setup
from tusserver.settings import Settings
from tusserver.web import api_pages
from tusserver.web.page import FOLDER

PAGES = {"/docs": "swagger-ui.js", "/redoc": "redoc.js"}


@pytest.fixture
def rest(tus: TusClient) -> RestClient:
    return RestClient(tus)


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of static files in which no library was made yet."""
    folder = tmp_path / "static"
    folder.mkdir()
    for name in ("docs.html", "redoc.html"):
        (folder / name).write_bytes((FOLDER / name).read_bytes())
    monkeypatch.setattr(api_pages, "FOLDER", folder)
    return folder


@pytest.mark.parametrize("prefix", ["", "/transfer"])
@pytest.mark.parametrize("path", PAGES)
async def test_a_page_names_only_files_that_are_there_below_the_prefix(
    aiohttp_client: AiohttpClient, tmp_path: Path, path: str, prefix: str
) -> None:
    app = web.Application()
    setup(app, Settings(upload_folder=tmp_path / "uploads", base_url="https://example.com"), prefix=prefix)
    rest = RestClient(TusClient(await aiohttp_client(app)))
    page = await rest.send("GET", prefix + path)
    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    named = [urljoin(prefix + path, name) for name in NAMED_IN_HTML.findall(page.body.decode())]
    assert f"{prefix}/static/vendor/{PAGES[path]}" in named
    assert all(name.startswith(f"{prefix}/static/") for name in named)
    assert [(await rest.send("GET", name)).status for name in named] == [200] * len(named)
    links = [urljoin(prefix + path, name) for name in re.findall(r'<a href="([^"]+)"', page.body.decode())]
    assert set(links) == {f"{prefix}/", f"{prefix}/docs", f"{prefix}/redoc", f"{prefix}/openapi.json"}
    assert [(await rest.send("GET", name)).status for name in links] == [200] * len(links)


@pytest.mark.parametrize("path", PAGES)
async def test_the_policy_of_a_page_names_nothing_but_this_server(rest: RestClient, path: str) -> None:
    page = await rest.send("GET", path)
    policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["connect-src"]) == ("'self'", "'self'")
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    sources = " ".join(policy.values()).split()
    assert [word for word in sources if "unsafe" in word or "*" in word or "http" in word] == []
    assert not re.search(rb"<script>|<style|\bon\w+=|style=", page.body)
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
async def test_without_its_library_a_page_says_how_to_get_it(rest: RestClient, static: Path, path: str) -> None:
    page = await rest.send("GET", path)
    assert (page.status, page.headers["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert b"make assets" in page.body
    assert b'href="openapi.json"' in page.body
    assert b"<script" not in page.body


async def test_a_page_is_there_as_soon_as_its_library_is(rest: RestClient, static: Path) -> None:
    assert (await rest.send("GET", "/docs")).status == 503
    (static / "vendor").mkdir()
    (static / "vendor" / "swagger-ui.js").write_text("")
    assert (await rest.send("GET", "/docs")).status == 200
    assert (await rest.send("GET", "/redoc")).status == 503


@pytest.mark.parametrize("name", ["vendor/swagger-ui.js", "vendor/swagger-ui.css", "vendor/redoc.js"])
async def test_a_library_goes_compressed_to_a_browser_that_takes_it_so(rest: RestClient, name: str) -> None:
    packed = await rest.send("GET", f"/static/{name}", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < (FOLDER / name).stat().st_size / 2
    assert packed.body == (FOLDER / name).read_bytes()


def test_no_library_asks_for_its_maker_or_for_a_source_map() -> None:
    for name in ("swagger-ui.js", "swagger-ui.css", "redoc.js"):
        text = (FOLDER / "vendor" / name).read_text()
        assert "sourceMappingURL" not in text[-200:]
        assert "https://cdn." not in text


def test_a_library_that_would_ask_elsewhere_in_a_new_way_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FOLDER.resolve()))
    assets = importlib.import_module("assets")
    bundle = tmp_path / "redoc.standalone.js"
    bundle.write_bytes(b'img("https://cdn.redoc.ly/redoc/logo-mini.svg")\n//# sourceMappingURL=redoc.standalone.js.map')
    assert assets.ready_made(bundle) == b'img("data:,")\n'
    bundle.write_bytes(b'img("https://example.com/logo.svg")')
    with pytest.raises(assets.BuildError, match="another address"):
        assets.ready_made(bundle)


def test_the_licences_of_what_is_shown_are_collected() -> None:
    text = (FOLDER / "vendor" / "licenses.txt").read_text()
    heads = re.findall(r"^(@?[\w./-]+) \d+\.\d+\.\d+\S*$", text, re.MULTILINE)
    assert {"swagger-ui-dist", "redoc", "react", "mobx", "styled-components", "@uppy/core"} <= set(heads)
    assert "SmartBear Software Inc." in text
