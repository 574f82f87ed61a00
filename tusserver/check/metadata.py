"""Extension creation: Upload-Metadata."""

from __future__ import annotations

from base64 import b64encode

from tusserver.check.outcomes import Failed, expect
from tusserver.check.probe import Probe, expect_refused, expect_status
from tusserver.check.table import Level, requirement

NAME = "filename d29ybGQudHh0"


def pair(key: str, value: bytes) -> str:
    """One pair of Upload-Metadata."""
    return f"{key} {b64encode(value).decode()}"


async def told_after(tus: Probe, metadata: str | bytes) -> str | None:
    """Upload-Metadata on HEAD of an upload created with `metadata`."""
    return (await tus.head(await tus.create(5, headers={"Upload-Metadata": metadata}))).get("Upload-Metadata")


async def expect_told_back(tus: Probe, metadata: str) -> None:
    """Raise Failed unless `metadata` comes back byte for byte."""
    told = await told_after(tus, metadata)
    expect(told == metadata, f"Upload-Metadata {metadata!r} on HEAD", repr(told))


async def expect_refused_or_told_back(tus: Probe, *values: bytes) -> None:
    """Raise Failed unless each value is a 4xx, or created and told back byte for byte."""
    for value in values:
        answer = await tus.post({"Upload-Length": "5", "Upload-Metadata": value})
        if answer.status != 201:
            expect_refused(answer)
            continue
        told = (await tus.head(tus.location(answer))).get("Upload-Metadata")
        if told is None or told.encode("latin-1") != value:
            raise Failed(f"expected 4xx, or Upload-Metadata {value!r} on HEAD; came {told!r}")


@requirement("creation.metadata.one", Level.MUST, "Upload-Metadata with one pair comes back on HEAD as sent")
async def one_pair_comes_back(tus: Probe) -> None:
    await expect_told_back(tus, NAME)


@requirement("creation.metadata.order", Level.MUST, "several pairs come back in the order sent")
async def pairs_come_back_in_order(tus: Probe) -> None:
    pairs = [pair(key, key.encode()) for key in ("relativePath", "name", "type", "filename", "Alpha", "zeta", "b")]
    for sent in (pairs, pairs[::-1]):
        told = await told_after(tus, ",".join(sent))
        expect([item.strip() for item in (told or "").split(",")] == sent, f"the pairs in the order of {sent}", told)


@requirement("creation.metadata.key-only", Level.MUST, "a key without value (no space) comes back as sent")
async def a_key_without_value_comes_back(tus: Probe) -> None:
    await expect_told_back(tus, "is_confidential")


@requirement(
    "creation.metadata.empty-value",
    Level.MUST,
    "a key with a space and an empty value is accepted; it comes back as sent (or without the space)",
)
async def an_empty_value_comes_back(tus: Probe) -> None:
    # At the end of the header the space is gone before any server sees the value, so a pair follows it too.
    for sent in (f"note ,{NAME}", "note "):
        told = await told_after(tus, sent)
        came, wanted = ({item.rstrip() for item in pairs.split(",")} for pairs in (told or "", sent))
        expect(came == wanted, f"Upload-Metadata {sent!r} on HEAD", repr(told))


@requirement("creation.metadata.binary", Level.MUST, "a value of all 256 byte values comes back unchanged")
async def a_binary_value_comes_back(tus: Probe) -> None:
    await expect_told_back(tus, pair("digest", bytes(range(256))))


@requirement("creation.metadata.unicode", Level.MUST, "a UTF-8 value comes back unchanged")
async def a_utf8_value_comes_back(tus: Probe) -> None:
    await expect_told_back(tus, pair("filename", "Grüße 世界 🎉.txt".encode()))


@requirement(
    "creation.metadata.none",
    Level.EXT,
    "an upload without metadata has no (or an empty) Upload-Metadata on HEAD",
)
async def no_metadata_is_told_as_none(tus: Probe) -> None:
    told = (await tus.head(await tus.create(5))).get("Upload-Metadata")
    expect(not told, "no Upload-Metadata on HEAD", repr(told))


@requirement("creation.metadata.after-patch", Level.MUST, "metadata is still told after a PATCH and after the end")
async def metadata_outlives_the_upload(tus: Probe) -> None:
    url = await tus.create(10, headers={"Upload-Metadata": NAME})
    for offset, data in ((0, b"hello"), (5, b"world")):
        expect_status(await tus.patch(url, offset, data), 204)
        told = (await tus.head(url)).get("Upload-Metadata")
        expect(told == NAME, f"Upload-Metadata {NAME!r} on HEAD", repr(told))


@requirement(
    "creation.metadata.bad-duplicate",
    Level.SHOULD,
    "a key given twice: a clear 4xx, or told back exactly; never altered silently",
)
async def a_key_given_twice_is_never_altered(tus: Probe) -> None:
    await expect_refused_or_told_back(tus, b"name MQ==,name Mg==", b"name MQ==,name MQ==")


@requirement(
    "creation.metadata.bad-base64",
    Level.SHOULD,
    "a value that is not base64: a clear 4xx, or told back exactly; never altered silently",
)
async def a_value_that_is_no_base64_is_never_altered(tus: Probe) -> None:
    values = b"name @@@@", b"name YWI", b"name Y", b"name YQ==YQ==", b"name -_-_", b"name YW=="
    await expect_refused_or_told_back(tus, *values)


@requirement(
    "creation.metadata.bad-empty-key",
    Level.SHOULD,
    "an empty key: a clear 4xx, or told back exactly; never altered silently",
)
async def an_empty_key_is_never_altered(tus: Probe) -> None:
    await expect_refused_or_told_back(tus, b",", b"name MQ==,,type Mg==", b"name MQ==,", b"name MQ==, Mg==")


@requirement(
    "creation.metadata.bad-three-words",
    Level.SHOULD,
    "a pair of three words: a clear 4xx, or told back exactly; never altered silently",
)
async def a_pair_of_three_words_is_never_altered(tus: Probe) -> None:
    await expect_refused_or_told_back(tus, b"name MQ== Mg==", b"name  MQ==")


@requirement(
    "creation.metadata.bad-non-ascii",
    Level.SHOULD,
    "raw non-ASCII bytes in a key or value: a clear 4xx, or told back exactly; never altered silently",
)
async def raw_bytes_outside_ascii_are_never_altered(tus: Probe) -> None:
    await expect_refused_or_told_back(tus, "naïve MQ==".encode(), b"na\xefve MQ==", "name größe".encode(), b"name \xff")
