"""Tokens: who asks. The only place that knows how they are signed. RFC 7519, RFC 6750, RFC 8725."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from tusserver.accounts.attempts import Attempts
from tusserver.accounts.base import User
from tusserver.accounts.keys import KeyFile, Keys, Mark
from tusserver.accounts.passwords import Passwords
from tusserver.protocol.access import BadToken, Caller, SessionOver, Token, judge_renewal
from tusserver.protocol.errors import Unavailable
from tusserver.settings import Settings
from tusserver.web.keyset import KeySet, KeySetAway
from tusserver.web.site import site_of

log = logging.getLogger("tusserver.web")

# The closed list. What checks with a shared secret is never tried with a public key, nor the other way round.
SHARED = "HS256"
PUBLIC = ("RS256", "ES256", "EdDSA")
# Far above what providers issue, with a user's groups in it, and far below what would cost time to read.
LONGEST_TOKEN = 64 * 1024
LONGEST_SUBJECT = 1024
# The clocks of two machines differ by seconds, and a client uses a token the moment it has it. Nothing is added to the
# end: a client fetches its next token before that, and an upload that is under way goes on with the old one.
SKEW = timedelta(seconds=30)
# The last second of the year 9999, where `datetime` ends.
LATEST = 253_402_300_799
EVER = datetime.min.replace(tzinfo=UTC)
# How long a key that another process made may go unnoticed, in seconds; one that a token names is looked for at once.
LOOK_INTERVAL = 2.0
COOKIE = "tusserver_token"
# A cookie goes along by itself, so it only ever reads, and only for the page of this server.
COOKIE_METHODS = ("GET", "HEAD")


class KeysAway(BadToken):
    """The token may be good, but the provider's keys cannot be had. Clients try again after a 503, not after a 401."""

    status, code, title = 503, "token-keys-away", "The token cannot be checked at the moment"

    def __init__(self) -> None:
        super().__init__("the keys of the identity provider cannot be had; try again in a moment")
        self.headers = {"Retry-After": "5"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key of somebody else and the one algorithm it is for."""

    algorithm: str
    key: Any


@dataclass(frozen=True, slots=True)
class Names:
    """What a token of somebody else must name. Without an audience it may name none, without an issuer any."""

    audience: str | None
    issuer: str | None


class Authenticator:
    """Signs this server's tokens, and verifies those and the ones of the operator's identity provider.

    Args:
        is_open: everybody may do everything; a token that is sent counts all the same.
        clock: aware UTC.
    Raises:
        Unavailable: the public key of the settings cannot be read.
    """

    def __init__(self, settings: Settings, keys: KeyFile, *, is_open: bool, clock: Callable[[], datetime]) -> None:
        self.is_open = is_open
        self.lifetime = timedelta(seconds=settings.token_lifetime)
        self._session_lifetime = timedelta(seconds=settings.session_lifetime)
        self.passwords, self.attempts = Passwords(), Attempts()
        self._own = OwnKeys(keys, clock)
        self._clock = clock
        self._secret = settings.jwt_secret
        self._public = None if settings.jwt_public_key is None else read_public_key(settings.jwt_public_key)
        self._set = None if settings.jwt_jwks_url is None else KeySet(settings.jwt_jwks_url, parse_key_set)
        self._names = Names(settings.jwt_audience, settings.jwt_issuer)

    async def open(self) -> None:
        """Read or make the keys. Raises Unavailable, unless everybody may do everything anyway."""
        try:
            await self._own.open()
        except Unavailable as error:
            if not self.is_open:
                raise
            log.warning("nobody can sign in: %s", error)
        if self._set is not None:
            await self._set.open()

    async def close(self) -> None:
        """Let go of threads and connections."""
        if self._set is not None:
            await self._set.close()
        await self.passwords.close()

    @property
    def has_foreign_keys(self) -> bool:
        """Tokens of somebody else count."""
        return not (self._secret is None and self._public is None and self._set is None)

    async def issue(self, user: User, *, signed_in_at: datetime | None = None) -> str:
        """A token for somebody who has just signed in, or did at that time. Raises Unavailable."""
        now = self._clock()
        signing = (await self._own.current()).signing
        claims: dict[str, object] = {"sub": user.name, "iat": now, "exp": now + self.lifetime}
        claims["auth_time"] = int((signed_in_at or now).timestamp())
        if user.scopes:
            claims["scope"] = " ".join(sorted(user.scopes))
        return jwt.encode(claims, signing.secret, SHARED, {"kid": signing.kid})

    async def renew(self, token: Token, user: User | None) -> str:
        """Another token in place of a valid one, with no scope that its user has lost; `user` has that name now.

        Raises:
            TokenNotRenewable: status 403.
            SessionOver: status 401, the sign-in was too long ago, or its user is gone.
            Unavailable: there is no key.
        """
        signed_in_at = judge_renewal(token, self._clock(), self._session_lifetime)
        if user is None or user.created_at.replace(microsecond=0) > signed_in_at:  # another one of the name
            raise SessionOver("there is no such user any more")
        return await self.issue(replace(user, scopes=user.scopes & token.scopes), signed_in_at=signed_in_at)

    async def caller_of(self, request: web.Request) -> Caller:
        """Who sent a request; that a token does not count is told in the result."""
        now = self._clock()
        try:
            text = token_of(request)
            token = None if text is None else await self.verify(text)
        except BadToken as flaw:
            return Caller(now, self.is_open, flaw=flaw)
        return Caller(now, self.is_open, token)

    async def verify(self, text: str) -> Token:
        """The token in `text`, whose time may be over or still to come.

        Raises:
            BadToken: status 401; KeysAway: status 503.
        """
        algorithm, kid = read_header(text)
        if algorithm == SHARED and kid is not None and (own := await self._own.find(kid)) is not None:
            claims = decode(text, own.secret, SHARED)
            if claims is None:
                raise BadToken("the signature is not this server's")
            return make_own_token(claims, own.retired_at, self.lifetime)
        for key in await self._foreign_keys(algorithm, kid):
            claims = decode(text, key, algorithm, self._names)
            if claims is not None:
                return make_token(claims)
        raise BadToken("no key that counts here has signed the token")

    async def _foreign_keys(self, algorithm: str, kid: str | None) -> Sequence[Any]:
        if algorithm == SHARED:
            return [] if self._secret is None else [self._secret]
        found = [self._public] if self._public is not None else []
        if self._set is not None:
            try:
                found += await self._set.find(kid)
            except KeySetAway:
                if not found:
                    raise KeysAway from None
        return [key.key for key in found if key.algorithm == algorithm]


class OwnKeys:
    """The keys in the file, read again when another process has written it."""

    def __init__(self, file: KeyFile, clock: Callable[[], datetime]) -> None:
        self._file, self._clock = file, clock
        self._keys: Keys | None = None
        self._mark: Mark | None = None
        self._looked_at = 0.0

    async def open(self) -> None:
        """Read the file; at the first start it is made."""
        self._keys, self._mark = await asyncio.to_thread(self._file.open, self._clock())
        self._looked_at = time.monotonic()

    async def current(self) -> Keys:
        """The keys, at most `LOOK_INTERVAL` old. Raises Unavailable where there never were any."""
        if time.monotonic() - self._looked_at > LOOK_INTERVAL:
            await self._look()
        if self._keys is None:
            raise Unavailable("this server has no keys to sign tokens with")
        return self._keys

    async def find(self, kid: str) -> Any:
        """The key of that name, looked for in the file too, as another process may have just made it."""
        try:
            found = (await self.current()).find(kid)
            if found is None:
                await self._look()
                found = (await self.current()).find(kid)
        except Unavailable:
            return None
        return found

    async def _look(self) -> None:
        self._looked_at = time.monotonic()
        mark = await asyncio.to_thread(self._file.mark)
        if mark is None or mark == self._mark:
            return
        try:
            self._keys, self._mark = await asyncio.to_thread(self._file.read)
        except Unavailable as error:
            self._mark = mark
            log.error("the keys known until now go on: %s", error)


AUTH: web.AppKey[Authenticator] = web.AppKey("tusserver.auth", Authenticator)


async def caller_of(request: web.Request) -> Caller:
    """Who sent a request to a route of a site."""
    return await request.config_dict[AUTH].caller_of(request)


def token_of(request: web.Request) -> str | None:
    """The token that a request bears, in its header or, where it only reads, in the page's cookie.

    Raises:
        BadToken: there is more than one, or none behind `Bearer`.
    """
    fields = request.headers.getall("Authorization", [])
    if len(fields) > 1:
        raise BadToken("Authorization was sent more than once")
    # Another scheme is between the client and a proxy in front.
    scheme, _, text = fields[0].strip().partition(" ") if fields else ("", "", "")
    if scheme.lower() == "bearer":
        return text.strip()
    reads = request.method in COOKIE_METHODS and "X-HTTP-Method-Override" not in request.headers
    return request.cookies.get(COOKIE) if reads and is_from_here(request) else None


def is_from_here(request: web.Request) -> bool:
    """No page of another origin reads the answer.

    A page of a neighbouring host or port is of the same site to a browser, which sends it every cookie, and CORS may
    let that page read what it gets. It can ask its user to sign in, as a program would, and send the token it is given.
    """
    origin, seen = request.headers.get("Origin"), site_of(request).seen(request)
    return origin is None or origin == f"{seen.scheme}://{seen.host}"


def read_header(text: str) -> tuple[str, str | None]:
    """Algorithm and name of the key, as a token that nobody has verified yet says."""
    if len(text) > LONGEST_TOKEN:
        raise BadToken(f"the token is longer than {LONGEST_TOKEN} characters")
    if not text.isascii():
        raise BadToken("the token is no JWT")
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise BadToken("the token is no JWT") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in (SHARED, *PUBLIC):
        raise BadToken(f"tokens are signed with {', '.join((SHARED, *PUBLIC))} and nothing else")
    return algorithm, kid if isinstance(kid, str) else None


def decode(text: str, key: Any, algorithm: str, names: Names | None = None) -> dict[str, Any] | None:
    """The claims of a token, None if another key has signed it.

    Args:
        names: None where neither audience nor issuer matters.
    Raises:
        BadToken: it is signed, but not for here, or lacks what every token has.
    """
    options: Any = {
        "require": ["exp", "sub"],
        "enforce_minimum_key_length": True,
        # Judged later: a token that has run out still counts for the uploads that began before.
        **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_jti"), False),
        "verify_aud": names is not None,
    }
    names = names or Names(None, None)
    try:
        claims: dict[str, Any] = jwt.decode(
            text, key, [algorithm], options, audience=names.audience, issuer=names.issuer
        )
    except jwt.InvalidSignatureError:
        return None
    except jwt.InvalidAudienceError:
        raise BadToken("the token is for another audience") from None
    except jwt.InvalidIssuerError:
        raise BadToken("the token is of another issuer") from None
    except jwt.MissingRequiredClaimError as error:
        raise BadToken(f"the token has no {error.claim}") from None
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise BadToken("the token is malformed") from None
    return claims


def make_token(claims: Mapping[str, Any], no_later_than: datetime | None = None) -> Token:
    """What the claims of a verified token say. Raises BadToken for values that are none."""
    owner, scope = claims["sub"], claims.get("scope", "")
    if not (isinstance(owner, str) and 0 < len(owner) <= LONGEST_SUBJECT and owner.isprintable()):
        raise BadToken("the token's sub is no name")
    until = moment_of(claims, "exp")
    if until is None:
        raise BadToken("the token has no exp")
    began = [moment for name in ("iat", "nbf") if (moment := moment_of(claims, name)) is not None]
    return Token(
        owner,
        max(began) - SKEW if began else EVER,
        until if no_later_than is None else min(until, no_later_than),
        frozenset(scope.split()) if isinstance(scope, str) else frozenset(),
    )


def make_own_token(claims: Mapping[str, Any], retired_at: datetime | None, lifetime: timedelta) -> Token:
    """What the claims of a token say that this server signed, with a key that signs nothing since `retired_at`.

    Whoever has got hold of a retired key makes no token with it that would count for longer than the last one it
    signed, nor of a session that would last longer. Raises BadToken.
    """
    token = make_token(claims, None if retired_at is None else retired_at + lifetime)
    signed_in_at = moment_of(claims, "auth_time") or token.valid_from
    return replace(token, signed_in_at=signed_in_at if retired_at is None else min(signed_in_at, retired_at))


def moment_of(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate. Raises BadToken if it is another thing."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise BadToken(f"the token's {name} is no time")
    return datetime.fromtimestamp(value, UTC)


def read_public_key(text: str) -> PublicKey:
    """The key in a PEM text or in the file of that path. Raises Unavailable with one line."""
    try:
        data = text.encode() if text.startswith("-----BEGIN ") else Path(text).read_bytes()
        key = (
            load_pem_x509_certificate(data).public_key()
            if b"-----BEGIN CERTIFICATE-----" in data
            else load_pem_public_key(data)
        )
    except OSError as error:
        raise Unavailable(f"jwt_public_key: {text} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Unavailable("jwt_public_key: it is no public key in PEM form") from error
    if isinstance(key, RSAPublicKey) and key.key_size >= 2048:
        return PublicKey("RS256", key)
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return PublicKey("ES256", key)
    if isinstance(key, Ed25519PublicKey):
        return PublicKey("EdDSA", key)
    raise Unavailable("jwt_public_key: it is not RSA of 2048 bits or more, P-256 or Ed25519")


def parse_key_set(data: bytes) -> dict[str, PublicKey]:
    """The public keys of a key set that are for one of the algorithms here; others are passed over.

    Raises:
        ValueError: the document is no key set.
    """
    document = json.loads(data)
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise ValueError("the document is no key set")
    found = {}
    for number, entry in enumerate(entries):
        # Whatever is secret in it would be known to everybody: such a key signs nothing that counts.
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig" or {"d", "k"} & entry.keys():
            continue
        if entry.get("alg") not in (None, *PUBLIC):
            continue
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if key.algorithm_name in PUBLIC:
            found[str(entry.get("kid", f"#{number}"))] = PublicKey(key.algorithm_name, key.key)
    return found
