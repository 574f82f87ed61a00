"""The kinds of value a setting can have: how its text is read, what is refused, and how the right form is described.

A kind raises `ValueError` whose message is the end of a sentence about the value: "is not a whole number".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
Network = IPv4Network | IPv6Network

# SQLite keeps integers in 64 bits with a sign, and a larger size is a slip of the keyboard anyway.
LARGEST_SIZE = 2**63 - 1
# `datetime` ends with the year 9999; a moment further away than this would overflow while a request is answered.
LONGEST_TIME = 36_500 * 86_400.0
LEAST_SECRET = 32
# The kernel has room for so many bytes of a path, without the zero behind them.
LONGEST_SOCKET = 107
SIZE_UNITS: dict[str, int] = {"": 1, "b": 1} | {
    letter + suffix: base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("b", 1000), ("ib", 1024))
}
TIME_UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
HOST_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_][A-Za-z0-9_-]*)*\.?")
URL_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
TYPE_RANGE = re.compile(r"[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)")


def keep(value: T) -> T:
    return value


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One kind of value.

    Attributes:
        parse: reads the text of a flag, a variable or a line.
        check: refuses what is out of bounds and gives the value in its one form; made for values set in Python too.
        expected: the right form in words, after "expected".
        metavar: what stands for the value in `--help`.
        is_secret: the value is never shown.
    """

    parse: Callable[[str], T]
    expected: str
    metavar: str
    check: Callable[[T], T] = keep
    is_secret: bool = False

    def read(self, text: str) -> T:
        return self.check(self.parse(text.strip()))


def within(least: float, most: float, shown: Callable[[float], str]) -> Callable[[Any], Any]:
    def check(value: float | None) -> float | None:
        # Written so that a NaN, for which every comparison is false, is refused.
        if value is not None and not least <= value:
            raise ValueError(f"is less than {shown(least)}")
        if value is not None and not value <= most:
            raise ValueError(f"is more than {shown(most)}")
        return value

    return check


def whole(least: int, most: int) -> Kind[int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text):
            raise ValueError("is not a whole number")
        return int(text)

    return Kind(parse, f"a whole number from {least} to {most}", "N", within(least, most, str))


def whole_or(word: str, least: int, most: int) -> Kind[int | None]:
    number = whole(least, most)
    return Kind(or_none(word, number.parse), f"{number.expected}, or {word}", "N", within(least, most, str))


def parse_size(text: str) -> int:
    """Read a number of bytes such as ``500MiB`` (binary), ``10GB`` (decimal) or ``1048576``.

    Raises:
        ValueError: anything else; fractions, separators and bare letters such as ``10G`` too, which mean
            1000 to some programs and 1024 to others.
    """
    found = re.fullmatch(r"([0-9]{1,20}) ?([A-Za-z]*)", text)
    unit = SIZE_UNITS.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise ValueError("is not a size")
    count: int = int(found[1]) * unit
    return count


def parse_time(text: str) -> float:
    """Read a length of time in seconds such as ``90s``, ``1.5h``, ``7d`` or ``30``."""
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)", text)
    unit = TIME_UNITS.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise ValueError("is not a length of time")
    return float(found[1]) * unit


def in_bytes(bound: float) -> str:
    return f"{bound:.0f} bytes"


def in_seconds(bound: float) -> str:
    return f"{bound:.10g} seconds"


SIZE_FORM = "bytes with or without a unit (1048576, 500MiB, 10GB)"
TIME_FORM = "seconds or a number with ms, s, m, h, d or w (90s, 12h, 7d)"


def size(least: int, most: int = LARGEST_SIZE) -> Kind[int]:
    return Kind(parse_size, SIZE_FORM, "SIZE", within(least, most, in_bytes))


def size_or(word: str, least: int) -> Kind[int | None]:
    bounds = within(least, LARGEST_SIZE, in_bytes)
    return Kind(or_none(word, parse_size), f"{SIZE_FORM}, or {word}", "SIZE", bounds)


def time(least: float) -> Kind[float]:
    return Kind(parse_time, TIME_FORM, "TIME", within(least, LONGEST_TIME, in_seconds))


def time_or(word: str, least: float) -> Kind[float | None]:
    return Kind(or_none(word, parse_time), f"{TIME_FORM}, or {word}", "TIME", within(least, LONGEST_TIME, in_seconds))


