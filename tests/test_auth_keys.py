"""The keys of this server: made once, for its eyes only, changed while it runs."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.signing import NOW, Clock, authenticator
from tusserver.accounts.base import User
from tusserver.accounts.keys import KeyFile
from tusserver.protocol.access import BadToken
from tusserver.protocol.errors import Unavailable
from tusserver.web.auth import Authenticator

ADA = User("ada", "", frozenset(), NOW)
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "uploads" / "keys.json"


@pytest.fixture
async def auth(file: Path, clock: Clock) -> AsyncIterator[Authenticator]:
    made = authenticator(file.parent, clock)
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_first_start_makes_a_key_that_only_the_owner_may_read(file: Path) -> None:
    before = os.umask(0)
    try:
        keys, _ = KeyFile(file).open(NOW)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (len(keys.signing.secret), keys.signing.created_at, keys.retired) == (32, NOW, ())
    assert KeyFile(file).open(LATER)[0] == keys
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]


def test_starts_at_the_same_moment_agree_on_one_key(file: Path) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(KeyFile(file).open(NOW)[0].signing.kid)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found))) == (8, 1)


def test_rotations_at_the_same_moment_lose_no_key(file: Path) -> None:
    KeyFile(file).open(NOW)
    threads = [threading.Thread(target=lambda: KeyFile(file).rotate(LATER)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    keys, _ = KeyFile(file).read()
    assert len({key.kid for key in (keys.signing, *keys.retired)}) == 9


def test_a_rotation_keeps_the_old_key_and_a_revocation_does_not(file: Path) -> None:
    first = KeyFile(file).open(NOW)[0].signing
    second = KeyFile(file).rotate(LATER)
    assert [(key.kid, key.retired_at) for key in second.retired] == [(first.kid, LATER)]
    assert KeyFile(file).read()[0] == second
    assert KeyFile(file).rotate(LATER, revoke=True).retired == ()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
def test_keys_that_every_user_may_read_are_refused(file: Path, mode: int) -> None:
    KeyFile(file).open(NOW)
    file.chmod(mode)
    for act in (lambda: KeyFile(file).open(NOW), lambda: KeyFile(file).rotate(NOW)):
        with pytest.raises(
            Unavailable, match=r"^the keys in .*keys\.json can be read or changed by every user"
        ) as caught:
            act()
        assert "\n" not in str(caught.value)


def test_keys_that_a_group_may_read_are_taken(file: Path) -> None:
    KeyFile(file).open(NOW)
    file.chmod(0o660)
    KeyFile(file).open(NOW)


def key(**changes: object) -> dict[str, object]:
    return {"kid": "a", "secret": "A" * 43 + "=", "created_at": NOW.isoformat(), "retired_at": None} | changes


DAMAGED = {
    "empty": "",
    "half": '{"keys": [{"kid": "a", "secr',
    "list": "[]",
    "no keys": '{"keys": []}',
    "number": "7",
    "deep": "[" * 100_000,
    "two that sign": json.dumps({"keys": [key(), key(kid="b")]}),
    "none that signs": json.dumps({"keys": [key(retired_at=NOW.isoformat())]}),
    "same name": json.dumps({"keys": [key(), key(retired_at=NOW.isoformat())]}),
    "short secret": json.dumps({"keys": [key(secret="AAAA")]}),
    "secret that is none": json.dumps({"keys": [key(secret="A")]}),
    "secret that is null": json.dumps({"keys": [key(secret=None)]}),
    "no zone": json.dumps({"keys": [key(created_at="2026-11-21T12:00:00")]}),
    "no time": json.dumps({"keys": [key(retired_at="never")]}),
    "no kid": json.dumps({"keys": [key(kid="")]}),
    "key that is text": json.dumps({"keys": ["a"]}),
    "bytes": "\udcff\udcfe",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_one_line_and_stays(file: Path, name: str) -> None:
    file.parent.mkdir()
    written = DAMAGED[name].encode("utf-8", "surrogateescape")
    file.write_bytes(written)
    file.chmod(0o600)
    for act in (lambda: KeyFile(file).open(NOW), lambda: KeyFile(file).rotate(NOW)):
        with pytest.raises(Unavailable, match=r"^the keys in .*keys\.json are damaged") as caught:
            act()
        assert "\n" not in str(caught.value)
    assert file.read_bytes() == written


def test_a_folder_in_its_place_is_refused_with_one_line(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(Unavailable, match="cannot be read"):
        KeyFile(file).open(NOW)


async def test_tokens_of_a_retired_key_count_until_they_run_out(auth: Authenticator, file: Path, clock: Clock) -> None:
    before = await auth.issue(ADA)
    clock.move(60)
    KeyFile(file).rotate(clock.now)
    other = authenticator(file.parent, clock)
    await other.open()
    after = await other.issue(ADA)
    # The new key is noticed at once, for a token names it.
    assert (await auth.verify(after)).is_valid_at(clock.now)
    assert (await auth.verify(before)).valid_until == NOW + timedelta(minutes=15)
    assert (await auth.verify(await auth.issue(ADA))).is_valid_at(clock.now)
    clock.move(15 * 60)
    late = await auth.verify(before)
    assert not late.is_valid_at(clock.now)
    assert late.is_valid_at(NOW)
    await other.close()


async def test_a_retired_key_makes_no_token_that_lasts(auth: Authenticator, file: Path, clock: Clock) -> None:
    thief = authenticator(file.parent, clock, token_lifetime=1e6)
    await thief.open()
    stolen = await thief.issue(ADA)
    KeyFile(file).rotate(clock.now)
    after_it = authenticator(file.parent, clock)
    await after_it.open()
    assert (await after_it.verify(stolen)).valid_until == clock.now + timedelta(minutes=15)
    later = await thief.issue(ADA, signed_in_at=clock.now + timedelta(days=1))
    assert (await after_it.verify(later)).signed_in_at == clock.now
    for one in (thief, after_it):
        await one.close()


async def test_a_running_server_signs_with_the_new_key_within_seconds(
    auth: Authenticator, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await auth.issue(ADA)
    monkeypatch.setattr("tusserver.web.auth.LOOK_INTERVAL", 0.0)
    KeyFile(file).rotate(NOW, revoke=True)
    new = await auth.issue(ADA)
    assert (await auth.verify(new)).owner == "ada"
    with pytest.raises(BadToken):
        await auth.verify(old)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_text("{"), lambda file: file.chmod(0o644)])
async def test_a_running_server_goes_on_with_the_keys_it_knows(
    auth: Authenticator, file: Path, monkeypatch: pytest.MonkeyPatch, spoil: object
) -> None:
    monkeypatch.setattr("tusserver.web.auth.LOOK_INTERVAL", 0.0)
    token = await auth.issue(ADA)
    spoil(file)  # type: ignore[operator]
    assert (await auth.verify(token)).owner == "ada"
    assert (await auth.verify(await auth.issue(ADA))).owner == "ada"


async def test_without_its_keys_a_server_starts_only_where_everybody_may_do_everything(file: Path) -> None:
    file.mkdir(parents=True)
    with pytest.raises(Unavailable):
        await authenticator(file.parent).open()
    auth = authenticator(file.parent, is_open=True)
    await auth.open()
    with pytest.raises(Unavailable, match="no keys"):
        await auth.issue(ADA)
    await auth.close()
