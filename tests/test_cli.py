"""The command line: help, wrong arguments, starting, reloading, cleaning up. Uploading has a file of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import tusserver as package
from tests.clients.wire import TUS, ask, is_gone
from tests.commanding import command, environment, inside, start, tusserver
from tests.running import RunningServer, running
from tusserver.cli.arguments import COMMANDS
from tusserver.settings import table

LISTENING = re.compile(r"listening on (http://127\.0\.0\.1:\d+)")


def one_line(finished: subprocess.CompletedProcess[str], status: int) -> str:
    """The only line that a command which did not do its work printed."""
    assert (finished.returncode, finished.stdout) == (status, ""), finished
    assert re.fullmatch(r"tusserver: [^\n]+\n", finished.stderr), finished.stderr
    return finished.stderr.removeprefix("tusserver: ").rstrip()


def read_until(process: subprocess.Popen[str], pattern: re.Pattern[str]) -> str:
    """Read what a process prints until a line fits; gives its first group."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if found := pattern.search(line):
            return found[1]
    raise AssertionError(f"it ended without {pattern.pattern!r}:\n{seen}")


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    """Send a signal; gives the exit status and what was printed since."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output


def test_help_names_every_command(tmp_path: Path) -> None:
    for flag in ("-h", "--help"):
        shown = inside(tmp_path, flag)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert all(f"    {name} " in shown.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(tmp_path: Path, name: str) -> None:
    shown = inside(tmp_path, name, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith(f"usage: tusserver {name} ")
    assert COMMANDS[name][1:] in " ".join(shown.stdout.split())


def test_the_help_of_serve_has_every_setting_with_its_default(tmp_path: Path) -> None:
    shown = " ".join(inside(tmp_path, "serve", "--help").stdout.split())
    for entry in table():
        metavar = "" if entry.is_switch else f" {entry.kind.metavar}"
        assert f" {entry.flag}{metavar} {entry.help} (default: {entry.default})" in shown


def test_help_and_version_do_not_load_the_server(tmp_path: Path) -> None:
    for arguments in (["--version"], ["--help"], ["serve", "--help"], ["upload", "--help"]):
        code = f"import sys; from tusserver.cli import main; main({arguments!r}); assert 'aiohttp' not in sys.modules"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert tusserver(tmp_path, "--version").stdout == f"tusserver {package.__version__}\n"


def test_the_script_on_the_path_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("tusserver")
    shown = subprocess.run([script, "--version"], capture_output=True, text=True)
    assert shown.stdout == f"tusserver {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--prot", "1"], "serve knows no '--prot'; did you mean --port?"),
        (["serve", "--prot=1"], "serve knows no '--prot'; did you mean --port?"),
        (["serve", "--xyzzy"], "serve knows no '--xyzzy'"),
        (["serve", "now"], "serve knows no 'now'"),
        (["--port"], "argument --port: expected one argument"),
        (["--port", "80a"], "port: '80a' (flag --port) is not a whole number; expected a whole number from 0 to 65535"),
        (["upload", "x"], "the following arguments are required: --to"),
        (["upload", "--to", "http://127.0.0.1:1"], "the following arguments are required: FILE"),
        (["upload", "x", "--chek", "--to", "http://127.0.0.1:1"], "upload knows no '--chek'; did you mean --checksum?"),
        (["cleanup", "--dry"], "cleanup knows no '--dry'; did you mean --dry-run?"),
    ],
)
def test_wrong_arguments_end_with_2_and_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    assert one_line(inside(tmp_path, *arguments), 2) == line


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--to", "example.com"),
        ("--to", "ftp://example.com/"),
        ("--chunk-size", "0"),
        ("--chunk-size", "16M"),
        ("--give-up-after", "soon"),
        ("--header", "no colon"),
        ("--header", "bad name: x"),
        ("--header", "X-Name: ü"),
        ("--header", "X-Name: a\nb"),
    ],
)
def test_a_malformed_flag_of_upload_ends_with_2_and_one_line(tmp_path: Path, flag: str, value: str) -> None:
    arguments = ["upload", "x", "--to", "http://127.0.0.1:1/", flag, value]
    assert one_line(inside(tmp_path, *arguments), 2).startswith(f"argument {flag}: {value!r} ")


def test_an_unknown_command_ends_with_2_and_names_those_there_are(tmp_path: Path) -> None:
    line = one_line(inside(tmp_path, "sevre"), 2)
    assert "'sevre'" in line
    assert all(name in line for name in COMMANDS)


@pytest.mark.parametrize("name", ["serve", "cleanup", "settings"])
def test_an_unknown_setting_stops_every_command_that_reads_settings(tmp_path: Path, name: str) -> None:
    line = one_line(inside(tmp_path, name, TUSSERVER_PROT="1"), 2)
    assert line == "TUSSERVER_PROT (environment variable) is no setting; did you mean TUSSERVER_PORT?"
    (tmp_path / ".env").write_text("PROT=1\n")
    assert one_line(inside(tmp_path, name), 2) == "PROT (.env line 1) is no setting; did you mean PORT?"


def test_without_a_command_the_server_runs(tmp_path: Path) -> None:
    with start(tmp_path, "--port", "0", "--upload-folder", tmp_path / "kept") as server:
        url = read_until(server, LISTENING)
        assert ask("GET", url + "/health").status == 200
        assert end(server)[0] == 0


def test_flags_environment_and_dotenv_reach_the_server(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAX_SIZE=1\nTUS_PATH=/dotenv/\nUPLOAD_FOLDER=kept\n")
    with start(tmp_path, "--port", "0", PORT="1", TUSSERVER_TUS_PATH="/variable/") as server:
        url = read_until(server, LISTENING)
        assert ask("OPTIONS", url + "/variable/").headers["Tus-Max-Size"] == "1"
        assert ask("POST", url + "/variable/", {**TUS, "Upload-Length": "2"}).status == 413
        assert end(server)[0] == 0
    assert (tmp_path / "kept").is_dir()


def test_ctrl_c_ends_the_server_without_a_traceback(tmp_path: Path) -> None:
    with start(tmp_path, "--port", "0") as server:
        read_until(server, LISTENING)
        _, output = end(server, signal.SIGINT)
        assert "Traceback" not in output


def test_a_host_set_by_a_shell_is_passed_over_with_a_line(tmp_path: Path) -> None:
    with start(tmp_path, "--port", "0", HOST="x86_64-conda-linux-gnu") as server:
        notice = re.compile("^(tusserver: HOST=x86_64-conda-linux-gnu .* passed over)")
        assert read_until(server, notice)
        assert read_until(server, LISTENING)
        end(server)


def test_a_port_that_is_taken_ends_with_1_and_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert port in one_line(tusserver(tmp_path, "--port", port), 1)


def test_a_folder_that_cannot_be_made_ends_with_1_and_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = one_line(tusserver(tmp_path, "--port", "0", "--upload-folder", "file/kept"), 1)
    assert str(tmp_path / "file") in line


def test_a_library_that_is_missing_is_named_in_one_line(tmp_path: Path) -> None:
    code = "import sys; sys.modules['aiohttp'] = None; from tusserver.cli import main; sys.exit(main(['--port', '0']))"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True
    )
    assert one_line(finished, 1).startswith("the library aiohttp is missing")


def test_a_reader_that_leaves_ends_a_command_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        finished = subprocess.run(
            command("settings"),
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert (finished.returncode, finished.stderr) == (1, "")


def test_settings_shows_what_is_in_force(tmp_path: Path) -> None:
    shown = inside(tmp_path, "settings", "--port", "8000", TUSSERVER_MAX_SIZE="10GB")
    assert re.search(r"^port +8000 +flag --port$", shown.stdout, re.MULTILINE)
    assert re.search(r"^max_size +10GB +environment variable TUSSERVER_MAX_SIZE$", shown.stdout, re.MULTILINE)


def create(server: RunningServer, filename: str, length: int, body: bytes) -> str:
    """Begin an upload; gives its address."""
    name = subprocess.check_output(["base64", "-w0"], input=filename.encode()).decode()
    headers = {
        **TUS, "Upload-Length": str(length), "Upload-Metadata": f"filename {name}",
        "Content-Type": "application/offset+octet-stream",
    }  # fmt: skip
    answer = ask("POST", server.endpoint, headers, body)
    assert answer.status == 201
    return server.url + answer.headers["Location"]


@pytest.fixture
def remains(tmp_path: Path) -> tuple[str, str]:
    """The ids of an unfinished and of a finished upload in the folder `kept`."""
    with running(tmp_path / "kept") as server:
        unfinished = create(server, "half\x1b[31m.bin", 10, b"12345")
        finished = create(server, "whole.bin", 5, b"12345")
    return unfinished.rsplit("/", 1)[1], finished.rsplit("/", 1)[1]


def test_cleanup_leaves_what_has_not_expired(tmp_path: Path, remains: tuple[str, str]) -> None:
    done = inside(tmp_path, "cleanup", "--upload-folder", "kept")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 uploads removed, 0 bytes freed\n", "")


def test_cleanup_shows_first_and_removes_then(tmp_path: Path, remains: tuple[str, str]) -> None:
    unfinished, finished = remains
    flags = "--upload-folder", "kept", "--older-than", "0s"
    shown = inside(tmp_path, "cleanup", "--dry-run", *flags).stdout.splitlines()
    # The name came over the network: what a terminal would obey is not in it.
    assert shown[1].split() == [unfinished, "5", "half[31m.bin"]
    assert shown[2:] == ["1 upload would go, 5 bytes"]
    told = json.loads(inside(tmp_path, "cleanup", "--json", *flags).stdout)
    assert told == {
        "removed_count": 1, "freed_bytes": 5, "dry_run": False,
        "removed": [{"upload_id": unfinished, "filename": "half[31m.bin", "bytes": 5}],
    }  # fmt: skip
    assert inside(tmp_path, "cleanup", *flags).stdout == "0 uploads removed, 0 bytes freed\n"
    with running(tmp_path / "kept") as server:
        assert is_gone(server.endpoint + unfinished)
        assert ask("GET", server.endpoint + finished).body == b"12345"


def test_cleanup_of_a_folder_that_is_not_there_makes_none(tmp_path: Path) -> None:
    assert str(tmp_path / "typo") in one_line(tusserver(tmp_path, "cleanup", "--upload-folder", "typo"), 1)
    assert not (tmp_path / "typo").exists()


def test_with_reload_a_change_starts_the_server_again(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RELOAD=true\nPORT=0\nTUS_PATH=/one/\n")
    with start(tmp_path) as parent:
        url = read_until(parent, LISTENING)
        assert ask("OPTIONS", url + "/one/").status == 204
        (tmp_path / ".env").write_text("RELOAD=true\nPORT=0\nTUS_PATH=/number-two/\n")
        assert read_until(parent, re.compile("(starting again)"))
        url = read_until(parent, LISTENING)
        assert ask("OPTIONS", url + "/number-two/").status == 204
        status, _ = end(parent)
        assert status == 0
        with pytest.raises(ConnectionRefusedError):
            ask("GET", url + "/health")


def test_with_reload_a_mistake_is_told_and_waits_for_its_mending(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=0\n")
    with start(tmp_path, "--reload") as parent:
        read_until(parent, LISTENING)
        (tmp_path / ".env").write_text("PORT=mistake\n")
        assert read_until(parent, re.compile(r"(port: 'mistake' \(.env line 1\))"))
        assert read_until(parent, re.compile("ended with status (2); waiting for a change"))
        (tmp_path / ".env").write_text("PORT=0 # mended\n")
        assert read_until(parent, LISTENING)
        status, output = end(parent, signal.SIGINT)
        assert status == 130
        assert "Traceback" not in output
