"""A disk of a test's own, to fill. Mounting asks for the rights of root, so such tests are marked `engines`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """A file system of `size` (`8m`) at `place` for the length of a block."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=True)
    try:
        yield place
    finally:
        # Lazily, for a test that failed leaves files open.
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(path: Path) -> None:
    """Make a file that takes all room there is."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
