"""What the person at the terminal sees of an upload: a bar, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

LINE_EVERY = 5.0
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Display(Protocol):
    def begin(self, name: str, offset: int, size: int) -> None:
        """Show a file that stands at an offset."""

    def advance(self, offset: int) -> None:
        """Show the offset the file has come to."""

    def note(self, text: str) -> None:
        """Say something about the file."""

    def end(self) -> None:
        """Leave the file, finished or not."""


def make_display() -> Display:
    return Bar() if sys.stderr.isatty() else Lines()


def printable(name: str) -> str:
    """Replace what a terminal would obey, or cannot show."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)


class Bar:
    """A progress bar on the standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress: Progress | None = None

    def begin(self, name: str, offset: int, size: int) -> None:
        self.end()
        columns = BarColumn(), TextColumn("{task.percentage:>3.0f}%"), DownloadColumn(binary_units=True)
        self._progress = Progress(
            TextColumn("{task.description}"), *columns, TransferSpeedColumn(), TimeRemainingColumn(),
            console=self._console,
        )  # fmt: skip
        # What an earlier run sent is no part of this run's speed, which rich takes from updates, not from the start.
        self._progress.add_task(escape(printable(name)), total=size, completed=offset)
        self._progress.start()

    def advance(self, offset: int) -> None:
        if self._progress:
            self._progress.update(self._progress.task_ids[0], completed=offset)

    def note(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def end(self) -> None:
        if self._progress:
            self._progress.stop()
            self._progress = None


class Lines:
    """A line now and then on the standard error, for logs."""

    def __init__(self) -> None:
        self._name, self._size, self._told_at = "", 0, 0.0

    def begin(self, name: str, offset: int, size: int) -> None:
        self._name, self._size, self._told_at = printable(name), size, time.monotonic()

    def advance(self, offset: int) -> None:
        if time.monotonic() - self._told_at >= LINE_EVERY or offset == self._size:
            self._told_at = time.monotonic()
            self.note(f"{self._name}: {offset * 100 // self._size}% of {human(self._size)}")

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        self._name = ""


def human(size: int) -> str:
    """Give a number of bytes in the unit that suits it, as in "12.5 MiB"."""
    power = min((max(size, 1).bit_length() - 1) // 10, len(UNITS) - 1)
    return f"{size / 1024**power:.1f} {UNITS[power]}" if power else f"{size} {UNITS[0]}"
