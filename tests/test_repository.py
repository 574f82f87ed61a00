"""What a clone gives a newcomer: targets that say what they need, an image and a compose file that hold together."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.running import RunningServer, running

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = ROOT / "docker" / "Dockerfile"
COMPOSE = ROOT / "docker" / "compose.yaml"
TOOLS = ("sh", "make", "sed", "grep", "sort", "awk", "touch", "cat")


def make(*arguments: str, path: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make in the repository, with no program to be found but those in `path`."""
    env = {"PATH": path or os.environ["PATH"], **variables}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def folder_of_programs(folder: Path, **scripts: str) -> str:
    """A folder with what make itself needs, and with the scripts given under their names."""
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found, f"{tool} is not installed"
        (folder / tool).symlink_to(found)
    for name, script in scripts.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return str(folder)


def test_make_alone_lists_every_target_with_what_it_does() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    shown = make().stdout
    assert {line.split()[1] for line in shown.splitlines()} == set(phony[1].split())


def test_make_says_which_programs_the_engines_lack_and_how_to_get_them(tmp_path: Path) -> None:
    path = folder_of_programs(tmp_path / "bin", nginx="", clamd="", node="echo v20.1.0")
    done = make("engines", path=path, CHROMIUM="/nowhere/chromium")
    assert done.returncode != 0
    assert "programs that are not here: curl npm unzip 7z chromium" in done.stdout
    assert "apt-get install curl npm unzip p7zip-full chromium" in done.stdout


def test_make_says_that_node_is_too_old(tmp_path: Path) -> None:
    old = 'if [ "$1" = --version ]; then echo v18.20.4; else exit 1; fi'
    path = folder_of_programs(
        tmp_path / "bin", node=old, **dict.fromkeys(("nginx", "curl", "clamd", "npm", "unzip", "7z", "chromium"), "")
    )
    done = make("engines", path=path, CHROMIUM=str(tmp_path / "bin" / "chromium"))
    assert done.returncode != 0
    assert "needs Node 20 or newer; this is v18.20.4" in done.stdout


@pytest.mark.engines
def test_make_finds_the_engines_that_are_here() -> None:
    done = make("engines")
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("exit 1", "needs Python 3.11 or newer as oldpython"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "apt-get install python3-venv"),
    ],
    ids=["too old", "without venv"],
)
def test_make_says_what_is_wrong_with_python_and_leaves_nothing_behind(tmp_path: Path, script: str, line: str) -> None:
    path = folder_of_programs(tmp_path / "bin", oldpython=script)
    done = make("run", f"VENV={tmp_path / 'venv'}", "PYTHON=oldpython", path=path)
    assert done.returncode != 0
    assert line in done.stdout
    assert not (tmp_path / "venv").exists()


def test_make_docs_writes_the_docs_as_they_are() -> None:
    written = re.findall(r"^\S+ (-m .+?) > \S+ && mv \S+ (docs/\S+)$", make("-n", "docs").stdout, re.MULTILINE)
    assert {target for _, target in written} == {"docs/settings.md", "docs/requirements.md"}
    for command, target in written:
        done = subprocess.run([sys.executable, *command.split()], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.stdout == (ROOT / target).read_text()


@pytest.mark.parametrize(
    "body",
    [
        "import pytest\npytest.skip('no engine', allow_module_level=True)",
        "import pytest\ndef test_x():\n    pytest.skip('no engine')",
        "import pytest\n@pytest.mark.skip(reason='no engine')\ndef test_x(): pass",
        "import pytest\n@pytest.mark.xfail(reason='no engine')\ndef test_x(): assert False",
    ],
    ids=["module", "test", "mark", "expected to fail"],
)
def test_no_test_is_skipped_unseen(tmp_path: Path, body: str) -> None:
    (tmp_path / "test_skipping.py").write_text(body)
    command = [sys.executable, "-m", "pytest", "-p", "tests.no_skips", "-c", os.devnull, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED), done.stdout
    assert "no engine" in done.stdout


def instructions() -> list[tuple[str, str]]:
    """The lines of the Dockerfile as pairs of instruction and the rest, continued lines put together."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def only(instruction: str) -> str:
    (found,) = [rest for name, rest in instructions() if name == instruction]
    return found


def image_environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in only("ENV").split())


def test_what_the_package_is_built_from_reaches_the_build_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    assert [name for name in let_in if not (ROOT / name).exists()] == []
    assert {"build_backend.py", "pyproject.toml", "setup.cfg", "tusserver", "extensions", "static"} <= set(let_in)


def test_the_image_does_not_run_as_root_and_keeps_everything_in_its_volume() -> None:
    assert only("USER").split(":")[0] not in ("0", "root")
    assert image_environment()["UPLOAD_FOLDER"] == only("VOLUME") == "/data"


def health_check() -> list[str]:
    options, command = only("HEALTHCHECK").split(" CMD ")
    assert "--start-period" in options
    program, *arguments = json.loads(command)
    assert program == "python"
    return [sys.executable, *arguments]


@pytest.mark.parametrize("variable", ["PORT", "TUSSERVER_PORT"])
def test_the_health_check_of_the_image_finds_a_server_that_runs(server: RunningServer, variable: str) -> None:
    env = {"PORT": "1", variable: str(server.port)}
    done = subprocess.run(health_check(), env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr


def test_the_health_check_of_the_image_fails_where_no_server_runs() -> None:
    done = subprocess.run(health_check(), env={"PORT": "1"}, capture_output=True, text=True, timeout=20)
    assert done.returncode != 0


def test_the_image_starts_the_server_with_settings_it_knows(tmp_path: Path) -> None:
    command = [*json.loads(only("ENTRYPOINT")), *json.loads(only("CMD"))]
    assert command == ["tusserver", "serve"]
    env = {**image_environment(), "PORT": "0", "HOST": "127.0.0.1", "UPLOAD_FOLDER": str(tmp_path)}
    image = RunningServer(tmp_path, env={name: value for name, value in env.items() if name != "PATH"})
    assert image.stop() == 0


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load(COMPOSE.read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_the_compose_file_names_files_that_exist() -> None:
    services = compose()["services"]
    build = services["tusserver"]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose()["volumes"] or (COMPOSE.parent / source).is_file()


def test_the_compose_file_sets_only_settings_that_the_server_knows(tmp_path: Path) -> None:
    given = compose()["services"]["tusserver"]["environment"]
    with running(tmp_path, env={f"TUSSERVER_{name}": value for name, value in given.items()}):
        pass


def test_nginx_in_the_compose_file_passes_on_to_the_server_beside_it() -> None:
    services = compose()["services"]
    written = (COMPOSE.parent / "nginx.conf").read_text()
    targets = re.findall(r"^\s*(?:server|proxy_pass)\s+(?:http://)?([\w.-]+):(\d+)", written, re.MULTILINE)
    assert (("tusserver", image_environment()["PORT"])) in targets
    published = {shlex.split(port)[0].split(":")[1] for port in services["nginx"]["ports"]}
    assert published <= set(re.findall(r"^\s*listen\s+(\d+)", written, re.MULTILINE))
