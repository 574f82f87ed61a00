"""The client of clamd, against a peer that speaks its protocol and may break off, stall or refuse anywhere."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clamd import EICAR, SIGNATURE, Peer, peer
from tests.test_announce import until
from tusserver.protocol.errors import Unavailable
from tusserver.scanner import Clamd


@pytest.fixture
async def clamd() -> AsyncIterator[Peer]:
    async with peer() as made:
        yield made


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def endless(piece: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece


async def why_not(scanner: Clamd, data: AsyncIterator[bytes]) -> str:
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable) as caught:
            await scanner.scan(data)
    return str(caught.value)


async def test_bytes_without_a_virus_are_clean(clamd: Peer) -> None:
    assert await Clamd(clamd.address).scan(pieces(b"hello", b"", b"x" * 300_000)) is None
    assert clamd.streams == [300_005]


async def test_no_bytes_are_clean(clamd: Peer) -> None:
    assert await Clamd(clamd.address).scan(pieces()) is None


@pytest.mark.parametrize("cut", [0, 1, 40, len(EICAR)])
async def test_a_virus_is_found_by_its_name_however_its_bytes_come(clamd: Peer, cut: int) -> None:
    assert await Clamd(clamd.address).scan(pieces(b"x" * 999, EICAR[:cut], EICAR[cut:], b"y")) == SIGNATURE


async def test_clamd_may_listen_on_a_unix_socket(clamd: Peer, tmp_path: Path) -> None:
    path = tmp_path / "clamd.ctl"
    server = await asyncio.start_unix_server(clamd._serve, path)
    try:
        assert await Clamd(str(path)).scan(pieces(EICAR)) == SIGNATURE
    finally:
        server.close()


async def test_who_answers_is_told(clamd: Peer) -> None:
    assert await Clamd(clamd.address).version() == "ClamAV 1.4.6/27811/Thu"


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "[::1]:{}", "nobody.invalid:{}", "/nowhere/clamd.ctl"])
async def test_where_nobody_answers_nothing_is_clean(address: str) -> None:
    with socket.socket() as taken:  # bound and not listening: no other program can answer there
        taken.bind(("127.0.0.1", 0))
        scanner = Clamd(address.format(taken.getsockname()[1]))
        assert "does not answer" in await why_not(scanner, pieces(b"hello"))
        with pytest.raises(Unavailable):
            await scanner.version()


async def test_a_stream_that_is_too_long_for_clamd_is_not_clean_and_the_operator_hears_what_to_raise(
    clamd: Peer,
) -> None:
    clamd.limit = 100_000
    assert "StreamMaxLength" in await why_not(Clamd(clamd.address), endless(b"x" * 65536, 1000))
    assert clamd.streams[0] < 1_000_000


async def test_a_stream_that_is_a_little_too_long_is_explained(clamd: Peer) -> None:
    clamd.limit = 10
    assert "StreamMaxLength" in await why_not(Clamd(clamd.address), pieces(b"x" * 11))


async def test_clamd_that_dies_in_the_middle_has_found_nothing_out(clamd: Peer) -> None:
    clamd.closes_after = 200_000
    assert "broke off" in await why_not(Clamd(clamd.address), endless(b"x" * 65536, 100))


@pytest.mark.parametrize("said", [b"", b"stream: what ERROR", b"OK FOUND OK", b"\xff", b"x" * 100_000])
async def test_an_answer_that_is_no_verdict_counts_as_none(clamd: Peer, said: bytes) -> None:
    clamd.says = said
    assert clamd.address in await why_not(Clamd(clamd.address), pieces(b"hello"))


async def test_clamd_that_says_nothing_is_not_waited_for_for_ever(clamd: Peer) -> None:
    clamd.may_answer.clear()
    assert "said nothing" in await why_not(Clamd(clamd.address, patience=0.1), pieces(b"hello"))


async def test_clamd_that_takes_nothing_is_not_waited_for_for_ever(clamd: Peer) -> None:
    clamd.may_take.clear()
    assert "took nothing" in await why_not(Clamd(clamd.address, patience=0.2), endless(b"x" * (1 << 20), 64))


async def test_a_scan_that_is_given_up_leaves_no_connection(clamd: Peer) -> None:
    clamd.may_answer.clear()
    scan = asyncio.create_task(Clamd(clamd.address).scan(pieces(b"hello")))
    await until(lambda: clamd.streams == [5])
    scan.cancel()
    with pytest.raises(asyncio.CancelledError):
        await scan
    await until(lambda: clamd.present == 0)


async def test_what_the_bytes_fail_with_is_what_the_scan_fails_with(clamd: Peer) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"hello"
        raise Unavailable("the disk is away")

    assert await why_not(Clamd(clamd.address), broken()) == "the disk is away"


async def test_a_long_stream_is_never_in_memory(clamd: Peer) -> None:
    clamd.may_take.clear()
    tracemalloc.start()
    try:
        scan = asyncio.create_task(Clamd(clamd.address).scan(endless(bytes(1 << 20), 100)))
        await asyncio.sleep(0.1)  # nothing is taken, so what is sent has to wait
        clamd.may_take.set()
        assert await scan is None
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert clamd.streams == [100 << 20]
