"""Who may do what with an upload."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tusserver.protocol.access import (
    ADMIN,
    BadToken,
    Caller,
    ScopeNeeded,
    Token,
    TokenNeeded,
    judge_look,
    judge_read,
    judge_write,
)
from tusserver.protocol.refusals import UploadNotFound
from tusserver.protocol.uploads import Upload

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_token(owner: str, start: int = -1, end: int = 1, *scopes: str) -> Token:
    """A token that is valid between two hours from now."""
    return Token(owner, NOW + start * HOUR, NOW + end * HOUR, frozenset(scopes))


OPEN = Caller(NOW, is_open=True)
NOBODY = Caller(NOW)
FLAWED = Caller(NOW, flaw=BadToken("it is broken"))
ANN = Caller(NOW, token=a_token("ann"))
BO = Caller(NOW, token=a_token("bo"))
OLD_ANN = Caller(NOW, token=a_token("ann", -3, -1))
OLD_BO = Caller(NOW, token=a_token("bo", -3, -1))
EARLY_ANN = Caller(NOW, token=a_token("ann", 1, 2))

ANNS = Upload("id", NOW, NOW, owner="ann")
BEGUN = Upload("id", NOW - 2 * HOUR, NOW, owner="ann")  # while the old tokens were valid
LINKED = Upload("id", NOW, NOW, owner="ann", link="link")

Kind = type[Exception] | None


@pytest.mark.parametrize(
    ("caller", "look", "write", "read"),
    [
        (OPEN, None, None, None),
        (ANN, None, None, None),
        (BO, UploadNotFound, UploadNotFound, UploadNotFound),
        (NOBODY, None, TokenNeeded, TokenNeeded),
        (FLAWED, None, BadToken, BadToken),
        (OLD_ANN, None, BadToken, BadToken),
        (OLD_BO, None, BadToken, BadToken),
        (EARLY_ANN, None, BadToken, BadToken),
    ],
)
def test_an_upload_is_its_owners(caller: Caller, look: Kind, write: Kind, read: Kind) -> None:
    for judge, kind in ((judge_look, look), (judge_write, write), (judge_read, read)):
        if kind is None:
            judge(caller, ANNS)
            continue
        with pytest.raises(kind):
            judge(caller, ANNS)


def test_a_token_that_has_run_out_goes_on_with_what_it_began_and_reads_nothing() -> None:
    judge_write(OLD_ANN, BEGUN)
    with pytest.raises(BadToken):
        judge_write(OLD_BO, BEGUN)
    with pytest.raises(BadToken):
        judge_read(OLD_ANN, BEGUN)


@pytest.mark.parametrize("caller", [NOBODY, FLAWED, ANN, BO, OLD_BO, OPEN])
def test_the_address_of_what_came_by_a_link_is_enough_to_go_on_with_it(caller: Caller) -> None:
    judge_look(caller, LINKED)
    judge_write(caller, LINKED)


@pytest.mark.parametrize("caller", [NOBODY, BO])
def test_the_address_of_what_came_by_a_link_is_not_enough_to_read_it(caller: Caller) -> None:
    with pytest.raises((TokenNeeded, UploadNotFound)):
        judge_read(caller, LINKED)


def test_what_is_made_belongs_to_the_token_also_where_none_is_needed() -> None:
    assert ANN.require() == "ann"
    assert OPEN.require() is None
    assert Caller(NOW, is_open=True, token=a_token("ann")).require() == "ann"
    assert Caller(NOW, is_open=True, token=a_token("ann", -3, -1)).require() is None


@pytest.mark.parametrize(
    ("caller", "detail"),
    [(OLD_ANN, "the token has run out"), (EARLY_ANN, "it is not valid yet"), (FLAWED, "it is broken")],
)
def test_a_token_that_does_not_count_is_told_why(caller: Caller, detail: str) -> None:
    with pytest.raises(BadToken, match=detail) as refused:
        caller.require()
    assert refused.value.headers["WWW-Authenticate"] == 'Bearer realm="tusserver", error="invalid_token"'


def test_nobody_is_told_how_to_ask() -> None:
    with pytest.raises(TokenNeeded) as refused:
        NOBODY.require()
    assert refused.value.headers == {"WWW-Authenticate": 'Bearer realm="tusserver"'}
    assert (ScopeNeeded.status, ScopeNeeded.code) == (403, "scope-needed")


def test_an_admin_is_one_as_long_as_the_token_is_valid() -> None:
    assert OPEN.is_admin
    assert Caller(NOW, token=a_token("root", -1, 1, ADMIN)).is_admin
    assert not Caller(NOW, token=a_token("root", -2, -1, ADMIN)).is_admin
    assert not ANN.is_admin
    assert not NOBODY.is_admin
