"""Every setting of the server, declared once: flags, environment, `.env`, `--help` and docs are made of this table."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from tusserver import setting_kinds as kinds
from tusserver.protocol.durability import Durability as Durability
from tusserver.setting_kinds import Kind

T = TypeVar("T")

PREFIX = "TUSSERVER_"
SECRET_SHOWN = "(not shown)"
TUS_EXTENSIONS = frozenset({
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "checksum-trailer",
    "expiration",
    "termination",
    "concatenation",
    "concatenation-unfinished",
})  # fmt: skip


class SettingsError(Exception):
    """A setting that is unknown or cannot be used; its text is one line for the person who starts the server."""


class Auth(StrEnum):
    """Who may do something: with AUTO everybody where only this machine can reach the server, else who has a token."""

    AUTO = "auto"
    OFF = "off"
    REQUIRED = "required"


class Previews(StrEnum):
    """Who may see images under `upload_url_path`: everybody, since an img tag sends no token, or as `auth` says."""

    PUBLIC = "public"
    PRIVATE = "private"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of the table.

    Attributes:
        name: the attribute of `Settings`, and the words of the flag and the variable.
        default: as a user would write it.
        bare: the environment variable without the prefix counts too.
    """

    name: str
    kind: Kind[Any]
    default: str
    group: str
    help: str
    bare: bool

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def off_flag(self) -> str:
        """The flag that says no, of a setting that is true or false."""
        return "--no-" + self.name.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        return self.kind is kinds.FLAG

    def shown(self, text: str) -> str:
        """The text of a value as others may see it."""
        return SECRET_SHOWN if self.kind.is_secret and text.strip().lower() not in ("", "none") else text

    @property
    def variable(self) -> str:
        return PREFIX + self.bare_variable

    @property
    def bare_variable(self) -> str:
        return self.name.upper()


def setting(kind: Kind[T], default: str, group: str, help: str, *, bare: bool = False) -> T:
    described = {"kind": kind, "default": default, "group": group, "help": help, "bare": bare}
    # Declared as its value, which is what the type checker has to see of a field of a dataclass.
    made: T = field(default=kind.parse(default), metadata={"setting": described}, repr=not kind.is_secret)
    return made


