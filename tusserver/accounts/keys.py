"""The keys that this server signs its tokens with: a file beside the database, shared by every process on it."""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tusserver.protocol.errors import Unavailable

# RFC 7518, section 3.2: at least as long as the hash, which has 256 bits.
SECRET_BYTES = 32
# An order of magnitude above any honest file; a rotation every day for ten years makes half a megabyte.
LARGEST_FILE = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """A secret, and the name under which tokens refer to it. From `retired_at` on it signs nothing."""

    kid: str
    secret: bytes
    created_at: datetime
    retired_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Key({self.kid!r})"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the file holds: the key that signs, and those that it replaced."""

    signing: Key
    retired: tuple[Key, ...] = ()

    def find(self, kid: str) -> Key | None:
        """The key of that name."""
        return next((key for key in (self.signing, *self.retired) if key.kid == kid), None)


Mark = tuple[int, int, int]


class KeyFile:
    """The file at `path`. Every method blocks on the disk.

    Two processes that start on an empty folder agree on one key; whoever reads while another writes reads the whole
    file as it was or as it is. Errors are Unavailable, with one clear sentence.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, now: datetime) -> tuple[Keys, Mark]:
        """The keys; at the first start they are made."""
        if not self._path.exists():
            with self._alone():
                if not self._path.exists():
                    self._write(Keys(_new_key(now)))
        return self.read()

    def read(self) -> tuple[Keys, Mark]:
        """The keys, and a mark that differs once the file is another.

        Raises:
            Unavailable: it is missing or damaged, or others may read it.
        """
        try:
            with self._path.open("rb") as file:
                facts = os.fstat(file.fileno())
                self._check(facts)
                return _parse(file.read(LARGEST_FILE)), _mark(facts)
        except OSError as error:
            raise Unavailable(f"the keys in {self._path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unavailable(
                f"the keys in {self._path} are damaged; bring the file back, or remove it, which ends every token"
            ) from error

    def mark(self) -> Mark | None:
        """The mark of the file as it is now; None while it cannot be told."""
        try:
            return _mark(self._path.stat())
        except OSError:
            return None

    def rotate(self, now: datetime, *, revoke: bool = False) -> Keys:
        """Let a new key sign from `now` on.

        Args:
            revoke: the keys until now are forgotten, which ends every token at once; else they count for the tokens
                that were signed with them.
        """
        with self._alone():
            retired: tuple[Key, ...] = ()
            if not revoke and self._path.exists():
                kept, _ = self.read()
                retired = (*kept.retired, replace(kept.signing, retired_at=now))
            keys = Keys(_new_key(now), retired)
            self._write(keys)
        return keys

    def _check(self, facts: os.stat_result) -> None:
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST_FILE:
            raise ValueError("it is no file of keys")
        # The group may: Kubernetes gives whole volumes to a group (fsGroup), and lets it read and write all of them.
        if facts.st_mode & stat.S_IRWXO:
            raise Unavailable(
                f"the keys in {self._path} can be read or changed by every user of this machine: `chmod 600` the file, "
                "and `tusserver key rotate --revoke` if somebody may have seen them"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off other processes that would write the file; the kernel lets go when one dies."""
        folder = self._path.parent
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"the folder {folder} cannot be used: {error.strerror}") from error
        try:
            # The folder itself, so that no lock file is left; a thread of this process has a descriptor of its own.
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    def _write(self, keys: Keys) -> None:
        """Put the file in place as a whole."""
        folder = self._path.parent
        try:
            # Made with mode 0600 by itself.
            opened, name = tempfile.mkstemp(prefix=".keys-", dir=folder)
            try:
                with os.fdopen(opened, "w", encoding="ascii") as file:
                    json.dump(_document(keys), file, indent=1)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except BaseException:
                with suppress(OSError):
                    os.unlink(name)
                raise
            _sync(folder)
        except OSError as error:
            raise Unavailable(f"the keys in {self._path} cannot be written: {error.strerror}") from error


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A file system that has no such call for folders keeps entries safe by itself.
        with suppress(OSError):
            os.fsync(opened)
    finally:
        os.close(opened)


def _mark(facts: os.stat_result) -> Mark:
    # A file put in place by a rename is another inode, also within one tick of the clock.
    return facts.st_ino, facts.st_mtime_ns, facts.st_size


def _new_key(now: datetime) -> Key:
    return Key(secrets.token_urlsafe(12), secrets.token_bytes(SECRET_BYTES), now)


def _document(keys: Keys) -> dict[str, object]:
    return {"keys": [_entry(key) for key in (*keys.retired, keys.signing)]}


def _entry(key: Key) -> dict[str, str | None]:
    return {
        "kid": key.kid,
        "secret": base64.urlsafe_b64encode(key.secret).decode(),
        "created_at": key.created_at.isoformat(),
        "retired_at": None if key.retired_at is None else key.retired_at.isoformat(),
    }


def _parse(data: bytes) -> Keys:
    """Raises ValueError, KeyError or TypeError for what is no file of keys."""
    keys = [_key(entry) for entry in json.loads(data)["keys"]]
    signing = [key for key in keys if key.retired_at is None]
    if len(signing) != 1 or len({key.kid for key in keys}) != len(keys):
        raise ValueError("not exactly one key signs")
    return Keys(signing[0], tuple(key for key in keys if key.retired_at is not None))


def _key(entry: dict[str, str | None]) -> Key:
    kid, secret, created_at, retired_at = (entry[name] for name in ("kid", "secret", "created_at", "retired_at"))
    if not (isinstance(kid, str) and kid and isinstance(secret, str) and isinstance(created_at, str)):
        raise TypeError("a key lacks something")
    try:
        decoded = base64.urlsafe_b64decode(secret)
    except binascii.Error as error:
        raise ValueError("a secret is no Base64") from error
    if len(decoded) < SECRET_BYTES:
        raise ValueError("a secret is too short")
    return Key(kid, decoded, _moment(created_at), None if retired_at is None else _moment(retired_at))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)
