"""The addresses of uploads that were begun, kept so that a later run finds them."""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import closing
from pathlib import Path

from tusclient.storage.filestorage import FileStorage

# A server removes an unfinished upload after days; what is older than this helps nobody.
KEPT_FOR = 30 * 86_400.0
ITEM = "upload"


def state_folder() -> Path:
    """Give the folder of the user's for what a program remembers between runs, by the XDG base directories."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "tusserver" / "uploads"


def fingerprint(path: Path, facts: os.stat_result, endpoint: str) -> str:
    """Give the key of a file on its way to a server.

    tuspy's own is size and first 64 KiB without a name: of two files alike in both, one would go on in the other's
    upload. Path, size and time of change are what tus-js-client uses for files on Node.
    """
    parts = [str(path.absolute()), facts.st_size, facts.st_mtime_ns, endpoint]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class StoredUrls:
    """One of tuspy's storages for each file: runs side by side never write the same one.

    A finished upload stays, so that a run over many files that was cut does not send again what it had finished.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> str | None:
        path = self._path(key)
        if not path.exists():
            return None
        try:
            with closing(FileStorage(str(path))) as storage:  # type: ignore[no-untyped-call]
                url: object = storage.get_item(ITEM)
        except ValueError:
            # A kill in the middle of a write leaves half a document; the upload is then begun anew.
            self.forget(key)
            return None
        return url if isinstance(url, str) else None

    def put(self, key: str, url: str) -> None:
        """Keep an address.

        Raises:
            OSError: the folder cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.forget(key)
        with closing(FileStorage(str(self._path(key)))) as storage:  # type: ignore[no-untyped-call]
            storage.set_item(ITEM, url)

    def forget(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def prune(self) -> None:
        """Forget what is too old to be of use."""
        for path in self.folder.glob("*.json"):
            if path.stat().st_mtime < time.time() - KEPT_FOR:
                path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