SERVING = "Serving"
ACCESS = "Access"
KEEPING = "Keeping"
LIMITS = "Limits"
TIMES = "Times"
WEB = "Browsers and proxies"
IMAGES = "Images"
ZIP = "ZIP"
RUNNING = "Running"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one server. Values set in Python are checked like those that are read.

    Raises:
        ValueError: a value is out of its bounds, or two do not go together.
    """

    host: str = setting(kinds.HOST, "127.0.0.1", SERVING, "address or name to listen on", bare=True)
    port: int = setting(kinds.whole(0, 65535), "5000", SERVING, "port to listen on; 0 takes a free one", bare=True)
    base_url: str | None = setting(
        kinds.BASE_URL, "none", SERVING,
        "public address of the server; when it is set, Location and every other link is absolute", bare=True,
    )  # fmt: skip
    tus_path: str = setting(kinds.COLLECTION, "/files/", SERVING, "path that tus uploads are created at")
    auth: Auth = setting(  # noqa: RUF009 (a field, made by `field`)
        kinds.choice(Auth), "auto", ACCESS,
        "who may upload, list and download: everybody (off), who has a token (required), or everybody on a loopback "
        "address and who has a token on any other (auto)",
    )  # fmt: skip
    token_lifetime: float = setting(
        kinds.time(1), "15m", ACCESS, "how long a token of POST /auth/token is valid; uploads under way outlive it"
    )
    session_lifetime: float = setting(
        kinds.time(1), "12h", ACCESS, "how long after a sign-in POST /auth/renew gives another token for a valid one"
    )
    jwt_secret: str | None = setting(
        kinds.SECRET, "none", ACCESS, "shared secret of tokens that somebody else signs with HS256"
    )
    jwt_public_key: str | None = setting(
        kinds.PUBLIC_KEY, "none", ACCESS, "public key of tokens that somebody else signs with RS256, ES256 or EdDSA"
    )
    jwt_jwks_url: str | None = setting(
        kinds.LINK, "none", ACCESS, "address of the public keys (JWKS) of an identity provider"
    )
    jwt_audience: str | None = setting(
        kinds.WORD, "none", ACCESS, "what tokens of others must name as their audience; without it they may name none"
    )
    jwt_issuer: str | None = setting(
        kinds.WORD, "none", ACCESS, "what tokens of others must name as their issuer; without it any will do"
    )
    announce_hosts: tuple[str, ...] = setting(
        kinds.HOSTS, "none", ACCESS, "hosts that upload links may have told of completed uploads, at any port"
    )
    upload_folder: Path = setting(  # noqa: RUF009 (a field, made by `field`)
        kinds.FOLDER, "uploads", KEEPING, "folder for everything the server keeps", bare=True
    )  # fmt: skip
    durability: Durability = setting(  # noqa: RUF009 (a field, made by `field`)
        kinds.choice(Durability), "complete", KEEPING,
        "what a power cut cannot take: finished uploads (complete), every acknowledged byte (always), "
        "or no promise (never)",
    )  # fmt: skip
    expires_after: float | None = setting(
        kinds.time_or("never", 0.01), "7d", KEEPING, "time after which an unfinished upload is removed"
    )
    keep_finished: float | None = setting(
        kinds.time_or("never", 0.01), "never", KEEPING, "time after which a finished upload is removed"
    )
    stale_after: float = setting(
        kinds.time(0.01), "24h", KEEPING,
        "time without a byte after which DELETE /cleanup takes an unfinished upload for given up",
    )  # fmt: skip
    sweep_interval: float = setting(kinds.time(0.01), "10m", KEEPING, "time between two searches for what has expired")
    max_size: int | None = setting(kinds.size_or("none", 1), "none", LIMITS, "largest upload")
    allowed_types: tuple[str, ...] = setting(
        kinds.TYPES, "none", LIMITS,
        "content types of uploads that are taken, judged by what is declared and by the first bytes; none takes all",
    )  # fmt: skip
    clamd: str | None = setting(
        kinds.SOCKET, "none", LIMITS, "clamd, which looks for viruses in every upload before it is complete"
    )
    max_metadata: int = setting(kinds.size(0), "16KiB", LIMITS, "largest Upload-Metadata field")
    max_header: int = setting(
        kinds.size(1024, 2**24), "128KiB", LIMITS,
        "largest header field; lists in Upload-Concat and tokens are long",
    )  # fmt: skip
    max_headers: int = setting(kinds.whole(16, 4096), "128", LIMITS, "most header fields of a request")
    max_json_body: int = setting(
        kinds.size(1024, 2**30), "16MiB", LIMITS, "largest JSON body; a chunk in JSON is held in memory as a whole"
    )
    chunk_size: int = setting(kinds.size(1, 2**40), "8MiB", LIMITS, "size of chunks that POST /upload/start proposes")
    max_owner_bytes: int | None = setting(
        kinds.size_or("none", 1), "none", LIMITS, "most bytes of all uploads of one owner, finished or not"
    )
    max_owner_open: int | None = setting(
        kinds.whole_or("none", 1, 2**31), "none", LIMITS, "most unfinished uploads of one owner"
    )
    max_owner_per_minute: int | None = setting(
        kinds.whole_or("none", 1, 2**31), "none", LIMITS, "most uploads that one owner begins within a minute"
    )
    read_timeout: float = setting(
        kinds.time(0.01), "60s", TIMES, "time without a byte after which a body is ended; what came is kept"
    )
    lock_timeout: float = setting(
        kinds.time(0), "5s", TIMES, "longest wait for the writer of an upload to let go before 423 is answered"
    )
    stop_timeout: float = setting(kinds.time(0), "5s", TIMES, "longest wait for running requests when stopping")
    cors_origins: tuple[str, ...] = setting(
        kinds.ORIGINS, "*", WEB, "origins whose pages may use the server from a browser"
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        kinds.NETWORKS, "none", WEB, "proxies whose Forwarded and X-Forwarded fields are believed"
    )
    disabled_extensions: frozenset[str] = setting(
        kinds.words_of(TUS_EXTENSIONS), "none", WEB, "tus extensions that are switched off"
    )
    allowed_extensions: frozenset[str] = setting(
        kinds.SUFFIXES, "png,jpg,jpeg,webp", IMAGES, "file extensions of images that are accepted", bare=True
    )
    upload_url_path: str = setting(kinds.ROUTE, "/uploads", IMAGES, "path that images are shown under", bare=True)
    images: Previews = setting(  # noqa: RUF009 (a field, made by `field`)
        kinds.choice(Previews), "public", IMAGES,
        "who may see images by their address: everybody (public), or who may read the upload (private)",
    )  # fmt: skip
    image_max_size: int = setting(kinds.size(1), "25MB", IMAGES, "largest image file")
    image_max_pixels: int = setting(kinds.whole(1, 2**31), "40000000", IMAGES, "most pixels of an image, each frame")
    image_max_frames: int = setting(kinds.whole(1, 2**31), "100", IMAGES, "most frames of an animated image")
    image_optimise: bool = setting(
        kinds.FLAG, "false", IMAGES, "write images that POST /api/upload takes anew, smaller and without personal data"
    )
    image_timeout: float = setting(
        kinds.time(0.1), "20s", IMAGES, "time of a processor that reading one image may take"
    )
    image_workers: int = setting(kinds.whole(1, 64), "1", IMAGES, "processes that read images")
    image_cache: int = setting(kinds.size(0), "1GiB", IMAGES, "room on the disk for images in other sizes and formats")
    zip_max_size: int = setting(kinds.size(1), "100MB", ZIP, "most bytes of all files of POST /zip-file/ together")
    zip_memory: int = setting(
        kinds.size(1), "400MB", ZIP, "memory for all POST /zip-file/ at once; past it the answer is 503"
    )
    reload: bool = setting(
        kinds.FLAG, "false", RUNNING, "start again when the server's code changes, for development", bare=True
    )
    access_log: bool = setting(kinds.FLAG, "false", RUNNING, "write a line for every request")
    log_level: str = setting(kinds.choice(LogLevel), "info", RUNNING, "least weight of a line in the log")

    def __post_init__(self) -> None:
        for entry in table():
            value = getattr(self, entry.name)
            try:
                object.__setattr__(self, entry.name, entry.kind.check(value))
            except ValueError as error:
                shown = entry.shown(repr(value))
                raise ValueError(f"{entry.name}: {shown} {error}; expected {entry.kind.expected}") from None
        if self.max_metadata > self.max_header:
            raise ValueError(
                f"max_metadata: {self.max_metadata} bytes is more than max_header lets through, {self.max_header} bytes"
            )


@cache
def table() -> tuple[Setting, ...]:
    """Every setting, in the order of declaration."""
    return tuple(Setting(name=found.name, **found.metadata["setting"]) for found in fields(Settings))
