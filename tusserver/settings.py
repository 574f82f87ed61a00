"""Every setting of the server, declared once: flags, environment, `.env`, `--help` and docs are made of this table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from io import StringIO
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from tusserver import setting_kinds as kinds
from tusserver.protocol.durability import Durability as Durability
from tusserver.setting_kinds import Kind

T = TypeVar("T")

PREFIX = "TUSSERVER_"
DOTENV = Path(".env")
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
# Kubernetes sets such variables for a service named "tusserver"; nobody wrote them, so they are no settings.
SERVICE_LINK = re.compile(r"TUSSERVER_(SERVICE_(HOST|PORT)(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


class SettingsError(Exception):
    """A setting that is unknown or cannot be used; its text is one line for the person who starts the server."""


class Auth(StrEnum):
    """Who may do something: with AUTO everybody where only this machine can reach the server, else who has a token."""

    AUTO = "auto"
    OFF = "off"
    REQUIRED = "required"


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


@dataclass(frozen=True, slots=True)
class Given:
    """The text of a setting and where it was written, as in "environment variable TUSSERVER_PORT"."""

    text: str
    source: str


def load_settings(
    argv_values: Mapping[str, str], environ: Mapping[str, str], dotenv_path: Path | None = DOTENV
) -> Settings:
    """Put the settings together: a flag wins over the environment, that over `.env`, that over the default.

    Args:
        argv_values: the text of each flag that was given, by the name of its setting.
        environ: as `os.environ`; an empty variable counts as one that is not set.
        dotenv_path: the file to read; one that does not exist is no error, nor is None.
    Raises:
        SettingsError: a setting is unknown or cannot be used.
    """
    given = collect(argv_values, environ, dotenv_path)
    values = {entry.name: read(entry, given[entry.name]) for entry in table() if entry.name in given}
    try:
        return Settings(**values)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def collect(argv_values: Mapping[str, str], environ: Mapping[str, str], dotenv_path: Path | None) -> dict[str, Given]:
    """Give the text that counts of each setting that was written somewhere, by its name."""
    return (
        (from_dotenv(dotenv_path, environ) if dotenv_path else {})
        | from_environment(environ)
        | {name: Given(text, f"flag --{name.replace('_', '-')}") for name, text in argv_values.items()}
    )


def read(entry: Setting, given: Given) -> Any:
    try:
        return entry.kind.read(given.text)
    except ValueError as error:
        text = given.text if len(given.text) <= 80 else given.text[:77] + "..."
        raise SettingsError(
            f"{entry.name}: {entry.shown(repr(text))} ({given.source}) {error}; expected {entry.kind.expected}"
        ) from error


def from_environment(environ: Mapping[str, str]) -> dict[str, Given]:
    known = {entry.variable: entry.name for entry in table()}
    bare = {entry.bare_variable: entry.name for entry in table() if entry.bare}
    for name in environ:
        if name.startswith(PREFIX) and name not in known and not SERVICE_LINK.fullmatch(name):
            raise SettingsError(f"{name} (environment variable) is no setting{guess(name, known)}")
    # The names with the prefix come last: written for this server, they win over those that any program may read.
    return {
        setting_name: Given(environ[name], f"environment variable {name}")
        for name, setting_name in (*bare.items(), *known.items())
        if environ.get(name, "").strip() and not is_of_others(name, environ[name])
    }


def is_of_others(variable: str, text: str) -> bool:
    """Tell whether a shell or Kubernetes set a variable, with the name of a setting, for a purpose of its own.

    tcsh, conda and some profiles export HOST as the name or even the architecture of the machine.
    """
    if variable == "HOST":
        return text.strip() != "localhost" and not is_address(text.strip())
    return variable == f"{PREFIX}PORT" and re.match(r"(tcp|udp|sctp)://", text) is not None


def notices(argv_values: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Say which variables were passed over although somebody may have meant them."""
    text = environ.get("HOST", "")
    meant_elsewhere = "host" in argv_values or environ.get(f"{PREFIX}HOST", "").strip()
    if not text.strip() or meant_elsewhere or not is_of_others("HOST", text):
        return []
    return [f"HOST={text} in the environment is not an address and is passed over; TUSSERVER_HOST or --host sets it"]


def is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def from_dotenv(path: Path, environ: Mapping[str, str]) -> dict[str, Given]:
    """Read `.env`, where every setting may be written with and without the prefix.

    `${NAME}` stands for an earlier line or a variable of the environment.
    """
    with_prefix = {entry.variable: entry.name for entry in table()}
    known = {entry.bare_variable: entry.name for entry in table()} | with_prefix
    found: dict[str, Given] = {}
    seen = dict(environ)
    for line, name, written in dotenv_lines(path):
        source = f"{path} line {line}"
        if name not in known:
            raise SettingsError(f"{name} ({source}) is no setting{guess(name, known)}")
        if written is None:
            raise SettingsError(f"{name} ({source}) has no value; expected {name}=value")
        seen[name] = text = "".join(atom.resolve(seen) for atom in parse_variables(written))
        if text.strip():
            found[name] = Given(text, source)
    ordered = sorted(found, key=lambda name: name in with_prefix)
    return {known[name]: found[name] for name in ordered}


def dotenv_lines(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Give the number, the name and the text of each line that sets something."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{path} cannot be read: {reason}") from error
    for binding in parse_stream(StringIO(text)):
        # A binding begins with the blank lines before it.
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        line = binding.original.line + binding.original.string[:blank].count("\n")
        if binding.error:
            raise SettingsError(f"{path} line {line} cannot be read; expected NAME=value")
        if binding.key is not None:
            yield line, binding.key, binding.value


def guess(name: str, known: Mapping[str, str]) -> str:
    # The prefix is taken off, or it would make every name look like every other.
    names = {one.removeprefix(PREFIX): one for one in known if one.startswith(PREFIX) == name.startswith(PREFIX)}
    close = get_close_matches(name.upper().removeprefix(PREFIX), names, n=1)
    return f"; did you mean {names[close[0]]}?" if close else ""
