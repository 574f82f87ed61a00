"""The arguments of every command; the flags of settings are made from their table."""

from __future__ import annotations

import re
from argparse import SUPPRESS, Action, ArgumentParser, ArgumentTypeError, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Container
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import tusserver
from tusserver import setting_kinds as kinds
from tusserver.settings import Setting, table

T = TypeVar("T")

COMMANDS = {
    "serve": "run the server (also what happens without a command)",
    "upload": "send files to a tus server; a run that was cut goes on where it stopped",
    "cleanup": "remove uploads that have expired or were given up",
    "user": "say who may sign in",
    "key": "change the key that tokens are signed with",
    "settings": "show every setting, its value here, and where the value comes from",
}
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# tuspy reads a chunk into memory and opens a connection for each. On loopback, where that costs most, 16 MiB is four
# times as fast as 1 MiB and as fast as 64 MiB; on slow links a chunk is what passes in a second.
CHUNK_SIZE = "16MiB"
GIVE_UP_AFTER = "10m"
# What of the settings decides which uploads a clean-up removes.
CLEANUP_SETTINGS = ("upload_folder", "keep_finished")
USER_ACTIONS = {
    "add": "let somebody sign in",
    "list": "show who may sign in, since when, and with which scopes",
    "remove": "let somebody sign in no more; what they uploaded stays",
    "passwd": "give somebody another password",
}
KEY_ACTIONS = {"rotate": "sign tokens with a new key; those that were given count until they run out"}
SCOPES = ("admin",)


class UsageError(Exception):
    """The arguments are wrong; the text is one line."""


class Parser(ArgumentParser):
    def __init__(self, **options: Any) -> None:
        always: dict[str, Any] = {"allow_abbrev": False, "formatter_class": RawDescriptionHelpFormatter}
        super().__init__(**options | always)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def parse(arguments: list[str]) -> Namespace | None:
    """Read the arguments of a command, its name first; None when its help was asked for and shown.

    Raises:
        UsageError: something is unknown, missing or malformed.
    """
    parser = make_parser()
    try:
        found, unknown = parser.parse_known_args(arguments)
    except SystemExit:
        return None
    if unknown:
        flag = unknown[0].partition("=")[0]
        close = get_close_matches(flag, re.findall(r"--[a-z-]+", found.usage), n=1)
        command = f"{found.command} {found.action}" if "action" in found else found.command
        raise UsageError(f"{command} knows no {flag!r}" + (f"; did you mean {close[0]}?" if close else ""))
    return found


def make_parser() -> ArgumentParser:
    parser = Parser(prog="tusserver", description=tusserver.__doc__)
    parser.add_argument("--version", action="version", version=f"tusserver {tusserver.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    fill: dict[str, Callable[[ArgumentParser], None]] = {
        "serve": add_serve, "upload": add_upload, "cleanup": add_cleanup, "user": add_user, "key": add_key,
        "settings": add_settings_command,
    }  # fmt: skip
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        fill[name](command)
        command.set_defaults(usage=command.format_usage())
    return parser


def add_serve(parser: ArgumentParser) -> None:
    add_settings(parser, {entry.name for entry in table()})
    parser.epilog = (
        "Each setting is also an environment variable (--port is TUSSERVER_PORT) and a line of .env in the working\n"
        "directory; a flag wins over the environment, and that over .env. `tusserver settings` shows what is in force."
    )


