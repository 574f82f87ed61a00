"""`tusserver user`: who may sign in."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime
from getpass import getpass

from tusserver.accounts.base import Accounts, User
from tusserver.accounts.names import parse_name
from tusserver.accounts.passwords import check_password, make_hash
from tusserver.app import accounts_of
from tusserver.protocol.errors import BackendError, Conflict, NotFound
from tusserver.settings import Settings


class UserError(Exception):
    """The users stay as they are; the text is one line."""


async def change_users(settings: Settings, arguments: Namespace) -> str:
    """Carry out one action on the users; gives what is to be printed.

    Raises:
        UserError: it cannot be done.
        StartError: the folder or the database cannot be used.
    """
    actions = {"add": add, "list": show, "remove": remove, "passwd": passwd}
    name = "" if arguments.action == "list" else _name(arguments.name)
    async with accounts_of(settings, may_begin=arguments.action == "add") as accounts:
        try:
            return await actions[arguments.action](accounts, name, arguments)
        except NotFound as error:
            raise UserError(f"there is no user {name}") from error
        except Conflict as error:
            raise UserError(f"there is a user {name} already; `tusserver user passwd` changes the password") from error
        except BackendError as error:
            raise UserError(str(error)) from error


async def add(accounts: Accounts, name: str, arguments: Namespace) -> str:
    """A new user. Who exists already is told before a password is asked for."""
    if any(user.name == name for user in await accounts.users()):
        raise Conflict(name)
    password = await _hashed(arguments)
    await accounts.add_user(User(name, password, frozenset(arguments.scope), datetime.now(UTC)))
    return f"{name} may sign in\n"


async def passwd(accounts: Accounts, name: str, arguments: Namespace) -> str:
    """Another password; tokens that were given count until they run out."""
    await accounts.user(name)
    password = await _hashed(arguments)
    await accounts.save_user(replace(await accounts.user(name), password=password))
    return f"{name} has another password\n"


async def remove(accounts: Accounts, name: str, arguments: Namespace) -> str:
    """No such user any more."""
    await accounts.remove_user(name)
    return f"{name} may sign in no more\n"


async def show(accounts: Accounts, name: str, arguments: Namespace) -> str:
    """A line for each user."""
    users = await accounts.users()
    width = max((len(user.name) for user in users), default=0)
    return "".join(
        f"{user.name:{width}}  {user.created_at:%Y-%m-%d}  {' '.join(sorted(user.scopes))}".rstrip() + "\n"
        for user in users
    )


def _name(text: str) -> str:
    try:
        return parse_name(text)
    except ValueError as error:
        raise UserError(f"the name {text[:80]!r} {error}") from error


async def _hashed(arguments: Namespace) -> str:
    password = await asyncio.to_thread(_read_password, from_stdin=arguments.password_stdin)
    return await asyncio.to_thread(make_hash, password)


def _read_password(*, from_stdin: bool) -> str:
    """The password, typed twice, or the first line of the standard input."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise UserError("there is no terminal to ask for a password; use --password-stdin")
    else:
        password = getpass("Password: ")
    try:
        check_password(password)
    except ValueError as error:
        raise UserError(f"the password {error}") from error
    if not from_stdin and getpass("The same again: ") != password:
        raise UserError("the two passwords differ")
    return password
