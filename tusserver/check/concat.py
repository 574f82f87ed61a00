"""Extension concatenation."""

from __future__ import annotations

import random
from collections.abc import Iterable
from urllib.parse import urlsplit

from tusserver.check.outcomes import NotTried, expect
from tusserver.check.probe import Probe, as_pairs, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, Headers

PARTIAL = {"Upload-Concat": "partial"}
UNKNOWN_HOST = "http://elsewhere.example"


def path_of(url: str) -> str:
    """The path of an upload's URL."""
    return urlsplit(url).path


def final_of(addresses: Iterable[str]) -> str:
    """The value of Upload-Concat that joins `addresses`."""
    return "final;" + " ".join(addresses)


async def partial(tus: Probe, data: bytes) -> str:
    """A finished partial upload."""
    return await tus.create(len(data), data, PARTIAL)


async def partials(tus: Probe, *pieces: bytes) -> list[str]:
    """Finished partial uploads of `pieces`. Raises NotOffered."""
    await tus.needs("concatenation")
    return [await partial(tus, piece) for piece in pieces]


async def join(tus: Probe, concat: str, headers: Headers = ()) -> Answer:
    """Ask for a final upload."""
    return await tus.post([("Upload-Concat", concat), *as_pairs(headers)])


async def expect_final(tus: Probe, answer: Answer, data: bytes) -> str:
    """Raise Failed unless a final upload was created that holds `data`; gives its URL."""
    url = tus.location(answer)
    head = await tus.head(url)
    expect_status(head, 200, 204)
    came = head.get("Upload-Offset"), head.get("Upload-Length")
    expect(came == (str(len(data)),) * 2, f"Upload-Offset and Upload-Length {len(data)}", head)
    await tus.expect_stored(url, data)
    return url


async def expect_list_refused(tus: Probe, *addresses: str) -> None:
    """Raise Failed unless a final upload of `addresses` is a 4xx without a Location."""
    answer = await join(tus, final_of(addresses))
    expect_refused(answer)
    expect(answer.get("Location") is None, "no Location", answer)


@requirement(
    "concat.partial-head",
    Level.MUST,
    "HEAD of a partial upload tells Upload-Concat: partial and Upload-Offset",
)
async def head_of_a_partial_upload_says_so(tus: Probe) -> None:
    await tus.needs("concatenation")
    url = await tus.create(10, b"hello", PARTIAL)
    answer = await tus.head(url)
    came = answer.get("Upload-Concat"), answer.get("Upload-Offset")
    expect(came == ("partial", "5"), "Upload-Concat: partial and Upload-Offset 5", answer)


@requirement("concat.plain-head", Level.EXT, "a plain upload has no Upload-Concat")
async def head_of_a_plain_upload_tells_no_concat(tus: Probe) -> None:
    await tus.needs("concatenation")
    answer = await tus.head(await tus.create(10))
    expect(answer.get("Upload-Concat") is None, "no Upload-Concat", answer)


@requirement(
    "concat.paths",
    Level.MUST,
    "final from relative paths: 201, offset and length are the sum, bytes in order",
)
async def parts_may_be_given_by_path(tus: Probe) -> None:
    parts = await partials(tus, b"hello", b"wonderful", b"world")
    await expect_final(tus, await join(tus, final_of(map(path_of, parts))), b"hellowonderfulworld")


@requirement("concat.absolute", Level.MUST, "final from absolute URLs")
async def parts_may_be_given_by_url(tus: Probe) -> None:
    parts = await partials(tus, b"hello", b"world")
    await expect_final(tus, await join(tus, final_of(parts)), b"helloworld")


@requirement("concat.order", Level.MUST, "the order of the list is kept, not that of creation")
async def the_list_gives_the_order(tus: Probe) -> None:
    first, second, third = await partials(tus, b"first", b"second", b"third")
    await expect_final(tus, await join(tus, final_of([third, first, second])), b"thirdfirstsecond")


