"""The keys of an identity provider, fetched from a real address: rotation, outage, and nobody who waits in vain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.signing import SECRET, Provider, authenticator, shared
from tusserver.protocol.access import BadToken
from tusserver.web.auth import Authenticator, KeysAway, PublicKey, parse_key_set
from tusserver.web.keyset import LEAST_PAUSE, REFRESH_AFTER, KeySet, KeySetAway

FIRST, SECOND, THIRD = Provider("RS256"), Provider("ES256", "second"), Provider("EdDSA", "third")


@dataclass(slots=True)
class Endpoint:
    """A provider's address: what it answers, how often it was asked."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=lambda: [FIRST.jwk()])
    status: int = 200
    body: bytes | None = None
    asked: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.gate.wait()
        return web.Response(status=self.status, body=self.body or json.dumps({"keys": self.keys}).encode())


class Seconds:
    """A monotonic clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Endpoint]:
    monkeypatch.setenv("NO_PROXY", "*")
    made = Endpoint()
    made.gate.set()
    app = web.Application()
    app.router.add_get("/keys", made.answer)
    server = TestServer(app)
    await server.start_server()
    made.url = str(server.make_url("/keys"))
    yield made
    made.gate.set()
    await server.close()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def keys(endpoint: Endpoint, seconds: Seconds) -> AsyncIterator[KeySet[PublicKey]]:
    """A set that is opened by the test's first question."""
    made = KeySet(endpoint.url, parse_key_set, clock=seconds)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def auth(endpoint: Endpoint, tmp_path: Path) -> AsyncIterator[Authenticator]:
    made = authenticator(tmp_path, jwt_jwks_url=endpoint.url)
    await made.open()
    yield made
    await made.close()


async def test_tokens_of_every_key_in_the_set_count(endpoint: Endpoint, auth: Authenticator) -> None:
    endpoint.keys = [one.jwk() for one in (FIRST, SECOND, THIRD)]
    for provider in (FIRST, SECOND, THIRD):
        assert (await auth.verify(provider.sign())).owner == "ada"
    assert endpoint.asked == 1


async def test_a_token_that_names_no_key_is_tried_with_all(endpoint: Endpoint, auth: Authenticator) -> None:
    endpoint.keys = [SECOND.jwk(), FIRST.jwk()]
    assert (await auth.verify(Provider("RS256", None, FIRST.private).sign())).owner == "ada"


async def test_a_key_under_anothers_name_does_not_count(auth: Authenticator) -> None:
    with pytest.raises(BadToken) as caught:
        await auth.verify(Provider("ES256", "first").sign())
    assert caught.value.status == 401


async def test_an_unknown_key_is_asked_for_once_in_a_while(
    endpoint: Endpoint, keys: KeySet[PublicKey], seconds: Seconds
) -> None:
    assert await keys.find("first")
    for _ in range(20):
        assert await keys.find("made up") == []
    assert endpoint.asked == 1
    seconds.now += LEAST_PAUSE
    assert await asyncio.gather(*(keys.find(f"made up {number}") for number in range(20))) == [[]] * 20
    assert endpoint.asked == 2


async def test_a_new_key_is_found_when_a_token_names_it(
    endpoint: Endpoint, keys: KeySet[PublicKey], seconds: Seconds
) -> None:
    assert await keys.find("first")
    endpoint.keys = [SECOND.jwk()]
    seconds.now += LEAST_PAUSE
    assert await keys.find("second")
    assert await keys.find("first") == []


async def test_a_key_taken_back_ends_in_a_while_though_no_token_names_another(
    endpoint: Endpoint, keys: KeySet[PublicKey], seconds: Seconds
) -> None:
    assert await keys.find("first")
    endpoint.keys = [SECOND.jwk()]
    seconds.now += REFRESH_AFTER + 1
    assert await keys.find("first"), "nobody waits for the set to be fetched again"
    assert await keys.find("second"), "it is being fetched"
    assert await keys.find("first") == []


def away(endpoint: Endpoint) -> None:
    endpoint.status = 503


def damaged(endpoint: Endpoint) -> None:
    endpoint.body = b"<html>"


