"""Run the command `tusserver` as a person would, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

from tusserver.cli import main

TIMEOUT = 60.0


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tusserver", *map(str, arguments)]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment without settings of the developer's; what a command remembers stays under `folder`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TUSSERVER_")}
    return {**inherited, "HOST": "", "XDG_STATE_HOME": str(folder / "state"), "PYTHONUNBUFFERED": "1", **variables}


def tusserver(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder until it ends."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def inside(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same without a process, which takes a third of a second to begin; for commands that end by themselves."""
    words = list(map(str, arguments))
    output, errors = StringIO(), StringIO()
    with (
        chdir(folder),
        patch.dict(os.environ, environment(folder, **variables), clear=True),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        status = main(words)
    return subprocess.CompletedProcess(words, status, output.getvalue(), errors.getvalue())


def start(folder: Path, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start a command in a folder; its two outputs are one."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(folder, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def uploaded(finished: subprocess.CompletedProcess[str]) -> list[str]:
    """The addresses that a run printed, which did all it was asked for."""
    assert finished.returncode == 0, finished
    return finished.stdout.splitlines()


def refused(finished: subprocess.CompletedProcess[str]) -> str:
    """The last line of a run that uploaded nothing."""
    assert (finished.returncode, finished.stdout) == (1, ""), finished
    assert "Traceback" not in finished.stderr
    return finished.stderr.splitlines()[-1]
