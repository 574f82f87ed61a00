"""`POST /auth/renew`: another token before the present one runs out, as long as the sign-in is not too long ago."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from tests.signing import NOW, SECRET, shared
from tests.test_auth_sign_in import HASH, PASSWORD, Door
from tests.tus_client import Reply, TusClient
from tusserver.accounts.base import User
from tusserver.accounts.keys import KeyFile
from tusserver.app import make_app
from tusserver.settings import Auth, Settings
from tusserver.web.site import SITE

HOUR = 3600.0


class House(Door):
    """A door whose keys and users the test may use."""

    def __init__(self, tus: TusClient, app: web.Application, folder: Path) -> None:
        super().__init__(tus)
        self.accounts = app[SITE].backends.accounts
        self.keys = KeyFile(folder / "keys.json")

    def signed(self, *, signed_in: float | None = 0.0, lasts: float = 900.0, **claims: Any) -> str:
        """A token as this server gives it, of an ada who gave her password `signed_in` seconds ago."""
        now = datetime.now(UTC).timestamp()
        named = {"sub": "ada", "iat": int(now), "exp": int(now + lasts), "scope": "admin"} | claims
        if signed_in is not None:
            named["auth_time"] = int(now - signed_in)
        key = self.keys.read()[0].signing
        return jwt.encode(named, key.secret, "HS256", {"kid": key.kid})

    async def renew(self, token: str | None, **headers: str) -> Reply:
        """`POST /auth/renew`."""
        sent = headers if token is None else {"Authorization": f"Bearer {token}"} | headers
        return await self.tus.send("POST", "/auth/renew", sent)


async def house_of(aiohttp_client: AiohttpClient, folder: Path, **chosen: Any) -> House:
    settings = Settings(upload_folder=folder / "uploads", **({"auth": Auth.REQUIRED} | chosen))
    app = make_app(settings)
    client: TestClient[Any, Any] = await aiohttp_client(app)
    await app[SITE].backends.accounts.add_user(User("ada", HASH, frozenset({"admin"}), NOW - timedelta(days=9999)))
    return House(TusClient(client), app, settings.upload_folder)


@pytest.fixture
async def house(aiohttp_client: AiohttpClient, tmp_path: Path) -> House:
    return await house_of(aiohttp_client, tmp_path)


def claims_in(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims


def refused(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.problem["code"]


@pytest.mark.parametrize("auth", [Auth.REQUIRED, Auth.OFF])
async def test_a_valid_token_gives_another_of_the_same_user_scopes_and_sign_in(
    aiohttp_client: AiohttpClient, tmp_path: Path, auth: Auth
) -> None:
    house = await house_of(aiohttp_client, tmp_path, auth=auth)
    old = house.signed(signed_in=2 * HOUR, lasts=60)
    reply = await house.renew(old)
    told = json.loads(reply.body)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    assert (told.keys(), told["token_type"], told["expires_in"]) == (
        {"access_token", "token_type", "expires_in"}, "bearer", 900,
    )  # fmt: skip
    new = claims_in(told["access_token"])
    assert new["auth_time"] == claims_in(old)["auth_time"]
    assert new["exp"] == new["iat"] + 900 > claims_in(old)["exp"]
    authorization = f"Bearer {told['access_token']}"
    me = await house.me(Authorization=authorization)
    assert (me["user"], me["scopes"]) == ("ada", ["admin"])
    assert (await house.renew(told["access_token"])).status == 200


async def test_the_token_of_a_sign_in_says_when_that_was(house: House) -> None:
    claims = claims_in(await house.token())
    assert claims["auth_time"] == int(claims["iat"])


async def test_twelve_hours_after_the_sign_in_the_password_is_asked_for_again(house: House) -> None:
    assert (await house.renew(house.signed(signed_in=12 * HOUR - 30))).status == 200
    over = await house.renew(house.signed(signed_in=12 * HOUR))
    assert refused(over) == (401, "session-over")
    assert over.headers["WWW-Authenticate"].startswith("Bearer")
    # The token itself counts until it runs out.
    assert (await house.me(Authorization=f"Bearer {house.signed(signed_in=13 * HOUR)}"))["user"] == "ada"


async def test_how_long_after_the_sign_in_is_a_setting(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    house = await house_of(aiohttp_client, tmp_path, session_lifetime=100.0)
    assert (await house.renew(house.signed(signed_in=50))).status == 200
    assert refused(await house.renew(house.signed(signed_in=100))) == (401, "session-over")


async def test_a_token_of_before_there_were_renewals_counts_from_its_own_time(house: House) -> None:
    now = datetime.now(UTC).timestamp()
    assert (await house.renew(house.signed(signed_in=None, iat=int(now - HOUR)))).status == 200
    assert refused(await house.renew(house.signed(signed_in=None, iat=int(now - 12 * HOUR)))) == (401, "session-over")


@pytest.mark.parametrize("auth", [Auth.REQUIRED, Auth.OFF])
async def test_what_does_not_count_is_not_renewed(aiohttp_client: AiohttpClient, tmp_path: Path, auth: Auth) -> None:
    house = await house_of(aiohttp_client, tmp_path, auth=auth)
    good = house.signed()
    assert refused(await house.renew(None)) == (401, "token-needed")
    for bad in (house.signed(lasts=-1), house.signed(signed_in=0, nbf=2**32), good[:-9] + "AAAAAAAAA", "x"):
        assert refused(await house.renew(bad)) == (401, "bad-token")
    assert refused(await house.renew(house.signed(auth_time="now", signed_in=None))) == (401, "bad-token")
    # The cookie goes along by itself.
    assert refused(await house.renew(None, Cookie=f"tusserver_token={good}")) == (401, "token-needed")


async def test_the_token_of_a_user_who_was_removed_is_not_renewed_though_another_has_the_name(house: House) -> None:
    token = house.signed(signed_in=HOUR)
    await house.accounts.remove_user("ada")
    assert refused(await house.renew(token)) == (401, "session-over")
    await house.accounts.add_user(User("ada", HASH, frozenset({"admin"}), datetime.now(UTC)))
    assert refused(await house.renew(token)) == (401, "session-over")
    assert (await house.renew(await house.token())).status == 200


async def test_scopes_that_a_user_lost_are_not_renewed_and_new_ones_need_a_sign_in(house: House) -> None:
    ada = await house.accounts.user("ada")
    plain = User(ada.name, ada.password, frozenset(), ada.created_at)
    token = house.signed(signed_in=HOUR)
    await house.accounts.save_user(plain)
    lesser = json.loads((await house.renew(token)).body)["access_token"]
    assert "scope" not in claims_in(lesser)
    await house.accounts.save_user(ada)
    assert "scope" not in claims_in(json.loads((await house.renew(lesser)).body)["access_token"])


async def test_the_token_of_an_identity_provider_is_not_renewed(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    house = await house_of(aiohttp_client, tmp_path, jwt_secret=SECRET)
    foreign = shared(iat=None, exp=2**32, auth_time=int(NOW.timestamp()))
    assert (await house.me(Authorization=f"Bearer {foreign}"))["user"] == "ada"
    assert refused(await house.renew(foreign)) == (403, "token-not-renewable")


async def test_keys_that_are_revoked_end_renewals_and_retired_ones_a_session_later(house: House) -> None:
    token = house.signed(signed_in=HOUR)
    house.keys.rotate(datetime.now(UTC))
    renewed = await house.renew(token)
    assert renewed.status == 200
    house.keys.rotate(datetime.now(UTC), revoke=True)
    fresh = house.signed()  # named by its key, which makes the server look for it
    assert (await house.renew(fresh)).status == 200
    for old in (token, json.loads(renewed.body)["access_token"]):
        assert refused(await house.renew(old)) == (401, "bad-token")


async def test_the_cookie_of_the_page_is_renewed_as_well(house: House) -> None:
    token = house.signed()
    reply = await house.renew(token, Cookie="tusserver_token=anything")
    new = json.loads(reply.body)["access_token"]
    (cookie,) = reply.headers.getall("Set-Cookie")
    parts = [part.strip() for part in cookie.split(";")]
    assert parts[0] == f"tusserver_token={new}"
    assert {*parts[1:]} == {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=900"}
    house.tus.session.cookie_jar.clear()
    assert "Set-Cookie" not in (await house.renew(token)).headers


async def test_no_cookie_is_renewed_for_a_page_of_another_origin(house: House) -> None:
    headers = {"Cookie": "tusserver_token=anything", "Origin": "http://127.0.0.1:1"}
    reply = await house.renew(house.signed(), **headers)
    assert (reply.status, "Set-Cookie" in reply.headers) == (200, False)


async def test_a_queue_of_six_hours_needs_one_password(house: House) -> None:
    token = json.loads((await house.sign_in(password=PASSWORD)).body)["access_token"]
    for hour in range(1, 7):
        # What the clock would have made of the last token: it began a quarter of an hour ago, and runs out soon.
        since = claims_in(token) | {"auth_time": int(datetime.now(UTC).timestamp() - hour * HOUR)}
        reply = await house.renew(house.signed(**since, signed_in=None))
        assert reply.status == 200
        token = json.loads(reply.body)["access_token"]
    made = await house.tus.send("POST", "/files/", {"Upload-Length": "5", "Authorization": f"Bearer {token}"})
    assert made.status == 201
