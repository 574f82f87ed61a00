"""Nothing past the length, nothing unverified: however the bytes of a body are cut on their way, the offset and the
bytes agree, and the correct retry gives the right file."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.running import RunningServer, running
from tusserver.check.digests import field
from tusserver.check.probe import CHUNK_TYPE, Probe, expect_refused, expect_status
from tusserver.check.wire import Body, Wire, chunked, cut_at, sized

# Below, at and above the sizes of the buffers between the socket and the disk.
SIZES = st.one_of(st.integers(1, 40), st.sampled_from([65_535, 65_536, 65_537, 262_144, 400_000]))
AS_TRAILER = {"Trailer": "Upload-Checksum"}

examples = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass(frozen=True, slots=True)
class Plan:
    """An upload of `data` of which `start` bytes are stored, and how a body of its rest is framed and cut."""

    data: bytes
    start: int
    is_chunked: bool
    pieces: tuple[float, ...]
    cuts: tuple[float, ...]

    @property
    def rest(self) -> bytes:
        return self.data[self.start :]

    def framed(self, body: bytes, trailers: dict[str, str] | None = None) -> Body:
        """`body` framed as planned; the fractions in `pieces` end its chunks, those in `cuts` its segments."""
        pieces = cut_at(body, (round(len(body) * place) for place in self.pieces))
        framed = chunked(pieces, trailers) if self.is_chunked else sized(body)
        wire = b"".join(framed.segments)
        # Close to the end, a fraction of a long body would never fall inside the last chunk's frame.
        cuts = [round(len(wire) * place) for place in self.cuts if place < 1]
        cuts += [len(wire) - round(place) for place in self.cuts if place >= 1]
        return Body(framed.fields, cut_at(wire, cuts))


@st.composite
def plans(draw: st.DrawFn, framing: st.SearchStrategy[bool] = st.booleans()) -> Plan:  # noqa: B008
    length = draw(SIZES)
    places = st.floats(0, 1, exclude_max=True)
    return Plan(
        data=random.Random(length).randbytes(length),
        start=draw(st.integers(0, length - 1)),
        is_chunked=draw(framing),
        pieces=tuple(draw(st.lists(places, max_size=3))),
        cuts=tuple(draw(st.lists(st.one_of(places, st.integers(1, 20).map(float)), max_size=4))),
    )


BY_CHUNKS = plans(st.just(True))
EXCESS = st.sampled_from([1, 2, 17, 70_000])


async def started(tus: Probe, plan: Plan, *, is_deferred: bool = False) -> str:
    """An upload with the first bytes of the plan in it."""
    return await tus.create(None if is_deferred else len(plan.data), plan.data[: plan.start])


async def expect_kept_within(tus: Probe, url: str, plan: Plan) -> None:
    """The offset is one that the plan allows, and the correct retry gives the right bytes."""
    assert plan.start <= await tus.offset(url) <= len(plan.data)
    await tus.finish(url, plan.data)


@examples
@given(plan=plans(), excess=EXCESS)
@example(plan=Plan(b"helloworld", 5, True, (), (1.0,)), excess=1)
async def test_nothing_past_the_length_is_kept(server: RunningServer, plan: Plan, excess: int) -> None:
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        expect_refused(await tus.patch(url, plan.start, plan.framed(plan.rest + b"X" * excess)))
        if not plan.is_chunked:
            await tus.expect_offset(url, plan.start)
        await expect_kept_within(tus, url, plan)


@examples
@given(plan=plans(), excess=EXCESS)
async def test_nothing_past_a_length_told_with_the_last_chunk_is_kept(
    server: RunningServer, plan: Plan, excess: int
) -> None:
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan, is_deferred=True)
        length = {"Upload-Length": str(len(plan.data))}
        expect_refused(await tus.patch(url, plan.start, plan.framed(plan.rest + b"X" * excess), length))
        offset = await tus.offset(url)
        assert plan.start <= offset <= len(plan.data)
        expect_status(await tus.patch(url, offset, plan.data[offset:], length), 204)
        await tus.finish(url, plan.data)


@examples
@given(plan=plans(), excess=EXCESS)
async def test_nothing_past_the_length_is_kept_of_a_creation(server: RunningServer, plan: Plan, excess: int) -> None:
    async with Probe(server.endpoint) as tus:
        headers = {"Upload-Length": str(len(plan.rest)), "Content-Type": CHUNK_TYPE}
        answer = await tus.post(headers, plan.framed(plan.rest + b"X" * excess))
        expect_refused(answer)
        assert answer.get("Location") is None


@examples
@given(plan=plans(), excess=EXCESS)
async def test_a_right_digest_lets_nothing_past_the_length(server: RunningServer, plan: Plan, excess: int) -> None:
    body = plan.rest + b"X" * excess
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        checksum = {"Upload-Checksum": field("sha1", body)}
        expect_refused(await tus.patch(url, plan.start, plan.framed(body), checksum))
        await tus.expect_offset(url, plan.start)
        await tus.finish(url, plan.data)


@examples
@given(plan=plans(), wrong_at=st.floats(0, 1, exclude_max=True))
async def test_nothing_of_a_body_with_a_wrong_digest_is_kept(
    server: RunningServer, plan: Plan, wrong_at: float
) -> None:
    damaged = bytearray(plan.rest)
    damaged[int(len(damaged) * wrong_at)] ^= 1
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        checksum = {"Upload-Checksum": field("sha256", plan.rest)}
        answer = await tus.patch(url, plan.start, plan.framed(bytes(damaged)), checksum)
        expect_status(answer, 460)
        await tus.expect_offset(url, plan.start)
        expect_status(await tus.patch(url, plan.start, plan.framed(plan.rest), checksum), 204)
        await tus.expect_stored(url, plan.data)


async def test_the_whole_length_is_told_only_of_a_finished_upload(tus: Probe) -> None:
    data = b"hello" * 20_000
    url = await tus.create(len(data))
    body = chunked([data])
    headers = {"Upload-Offset": "0", "Content-Type": CHUNK_TYPE}
    # All bytes of the upload, but not the chunk of no bytes that ends the body: more might come.
    wire = await tus.begin("PATCH", url, headers, body, sum(map(len, body.segments)) - len(b"0\r\n\r\n"))
    for _ in range(10):
        if await tus.offset(url) == len(data):
            await tus.expect_stored(url, data)
        await asyncio.sleep(0.02)
    await wire.close()
    await tus.finish(url, data)


@examples
@given(plan=BY_CHUNKS, wrong_at=st.floats(0, 1, exclude_max=True))
async def test_nothing_of_a_body_with_a_wrong_trailer_is_kept(
    server: RunningServer, plan: Plan, wrong_at: float
) -> None:
    damaged = bytearray(plan.rest)
    damaged[int(len(damaged) * wrong_at)] ^= 1
    trailer = {"Upload-Checksum": field("sha1", plan.rest)}
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        answer = await tus.patch(url, plan.start, plan.framed(bytes(damaged), trailer), AS_TRAILER)
        expect_status(answer, 460)
        await tus.expect_offset(url, plan.start)
        expect_status(await tus.patch(url, plan.start, plan.framed(plan.rest, trailer), AS_TRAILER), 204)
        await tus.expect_stored(url, plan.data)


async def broken_off(tus: Probe, url: str, plan: Plan, sent: float, checksum: str | None) -> Wire:
    """A PATCH of the rest of which only the fraction `sent` was sent, and read by the server."""
    headers: dict[str, str] = {"Upload-Offset": str(plan.start), "Content-Type": CHUNK_TYPE}
    trailers = None
    if checksum == "trailer":
        headers |= AS_TRAILER
        trailers = {"Upload-Checksum": field("sha1", plan.rest)}
    elif checksum == "header":
        headers |= {"Upload-Checksum": field("sha1", plan.rest)}
    body = plan.framed(plan.rest, trailers)
    size = sum(map(len, body.segments))
    wire = await tus.begin("PATCH", url, headers, body, min(int(size * sent), size - 1))
    await asyncio.sleep(0.02)
    return wire


async def end(wire: Wire, how: str) -> None:
    await (wire.reset() if how == "reset" else wire.close())


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("checksum", ["header", "trailer"])
@settings(examples, max_examples=8)
@given(plan=BY_CHUNKS, sent=st.floats(0, 1))
async def test_nothing_of_a_checksummed_body_that_breaks_off_is_kept(
    server: RunningServer, how: str, checksum: str, plan: Plan, sent: float
) -> None:
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        wire = await broken_off(tus, url, plan, sent, checksum)
        # Neither while the rest is awaited, nor at the end of the connection, nor after.
        await tus.expect_offset(url, plan.start)
        await end(wire, how)
        await tus.expect_offset(url, plan.start)
        await asyncio.sleep(0.02)
        await tus.expect_offset(url, plan.start)
        await tus.finish(url, plan.data)


@pytest.mark.parametrize("how", ["close", "reset"])
@settings(examples, max_examples=8)
@given(plan=plans(), sent=st.floats(0, 1))
async def test_what_came_of_a_plain_body_that_breaks_off_is_kept(
    server: RunningServer, how: str, plan: Plan, sent: float
) -> None:
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        await end(await broken_off(tus, url, plan, sent, None), how)
        await expect_kept_within(tus, url, plan)


@settings(examples, max_examples=8)
@given(plan=plans(framing=st.just(False)), sent=st.floats(0, 1))
async def test_every_byte_before_a_goodbye_is_kept(server: RunningServer, plan: Plan, sent: float) -> None:
    async with Probe(server.endpoint) as tus:
        url = await started(tus, plan)
        count = min(int(len(plan.rest) * sent), len(plan.rest) - 1)
        await (await broken_off(tus, url, plan, sent, None)).close()
        # The goodbye may be read later than the HEAD that follows it on another connection.
        for _ in range(50):
            if await tus.offset(url) == plan.start + count:
                break
            await asyncio.sleep(0.02)
        await tus.expect_offset(url, plan.start + count)
        await tus.finish(url, plan.data)


@pytest.mark.parametrize("checksum", ["header", "trailer", None])
async def test_a_kill_in_the_middle_of_a_body_leaves_nothing_unverified(tmp_path: Path, checksum: str | None) -> None:
    plan = Plan(random.Random(7).randbytes(400_000), 1000, True, (0.3, 0.6), ())
    with running(tmp_path) as first:
        tus = Probe(first.endpoint)
        url = await started(tus, plan)
        wire = await broken_off(tus, url, plan, 0.7, checksum)
        await asyncio.sleep(0.2)
        first.kill()
        await wire.close()
    with running(tmp_path) as second:
        tus = Probe(second.endpoint)
        again = url.replace(first.url, second.url)
        offset = await tus.offset(again)
        assert offset == plan.start if checksum else plan.start < offset < len(plan.data)
        await tus.finish(again, plan.data)
