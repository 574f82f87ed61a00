"""Keys and tokens of an identity provider, and a clock that is moved by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tusserver.accounts.keys import KeyFile
from tusserver.settings import Settings
from tusserver.web.auth import Authenticator

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECRET = "a secret of at least thirty-two bytes"
WRITERS: dict[str, Any] = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@dataclass(slots=True)
class Clock:
    """Gives the same moment until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(slots=True)
class Provider:
    """Somebody else who signs tokens, with one algorithm."""

    algorithm: str
    kid: str | None = "first"
    private: Any = field(default=None)

    def __post_init__(self) -> None:
        self.private = self.private or private_key(self.algorithm)

    @property
    def pem(self) -> bytes:
        """The public key as a file holds it."""
        made: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return made

    def jwk(self, **members: Any) -> dict[str, Any]:
        """The public key as a key set holds it."""
        made: dict[str, Any] = json.loads(WRITERS[self.algorithm].to_jwk(self.private.public_key()))
        return made | ({"kid": self.kid} if self.kid else {}) | members

    def sign(self, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token; a claim that is None is left out."""
        named = ({"kid": self.kid} if self.kid else {}) | (headers or {})
        return jwt.encode(claims_of(**claims), self.private, self.algorithm, named)


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """The same for the same arguments: RSA takes a while."""
    if algorithm == "RS256":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else ed25519.Ed25519PrivateKey.generate()


def claims_of(**claims: Any) -> dict[str, Any]:
    """Claims of a good token, with changes."""
    usual = {"sub": "ada", "iat": NOW, "exp": NOW + timedelta(minutes=5)}
    return {name: value for name, value in (usual | claims).items() if value is not None}


def shared(secret: str | bytes = SECRET, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token signed with a shared secret."""
    return jwt.encode(claims_of(**claims), secret, "HS256", headers)


def authenticator(folder: Path, clock: Clock | None = None, *, is_open: bool = False, **chosen: Any) -> Authenticator:
    """The one of a server with these settings."""
    settings = Settings(upload_folder=folder, **chosen)
    return Authenticator(settings, KeyFile(folder / "keys.json"), is_open=is_open, clock=clock or Clock())
