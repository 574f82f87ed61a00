"""Upload links: an address that takes uploads from a stock tus client with no header of its own.

An owner mints one with limits of its own; whoever has the address uses it as the endpoint. What comes belongs to the
owner, and its own address, told in `Location`, is enough to go on with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from secrets import token_bytes, token_urlsafe
from typing import Any

from aiohttp import web

from tusserver.accounts.base import Link, TooManyLinks
from tusserver.protocol.errors import NotFound
from tusserver.protocol.ids import RANDOM_BYTES, is_id, make_id
from tusserver.protocol.metadata import MIME_TYPE
from tusserver.protocol.refusals import Refusal
from tusserver.protocol.requests import check_version, parse_method
from tusserver.protocol.rules import Grant
from tusserver.web.announce import host_of
from tusserver.web.auth import caller_of
from tusserver.web.json_body import moment, read_json
from tusserver.web.page import is_browser, page_of_link
from tusserver.web.site import Site, site_of
from tusserver.web.tus import COLLECTION_METHODS, create_by, options

# Bytes of the secret that signs what a link's receiver is told; as long as the digest.
KEY_BYTES = 32
# What a link may say of itself, and the type of each.
NUMBERS = ("max_size", "max_uploads", "expires_in")
FIELDS = (*NUMBERS, "types", "announce")
MOST_TYPES = 50
# More than anybody hands out, and few enough for one list; expired ones do not count.
MOST_LINKS = 1_000


class LinkNotFound(Refusal):
    """There is no such link, or it is somebody else's."""

    status, code, title = 404, "link-not-found", "There is no such upload link"


class LinkGone(Refusal):
    """The link's time ran out."""

    status, code, title = 410, "link-gone", "The upload link has expired"


class BadLink(Refusal):
    """What the link should allow cannot be read."""

    status, code, title = 422, "bad-link", "The link cannot be made as it was asked for"


class LinksFull(Refusal):
    """The owner has as many links as they may have."""

    status, code, title = 409, "too-many-links", "There are too many upload links"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} links that have not expired are allowed; remove one", most=most)


async def mint(request: web.Request) -> web.StreamResponse:
    """`POST /links`: a new link of the caller's. 201 with its address.

    The secret that signs what its receiver is told is in this answer and in no other, so a list of links that is
    shown or logged gives nobody the means to forge.
    """
    owner = (await caller_of(request)).require()
    site = site_of(request)
    link = _parse(await read_json(request), site, owner)
    try:
        await site.backends.accounts.add_link(link, most=MOST_LINKS)
    except TooManyLinks as error:
        raise LinksFull(error.most) from None
    told = describe(site, link) | ({} if link.announce_key is None else {"announce_key": link.announce_key})
    headers = {"Location": _address(site, link.id), "Cache-Control": "no-store"}
    return web.json_response(told, status=201, headers=headers)


async def list_links(request: web.Request) -> web.StreamResponse:
    """`GET /links`: the caller's, newest first."""
    owner = (await caller_of(request)).require()
    site = site_of(request)
    links = await site.backends.accounts.links(owner)
    return web.json_response({"links": [describe(site, link) for link in links]}, headers={"Cache-Control": "no-store"})


async def remove(request: web.Request) -> web.StreamResponse:
    """`DELETE /links/{id}`: it makes no more uploads; those it made stay."""
    caller = await caller_of(request)
    owner = caller.require()
    link = await _load(request)
    if link.owner != owner and not caller.is_open:
        raise LinkNotFound("there is no such link")
    await site_of(request).backends.accounts.remove_link(link.id)
    return web.Response(status=204)


async def show(request: web.Request) -> web.StreamResponse:
    """`GET /links/{id}/`: what it allows, or for a browser its page; whoever knows the address may ask."""
    site = site_of(request)
    if is_browser(request):
        return await _show_page(request)
    told = describe(site, await _load(request))
    del told["announce"]
    return web.json_response(told, headers={"Cache-Control": "no-store", "Vary": "Accept"})


