"""curl by hand, as a shell script or a curious person uses the server."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.fronts import Front
from tests.clients.relay import Relay
from tests.clients.wire import MB, assert_stored, make_file, metadata, offset, wait_for_what_passed

pytestmark = pytest.mark.engines

TUS = ("-H", "Tus-Resumable: 1.0.0")
PATCH = (*TUS, "-X", "PATCH", "-H", "Content-Type: application/offset+octet-stream")
NO_EXPECT = ("-H", "Expect:")


def command(*arguments: str) -> list[str]:
    if shutil.which("curl") is None:
        pytest.fail("these tests need curl: install it and run `make test-all`", pytrace=False)
    return ["curl", "--silent", "--show-error", "--max-time", "30", *arguments]


def curl(*arguments: str, body: bytes | None = None) -> str:
    """What curl prints, the log of `--verbose` included; fails the test when curl fails."""
    done = subprocess.run(command(*arguments), input=body, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=40)
    assert done.returncode == 0, done.stdout
    return done.stdout.decode()


def field(answer: str, name: str) -> str:
    found = re.search(rf"^{name}: (.*?)\r?$", answer, re.MULTILINE | re.IGNORECASE)
    assert found, answer
    return found[1]


def create(front: Front, length: int, *arguments: str) -> str:
    answer = curl("-i", "-X", "POST", *TUS, "-H", f"Upload-Length: {length}", *arguments, front.endpoint)
    assert answer.startswith("HTTP/1.1 201"), answer
    location = field(answer, "Location")
    return location if location.startswith("http") else front.url + location


def test_the_whole_conversation(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3000)
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(file.read_bytes()[:1000])
    second.write_bytes(file.read_bytes()[1000:])

    answer = curl("-i", "-X", "OPTIONS", front.endpoint)
    assert field(answer, "Tus-Version") == "1.0.0"
    url = create(front, 3000, "-H", "Upload-Metadata: filename ZGF0YS5iaW4=,is_public")
    answer = curl("-i", *PATCH, "-H", "Upload-Offset: 0", "--data-binary", f"@{first}", url)
    assert answer.startswith("HTTP/1.1 204"), answer
    assert field(answer, "Upload-Offset") == "1000"
    answer = curl("--head", *TUS, url)
    assert (field(answer, "Upload-Offset"), field(answer, "Upload-Length")) == ("1000", "3000")
    answer = curl("-i", *PATCH, "-H", "Upload-Offset: 1000", "--data-binary", f"@{second}", url)
    assert field(answer, "Upload-Offset") == "3000"
    assert metadata(url) == {"filename": "data.bin", "is_public": ""}
    curl("--output", str(tmp_path / "back"), url)
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    assert curl("-i", "-X", "DELETE", *TUS, url).startswith("HTTP/1.1 204")
    assert curl("-i", url).split()[1] in ("404", "410")


def test_a_file_goes_with_its_creation(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    kind = ("-H", "Content-Type: application/offset+octet-stream")
    url = create(front, 3 * MB, *NO_EXPECT, *kind, "--data-binary", f"@{file}")
    assert_stored(url, file)


def test_a_large_body_waits_for_100_continue_and_gets_it(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    url = create(front, 3 * MB)
    # curl sends the body by itself when no answer comes for this long; the test is that it need not.
    patience = ("--expect100-timeout", "20", "--max-time", "10")
    log = curl("-v", *patience, *PATCH, "-H", "Upload-Offset: 0", "--data-binary", f"@{file}", url)
    assert "> Expect: 100-continue" in log
    assert log.index("< HTTP/1.1 100") < log.index("< HTTP/1.1 204")
    assert_stored(url, file)


@pytest.mark.parametrize("front", ["direct"], indirect=True)
def test_a_refused_body_that_waits_for_100_continue_is_not_sent(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    url = create(front, 3 * MB)
    told = ("--output", str(tmp_path / "problem"), "--write-out", "%{http_code} %{size_upload}")
    assert curl(*told, *PATCH, "-H", "Upload-Offset: 7", "--data-binary", f"@{file}", url) == "409 0"
    assert offset(url) == 0


@pytest.mark.parametrize("sent_by", ["from-memory", "as-a-stream"])
def test_the_refusal_of_40_megabytes_under_way_arrives(front: Front, tmp_path: Path, sent_by: str) -> None:
    file = make_file(tmp_path / "data.bin", 40 * MB)
    url = create(front, 40 * MB)
    body = ("--data-binary", f"@{file}") if sent_by == "from-memory" else ("-T", str(file))
    answer = curl("-i", *PATCH, *NO_EXPECT, "-H", "Upload-Offset: 7", *body, url)
    assert answer.startswith("HTTP/1.1 409"), answer[:500]
    assert offset(url) == 0


def test_a_pipe_is_sent_in_chunks(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    url = create(front, 3 * MB)
    log = curl("-v", *PATCH, "-H", "Upload-Offset: 0", "-T", "-", url, body=file.read_bytes())
    assert "> Transfer-Encoding: chunked" in log
    assert_stored(url, file)


@pytest.mark.parametrize("sent_by", ["a-file", "a-pipe"])
def test_what_arrived_before_a_kill_is_kept(front: Front, tmp_path: Path, sent_by: str) -> None:
    file = make_file(tmp_path / "big.bin", 16 * MB)
    with Relay(front.port, rate=8 * MB) as line:
        path = create(front, 16 * MB).removeprefix(front.url)
        body = ("-T", str(file)) if sent_by == "a-file" else ("-T", "-")
        sending = command(*PATCH, *NO_EXPECT, "-H", "Upload-Offset: 0", *body, line.url + path)
        with file.open("rb") as stream, subprocess.Popen(sending, stdin=stream) as killed:
            line.wait(4 * MB)
            killed.kill()
        line.cut()
        url = front.url + path
        at = wait_for_what_passed(url, line)
    assert 0 < at < 16 * MB
    curl(*PATCH, "-H", f"Upload-Offset: {at}", "-T", "-", url, body=file.read_bytes()[at:])
    assert_stored(url, file)


def test_a_download_that_was_cut_is_continued(front: Front, tmp_path: Path) -> None:
    file = make_file(tmp_path / "data.bin", 3 * MB)
    url = create(front, 3 * MB)
    curl(*PATCH, *NO_EXPECT, "-H", "Upload-Offset: 0", "-T", str(file), url)
    (tmp_path / "back").write_bytes(file.read_bytes()[:MB])
    curl("--continue-at", "-", "--output", str(tmp_path / "back"), url)
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