def or_none(word: str, parse: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: None if text.lower() == word else parse(text)


def parse_flag(text: str) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise ValueError("is neither true nor false")
    return text.lower() in TRUE


def choice(of: type[E]) -> Kind[E]:
    def check(value: str) -> E:
        try:
            return of(value.lower())
        except ValueError:
            raise ValueError("is not one of the words known here") from None

    return Kind(check, f"one of {', '.join(of)}", "WORD", check)


def check_host(value: str) -> str:
    """Accept an address of version 4 or 6, without brackets, or a host name."""
    if ":" in value:
        try:
            ip_network(value.partition("%")[0])
        except ValueError:
            raise ValueError("is not an address") from None
    elif not HOST_NAME.fullmatch(value):
        raise ValueError("is not an address")
    return value


def parse_folder(text: str) -> Path:
    # The empty path would be the working directory, which nobody means who writes nothing.
    if not text:
        raise ValueError("is empty")
    return Path(text)


def check_folder(value: Path) -> Path:
    if "\0" in str(value):
        raise ValueError("is not a path")
    try:
        # Made absolute once, so that a later change of the working directory moves nothing.
        return value.expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("begins with ~ and a name that no user has") from error


def check_base_url(value: str | None) -> str | None:
    """Give the public address without a slash at its end."""
    if value is None:
        return None
    if not is_http(value) or urlsplit(value).query or urlsplit(value).fragment:
        raise ValueError("is not an address of the web")
    return value.rstrip("/")


def is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        port_is_read = parts.port is None or parts.port > 0
    except ValueError:
        return False
    clean = value.isascii() and value.isprintable() and not set(value) & set(" @\\")
    return clean and port_is_read and parts.scheme in ("http", "https") and bool(parts.hostname)


def check_link(value: str | None) -> str | None:
    if value is not None and not is_http(value):
        raise ValueError("is not an address of the web")
    return value


def check_secret(value: str | None) -> str | None:
    # RFC 7518, section 3.2: what signs with HS256 has at least the 256 bits of the hash.
    if value is not None and len(value.encode("utf-8", "surrogateescape")) < LEAST_SECRET:
        raise ValueError(f"is shorter than {LEAST_SECRET} bytes")
    return value


def check_public_key(value: str | None) -> str | None:
    """Give the PEM text, or the path of its file made absolute."""
    if value is None:
        return None
    # In variables the lines of a PEM text are often written with \\n between them.
    text = value.replace("\\n", "\n")
    if not text.startswith("-----BEGIN "):
        if not text:
            raise ValueError("is empty")
        return str(check_folder(Path(text)))
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key, which nobody but the issuer may have")
    return text


def check_word(value: str | None) -> str | None:
    if value is not None and not (value.isprintable() and value.strip()):
        raise ValueError("is empty or has characters that cannot be printed")
    return value


def check_route(value: str) -> str:
    """Give a path of the server that begins with a slash and does not end with one."""
    path = "/" + value.strip("/")
    if not URL_PATH.fullmatch(path):
        raise ValueError("is not a path for a route")
    return path


def check_collection(value: str) -> str:
    return check_route(value) + "/"


def split(text: str) -> tuple[str, ...]:
    """Read words between commas, or a JSON list as pydantic reads one from a variable; ``none`` is the empty list."""
    if text.startswith("["):
        try:
            words = json.loads(text)
        except ValueError:
            raise ValueError("is not a list") from None
        if not all(isinstance(word, str) for word in words):
            raise ValueError("is not a list of words")
    else:
        words = [] if text.lower() == "none" else text.split(",")
    kept = tuple(word.strip() for word in words)
    if "" in kept:
        raise ValueError("has an empty word in it")
    return kept


def check_origins(values: Iterable[str]) -> tuple[str, ...]:
    """Accept ``*`` alone, or origins exactly as a browser sends them: scheme, host, port unless it is the usual one."""
    origins = tuple(value.lower().removesuffix("/") for value in values)
    for origin in origins:
        if origin == "*" and len(origins) > 1:
            raise ValueError("has * beside other origins")
        # An origin has no path, and a pattern in it would be compared as it stands and never match.
        if origin != "*" and not (is_http(origin) and re.fullmatch(r"https?://[^/?#*]+", origin)):
            raise ValueError(f"has {origin!r} in it, which is not an origin")
    return origins


def check_hosts(values: Iterable[str]) -> tuple[str, ...]:
    """Accept names and addresses of hosts as they stand in an address of the web, without brackets."""
    hosts = tuple(value.lower() for value in values)
    for host in hosts:
        try:
            check_host(host)
        except ValueError:
            raise ValueError(f"has {host!r} in it, which is no host name") from None
    return hosts


def parse_networks(text: str) -> tuple[Network, ...]:
    networks = []
    for word in split(text):
        try:
            networks.append(ip_network(word))
        except ValueError:
            raise ValueError(f"has {word!r} in it, which is neither an address nor a network") from None
    return tuple(networks)


def words_of(known: frozenset[str]) -> Kind[frozenset[str]]:
    def check(values: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(values - known):
            raise ValueError(f"has {unknown[0]!r} in it, which is unknown")
        return values

    return Kind(parse_words, f"none, or names between commas out of {', '.join(sorted(known))}", "NAMES", check)


def parse_words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in split(text))


def check_suffixes(values: frozenset[str]) -> frozenset[str]:
    suffixes = frozenset(value.lower().removeprefix(".") for value in values)
    if wrong := sorted(suffix for suffix in suffixes if not re.fullmatch("[a-z0-9]+", suffix)):
        raise ValueError(f"has {wrong[0]!r} in it, which is not a file extension")
    return suffixes


def check_types(values: Iterable[str]) -> tuple[str, ...]:
    types = tuple(value.strip().lower() for value in values)
    if wrong := [one for one in types if not TYPE_RANGE.fullmatch(one)]:
        raise ValueError(f"has {wrong[0]!r} in it, which is not a content type")
    return types


def check_socket(value: str | None) -> str | None:
    """Accept the path of a Unix socket, or a host and a port as they stand in an address of the web."""
    if value is None:
        return None
    if value.startswith("/"):
        if "\0" in value or len(value.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET:
            raise ValueError("is no path that a Unix socket can have")
        return value
    host, _, port = value.rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        check_host(host[1:-1] if is_bracketed else host)
    except ValueError:
        host = ""
    is_port = re.fullmatch(r"[0-9]{1,5}", port, re.ASCII) is not None and 0 < int(port) < 65536
    # An address of version 6 without brackets leaves open where the port begins.
    if not host or not is_port or (":" in host) != is_bracketed:
        raise ValueError("is neither a path nor a host with a port")
    return value


FLAG = Kind(parse_flag, "true or false", "")
HOST = Kind(keep, "an address such as 127.0.0.1, 0.0.0.0 or ::, or a host name", "ADDRESS", check_host)
FOLDER = Kind(parse_folder, "the path of a folder", "FOLDER", check_folder)
BASE_URL: Kind[str | None] = Kind(
    or_none("none", keep), "an address such as https://example.com or https://example.com/prefix, or none",
    "URL", check_base_url,
)  # fmt: skip
ROUTE = Kind(keep, "a path such as /uploads", "PATH", check_route)
COLLECTION = Kind(keep, "a path such as /files/", "PATH", check_collection)
ORIGINS = Kind(split, "*, none, or origins between commas such as https://example.com", "ORIGINS", check_origins)
NETWORKS = Kind(parse_networks, "none, or addresses and networks between commas (127.0.0.1,10.0.0.0/8)", "NETWORKS")
HOSTS = Kind(split, "none, or host names between commas such as hooks.example.com", "HOSTS", check_hosts)
SUFFIXES = Kind(parse_words, "file extensions between commas such as png,jpg", "NAMES", check_suffixes)
TYPES = Kind(split, "none, or content types between commas such as application/pdf,image/*", "TYPES", check_types)
SOCKET: Kind[str | None] = Kind(
    or_none("none", keep), "none, host:port, or the path of a Unix socket", "ADDRESS", check_socket
)
LINK: Kind[str | None] = Kind(
    or_none("none", keep), "an address such as https://example.com/keys.json, or none", "URL", check_link
)
SECRET: Kind[str | None] = Kind(
    or_none("none", keep), f"at least {LEAST_SECRET} bytes, or none", "SECRET", check_secret, is_secret=True
)
# Somebody may take the private key for the public one; so the text is not shown.
PUBLIC_KEY: Kind[str | None] = Kind(
    or_none("none", keep), "a public key in PEM form, the path of a file with one, or none", "KEY", check_public_key,
    is_secret=True,
)  # fmt: skip
WORD: Kind[str | None] = Kind(or_none("none", keep), "printable text, or none", "TEXT", check_word)
