"""What a writer of every store must do with a socket: the part of the contract that is about pulling."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.contracts.store_values import MIB, Limited, add, content, pattern
from tusserver.protocol.errors import OutOfSpace
from tusserver.stores.base import Buffer, Flow, Store, Writer


class Digesting:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.seen = bytearray()

    def update(self, data: Buffer) -> None:
        self.seen += data


class Sender:
    """The far end of a TCP connection, and the near end as a descriptor that a store may pull from."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.far = socket.create_connection(listener.getsockname())
            self.near, _ = listener.accept()
        self.near.setblocking(False)
        self.took: list[int] = []

    async def send(self, data: bytes) -> None:
        """Return when all of it has left; large data needs somebody who pulls."""
        self.far.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(self.far, data)

    async def arrived(self, size: int) -> None:
        """Wait until so many bytes can be read at once."""
        while len(self.near.recv(size, socket.MSG_PEEK)) < size:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.001)

    def reset(self) -> None:
        """Break the connection without a goodbye."""
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.far.close()

    async def pull(self, writer: Writer, count: int, digesting: Digesting | None = None) -> Flow:
        """One call; `took` has what it was told."""
        digest = None if digesting is None else digesting.update
        return await writer.pull(self.near.fileno(), count, self.took.append, digest)

    async def pull_all(self, writer: Writer, count: int, digesting: Digesting | None = None) -> Flow:
        """Pull until `count` bytes have come or none will."""
        left, flow = count, Flow.MORE
        while left and flow is not Flow.ENDED:
            before = sum(self.took)
            flow = await self.pull(writer, left, digesting)
            left -= sum(self.took) - before
            await asyncio.sleep(0.001 if flow is Flow.RESTING else 0)
        return flow

    def close(self) -> None:
        self.far.close()
        self.near.close()


