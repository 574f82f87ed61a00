"""Extension creation-defer-length."""

from __future__ import annotations

from tusserver.check.outcomes import expect
from tusserver.check.probe import Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import chunked, sized

EXTENSION = "creation-defer-length"


async def expect_deferred(tus: Probe, url: str) -> None:
    """Raise Failed unless HEAD says that the length is still to come."""
    answer = await tus.head(url)
    came = answer.get("Upload-Defer-Length"), answer.get("Upload-Length")
    expect(came == ("1", None), "Upload-Defer-Length: 1 and no Upload-Length", answer)


async def expect_length(tus: Probe, url: str, length: int) -> None:
    """Raise Failed unless HEAD tells the length, and no deferral."""
    answer = await tus.head(url)
    came = answer.get("Upload-Defer-Length"), answer.get("Upload-Length")
    expect(came == (None, str(length)), f"Upload-Length {length} and no Upload-Defer-Length", answer)


@requirement(
    "defer.create",
    Level.MUST,
    "Upload-Defer-Length: 1 creates; HEAD tells Upload-Defer-Length: 1 and no Upload-Length",
)
async def a_length_may_be_deferred(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    await expect_deferred(tus, await tus.create(None))


@requirement(
    "defer.other-value",
    Level.SHOULD,
    "Upload-Defer-Length other than 1 (0, 2, true, empty, 01, -1): 400",
)
async def another_deferral_is_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    for value in ("0", "2", "true", "", "01", "-1"):
        expect_status(await tus.post({"Upload-Defer-Length": value}), 400)


@requirement("defer.still", Level.MUST, "HEAD keeps Upload-Defer-Length: 1 while bytes arrive without a length")
async def bytes_alone_tell_no_length(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None)
    for offset, data in ((0, b"hello"), (5, b"world")):
        expect_status(await tus.patch(url, offset, data), 204)
        await tus.expect_offset(url, offset + 5)
        await expect_deferred(tus, url)


@requirement("defer.set", Level.MUST, "Upload-Length on a PATCH sets the length; Upload-Defer-Length is then left out")
async def a_patch_may_bring_the_length(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None)
    expect_status(await tus.patch(url, 0, b"hello", {"Upload-Length": "10"}), 204)
    await expect_length(tus, url, 10)
    await tus.finish(url, b"helloworld")


@requirement("defer.set-last", Level.MUST, "the length may come with the last PATCH; the upload is then finished")
async def the_last_patch_may_bring_the_length(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None, b"hello")
    expect_status(await tus.patch(url, 5, b"world", {"Upload-Length": "10"}), 204)
    await expect_length(tus, url, 10)
    await tus.expect_offset(url, 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("defer.set-empty", Level.EXT, "an empty PATCH with Upload-Length equal to the offset finishes the upload")
async def an_empty_patch_may_bring_the_length(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None, b"hello")
    expect_status(await tus.patch(url, 5, b"", {"Upload-Length": "5"}), 204)
    await expect_length(tus, url, 5)
    await tus.expect_stored(url, b"hello")


async def with_late_length(tus: Probe) -> str:
    """An upload whose length of 10 came late, at 5 bytes."""
    await tus.needs(EXTENSION)
    url = await tus.create(None)
    expect_status(await tus.patch(url, 0, b"hello", {"Upload-Length": "10"}), 204)
    return url


@requirement("defer.change", Level.MUST, "once set, the length cannot be changed (larger or smaller)")
async def a_late_length_stays(tus: Probe) -> None:
    url = await with_late_length(tus)
    for length in ("20", "7", "5"):
        await tus.patch(url, 5, b"", {"Upload-Length": length})
        await expect_length(tus, url, 10)
    await tus.finish(url, b"helloworld")


@requirement("defer.change-told", Level.EXT, "the try to change the length is answered with 4xx")
async def changing_the_length_is_refused(tus: Probe) -> None:
    url = await with_late_length(tus)
    for length in ("20", "7", "5"):
        expect_refused(await tus.patch(url, 5, b"", {"Upload-Length": length}))


@requirement("defer.below", Level.EXT, "an Upload-Length below the bytes already stored is refused with 4xx")
async def a_length_below_the_offset_is_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None, b"hello")
    for length in ("4", "0"):
        expect_refused(await tus.patch(url, 5, b"", {"Upload-Length": length}))
    await tus.expect_offset(url, 5)
    await expect_deferred(tus, url)


@requirement(
    "defer.past",
    Level.EXT,
    "a body past the Upload-Length of the same PATCH is refused with 4xx, offset never past it",
)
async def a_body_past_its_own_length_is_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    for body in (sized(b"helloX"), chunked([b"helloX"]), chunked([b"he", b"llo", b"X"])):
        url = await tus.create(None)
        expect_refused(await tus.patch(url, 0, body, {"Upload-Length": "5"}))
        offset = await tus.offset(url)
        expect(offset <= 5, "an offset of at most 5", offset)


@requirement("defer.bad-length", Level.MUST, "Upload-Length abc, -1, 5.0 on the PATCH is refused with 4xx")
async def a_late_length_that_is_no_number_is_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    url = await tus.create(None)
    for length in ("abc", "-1", "5.0"):
        expect_refused(await tus.patch(url, 0, b"hello", {"Upload-Length": length}))
    await tus.expect_offset(url, 0)
    await expect_deferred(tus, url)


@requirement("defer.max-size", Level.SHOULD, "a late Upload-Length over Tus-Max-Size: 413")
async def a_late_length_over_the_limit_is_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    limit = await tus.max_size()
    url = await tus.create(None)
    expect_status(await tus.patch(url, 0, b"hello", {"Upload-Length": str(limit + 1)}), 413)


@requirement(
    "defer.max-size-bytes",
    Level.EXT,
    "bytes of a deferred upload past Tus-Max-Size (Content-Length) are refused with 413",
)
async def bytes_over_the_limit_are_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    limit = await tus.max_size()
    url = await tus.create(None)
    expect_status(await tus.patch(url, 0, bytes(limit + 1)), 413)
    expect(await tus.offset(url) <= limit, f"an offset of at most {limit}", await tus.offset(url))


@requirement(
    "defer.max-size-chunked",
    Level.EXT,
    "bytes of a deferred upload past Tus-Max-Size (chunked) are refused with 413",
)
async def chunked_bytes_over_the_limit_are_refused(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    limit = await tus.max_size()
    url = await tus.create(None)
    expect_status(await tus.patch(url, 0, chunked([bytes(limit), b"X"])), 413)
    offset = await tus.offset(url)
    expect(offset <= limit, f"an offset of at most {limit}", offset)
