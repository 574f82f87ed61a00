"""Passwords as hashes, names of users, and how often somebody may fail."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from tests.signing import NOW
from tusserver.accounts import passwords
from tusserver.accounts.attempts import (
    FORGOTTEN_AFTER,
    FREE_BY_ADDRESS,
    FREE_BY_NAME,
    LONGEST_WAIT,
    MOST_KEPT,
    Attempts,
)
from tusserver.accounts.names import parse_name
from tusserver.accounts.passwords import Passwords, TooBusy, check_password, make_hash, parse_hash

HASH = make_hash("correct horse")
SALT, DIGEST = HASH.split("$")[4:]


def test_a_hash_holds_for_its_password_and_no_other() -> None:
    assert HASH.startswith("scrypt$15$8$1$")
    kept = parse_hash(HASH)
    assert str(kept) == HASH
    assert kept.holds("correct horse")
    assert not any(
        kept.holds(other) for other in ("", "correct hors", "correct horse ", "Correct horse", "correct horse\0")
    )


def test_the_same_password_has_another_hash_each_time() -> None:
    assert make_hash("correct horse") != HASH


def test_a_letter_typed_in_another_way_is_the_same_letter() -> None:
    assert parse_hash(make_hash("pass\u00e9word")).holds("passe\u0301word")


def test_a_hash_with_other_parameters_still_holds() -> None:
    text = str(passwords.Hash(4, 2, 3, b"salt salt", bytes(16)))
    assert not parse_hash(text).holds("x")
    assert len(passwords._derive("x", parse_hash(text))) == 16


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse",
        f"bcrypt$15$8$1${SALT}${DIGEST}",
        f"scrypt$15$8${SALT}${DIGEST}",
        f"scrypt$0$8$1${SALT}${DIGEST}",
        f"scrypt$15$0$1${SALT}${DIGEST}",
        f"scrypt$15$8$0${SALT}${DIGEST}",
        f"scrypt$15$8$99${SALT}${DIGEST}",
        f"scrypt$30$8$1${SALT}${DIGEST}",
        f"scrypt$99$99$1${SALT}${DIGEST}",
        f"scrypt$15$8$1${SALT[:-1]}${DIGEST}",
        f"{HASH}\n",
    ],
    ids=range(12),  # the salt is another one in each process that collects
)
def test_a_text_that_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hash"):
        parse_hash(text)


async def test_hashing_is_done_in_threads_while_the_loop_goes_on() -> None:
    made = Passwords()
    steps = 0
    checking = asyncio.gather(*(made.holds(HASH, "correct horse") for _ in range(4)))
    while not checking.done():
        steps += 1
        await asyncio.sleep(0.001)
    assert await checking == [True] * 4
    assert steps > 10
    assert not await made.holds(HASH, "wrong")
    assert parse_hash(await made.hash("new password")).holds("new password")
    await made.close()


async def test_somebody_who_does_not_exist_takes_as_long_and_never_gets_in() -> None:
    made = Passwords()

    async def spent(text: str | None) -> float:
        began = time.perf_counter()
        assert not await made.holds(text, "wrong")
        return time.perf_counter() - began

    await spent(None)
    known, unknown = [], []
    for _ in range(5):
        known.append(await spent(HASH))
        unknown.append(await spent(None))
    # The best of five: what else the machine does only ever adds.
    assert 0.5 < min(known) / min(unknown) < 2
    await made.close()


async def test_more_than_would_be_worth_waiting_for_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MOST_WAITING", 2)
    made = Passwords()
    first = asyncio.gather(made.holds(HASH, "x"), made.holds(HASH, "y"))
    await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        await made.holds(HASH, "z")
    assert not any(await first)
    assert not await made.holds(HASH, "z")
    await made.close()


@pytest.mark.parametrize(("text", "wrong"), [("", "less"), ("1234567", "less"), ("x" * 1025, "more")])
def test_a_password_too_short_or_too_long_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=f"^has {wrong} than"):
        check_password(text)


@pytest.mark.parametrize("text", ["correct\0horse", "correct\nhorse", "correct \udcff horse"])
def test_a_password_that_nobody_could_type_again_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^has characters that cannot be printed$"):
        check_password(text)


@pytest.mark.parametrize("text", ["", " ", " ada", "ada ", "a\nb", "a\0b", "\udcff", "a" * 256, "\x1b[31m", "a\u202eb"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) "):
        parse_name(text)


@pytest.mark.parametrize(("text", "name"), [("ada", "ada"), ("Ada Lovelace", "Ada Lovelace"), ("e\u0301", "\u00e9")])
def test_a_name_has_one_form(text: str, name: str) -> None:
    assert parse_name(text) == name


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def fail(attempts: Attempts, times: int, name: str = "ada", address: str = "192.0.2.1") -> list[float]:
    return [attempts.begin(name, address, NOW) for _ in range(times)]


def test_a_few_failures_cost_nothing_and_the_next_ones_ever_more() -> None:
    attempts, now, waits = Attempts(), NOW, []
    for _ in range(FREE_BY_NAME + 9):
        while wait := attempts.begin("ada", "192.0.2.1", now):
            waits.append(wait)
            now += after(wait)
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT, LONGEST_WAIT]


def test_an_attempt_that_must_wait_does_not_lengthen_the_wait() -> None:
    attempts = Attempts()
    assert fail(attempts, FREE_BY_NAME + 50)[FREE_BY_NAME:] == [1] * 50


def test_many_at_once_gain_nothing() -> None:
    assert fail(Attempts(), 50).count(0) == FREE_BY_NAME


def test_one_name_is_limited_from_all_addresses_together_and_one_address_under_all_names() -> None:
    attempts = Attempts()
    assert [attempts.begin("ada", f"192.0.2.{n}", NOW) for n in range(9)].count(0) == FREE_BY_NAME
    assert attempts.begin("bob", "192.0.2.1", NOW) == 0
    assert [attempts.begin(f"user {n}", "198.51.100.1", NOW) for n in range(40)].count(0) == FREE_BY_ADDRESS


def test_success_forgets_the_failures_of_the_name_but_not_those_of_the_address() -> None:
    attempts = Attempts()
    fail(attempts, 4)
    assert fail(attempts, 1) == [0]
    attempts.succeed("ada", "192.0.2.1")
    assert fail(attempts, FREE_BY_NAME + 1) == [0] * FREE_BY_NAME + [1]
    others = [attempts.begin(f"user {n}", "192.0.2.1", NOW) for n in range(40)]
    assert others.count(0) == FREE_BY_ADDRESS - 4 - FREE_BY_NAME


def test_an_attempt_that_was_not_made_is_not_counted() -> None:
    attempts = Attempts()
    for _ in range(50):
        assert fail(attempts, 1) == [0]
        attempts.withdraw("ada", "192.0.2.1")
    fail(attempts, 3)
    attempts.withdraw("ada", "192.0.2.1")
    assert fail(attempts, 9).count(0) == FREE_BY_NAME - 2


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("", "", True),
        ("unix", "other", False),
    ],
)
def test_what_one_client_has_of_addresses_counts_as_one(one: str, other: str, are_one: bool) -> None:
    attempts = Attempts()
    for number in range(FREE_BY_ADDRESS):
        attempts.begin(f"user {number}", one, NOW)
    assert (attempts.begin("another", other, NOW) > 0) is are_one


def test_failures_are_forgotten_and_memory_is_bounded() -> None:
    attempts = Attempts()
    fail(attempts, 9)
    assert attempts.begin("ada", "192.0.2.1", NOW + FORGOTTEN_AFTER + after(1)) == 0
    for number in range(MOST_KEPT + 50):
        attempts.begin(f"user {number}", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", NOW)
    assert len(attempts._failures) == MOST_KEPT
