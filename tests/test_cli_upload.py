"""`tusserver upload` against the real server: over good lines and bad ones, killed on either side, refused."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.relay import Relay
from tests.clients.wire import MB, TUS, ask, assert_stored, make_file, metadata, offset, wait_for_what_passed
from tests.commanding import command, environment, inside, refused, start, tusserver, uploaded
from tests.running import RunningServer, running

# Headers of some requests, beside the bytes that the line had counted and the server has not told yet.
HEADERS = 16_000


@contextmanager
def killed_in_the_middle(folder: Path, line: Relay, file: Path) -> Iterator[tuple[str, int]]:
    """Upload over a slow line until some of the file has passed, then `kill -9`; gives the address and its offset."""
    line.rate = 8 * MB
    with start(folder, "upload", file, "--to", line.endpoint) as killed:
        line.wait(line.passed + 3 * MB)
        killed.kill()
    line.cut()
    line.rate = None
    (stored,) = (folder / "state" / "tusserver" / "uploads").glob("*.json")
    (entry,) = json.loads(stored.read_text())["_default"].values()
    yield entry["url"], wait_for_what_passed(entry["url"], line)


def test_files_arrive_with_name_and_type_and_their_addresses_are_printed(server: RunningServer, tmp_path: Path) -> None:
    files = [
        make_file(tmp_path / name, size) for name, size in (("отчёт 報告.pdf", 3 * MB), ("empty", 0), ("a.tar.gz", 9))
    ]
    finished = tusserver(tmp_path, "upload", *files, "--to", server.endpoint)
    urls = uploaded(finished)
    for url, file in zip(urls, files, strict=True):
        assert_stored(url, file)
    assert metadata(urls[0]) == {"filename": "отчёт 報告.pdf", "filetype": "application/pdf"}
    assert metadata(urls[1]) == {"filename": "empty"}
    assert metadata(urls[2]) == {"filename": "a.tar.gz"}
    assert "отчёт 報告.pdf: 100% of 2.9 MiB" in finished.stderr


def test_an_address_without_a_path_means_files(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    (url,) = uploaded(inside(tmp_path, "upload", file, "--to", server.url))
    assert url.startswith(server.endpoint)


def test_a_name_that_is_not_utf_8_is_sent_as_far_as_it_is(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    (url,) = uploaded(inside(tmp_path, "upload", file, "--to", server.endpoint))
    assert metadata(url) == {"filename": "caf\N{REPLACEMENT CHARACTER}.png", "filetype": "image/png"}


def test_a_small_chunk_size_and_checksums_give_the_same_bytes(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1_000_003)
    arguments = "--to", server.endpoint, "--chunk-size", "100kB", "--checksum"
    (url,) = uploaded(inside(tmp_path, "upload", file, *arguments))
    assert_stored(url, file)


def test_killed_in_the_middle_the_next_run_sends_only_the_rest(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(server.port) as line, killed_in_the_middle(tmp_path, line, file) as (url, stored):
        assert 2 * MB < stored < 16 * MB
        before = line.passed
        finished = tusserver(tmp_path, "upload", file, "--to", line.endpoint)
        assert uploaded(finished) == [url]
        assert "big.bin: goes on at " in finished.stderr
        assert line.passed - before <= file.stat().st_size - stored + HEADERS
        assert_stored(url, file)


def test_a_server_that_dies_and_comes_back_is_waited_for(tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with running(tmp_path / "kept") as first, Relay(first.port, rate=8 * MB) as line:
        with start(tmp_path, "upload", file, "--to", line.endpoint) as run:
            line.wait(4 * MB)
            first.kill()
            time.sleep(1)
            line.rate = None
            with running(tmp_path / "kept", port=first.port):
                output, _ = run.communicate(timeout=30)
                assert run.returncode == 0, output
                assert "; next try in 0.5 s" in output
                assert_stored(output.splitlines()[-1], file)
        assert line.passed < file.stat().st_size + 2 * MB


def test_a_line_that_is_cut_again_and_again_does_not_matter(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 8 * MB)
    with Relay(server.port, rate=8 * MB) as line:
        with start(tmp_path, "upload", file, "--to", line.endpoint) as run:
            for passed in (2 * MB, 4 * MB, 6 * MB):
                line.wait(passed)
                line.cut()
            output, _ = run.communicate(timeout=30)
        assert run.returncode == 0, output
        assert output.count("goes on at") == 3, output
        assert_stored(output.splitlines()[-1], file)


def test_without_progress_for_too_long_a_file_is_given_up_and_can_go_on_later(tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with running(tmp_path / "kept") as first, Relay(first.port, rate=8 * MB) as line:
        with start(tmp_path, "upload", file, "--to", line.endpoint, "--give-up-after", "1s") as run:
            line.wait(4 * MB)
            first.kill()
            output, _ = run.communicate(timeout=30)
        assert run.returncode == 1
        assert output.splitlines()[-1].endswith("; given up after 1 s without progress")
        line.rate = None
        with running(tmp_path / "kept", port=first.port):
            finished = inside(tmp_path, "upload", file, "--to", line.endpoint)
            assert "goes on at" in finished.stderr
            assert_stored(uploaded(finished)[0], file)


def test_what_is_there_already_is_not_sent_again(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    with Relay(server.port) as line:
        first = uploaded(inside(tmp_path, "upload", file, "--to", line.endpoint))
        before = line.passed
        again = inside(tmp_path, "upload", file, "--to", line.endpoint)
        assert uploaded(again) == first
        assert "data.bin: already there" in again.stderr
        assert line.passed - before < HEADERS
        assert uploaded(inside(tmp_path, "upload", file, "--anew", "--to", line.endpoint)) != first


def test_two_files_of_the_same_bytes_are_two_uploads(server: RunningServer, tmp_path: Path) -> None:
    files = [tmp_path / "one.bin", tmp_path / "two.bin"]
    for file in files:
        file.write_bytes(b"alike" * 20_000)
    urls = uploaded(inside(tmp_path, "upload", *files, "--to", server.endpoint))
    assert [metadata(url)["filename"] for url in urls] == ["one.bin", "two.bin"]


def test_a_file_that_changed_is_not_mixed_with_what_was_sent_of_it(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(server.port) as line, killed_in_the_middle(tmp_path, line, file) as (url, _):
        file.write_bytes(file.read_bytes()[::-1])
        (new,) = uploaded(inside(tmp_path, "upload", file, "--to", line.endpoint))
        assert new != url
        assert_stored(new, file)


@pytest.mark.parametrize("act", ["shorten", "lengthen", "overwrite"])
def test_a_file_that_changes_while_it_is_sent_is_refused(server: RunningServer, tmp_path: Path, act: str) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(server.port, rate=8 * MB) as line, start(tmp_path, "upload", file, "--to", line.endpoint) as run:
        line.wait(2 * MB)
        if act == "shorten":
            os.truncate(file, 1000)
        else:
            with file.open("r+b" if act == "overwrite" else "ab") as stream:
                stream.write(b"changed")
        output, _ = run.communicate(timeout=30)
    assert run.returncode == 1
    assert output.splitlines()[-1].endswith("was changed while it was being sent; run again to send it as it is now")


def test_a_stored_upload_that_is_gone_is_forgotten_and_begun_anew(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 100_000)
    (first,) = uploaded(inside(tmp_path, "upload", file, "--to", server.endpoint))
    assert ask("DELETE", first, TUS).status == 204
    again = inside(tmp_path, "upload", file, "--to", server.endpoint)
    (second,) = uploaded(again)
    assert second != first
    assert "data.bin: what was begun is gone from the server; starts again" in again.stderr
    assert_stored(second, file)
    third = inside(tmp_path, "upload", file, "--to", server.endpoint)
    assert uploaded(third) == [second]


def test_a_stored_address_that_is_half_written_is_begun_anew(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 100_000)
    uploaded(inside(tmp_path, "upload", file, "--to", server.endpoint))
    (stored,) = (tmp_path / "state").rglob("*.json")
    stored.write_text(stored.read_text()[:-9])
    (url,) = uploaded(inside(tmp_path, "upload", file, "--to", server.endpoint))
    assert_stored(url, file)


def test_where_nothing_can_be_kept_a_file_is_uploaded_all_the_same(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    (tmp_path / "blocked").touch()
    place = str(tmp_path / "blocked")
    finished = inside(tmp_path, "upload", file, "--to", server.endpoint, XDG_STATE_HOME=place)
    assert_stored(uploaded(finished)[0], file)
    assert "data.bin: a later run cannot go on with this upload: not a directory" in finished.stderr


def test_a_refused_connection_is_told_in_one_line(tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    finished = tusserver(tmp_path, "upload", file, "--to", "http://127.0.0.1:1/files/")
    assert refused(finished) == f"tusserver: {file}: cannot reach http://127.0.0.1:1/files/: connection refused"
    assert finished.stderr.count("\n") == 1


def test_a_file_that_is_not_there_fails_and_the_others_arrive(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    os.mkfifo(tmp_path / "pipe")
    names = "absent", "data.bin", ".", "pipe"
    finished = inside(tmp_path, "upload", *names, "--to", server.endpoint)
    assert finished.returncode == 1
    assert_stored(finished.stdout.strip(), file)
    assert [line for line in finished.stderr.splitlines() if line.startswith("tusserver: ")] == [
        "tusserver: absent: no such file or directory",
        "tusserver: .: is a folder; name the files in it",
        "tusserver: pipe: is not a file",
    ]


def test_a_file_over_the_limit_is_refused_in_the_words_of_the_server(tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 2000)
    with running(tmp_path / "kept", "--max-size", "1kB") as server:
        line = refused(inside(tmp_path, "upload", file, "--to", server.endpoint))
        detail = json.loads(ask("POST", server.endpoint, {**TUS, "Upload-Length": "2000"}).body)["detail"]
    assert line == f"tusserver: {file}: 413 Request Entity Too Large: {detail}"


@pytest.mark.parametrize("path", ["/nowhere/", "/health"])
def test_an_address_where_nothing_is_created_is_asked_about(server: RunningServer, tmp_path: Path, path: str) -> None:
    file = make_file(tmp_path / "data.bin", 1000)
    line = refused(inside(tmp_path, "upload", file, "--to", server.url + path))
    assert line.endswith(f"; are uploads created at {server.url}{path}?")
    assert line.startswith(f"tusserver: {file}: 40")


def test_ctrl_c_ends_with_130_and_one_line_and_the_next_run_goes_on(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(server.port, rate=8 * MB) as line:
        with start(tmp_path, "upload", file, "--to", line.endpoint) as run:
            line.wait(3 * MB)
            run.send_signal(2)
            output, _ = run.communicate(timeout=20)
        assert (run.returncode, output) == (130, "tusserver: interrupted; the same command goes on from here\n")
        line.rate = None
        finished = inside(tmp_path, "upload", file, "--to", line.endpoint)
        assert "goes on at" in finished.stderr
        assert_stored(uploaded(finished)[0], file)


def test_on_a_terminal_a_bar_is_drawn_and_only_the_address_is_output(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "[red]data.bin", 3 * MB)
    ours, theirs = pty.openpty()
    arguments = command("upload", file, "--to", server.endpoint)
    with subprocess.Popen(
        arguments,
        cwd=tmp_path,
        env=environment(tmp_path, TERM="xterm"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as run:
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 65_536):
                drawn += piece
        except OSError:
            pass  # Linux tells the end of a terminal as an error.
        output, _ = run.communicate()
    os.close(ours)
    assert_stored(output.strip(), file)
    assert "[red]data.bin" in drawn.decode()
    assert "100%" in drawn.decode()


def test_an_upload_that_stops_in_the_middle_is_told_as_unfinished(server: RunningServer, tmp_path: Path) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(server.port) as line, killed_in_the_middle(tmp_path, line, file) as (url, stored):
        assert offset(url) == stored
        assert ask("GET", url).status == 409
