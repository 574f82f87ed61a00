"""Where settings are written: flags, the environment, `.env`; and which of them counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from dotenv.parser import parse_stream
from dotenv.variables import parse_variables

from tusserver.settings import PREFIX, Setting, Settings, SettingsError, table

DOTENV = Path(".env")
# Kubernetes sets such variables for a service named "tusserver"; nobody wrote them, so they are no settings.
SERVICE_LINK = re.compile(r"TUSSERVER_(SERVICE_(HOST|PORT)(_.+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


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
