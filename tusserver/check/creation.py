"""Extension creation, but for the metadata."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from tusserver.check.outcomes import expect
from tusserver.check.probe import Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement
from tusserver.check.wire import sized


@requirement("creation.advertised", Level.SHOULD, "creation is offered and named in Tus-Extension")
async def creation_is_announced(tus: Probe) -> None:
    offered = await tus.extensions()
    expect("creation" in offered, "creation in Tus-Extension", offered)
    await tus.create(5)


@requirement("creation.post", Level.MUST, "POST with Upload-Length: 201 with a Location that works")
async def a_post_gives_a_location_that_works(tus: Probe) -> None:
    url = tus.location(await tus.post({"Upload-Length": "5"}))
    await tus.expect_offset(url, 0)
    expect_status(await tus.patch(url, 0, b"hello"), 204)
    await tus.expect_offset(url, 5)


@requirement("creation.location-host", Level.EXT, "Location is relative or names the host the client asked for")
async def the_location_names_the_host_asked_for(tus: Probe) -> None:
    answer = await tus.post({"Upload-Length": "5"})
    asked, told = urlsplit(tus.endpoint), urlsplit(tus.location(answer))
    expect(told[:2] == asked[:2], f"{asked.scheme}://{asked.netloc}/ in Location", answer)


@requirement("creation.ids-differ", Level.EXT, "two creations give two uploads")
async def two_creations_give_two_uploads(tus: Probe) -> None:
    first, second = await tus.create(5), await tus.create(5)
    expect(first != second, "two URLs", first)
    expect_status(await tus.patch(first, 0, b"hello"), 204)
    await tus.expect_offset(second, 0)


@requirement("creation.length-missing", Level.EXT, "POST without Upload-Length and Upload-Defer-Length: 4xx")
async def a_creation_without_a_length_is_refused(tus: Probe) -> None:
    expect_refused(await tus.post({}))


async def expect_lengths_refused(tus: Probe, *values: str) -> None:
    """Raise Failed unless each value of Upload-Length is a 400 without a Location."""
    for value in values:
        answer = await tus.post({"Upload-Length": value})
        expect_status(answer, 400)
        expect(answer.get("Location") is None, "no Location", answer)


@requirement(
    "creation.length-not-integer",
    Level.MUST,
    "Upload-Length that is no non-negative integer (abc, -1, 5.0, 0x10, empty, 1e3) is refused with 400",
)
async def a_length_that_is_no_number_is_refused(tus: Probe) -> None:
    await expect_lengths_refused(tus, "abc", "-1", "5.0", "0x10", "", "1e3")


@requirement("creation.length-sign", Level.EXT, "Upload-Length with a plus sign or an underscore is refused with 400")
async def a_length_with_a_sign_is_refused(tus: Probe) -> None:
    await expect_lengths_refused(tus, "+10", "1_0")


@requirement(
    "creation.length-huge",
    Level.EXT,
    "Upload-Length of 2^63, 2^64, 10^40: 4xx, or created and told back exactly",
)
async def a_huge_length_is_refused_or_kept(tus: Probe) -> None:
    for length in (2**63, 2**64, 10**40):
        answer = await tus.post({"Upload-Length": str(length)})
        if answer.status == 201:
            told = (await tus.head(tus.location(answer))).get("Upload-Length")
            expect(told == str(length), f"Upload-Length {length} on HEAD", told)
        else:
            expect_refused(answer)


@requirement(
    "creation.length-and-defer",
    Level.EXT,
    "Upload-Length together with Upload-Defer-Length is refused with 4xx",
)
async def a_length_and_its_deferral_are_refused(tus: Probe) -> None:
    expect_refused(await tus.post({"Upload-Length": "5", "Upload-Defer-Length": "1"}))


@requirement("creation.zero", Level.MUST, "Upload-Length 0: complete at once, HEAD tells 0 of 0")
async def an_empty_upload_is_complete_at_once(tus: Probe) -> None:
    answer = await tus.head(await tus.create(0))
    came = answer.get("Upload-Offset"), answer.get("Upload-Length")
    expect(came == ("0", "0"), "Upload-Offset 0 and Upload-Length 0", answer)


@requirement("creation.zero-get", Level.EXT, "an empty file is downloadable: GET 200 with no bytes (or 204)")
async def an_empty_file_is_downloadable(tus: Probe) -> None:
    answer = await tus.get(await tus.create(0))
    expect_status(answer, 200, 204)
    expect(answer.body == b"", "no bytes", answer.body[:40])


@requirement("creation.max-size", Level.MUST, "Upload-Length over Tus-Max-Size: 413")
async def a_length_over_the_limit_is_refused(tus: Probe) -> None:
    limit = await tus.max_size()
    expect_status(await tus.post({"Upload-Length": str(limit + 1)}), 413)
    expect_status(await tus.post({"Upload-Length": str(limit)}), 201)


@requirement(
    "creation.body-type",
    Level.EXT,
    "a POST body that is not application/offset+octet-stream is not taken as upload data",
)
async def a_body_of_another_type_is_no_upload_data(tus: Probe) -> None:
    for kind in ({"Content-Type": "text/plain"}, {"Content-Type": "application/octet-stream"}, {}):
        answer = await tus.post({"Upload-Length": "10", **kind}, sized(b"hello"))
        if answer.status == 201:
            expect(answer.get("Upload-Offset") in (None, "0"), "no byte counted", answer)
            await tus.expect_offset(urljoin(tus.endpoint, answer.get("Location") or ""), 0)
        else:
            expect_refused(answer)
