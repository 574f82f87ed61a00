"""For development: run the server as a child process and start it again whenever the code or `.env` changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import tusserver
from tusserver.setting_sources import DOTENV
from tusserver.settings import table

PACKAGE = Path(tusserver.__file__).parent
# A look at some hundred files takes a millisecond or two, and half a second is not felt after saving a file.
INTERVAL = 0.5
# On top of the time that the server itself gives to running requests.
GRACE = 5.0


class Stopped(Exception):
    """This process was asked to end."""


def serve_again(argv_values: Mapping[str, str], stop_timeout: float) -> int:
    """Run the server, start it again at every change, until it is stopped.

    Args:
        argv_values: the text of each flag given, by the name of its setting.
        stop_timeout: the seconds a server may take to stop.
    Returns:
        the exit status of the last server.
    """
    command = [sys.executable, "-m", "tusserver", "serve", *flags(argv_values), "--no-reload"]
    signal.signal(signal.SIGTERM, stop)
    while True:
        before = snapshot()
        child = subprocess.Popen(command)
        try:
            watch(child, before)
        except Stopped:
            return end(child, stop_timeout)
        finally:
            end(child, stop_timeout)
        print("tusserver: the code has changed; starting again", file=sys.stderr)


def flags(argv_values: Mapping[str, str]) -> list[str]:
    """Give the flags that were given, without those that decide about reloading."""
    given = [(entry, argv_values[entry.name]) for entry in table() if entry.name in argv_values]
    return [
        (entry.flag if text == "true" else entry.off_flag) if entry.is_switch else f"{entry.flag}={text}"
        for entry, text in given
    ]


def stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def watch(child: subprocess.Popen[bytes], before: Mapping[Path, int]) -> None:
    """Wait until a file differs.

    Raises:
        Stopped: the server was stopped by somebody else; one that failed waits for the change that mends it.
    """
    told = False
    while snapshot() == before:
        if child.poll() == 0:
            raise Stopped
        if child.poll() is not None and not told:
            print(f"tusserver: ended with status {child.returncode}; waiting for a change", file=sys.stderr)
            told = True
        time.sleep(INTERVAL)


def snapshot() -> dict[Path, int]:
    found = {}
    for path in (DOTENV, *sources()):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:
            # An editor that saves by renaming leaves no file for a moment.
            continue
    return found


def sources() -> Iterator[Path]:
    # `extensions` is a link to a folder beside the package, so links are followed.
    for folder, inner, names in os.walk(PACKAGE, followlinks=True):
        inner[:] = [name for name in inner if name not in ("static", "__pycache__")]
        yield from (Path(folder, name) for name in names if name.endswith(".py"))


def end(child: subprocess.Popen[bytes], stop_timeout: float) -> int:
    """Stop the server if it runs, by force when it does not listen; gives its exit status."""
    child.terminate()
    try:
        return child.wait(stop_timeout + GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