@requirement("concat.large", Level.MUST, "three parts of 400 kB: the final upload has exactly their bytes")
async def large_parts_are_joined_exactly(tus: Probe) -> None:
    pieces = [random.Random(seed).randbytes(400_000) for seed in range(3)]
    await tus.needs_room(1_200_000)
    parts = await partials(tus, *pieces)
    await expect_final(tus, await join(tus, final_of(parts)), b"".join(pieces))


@requirement(
    "concat.twice-in-list",
    Level.EXT,
    "the same partial twice in one list (client MAY; server MAY have deleted parts only after)",
)
async def a_part_may_be_listed_twice(tus: Probe) -> None:
    first, second = await partials(tus, b"one", b"two")
    await expect_final(tus, await join(tus, final_of([first, second, first])), b"onetwoone")


@requirement(
    "concat.final-head",
    Level.MUST,
    "HEAD of a final upload echoes Upload-Concat as sent (paths and absolute URLs)",
)
async def head_of_a_final_upload_echoes_its_list(tus: Probe) -> None:
    parts = await partials(tus, b"hello", b"world")
    for concat in (final_of(map(path_of, parts)), final_of(parts)):
        answer = await tus.head(tus.location(await join(tus, concat)))
        expect(answer.get("Upload-Concat") == concat, f"Upload-Concat: {concat}", answer)


