"""Derived images as a server asks for them: made once, kept, and given also where they cannot be kept."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from tests.disks import fill, small_disk
from tests.image_making import jpeg, picture, png, saved
from tests.test_imaging_pool import busy, until
from tests.test_imaging_pool import slow as slow  # a fixture
from tusserver.imaging.base import Bounds, Derived
from tusserver.imaging.cache import opened
from tusserver.imaging.images import Images
from tusserver.protocol.errors import NotFound, OutOfSpace, Unavailable
from tusserver.protocol.images import THUMBNAIL, NotAnImage, Wish

ID = "A" * 22


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    images = Images(tmp_path / "cache" / "images", Bounds())
    await images.open()
    yield images
    await images.close()
    assert images.pids == set()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(800, 600))
    return path


def size_of(derived: Derived) -> tuple[int, int]:
    """The sides of a derived image, which is closed."""
    with derived:
        return Image.open(io.BytesIO(derived.file.read())).size


def kept(folder: Path) -> list[Path]:
    return [path for path in (folder / "cache" / "images").glob("*/*") if path.is_file()]


async def test_a_derived_image_is_made_once_and_then_comes_from_the_cache(
    images: Images, tmp_path: Path, photo: Path
) -> None:
    assert size_of(await images.derived(ID, photo, THUMBNAIL)) == (320, 240)
    photo.unlink()
    derived = await images.derived(ID, photo, THUMBNAIL)
    assert derived.content_type == "image/jpeg"
    assert derived.size == kept(tmp_path)[0].stat().st_size
    assert size_of(derived) == (320, 240)
    assert len(kept(tmp_path)) == 1


async def test_each_wish_is_another_image(images: Images, tmp_path: Path, photo: Path) -> None:
    for wish in (Wish(20), Wish(30), Wish(20, format="image/webp"), Wish(20, quality=30)):
        derived = await images.derived(ID, photo, wish)
        assert derived.content_type == (wish.format or "image/jpeg")
        assert size_of(derived)[0] == wish.width
    assert len(kept(tmp_path)) == 4


async def test_who_asks_for_the_same_at_once_waits_for_one_worker(images: Images, tmp_path: Path, photo: Path) -> None:
    """A queue of 64 would refuse 200 of them."""
    asked = [images.derived(ID, photo, THUMBNAIL) for _ in range(200)]
    derived = await asyncio.gather(*asked)
    assert {size_of(one) for one in derived} == {(320, 240)}
    assert len(kept(tmp_path)) == 1


async def test_a_refusal_goes_to_everybody_who_waits_and_is_not_kept(
    images: Images, tmp_path: Path, photo: Path
) -> None:
    whole = photo.read_bytes()
    photo.write_bytes(whole[:-100])
    asked = [images.derived(ID, photo, THUMBNAIL) for _ in range(20)]
    assert {type(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)} == {NotAnImage}
    photo.write_bytes(whole)
    assert size_of(await images.derived(ID, photo, THUMBNAIL)) == (320, 240)
    with pytest.raises(NotFound):
        await images.derived(ID, tmp_path / "nowhere", Wish(5))
    assert list((tmp_path / "cache" / "images" / "new").iterdir()) == []


async def test_what_nobody_waits_for_any_more_leaves_the_queue(
    images: Images, tmp_path: Path, photo: Path, slow: Path
) -> None:
    working, _ = await busy(images, slow)
    waiting = [asyncio.create_task(images.derived(ID, photo, Wish(width))) for width in range(1, 61)]
    await asyncio.sleep(0.2)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    again = [asyncio.create_task(images.derived(ID, photo, Wish(width))) for width in range(61, 121)]
    working.cancel()
    for derived in await asyncio.gather(*again):
        derived.close()
    assert len(kept(tmp_path)) == 60


async def test_what_is_under_way_is_kept_also_if_nobody_waits_for_it_any_more(images: Images, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(png(size=(5000, 5000)))
    task = asyncio.create_task(images.derived(ID, large, Wish(2, 2)))
    await until(lambda: len(images.pids) == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: len(kept(tmp_path)) == 1)


async def test_whenever_somebody_gives_up_nothing_stays_open(images: Images, photo: Path) -> None:
    (await images.derived(ID, photo, Wish(1))).close()
    began = time.monotonic()
    (await images.derived(ID, photo, Wish(2))).close()
    step = (time.monotonic() - began) / 30
    before = len(os.listdir("/proc/self/fd"))
    for number in range(45):
        task = asyncio.create_task(images.derived(ID, photo, Wish(number + 3)))
        await asyncio.sleep(step * number)
        task.cancel()
        with suppress(asyncio.CancelledError):
            (await task).close()
    await images.forget(ID)
    (await images.derived(ID, photo, Wish(1))).close()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_who_gives_up_while_a_slow_disk_opens_the_image_leaves_nothing_open(
    images: Images, tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_opening = threading.Event()

    def slowly(path: Path) -> Derived:
        is_opening.set()
        time.sleep(0.1)
        return opened(path)

    monkeypatch.setattr("tusserver.imaging.images.opened", slowly)
    before = len(os.listdir("/proc/self/fd"))
    task = asyncio.create_task(images.derived(ID, photo, THUMBNAIL))
    await until(is_opening.is_set)
    descriptors = len(os.listdir("/proc/self/fd")) - before  # a worker's
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: len(kept(tmp_path)) == 1)
    await until(lambda: len(os.listdir("/proc/self/fd")) - before == descriptors)


async def test_one_of_two_who_gives_up_takes_nothing_from_the_other(images: Images, photo: Path) -> None:
    one, other = (asyncio.create_task(images.derived(ID, photo, THUMBNAIL)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    assert size_of(await other) == (320, 240)


async def test_forgetting_takes_all_that_was_derived_and_what_is_being_made(
    images: Images, tmp_path: Path, photo: Path, slow: Path
) -> None:
    (await images.derived(ID, photo, THUMBNAIL)).close()
    working, _ = await busy(images, slow)
    making = asyncio.create_task(images.derived(ID, photo, Wish(9)))
    await until(lambda: any((tmp_path / "cache" / "images" / "new").iterdir()))
    await images.forget(ID)
    working.cancel()
    assert size_of(await making) == (9, 7)
    assert kept(tmp_path) == []


async def test_the_cache_may_be_removed_while_it_is_in_use(images: Images, tmp_path: Path, photo: Path) -> None:
    for width in range(1, 4):
        (await images.derived(ID, photo, Wish(width))).close()
        shutil.rmtree(tmp_path / "cache")
        assert size_of(await images.derived(ID, photo, Wish(width))) == (width, max(1, round(width * 0.75)))


async def test_a_cache_of_no_size_gives_images_all_the_same(tmp_path: Path, photo: Path) -> None:
    images = Images(tmp_path / "cache" / "images", Bounds(), cache_size=0)
    await images.open()
    asked = [images.derived(ID, photo, Wish(20 + number % 2)) for number in range(50)]
    assert {size_of(one) for one in await asyncio.gather(*asked)} == {(20, 15), (21, 16)}
    await images.close()
    assert kept(tmp_path) == []


async def test_where_the_cache_cannot_be_written_images_are_given_all_the_same(
    images: Images, tmp_path: Path, photo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    assert size_of(await images.derived(ID, photo, THUMBNAIL)) == (320, 240)
    assert "cannot be written" in caplog.text


async def test_a_cache_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    images = Images(tmp_path / "cache" / "images", Bounds())
    with pytest.raises(Unavailable, match="cannot be made"):
        await images.open()
    await images.close()


@pytest.mark.engines
async def test_a_full_disk_costs_the_older_half_of_the_cache_and_no_answer(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grain = tmp_path / "grain.png"
    grain.write_bytes(saved(Image.effect_noise((400, 400), 90), "PNG"))
    with small_disk(tmp_path / "disk", "4m") as disk:
        images = Images(disk / "images", Bounds())
        await images.open()
        for width in range(380, 390):
            (await images.derived(ID, grain, Wish(width))).close()
        fill(disk / "full")
        assert size_of(await images.derived(ID, photo, THUMBNAIL)) == (320, 240)
        assert 0 < len(list(disk.glob("images/*/*"))) <= 5
        # Nor is there room anywhere else.
        fill(disk / "fuller")
        (disk / "tmp").mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(disk / "tmp"))
        await images.forget(ID)
        fill(disk / "fullest")
        with pytest.raises(OutOfSpace):
            await images.derived(ID, grain, Wish(400, format="image/png"))
        (disk / "full").unlink()
        assert size_of(await images.derived(ID, grain, Wish(399))) == (399, 399)
        assert list((disk / "tmp").iterdir()) == []
        await images.close()


async def test_an_original_of_another_type_is_shown_as_one_that_browsers_have(images: Images, tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    path.write_bytes(saved(picture(mode="P"), "GIF"))
    derived = await images.derived(ID, path, Wish(10))
    assert derived.content_type == "image/png"
    assert size_of(derived) == (10, 8)


async def test_two_servers_share_a_cache(images: Images, tmp_path: Path, photo: Path) -> None:
    other = Images(tmp_path / "cache" / "images", Bounds())
    await other.open()
    (await images.derived(ID, photo, THUMBNAIL)).close()
    photo.write_bytes(png())
    assert size_of(await other.derived(ID, photo, THUMBNAIL)) == (320, 240)
    assert other.pids == set()
    await other.forget(ID)
    assert size_of(await images.derived(ID, photo, THUMBNAIL)) == (40, 30)
    await other.close()
