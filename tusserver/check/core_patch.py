"""Core protocol: PATCH, and methods by override."""

from __future__ import annotations

from tusserver.check.outcomes import expect
from tusserver.check.probe import CHUNK_TYPE, Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, chunked, sized

HUGE = (2**63, 2**64, 2**64 + 5, 10**40)


def expect_taken(answer: Answer, offset: int) -> None:
    """Raise Failed unless a PATCH was taken and its answer tells the new offset."""
    expect_status(answer, 204)
    expect(answer.get("Upload-Offset") == str(offset), f"Upload-Offset {offset} on the answer", answer)


@requirement("core.patch.whole", Level.MUST, "PATCH of all bytes: 204 with the new Upload-Offset, bytes readable")
async def a_patch_of_all_bytes_finishes_the_upload(tus: Probe) -> None:
    url = await tus.create(10)
    expect_taken(await tus.patch(url, 0, b"helloworld"), 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("core.patch.pieces", Level.MUST, "several PATCHes: each new offset is the old one plus the bytes sent")
async def patches_add_up(tus: Probe) -> None:
    pieces = [b"a", b"bc" * 500, b"d" * 70_000, b"e"]
    whole = b"".join(pieces)
    url = await tus.create(len(whole))
    offset = 0
    for piece in pieces:
        expect_taken(await tus.patch(url, offset, piece), offset + len(piece))
        offset += len(piece)
        await tus.expect_offset(url, offset)
    await tus.expect_stored(url, whole)


@requirement("core.patch.type", Level.SHOULD, "PATCH with another Content-Type: 415")
async def a_patch_of_another_type_is_refused(tus: Probe) -> None:
    url = await tus.create(5)
    for kind in ("text/plain", "application/octet-stream", "application/offset"):
        expect_status(await tus.patch(url, 0, b"hello", kind=kind), 415)


@requirement("core.patch.type-missing", Level.SHOULD, "PATCH without Content-Type: 415")
async def a_patch_without_a_type_is_refused(tus: Probe) -> None:
    expect_status(await tus.patch(await tus.create(5), 0, b"hello", kind=None), 415)


@requirement("core.patch.type-unchanged", Level.EXT, "PATCH with another Content-Type stores nothing")
async def a_patch_of_another_type_stores_nothing(tus: Probe) -> None:
    url = await tus.create(5, b"he")
    expect_refused(await tus.patch(url, 2, b"xyz", kind="text/plain"))
    await tus.expect_offset(url, 2)
    await tus.finish(url, b"hello")


@requirement("core.patch.offset-low", Level.MUST, "PATCH below the offset: 409, nothing changed")
async def a_patch_below_the_offset_is_refused(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for offset in (0, 4):
        expect_status(await tus.patch(url, offset, b"XXXXX"), 409)
    await tus.expect_offset(url, 5)
    await tus.finish(url, b"helloworld")


@requirement("core.patch.offset-high", Level.MUST, "PATCH above the offset: 409, nothing changed")
async def a_patch_above_the_offset_is_refused(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for offset in (6, 10):
        expect_status(await tus.patch(url, offset, b"XXXX"[: 10 - offset]), 409)
    await tus.expect_offset(url, 5)
    await tus.finish(url, b"helloworld")


async def expect_offsets_refused(tus: Probe, *values: str | None) -> None:
    """Raise Failed unless each value of Upload-Offset is a 4xx that stores nothing, at 10 of 20 bytes."""
    url = await tus.create(20, b"helloworld")
    for value in values:
        expect_refused(await tus.patch(url, value, b"XXXXX"))
        await tus.expect_offset(url, 10)


@requirement("core.patch.offset-missing", Level.EXT, "PATCH without Upload-Offset is refused with 4xx, nothing stored")
async def a_patch_without_an_offset_is_refused(tus: Probe) -> None:
    await expect_offsets_refused(tus, None)


@requirement(
    "core.patch.offset-not-integer",
    Level.MUST,
    "Upload-Offset that is no non-negative integer (abc, -1, 5.0, 0x5, empty, '5 5', 5,5) is refused with 4xx",
)
async def an_offset_that_is_no_number_is_refused(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for value in ("abc", "-1", "5.0", "0x5", "", "5 5", "5,5"):
        expect_refused(await tus.patch(url, value, b"XX"))
        await tus.expect_offset(url, 5)


@requirement(
    "core.patch.offset-huge",
    Level.EXT,
    "Upload-Offset of 2^63, 2^64, 2^64+5, 10^40 is refused with 4xx, never wraps",
)
async def a_huge_offset_never_wraps(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for value in HUGE:
        expect_refused(await tus.patch(url, value, b"XX"))
        await tus.expect_offset(url, 5)


@requirement("core.patch.offset-sign", Level.EXT, "Upload-Offset with a plus sign or an underscore is refused with 4xx")
async def an_offset_with_a_sign_is_refused(tus: Probe) -> None:
    await expect_offsets_refused(tus, "+10", "1_0")


@requirement(
    "core.patch.offset-zeros",
    Level.EXT,
    "Upload-Offset with leading zeros is refused, or read as the same number",
)
async def leading_zeros_are_refused_or_mean_nothing(tus: Probe) -> None:
    url = await tus.create(20, b"helloworld")
    answer = await tus.patch(url, "0010", b"again")
    if answer.status == 204:
        await tus.expect_offset(url, 15)
    else:
        expect_refused(answer)
        await tus.expect_offset(url, 10)


@requirement("core.patch.offset-twice", Level.EXT, "two different Upload-Offset headers are refused with 4xx")
async def two_offsets_are_refused(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for first, second in (("5", "7"), ("7", "5")):
        expect_refused(await tus.patch(url, first, b"XX", {"Upload-Offset": second}))
        await tus.expect_offset(url, 5)


@requirement(
    "core.patch.past-length",
    Level.EXT,
    "a body longer than the rest (Content-Length) is refused with 4xx and not taken",
)
async def a_body_longer_than_the_rest_is_refused(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    expect_refused(await tus.patch(url, 5, b"XXXXXX"))
    await tus.expect_offset(url, 5)
    await tus.finish(url, b"helloworld")


@requirement(
    "core.patch.past-length-chunked",
    Level.EXT,
    "a chunked body longer than the rest: 4xx, offset never past the length",
)
async def a_chunked_body_longer_than_the_rest_is_refused(tus: Probe) -> None:
    for pieces in ([b"worldX"], [b"world", b"XX"], [b"wor", b"ldX", b"X"]):
        url = await tus.create(10, b"hello")
        expect_refused(await tus.patch(url, 5, chunked(pieces)))
        offset = await tus.offset(url)
        expect(5 <= offset <= 10, "an offset from 5 to 10", offset)
        await tus.finish(url, b"helloworld")


@requirement(
    "core.patch.finished-more",
    Level.EXT,
    "PATCH with bytes at the end of a finished upload is refused and changes nothing",
)
async def a_finished_upload_takes_no_more(tus: Probe) -> None:
    url = await tus.create(5, b"hello")
    expect_refused(await tus.patch(url, 5, b"X"))
    await tus.expect_offset(url, 5)
    await tus.expect_stored(url, b"hello")


@requirement(
    "core.patch.finished-offset",
    Level.MUST,
    "PATCH at a wrong offset of a finished upload: 409 (or 403), nothing changed",
)
async def a_finished_upload_is_not_written_over(tus: Probe) -> None:
    url = await tus.create(5, b"hello")
    for offset in (0, 4, 6):
        expect_status(await tus.patch(url, offset, b"X"), 409, 403)
    await tus.expect_offset(url, 5)
    await tus.expect_stored(url, b"hello")


@requirement(
    "core.patch.finished-empty",
    Level.EXT,
    "an empty PATCH at the end of a finished upload is harmless: 204 with the offset, or 4xx",
)
async def an_empty_patch_of_a_finished_upload_is_harmless(tus: Probe) -> None:
    url = await tus.create(5, b"hello")
    answer = await tus.patch(url, 5, b"")
    if answer.status == 204:
        expect_taken(answer, 5)
    else:
        expect_refused(answer)
    await tus.expect_offset(url, 5)
    await tus.expect_stored(url, b"hello")


@requirement("core.patch.empty", Level.EXT, "an empty PATCH in the middle: 204 with the same Upload-Offset")
async def an_empty_patch_moves_nothing(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for body in (sized(b""), chunked([])):
        expect_taken(await tus.patch(url, 5, body), 5)
    await tus.finish(url, b"helloworld")


@requirement("core.patch.unknown", Level.SHOULD, "PATCH of an unknown id: 404 (or 410, 403)")
async def a_patch_of_an_unknown_id_is_refused(tus: Probe) -> None:
    expect_status(await tus.patch(await tus.unknown(), 0, b"hello"), 404, 410, 403)


@requirement(
    "core.patch.length-again",
    Level.EXT,
    "Upload-Length on the PATCH of an upload with a known, different length is refused or ignored",
)
async def a_known_length_cannot_be_changed(tus: Probe) -> None:
    url = await tus.create(10, b"hello")
    for length in ("20", "7", "5"):
        answer = await tus.patch(url, 5, b"", {"Upload-Length": length})
        expect(answer.status == 204 or 400 <= answer.status < 500, "204 or 4xx", answer)
        told = (await tus.head(url)).get("Upload-Length")
        expect(told == "10", "Upload-Length 10 as before", told)


async def by_override(tus: Probe, actual: str, method: str, url: str, data: bytes = b"") -> Answer:
    """A request whose X-HTTP-Method-Override names the method meant."""
    headers = {"X-HTTP-Method-Override": method, "Upload-Offset": "0", "Content-Type": CHUNK_TYPE}
    return await tus.request(actual, url, headers, sized(data))


@requirement("core.override.patch", Level.MUST, "POST with X-HTTP-Method-Override: PATCH is a PATCH")
async def a_post_may_stand_for_a_patch(tus: Probe) -> None:
    url = await tus.create(5)
    expect_taken(await by_override(tus, "POST", "PATCH", url, b"hello"), 5)
    await tus.expect_stored(url, b"hello")


@requirement(
    "core.override.any-method",
    Level.MUST,
    "PUT with X-HTTP-Method-Override: PATCH is a PATCH (the actual method is ignored)",
)
async def any_method_may_stand_for_a_patch(tus: Probe) -> None:
    url = await tus.create(5)
    expect_taken(await by_override(tus, "PUT", "PATCH", url, b"hello"), 5)
    await tus.expect_stored(url, b"hello")


@requirement("core.override.delete", Level.MUST, "POST with X-HTTP-Method-Override: DELETE is a DELETE")
async def a_post_may_stand_for_a_delete(tus: Probe) -> None:
    await tus.needs("termination")
    url = await tus.create(5)
    expect_status(await by_override(tus, "POST", "DELETE", url), 204)
    expect_status(await tus.head(url), 404, 410)


@requirement(
    "core.override.odd",
    Level.EXT,
    "an unknown method by override is a 4xx (or 501), and changes nothing",
)
async def an_unknown_method_by_override_is_refused(tus: Probe) -> None:
    url = await tus.create(5)
    for method in ("BREW", "PATCH, DELETE", "pa tch"):
        expect_refused(await by_override(tus, "POST", method, url, b"hello"), also=[501])
        await tus.expect_offset(url, 0)


@requirement("core.method.put", Level.EXT, "PUT on an upload is a 4xx (405) and changes nothing")
async def put_is_refused(tus: Probe) -> None:
    url = await tus.create(5, b"he")
    headers = {"Upload-Offset": "2", "Content-Type": CHUNK_TYPE}
    expect_refused(await tus.request("PUT", url, headers, sized(b"llo")))
    await tus.expect_offset(url, 2)
