"""`tusserver user` and `tusserver key`: who may sign in, and the key of the tokens, also while a server runs."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import subprocess
import termios
from pathlib import Path

import jwt
import pytest

from tests.clients.wire import Answer, ask
from tests.commanding import command, environment, inside, tusserver
from tests.running import RunningServer, running, wait_until

PASSWORD = "correct horse"
FOLDER = ("--upload-folder", "kept")


def with_password(folder: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    """A command that reads a password from its standard input."""
    return subprocess.run(
        command(*arguments, "--password-stdin", *FOLDER),
        cwd=folder, env=environment(folder), input=password + "\n", capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def one_line(done: subprocess.CompletedProcess[str], status: int = 1) -> str:
    """The only line that a command which did not do its work printed."""
    assert (done.returncode, done.stdout) == (status, ""), done
    assert re.fullmatch(r"tusserver: [^\n]+\n", done.stderr), done.stderr
    return done.stderr.removeprefix("tusserver: ").rstrip()


def listed(folder: Path) -> list[list[str]]:
    done = inside(folder, "user", "list", *FOLDER)
    assert (done.returncode, done.stderr) == (0, "")
    return [line.split() for line in done.stdout.splitlines()]


def sign_in(server: RunningServer, password: str = PASSWORD, name: str = "ada") -> Answer:
    body = json.dumps({"username": name, "password": password}).encode()
    return ask("POST", server.url + "/auth/token", {"Content-Type": "application/json"}, body)


def token_of(answer: Answer) -> str:
    assert answer.status == 200, answer
    return str(json.loads(answer.body)["access_token"])


def who(server: RunningServer, token: str) -> str | None:
    told = json.loads(ask("GET", server.url + "/auth/me", {"Authorization": f"Bearer {token}"}).body)
    return None if told["user"] is None else str(told["user"])


class Terminal:
    """A command that has a terminal, as a person sits before it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()

        def take() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self._process = subprocess.Popen(
            command(*arguments), cwd=folder, env=environment(folder), stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=take,
        )  # fmt: skip
        os.close(slave)
        self.shown = ""

    def answer(self, prompt: str, text: str) -> None:
        """Wait for a prompt that was not answered yet, and type."""
        seen = len(self.shown)
        while prompt not in self.shown[seen:]:
            assert self._read(), self.shown
        os.write(self._master, text.encode() + b"\n")

    def end(self) -> int:
        while self._read():
            pass
        os.close(self._master)
        return self._process.wait(20)

    def _read(self) -> bool:
        try:
            data = os.read(self._master, 4096)
        except OSError:
            data = b""  # EIO: nobody has the terminal open any more
        self.shown += data.decode()
        return bool(data)


def test_users_are_added_shown_and_removed(tmp_path: Path) -> None:
    assert with_password(tmp_path, "user", "add", "ada").stdout == "ada may sign in\n"
    assert with_password(tmp_path, "user", "add", "Grace Hopper", "--scope", "admin").returncode == 0
    rows = listed(tmp_path)
    assert [row[:-2] if row[-1] == "admin" else row[:-1] for row in rows] == [["Grace", "Hopper"], ["ada"]]
    assert rows[0][-1] == "admin"
    assert inside(tmp_path, "user", "remove", "ada", *FOLDER).stdout == "ada may sign in no more\n"
    assert len(listed(tmp_path)) == 1


def test_no_other_user_of_the_machine_reads_the_hashes(tmp_path: Path) -> None:
    with_password(tmp_path, "user", "add", "ada")
    database = tmp_path / "kept" / "tusserver.db"
    assert database.stat().st_mode & 0o077 == 0
    database.chmod(0o644)
    with running(tmp_path / "kept"):
        modes = {path.name: path.stat().st_mode & 0o007 for path in (tmp_path / "kept").glob("tusserver.db*")}
    assert modes == {"tusserver.db": 0, "tusserver.db-wal": 0, "tusserver.db-shm": 0}


def test_a_person_types_the_password_twice_and_nobody_sees_it(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "user", "add", "ada", *FOLDER)
    terminal.answer("Password: ", PASSWORD)
    terminal.answer("The same again: ", PASSWORD)
    assert terminal.end() == 0
    assert "ada may sign in" in terminal.shown
    assert PASSWORD not in terminal.shown
    assert len(listed(tmp_path)) == 1


def test_two_passwords_that_differ_make_no_user(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "user", "add", "ada", *FOLDER)
    terminal.answer("Password: ", PASSWORD)
    terminal.answer("The same again: ", "another horse")
    assert terminal.end() == 1
    assert "tusserver: the two passwords differ" in terminal.shown
    assert listed(tmp_path) == []


def test_a_name_that_is_taken_is_told_before_a_password_is_asked_for(tmp_path: Path) -> None:
    with_password(tmp_path, "user", "add", "ada")
    terminal = Terminal(tmp_path, "user", "add", "ada", *FOLDER)
    assert terminal.end() == 1
    assert "tusserver: there is a user ada already" in terminal.shown


@pytest.mark.parametrize(
    ("name", "password", "line"),
    [
        ("ada", "short", "the password has less than 8 characters"),
        ("ada", "", "the password has less than 8 characters"),
        ("ada", "tab\tin the middle", "the password has characters that cannot be printed"),
        (" ada", PASSWORD, "the name ' ada' is empty, or begins or ends with a space"),
        ("a\nb", PASSWORD, r"the name 'a\nb' has characters that cannot be printed"),
    ],
)
def test_a_name_or_a_password_that_will_not_do_ends_with_one_line(
    tmp_path: Path, name: str, password: str, line: str
) -> None:
    assert one_line(with_password(tmp_path, "user", "add", name, password=password)) == line


