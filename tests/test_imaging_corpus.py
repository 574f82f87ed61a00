"""Every hostile and odd file, as the pool meets it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.image_corpus import ALLOWED, STATUS, Odd, corpus
from tests.test_imaging_pool import is_running
from tusserver.imaging.base import Bounds, Seen
from tusserver.imaging.images import Images
from tusserver.protocol.images import (
    THUMBNAIL,
    Wish,
    judge_extension,
    safe_stored_filename,
    suffix_of,
)
from tusserver.protocol.refusals import Refusal

MEGABYTE = 2**20


async def met(images: Images, path: Path, odd: Odd) -> Seen | tuple[int, str]:
    """What a file is, or the status and the code of its refusal."""
    try:
        judge_extension(odd.filename, ALLOWED)
        return await images.inspect(path, suffix_of(odd.filename))
    except Refusal as refusal:
        return refusal.status, refusal.code


def expected(odd: Odd) -> Seen | tuple[int, str]:
    return odd.seen or (STATUS[str(odd.code)], str(odd.code))


def memory() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_there_are_enough_of_them_and_no_two_are_the_same() -> None:
    whats = [odd.what for odd in corpus()]
    assert len(whats) >= 60
    assert len(set(whats)) == len(whats)
    assert all((odd.seen is None) != (odd.code is None) for odd in corpus())


async def test_nothing_wrong_is_accepted_and_nothing_right_refused(tmp_path: Path) -> None:
    images = Images(tmp_path / "cache", Bounds())
    await images.open()
    files = [(odd, tmp_path / str(number)) for number, odd in enumerate(corpus())]
    for odd, path in files:
        path.write_bytes(odd.data)
    await met(images, files[0][1], files[0][0])
    before, pids, wrong = memory(), images.pids, []
    for number, (odd, path) in enumerate(files):
        found = await met(images, path, odd)
        if found != expected(odd):
            wrong.append((odd.what, found))
        if odd.seen is not None:
            for wish in (THUMBNAIL, Wish(64, 64, format="image/webp")):
                (await images.derived(f"{number:022}", path, wish)).close()
    assert wrong == []
    assert memory() - before < 50 * MEGABYTE
    # None of them got as far as to cost a worker.
    assert images.pids == pids
    await images.close()
    assert not any(map(is_running, pids))


@pytest.mark.parametrize("odd", [odd for odd in corpus() if odd.stored], ids=lambda odd: odd.what)
def test_an_odd_name_is_made_safe(odd: Odd) -> None:
    assert odd.seen is not None
    assert safe_stored_filename(odd.filename, odd.seen.content_type) == odd.stored
