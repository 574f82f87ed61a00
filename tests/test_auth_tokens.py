"""Which tokens count: this server's and those of an identity provider, and no forgery of either."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import dictionaries, floats, integers, none, recursive, sampled_from, text

from tests.signing import NOW, SECRET, Clock, Provider, authenticator, claims_of, private_key, shared
from tusserver.accounts.base import User
from tusserver.protocol.access import BadToken, Token
from tusserver.protocol.errors import Unavailable
from tusserver.web.auth import SKEW, Authenticator, read_public_key

ADA = User("ada", "", frozenset({"admin"}), NOW)
RSA, EC, ED = Provider("RS256"), Provider("ES256"), Provider("EdDSA")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def auth(tmp_path: Path, clock: Clock) -> AsyncIterator[Authenticator]:
    """A server that knows a provider's RSA key, and names audience and issuer."""
    made = authenticator(
        tmp_path, clock, jwt_public_key=RSA.pem.decode(), jwt_audience="uploads", jwt_issuer="https://id.example.com"
    )
    await made.open()
    yield made
    await made.close()


def foreign(provider: Provider = RSA, headers: dict[str, Any] | None = None, **claims: Any) -> str:
    return provider.sign(headers, **{"aud": "uploads", "iss": "https://id.example.com"} | claims)


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, default=str).encode()).rstrip(b"=").decode()


