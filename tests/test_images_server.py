"""Images at the door of a real server: the example of the API's README, its `.env`, hostile files, kills."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.clients.fronts import free_port
from tests.clients.people import NAME, PASSWORD, asking, bearer
from tests.commanding import command, environment
from tests.image_client import END, FORM, file, part
from tests.image_corpus import STATUS, Odd, corpus
from tests.pictures import jpeg_of, noise, opened, picture, png_of
from tests.running import LISTENING, RunningServer, running, wait_until
from tests.test_crashes import Wire
from tests.test_rest_memory import resident

MIB = 1 << 20
TIMEOUT = 60
EXAMPLE = """
{
  "message": "Successfully uploaded 2 files",
  "data": [
    {
      "stored_filename": "image1.jpg",
      "preview_url": "http://127.0.0.1:5000/uploads/image1.jpg",
      "original_filename": "image1.jpg",
      "file_size": 125000,
      "content_type": "image/jpeg"
    },
    {
      "stored_filename": "image2.png",
      "preview_url": "http://127.0.0.1:5000/uploads/image2.png",
      "original_filename": "image2.png",
      "file_size": 250000,
      "content_type": "image/png"
    }
  ]
}
"""
ENV = """
# Server settings
HOST=0.0.0.0  # Listen on all interfaces
PORT=8000     # Custom port
RELOAD=False  # Disable auto-reload in production

