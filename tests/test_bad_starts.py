"""Bad use of the server gets one clear line and leaves nothing behind."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


def file_in_its_place(folder: Path) -> None:
    folder.write_text("a file")


def newer_database(folder: Path) -> None:
    folder.mkdir()
    connection = sqlite3.connect(folder / "tusserver.db")
    connection.execute("PRAGMA user_version = 1000")
    connection.execute("CREATE TABLE something (value)")
    connection.commit()
    connection.close()


def no_database(folder: Path) -> None:
    folder.mkdir()
    (folder / "tusserver.db").write_bytes(b"this is no database at all" * 100)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (file_in_its_place, "cannot be written to"),
        (newer_database, "is of a newer version"),
        (no_database, "is not an SQLite database"),
    ],
)
def test_a_folder_that_cannot_be_used_ends_the_start_with_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], word: str
) -> None:
    folder = tmp_path / "uploads"
    spoil(folder)
    command = [sys.executable, "-m", "tusserver", "serve", "--port", "0", "--upload-folder", str(folder)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TUSSERVER_")}
    ended = subprocess.run(command, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stderr.startswith("tusserver: ")
    assert word in ended.stderr
