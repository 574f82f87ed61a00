"""The page at `/` in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.page import PAUSE_ALL, RESUME_ALL, ServerPage, create, state_of
from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, assert_stored, make_file, metadata, offset
from tests.running import RunningServer, running, wait_until

pytestmark = pytest.mark.engines


def assert_one_upload_went_on(page: ServerPage) -> None:
    """One creation, and after the break a PATCH from where the server was."""
    assert len(page.requests("POST")) == 1
    offsets = [int(request["offset"]) for request in page.requests("PATCH")]
    assert offsets.count(0) == 1
    assert offsets[-1] > 0


def test_it_loads_without_an_error_and_asks_nobody_else(page: ServerPage, own_server: RunningServer) -> None:
    page.open(own_server.url)
    page.wait(role="button", name="Choose files")
    page.wait(role="button", name="Choose a folder")
    assert page.text("#empty .empty-title") == "Nothing here yet"
    assert page.do("failures") == []
    assert page.hosts() == {f"127.0.0.1:{own_server.port}"}
    assert page.do("layout")["shift"] < 0.01


def test_files_of_any_name_and_size_arrive_as_they_are(
    page: ServerPage, own_server: RunningServer, tmp_path: Path
) -> None:
    files = [
        make_file(tmp_path / "empty.txt", 0),
        make_file(tmp_path / "отчёт 報告 #1 %.pdf", MB),
        make_file(tmp_path / "<b>bold.bin", 7),
        *(make_file(tmp_path / f"data-{number}.bin", MB // 4) for number in range(6)),
    ]
    page.open(own_server.url)
    page.add(*files)
    urls = page.finish()
    assert urls.keys() == {file.name for file in files}
    for file in files:
        assert_stored(urls[file.name], file)
    assert page.do("failures") == []
    assert page.hosts() == {f"127.0.0.1:{own_server.port}"}


def make_folder(path: Path) -> dict[str, Path]:
    """A folder with folders in it; gives its files by their path from outside of it."""
    (path / "inner" / "most").mkdir(parents=True)
    files = [
        make_file(path / "one.txt", 1000),
        make_file(path / "inner" / "two.txt", 2000),
        make_file(path / "inner" / "most" / "three.txt", 0),
    ]
    return {file.relative_to(path.parent).as_posix(): file for file in files}


@pytest.mark.parametrize("act", ["addFolder", "drop"])
def test_a_folder_chosen_or_dropped_arrives_with_all_that_is_in_it(
    page: ServerPage, own_server: RunningServer, tmp_path: Path, act: str
) -> None:
    files = make_folder(tmp_path / "folder")
    folder = str(tmp_path / "folder")
    page.open(own_server.url)
    page.do(act, [folder] if act == "drop" else folder)
    urls = page.finish()
    assert urls.keys() == files.keys()
    for name, file in files.items():
        assert_stored(urls[name], file)
        assert metadata(urls[name])["relativePath"] == name


def test_files_that_fall_on_the_page_arrive(page: ServerPage, own_server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", MB)
    page.open(own_server.url)
    page.do("drop", [str(file)])
    assert_stored(page.finish()[file.name], file)


def test_all_uploads_pause_and_go_on_by_one_button(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    page.click(**PAUSE_ALL)
    wait_until(lambda: state_of(page, big.name) == "paused")
    line.rate = None
    page.click(**RESUME_ALL)
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


def test_one_of_two_uploads_pauses_by_its_own_button(page: ServerPage, line: Relay, big: Path, tmp_path: Path) -> None:
    other = make_file(tmp_path / "other.bin", 12 * MB)
    page.open(line.url)
    page.add(big, other)
    line.wait(3 * MB)
    page.click(css=".uppy-Dashboard-Item:has([title='big.bin']) .uppy-Dashboard-Item-progressIndicator")
    wait_until(lambda: state_of(page, big.name) == "paused")
    line.rate = None
    wait_until(lambda: [row["status"] for row in page.rows() if row["name"] == other.name] == ["complete"])
    assert state_of(page, big.name) == "paused"
    page.click(css=".uppy-Dashboard-Item:has([title='big.bin']) .uppy-Dashboard-Item-progressIndicator")
    urls = page.finish()
    assert_stored(urls[big.name], big)
    assert_stored(urls[other.name], other)


def test_after_a_reload_an_upload_goes_on_by_itself(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    wait_until(lambda: state_of(page, big.name) == "uploading")
    page.do("reload")
    wait_until(lambda: page.text("#toast") == "Went on with the upload where it stopped")
    line.rate = None
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


def test_what_was_paused_before_a_reload_waits_for_a_click(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    page.click(**PAUSE_ALL)
    page.do("reload")  # at once: Uppy writes its state half a second late
    wait_until(lambda: state_of(page, big.name) == "paused")
    assert "Everything is still here" in page.text(".uppy-Dashboard-serviceMsg")
    line.rate = None
    page.click(role="button", name="Go on")
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


def test_a_file_the_browser_could_not_keep_is_asked_for_and_goes_on(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    wait_until(lambda: state_of(page, big.name) == "uploading")
    page.do("loseFile", big.name)
    page.do("reload")
    wait_until(lambda: state_of(page, big.name) == "choose")
    assert "Choose it again" in page.text(".uppy-Dashboard-serviceMsg")
    line.rate = None
    page.click(role="button", name="Choose again")
    page.add(big)
    urls = page.finish()
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


def test_when_a_file_that_is_missing_is_given_up_the_others_go_on(
    page: ServerPage, line: Relay, tmp_path: Path
) -> None:
    files = [make_file(tmp_path / f"{name}.bin", 6 * MB) for name in ("kept", "lost")]
    page.open(line.url)
    page.add(*files)
    line.wait(3 * MB)
    wait_until(lambda: {row["state"].split(" ")[0] for row in page.rows()} == {"uploading"})
    page.do("loseFile", "lost.bin")
    page.do("reload")
    wait_until(lambda: (state_of(page, "kept.bin"), state_of(page, "lost.bin")) == ("waiting", "choose"))
    line.rate = None
    page.click(css=".uppy-Dashboard-Item.is-ghost .uppy-Dashboard-Item-action--remove")
    wait_until(lambda: [row["name"] for row in page.rows() if row["status"] == "complete"] == ["kept.bin"])
    [kept] = [row["url"] for row in page.rows() if row["status"] == "complete"]
    assert len(page.requests("POST")) == 2
    assert_stored(kept, files[0])


def test_a_second_tab_leaves_the_uploads_to_the_first(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    line.rate = MB
    page.do("tab", line.url)
    wait_until(lambda: state_of(page, big.name) == "arriving")
    line.rate = None
    wait_until(lambda: [row["status"] for row in page.rows()] == ["complete"])
    assert [int(request["offset"]) for request in page.requests("PATCH")] == [0]
    assert_stored(page.rows()[0]["url"], big)


def test_a_network_that_goes_and_comes_back_is_told_and_costs_nothing(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    page.do("offline", True)
    # Chromium's switch stops new requests only.
    line.cut()
    wait_until(lambda: page.text("#connection") == "offline, uploads wait")
    wait_until(lambda: state_of(page, big.name) == "waiting")
    line.rate = None
    page.do("offline", False)
    urls = page.finish()
    assert page.text("#connection") == "connected"
    assert_one_upload_went_on(page)
    assert_stored(urls[big.name], big)


def test_a_server_that_dies_and_comes_back_is_told_and_costs_nothing(
    page: ServerPage, big: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "uploads"
    server = RunningServer(folder)
    with Relay(server.port, rate=4 * MB) as line:
        page.open(line.url)
        page.add(big)
        line.wait(3 * MB)
        server.kill()
        wait_until(lambda: page.text("#connection") == "no answer, trying again")
        line.rate = None
        with running(folder, port=server.port):
            urls = page.finish()
            assert page.text("#connection") == "connected"
            assert_one_upload_went_on(page)
            assert_stored(urls[big.name], big)


def test_where_the_server_does_not_list_uploads_the_page_lists_its_own(
    page: ServerPage, own_server: RunningServer, tmp_path: Path
) -> None:
    create(own_server, "of-somebody-else.txt")
    file = make_file(tmp_path / "mine.bin", MB)
    page.open(own_server.url)
    page.do("answer", {"path": "/status", "status": 403, "problem": {"detail": "uploads are not listed"}})
    page.do("reload")
    wait_until(lambda: page.text("#recent-title") == "From this browser")
    page.add(file)
    urls = page.finish()
    assert urls.keys() == {file.name}
    assert_stored(urls[file.name], file)
    page.do("reload")
    wait_until(lambda: [row["name"] for row in page.rows()] == [file.name])
    assert ask("DELETE", urls[file.name], TUS).status == 204
    page.click(role="button", name="Refresh the list")
    page.wait(css="#empty")


def test_a_list_that_cannot_be_read_says_why_in_words(page: ServerPage, own_server: RunningServer) -> None:
    page.open(own_server.url)
    page.do("answer", {"path": "/status", "status": 503, "problem": {"detail": "the records are being moved"}})
    page.click(role="button", name="Refresh the list")
    page.wait(css="#recent-error")
    assert page.text("#recent-error") == "The list could not be refreshed: the records are being moved."


def test_a_file_over_the_limit_is_refused_before_it_is_sent(page: ServerPage, tmp_path: Path) -> None:
    with running(tmp_path / "uploads", "--max-size", "1MB") as server:
        page.open(server.url)
        wait_until(lambda: "up to" in page.text(".uppy-Dashboard-note"))
        page.add(make_file(tmp_path / "large.bin", 2 * MB))
        wait_until(lambda: "large.bin is larger than this server takes" in page.text("#toast"))
        assert page.requests("POST") == []


def test_a_refusal_is_told_in_the_servers_words(page: ServerPage, tmp_path: Path) -> None:
    with running(tmp_path / "uploads", "--max-metadata", "20B") as server:
        page.open(server.url)
        page.add(make_file(tmp_path / "data.bin", 10))
        wait_until(lambda: page.text("#toast").startswith("data.bin stopped: "))
        assert "at most 20" in page.text("#toast")
        assert "tus:" not in page.text("#toast")


def test_without_its_built_parts_the_page_says_what_to_do(page: ServerPage, own_server: RunningServer) -> None:
    create(own_server, "there.txt")
    page.open(own_server.url, missing="/vendor/uppy.js")
    page.wait(css="#drop-missing")
    assert "make" in page.text("#drop-missing")
    assert [row["name"] for row in page.rows()] == ["there.txt"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_in_each_of_its_states(
    page: ServerPage, line: Relay, tmp_path: Path, width: int, scheme: str
) -> None:
    long = make_file(tmp_path / "a-name-without-a-single-space-that-is-wider-than-a-telephone-is.tar.gz", 6 * MB)
    files = [make_file(tmp_path / "notes.txt", 2000), make_file(tmp_path / "Übersicht 東京.pdf", 6 * MB), long]
    shots = tmp_path / "screenshots"

    def look(state: str) -> None:
        page.do("screenshot", str(shots / f"{state}-{width}-{scheme}.png"))
        assert page.do("layout")["overflow"] <= 0

    page.open(line.url, width=width, height=860, scheme=scheme, touch=width < 800)
    page.wait(css=".uppy-Dashboard-note")
    look("empty")
    page.add(*files)
    line.wait(4 * MB)
    wait_until(lambda: state_of(page, long.name) == "uploading")
    look("uploading")
    line.rate = None
    page.finish()
    look("done")
    assert page.do("failures") == []
    assert len(list(shots.iterdir())) == 3


def test_the_speed_and_the_time_left_are_shown_while_bytes_go(page: ServerPage, line: Relay, tmp_path: Path) -> None:
    line.rate = 2 * MB
    page.open(line.url)
    page.add(make_file(tmp_path / "long.bin", 20 * MB))
    said = re.compile(r"(\d\.\d|\d) MB/s, (\d+ s) left")
    wait_until(lambda: said.fullmatch(page.text("#connection")))
    found = said.fullmatch(page.text("#connection"))
    assert found is not None
    assert 1.2 < float(found[1]) < 2.8
    line.rate = None
    page.finish()
    wait_until(lambda: page.text("#connection") == "connected")


def test_what_the_page_is_made_from_is_named_and_not_served(server: RunningServer) -> None:
    answer = ask("GET", server.url + "/static/vendor/licenses.txt")
    assert answer.status == 200
    assert b"@uppy/core" in answer.body
    for name in ("assets.py", "package.json", "package-lock.json", ".npmrc", "vendor.mjs", "vendor/stamp"):
        assert ask("GET", f"{server.url}/static/{name}").status == 404


def test_the_offset_the_page_shows_is_the_one_the_server_tells(page: ServerPage, line: Relay, big: Path) -> None:
    page.open(line.url)
    page.add(big)
    line.wait(3 * MB)
    page.click(**PAUSE_ALL)
    wait_until(lambda: state_of(page, big.name) == "paused")
    url = page.requests("PATCH")[0]["url"]
    page.click(role="button", name="Refresh the list")
    wait_until(lambda: page.rows()[0]["state"] == f"paused {100 * offset(url) // (12 * MB)} %")
