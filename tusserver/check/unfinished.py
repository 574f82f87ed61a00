"""Extension concatenation-unfinished."""

from __future__ import annotations

import asyncio

from tusserver.check.concat import PARTIAL, final_of, join
from tusserver.check.outcomes import expect
from tusserver.check.probe import Probe, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer

# Joining large parts takes a while after the last of them is complete.
JOINING_LOOKS = 50
JOINING_PAUSE = 0.1


async def joined_early(tus: Probe, length: int | None = 5) -> tuple[str, str, str]:
    """The URLs of a final upload and its parts: the first with 2 of 5 bytes, the second of `length` without any."""
    needed = ["concatenation", "concatenation-unfinished"]
    await tus.needs(*needed, *(["creation-defer-length"] if length is None else []))
    parts = await tus.create(5, b"he", PARTIAL), await tus.create(length, b"", PARTIAL)
    return tus.location(await join(tus, final_of(parts))), *parts


def looks_complete(answer: Answer) -> bool:
    """HEAD tells an offset that is the length."""
    return answer.get("Upload-Offset") is not None and answer.get("Upload-Offset") == answer.get("Upload-Length")


async def expect_complete(tus: Probe, url: str, data: bytes) -> None:
    """Raise Failed unless the final upload is soon complete with `data`."""
    for _ in range(JOINING_LOOKS):
        if looks_complete(answer := await tus.head(url)):
            break
        await asyncio.sleep(JOINING_PAUSE)
    came = answer.get("Upload-Offset"), answer.get("Upload-Length")
    expect(came == (str(len(data)),) * 2, f"Upload-Offset and Upload-Length {len(data)}", answer)
    await tus.expect_stored(url, data)


@requirement("unfinished.create", Level.MUST, "a final upload of unfinished parts: 201, HEAD echoes Upload-Concat")
async def unfinished_parts_may_be_joined(tus: Probe) -> None:
    final, *parts = await joined_early(tus)
    answer = await tus.head(final)
    expect_status(answer, 200, 204)
    expect(answer.get("Upload-Concat") == final_of(parts), f"Upload-Concat: {final_of(parts)}", answer)


@requirement(
    "unfinished.no-offset",
    Level.SHOULD,
    "before the parts are complete, HEAD of the final has no Upload-Offset",
)
async def an_unfinished_final_tells_no_offset(tus: Probe) -> None:
    final, first, _ = await joined_early(tus)
    for offset, data in ((2, b"l"), (3, b"lo")):
        expect_status(await tus.patch(first, offset, data), 204)
        answer = await tus.head(final)
        expect(answer.get("Upload-Offset") is None, "no Upload-Offset", answer)


@requirement(
    "unfinished.completes",
    Level.MUST,
    "when the parts are complete, the final has offset equal to length and the right bytes",
)
async def a_final_upload_completes_with_its_parts(tus: Probe) -> None:
    final, first, second = await joined_early(tus)
    expect_status(await tus.patch(second, 0, b"world"), 204)
    expect_status(await tus.patch(first, 2, b"llo"), 204)
    await expect_complete(tus, final, b"helloworld")


@requirement(
    "unfinished.deferred-part",
    Level.MUST,
    "with a part of unknown length the final tells no Upload-Length until it is known",
)
async def a_final_upload_knows_no_more_than_its_parts(tus: Probe) -> None:
    final, first, second = await joined_early(tus, length=None)
    expect_status(await tus.patch(first, 2, b"llo"), 204)
    expect_status(await tus.patch(second, 0, b"wor"), 204)
    answer = await tus.head(final)
    expect(answer.get("Upload-Length") is None, "no Upload-Length", answer)
    expect_status(await tus.patch(second, 3, b"", {"Upload-Length": "5"}), 204)
    answer = await tus.head(final)
    expect(answer.get("Upload-Length") == "10", "Upload-Length 10", answer)
    expect_status(await tus.patch(second, 3, b"ld"), 204)
    await expect_complete(tus, final, b"helloworld")


@requirement("unfinished.patch-final", Level.MUST, "PATCH of an unfinished final upload: 403")
async def an_unfinished_final_takes_no_bytes(tus: Probe) -> None:
    final, *_ = await joined_early(tus)
    expect_status(await tus.patch(final, 0, b"X"), 403)


@requirement("unfinished.part-deleted", Level.EXT, "when a part is deleted, the final never looks complete")
async def a_final_upload_without_a_part_is_never_complete(tus: Probe) -> None:
    await tus.needs("termination")
    final, first, second = await joined_early(tus)
    expect_status(await tus.delete(second), 204)
    answer = await tus.patch(first, 2, b"llo")
    expect(answer.status < 500, "no 5xx on the PATCH of the other part", answer)
    answer = await tus.head(final)
    expect(answer.status < 500 and not looks_complete(answer), "no 5xx, and no offset that is the length", answer)
