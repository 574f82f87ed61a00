"""Passwords as salted scrypt hashes. RFC 7914."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tusserver.workers import Workers

T = TypeVar("T")

# 2^15 blocks of 1 KiB: 32 MiB and some 100 ms for each guess. A higher cost later leaves old hashes as they are: each
# says what it was made with.
COST_LOG, BLOCK_SIZE, PARALLEL = 15, 8, 1
SALT_BYTES, HASH_BYTES = 16, 32
# Each takes 32 MiB and a processor; sign-ins must not take those of uploads.
AT_ONCE = 2
# The one in the last place waits some 3 s, after which a client would try again and only make the queue longer.
MOST_WAITING = 64
LEAST_CHARACTERS, MOST_CHARACTERS = 8, 1024
FORM = re.compile(r"scrypt\$([0-9]{1,2})\$([0-9]{1,2})\$([0-9]{1,2})\$([A-Za-z0-9+/=]{8,200})\$([A-Za-z0-9+/=]{8,200})")
# Parameters of a text in the database that would take more than this are refused rather than tried.
MOST_MEMORY = 256 * 1024 * 1024


class TooBusy(Exception):
    """More passwords wait to be checked than would be worth waiting for."""


@dataclass(frozen=True, slots=True)
class Hash:
    """A salted hash and what it was made with."""

    cost_log: int
    block_size: int
    parallel: int
    salt: bytes
    digest: bytes

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.cost_log}${self.block_size}${self.parallel}${salt}${digest}"

    def holds(self, password: str) -> bool:
        """It is the hash of `password`; takes the same time whether it is or not."""
        is_equal = hmac.compare_digest(self.digest, _derive(password, self))
        # HMAC fills up a short key with zeros, so that "a" and "a\0" come to the same.
        return is_equal and "\0" not in password


def parse_hash(text: str) -> Hash:
    """Read the text of a hash.

    Raises:
        ValueError: it is none, or asks for more work than is given.
    """
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError("it is no hash of a password")
    cost_log, block_size, parallel = (int(found[number]) for number in (1, 2, 3))
    if min(cost_log, block_size, parallel) < 1 or _memory(cost_log, block_size) * parallel > MOST_MEMORY:
        raise ValueError("the parameters of the hash are out of bounds")
    try:
        salt, digest = (base64.b64decode(found[number], validate=True) for number in (4, 5))
    except binascii.Error as error:
        raise ValueError("it is no hash of a password") from error
    return Hash(cost_log, block_size, parallel, salt, digest)


def make_hash(password: str) -> str:
    """The text of a new hash. Blocks for some 100 ms."""
    empty = Hash(COST_LOG, BLOCK_SIZE, PARALLEL, secrets.token_bytes(SALT_BYTES), bytes(HASH_BYTES))
    return str(Hash(COST_LOG, BLOCK_SIZE, PARALLEL, empty.salt, _derive(password, empty)))


def check_password(password: str) -> None:
    """Raises ValueError with the end of a sentence about a password that is not taken."""
    if len(password) < LEAST_CHARACTERS:
        raise ValueError(f"has less than {LEAST_CHARACTERS} characters")
    if len(password) > MOST_CHARACTERS:
        raise ValueError(f"has more than {MOST_CHARACTERS} characters")
    if not password.isprintable():
        raise ValueError("has characters that cannot be printed")


def _memory(cost_log: int, block_size: int) -> int:
    return int(128 * block_size * 2**cost_log)


def _derive(password: str, form: Hash) -> bytes:
    # Keyboards write the same letter in several ways; RFC 8265, section 4.2, compares the composed one.
    composed = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(
        composed,
        salt=form.salt,
        n=2**form.cost_log,
        r=form.block_size,
        p=form.parallel,
        # OpenSSL wants some more than the blocks themselves.
        maxmem=_memory(form.cost_log, form.block_size + form.parallel) + 1024 * 1024,
        dklen=len(form.digest),
    )


class Passwords:
    """Hashes and checks passwords in threads of its own."""

    def __init__(self) -> None:
        self._workers = Workers("passwords", AT_ONCE)
        self._waiting = 0
        # Nobody's: no password comes to it. Checked where there is no user, so that both take the same time.
        self._nobodys = Hash(
            COST_LOG, BLOCK_SIZE, PARALLEL, secrets.token_bytes(SALT_BYTES), secrets.token_bytes(HASH_BYTES)
        )

    async def hash(self, password: str) -> str:
        """The text of a new hash. Raises TooBusy."""
        return await self._run(lambda: make_hash(password))

    async def holds(self, text: str | None, password: str) -> bool:
        """The hash written in `text` is that of `password`; None, of a user that does not exist, takes as long.

        Raises:
            TooBusy: too many wait.
            ValueError: `text` is no hash.
        """
        kept = self._nobodys if text is None else parse_hash(text)
        return await self._run(lambda: kept.holds(password))

    async def close(self) -> None:
        """Return when nothing is hashed any more."""
        await self._workers.close()

    async def _run(self, job: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            return await self._workers.run(job)
        finally:
            self._waiting -= 1
