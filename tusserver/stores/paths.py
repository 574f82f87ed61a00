"""Where the bytes of an upload lie: the one place that turns an id into a path."""

from __future__ import annotations

import re
from pathlib import Path

ID = re.compile(r"[A-Za-z0-9_-]{22}\Z")
PREFIX = re.compile(r"[A-Za-z0-9_-]{2}\Z")


def path_of(folder: Path, id: str) -> Path:
    """`folder/ab/<id>`: 4,096 folders keep each one short. `id` is trusted to match `[A-Za-z0-9_-]{22}`."""
    return Path(f"{folder}/{id[:2]}/{id}")
