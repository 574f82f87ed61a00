"""Who is next at the workers: uploads before what is only shown, each in the order they came, and no place is lost."""

from __future__ import annotations

import asyncio

import pytest

from tusserver.imaging.turns import Turns
from tusserver.protocol.images import ImagesBusy


async def wait(turns: Turns, name: str, came: list[str]) -> None:
    await turns.take(is_first=name.startswith("upload"))
    came.append(name)


def begin(turns: Turns, came: list[str], *names: str) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(wait(turns, name, came)) for name in names]


async def test_uploads_come_before_what_is_shown_and_each_in_its_order() -> None:
    turns, came = Turns(1, 10), list[str]()
    tasks = begin(turns, came, "show 0", "show 1", "show 2", "upload 0", "upload 1")
    for _ in tasks:
        await asyncio.sleep(0)
        turns.give()
    await asyncio.gather(*tasks)
    assert came == ["show 0", "upload 0", "upload 1", "show 1", "show 2"]


async def test_a_full_line_of_one_kind_refuses_nobody_of_the_other() -> None:
    turns, came = Turns(1, 2), list[str]()
    await turns.take(is_first=False)
    tasks = begin(turns, came, "show 0", "show 1", "upload 0")
    await asyncio.sleep(0)
    with pytest.raises(ImagesBusy):
        await turns.take(is_first=False)
    tasks += begin(turns, came, "upload 1")
    await asyncio.sleep(0)
    with pytest.raises(ImagesBusy):
        await turns.take(is_first=True)
    for _ in tasks:
        turns.give()
    await asyncio.gather(*tasks)
    assert len(came) == 4


async def test_who_leaves_the_line_takes_no_place_with_them() -> None:
    turns, came = Turns(1, 10), list[str]()
    await turns.take(is_first=True)
    first, second, third = begin(turns, came, "show 0", "show 1", "show 2")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    turns.give()
    second.cancel()  # at the moment in which its place comes
    with pytest.raises(asyncio.CancelledError):
        await second
    await third
    assert came == ["show 2"]
    turns.give()
    await turns.take(is_first=True)


async def test_as_many_are_at_work_at_once_as_there_are_places() -> None:
    turns, came = Turns(2, 10), list[str]()
    begin(turns, came, "show 0", "show 1")
    waiting = begin(turns, came, "show 2")
    await asyncio.sleep(0)
    assert came == ["show 0", "show 1"]
    turns.give()
    await asyncio.gather(*waiting)
