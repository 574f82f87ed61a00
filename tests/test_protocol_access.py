"""Who may do what with an upload."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tusserver.protocol.access import (
    ADMIN,
    BadToken,
    Caller,
    SessionOver,
    Token,
    TokenNeeded,
    TokenNotRenewable,
    judge_look,
    judge_read,
    judge_removal,
    judge_renewal,
    judge_write,
)
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.rules import Limits, narrowed
from tusserver.protocol.uploads import Kind, State, Upload

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
BEGUN = NOW - DAY

ADAS = Upload(id="A" * 22, created_at=BEGUN, updated_at=BEGUN, owner="ada")
NOBODYS = Upload(id="B" * 22, created_at=BEGUN, updated_at=BEGUN)
BY_LINK = Upload(id="C" * 22, created_at=BEGUN, updated_at=BEGUN, owner="ada", link="L" * 22)

Judge = Callable[[Caller, Upload], None]


def token(owner: str, start: datetime = NOW - MINUTE, end: datetime = NOW + MINUTE) -> Token:
    return Token(owner, start, end)


OPEN = Caller(NOW, is_open=True)
NONE = Caller(NOW)
BROKEN = Caller(NOW, flaw=BadToken("it is broken"))
ADA = Caller(NOW, token=token("ada"))
BOB = Caller(NOW, token=token("bob"))
ADA_THEN = Caller(NOW, token=token("ada", BEGUN - MINUTE, BEGUN + MINUTE))
ADA_BETWEEN = Caller(NOW, token=token("ada", BEGUN + MINUTE, BEGUN + 2 * MINUTE))
ADA_LATER = Caller(NOW, token=token("ada", NOW + MINUTE, NOW + 2 * MINUTE))
BOB_THEN = Caller(NOW, token=token("bob", BEGUN - MINUTE, BEGUN + MINUTE))


def outcome(judge: Judge, caller: Caller, upload: Upload) -> type[Refusal] | None:
    try:
        judge(caller, upload)
    except Refusal as refusal:
        return type(refusal)
    return None


@pytest.mark.parametrize(
    ("caller", "look", "write", "read"),
    [
        (OPEN, None, None, None),
        (ADA, None, None, None),
        (NONE, None, TokenNeeded, TokenNeeded),
        (BROKEN, None, BadToken, BadToken),
        (BOB, UploadNotFound, UploadNotFound, UploadNotFound),
        (ADA_THEN, None, None, BadToken),
        (ADA_BETWEEN, None, BadToken, BadToken),
        (ADA_LATER, None, BadToken, BadToken),
        (BOB_THEN, None, BadToken, BadToken),
    ],
)
def test_an_upload_is_its_owners_and_its_address_is_enough_to_look(
    caller: Caller, look: type[Refusal] | None, write: type[Refusal] | None, read: type[Refusal] | None
) -> None:
    assert outcome(judge_look, caller, ADAS) is look
    assert outcome(judge_write, caller, ADAS) is write
    assert outcome(judge_read, caller, ADAS) is read


@pytest.mark.parametrize("caller", [OPEN, NONE, BROKEN, ADA, BOB, ADA_THEN, BOB_THEN])
def test_the_address_of_an_upload_by_a_link_is_enough_to_look_and_to_write(caller: Caller) -> None:
    assert outcome(judge_look, caller, BY_LINK) is None
    assert outcome(judge_write, caller, BY_LINK) is None


@pytest.mark.parametrize(("caller", "refused"), [(NONE, TokenNeeded), (BOB, UploadNotFound), (ADA, None)])
def test_what_came_by_a_link_is_read_by_its_owner_only(caller: Caller, refused: type[Refusal] | None) -> None:
    assert outcome(judge_read, caller, BY_LINK) is refused


@pytest.mark.parametrize("upload", [ADAS, BY_LINK])
@pytest.mark.parametrize("caller", [OPEN, NONE, BROKEN, ADA, BOB, ADA_THEN, BOB_THEN])
def test_who_may_write_removes_what_is_unfinished_and_only_who_may_read_what_is_finished(
    caller: Caller, upload: Upload
) -> None:
    finished = replace(upload, length=0, state=State.COMPLETE)
    part = replace(finished, kind=Kind.PARTIAL)
    assert outcome(judge_removal, caller, upload) is outcome(judge_write, caller, upload)
    assert outcome(judge_removal, caller, finished) is outcome(judge_read, caller, upload)
    assert outcome(judge_removal, caller, part) is outcome(judge_write, caller, upload)


def test_what_was_made_while_nobody_was_asked_is_hidden_once_somebody_is() -> None:
    assert outcome(judge_read, ADA, NOBODYS) is UploadNotFound
    assert outcome(judge_write, ADA, NOBODYS) is UploadNotFound
    assert outcome(judge_read, OPEN, NOBODYS) is None


@pytest.mark.parametrize(
    ("caller", "says"),
    [
        (NONE, "Authorization: Bearer"),
        (BROKEN, "it is broken"),
        (ADA_THEN, "the token has run out"),
        (ADA_LATER, "it is not valid yet"),
    ],
)
def test_a_refusal_says_why_the_token_does_not_count_and_challenges(caller: Caller, says: str) -> None:
    with pytest.raises((TokenNeeded, BadToken), match=says) as refused:
        caller.require()
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")


def test_whoever_has_a_good_token_is_its_owner_also_where_everything_is_open() -> None:
    assert ADA.require() == "ada"
    assert Caller(NOW, is_open=True, token=token("ada")).require() == "ada"
    assert OPEN.require() is None


@pytest.mark.parametrize(
    ("caller", "is_admin"),
    [
        (OPEN, True),
        (NONE, False),
        (ADA, False),
        (Caller(NOW, token=Token("root", BEGUN, NOW + MINUTE, frozenset({ADMIN}))), True),
        (Caller(NOW, token=Token("root", BEGUN, NOW, frozenset({ADMIN}))), False),
    ],
)
def test_an_admin_has_the_scope_in_a_token_that_counts_now(caller: Caller, is_admin: bool) -> None:
    assert caller.is_admin is is_admin


@pytest.mark.parametrize(("most", "ceiling"), [(None, 100), (5, 5), (100, 100), (500, 100)])
def test_a_link_narrows_the_limits_and_never_widens_them(most: int | None, ceiling: int) -> None:
    assert narrowed(Limits(max_size=100), most).ceiling == ceiling


def test_a_token_is_renewed_until_some_time_after_the_sign_in() -> None:
    ours = replace(token("ada"), signed_in_at=NOW - DAY)
    assert judge_renewal(ours, NOW, DAY + MINUTE) == NOW - DAY
    with pytest.raises(SessionOver) as over:
        judge_renewal(ours, NOW, DAY)
    assert (over.value.status, over.value.code) == (401, "session-over")
    assert "WWW-Authenticate" in over.value.headers


def test_a_token_of_somebody_else_is_not_renewed() -> None:
    with pytest.raises(TokenNotRenewable) as refused:
        judge_renewal(token("ada"), NOW, DAY)
    assert (refused.value.status, refused.value.code) == (403, "token-not-renewable")


def test_where_nobody_is_asked_a_token_may_be_needed_all_the_same() -> None:
    assert replace(ADA, is_open=True).require_token() == ADA.token
    with pytest.raises(TokenNeeded):
        OPEN.require_token()