class PullContract:
    """Every promise of `Writer.pull`."""

    @pytest.fixture
    def sender(self) -> Iterator[Sender]:
        sender = Sender()
        yield sender
        sender.close()

    @pytest.fixture(params=[False, True], ids=["plain", "digested"])
    def digesting(self, request: pytest.FixtureRequest) -> Digesting | None:
        return Digesting() if request.param else None

    async def test_what_waits_in_a_socket_is_appended(
        self, store: Store, sender: Sender, digesting: Digesting | None
    ) -> None:
        id = await add(store, b"before ")
        writer = await store.append(id, 7)
        await sender.send(b"pulled")
        await sender.arrived(6)
        assert await sender.pull_all(writer, 6, digesting) is Flow.MORE
        assert (sum(sender.took), writer.offset) == (6, 13)
        await writer.write([b" after"])
        await writer.close()
        assert await content(store, id) == b"before pulled after"
        assert digesting is None or digesting.seen == b"pulled"

    async def test_what_lies_behind_the_wanted_bytes_stays_in_the_socket(
        self, store: Store, sender: Sender, digesting: Digesting | None
    ) -> None:
        writer = await store.append(await add(store), 0)
        await sender.send(b"wanted and more")
        await sender.arrived(15)
        await sender.pull_all(writer, 6, digesting)
        assert (sum(sender.took), writer.offset) == (6, 6)
        assert sender.near.recv(100) == b" and more"
        await writer.close()

    async def test_from_an_empty_socket_it_returns_at_once(
        self, store: Store, sender: Sender, digesting: Digesting | None
    ) -> None:
        writer = await store.append(await add(store), 0)
        assert await sender.pull(writer, 100, digesting) is Flow.RESTING
        assert (sender.took, writer.offset) == ([], 0)
        await writer.close()

    @pytest.mark.parametrize("is_broken", [False, True], ids=["closed", "reset"])
    async def test_what_arrived_before_the_end_of_the_connection_is_kept(
        self, store: Store, sender: Sender, digesting: Digesting | None, is_broken: bool
    ) -> None:
        whole = pattern(50_000)
        id = await add(store)
        writer = await store.append(id, 0)
        await sender.send(whole)
        await sender.arrived(len(whole))
        if is_broken:
            sender.reset()
        else:
            sender.far.close()
        assert await sender.pull_all(writer, 100_000, digesting) is Flow.ENDED
        assert (sum(sender.took), writer.offset) == (len(whole), len(whole))
        await writer.close()
        assert await content(store, id) == whole
        assert digesting is None or digesting.seen == whole

    async def test_much_comes_in_turns_and_in_its_order(
        self, store: Store, sender: Sender, digesting: Digesting | None
    ) -> None:
        whole = pattern(20 * MIB + 17)
        id = await add(store)
        writer = await store.append(id, 0)
        sending = asyncio.create_task(sender.send(whole))
        reached = []
        while writer.offset < len(whole):
            before = writer.offset
            flow = await sender.pull(writer, len(whole) - before, digesting)
            assert flow is not Flow.ENDED
            reached.append(writer.offset - before)
            assert sum(sender.took) == writer.offset
            await asyncio.sleep(0)
        await sending
        await writer.close()
        assert max(reached) <= 4 * MIB  # others get their turn
        assert await content(store, id) == whole
        assert digesting is None or digesting.seen == whole

    async def test_many_pull_at_once_and_nothing_is_mixed_up(self, store: Store) -> None:
        senders = [Sender() for _ in range(8)]
        wholes = [pattern(3 * MIB + index, index) for index in range(8)]
        ids = [await add(store) for _ in senders]

        async def one(index: int) -> None:
            writer = await store.append(ids[index], 0)
            sending = asyncio.create_task(senders[index].send(wholes[index]))
            await senders[index].pull_all(writer, len(wholes[index]), Digesting() if index % 2 else None)
            await sending
            await writer.close()

        await asyncio.gather(*(one(index) for index in range(8)))
        assert [await content(store, id) for id in ids] == wholes
        for sender in senders:
            sender.close()

    async def test_a_full_store_keeps_the_beginning_and_mixes_nothing_into_the_next(
        self, store: Store, limited: Limited, sender: Sender, digesting: Digesting | None
    ) -> None:
        whole = pattern(100_000)
        id = await add(store)
        writer = await store.append(id, 0)
        await sender.send(whole)
        await sender.arrived(len(whole))
        with limited(store, 60_000, largest=60_000), pytest.raises(OutOfSpace):
            await sender.pull_all(writer, len(whole), digesting)
        assert writer.offset == await store.size(id)
        assert 0 < writer.offset <= 60_000
        assert writer.offset <= sum(sender.took) <= len(whole)
        assert await content(store, id) == whole[: writer.offset]
        await writer.close()

        other = Sender()
        next_writer = await store.append(next_id := await add(store), 0)
        await other.send(b"its own bytes")
        await other.pull_all(next_writer, 13)
        await next_writer.close()
        assert await content(store, next_id) == b"its own bytes"
        other.close()

    async def test_a_cancelled_pull_is_over_when_it_says_so(self, store: Store, sender: Sender) -> None:
        whole = pattern(2 * MIB)
        id = await add(store)
        writer = await store.append(id, 0)
        sending = asyncio.create_task(sender.send(whole))
        pulling = asyncio.create_task(sender.pull_all(writer, len(whole)))
        await asyncio.sleep(0.005)
        pulling.cancel()
        await asyncio.gather(pulling, return_exceptions=True)
        reached = writer.offset
        assert await store.size(id) == reached == sum(sender.took)
        await asyncio.sleep(0.02)
        assert await store.size(id) == reached
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await writer.close()
        assert await content(store, id) == whole[:reached]

    async def test_a_closed_writer_pulls_nothing(self, store: Store, sender: Sender) -> None:
        writer = await store.append(await add(store), 0)
        await sender.send(b"late")
        await sender.arrived(4)
        await writer.close()
        with pytest.raises(ValueError, match="closed"):
            await sender.pull(writer, 4)
        assert sender.near.recv(100) == b"late"
