"""`/auth/token`, `/auth/renew`, `/auth/logout`, `/auth/me`: passwords against tokens."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from dataclasses import dataclass
from urllib.parse import parse_qs

from aiohttp import web

from tusserver.accounts.base import User
from tusserver.accounts.names import parse_name
from tusserver.accounts.passwords import MOST_CHARACTERS, TooBusy
from tusserver.protocol.access import CHALLENGE
from tusserver.protocol.errors import NotFound
from tusserver.protocol.refusals import BodyStalled, Refusal
from tusserver.web.auth import AUTH, COOKIE, Authenticator, caller_of, is_from_here
from tusserver.web.body import RequestBody, body_facts
from tusserver.web.site import Site, site_of

log = logging.getLogger("tusserver.web")

LARGEST_BODY = 16 * 1024
FORM = "application/x-www-form-urlencoded"
NO_STORE = {"Cache-Control": "no-store"}


class BadCredentials(Refusal):
    """No such user, or another password: which of the two is not told."""

    status, code, title = 401, "bad-credentials", "The user name or the password is wrong"

    def __init__(self) -> None:
        super().__init__(headers=CHALLENGE)


class TooManyAttempts(Refusal):
    """Sign-ins fail one after the other, or more come than can be checked."""

    status, code, title = 429, "too-many-attempts", "Too many attempts to sign in"

    def __init__(self, wait: float) -> None:
        seconds = math.ceil(wait)
        super().__init__(f"try again in {seconds} s", headers={"Retry-After": str(seconds)}, retry_after=seconds)


class BadSignIn(Refusal):
    """The body is not a user name and a password."""

    status, code, title = 422, "bad-sign-in", "The body is not a user name and a password"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was sent; `wants_cookie` for the page, whose links cannot send a header."""

    username: str
    password: str
    wants_cookie: bool = False


async def token(request: web.Request) -> web.StreamResponse:
    """`POST /auth/token`: a token for a user name and a password, in JSON or as a form."""
    site, auth = site_of(request), request.config_dict[AUTH]
    sent = parse_credentials(request.content_type, await _body(request))
    text = await auth.issue(await _user(site, auth, sent, site.seen(request).client))
    return _given(request, text, with_cookie=sent.wants_cookie)


async def renew(request: web.Request) -> web.StreamResponse:
    """`POST /auth/renew`: another token in place of the one in `Authorization`, without a password.

    For queues that last longer than a token. The page's cookie, where one comes along, is set anew too.
    """
    site, auth = site_of(request), request.config_dict[AUTH]
    token = (await caller_of(request)).require_token()
    text = await auth.renew(token, await _find(site, token.owner))
    return _given(request, text, with_cookie=COOKIE in request.cookies and is_from_here(request))


def _given(request: web.Request, text: str, *, with_cookie: bool) -> web.Response:
    """The answer that gives a token."""
    site = site_of(request)
    seconds = int(request.config_dict[AUTH].lifetime.total_seconds())
    answer = {"access_token": text, "token_type": "bearer", "expires_in": seconds}
    response = web.json_response(answer, headers=NO_STORE)
    if with_cookie:
        response.set_cookie(
            COOKIE, text, path=_path(site), max_age=seconds, httponly=True, samesite="Strict",
            secure=site.seen(request).scheme == "https",
        )  # fmt: skip
    return response


async def logout(request: web.Request) -> web.StreamResponse:
    """`POST /auth/logout`: the page's cookie is gone; the token in it ends by itself."""
    response = web.Response(status=204, headers=NO_STORE)
    secure = site_of(request).seen(request).scheme == "https"
    response.del_cookie(COOKIE, path=_path(site_of(request)), httponly=True, samesite="Strict", secure=secure)
    return response


async def me(request: web.Request) -> web.StreamResponse:
    """`GET /auth/me`: whether a token is needed here, and whose the one sent is."""
    caller = await caller_of(request)
    owner, token = caller.owner, caller.token
    scopes = sorted(token.scopes) if owner is not None and token is not None else []
    return web.json_response({"required": not caller.is_open, "user": owner, "scopes": scopes}, headers=NO_STORE)


def parse_credentials(content_type: str, body: bytes) -> Credentials:
    """Read a body. Raises BadSignIn: status 422."""
    try:
        if content_type == "application/json":
            fields = json.loads(body)
        elif content_type == FORM:
            pairs = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16, errors="strict")
            fields = {name: values[0] for name, values in pairs.items() if len(values) == 1}
        else:
            raise BadSignIn(f"send JSON or a form, application/json or {FORM}")
    except (ValueError, RecursionError):
        raise BadSignIn("the body does not parse") from None
    if not isinstance(fields, dict):
        raise BadSignIn("the JSON is no object")
    for name in ("username", "password"):
        if not isinstance(fields.get(name), str):
            raise BadSignIn(f"{name} is missing or no text", field=name)
    # A form is what a page of another site can send without being asked first; it gets no cookie.
    wants_cookie = content_type == "application/json" and fields.get("cookie") is True
    return Credentials(fields["username"], fields["password"], wants_cookie)


async def _body(request: web.Request) -> bytes:
    """The whole of a small body."""
    facts = body_facts(request)
    if facts.length is not None and facts.length > LARGEST_BODY:
        raise BadSignIn(f"the body has more than {LARGEST_BODY} bytes")
    source, data = RequestBody(request), b""
    try:
        async with asyncio.timeout(site_of(request).settings.read_timeout):
            await source.accept()
            while piece := await source.read():
                data += piece
                if len(data) > LARGEST_BODY:
                    raise BadSignIn(f"the body has more than {LARGEST_BODY} bytes")
    except TimeoutError:
        raise BodyStalled("the body stopped arriving") from None
    return data


async def _user(site: Site, auth: Authenticator, sent: Credentials, client: str) -> User:
    """The user whose password it is, checked in the same time whether there is such a user or not.

    Raises:
        BadCredentials: status 401; TooManyAttempts: status 429.
    """
    try:
        name = parse_name(sent.username)
        user = await _find(site, name)
    except ValueError:
        name, user = sent.username[:MOST_CHARACTERS], None
    wait = auth.attempts.begin(name, client, site.clock())
    if wait > 0:
        raise TooManyAttempts(wait)
    try:
        holds = await auth.passwords.holds(None if user is None else user.password, sent.password[:MOST_CHARACTERS])
    except TooBusy:
        auth.attempts.withdraw(name, client)
        raise TooManyAttempts(2) from None
    if not holds or user is None or len(sent.password) > MOST_CHARACTERS:
        raise BadCredentials
    auth.attempts.succeed(name, client)
    return user


async def _find(site: Site, name: str) -> User | None:
    try:
        return await site.backends.accounts.user(name)
    except NotFound:
        return None


def _path(site: Site) -> str:
    return site.prefix or "/"
