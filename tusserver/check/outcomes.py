"""How a requirement ends when it does not simply hold."""

from __future__ import annotations


class Failed(Exception):
    """The server does something else than the requirement says; the message tells what was expected and what came."""


class NoAnswer(Failed):
    """The server closed the connection, or let the time pass, without a whole answer."""


class NotOffered(Exception):
    """The server does not announce the extension that the requirement is about."""


class NotTried(Exception):
    """The requirement cannot be tried on this server as it is set up; the message tells what it would take."""


def expect(fact: bool, expected: str, came: object) -> None:
    """Raise Failed unless `fact`. Unlike `assert` it also works under `python -O`."""
    if not fact:
        raise Failed(f"expected {expected}; came {came}")
