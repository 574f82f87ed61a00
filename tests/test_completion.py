"""What follows a completion, whoever finds out that the last byte is stored, and that it is told once."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.test_attacks_finals import final_of, parts_of
from tests.test_sweeper import DAY, House, house
from tusserver.protocol.chunks import Numbered
from tusserver.protocol.digests import DigestMismatch, parse_digest
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, Creation
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import Kind, State
from tusserver.service.sources import HeldBody

__all__ = ["house"]

WORLD = "sha256:" + hashlib.sha256(b"world").hexdigest()
NOTHING = "sha256:" + hashlib.sha256().hexdigest()
Finder = Callable[[House, str], Awaitable[object]]


async def head(house: House, id: str) -> None:
    """HEAD."""
    await house.service.status(id, house.caller)


async def patch(house: House, id: str) -> None:
    """A PATCH that comes again, since its answer was lost."""
    await house.append(id, 5, b"")


async def chunk(house: House, id: str) -> None:
    """A numbered chunk without bytes."""
    append = Append(5, BodyFacts(OCTET_STREAM, 0))
    await house.service.append_chunk(id, Numbered(0, 5), append, HeldBody(b""), house.caller)


async def complete(house: House, id: str) -> None:
    """`POST /upload/complete`."""
    await house.service.complete(id, house.caller)


async def sweep(house: House, id: str) -> None:
    """The recovery that every sweep begins with."""
    await house.sweeper.recover()


FINDERS = [pytest.param(one, id=one.__name__) for one in (head, patch, chunk, complete, sweep)]


def die_before_it_is_said(house: House, id: str) -> None:
    """The last bytes of an upload, stored by a process that ended before it wrote the record."""
    house.path(id).write_bytes(b"world")


async def replacing(house: House) -> str:
    """The id of an upload without bytes that replaces whatever has its name."""
    house.now += DAY / 2
    creation = Creation(length=5, filename="a", overwrites=True)
    return (await house.service.start(creation, HeldBody(b""), Grant())).id


@pytest.mark.parametrize("find", FINDERS)
async def test_whoever_finds_the_last_byte_of_a_part_joins_the_final_upload_that_waits(
    house: House, find: Finder
) -> None:
    first, second = await parts_of(house, b"hello", b"")
    final = await final_of(house, first, second)
    die_before_it_is_said(house, second)
    await find(house, second)
    assert house.path(final.id).read_bytes() == b"helloworld"


@pytest.mark.parametrize("find", FINDERS)
async def test_whoever_finds_the_last_byte_of_a_replacement_removes_what_it_replaces(
    house: House, find: Finder
) -> None:
    old = await house.service.start(
        Creation(length=5, filename="a", body=BodyFacts(OCTET_STREAM, 5)), HeldBody(b"hello"), Grant()
    )
    new = await replacing(house)
    die_before_it_is_said(house, new)
    await find(house, new)
    assert await house.backends.infos.known([old.id, new]) == {new}
    assert not house.path(old.id).exists()


async def test_what_is_replaced_is_forgotten_though_its_bytes_are_gone_already(house: House) -> None:
    old = await house.service.start(Creation(length=0, filename="a"), HeldBody(b""), Grant())
    house.path(old.id).unlink()
    new = await replacing(house)
    await house.append(new, 0, b"world")
    assert await house.backends.infos.known([old.id, new]) == {new}


@pytest.mark.parametrize("find", FINDERS)
async def test_a_completion_is_told_once_however_often_it_is_asked_for(house: House, find: Finder) -> None:
    told: list[str] = []
    house.service.ledger.on_complete = lambda upload: told.append(upload.id)
    id = await house.upload(5, b"")
    die_before_it_is_said(house, id)
    for _ in range(2):
        await find(house, id)
    assert told == [id]


async def test_every_way_to_complete_is_told_once(house: House) -> None:
    told: list[str] = []
    house.service.ledger.on_complete = lambda upload: told.append(upload.id)
    first, second = await parts_of(house, b"hello", b"")
    final = await final_of(house, first, second)
    await house.append(second, 0, b"world")
    empty = await house.upload(0)
    deferred = await house.upload(None, b"hello")
    await house.service.complete(deferred, house.caller)
    checked = await house.service.start(Creation(length=0, whole=NOTHING), HeldBody(b""), Grant())
    assert told == [first, second, final.id, empty, deferred, checked.id]
    assert [(await house.backends.infos.load(id)).state for id in told] == [State.COMPLETE] * 6


async def test_an_upload_that_does_not_come_to_its_checksum_is_not_told_of(house: House) -> None:
    told: list[str] = []
    house.service.ledger.on_complete = lambda upload: told.append(upload.id)
    id = await house.upload(5, b"hell")
    record = await house.backends.infos.load(id)
    await house.backends.infos.save(replace(record, checksum=WORLD))
    with pytest.raises(DigestMismatch):
        await house.append(id, 4, b"o")
    assert told == []


@pytest.mark.parametrize("kind", [Kind.REGULAR, Kind.PARTIAL])
async def test_a_checksum_of_the_whole_counts_when_it_is_told_at_the_end(house: House, kind: Kind) -> None:
    id = await house.upload(5, b"hello", kind)
    with pytest.raises(DigestMismatch) as refused:
        await house.service.complete(id, house.caller, parse_digest(WORLD))
    assert (refused.value.status, refused.value.code) == (422, "checksum-mismatch")
    assert (await house.backends.infos.load(id)).state is State.FAILED