@pytest.mark.parametrize("action", ["remove", "passwd"])
def test_a_user_that_is_not_there_ends_with_one_line(tmp_path: Path, action: str) -> None:
    with_password(tmp_path, "user", "add", "grace")
    assert one_line(inside(tmp_path, "user", action, "ada", *FOLDER)) == "there is no user ada"


def test_without_a_terminal_a_password_is_not_waited_for(tmp_path: Path) -> None:
    done = subprocess.run(
        command("user", "add", "ada", *FOLDER), cwd=tmp_path, env=environment(tmp_path), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert one_line(done) == "there is no terminal to ask for a password; use --password-stdin"


@pytest.mark.parametrize("arguments", [("user", "list"), ("user", "remove", "ada"), ("key", "rotate")])
def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    line = one_line(inside(tmp_path, *arguments, "--upload-folder", "typo"))
    assert line == f"there is no folder {tmp_path / 'typo'}"
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["user"], "the following arguments are required: ACTION"),
        (["key"], "the following arguments are required: ACTION"),
        (["user", "add"], "the following arguments are required: NAME"),
        (
            ["user", "add", "ada", "--pasword-stdin"],
            "user add knows no '--pasword-stdin'; did you mean --password-stdin?",
        ),
        (["key", "rotate", "--revok"], "key rotate knows no '--revok'; did you mean --revoke?"),
    ],
)
def test_wrong_arguments_end_with_2_and_one_line(tmp_path: Path, arguments: list[str], line: str) -> None:
    assert one_line(inside(tmp_path, *arguments), 2) == line


def test_a_running_server_knows_who_was_added_changed_and_removed(tmp_path: Path) -> None:
    with running(tmp_path / "kept", "--auth", "required") as server:
        wait_until(lambda: "tusserver user add NAME --upload-folder" in server.output)
        assert sign_in(server).status == 401
        with_password(tmp_path, "user", "add", "ada")
        first = token_of(sign_in(server))
        assert who(server, first) == "ada"
        assert with_password(tmp_path, "user", "passwd", "ada", password="another horse").returncode == 0
        assert sign_in(server).status == 401
        assert sign_in(server, "another horse").status == 200
        assert inside(tmp_path, "user", "remove", "ada", *FOLDER).returncode == 0
        assert sign_in(server, "another horse").status == 401


def test_users_and_tokens_outlive_the_server(tmp_path: Path) -> None:
    with_password(tmp_path, "user", "add", "ada")
    with running(tmp_path / "kept", "--auth", "required") as server:
        token = token_of(sign_in(server))
        assert "tusserver user add" not in server.output
    with running(tmp_path / "kept", "--auth", "required") as server:
        assert who(server, token) == "ada"
        assert sign_in(server).status == 200


def test_a_rotation_is_noticed_by_a_running_server(tmp_path: Path) -> None:
    with_password(tmp_path, "user", "add", "ada")
    with running(tmp_path / "kept", "--auth", "required") as server:
        before = token_of(sign_in(server))
        done = inside(tmp_path, "key", "rotate", *FOLDER)
        assert done.stdout == "a new key signs; tokens given count until they run out\n"
        wait_until(lambda: kid_of(token_of(sign_in(server))) != kid_of(before), step=0.5)
        assert who(server, before) == who(server, token_of(sign_in(server))) == "ada"
        done = inside(tmp_path, "key", "rotate", "--revoke", *FOLDER)
        assert done.stdout == "a new key signs; every token given until now has ended\n"
        wait_until(lambda: who(server, before) is None, step=0.5)
        assert who(server, token_of(sign_in(server))) == "ada"


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def test_keys_that_everybody_may_read_stop_the_start_with_one_line(tmp_path: Path) -> None:
    with running(tmp_path / "kept"):
        pass
    (tmp_path / "kept" / "keys.json").chmod(0o644)
    done = tusserver(tmp_path, "--port", "0", "--auth", "required", *FOLDER)
    assert one_line(done).startswith(f"the keys in {tmp_path / 'kept' / 'keys.json'} can be read")


OPEN, NEEDED = "  access    open: no authentication; ", "  access    by token: users sign in at POST /auth/token"
PROXY = "  warning   what is open here is open to everybody behind a proxy too: set AUTH=required"
NOBODY = "  warning   there are no users, so nobody can upload: `tusserver user add NAME --upload-folder {}` makes one"


@pytest.mark.parametrize(
    ("flags", "lines"),
    [
        ((), [OPEN + "only this machine can reach it"]),
        (("--base-url", "https://example.com"), [OPEN + "only this machine can reach it", PROXY]),
        (("--trusted-proxies", "127.0.0.1"), [OPEN + "only this machine can reach it", PROXY]),
        (("--base-url", "https://example.com", "--auth", "off"), [OPEN + "only this machine can reach it"]),
        (("--host", "0.0.0.0", "--auth", "off"), [OPEN + "anybody who reaches it can upload"]),
        (("--host", "0.0.0.0"), [NEEDED, NOBODY]),
        (("--auth", "required"), [NEEDED, NOBODY]),
        (("--auth", "required", "--jwt-secret", "s" * 32), [NEEDED + "; tokens of the identity provider count too"]),
    ],
    ids=str,
)
def test_the_start_says_who_may_do_something(tmp_path: Path, flags: tuple[str, ...], lines: list[str]) -> None:
    with running(tmp_path / "kept", *flags) as server:
        wait_until(lambda: "  access " in server.output)
    told = [line.rstrip() for line in server.lines if line.startswith(("  access", "  warning"))]
    assert told == [line.format(tmp_path / "kept") for line in lines]
