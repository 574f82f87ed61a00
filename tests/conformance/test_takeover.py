"""A client that comes back finds its upload free: HEAD waits for nobody, and a new PATCH takes over at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

import pytest

from tests.running import RunningServer
from tusserver.check.digests import field
from tusserver.check.outcomes import NoAnswer
from tusserver.check.probe import CHUNK_TYPE, VERSION, Probe
from tusserver.check.wire import Answer, Wire, request_head, sized

DATA = random.Random(50).randbytes(200_000)
STALLED_AT = 80_000
TRIES = 50
AT_ONCE = 0.1
# Another process may keep this one waiting for a moment. A server that waits for something is slow in every round.
ROUNDS = 6
# Far less than what any server would wait for, far more than such a moment.
SOON = 0.5

Headers = dict[str, str]


def plain() -> Headers:
    return {}


def checksummed() -> Headers:
    return {"Upload-Checksum": field("sha1", DATA)}


both_kinds = pytest.mark.parametrize(
    ("headers", "counted"),
    [pytest.param(plain, STALLED_AT, id="plain"), pytest.param(checksummed, 0, id="checksummed")],
)


async def stalled(tus: Probe, headers: Headers, counted: int) -> tuple[str, Wire]:
    """An upload whose PATCH stopped in the middle, when the server counts `counted` bytes of it."""
    url = await tus.create(len(DATA))
    told = {"Upload-Offset": "0", "Content-Type": CHUNK_TYPE, **headers}
    wire = await tus.begin("PATCH", url, told, sized(DATA), STALLED_AT)
    for _ in range(100):
        if await tus.offset(url) == counted:
            return url, wire
        await asyncio.sleep(0.01)
    raise AssertionError(f"HEAD never told {counted}, but {await tus.offset(url)}")


async def timed_patch(tus: Probe, url: str, offset: int) -> tuple[Answer, float]:
    """A PATCH of the rest on a connection that is open already; gives the answer and the seconds it took."""
    wire = await Wire.connect(url, tus.timeout)
    fields = {"Tus-Resumable": VERSION, "Upload-Offset": str(offset), "Content-Type": CHUNK_TYPE}
    body = sized(DATA[offset:])
    head = request_head("PATCH", url, fields, body)
    try:
        started_at = time.perf_counter()
        answer = await wire.exchange("PATCH", head, body)
        return answer, time.perf_counter() - started_at
    finally:
        await wire.close()


async def ending_of(wire: Wire) -> int | None:
    """The status that a holder was sent away with; None if its connection was closed without a word."""
    try:
        return (await wire.answer("PATCH")).status
    except NoAnswer as silence:
        if "end of the connection" in str(silence):
            return None
        raise  # left waiting for ever
    finally:
        await wire.close()


async def slowest_takeover(tus: Probe, headers: Headers, counted: int) -> float:
    """Take over from a stalled PATCH as often as `TRIES` says; gives the 99th percentile of the seconds it took."""
    seconds = []
    for _ in range(TRIES):
        url, wire = await stalled(tus, headers, counted)
        answer, took = await timed_patch(tus, url, counted)
        seconds.append(took)
        assert answer.status == 204, answer
        assert answer.get("Upload-Offset") == str(len(DATA))
        await tus.expect_stored(url, DATA)
        assert await ending_of(wire) in (None, 409, 423, 503)
    return sorted(seconds)[int(TRIES * 0.99)]


@pytest.mark.alone
@both_kinds
async def test_a_second_patch_takes_over_within_a_tenth_of_a_second(
    tus: Probe, headers: Callable[[], Headers], counted: int
) -> None:
    rounds: list[float] = []
    while not rounds or (rounds[-1] >= AT_ONCE and len(rounds) < ROUNDS):
        rounds.append(await slowest_takeover(tus, headers(), counted))
    assert rounds[-1] < AT_ONCE, rounds


@both_kinds
async def test_head_waits_for_no_writer(tus: Probe, headers: Callable[[], Headers], counted: int) -> None:
    url, wire = await stalled(tus, headers(), counted)
    for _ in range(20):
        started_at = time.perf_counter()
        await tus.expect_offset(url, counted)
        assert time.perf_counter() - started_at < SOON
    assert (await tus.options(url)).status in (200, 204)
    await wire.close()


async def test_other_uploads_are_undisturbed_while_writers_stall(tus: Probe, server: RunningServer) -> None:
    other = await tus.create(len(DATA), DATA[:1000])
    holders = [await stalled(tus, plain(), STALLED_AT) for _ in range(10)]
    answered: list[float] = []

    async def ask_others() -> None:
        for _ in range(20):
            for asking in (tus.head(other), tus.options(), tus.get(server.url + "/health")):
                started_at = time.perf_counter()
                answer = await asking
                answered.append(time.perf_counter() - started_at)
                assert answer.status in (200, 204)

    asking = asyncio.create_task(ask_others())
    taken = await asyncio.gather(*(timed_patch(tus, held, STALLED_AT) for held, _ in holders))
    await asking
    assert [answer.status for answer, _ in taken] == [204] * len(holders)
    assert max(answered) < SOON
    await tus.finish(other, DATA)
    for held, wire in holders:
        await tus.expect_stored(held, DATA)
        await wire.close()


@both_kinds
async def test_a_head_sends_a_holder_away_that_got_no_byte_for_a_second(
    tus: Probe, headers: Callable[[], Headers], counted: int
) -> None:
    url, wire = await stalled(tus, headers(), counted)
    await asyncio.sleep(1.2)
    started_at = time.perf_counter()
    await tus.expect_offset(url, counted)
    assert time.perf_counter() - started_at < SOON
    assert await ending_of(wire) in (None, 409, 423, 503)
    assert time.perf_counter() - started_at < 1
    await tus.expect_offset(url, counted)
    await tus.finish(url, DATA)


async def test_a_head_leaves_a_slow_holder_alone_that_still_gets_bytes(tus: Probe) -> None:
    url, wire = await stalled(tus, plain(), STALLED_AT)
    steps = [DATA[place : place + 20_000] for place in range(STALLED_AT, len(DATA), 20_000)]
    for step in steps:
        await asyncio.sleep(0.3)
        await tus.offset(url)
        await wire.send(step)
    answer = await wire.answer("PATCH")
    assert answer.status == 204, answer
    await wire.close()
    await tus.expect_stored(url, DATA)


@both_kinds
async def test_a_delete_does_not_wait_for_a_stalled_writer(
    tus: Probe, headers: Callable[[], Headers], counted: int
) -> None:
    url, wire = await stalled(tus, headers(), counted)
    started_at = time.perf_counter()
    assert (await tus.delete(url)).status == 204
    assert time.perf_counter() - started_at < SOON
    assert (await tus.head(url)).status in (404, 410)
    assert await ending_of(wire) in (None, 404, 409, 410, 423, 503)