def add_upload(parser: ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument(
        "--to", required=True, type=endpoint, metavar="URL",
        help="where uploads are created, such as http://127.0.0.1:5000/files/; without a path, /files/ is meant",
    )  # fmt: skip
    parser.add_argument(
        "--header", action="append", default=[], type=header, metavar="'NAME: VALUE'",
        help="sent with every request, for a token; may be given several times",
    )  # fmt: skip
    parser.add_argument("--checksum", action="store_true", help="have the server verify every chunk (sha1)")
    parser.add_argument("--anew", action="store_true", help="start from the first byte and do not resume")
    parser.add_argument(
        "--chunk-size", type=of(kinds.size(1)), default=CHUNK_SIZE, metavar="SIZE",
        help=f"most bytes in one request, which are held in memory (default: {CHUNK_SIZE})",
    )  # fmt: skip
    parser.add_argument(
        "--give-up-after", type=of(kinds.time(0)), default=GIVE_UP_AFTER, metavar="TIME",
        help=f"time without progress after which a file is given up (default: {GIVE_UP_AFTER})",
    )  # fmt: skip
    parser.epilog = "The address of each uploaded file is written to the standard output, everything else to the other."


def add_cleanup(parser: ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    parser.add_argument(
        "--older-than", type=of(kinds.time(0)), metavar="TIME",
        help="also unfinished uploads that nothing was added to for this long, expired or not",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_settings(parser, CLEANUP_SETTINGS)


def add_user(parser: ArgumentParser) -> None:
    for name, action in add_actions(parser, USER_ACTIONS).items():
        if name != "list":
            action.add_argument("name", metavar="NAME")
        if name in ("add", "passwd"):
            action.add_argument(
                "--password-stdin", action="store_true", help="read the password from the standard input, one line"
            )
        if name == "add":
            action.add_argument(
                "--scope", action="append", default=[], choices=SCOPES,
                help="what the user may do besides: an admin cleans up behind everybody",
            )  # fmt: skip
        add_settings(action, ("upload_folder",))
        action.set_defaults(usage=action.format_usage())
    parser.epilog = "A token that was given counts until it runs out, also when its user is removed."


def add_key(parser: ArgumentParser) -> None:
    rotate = add_actions(parser, KEY_ACTIONS)["rotate"]
    rotate.add_argument(
        "--revoke", action="store_true", help="end every token that was given, for when somebody has seen a key"
    )
    add_settings(rotate, ("upload_folder",))
    rotate.set_defaults(usage=rotate.format_usage())


def add_actions(parser: ArgumentParser, purposes: dict[str, str]) -> dict[str, ArgumentParser]:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    made = {}
    for name, purpose in purposes.items():
        made[name] = actions.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
    return made


def add_settings_command(parser: ArgumentParser) -> None:
    parser.add_argument("--markdown", action="store_true", help="print the page that documents the settings")
    add_settings(parser, {entry.name for entry in table()})


def add_settings(parser: ArgumentParser, names: Container[str]) -> None:
    groups: dict[str, Callable[..., Action]] = {}
    for entry in table():
        if entry.name in names:
            if entry.group not in groups:
                groups[entry.group] = parser.add_argument_group(entry.group).add_argument
            add_flag(groups[entry.group], entry)


def add_flag(add: Callable[..., Action], entry: Setting) -> None:
    help = f"{entry.help} (default: {entry.default})".replace("%", "%%")
    if entry.is_switch:
        add(entry.flag, dest=entry.name, action="store_const", const="true", default=SUPPRESS, help=help)
        add(entry.off_flag, dest=entry.name, action="store_const", const="false", default=SUPPRESS, help=SUPPRESS)
    else:
        add(entry.flag, dest=entry.name, metavar=entry.kind.metavar, default=SUPPRESS, help=help)


def setting_texts(arguments: Namespace) -> dict[str, str]:
    """Give the text of each flag of a setting that was given, by the name of the setting."""
    given = vars(arguments)
    return {entry.name: given[entry.name] for entry in table() if entry.name in given}


def of(kind: kinds.Kind[T]) -> Callable[[str], T]:
    """Make a reader for argparse, whose own message for a `ValueError` would hide the reason."""

    def read(text: str) -> T:
        try:
            return kind.read(text)
        except ValueError as error:
            raise ArgumentTypeError(f"{text!r} {error}; expected {kind.expected}") from error

    return read


def endpoint(text: str) -> str:
    expected = "expected an address such as http://127.0.0.1:5000/files/"
    if not kinds.is_http(text):
        raise ArgumentTypeError(f"{text!r} is not an address of the web; {expected}")
    parts = urlsplit(text)
    return text if parts.path.strip("/") or parts.query else f"{parts.scheme}://{parts.netloc}/files/"


def header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
        raise ArgumentTypeError(f"{text!r} is not a header; expected 'Name: value' in ASCII")
    return name, value.strip()
