"""Derived images on the disk: bounded, the longest unused gone first, and nothing shown that a crash cut off."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.image_making import jpeg, picture, png, saved
from tusserver.imaging.cache import BLOCK, LONGEST_MAKING, Cache, opened
from tusserver.protocol.errors import Unavailable

ONE, OTHER = "A" * 22, "B" * 22


def cache_in(folder: Path, most: int = 2**30) -> Cache:
    made = Cache(folder / "cache" / "images", most)
    made.open()
    return made


def keep(cache: Cache, id: str, key: str, data: bytes | None = None) -> None:
    """Put an image there as a worker does."""
    made = cache.new()
    made.write_bytes(png() if data is None else data)
    cache.keep(made, id, key)


def has(cache: Cache, id: str, key: str) -> bool:
    found = cache.find(id, key)
    if found is not None:
        found.close()
    return found is not None


def stored(folder: Path) -> int:
    """Bytes of every file below a folder, as the cache counts them."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)


@pytest.mark.parametrize(("kind", "content_type"), [
    ("PNG", "image/png"), ("JPEG", "image/jpeg"), ("WEBP", "image/webp"), ("AVIF", "image/avif"),
])  # fmt: skip
def test_what_was_kept_is_found_again_after_a_restart(tmp_path: Path, kind: str, content_type: str) -> None:
    data = saved(picture(), kind)
    keep(cache_in(tmp_path), ONE, "320x0", data)
    found = cache_in(tmp_path).find(ONE, "320x0")
    assert found is not None
    with found:
        assert (found.content_type, found.size, found.file.read()) == (content_type, len(data), data)
    assert not has(cache_in(tmp_path), ONE, "321x0")
    assert not has(cache_in(tmp_path), OTHER, "320x0")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("length", [0, 1, 5, 40, -20, -1])
def test_what_a_crash_cut_off_is_none(tmp_path: Path, kind: str, length: int) -> None:
    cache = cache_in(tmp_path)
    keep(cache, ONE, "a", saved(picture(), kind)[:length])
    assert not has(cache, ONE, "a")
    assert list(cache.folder.glob("*/*")) == []


def test_an_avif_file_whose_boxes_lead_nowhere_is_none(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    whole = saved(picture(), "AVIF")
    keep(cache, ONE, "a", whole + bytes(8))
    assert not has(cache, ONE, "a")


def test_an_image_that_was_found_stays_readable_when_the_cache_lets_go_of_it(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, ONE, "a")
    found = cache.find(ONE, "a")
    assert found is not None
    cache.forget(ONE)
    assert found.file.read() == png()
    found.close()
    found.close()


def test_forgetting_takes_everything_of_an_image_and_nothing_of_another(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    alike = ONE[:-1] + "B"  # in the same folder
    for id in (ONE, alike, OTHER):
        keep(cache, id, "a")
        keep(cache, id, "b")
    cache_in(tmp_path).forget(ONE)  # as another process
    assert [has(cache, id, key) for id in (ONE, alike, OTHER) for key in "ab"] == [False] * 2 + [True] * 4
    cache.forget("C" * 22)


def test_the_longest_unused_go_first(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, 10 * BLOCK)
    for number in range(10):
        keep(cache, ONE, str(number))
        at = time.time() - 1000 + number
        os.utime(cache.folder / ONE[:2] / f"{ONE}.{number}", (at, at))
    assert has(cache, ONE, "0")
    keep(cache, ONE, "new")
    cache.tidy()
    left = {path.name.partition(".")[2] for path in cache.folder.glob("*/*")}
    assert {"0", "9", "new"} <= left
    assert {"1", "2"} & left == set()
    assert stored(cache.folder) <= 10 * BLOCK


def test_it_never_holds_much_more_than_it_may_however_many_processes_share_it(tmp_path: Path) -> None:
    most = 50 * BLOCK
    caches = [cache_in(tmp_path, most) for _ in range(3)]
    highest = 0
    for number in range(300):
        cache = caches[number % 3]
        keep(cache, ONE, str(number), jpeg(8, 8))
        cache.tidy()
        highest = max(highest, len(os.listdir(cache.folder / ONE[:2])) * BLOCK)
    assert 0.8 * most < highest < 1.5 * most


def test_a_cache_of_no_size_keeps_nothing(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, 0)
    keep(cache, ONE, "a")
    cache.tidy()
    assert not has(cache, ONE, "a")


def test_what_is_too_much_at_the_start_is_removed(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    for number in range(50):
        keep(cache, ONE, str(number))
    assert stored(cache_in(tmp_path, 20 * BLOCK).folder) <= 20 * BLOCK


def test_what_a_crash_left_half_made_is_removed_and_what_another_process_makes_is_not(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    left, making = cache.new(), cache.new()
    at = time.time() - LONGEST_MAKING - 1
    os.utime(left, (at, at))
    cache_in(tmp_path)
    assert not left.exists()
    assert making.exists()


def test_the_folder_may_be_removed_at_any_time(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    keep(cache, ONE, "a")
    made = cache.new()
    made.write_bytes(png())
    shutil.rmtree(cache.folder)
    assert not has(cache, ONE, "a")
    cache.keep(made, ONE, "a")
    cache.forget(ONE)
    cache.tidy()
    cache.shrink()
    keep(cache, ONE, "a")
    assert has(cache, ONE, "a")


def test_what_is_made_elsewhere_is_not_kept_and_where_nothing_can_be_made_it_says_so(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    elsewhere, new = cache.elsewhere(), cache.new()
    assert (cache.is_new(elsewhere), cache.is_new(new)) == (False, True)
    elsewhere.unlink()
    shutil.rmtree(cache.folder)
    cache.folder.write_text("in the way")
    with pytest.raises(Unavailable):
        cache.new()
    with pytest.raises(Unavailable):
        cache.open()


def test_half_of_it_goes_where_the_disk_is_full(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    for number in range(20):
        keep(cache, ONE, str(number))
    before = stored(cache.folder)
    cache.shrink()
    assert 0.4 * before <= stored(cache.folder) <= before / 2


def test_what_was_made_and_is_gone_or_broken_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        opened(tmp_path / "nowhere")
    (tmp_path / "broken").write_bytes(b"")
    with pytest.raises(Unavailable):
        opened(tmp_path / "broken")