def hand_made(header: object, claims: object, key: bytes | None = None) -> str:
    """What no library would sign."""
    signed = f"{part(header)}.{part(claims)}"
    digest = b"" if key is None else hmac.digest(key, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


PLAIN = claims_of(iat=int(NOW.timestamp()), exp=int(NOW.timestamp()) + 300, aud="uploads", iss="https://id.example.com")


async def test_a_token_of_this_server_says_whose_it_is_and_until_when(auth: Authenticator) -> None:
    token = await auth.verify(await auth.issue(ADA))
    assert token == Token("ada", NOW - SKEW, NOW + timedelta(minutes=15), frozenset({"admin"}), NOW)


async def test_a_token_that_has_run_out_is_told_as_one(auth: Authenticator, clock: Clock) -> None:
    text = await auth.issue(ADA)
    clock.move(15 * 60)
    token = await auth.verify(text)
    assert not token.is_valid_at(clock.now)
    assert token.is_valid_at(NOW)


async def test_a_foreign_token_that_names_everything_counts(auth: Authenticator) -> None:
    token = await auth.verify(foreign(scope="read admin", nbf=NOW + timedelta(seconds=10)))
    assert (token.owner, token.scopes) == ("ada", frozenset({"read", "admin"}))
    assert token.valid_from == NOW + timedelta(seconds=10) - SKEW


@pytest.mark.parametrize("provider", [RSA, EC, ED], ids=lambda provider: provider.algorithm)
async def test_a_public_key_is_for_the_algorithm_of_its_kind(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "key.pem").write_bytes(provider.pem)
    auth = authenticator(tmp_path, jwt_public_key=str(tmp_path / "key.pem"))
    assert (await auth.verify(provider.sign())).owner == "ada"
    for other in {RSA.algorithm, EC.algorithm, ED.algorithm} - {provider.algorithm}:
        with pytest.raises(BadToken):
            await auth.verify(Provider(other).sign())


async def test_a_token_with_the_shared_secret_counts_whatever_key_it_names(tmp_path: Path) -> None:
    auth = authenticator(tmp_path, jwt_secret=SECRET)
    await auth.open()
    assert (await auth.verify(shared())).owner == "ada"
    assert (await auth.verify(shared(headers={"kid": "theirs"}))).owner == "ada"
    assert (await auth.verify(await auth.issue(ADA))).owner == "ada"
    await auth.close()


FORGED = {
    "none": hand_made({"alg": "none"}, PLAIN),
    "none in capitals": hand_made({"alg": "NONE"}, PLAIN),
    "no algorithm": hand_made({"typ": "JWT"}, PLAIN),
    "algorithm that is no text": hand_made({"alg": ["RS256"]}, PLAIN),
    "signed with the public key as a secret": hand_made({"alg": "HS256"}, PLAIN, RSA.pem),
    "the same with a key named": hand_made({"alg": "HS256", "kid": "first"}, PLAIN, RSA.pem),
    "signed with nothing as a secret": hand_made({"alg": "HS256", "kid": ""}, PLAIN, b""),
    "longer hash": jwt.encode(claims_of(), SECRET * 2, "HS512"),
    "another RSA algorithm": jwt.encode(PLAIN, RSA.private, "RS512"),
    "PSS": jwt.encode(PLAIN, RSA.private, "PS256"),
    "another key": foreign(Provider("RS256", private=private_key("RS256", 1))),
    "key of another kind": foreign(EC),
    "wrong audience": foreign(aud="other"),
    "audiences that are others": foreign(aud=["other", "another"]),
    "no audience": foreign(aud=None),
    "wrong issuer": foreign(iss="https://evil.example.com"),
    "issuer that begins the same": foreign(iss="https://id.example.com.evil.org"),
    "no issuer": foreign(iss=None),
    "no sub": foreign(sub=None),
    "empty sub": foreign(sub=""),
    "sub that cannot be printed": foreign(sub="ada\n"),
    "long sub": foreign(sub="a" * 1025),
    "no exp": foreign(exp=None),
    "exp that is text": foreign(exp="tomorrow"),
    "exp that is true": foreign(exp=True),
    "exp behind the calendar": foreign(exp=10**15),
    "nbf that is a list": foreign(nbf=[1]),
    "crit": foreign(headers={"crit": ["x"], "x": 1}),
    "truncated": foreign()[:-40],
    "without signature": foreign().rpartition(".")[0],
    "empty signature": foreign().rpartition(".")[0] + ".",
    "changed": foreign().replace(".", ".e", 1),
    "empty": "",
    "word": "secret",
    "dots": "..",
    "not ASCII": "ä.ö.ü",
    "surrogate": "\udcff.a.b",
    "100 kB": "a" * 100_000,
    "100 kB, signed": foreign(groups="g" * 80_000),
    "deep": base64.urlsafe_b64encode(b"[" * 20_000).decode() + ".e30.e30",
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_token_that_does_not_count_is_a_bad_token(auth: Authenticator, name: str) -> None:
    with pytest.raises(BadToken) as caught:
        await auth.verify(FORGED[name])
    assert caught.value.status == 401


async def test_only_the_public_key_counts_where_no_secret_is_shared(auth: Authenticator) -> None:
    with pytest.raises(BadToken):
        await auth.verify(shared(aud="uploads", iss="https://id.example.com"))


async def test_a_token_for_somebody_is_not_taken_where_no_audience_is_set(tmp_path: Path) -> None:
    auth = authenticator(tmp_path, jwt_secret=SECRET)
    with pytest.raises(BadToken, match="another audience"):
        await auth.verify(shared(aud="billing"))


async def test_a_token_for_the_future_is_not_valid_yet(auth: Authenticator, clock: Clock) -> None:
    token = await auth.verify(foreign(nbf=NOW + timedelta(minutes=2), exp=NOW + timedelta(minutes=5)))
    assert not token.is_valid_at(clock.now)
    assert token.is_valid_at(clock.now + timedelta(minutes=2))


async def test_without_iat_and_nbf_a_token_has_always_been_valid(auth: Authenticator) -> None:
    token = await auth.verify(foreign(iat=None))
    assert token.is_valid_at(datetime(1970, 1, 1, tzinfo=UTC))


async def test_another_servers_token_does_not_count(auth: Authenticator, tmp_path: Path) -> None:
    other = authenticator(tmp_path / "other")
    await other.open()
    with pytest.raises(BadToken):
        await auth.verify(await other.issue(ADA))
    await other.close()


anything = recursive(none() | integers() | floats() | text(), lambda inner: dictionaries(text(), inner), max_leaves=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    header=dictionaries(
        sampled_from(["alg", "kid", "typ", "crit", "b64"]), anything | sampled_from(["HS256", "RS256"])
    ),
    claims=dictionaries(sampled_from(["sub", "exp", "nbf", "iat", "aud", "iss", "scope"]), anything) | anything,
)
async def test_whatever_is_signed_is_a_token_or_a_bad_one(tmp_path: Path, header: Any, claims: Any) -> None:
    auth = authenticator(tmp_path, jwt_secret=SECRET)
    with suppress(BadToken):
        token = await auth.verify(hand_made({"alg": "HS256"} | header, claims, SECRET.encode()))
        assert token.owner


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "it is no public key in PEM form"),
        ("/nowhere/key.pem", "/nowhere/key.pem cannot be read: No such file or directory"),
    ],
)
def test_a_public_key_that_is_none_is_refused_with_one_line(text: str, line: str) -> None:
    with pytest.raises(Unavailable, match=f"^jwt_public_key: {line}$"):
        read_public_key(text)


def test_a_public_key_too_weak_or_of_another_kind_is_refused() -> None:
    for private in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())):
        with pytest.raises(Unavailable, match="it is not RSA of 2048 bits or more, P-256 or Ed25519"):
            read_public_key(Provider("RS256", private=private).pem.decode())
