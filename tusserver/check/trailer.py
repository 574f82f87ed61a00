"""Extension checksum-trailer."""

from __future__ import annotations

import random

from tusserver.check.checksum import MIB, expect_unreadable
from tusserver.check.digests import field
from tusserver.check.outcomes import expect
from tusserver.check.probe import Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, chunked

ANNOUNCED = {"Trailer": "Upload-Checksum"}


async def patch_with_trailer(tus: Probe, url: str, offset: int, data: bytes, checksum: str | None) -> Answer:
    """A chunked PATCH that announces a digest, and sends `checksum` behind the body unless it is None."""
    await tus.needs("checksum-trailer")
    pieces = [data[:1], data[1 : len(data) // 2], data[len(data) // 2 :]]
    trailers = None if checksum is None else {"Upload-Checksum": checksum}
    return await tus.patch(url, offset, chunked(pieces, trailers), ANNOUNCED)


@requirement("trailer.good", Level.MUST, "a right digest in the trailer: 204")
async def a_right_trailer_is_accepted(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    url = await tus.create(10)
    expect_status(await patch_with_trailer(tus, url, 0, b"hello", field("sha1", b"hello")), 204)
    await tus.expect_offset(url, 5)
    expect_status(await patch_with_trailer(tus, url, 5, b"world", field("sha1", b"world")), 204)
    await tus.expect_stored(url, b"helloworld")


@requirement("trailer.bad", Level.MUST, "a wrong digest in the trailer: offset unchanged, bytes not readable")
async def a_wrong_trailer_is_undone(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    url = await tus.create(10, b"hello")
    expect_refused(await patch_with_trailer(tus, url, 5, b"XXXXX", field("sha1", b"world")))
    await tus.expect_offset(url, 5)
    await expect_unreadable(tus, url, b"hello")
    await tus.finish(url, b"helloworld")


@requirement("trailer.bad-460", Level.EXT, "a wrong digest in the trailer is answered with 460")
async def a_wrong_trailer_is_answered_with_460(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    expect_status(await patch_with_trailer(tus, await tus.create(5), 0, b"hello", field("sha1", b"other")), 460)


@requirement("trailer.large", Level.MUST, "a wrong trailer over 2 MiB: all discarded; the right one accepted")
async def a_wrong_trailer_over_many_bytes_discards_all(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    await tus.needs_room(2 * MIB)
    data = random.Random(2).randbytes(2 * MIB)
    url = await tus.create(len(data))
    expect_refused(await patch_with_trailer(tus, url, 0, data[::-1], field("sha1", data)))
    await tus.expect_offset(url, 0)
    expect_status(await patch_with_trailer(tus, url, 0, data, field("sha1", data)), 204)
    await tus.expect_stored(url, data)


@requirement("trailer.unknown", Level.MUST, "an unknown algorithm in the trailer: refused, offset unchanged")
async def an_unknown_algorithm_in_the_trailer_is_refused(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    url = await tus.create(5)
    expect_refused(await patch_with_trailer(tus, url, 0, b"hello", "no-such-sum aGVsbG8="))
    await tus.expect_offset(url, 0)
    await tus.finish(url, b"hello")


@requirement(
    "trailer.announced-missing",
    Level.EXT,
    "a digest announced in Trailer that never comes: refused with 4xx, nothing counted",
)
async def an_announced_digest_must_come(tus: Probe) -> None:
    await tus.needs("checksum-trailer")
    url = await tus.create(10, b"hello")
    answer = await patch_with_trailer(tus, url, 5, b"world", None)
    expect_refused(answer)
    expect(await tus.offset(url) == 5, "an offset of 5 as before", answer)
    await tus.finish(url, b"helloworld")
