"""Core protocol: OPTIONS, versions, HEAD."""

from __future__ import annotations

from tusserver.check.outcomes import NotTried, expect
from tusserver.check.probe import VERSION, Probe, expect_refused, expect_status, names_in
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer, sized

UNSUPPORTED = ("0.2.2", "99.0.0")


def expect_configuration(answer: Answer) -> None:
    """Raise Failed unless this is a good answer to OPTIONS."""
    expect_status(answer, 200, 204)
    expect(VERSION in names_in(answer.get("Tus-Version")), "Tus-Version listing 1.0.0", answer)


def expect_told(answer: Answer, offset: int, length: int) -> None:
    """Raise Failed unless HEAD tells exactly this."""
    came = answer.get("Upload-Offset"), answer.get("Upload-Length")
    expect(came == (str(offset), str(length)), f"Upload-Offset {offset} and Upload-Length {length}", answer)


def expect_resumable(answer: Answer, *statuses: int) -> None:
    """Raise Failed unless the answer has one of the statuses and carries Tus-Resumable: 1.0.0."""
    expect_status(answer, *statuses)
    expect(answer.get("Tus-Resumable") == VERSION, "Tus-Resumable: 1.0.0", answer)


@requirement(
    "core.options", Level.MUST, "OPTIONS without Tus-Resumable answers 200 or 204 with Tus-Version listing 1.0.0"
)
async def options_tells_the_versions(tus: Probe) -> None:
    expect_configuration(await tus.options())


@requirement("core.options.version-ignored", Level.MUST, "OPTIONS ignores Tus-Resumable, even an unknown version")
async def options_ignores_the_version_asked_with(tus: Probe) -> None:
    for version in (VERSION, *UNSUPPORTED, "nonsense"):
        expect_configuration(await tus.options(headers={"Tus-Resumable": version}))


@requirement(
    "core.options.extensions",
    Level.MUST,
    "Tus-Extension is a comma list without blanks inside names; left out when empty",
)
async def tus_extension_is_a_comma_list(tus: Probe) -> None:
    told = (await tus.options()).get("Tus-Extension")
    if told is None:
        return
    names = [name.strip(" \t") for name in told.split(",")]
    expect(all(name and not any(map(str.isspace, name)) for name in names), "names with commas between", repr(told))


@requirement(
    "core.options.dependencies", Level.MUST, "creation-with-upload only together with creation, as the text demands"
)
async def creation_with_upload_comes_with_creation(tus: Probe) -> None:
    await tus.needs("creation-with-upload")
    offered = await tus.extensions()
    expect("creation" in offered, "creation beside creation-with-upload", offered)


@requirement("core.options.max-size", Level.MUST, "Tus-Max-Size, when sent, is a non-negative integer")
async def tus_max_size_is_a_number(tus: Probe) -> None:
    told = (await tus.options()).get("Tus-Max-Size")
    if told is None:
        raise NotTried("the server tells no Tus-Max-Size")
    expect(told.isascii() and told.isdigit(), "digits in Tus-Max-Size", repr(told))


@requirement("core.options.upload-url", Level.EXT, "OPTIONS on an upload URL tells the configuration too")
async def options_on_an_upload_tells_the_configuration(tus: Probe) -> None:
    answer = await tus.options(await tus.create(1))
    expect_configuration(answer)
    expect(names_in(answer.get("Tus-Extension")) == await tus.extensions(), "the endpoint's Tus-Extension", answer)


@requirement("core.version.missing", Level.EXT, "a PATCH without Tus-Resumable is refused with 412 and changes nothing")
async def a_patch_without_a_version_is_refused(tus: Probe) -> None:
    url = await tus.create(5)
    expect_status(await patch_as(tus, url, None), 412)
    await tus.expect_offset(url, 0)


@requirement("core.version.unsupported-post", Level.MUST, "POST with an unsupported version: 412")
async def a_post_of_another_version_is_refused(tus: Probe) -> None:
    for version in UNSUPPORTED:
        expect_status(await tus.post({"Upload-Length": "5"}, version=version), 412)


@requirement("core.version.unsupported-patch", Level.MUST, "PATCH with an unsupported version: 412 and not processed")
async def a_patch_of_another_version_is_refused(tus: Probe) -> None:
    url = await tus.create(5)
    for version in UNSUPPORTED:
        expect_status(await patch_as(tus, url, version), 412)
    await tus.expect_offset(url, 0)


@requirement("core.version.unsupported-head", Level.MUST, "HEAD with an unsupported version: 412")
async def a_head_of_another_version_is_refused(tus: Probe) -> None:
    url = await tus.create(5)
    for version in UNSUPPORTED:
        expect_status(await tus.request("HEAD", url, version=version), 412)


