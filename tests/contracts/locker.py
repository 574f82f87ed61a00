"""What every locker must do. A backend's test class inherits and gives the fixtures `locker` and `new_upload`."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.contracts.locker_asking import AskingContract
from tests.contracts.locker_values import Holder, NewUpload, holder, ignore, is_free, turns
from tusserver.lockers.base import Locker
from tusserver.protocol.errors import Held


class LockerContract(AskingContract):
    """Every promise of `tusserver.lockers.base`, within one process."""

    # Holding

    async def test_a_lock_is_held_in_the_block_and_free_after_it(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        assert not locker.is_held_here(id)
        async with locker.hold(id):
            assert locker.is_held_here(id)
            assert not await is_free(locker, id)
        assert not locker.is_held_here(id)
        assert await is_free(locker, id)

    async def test_a_lock_of_one_upload_is_none_of_another(self, locker: Locker, new_upload: NewUpload) -> None:
        one, other = new_upload(), new_upload()
        async with locker.hold(one):
            assert not locker.is_held_here(other)
            assert await is_free(locker, other)

    async def test_many_locks_are_held_at_once(self, locker: Locker, new_upload: NewUpload) -> None:
        ids = [new_upload() for _ in range(100)]
        async with AsyncExitStack() as stack:
            for id in ids:
                await stack.enter_async_context(locker.hold(id))
            assert all(locker.is_held_here(id) for id in ids)
        assert not any(locker.is_held_here(id) for id in ids)

    async def test_an_error_in_the_block_passes_and_frees_the_lock(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        with pytest.raises(RuntimeError, match="in the block"):
            async with locker.hold(id):
                raise RuntimeError("in the block")
        assert await is_free(locker, id)

    async def test_a_lock_can_be_taken_again_and_again(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        for _ in range(100):
            async with locker.hold(id, take_over=False) as hold:
                assert not hold.is_wanted

    # Not taking over

    @pytest.mark.parametrize("how", [{"take_over": False}, {"timeout": 0}, {"take_over": False, "timeout": 0}], ids=str)
    async def test_who_only_takes_a_free_lock_is_refused_at_once_and_disturbs_nobody(
        self, locker: Locker, new_upload: NewUpload, how: dict[str, Any]
    ) -> None:
        present = await holder(locker, id := new_upload())
        begun = time.monotonic()
        with pytest.raises(Held):
            async with locker.hold(id, **how):
                pytest.fail("two hold one lock")
        assert time.monotonic() - begun < 0.5
        await turns()
        assert (present.wishes, present.let_go.is_set()) == (0, False)
        await present.end()

    # Taking over

    async def test_the_holder_is_asked_to_let_go_and_the_lock_passes_on(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        present = await holder(locker, id := new_upload())
        async with locker.hold(id):
            assert present.task.done() or present.let_go.is_set()
            assert locker.is_held_here(id)
        assert present.wishes >= 1
        await present.task

    async def test_a_take_over_is_a_matter_of_milliseconds(self, locker: Locker, new_upload: NewUpload) -> None:
        took = []
        id = new_upload()
        for _ in range(50):
            present = await holder(locker, id)
            begun = time.monotonic()
            async with locker.hold(id):
                took.append(time.monotonic() - begun)
            await present.task
        assert sorted(took)[-2] < 0.05

    async def test_the_next_is_woken_as_soon_as_the_holder_is_out(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        stubborn = await holder(locker, id, is_polite=False)
        waiting = Holder(locker, id)
        await asyncio.sleep(0.3)
        assert not waiting.holding.is_set()
        begun = time.monotonic()
        await stubborn.end()
        await waiting.holding.wait()
        assert time.monotonic() - begun < 0.05
        await waiting.end()

    async def test_nobody_wants_a_lock_that_nobody_asked_for(self, locker: Locker, new_upload: NewUpload) -> None:
        async with locker.hold(new_upload()) as hold:
            hold.listen(lambda: pytest.fail("wanted"), lambda: pytest.fail("nudged"))
            await asyncio.sleep(0.15)
            assert not hold.is_wanted

    async def test_a_wish_that_came_before_anyone_listened_is_told_at_once(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        id = new_upload()
        heard = asyncio.Event()
        async with locker.hold(id) as hold:
            waiting = Holder(locker, id)
            await turns()
            assert hold.is_wanted
            hold.listen(heard.set, ignore)
            await turns()
            assert heard.is_set()
        await waiting.holding.wait()
        await waiting.end()

    async def test_each_who_comes_asks_the_holder(self, locker: Locker, new_upload: NewUpload) -> None:
        stubborn = await holder(locker, id := new_upload(), is_polite=False)
        waiting = []
        for _ in range(3):
            before = stubborn.wishes
            waiting.append(Holder(locker, id))
            await turns()
            assert stubborn.wishes > before
        await stubborn.end()
        await waiting[-1].holding.wait()
        await waiting[-1].end()
        await asyncio.gather(*[one.task for one in waiting])

    async def test_who_gets_the_lock_while_others_wait_is_asked_in_turn(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        id = new_upload()
        stubborn = await holder(locker, id, is_polite=False)
        first = Holder(locker, id)
        await turns()
        last = Holder(locker, id, is_polite=False)
        await turns()
        await stubborn.end()
        await asyncio.wait_for(last.holding.wait(), 2)
        await first.task
        assert first.wishes >= 1
        assert last.wishes == 0
        await last.end()

    async def test_a_holder_that_does_not_let_go_keeps_the_lock(self, locker: Locker, new_upload: NewUpload) -> None:
        stubborn = await holder(locker, id := new_upload(), is_polite=False)
        begun = time.monotonic()
        with pytest.raises(Held):
            async with locker.hold(id, timeout=0.1):
                pytest.fail("two hold one lock")
        assert 0.09 < time.monotonic() - begun < 1
        assert locker.is_held_here(id)
        await stubborn.end()
        assert await is_free(locker, id)

    async def test_who_gave_up_waiting_is_passed_over(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        stubborn = await holder(locker, id, is_polite=False)
        impatient = Holder(locker, id, timeout=0.05)
        patient = Holder(locker, id)
        with pytest.raises(Held):
            await impatient.task
        await stubborn.end()
        await asyncio.wait_for(patient.holding.wait(), 2)
        await patient.end()

    async def test_of_a_hundred_who_wait_each_gets_the_lock_once_and_alone(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        id = new_upload()
        inside: list[int] = []
        got: list[int] = []

        async def work(number: int) -> None:
            async with locker.hold(id):
                inside.append(number)
                assert inside == [number]
                await turns(3)
                inside.remove(number)
                got.append(number)

        await asyncio.gather(*map(work, range(100)))
        assert sorted(got) == list(range(100))
        assert await is_free(locker, id)

    # Nudging

    async def test_a_nudge_reaches_the_holder_and_is_no_wish(self, locker: Locker, new_upload: NewUpload) -> None:
        present = await holder(locker, id := new_upload())
        locker.nudge(id)
        locker.nudge(new_upload())
        await turns()
        assert (present.nudges, present.wishes) == (1, 0)
        await present.end()

    async def test_a_nudge_where_nobody_holds_does_nothing(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        locker.nudge(id)
        locker.nudge("never created, xxxxxxx")
        async with locker.hold(id) as hold:
            locker.nudge(id)  # nobody listens yet
            await turns()
            assert not hold.is_wanted

    async def test_nobody_is_told_anything_after_the_block(self, locker: Locker, new_upload: NewUpload) -> None:
        id = new_upload()
        async with locker.hold(id) as hold:
            hold.listen(lambda: pytest.fail("wanted"), lambda: pytest.fail("nudged"))
            waiting = Holder(locker, id)
            await asyncio.sleep(0)  # the wish is on its way
            locker.nudge(id)
        await waiting.holding.wait()
        await waiting.end()

    async def test_an_error_of_a_listener_is_not_the_error_of_who_asks(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        def fail() -> None:
            raise RuntimeError("of the listener")

        errors: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
        id = new_upload()
        async with locker.hold(id) as hold:
            hold.listen(fail, fail)
            locker.nudge(id)
            waiting = Holder(locker, id)
            await turns()
        await waiting.holding.wait()
        await waiting.end()
        assert len(errors) >= 2
        assert {str(context["exception"]) for context in errors} == {"of the listener"}

    # Cancelled

    async def test_a_cancelled_holder_leaves_no_lock_behind(self, locker: Locker, new_upload: NewUpload) -> None:
        present = await holder(locker, id := new_upload())
        waiting = Holder(locker, id, timeout=2)
        present.task.cancel()
        await waiting.holding.wait()
        await waiting.end()
        assert present.task.cancelled()
        assert await is_free(locker, id)

    async def test_a_cancelled_waiter_leaves_no_lock_behind(self, locker: Locker, new_upload: NewUpload) -> None:
        stubborn = await holder(locker, id := new_upload(), is_polite=False)
        waiting = Holder(locker, id)
        await turns()
        waiting.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting.task
        await stubborn.end()
        assert await is_free(locker, id)

    @pytest.mark.parametrize("count", range(25))
    async def test_whenever_a_task_is_cancelled_it_leaves_no_lock_behind(
        self, locker: Locker, new_upload: NewUpload, count: int
    ) -> None:
        id = new_upload()
        present = Holder(locker, id)
        waiting = Holder(locker, id)
        last = Holder(locker, id, is_polite=False)
        await turns(count)
        if count % 2:
            await asyncio.sleep(0.0001 * count)
        present.task.cancel()
        waiting.task.cancel()
        await asyncio.wait([present.task, waiting.task])
        await asyncio.wait_for(last.holding.wait(), 2)
        await last.end()
        assert not locker.is_held_here(id)
        assert await is_free(locker, id)

    @pytest.mark.parametrize("seed", range(5))
    async def test_in_any_turmoil_one_at_a_time_holds_and_nothing_is_left(
        self, locker: Locker, new_upload: NewUpload, seed: int
    ) -> None:
        chance = random.Random(seed)
        ids = [new_upload() for _ in range(3)]
        inside = dict.fromkeys(ids, 0)

        async def work(id: str) -> None:
            async with locker.hold(id, take_over=chance.random() < 0.8, timeout=chance.random() * 0.2):
                inside[id] += 1
                assert inside[id] == 1
                try:
                    await asyncio.sleep(chance.random() * 0.002)
                finally:
                    inside[id] -= 1

        tasks = []
        for _ in range(200):
            tasks.append(asyncio.create_task(work(chance.choice(ids))))
            await asyncio.sleep(chance.random() * 0.002)
            if chance.random() < 0.3:
                chance.choice(tasks).cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(result) for result in results} <= {type(None), Held, asyncio.CancelledError}
        assert sum(result is None for result in results) > 20
        assert [await is_free(locker, id) for id in ids] == [True] * 3

    # Closing

    async def test_closing_releases_what_is_held_and_refuses_who_waits(
        self, locker: Locker, new_upload: NewUpload
    ) -> None:
        stubborn = await holder(locker, id := new_upload(), is_polite=False)
        waiting = Holder(locker, id)
        await turns()
        await locker.close()
        with pytest.raises(Held):
            await waiting.task
        assert not locker.is_held_here(id)
        await stubborn.end()  # leaving the block later does no harm
        await locker.close()
