"""Extension checksum."""

from __future__ import annotations

import asyncio
import hashlib
import random

from tusserver.check.digests import field
from tusserver.check.outcomes import expect
from tusserver.check.probe import CHUNK_TYPE, Probe, expect_refused, expect_status, names_in
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, Body, chunked, sized

MIB = 2**20


async def algorithms(tus: Probe) -> list[str]:
    """The names in Tus-Checksum-Algorithm. Raises NotOffered, and Failed if there is none."""
    await tus.needs("checksum")
    names = names_in((await tus.options()).get("Tus-Checksum-Algorithm"))
    expect(bool(names), "Tus-Checksum-Algorithm on OPTIONS", names)
    return names


async def patch_with(tus: Probe, url: str, offset: int, data: bytes | Body, checksum: str) -> Answer:
    """A PATCH with an Upload-Checksum."""
    return await tus.patch(url, offset, data, {"Upload-Checksum": checksum})


async def expect_unreadable(tus: Probe, url: str, stored: bytes) -> None:
    """Raise Failed if GET of an unfinished upload gives anything but the bytes that count."""
    answer = await tus.get(url)
    if answer.status in (200, 206):
        expect(answer.body == stored, f"the {len(stored)} bytes that count, or a refusal, on GET", answer.body[:80])


@requirement("checksum.header", Level.MUST, "OPTIONS tells Tus-Checksum-Algorithm")
async def options_tells_the_algorithms(tus: Probe) -> None:
    await algorithms(tus)


@requirement("checksum.sha1", Level.MUST, "sha1 is among the algorithms")
async def sha1_is_among_the_algorithms(tus: Probe) -> None:
    names = await algorithms(tus)
    expect("sha1" in names, "sha1 in Tus-Checksum-Algorithm", names)


@requirement("checksum.names", Level.MUST, "algorithm names are ASCII without upper case, a comma list")
async def algorithm_names_are_lower_case(tus: Probe) -> None:
    for name in await algorithms(tus):
        is_plain = name.isascii() and name == name.lower() and name.isprintable() and " " not in name
        expect(is_plain, "an ASCII name without upper case or blanks", repr(name))


