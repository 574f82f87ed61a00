"""What every locker must do for who wants to be sure before a holder is asked to let go."""

from __future__ import annotations

import pytest

from tests.contracts.locker_values import NewUpload, holder
from tusserver.lockers.base import Locker


class AskingContract:
    """Every promise of `may_ask`."""

    async def test_nobody_is_asked_where_the_lock_is_free(self, locker: Locker, new_upload: NewUpload) -> None:
        async def may_ask() -> None:
            raise AssertionError("the lock is free")

        async with locker.hold(new_upload(), may_ask=may_ask):
            pass

    async def test_a_holder_is_asked_only_behind_it(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        held = await holder(locker, id, is_polite=True)
        seen: list[int] = []

        async def may_ask() -> None:
            seen.append(held.wishes)

        async with locker.hold(id, may_ask=may_ask):
            assert (seen, held.wishes) == ([0], 1)
        await held.end()

    async def test_what_it_raises_is_raised_and_disturbs_nobody(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        held = await holder(locker, id)

        async def may_ask() -> None:
            raise LookupError("it does not fit")

        with pytest.raises(LookupError):
            async with locker.hold(id, may_ask=may_ask):
                raise AssertionError("somebody holds it")
        assert held.wishes == 0
        await held.end()
        async with locker.hold(id, timeout=0):
            pass
