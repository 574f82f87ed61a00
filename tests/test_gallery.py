"""The gallery on a service of its own: a store without files, an upload that two look at, and no process to be had."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.pictures import jpeg_of, noise, opened, picture
from tusserver.accounts.memory import MemoryAccounts
from tusserver.extensions import offer
from tusserver.gallery import Gallery, Rules
from tusserver.imaging.base import Bounds
from tusserver.imaging.images import Images
from tusserver.infos.memory import MemoryInfos
from tusserver.lockers.process import ProcessLocker
from tusserver.protocol.access import Caller, Token
from tusserver.protocol.errors import OutOfSpace
from tusserver.protocol.ids import make_id
from tusserver.protocol.images import ImagesAway, NotAnImage, Wish
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.requests import OCTET_STREAM, BodyFacts, Creation
from tusserver.protocol.rules import Grant, Limits
from tusserver.protocol.uploads import Facts, Image, Kind, State, Upload
from tusserver.service import Backends, HeldBody, Policy, UploadService
from tusserver.stores.memory import MemoryStore

ALLOWED = frozenset({"png", "jpg", "jpeg", "webp"})
PNG, JPEG = picture("PNG", (40, 20)), noise("JPEG", (400, 200))
NOW = datetime.now(UTC)
OPEN = Caller(NOW, is_open=True)
ANN = Caller(NOW, token=Token("ann", NOW - timedelta(minutes=1), NOW + timedelta(minutes=1)))


class House:
    """A gallery whose bytes and records are in memory."""

    def __init__(self, folder: Path, *, optimise: bool = False, python: str = sys.executable) -> None:
        self.folder = folder
        self.store, self.infos = MemoryStore(), MemoryInfos()
        backends = Backends(self.store, self.infos, ProcessLocker(), MemoryAccounts())
        self.service = UploadService(
            backends,
            offer(),
            Policy(Limits(expires_after=timedelta(days=1)), lock_timeout=0.1),
            clock=lambda: datetime.now(UTC),
            new_id=lambda: make_id(os.urandom(16)),
        )
        images = Images(folder / "derived", Bounds(), python=python)
        self.gallery = Gallery(self.service, images, Rules(ALLOWED, 100_000, optimise), folder / "scratch", os.urandom)

    async def take(self, *files: tuple[str, bytes], caller: Caller = OPEN) -> list[Upload]:
        """One act."""
        async with self.gallery.act(caller) as act:
            for name, data in files:
                await act.take(name, HeldBody(data))
            return await act.keep()

    async def upload(
        self, name: str | None, data: bytes, kind: Kind = Kind.REGULAR, owner: str | None = None
    ) -> Upload:
        """A finished upload that came by another door."""
        creation = Creation(length=len(data), body=BodyFacts(OCTET_STREAM, len(data)), kind=kind, filename=name)
        return await self.service.start(creation, HeldBody(data), Grant(owner))

    async def considered(self, name: str | None, data: bytes, **more: object) -> Image | None:
        """What is known of an upload after a look at it."""
        made = await self.upload(name, data, **more)  # type: ignore[arg-type]
        await self.gallery.consider(made)
        return (await self.infos.load(made.id)).facts.image

    async def everything(self) -> list[Upload]:
        """Every record."""
        return list((await self.infos.page(limit=100)).uploads)

    @property
    def scratch(self) -> list[Path]:
        """What lies in the folder for files that live as long as a request."""
        return list((self.folder / "scratch").iterdir())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path)
    await made.gallery.open()
    yield made
    await made.gallery.close()
    await made.service.close()


async def test_a_store_without_files_has_images_too_and_no_copy_stays_behind(house: House) -> None:
    one, two = await house.take(("a.png", PNG), ("b.jpg", JPEG))
    assert [one.facts.image, two.facts.image] == [
        Image("a.png", "image/png", 40, 20),
        Image("b.jpg", "image/jpeg", 400, 200),
    ]
    with await house.gallery.derived(two, Wish(width=100)) as derived:
        assert opened(derived.file.read()).size == (100, 50)
    assert house.scratch == []


async def test_a_file_that_has_come_is_not_complete_before_all_of_the_act_are(house: House) -> None:
    async with house.gallery.act(OPEN) as act:
        await act.take("a.png", HeldBody(PNG))
        (first,) = await house.everything()
        assert (first.state, first.length, first.offset, first.unverified) == (State.PENDING, len(PNG), 0, True)
        await act.take("b.jpg", HeldBody(JPEG))
        assert {one.state for one in await house.everything()} == {State.PENDING}
        kept = await act.keep()
    assert [one.id for one in kept] == [first.id, kept[1].id]
    assert {one.state for one in await house.everything()} == {State.COMPLETE}


async def test_what_a_crash_leaves_of_an_act_is_empty_when_it_is_met_again(house: House) -> None:
    ledger = house.service.ledger
    async with house.gallery.act(OPEN) as act:
        await act.take("a.png", HeldBody(PNG))
        (left,) = await house.everything()
    id = (await house.upload("b.png", PNG)).id
    await house.infos.save(Upload(id, left.created_at, left.updated_at, len(PNG), unverified=True))
    async with ledger.held(id) as hold:
        found = await ledger.settled(await ledger.load(id), hold)
    assert (found.state, found.offset, await house.store.size(id)) == (State.PENDING, 0, 0)


async def test_an_act_that_is_left_without_being_kept_leaves_nothing(house: House) -> None:
    async with house.gallery.act(OPEN) as act:
        await act.take("a.png", HeldBody(PNG))
    assert await house.everything() == []
    with pytest.raises(NotAnImage):
        await house.take(("a.png", PNG), ("b.png", JPEG))
    assert await house.everything() == []
    assert [stored async for stored in house.store.scan()] == []


async def test_without_room_for_the_last_file_none_is_kept(house: House) -> None:
    house.store.capacity = 2 * len(PNG) + 10
    with pytest.raises(OutOfSpace):
        await house.take(("a.png", PNG), ("b.png", PNG), ("c.png", PNG))
    assert await house.everything() == []
    assert [stored async for stored in house.store.scan()] == []


async def test_what_is_written_anew_replaces_the_bytes_of_a_store_without_files(tmp_path: Path) -> None:
    house = House(tmp_path, optimise=True)
    await house.gallery.open()
    (one,) = await house.take(("a.jpg", jpeg_of(50_000)))
    data = b"".join([piece async for piece in house.store.read(one.id, 0, one.offset)])
    assert len(data) == one.offset == one.length
    assert len(data) < 5_000
    assert opened(data).size == (8, 6)
    assert house.scratch == []
    await house.gallery.close()
    await house.service.close()


async def test_an_upload_of_nobody_keeps_its_name_and_one_of_somebody_gets_one_that_nobody_guesses(
    house: House,
) -> None:
    free = await house.considered("a.png", PNG)
    assert free is not None
    assert free.stored_filename == "a.png"
    names = {found.stored_filename for _ in range(3) if (found := await house.considered("a.png", PNG, owner="ann"))}
    assert len(names) == 3
    assert all(name.startswith("a-") and len(name) == len("a-0123456789.png") for name in names)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, Kind.PARTIAL),
        ("a.png", b"", Kind.REGULAR),
        ("a.png", b"\x89PNG", Kind.REGULAR),
        ("a.png", PNG[:-30], Kind.REGULAR),
        ("a.png", JPEG, Kind.REGULAR),
        ("a.gif", picture("GIF"), Kind.REGULAR),
        (None, picture("GIF"), Kind.REGULAR),
        ("a.pdf", PNG, Kind.REGULAR),
        ("a.jpg", jpeg_of(100_001), Kind.REGULAR),
    ],
    ids=range(9),
)
async def test_what_is_odd_about_is_no_image(house: House, name: str | None, data: bytes, kind: Kind) -> None:
    assert await house.considered(name, data, kind=kind) is None


async def test_an_unfinished_upload_is_no_image(house: House) -> None:
    made = await house.service.start(Creation(length=len(PNG) + 1, filename="a.png"), HeldBody(b""), Grant())
    await house.gallery.consider(made)
    assert (await house.infos.load(made.id)).facts.image is None


async def test_an_upload_that_was_removed_meanwhile_is_passed_over(house: House) -> None:
    made = await house.upload("a.png", PNG)
    await house.service.terminate(made.id, OPEN)
    await house.gallery.consider(made)
    assert await house.everything() == []


async def test_an_image_keeps_the_name_that_another_process_gave_it(house: House) -> None:
    made = await house.upload("a.png", PNG)
    named = Image("other.png", "image/png", 40, 20)
    await house.infos.note(made.id, Facts(image=named))
    await house.gallery.consider(made)
    assert (await house.infos.load(made.id)).facts.image == named


async def test_an_upload_of_an_act_gets_its_name_there_and_nowhere_else(house: House) -> None:
    def look(upload: Upload) -> None:
        completed.append(upload)

    completed: list[Upload] = []
    house.service.ledger.on_complete = look
    (one,) = await house.take(("a.png", PNG), caller=ANN)
    for upload in completed:
        await house.gallery.consider(upload)
    assert one.facts.image is not None
    assert one.facts.image.stored_filename == "a.png"
    assert (await house.infos.load(one.id)).facts.image == one.facts.image


async def test_where_no_process_can_be_had_nothing_is_taken_and_uploads_are_looked_at_later(tmp_path: Path) -> None:
    house = House(tmp_path, python="/nowhere/python")
    await house.gallery.open()
    with pytest.raises(ImagesAway):
        await house.take(("a.png", PNG))
    assert await house.everything() == []
    made = await house.upload("a.png", PNG)
    with pytest.raises(ImagesAway):
        await house.gallery.consider(made)
    assert (await house.infos.load(made.id)).facts == Facts()
    await house.gallery.close()
    await house.service.close()


async def test_the_refusal_of_a_name_tells_nothing_of_an_upload(house: House) -> None:
    with pytest.raises(UploadNotFound) as told:
        await house.gallery.find("a.png")
    assert told.value.facts == {}


async def test_what_a_process_that_died_left_in_the_scratch_folder_is_removed_at_the_next_start(tmp_path: Path) -> None:
    old, new = tmp_path / "scratch" / "old", tmp_path / "scratch" / "new"
    for folder in (old, new):
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(PNG)
    os.utime(old, (0, 0))
    house = House(tmp_path)
    await house.gallery.open()
    assert house.scratch == [new]
    await house.gallery.close()
    await house.service.close()


async def test_a_token_that_does_not_count_takes_nothing(house: House) -> None:
    with pytest.raises(Refusal) as told:
        await house.take(("a.png", PNG), caller=Caller(NOW))
    assert told.value.status == 401
    assert await house.everything() == []
