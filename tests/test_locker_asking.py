"""Who wants a lock that another process holds is judged before that is asked to let go."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contracts.locker_values import holder
from tests.contracts.store_values import new_id
from tests.test_locker_host import opened
from tusserver.lockers.host import HostLocker


async def test_the_holder_in_the_other_is_asked_only_by_who_may(tmp_path: Path) -> None:
    (tmp_path / (id := new_id())).touch()
    with TemporaryDirectory(prefix="sockets-") as sockets:
        async with opened(tmp_path, Path(sockets) / "run") as locker, opened(tmp_path, Path(sockets) / "run") as other:
            await asked_only_behind_it(locker, other, id)


async def asked_only_behind_it(locker: HostLocker, other: HostLocker, id: str) -> None:
    present = await holder(locker, id)
    seen: list[int] = []

    async def may_not_ask() -> None:
        raise LookupError("it does not fit")

    async def may_ask() -> None:
        await asyncio.sleep(0.05)
        seen.append(present.wishes)

    with pytest.raises(LookupError):
        async with other.hold(id, may_ask=may_not_ask):
            pytest.fail("somebody holds it")
    async with other.hold(id, may_ask=may_ask):
        assert seen == [0]
        assert present.wishes >= 1
    await present.task
