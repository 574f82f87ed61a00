"""Extension creation-with-upload."""

from __future__ import annotations

from tusserver.check.digests import field
from tusserver.check.outcomes import expect
from tusserver.check.probe import CHUNK_TYPE, Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, Body, chunked, sized

EXTENSION = "creation-with-upload"
TYPED = {"Content-Type": CHUNK_TYPE}


async def create_with(tus: Probe, length: str, body: Body) -> Answer:
    """POST an upload of `length` together with its first bytes."""
    await tus.needs(EXTENSION)
    return await tus.post({"Upload-Length": length, **TYPED}, body)


async def expect_created(tus: Probe, answer: Answer, offset: int) -> str:
    """Raise Failed unless an upload was created with `offset` bytes, on the answer and on HEAD; gives its URL."""
    url = tus.location(answer)
    expect(answer.get("Upload-Offset") == str(offset), f"Upload-Offset {offset} on the answer", answer)
    await tus.expect_offset(url, offset)
    return url


@requirement("with-upload.part", Level.MUST, "POST with the first bytes: 201 with Upload-Offset, HEAD agrees")
async def a_creation_may_bring_the_first_bytes(tus: Probe) -> None:
    url = await expect_created(tus, await create_with(tus, "10", sized(b"hello")), 5)
    await tus.finish(url, b"helloworld")


@requirement(
    "with-upload.whole",
    Level.MUST,
    "POST with all bytes: 201 with Upload-Offset equal to the length, finished",
)
async def a_creation_may_bring_all_bytes(tus: Probe) -> None:
    url = await expect_created(tus, await create_with(tus, "10", sized(b"helloworld")), 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("with-upload.chunked", Level.EXT, "the same with a chunked body and no Content-Length")
async def a_creation_may_bring_chunked_bytes(tus: Probe) -> None:
    url = await expect_created(tus, await create_with(tus, "10", chunked([b"hel", b"lo"])), 5)
    await tus.finish(url, b"helloworld")
    url = await expect_created(tus, await create_with(tus, "10", chunked([b"hello", b"world"])), 10)
    await tus.expect_stored(url, b"helloworld")


@requirement("with-upload.past", Level.EXT, "more bytes than Upload-Length: 4xx")
async def a_creation_with_too_many_bytes_is_refused(tus: Probe) -> None:
    for body in (sized(b"helloX"), chunked([b"hello", b"X"]), chunked([b"helloX"])):
        expect_refused(await create_with(tus, "5", body))


@requirement(
    "with-upload.expect",
    Level.SHOULD,
    "Expect: 100-continue is answered with 100 (or at once with a final answer) before the body",
)
async def a_creation_that_waits_is_told_to_go_on(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    first, final = await tus.expecting("POST", tus.endpoint, {"Upload-Length": "5", **TYPED}, sized(b"hello"))
    if first.status == 100:
        await tus.expect_stored(await expect_created(tus, final, 5), b"hello")
    else:
        expect(final.status >= 200, "100 or a final answer", final)


@requirement("with-upload.defer", Level.MUST, "deferred length and a body together: 201 with Upload-Offset")
async def a_creation_of_unknown_length_may_bring_bytes(tus: Probe) -> None:
    await tus.needs(EXTENSION, "creation-defer-length")
    answer = await tus.post({"Upload-Defer-Length": "1", **TYPED}, sized(b"hello"))
    url = await expect_created(tus, answer, 5)
    expect_status(await tus.patch(url, 5, b"world", {"Upload-Length": "10"}), 204)
    await tus.expect_stored(url, b"helloworld")


@requirement(
    "with-upload.checksum",
    Level.EXT,
    "a wrong Upload-Checksum on the creation: refused, or created with none of the bytes",
)
async def a_creation_with_a_wrong_checksum_stores_nothing(tus: Probe) -> None:
    await tus.needs(EXTENSION, "checksum")
    wrong = {"Upload-Length": "10", "Upload-Checksum": field("sha1", b"other"), **TYPED}
    answer = await tus.post(wrong, sized(b"hello"))
    if answer.status == 201:
        await expect_created(tus, answer, 0)
    else:
        expect_refused(answer)
    right = {**wrong, "Upload-Checksum": field("sha1", b"hello")}
    await tus.finish(await expect_created(tus, await tus.post(right, sized(b"hello")), 5), b"helloworld")


@requirement(
    "with-upload.expect-refused",
    Level.EXT,
    "a creation that will be refused (bad length) is refused without asking for the body",
)
async def a_bad_creation_is_refused_before_its_body(tus: Probe) -> None:
    await tus.needs(EXTENSION)
    for length in ("abc", "-1"):
        first, _ = await tus.expecting("POST", tus.endpoint, {"Upload-Length": length, **TYPED}, sized(b"hello"))
        expect_refused(first)
