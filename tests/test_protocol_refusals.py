"""Every refusal a client may be told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tusserver.protocol import refusals
from tusserver.protocol.errors import BackendError, Conflict, Held, NotFound, OutOfSpace, Unavailable
from tusserver.protocol.refusals import (
    BadParts,
    BodyCut,
    BodyStalled,
    Busy,
    ChecksumMismatch,
    ExtensionOff,
    FinalUnchangeable,
    LengthBelowOffset,
    LengthFixed,
    MalformedHeader,
    MissingHeader,
    OffsetMismatch,
    PastLength,
    PreconditionFailed,
    QuotaExceeded,
    RangeUnsatisfiable,
    Refusal,
    Stopping,
    StorageFull,
    TakenOver,
    TooLarge,
    TooManyUploads,
    TrailerMissing,
    TypeNotAllowed,
    UnknownChecksum,
    UnknownMethod,
    UploadFailed,
    UploadFinished,
    UploadGone,
    UploadIncomplete,
    UploadNotFound,
    WrongContentType,
    WrongVersion,
)

# A value of each kind, with the status that the specification or the clients ask for.
REFUSALS: list[tuple[Refusal, int, str]] = [
    (MalformedHeader("Upload-Offset", "is no number"), 400, "malformed-header"),
    (MissingHeader("Upload-Offset", "it is needed"), 400, "missing-header"),
    (ExtensionOff("checksum"), 400, "extension-off"),
    (WrongVersion("0.2.2"), 412, "wrong-version"),
    (UnknownMethod("PUT", ("POST", "OPTIONS")), 405, "method-not-allowed"),
    (UploadNotFound(), 404, "upload-not-found"),
    (UploadGone(), 410, "upload-gone"),
    (WrongContentType("text/plain"), 415, "wrong-content-type"),
    (OffsetMismatch(3, 5), 409, "offset-mismatch"),
    (TooLarge(11, 10), 413, "too-large"),
    (PastLength(5, 10), 413, "past-length"),
    (UploadFinished(), 403, "upload-finished"),
    (FinalUnchangeable(), 403, "final-upload"),
    (LengthFixed(5, 10), 400, "length-fixed"),
    (LengthBelowOffset(5, 10), 400, "length-below-offset"),
    (UnknownChecksum("sha2", ("sha1", "md5")), 400, "unknown-checksum"),
    (ChecksumMismatch("sha1", 5), 460, "checksum-mismatch"),
    (TrailerMissing(5), 400, "trailer-missing"),
    (UploadFailed(), 410, "upload-failed"),
    (QuotaExceeded(), 403, "quota-exceeded"),
    (TooManyUploads(), 429, "too-many-uploads"),
    (TypeNotAllowed(), 415, "type-not-allowed"),
    (refusals.ContentTypeMismatch(), 415, "content-type-mismatch"),
    (refusals.Infected("Eicar"), 422, "infected"),
    (refusals.ScannerAway(), 503, "scanner-away"),
    (UploadIncomplete(5, 10), 409, "upload-incomplete"),
    (BadParts(), 400, "bad-parts"),
    (Busy(), 423, "upload-busy"),
    (TakenOver(), 423, "taken-over"),
    (BodyStalled(), 503, "body-stalled"),
    (BodyCut(), 400, "body-cut"),
    (Stopping(), 503, "server-stopping"),
    (StorageFull(), 507, "storage-full"),
    (refusals.BackendAway(), 503, "backend-away"),
    (RangeUnsatisfiable(10), 416, "range-unsatisfiable"),
    (PreconditionFailed(), 412, "precondition-failed"),
]


def kinds(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    """Every kind of refusal that this module has."""
    for child in kind.__subclasses__():
        if child.__module__ == refusals.__name__:
            yield child
        yield from kinds(child)


@pytest.mark.parametrize(("refusal", "status", "code"), REFUSALS, ids=[code for _, _, code in REFUSALS])
def test_a_refusal_has_its_status_and_its_word(refusal: Refusal, status: int, code: str) -> None:
    assert (refusal.status, refusal.code) == (status, code)


def test_the_table_has_every_refusal_and_no_word_twice() -> None:
    assert {type(refusal) for refusal, _, _ in REFUSALS} == set(kinds())
    assert len({refusal.code for refusal, _, _ in REFUSALS}) == len(REFUSALS)
    assert len({refusal.title for refusal, _, _ in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("refusal", [refusal for refusal, _, _ in REFUSALS], ids=[code for _, _, code in REFUSALS])
def test_a_refusal_can_be_told_as_json_and_in_headers(refusal: Refusal) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.code)
    assert refusal.detail
    assert str(refusal) == refusal.detail
    json.dumps([refusal.title, refusal.detail, refusal.facts], ensure_ascii=False, allow_nan=False).encode()
    assert not {"type", "title", "status", "detail", "code"} & set(refusal.facts)
    for name, value in refusal.headers.items():
        assert (name + value).isascii()
        assert (name + value).isprintable()


def test_what_passes_by_itself_is_told_with_a_status_that_clients_retry() -> None:
    for kind in (Busy, TakenOver, BodyStalled, Stopping, refusals.BackendAway, StorageFull, OffsetMismatch):
        assert kind.status in (409, 423) or kind.status >= 500


@pytest.mark.parametrize(
    ("refusal", "headers", "facts"),
    [
        (OffsetMismatch(3, 5), {"Upload-Offset": "5"}, {"offset": 5}),
        (PastLength(5, 10), {"Upload-Offset": "5"}, {"offset": 5, "length": 10}),
        (ChecksumMismatch("sha1", 5), {"Upload-Offset": "5"}, {"offset": 5, "algorithm": "sha1"}),
        (TrailerMissing(5), {"Upload-Offset": "5"}, {"offset": 5}),
        (UnknownMethod("PUT", ("POST", "OPTIONS")), {"Allow": "POST, OPTIONS"}, {"allowed": ["POST", "OPTIONS"]}),
        (WrongContentType(None), {"Accept-Patch": "application/offset+octet-stream"}, {}),
        (WrongVersion(None), {"Tus-Version": "1.0.0"}, {"versions": ["1.0.0"]}),
        (TooLarge(11, 10), {}, {"max_size": 10}),
        (UploadIncomplete(5, None), {}, {"offset": 5}),
        (UploadIncomplete(0, 10), {}, {"offset": 0, "length": 10, "size": 10}),
        (LengthFixed(5, 10), {}, {"length": 10}),
        (LengthBelowOffset(5, 10), {}, {"offset": 10}),
        (ExtensionOff("checksum"), {}, {"extension": "checksum"}),
        (Busy("why", headers={"Retry-After": "1"}), {"Retry-After": "1"}, {}),
        (RangeUnsatisfiable(0), {"Content-Range": "bytes */0"}, {"length": 0}),
    ],
)
def test_a_refusal_tells_what_lets_the_client_go_on(
    refusal: Refusal, headers: dict[str, str], facts: dict[str, object]
) -> None:
    assert refusal.headers == headers
    assert refusal.facts == facts


@pytest.mark.parametrize(
    ("refusal", "detail"),
    [
        (WrongVersion(None), "no Tus-Resumable was sent; this server speaks 1.0.0"),
        (WrongVersion("0.2.2"), "Tus-Resumable was '0.2.2'; this server speaks 1.0.0"),
        (WrongContentType(None), "Content-Type must be application/offset+octet-stream; none was sent"),
        (WrongContentType("text/a"), "Content-Type must be application/offset+octet-stream; it was 'text/a'"),
        (OffsetMismatch(3, 5), "Upload-Offset was 3, but 5 bytes are stored; continue there"),
        (UploadIncomplete(5, None), "5 of an unknown number of bytes have arrived"),
        (UploadIncomplete(5, 10), "5 of 10 bytes have arrived"),
        (UploadGone(), "The upload has expired"),
        (PreconditionFailed("why"), "why"),
    ],
)
def test_a_refusal_names_the_values_that_disagree(refusal: Refusal, detail: str) -> None:
    assert refusal.detail == detail


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "refusal", [WrongVersion(LONG), UnknownMethod(LONG, ("POST",)), WrongContentType(LONG), UnknownChecksum(LONG, ())]
)
def test_what_was_sent_is_quoted_in_part_only(refusal: Refusal) -> None:
    assert len(refusal.detail) < 200


BROKEN = "\udcff\x00\r\n\u202e"


@pytest.mark.parametrize(
    "refusal",
    [WrongVersion(BROKEN), UnknownMethod(BROKEN, ("POST",)), WrongContentType(BROKEN), UnknownChecksum(BROKEN, ())],
)
def test_bytes_that_are_no_text_are_quoted_so_that_the_answer_can_be_written(refusal: Refusal) -> None:
    assert refusal.detail.isprintable()
    refusal.detail.encode()


@pytest.mark.parametrize("kind", [NotFound, Conflict, OutOfSpace, Unavailable, Held])
def test_a_backend_fails_with_an_error_of_its_own_that_is_no_refusal(kind: type[BackendError]) -> None:
    assert issubclass(kind, BackendError)
    assert not issubclass(kind, Refusal)