@requirement("checksum.good", Level.MUST, "a right sha1 is accepted with 204")
async def a_right_sha1_is_accepted(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(10)
    expect_status(await patch_with(tus, url, 0, b"hello", field("sha1", b"hello")), 204)
    expect_status(await patch_with(tus, url, 5, b"world", field("sha1", b"world")), 204)
    await tus.expect_stored(url, b"helloworld")


@requirement("checksum.good-each", Level.MUST, "a right digest in every advertised algorithm is accepted with 204")
async def a_right_digest_is_accepted_in_each_algorithm(tus: Probe) -> None:
    for name in await algorithms(tus):
        url = await tus.create(5)
        expect_status(await patch_with(tus, url, 0, b"hello", field(name, b"hello")), 204)
        await tus.expect_offset(url, 5)


@requirement(
    "checksum.bad-each", Level.MUST, "a wrong digest in every advertised algorithm leaves the offset unchanged"
)
async def a_wrong_digest_moves_nothing_in_each_algorithm(tus: Probe) -> None:
    for name in await algorithms(tus):
        url = await tus.create(10, b"hello")
        expect_refused(await patch_with(tus, url, 5, b"wOrld", field(name, b"world")))
        await tus.expect_offset(url, 5)


@requirement(
    "checksum.mismatch-460",
    Level.EXT,
    "a wrong digest is answered with 460 (the text says MAY; clients look for it)",
)
async def a_wrong_digest_is_answered_with_460(tus: Probe) -> None:
    await tus.needs("checksum")
    expect_status(await patch_with(tus, await tus.create(5), 0, b"hello", field("sha1", b"other")), 460)


@requirement(
    "checksum.mismatch-middle",
    Level.MUST,
    "a wrong digest in the middle: offset unchanged, bytes not readable afterwards",
)
async def a_wrong_digest_in_the_middle_is_undone(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(15, b"hello")
    expect_refused(await patch_with(tus, url, 5, b"XXXXX", field("sha1", b"world")))
    await tus.expect_offset(url, 5)
    await expect_unreadable(tus, url, b"hello")
    await tus.finish(url, b"helloworldagain")


@requirement("checksum.mismatch-last", Level.MUST, "a wrong digest on the last bytes does not finish the upload")
async def a_wrong_digest_at_the_end_finishes_nothing(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(10, b"hello")
    expect_refused(await patch_with(tus, url, 5, b"XXXXX", field("sha1", b"world")))
    await tus.expect_offset(url, 5)
    await expect_unreadable(tus, url, b"hello")
    await tus.finish(url, b"helloworld")


@requirement(
    "checksum.mismatch-large",
    Level.MUST,
    "a wrong digest over 3 MiB: all bytes discarded, the right ones accepted next",
)
async def a_wrong_digest_over_many_bytes_discards_all(tus: Probe) -> None:
    await tus.needs("checksum")
    await tus.needs_room(3 * MIB)
    data = random.Random(3).randbytes(3 * MIB)
    url = await tus.create(len(data))
    expect_refused(await patch_with(tus, url, 0, data[::-1], field("sha1", data)))
    await tus.expect_offset(url, 0)
    expect_status(await patch_with(tus, url, 0, data, field("sha1", data)), 204)
    await tus.expect_stored(url, data)


@requirement("checksum.chunked", Level.EXT, "a digest in the header works with a chunked body, right and wrong")
async def a_digest_covers_a_chunked_body(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(10)
    body = chunked([b"he", b"l", b"lo"])
    expect_refused(await patch_with(tus, url, 0, body, field("sha1", b"other")))
    await tus.expect_offset(url, 0)
    expect_status(await patch_with(tus, url, 0, body, field("sha1", b"hello")), 204)
    await tus.finish(url, b"helloworld")


@requirement("checksum.unknown", Level.EXT, "an algorithm not advertised is answered with 400")
async def an_unknown_algorithm_is_refused(tus: Probe) -> None:
    await tus.needs("checksum")
    expect_status(await patch_with(tus, await tus.create(5), 0, b"hello", "no-such-sum aGVsbG8="), 400)


@requirement("checksum.unknown-unchanged", Level.MUST, "an algorithm not advertised: offset unchanged")
async def an_unknown_algorithm_moves_nothing(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(5, b"he")
    await patch_with(tus, url, 2, b"llo", "no-such-sum aGVsbG8=")
    await tus.expect_offset(url, 2)
    await tus.finish(url, b"hello")


@requirement(
    "checksum.malformed",
    Level.EXT,
    "a malformed Upload-Checksum (no digest, no base64, wrong size, empty, three words) is 4xx and changes nothing",
)
async def a_malformed_checksum_is_refused(tus: Probe) -> None:
    await tus.needs("checksum")
    url = await tus.create(5)
    right = field("sha1", b"hello")
    for value in ("sha1", "sha1 @@@@", "sha1 aGVsbG8=", "", f"{right} again"):
        expect_refused(await patch_with(tus, url, 0, b"hello", value))
        await tus.expect_offset(url, 0)
    await tus.finish(url, b"hello")


@requirement(
    "checksum.cut",
    Level.EXT,
    "a PATCH with a digest that is cut: its unverified bytes are not counted, or the rest of the upload still works",
)
async def a_cut_patch_with_a_digest_does_no_harm(tus: Probe) -> None:
    await tus.needs("checksum")
    data = hashlib.sha512(b"cut").digest() * 4096
    for breaks_off in (False, True):
        url = await tus.create(len(data), data[:1000])
        sum_of_rest = field("sha1", data[1000:])
        headers = {"Upload-Offset": "1000", "Content-Type": CHUNK_TYPE, "Upload-Checksum": sum_of_rest}
        wire = await tus.begin("PATCH", url, headers, sized(data[1000:]), 100_000)
        await asyncio.sleep(0.1)
        await (wire.reset() if breaks_off else wire.close())
        await tus.finish(url, data)