@requirement("core.version.unsupported-delete", Level.MUST, "DELETE with an unsupported version: 412 and not deleted")
async def a_delete_of_another_version_is_refused(tus: Probe) -> None:
    await tus.needs("termination")
    url = await tus.create(5, b"he")
    for version in UNSUPPORTED:
        expect_status(await tus.request("DELETE", url, version=version), 412)
    await tus.expect_offset(url, 2)


@requirement("core.version.list-on-412", Level.MUST, "the refusal of a version carries Tus-Version")
async def the_refusal_of_a_version_lists_the_supported_ones(tus: Probe) -> None:
    for answer in await refusals_of_a_version(tus):
        expect(VERSION in names_in(answer.get("Tus-Version")), "Tus-Version listing 1.0.0", answer)


@requirement("core.resumable.success", Level.MUST, "Tus-Resumable on every good answer to POST, HEAD, PATCH")
async def good_answers_carry_the_version(tus: Probe) -> None:
    created = await tus.post({"Upload-Length": "5"})
    expect_resumable(created, 201)
    url = tus.location(created)
    expect_resumable(await tus.head(url), 200, 204)
    expect_resumable(await tus.patch(url, 0, b"hello"), 204)
    expect_resumable(await tus.head(url), 200, 204)


@requirement("core.resumable.errors", Level.MUST, "Tus-Resumable on error answers (404, 409, 415, bad length)")
async def error_answers_carry_the_version(tus: Probe) -> None:
    url = await tus.create(5)
    unknown = await tus.unknown()
    for answer in (
        await tus.head(unknown),
        await tus.patch(unknown, 0, b"hello"),
        await tus.patch(url, 3, b"lo"),
        await tus.patch(url, 0, b"hello", kind="text/plain"),
        await tus.post({"Upload-Length": "abc"}),
    ):
        expect_refused(answer)
        expect_resumable(answer, answer.status)


@requirement("core.resumable.412", Level.MUST, "Tus-Resumable on the refusal of a version")
async def the_refusal_of_a_version_carries_the_version(tus: Probe) -> None:
    for answer in await refusals_of_a_version(tus):
        expect_resumable(answer, 412)


@requirement("core.head.new", Level.MUST, "HEAD of a new upload: Upload-Offset 0 and Upload-Length")
async def head_of_a_new_upload_tells_offset_and_length(tus: Probe) -> None:
    expect_told(await tus.head(await tus.create(10)), 0, 10)


@requirement("core.head.partial", Level.MUST, "HEAD in the middle tells the bytes stored so far")
async def head_in_the_middle_tells_the_offset(tus: Probe) -> None:
    expect_told(await tus.head(await tus.create(10, b"hello")), 5, 10)


@requirement("core.head.finished", Level.MUST, "HEAD of a finished upload still tells Upload-Offset and Upload-Length")
async def head_of_a_finished_upload_tells_offset_and_length(tus: Probe) -> None:
    expect_told(await tus.head(await tus.create(10, b"helloworld")), 10, 10)


@requirement("core.head.status", Level.SHOULD, "a good HEAD is 200 or 204")
async def a_good_head_is_200_or_204(tus: Probe) -> None:
    for data in (b"", b"hello", b"helloworld"):
        expect_status(await tus.head(await tus.create(10, data)), 200, 204)


@requirement("core.head.no-store", Level.MUST, "HEAD carries Cache-Control: no-store")
async def head_forbids_caching(tus: Probe) -> None:
    for data in (b"", b"hello", b"helloworld"):
        answer = await tus.head(await tus.create(10, data))
        directives = [name.lower() for name in names_in(answer.get("Cache-Control"))]
        expect("no-store" in directives, "Cache-Control: no-store", answer)


@requirement("core.head.unknown", Level.SHOULD, "HEAD of an unknown id: 404, 410 or 403 without Upload-Offset")
async def head_of_an_unknown_id_is_refused(tus: Probe) -> None:
    for url in (await tus.unknown(), tus.endpoint.rstrip("/") + "/no-such-upload"):
        answer = await tus.head(url)
        expect_status(answer, 404, 410, 403)
        expect(answer.get("Upload-Offset") is None, "no Upload-Offset", answer)


async def patch_as(tus: Probe, url: str, version: str | None) -> Answer:
    """A PATCH that is right but for its version."""
    headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    return await tus.request("PATCH", url, headers, sized(b"hello"), version=version)


async def refusals_of_a_version(tus: Probe) -> list[Answer]:
    """The refusals of a version nobody supports; whether each method does refuse is a line of its own."""
    url = await tus.create(5)
    answers = [
        await tus.post({"Upload-Length": "5"}, version="0.2.2"),
        await tus.request("HEAD", url, version="0.2.2"),
        await patch_as(tus, url, "0.2.2"),
    ]
    refusals = [answer for answer in answers if answer.status == 412]
    expect(bool(refusals), "status 412 for Tus-Resumable: 0.2.2", answers[0])
    return refusals
