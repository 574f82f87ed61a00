"""The command `tusserver`: reads its arguments, calls the part that does the work, and tells failures in one line.

What a command needs is imported when it runs, so that `--help` and `--version` answer at once.

Exit status: 0 done; 1 it failed or could not start; 2 the arguments or a setting are wrong; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from tusserver.cli.arguments import UsageError, make_parser, parse, setting_texts
from tusserver.setting_sources import load_settings, notices
from tusserver.settings import SettingsError


class CommandError(Exception):
    """A command cannot do its work; the text is one line for the person who called it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the arguments without the name of the program; those of the process by default.
    Returns:
        the exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in ("-h", "--help", "--version"):
            return show(arguments)
        if not arguments or arguments[0].startswith("-"):
            arguments.insert(0, "serve")
        status = run(parse(arguments))
        # Here, where a reader that has left is noticed, and not when Python ends.
        sys.stdout.flush()
        return status
    except (UsageError, SettingsError) as error:
        return fail(str(error), 2)
    except CommandError as error:
        return fail(str(error), 1)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "tusserver":
            raise
        return fail(f"the library {error.name} is missing; `pip install tusserver` installs all it needs", 1)
    except KeyboardInterrupt:
        resumable = arguments[:1] == ["upload"] and "--anew" not in arguments
        return fail("interrupted; the same command goes on from here" if resumable else "interrupted", 130)
    except BrokenPipeError:
        # Whoever read the output has left. The stream is replaced so that Python does not fail at flushing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def show(arguments: list[str]) -> int:
    try:
        make_parser().parse_args(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def fail(text: str, status: int) -> int:
    print(f"tusserver: {text}", file=sys.stderr)
    return status


def run(arguments: Namespace | None) -> int:
    # Nothing to run when the help of a command was shown.
    if arguments is None:
        return 0
    commands = {
        "serve": serve, "upload": upload, "cleanup": cleanup, "user": user, "key": key, "settings": show_settings,
    }  # fmt: skip
    return commands[arguments.command](arguments)


def serve(arguments: Namespace) -> int:
    texts = setting_texts(arguments)
    settings = load_settings(texts, os.environ)
    if settings.reload:
        from tusserver.cli.reload import serve_again

        return serve_again(texts, settings.stop_timeout)
    for notice in notices(texts, os.environ):
        print(f"tusserver: {notice}", file=sys.stderr)

    from tusserver import app, serving

    try:
        return serving.serve(settings)
    except app.StartError as error:
        raise CommandError(str(error)) from error


def upload(arguments: Namespace) -> int:
    from tusserver.upload import Options, upload_files

    options = Options(
        endpoint=arguments.to,
        headers=dict(arguments.header),
        chunk_size=arguments.chunk_size,
        checksum=arguments.checksum,
        anew=arguments.anew,
        give_up_after=arguments.give_up_after,
    )
    return upload_files([Path(name) for name in arguments.files], options)


def cleanup(arguments: Namespace) -> int:
    settings = load_settings(setting_texts(arguments), os.environ)

    from tusserver import app
    from tusserver.cli.report import show_report

    try:
        report = asyncio.run(app.cleanup(settings, dry_run=arguments.dry_run, older_than=arguments.older_than))
    except app.StartError as error:
        raise CommandError(str(error)) from error
    print(show_report(report, as_json=arguments.json))
    return 0


def user(arguments: Namespace) -> int:
    settings = load_settings(setting_texts(arguments), os.environ)

    from tusserver import app
    from tusserver.cli.users import UserError, change_users

    try:
        print(asyncio.run(change_users(settings, arguments)), end="")
    except (app.StartError, UserError) as error:
        raise CommandError(str(error)) from error
    return 0


def key(arguments: Namespace) -> int:
    settings = load_settings(setting_texts(arguments), os.environ)

    from tusserver import app

    try:
        app.rotate_key(settings, revoke=arguments.revoke)
    except app.StartError as error:
        raise CommandError(str(error)) from error
    told = "every token given until now has ended" if arguments.revoke else "tokens given count until they run out"
    print(f"a new key signs; {told}")
    return 0


def show_settings(arguments: Namespace) -> int:
    from tusserver.cli.settings_page import markdown, values_in_force

    print(markdown() if arguments.markdown else values_in_force(setting_texts(arguments), os.environ), end="")
    return 0