@requirement("concat.patch-final", Level.MUST, "PATCH of a final upload: 403, nothing modified")
async def a_final_upload_takes_no_bytes(tus: Probe) -> None:
    url = tus.location(await join(tus, final_of(await partials(tus, b"hello", b"world"))))
    for offset in (0, 10):
        expect_status(await tus.patch(url, offset, b"X"), 403)
    await tus.expect_offset(url, 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("concat.metadata", Level.MUST, "a final upload has its own metadata, not that of its parts")
async def a_final_upload_has_its_own_metadata(tus: Probe) -> None:
    await tus.needs("concatenation")
    part = await tus.create(5, b"hello", {**PARTIAL, "Upload-Metadata": "name cGFydA=="})
    answer = await join(tus, final_of([part]), {"Upload-Metadata": "name ZmluYWw="})
    told = (await tus.head(tus.location(answer))).get("Upload-Metadata")
    expect(told == "name ZmluYWw=", "Upload-Metadata 'name ZmluYWw='", repr(told))


@requirement("concat.metadata-not-inherited", Level.MUST, "a final upload without metadata gets none from its parts")
async def a_final_upload_inherits_no_metadata(tus: Probe) -> None:
    await tus.needs("concatenation")
    part = await tus.create(5, b"hello", {**PARTIAL, "Upload-Metadata": "name cGFydA=="})
    told = (await tus.head(tus.location(await join(tus, final_of([part]))))).get("Upload-Metadata")
    expect(not told, "no Upload-Metadata", repr(told))


@requirement("concat.unknown-part", Level.EXT, "an unknown partial: 4xx, no 201, no 5xx")
async def an_unknown_part_is_refused(tus: Probe) -> None:
    [part] = await partials(tus, b"hello")
    unknown = await tus.unknown()
    await expect_list_refused(tus, unknown)
    await expect_list_refused(tus, part, unknown)


@requirement("concat.plain-part", Level.EXT, "a plain (not partial) upload in the list is refused with 4xx")
async def a_plain_part_is_refused(tus: Probe) -> None:
    [part] = await partials(tus, b"hello")
    await expect_list_refused(tus, part, await tus.create(5, b"plain"))


@requirement("concat.final-part", Level.EXT, "a final upload in the list is refused with 4xx")
async def a_final_part_is_refused(tus: Probe) -> None:
    [part] = await partials(tus, b"hello")
    final = tus.location(await join(tus, final_of([part])))
    await expect_list_refused(tus, part, final)


@requirement(
    "concat.unfinished-refused",
    Level.MUST,
    "unfinished parts are refused with 4xx unless concatenation-unfinished is announced",
)
async def unfinished_parts_are_refused(tus: Probe) -> None:
    [part] = await partials(tus, b"hello")
    if "concatenation-unfinished" in await tus.extensions():
        raise NotTried("concatenation-unfinished is announced; start the server without it")
    await expect_list_refused(tus, part, await tus.create(10, b"half", PARTIAL))


@requirement(
    "concat.with-length",
    Level.EXT,
    "Upload-Length on a final creation (client MUST NOT) is refused, or has no effect",
)
async def a_length_beside_a_list_has_no_effect(tus: Probe) -> None:
    parts = await partials(tus, b"hello", b"world")
    for length in ("3", "10", "100"):
        answer = await join(tus, final_of(parts), {"Upload-Length": length})
        if answer.status == 201:
            await expect_final(tus, answer, b"helloworld")
        else:
            expect_refused(answer)


@requirement(
    "concat.bad-value",
    Level.EXT,
    "Upload-Concat that is neither partial nor final with a list is refused with 4xx",
)
async def another_concat_is_refused(tus: Probe) -> None:
    await tus.needs("concatenation")
    for value in ("nonsense", "partially", "final", "final;", "partial;/a", ""):
        expect_refused(await join(tus, value, {"Upload-Length": "5"}))


@requirement("concat.outside", Level.EXT, "addresses that are no uploads (other paths, dot-dot) in the list: 4xx")
async def addresses_outside_are_refused(tus: Probe) -> None:
    [part] = await partials(tus, b"hello")
    folder, _, id = path_of(part).rpartition("/")
    outside = "/etc/passwd", f"{folder}/../etc/passwd", f"{folder}/../../{id}", "../../etc/passwd", folder + "/"
    for address in (*outside, f"{folder}/%2e%2e%2f{id}", f"/elsewhere/{id}", f"{UNKNOWN_HOST}{path_of(part)}"):
        await expect_list_refused(tus, part, address)


@requirement("concat.zero-part", Level.EXT, "an empty partial in the list adds nothing and does no harm")
async def an_empty_part_adds_nothing(tus: Probe) -> None:
    first, empty, last = await partials(tus, b"hello", b"", b"world")
    await expect_final(tus, await join(tus, final_of([first, empty, last])), b"helloworld")
    await expect_final(tus, await join(tus, final_of([empty])), b"")


@requirement("concat.max-size", Level.MUST, "a final upload whose sum is over Tus-Max-Size: 413")
async def a_sum_over_the_limit_is_refused(tus: Probe) -> None:
    await tus.needs("concatenation")
    limit = await tus.max_size()
    parts = await partials(tus, bytes(limit // 2 + 1), bytes(limit // 2 + 1))
    expect_status(await join(tus, final_of(parts)), 413)
    expect_status(await join(tus, final_of(parts[:1])), 201)


@requirement(
    "concat.parts-deleted-later",
    Level.EXT,
    "a final upload stays whole when its parts are deleted afterwards",
)
async def a_final_upload_outlives_its_parts(tus: Probe) -> None:
    await tus.needs("termination")
    parts = await partials(tus, b"hello", b"world")
    url = tus.location(await join(tus, final_of(parts)))
    for part in parts:
        expect_status(await tus.delete(part), 204, 404, 410)
    await tus.expect_offset(url, 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("concat.with-defer", Level.EXT, "a partial upload may have a deferred length")
async def a_part_may_defer_its_length(tus: Probe) -> None:
    await tus.needs("concatenation", "creation-defer-length")
    part = await tus.create(None, b"hello", PARTIAL)
    expect_status(await tus.patch(part, 5, b"world", {"Upload-Length": "10"}), 204)
    await expect_final(tus, await join(tus, final_of([part])), b"helloworld")
