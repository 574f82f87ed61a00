"""Extension termination."""

from __future__ import annotations

from tusserver.check.outcomes import expect
from tusserver.check.probe import VERSION, Probe, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import Answer


async def deleted(tus: Probe, data: bytes) -> tuple[str, Answer]:
    """An upload of 10 bytes that got `data` and was deleted: its URL and the answer to DELETE."""
    await tus.needs("termination")
    url = await tus.create(10, data)
    answer = await tus.delete(url)
    expect_status(answer, 204)
    return url, answer


@requirement("termination.unfinished", Level.MUST, "DELETE of an unfinished upload: 204")
async def an_unfinished_upload_can_be_deleted(tus: Probe) -> None:
    await deleted(tus, b"")
    await deleted(tus, b"hello")


@requirement("termination.finished", Level.MUST, "DELETE of a finished upload: 204")
async def a_finished_upload_can_be_deleted(tus: Probe) -> None:
    await deleted(tus, b"helloworld")


@requirement("termination.resumable", Level.MUST, "the answer to DELETE carries Tus-Resumable")
async def the_answer_to_delete_carries_the_version(tus: Probe) -> None:
    for data in (b"hello", b"helloworld"):
        _, answer = await deleted(tus, data)
        expect(answer.get("Tus-Resumable") == VERSION, "Tus-Resumable: 1.0.0", answer)


@requirement("termination.head", Level.SHOULD, "after DELETE, HEAD is 404 or 410 without Upload-Offset")
async def a_deleted_upload_has_no_offset(tus: Probe) -> None:
    for data in (b"hello", b"helloworld"):
        url, _ = await deleted(tus, data)
        answer = await tus.head(url)
        expect_status(answer, 404, 410)
        expect(answer.get("Upload-Offset") is None, "no Upload-Offset", answer)


@requirement("termination.patch", Level.SHOULD, "after DELETE, PATCH is 404 or 410 and does not bring the upload back")
async def a_patch_does_not_bring_a_deleted_upload_back(tus: Probe) -> None:
    for data in (b"", b"hello"):
        url, _ = await deleted(tus, data)
        expect_status(await tus.patch(url, len(data), b"world"), 404, 410)
        expect_status(await tus.head(url), 404, 410)


@requirement("termination.get", Level.SHOULD, "after DELETE of a finished upload, GET is 404 or 410")
async def a_deleted_upload_cannot_be_downloaded(tus: Probe) -> None:
    url, _ = await deleted(tus, b"helloworld")
    expect_status(await tus.get(url), 404, 410)


@requirement("termination.again", Level.SHOULD, "a second DELETE is 404 or 410")
async def a_second_delete_is_refused(tus: Probe) -> None:
    url, _ = await deleted(tus, b"hello")
    expect_status(await tus.delete(url), 404, 410)


@requirement("termination.unknown", Level.EXT, "DELETE of an unknown id is 404 (or 410, 403)")
async def a_delete_of_an_unknown_id_is_refused(tus: Probe) -> None:
    await tus.needs("termination")
    expect_status(await tus.delete(await tus.unknown()), 404, 410, 403)
