"""Records in SQLite answer every question as records in memory do, whatever was written in whatever order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.infos_values import an_upload, seconds, walk
from tusserver.infos.base import Infos, OwnedBy, Quota
from tusserver.infos.memory import MemoryInfos
from tusserver.infos.sqlite import SqliteInfos
from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.uploads import Chunk, Facts, Image, Kind, State, Upload

IDS = [f"{number:022}" for number in range(12)]
TEXTS = [None, "", "a", "b"]
MOMENTS = [None, seconds(1), seconds(2), seconds(3)]


def any_upload(chance: random.Random) -> Upload:
    length = chance.choice([None, 5, 9])
    return an_upload(
        id=chance.choice(IDS),
        created_at=seconds(chance.randrange(4)),
        length=length,
        offset=chance.randrange(6),
        state=chance.choice(list(State)),
        kind=chance.choice(list(Kind)),
        parts=tuple(chance.choices(IDS, k=chance.randrange(3))),
        concat=chance.choice(TEXTS),
        metadata=chance.choice(TEXTS),
        owner=chance.choice(TEXTS),
        filename=chance.choice(TEXTS),
        expires_at=chance.choice(MOMENTS),
        completed_at=chance.choice(MOMENTS),
        unverified=chance.choice([True, False]),
        checksum=chance.choice(TEXTS),
        overwrites=chance.choice([True, False]),
        last_chunk=chance.choice([None, Chunk(1, 0, 2)]),
        facts=any_facts(chance),
        updated_at=seconds(chance.randrange(4)),
    )


def any_facts(chance: random.Random) -> Facts:
    image = Image(chance.choice("abcd"), "image/png", chance.randrange(3), 1)
    return Facts(chance.choice([None, 0, 1]), chance.choice([None, None, image]))


def any_quota(chance: random.Random) -> Quota | None:
    size, unfinished, recent = (chance.choice([None, None, most]) for most in (20, 4, 6))
    return chance.choice([None, Quota(size, unfinished, recent, chance.randrange(9))])


async def write(infos: Infos, act: str, upload: Upload, quota: Quota | None) -> type[BaseException] | None:
    """Do one write; gives the kind of its refusal."""
    try:
        if act == "create":
            await infos.create(upload, quota=quota)
        elif act == "delete":
            await infos.delete(upload.id)
        elif act == "note":
            await infos.note(upload.id, upload.facts)
        elif act == "save":
            await infos.save(upload)
        else:
            await infos.save(replace(await infos.load(upload.id), offset=upload.offset % 6, state=upload.state))
    except BackendError as refusal:
        return type(refusal)
    return None


async def of_image(infos: Infos, name: str) -> Upload | None:
    try:
        return await infos.image(name)
    except NotFound:
        return None


async def answers(infos: Infos, chance: random.Random) -> list[Any]:
    """What the records say to one question of each kind."""
    owner, name, text = chance.choice(TEXTS), chance.choice(TEXTS), chance.choice(TEXTS)
    states = chance.sample(list(State), chance.randrange(5))
    moment, limit = seconds(chance.randrange(4)), chance.randrange(1, 6)
    wanted = an_upload(kind=Kind.FINAL, concat=chance.choice(TEXTS), metadata=text, owner=owner)
    return [
        await walk(infos, limit, owner=owner, filename=name, states=states),
        await infos.expired(moment, limit=limit),
        await infos.finished_before(moment, limit=limit),
        await infos.newest(owner, text or "", states),
        await infos.older_of_name(an_upload(owner=owner, filename=text, created_at=moment)),
        await infos.stale(moment, of=chance.choice([None, OwnedBy(owner)]), after=chance.choice(IDS), limit=limit),
        await infos.unfinished(after=chance.choice(IDS), limit=limit),
        await infos.finals_of(chance.choice(IDS)),
        await infos.same_final(wanted),
        await infos.unexamined(limit=limit),
        await walk(infos, limit, owner=owner, only_images=True),
        [await of_image(infos, name) for name in "abcd"],
        await infos.load_many(chance.sample(IDS, 4)),
        await infos.known(chance.sample(IDS, 4)),
        {id: await infos.load(id) for id in await infos.known(IDS)},
    ]


@pytest.mark.parametrize("seed", range(4))
async def test_sqlite_answers_as_memory_does(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    memory, sqlite = MemoryInfos(), SqliteInfos(tmp_path / "infos.db")
    await sqlite.open()
    for _ in range(250):
        act, upload = chance.choice(["create", "create", "note", "save", "move", "delete"]), any_upload(chance)
        quota = any_quota(chance)
        assert await write(sqlite, act, upload, quota) == await write(memory, act, upload, quota)
        question = chance.random()
        found = await answers(sqlite, random.Random(question))
        assert found == await answers(memory, random.Random(question))
    await sqlite.close()