# Storage settings
UPLOAD_FOLDER=/path/to/custom/storage
"""


def post(server: RunningServer, body: bytes, **headers: str) -> requests.Response:
    """A form in every byte."""
    told = {"Content-Type": FORM} | {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.post(server.url + "/api/upload", body, headers=told, timeout=TIMEOUT)


def test_the_example_of_the_readme_comes_out_word_for_word(own_server: RunningServer) -> None:
    images = {"image1.jpg": jpeg_of(125_000), "image2.png": png_of(250_000)}
    files = [("files", (name, data)) for name, data in images.items()]
    url, host = own_server.url + "/api/upload", {"Host": "127.0.0.1:5000"}
    answer = requests.post(url, files=files, headers=host, timeout=TIMEOUT)
    assert answer.status_code == 200
    told, example = answer.json(), json.loads(EXAMPLE)
    assert told["message"] == example["message"]
    fields = list(example["data"][0])
    assert [{name: one[name] for name in fields} for one in told["data"]] == example["data"]
    for one in told["data"]:
        shown = requests.get(one["preview_url"].replace("http://127.0.0.1:5000", own_server.url), timeout=TIMEOUT)
        assert shown.content == images[one["stored_filename"]]
        assert shown.headers["Content-Type"] == one["content_type"]


def test_the_env_file_of_the_readme_works_as_it_stands(tmp_path: Path) -> None:
    """But for the folder and the port, which another test may have: everywhere but on loopback a token is needed."""
    port = free_port()
    env = ENV.replace("/path/to/custom/storage", str(tmp_path / "custom storage")).replace("8000", str(port))
    (tmp_path / ".env").write_text(env)
    add = command("user", "add", NAME, "--password-stdin")
    variables = {name: value for name, value in environment(tmp_path).items() if name != "HOST"}
    subprocess.run(add, cwd=tmp_path, env=variables, input=PASSWORD + "\n", text=True, check=True)
    process = subprocess.Popen(
        command("serve"), cwd=tmp_path, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        (address,) = [found for _ in range(1) if (found := LISTENING.search(process.stdout.readline()))]
        assert address[1] == f"http://0.0.0.0:{port}/"
        url, files = f"http://127.0.0.1:{port}", [("files", ("a.png", picture()))]
        refused = requests.post(url + "/api/upload", files=files, timeout=TIMEOUT)
        assert (refused.status_code, refused.json()["code"]) == (401, "token-needed")
        credentials = {"username": NAME, "password": PASSWORD}
        token = requests.post(url + "/auth/token", credentials, timeout=TIMEOUT).json()["access_token"]
        sent = {"Authorization": f"Bearer {token}"}
        (one,) = requests.post(url + "/api/upload", files=files, headers=sent, timeout=TIMEOUT).json()["data"]
        assert one["preview_url"] == url + "/uploads/a.png"
        assert requests.get(one["preview_url"], timeout=TIMEOUT).content == picture()
        assert (tmp_path / "custom storage" / "bytes" / one["upload_id"][:2] / one["upload_id"]).is_file()
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "Traceback" not in said, said


def statuses(server: RunningServer) -> dict[str, str]:
    """What the server tells of each upload."""
    told = requests.get(server.url + "/status", timeout=TIMEOUT).json()["uploads"]
    return {one["filename"]: one["status"] for one in told}


def named(odd: Odd) -> bytes:
    """The form for one file, whose name may be anything."""
    return part("files", odd.data, f"; filename*=UTF-8''{quote(odd.filename, safe='')}") + END


def expected(odd: Odd) -> tuple[object, ...]:
    """What becomes of a file."""
    if odd.seen is None:
        return STATUS[odd.code or ""], odd.code
    return 200, odd.seen.content_type, odd.seen.width, odd.seen.height, odd.stored, True


def outcome(server: RunningServer, odd: Odd) -> tuple[object, ...]:
    """What became of a file that was sent; if it was taken, also whether it and its thumbnail are shown."""
    answer = post(server, named(odd))
    if answer.status_code != 200:
        return answer.status_code, answer.json()["code"]
    (one,) = answer.json()["data"]
    shown = requests.get(one["preview_url"], timeout=TIMEOUT)
    is_shown = shown.content == odd.data and shown.headers["Content-Type"] == one["content_type"]
    small = requests.get(one["thumbnail_url"], timeout=TIMEOUT)
    is_shown = is_shown and small.status_code == 200 and opened(small.content).width <= 320
    removed = requests.delete(f"{server.url}/api/images/{quote(one['stored_filename'])}", timeout=TIMEOUT)
    assert removed.status_code == 204
    stored = None if odd.stored is None else one["stored_filename"]
    return 200, one["content_type"], one["width"], one["height"], stored, is_shown


def test_right_files_are_taken_and_shown_and_wrong_ones_refused_in_little_memory(tmp_path: Path) -> None:
    # A part without a filename is no file, whatever it has inside.
    files = [odd for odd in corpus() if odd.filename]
    assert len(files) >= 60
    with running(tmp_path, "--durability", "never") as server:
        assert post(server, file(picture()) + END).status_code == 200
        before = resident(server)
        wrong = {odd.what: (came, expected(odd)) for odd in files if (came := outcome(server, odd)) != expected(odd)}
        assert wrong == {}
        assert resident(server) - before < 50 * MIB
        assert len(statuses(server)) == 1
    assert "ERROR" not in server.output


def test_a_refusal_reaches_a_client_that_goes_on_sending(own_server: RunningServer) -> None:
    """40 MB behind the first byte too many are read and dropped; what was refused is told, and not a broken pipe."""
    body = file(jpeg_of(25_000_001), "a.jpg") + file(bytes(40_000_000), "b.jpg") + END
    for sent in (body, file(b"hello", "a.txt") + body):
        answer = post(own_server, sent)
        assert answer.json()["code"] in ("image-too-large", "extension-not-allowed")
        assert answer.status_code in (413, 415)
    assert requests.get(own_server.url + "/status", timeout=TIMEOUT).json()["uploads"] == []


@pytest.mark.parametrize("expect", ["Expect: 100-continue\r\n", ""], ids=["asking-first", "at-once"])
def test_a_form_of_nobody_is_refused_before_it_comes(tmp_path: Path, expect: str) -> None:
    with asking(tmp_path / "uploads") as server, socket.create_connection(("127.0.0.1", server.port), 10) as line:
        head = f"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: 90000\r\n"
        line.sendall(f"{head}{expect}\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 401 ")


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(own_server: RunningServer) -> None:
    body = file(picture()) + END
    told = {"Content-Type": FORM, "Content-Length": str(len(body)), "Expect": "100-continue"}
    wire = Wire(own_server)
    with wire.send("POST", "/api/upload", told) as line:
        assert line.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(body)
        assert wire.answer(line)[0] == 200


def stored_sizes(server: RunningServer) -> list[int]:
    return sorted(path.stat().st_size for path in (server.folder / "bytes").rglob("*") if path.is_file())


@pytest.mark.parametrize("whole", [0, 1, 2], ids=["in the first", "in the second", "in the third"])
def test_a_kill_in_the_middle_of_a_form_leaves_nothing_that_is_shown(tmp_path: Path, whole: int) -> None:
    files = [file(noise("PNG", (300, 300)), f"{number}.png") for number in range(3)]
    body = b"".join(files[:whole]) + files[whole][:-80_000]
    server = RunningServer(tmp_path)
    told = {"Content-Type": FORM, "Content-Length": str(len(b"".join(files) + END))}
    with Wire(server).send("POST", "/api/upload", told, body):
        wait_until(lambda: len(stored_sizes(server)) == whole + 1 and stored_sizes(server)[0] > 0)
        server.kill()
    with running(tmp_path) as again:
        wait_until(lambda: len(statuses(again)) == whole + 1)
        assert set(statuses(again).values()) <= {"pending", "partial"}
        assert requests.get(again.url + "/api/images", timeout=TIMEOUT).json()["data"] == []
        for number in range(3):
            shown = requests.get(f"{again.url}/uploads/{number}.png", timeout=TIMEOUT)
            assert (shown.status_code, shown.json()["code"]) == (404, "upload-not-found")
        # What had come as a whole is not kept as the beginning of something either.
        wait_until(lambda: stored_sizes(again)[:whole] == [0] * whole)
        cleaned = requests.delete(again.url + "/cleanup?older_than=0", timeout=TIMEOUT).json()
        assert cleaned["removed_count"] == whole + 1
        assert stored_sizes(again) == []
        assert post(again, b"".join(files) + END).status_code == 200


def test_images_are_there_after_a_kill_under_the_names_that_were_told(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    told: list[dict[str, Any]] = post(server, file(picture()) + file(picture()) + END).json()["data"]
    server.kill()
    with running(tmp_path) as again:
        for one in told:
            shown = requests.get(f"{again.url}/uploads/{one['stored_filename']}", timeout=TIMEOUT)
            assert shown.content == picture()


def test_a_stop_during_a_form_leaves_nothing_of_it(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    body = file(picture()) + file(noise("PNG", (300, 300)), "b.png")
    told = {"Content-Type": FORM, "Content-Length": str(2 * len(body))}
    with Wire(server).send("POST", "/api/upload", told, body[:-80_000]):
        wait_until(lambda: len(stored_sizes(server)) == 2 and stored_sizes(server)[0] > 0)
        assert server.stop() == 0
    assert "Traceback" not in server.output
    assert stored_sizes(server) == []


def test_private_images_need_the_token_of_their_owner(tmp_path: Path) -> None:
    with asking(tmp_path / "uploads", "--images", "private") as server:
        assert post(server, file(picture()) + END, **bearer(server)).status_code == 200
        url = server.url + "/uploads/a.png"
        assert requests.get(url, headers=bearer(server), timeout=TIMEOUT).content == picture()
        assert requests.get(url, timeout=TIMEOUT).status_code == 401


def test_no_process_that_reads_images_outlives_the_server(tmp_path: Path) -> None:
    server = RunningServer(tmp_path)
    assert post(server, file(picture()) + END).status_code == 200
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    children = [child for task in tasks for child in (task / "children").read_text().split()]
    assert children
    server.kill()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