async def _show_page(request: web.Request) -> web.StreamResponse:
    """The page says in words what is the matter with a link that is none."""
    if not request.path.endswith("/"):
        # Relative, as Location is everywhere: it holds behind every proxy. Whatever is no id could lead elsewhere.
        id = request.match_info["id"]
        if not is_id(id):
            raise LinkNotFound("there is no such link")
        raise web.HTTPPermanentRedirect(f"{id}/", headers={"Vary": "Accept"})
    try:
        await _load(request)
    except LinkNotFound:
        return await page_of_link(LinkNotFound.status)
    return await page_of_link()


async def collection(request: web.Request) -> web.StreamResponse:
    """`POST` and `OPTIONS /links/{id}/`: the tus endpoint of a link."""
    method = parse_method(request.method, request.headers, COLLECTION_METHODS)
    if method == "OPTIONS":
        return await options(request)
    check_version(request.headers)
    link = await _load(request)
    if link.expires_at is not None and site_of(request).clock() >= link.expires_at:
        raise LinkGone(f"the link expired at {moment(link.expires_at)}")
    grant = Grant(link.owner, link.id, link.max_size, link.types, link.announce, link.announce_key)
    return await create_by(request, grant)


def describe(site: Site, link: Link) -> dict[str, object]:
    """A link for JSON, without its secret."""
    return {
        "link_id": link.id,
        "upload_url": _address(site, link.id),
        "max_size": link.max_size,
        "types": list(link.types),
        "max_uploads": link.max_uploads,
        "uploads": link.uploads,
        "created_at": moment(link.created_at),
        "expires_at": moment(link.expires_at),
        "announce": link.announce,
    }


def _address(site: Site, id: str) -> str:
    return f"{(site.settings.base_url or '').rstrip('/')}{site.prefix}/links/{id}/"


async def _load(request: web.Request) -> Link:
    id = request.match_info["id"]
    try:
        if is_id(id):
            return await site_of(request).backends.accounts.link(id)
    except NotFound:
        pass
    raise LinkNotFound("there is no such link")


def _parse(wish: Mapping[str, Any], site: Site, owner: str | None) -> Link:
    unknown = [name for name in wish if name not in FIELDS]
    if unknown:
        raise BadLink(f"{unknown[0][:40]!r} is not one of {', '.join(FIELDS)}")
    numbers = {name: _positive(wish, name) for name in NUMBERS}
    now, lasts = site.clock(), numbers["expires_in"]
    announce = _announce(wish.get("announce"), site.settings.announce_hosts)
    return Link(
        id=make_id(token_bytes(RANDOM_BYTES)),
        owner=owner,
        created_at=now,
        max_size=numbers["max_size"],
        types=_types(wish.get("types")),
        max_uploads=numbers["max_uploads"],
        expires_at=None if lasts is None else now + timedelta(seconds=lasts),
        announce=announce,
        announce_key=None if announce is None else token_urlsafe(KEY_BYTES),
    )


def _positive(wish: Mapping[str, Any], name: str) -> int | None:
    value = wish.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 < value < 2**53:
        raise BadLink(f"{name} must be a positive whole number")
    if name == "expires_in" and value > 10 * 365 * 86_400:
        raise BadLink("expires_in is more than ten years")
    return value


def _types(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MOST_TYPES or not all(isinstance(one, str) for one in value):
        raise BadLink("types must be a list of content types")
    types = tuple(one.strip().lower() for one in value)
    for one in types:
        if not MIME_TYPE.fullmatch(one.replace("/*", "/any")):
            raise BadLink(f"{one[:80]!r} is no content type")
    return types


def _announce(value: object, hosts: Collection[str]) -> str | None:
    if value is None:
        return None
    host = host_of(value) if isinstance(value, str) and len(value) <= 2_000 and value.isprintable() else None
    if host is None:
        raise BadLink("announce must be an http or https URL")
    if host not in hosts:
        raise BadLink(f"announce: {host[:80]!r} is not among the hosts of the setting announce_hosts")
    return str(value)