def moved(endpoint: Endpoint) -> None:
    endpoint.body = b"[]"


def huge(endpoint: Endpoint) -> None:
    endpoint.body = b" " * 2_000_000


@pytest.mark.parametrize("fail", [away, damaged, moved, huge])
async def test_known_keys_go_on_while_the_provider_is_away(
    endpoint: Endpoint, keys: KeySet[PublicKey], seconds: Seconds, fail: Callable[[Endpoint], None]
) -> None:
    assert await keys.find("first")
    fail(endpoint)
    seconds.now += REFRESH_AFTER + 1
    with pytest.raises(KeySetAway):
        await keys.find("second")
    assert await keys.find("first")
    endpoint.status, endpoint.body, endpoint.keys = 200, None, [FIRST.jwk(), SECOND.jwk()]
    seconds.now += LEAST_PAUSE
    assert await keys.find("second")


async def test_who_names_a_known_key_waits_for_nobody(
    endpoint: Endpoint, keys: KeySet[PublicKey], seconds: Seconds
) -> None:
    assert await keys.find("first")
    endpoint.gate.clear()
    seconds.now += LEAST_PAUSE
    waiting = asyncio.create_task(keys.find("second"))
    async with asyncio.timeout(1):
        assert await keys.find("first")
    assert not waiting.done()
    endpoint.gate.set()
    assert await waiting == []


async def test_one_who_leaves_does_not_end_what_others_wait_for(endpoint: Endpoint, keys: KeySet[PublicKey]) -> None:
    endpoint.gate.clear()
    one, other = asyncio.create_task(keys.find("first")), asyncio.create_task(keys.find("first"))
    await asyncio.sleep(0.05)
    one.cancel()
    endpoint.gate.set()
    assert await other
    assert endpoint.asked == 1


async def test_a_provider_that_does_not_answer_is_given_up(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tusserver.web.keyset.FETCH_TIMEOUT", 0.2)
    endpoint.gate.clear()
    auth = authenticator(tmp_path, jwt_jwks_url=endpoint.url)
    await auth.open()
    async with asyncio.timeout(5):
        with pytest.raises(KeysAway) as caught:
            await auth.verify(FIRST.sign())
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
    await auth.close()


async def test_a_provider_that_starts_later_is_found(endpoint: Endpoint, tmp_path: Path, seconds: Seconds) -> None:
    endpoint.status = 502
    keys = KeySet(endpoint.url, parse_key_set, clock=seconds)
    await keys.open()
    with pytest.raises(KeySetAway):
        await keys.find("first")
    endpoint.status = 200
    seconds.now += 5
    assert await keys.find("first")
    await keys.close()


async def test_a_server_closes_while_it_waits_for_the_keys(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.gate.clear()
    auth = authenticator(tmp_path, jwt_jwks_url=endpoint.url)
    await auth.open()
    await asyncio.sleep(0.05)
    async with asyncio.timeout(2):
        await auth.close()


def symmetric() -> dict[str, Any]:
    return {"kty": "oct", "kid": "first", "k": "YSBzZWNyZXQgb2YgYXQgbGVhc3QgdGhpcnR5LXR3byBieXRlcw", "alg": "HS256"}


@pytest.mark.parametrize(
    "entry",
    [
        symmetric(),
        FIRST.jwk(use="enc"),
        FIRST.jwk(alg="RS512"),
        FIRST.jwk(alg="none"),
        FIRST.jwk(alg="HS256"),
        FIRST.jwk(n="AQAB"),
        FIRST.jwk(kty="EC"),
        FIRST.jwk(d="AQAB"),
        {},
        "first",
        None,
    ],
)
async def test_what_is_no_public_key_for_signatures_is_passed_over(
    endpoint: Endpoint, auth: Authenticator, entry: object
) -> None:
    endpoint.keys = [entry, SECOND.jwk()]  # type: ignore[list-item]
    assert (await auth.verify(SECOND.sign())).owner == "ada"
    for token in (FIRST.sign(), shared(SECRET, {"kid": "first"})):
        with pytest.raises(BadToken):
            await auth.verify(token)
