"""Who asks, by which address, and from which web page: forwarded headers and CORS."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from tusserver.protocol.fields import Headers

Networks = Sequence[IPv4Network | IPv6Network]

METHODS = "POST, GET, HEAD, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = (
    "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range, Tus-Resumable, Upload-Checksum, "
    "Upload-Concat, Upload-Defer-Length, Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, "
    "X-Request-ID, X-Requested-With"
)
EXPOSED_HEADERS = (
    "Content-Disposition, Content-Range, ETag, Location, Retry-After, Tus-Checksum-Algorithm, Tus-Extension, "
    "Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Concat, Upload-Defer-Length, Upload-Expires, Upload-Length, "
    "Upload-Metadata, Upload-Offset"
)
HEADER_LIST = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,1000}", re.ASCII)
HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Seen:
    """The request as its client made it: scheme, host with port, address of the client."""

    scheme: str
    host: str
    client: str

    @property
    def hostname(self) -> str:
        """The host without port, in lower case."""
        match = HOST.fullmatch(self.host)
        return (match[1] if match else self.host).strip("[]").lower()


def is_trusted(peer: str, proxies: Networks) -> bool:
    """The peer (an IP address, or something else for other sockets) is one of the named proxies."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    # A socket for both families tells IPv4 peers as ::ffff:192.0.2.1.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in proxies)


def seen(headers: Headers, direct: Seen, proxies: Networks) -> Seen:
    """What the client saw: the forwarded headers if they come from a named proxy, else the connection itself.

    Only the first element of a list counts: it is the one the proxy next to the client wrote. `Forwarded` wins over
    `X-Forwarded-*`. A host that is none is not believed.

    Source: RFC 7239.
    """
    if not is_trusted(direct.client, proxies):
        return direct
    told = _forwarded(headers)
    scheme = told.get("proto", direct.scheme).lower()
    host = told.get("host", direct.host)
    return Seen(
        scheme if scheme in ("http", "https") else direct.scheme,
        host if HOST.fullmatch(host) else direct.host,
        told.get("for", direct.client),
    )


def _forwarded(headers: Headers) -> dict[str, str]:
    standard = headers.getall("Forwarded", [])
    if standard:
        pairs = [pair.strip().partition("=") for pair in standard[0].partition(",")[0].split(";")]
        return {name.lower(): bare for name, _, value in pairs if (bare := value.strip('"'))}
    told = {}
    for name in ("proto", "host", "for"):
        values = headers.getall(f"X-Forwarded-{name}", [])
        if values and (first := values[0].partition(",")[0].strip()):
            told[name] = first
    return told


def cors_headers(origin: str | None, allowed: Collection[str]) -> dict[str, str]:
    """Headers for every answer to a web page of another origin.

    Origins are compared as whole strings. Without credentials `*` is enough, and asks no cache to keep one answer
    for each origin.

    Source: Fetch standard, CORS protocol.
    """
    if "*" in allowed:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}
    told = {"Vary": "Origin"}
    if origin is not None and origin in allowed:
        told["Access-Control-Allow-Origin"] = origin
        told["Access-Control-Allow-Credentials"] = "true"
        told["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    return told


def preflight_headers(asked: str | None) -> dict[str, str]:
    """Headers for the answer to a preflight; headers asked for are allowed besides the known ones.

    A header a page adds (`headers` in Uppy) must not stop an upload: what it means is judged when it comes.
    """
    known = REQUEST_HEADERS
    if asked and HEADER_LIST.fullmatch(asked):
        names = {name.lower() for name in REQUEST_HEADERS.split(", ")}
        extra = [name.strip() for name in asked.split(",") if name.strip() and name.strip().lower() not in names]
        known = ", ".join([REQUEST_HEADERS, *extra])
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": known,
        "Access-Control-Max-Age": "86400",
    }
