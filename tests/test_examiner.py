"""What is found out about finished uploads in the background, and a CRC-32 on demand."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.examining import Asked, House, until
from tusserver.examiner import MOST_NEW, SMALL, Examiner
from tusserver.protocol.errors import NotFound, Unavailable
from tusserver.protocol.refusals import Busy
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, Creation
from tusserver.protocol.rules import Grant
from tusserver.protocol.uploads import Facts, Image, Kind, Upload
from tusserver.service import HeldBody


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path).opened() as made:
        yield made


# What is found out


@pytest.mark.parametrize("size", [0, 1, 1000, 20_000, 1024 * 1024, 3 * 1024 * 1024 + 1, SMALL + 1])
async def test_the_crc_of_a_finished_upload_is_noted(house: House, size: int) -> None:
    data = os.urandom(size)
    async with house.examining():
        upload = await house.upload(data)
        assert await house.noted(upload) == [zlib.crc32(data)]


async def test_an_upload_is_examined_when_its_last_byte_has_come_and_not_before(house: House) -> None:
    asked = Asked()
    async with house.examining(asked):
        upload = await house.upload(b"hello", length=10)
        await asyncio.sleep(0.4)
        assert asked.ids == []
        append = Append(5, BodyFacts(OCTET_STREAM, 5))
        await house.service.append(upload.id, append, HeldBody(b"world"), house.caller)
        assert await house.noted(upload) == [zlib.crc32(b"helloworld")]
    assert asked.ids == [upload.id]


async def test_of_a_final_upload_the_whole_is_examined_and_no_part(house: House) -> None:
    asked = Asked()
    async with house.examining(asked):
        parts = [await house.upload(data, Kind.PARTIAL) for data in (b"hello", b"world")]
        wish = Creation(kind=Kind.FINAL, parts=tuple(part.id for part in parts), concat="final;/a /b")
        final = await house.service.start(wish, HeldBody(b""), Grant())
        assert await house.noted(final) == [zlib.crc32(b"helloworld")]
        assert asked.ids == [final.id]
        assert [(await house.infos.load(part.id)).facts for part in parts] == [Facts(), Facts()]


async def test_whether_it_is_an_image_is_known_before_the_crc_is_noted(house: House) -> None:
    image = Image("a.png", "image/png", 3, 4)

    async def consider(upload: Upload) -> None:
        await asyncio.sleep(0.05)
        assert (await house.infos.load(upload.id)).facts == Facts()
        await house.infos.note(upload.id, Facts(image=image))

    async with house.examining(consider):
        upload = await house.upload(b"hello")
        await house.noted(upload)
        assert (await house.infos.load(upload.id)).facts == Facts(zlib.crc32(b"hello"), image)


@pytest.mark.parametrize("size", [5, SMALL + 1])
async def test_what_an_earlier_process_left_is_found_at_the_start(house: House, size: int) -> None:
    upload = await house.upload(b"x" * size)
    unfinished, part = await house.upload(b"hello", length=10), await house.upload(b"hello", Kind.PARTIAL)
    asked = Asked()
    async with house.examining(asked):
        assert await house.noted(upload) == [zlib.crc32(b"x" * size)]
    assert asked.ids == [upload.id]
    for other in (unfinished, part):
        assert (await house.infos.load(other.id)).facts == Facts()


async def test_thousands_that_wait_are_all_examined_and_few_are_kept_in_memory(house: House) -> None:
    uploads = await asyncio.gather(*(house.upload(b"%d" % number) for number in range(MOST_NEW + 500)))
    async with house.examining() as examiner:
        for upload in uploads:
            examiner.notice(upload)
        wanted = [zlib.crc32(b"%d" % number) for number in range(len(uploads))]
        assert await house.noted(*uploads[:1000], within=20) == wanted[:1000]
        assert await house.noted(*uploads[1000:], within=20) == wanted[1000:]
    assert all(house.store.begun[upload.id] == 1 for upload in uploads)


async def test_two_processes_on_one_folder_agree(house: House, tmp_path: Path) -> None:
    uploads = [await house.upload(b"%d" % number * 1000) for number in range(200)]
    async with House(tmp_path).opened() as other, other.examining(), house.examining():
        found = await house.noted(*uploads)
    assert found == [zlib.crc32(b"%d" % number * 1000) for number in range(200)]


# Trouble


async def test_an_upload_without_bytes_keeps_no_other_waiting(house: House) -> None:
    lost = await asyncio.gather(*(house.upload(b"lost") for _ in range(150)))
    for upload in lost:
        await house.store.delete(upload.id)
    upload = await house.upload(b"hello")
    async with house.examining() as examiner:
        assert await house.noted(upload) == [zlib.crc32(b"hello")]
        with pytest.raises(NotFound):
            await examiner.crc32(lost[0])
    assert len(await house.infos.unexamined(limit=200)) == 150


async def test_an_upload_that_is_removed_while_it_is_read_is_let_go(house: House) -> None:
    removed, other = await house.huge(256 * 1024 * 1024), await house.upload(b"hello")

    async with house.examining():
        await until(lambda: house.store.pieces[removed.id])
        await house.service.terminate(removed.id, house.caller)
        assert await house.noted(other) == [zlib.crc32(b"hello")]
        await until(lambda: not house.store.present)
        late = await house.upload(b"late")
        assert await house.noted(late) == [zlib.crc32(b"late")]


async def test_of_bytes_that_are_not_all_there_nothing_is_noted(house: House) -> None:
    upload = await house.upload(b"hello")
    os.truncate(house.path(upload.id), 4)
    async with house.examining() as examiner:
        with pytest.raises(Unavailable, match="4 bytes, and not 5"):
            await examiner.crc32(upload)
        await asyncio.sleep(0.4)
    assert await house.infos.load(upload.id) == upload


@pytest.mark.slow
async def test_what_fails_keeps_no_other_waiting_and_is_tried_again(house: House) -> None:
    failures = [RuntimeError("a fault"), Unavailable("away"), Busy("busy")]
    strange = {(await house.upload(b"strange")).id: failure for failure in failures}
    tries: Counter[str] = Counter()

    async def consider(upload: Upload) -> None:
        tries[upload.id] += 1
        if upload.id in strange and tries[upload.id] == 1:
            raise strange[upload.id]

    before = await house.infos.unexamined()
    async with house.examining(consider):
        upload = await house.upload(b"hello")
        assert await house.noted(upload) == [zlib.crc32(b"hello")]
        assert await house.infos.unexamined() == before
        assert await house.noted(*before, within=10) == [zlib.crc32(b"strange")] * 3
    assert all(tries[id] == 2 for id in strange)


@pytest.mark.slow
async def test_a_folder_that_is_away_for_a_while_ends_nothing(house: House, tmp_path: Path) -> None:
    upload = await house.upload(b"hello")
    os.rename(tmp_path / "bytes", tmp_path / "away")
    async with house.examining() as examiner:
        with pytest.raises(Unavailable):
            await examiner.crc32(upload)
        await asyncio.sleep(0.5)
        os.rename(tmp_path / "away", tmp_path / "bytes")
        assert await house.noted(upload, within=10) == [zlib.crc32(b"hello")]


async def test_it_stops_at_once_in_the_middle_of_a_huge_upload(house: House) -> None:
    upload = await house.huge(10 * 1024**3)
    async with house.examining():
        await until(lambda: house.store.pieces[upload.id] >= 3)
        began = time.monotonic()
    assert time.monotonic() - began < 0.5
    assert house.store.present == 0
    assert (await house.infos.load(upload.id)).facts == Facts()


# On demand


async def test_however_many_ask_for_a_crc_the_upload_is_read_once(house: House) -> None:
    data = os.urandom(5 * 1024 * 1024)
    upload = await house.upload(data)
    async with house.examining() as examiner:
        found = await asyncio.gather(*(examiner.crc32(upload) for _ in range(50)))
        assert found == [zlib.crc32(data)] * 50
        assert await house.noted(upload) == [zlib.crc32(data)]
        noted = await house.infos.load(upload.id)
        assert await examiner.crc32(noted) == zlib.crc32(data)
    assert house.store.begun[upload.id] == 1


async def test_who_is_cancelled_leaves_the_others_their_answer(house: House) -> None:
    upload = await house.huge(50 * 1024 * 1024)
    examiner = Examiner(house.service)
    asking = [asyncio.create_task(examiner.crc32(upload)) for _ in range(3)]
    await until(lambda: house.store.pieces[upload.id])
    asking[0].cancel()
    asking[1].cancel()
    assert await asking[2] == zlib.crc32(bytes(50 * 1024 * 1024))
    assert house.store.begun[upload.id] == 1


async def test_when_nobody_waits_any_more_nothing_is_read_any_more(house: House) -> None:
    upload = await house.huge(10 * 1024**3)
    examiner = Examiner(house.service)
    asking = [asyncio.create_task(examiner.crc32(upload)) for _ in range(3)]
    await until(lambda: house.store.pieces[upload.id])
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    assert house.store.present == 0
    # Somebody who comes later begins anew.
    again = asyncio.create_task(examiner.crc32(upload))
    await until(lambda: house.store.begun[upload.id] == 2)
    again.cancel()
    await asyncio.wait((again,))


async def test_who_asks_for_a_crc_first_hides_no_image(house: House) -> None:
    upload = await house.upload(b"hello")
    asked = Asked()
    examiner = Examiner(house.service, asked)
    assert await examiner.crc32(upload) == zlib.crc32(b"hello")
    assert await house.infos.unexamined() == [upload]
    task = asyncio.create_task(examiner.run())
    assert await house.noted(upload) == [zlib.crc32(b"hello")]
    task.cancel()
    await asyncio.wait((task,))
    assert asked.ids == [upload.id]
    assert house.store.begun[upload.id] == 1
