"""The extensions: what each reads, refuses and tells."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from multidict import CIMultiDict

from tests.contracts.infos_values import START, an_upload
from tusserver.extensions import offer
from tusserver.extensions.concatenation import MAX_PARTS
from tusserver.protocol.checksums import Checksum
from tusserver.protocol.refusals import (
    ExtensionOff,
    MalformedHeader,
    MissingHeader,
    Refusal,
    UnknownChecksum,
    WrongContentType,
)
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, Creation
from tusserver.protocol.uploads import Kind, State, Upload

ALL = offer()
NONE = BodyFacts(None, 0)
BODY = BodyFacts(OCTET_STREAM, 5)
CHUNKED = BodyFacts(OCTET_STREAM, None)
SHA1 = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="
DIGEST = Checksum("sha1", base64.b64decode(SHA1[5:]))
OFFSET = ("Upload-Offset", "0")
LENGTH = ("Upload-Length", "10")
TRAILER = ("Trailer", "Upload-Checksum")


def creation(*headers: tuple[str, str], body: BodyFacts = NONE, without: tuple[str, ...] = ()) -> Creation:
    """What a POST with these headers asks for."""
    return offer(without).read_creation(CIMultiDict(headers), body)


def append(*headers: tuple[str, str], body: BodyFacts = BODY, without: tuple[str, ...] = ()) -> Append:
    """What a PATCH with these headers asks for."""
    return offer(without).read_append(CIMultiDict([OFFSET, *headers]), body)


# creation


def test_a_creation_tells_its_length_and_its_metadata() -> None:
    made = creation(LENGTH, ("Upload-Metadata", "filename YS50eHQ="))
    assert made.length == 10
    assert made.metadata is not None
    assert made.metadata.filename == "a.txt"
    assert made == Creation(length=10, metadata=made.metadata)


@pytest.mark.parametrize("value", ["abc", "-1", "5.0", "0x10", "", "1e3", "+5", "1_0"])
def test_a_length_that_is_none_is_refused_with_400(value: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        creation(("Upload-Length", value))
    assert refused.value.facts == {"header": "Upload-Length"}


def test_a_creation_without_any_length_is_refused_with_400() -> None:
    for headers in ([], [("Upload-Concat", "partial")]):
        with pytest.raises(MissingHeader) as refused:
            creation(*headers)
        assert refused.value.facts == {"header": "Upload-Length"}


def test_metadata_over_its_limit_is_refused() -> None:
    small = offer(max_metadata=6)
    small.read_creation(CIMultiDict([LENGTH, ("Upload-Metadata", "a YQ==")]), NONE)
    with pytest.raises(MalformedHeader, match="has 7 characters, at most 6 are taken"):
        small.read_creation(CIMultiDict([LENGTH, ("Upload-Metadata", "ab YQ==")]), NONE)


def test_metadata_sent_twice_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="more than once"):
        creation(LENGTH, ("Upload-Metadata", "a"), ("Upload-Metadata", "b"))


def test_a_post_without_creation_is_refused() -> None:
    with pytest.raises(ExtensionOff, match="extension creation is not offered"):
        creation(LENGTH, without=("creation",))


def test_head_tells_the_metadata_as_it_was_received() -> None:
    told = ALL.tell_head(an_upload(length=10, metadata="a YQ==,b"), START)
    assert told == {"Upload-Metadata": "a YQ==,b"}
    assert ALL.tell_head(an_upload(length=10), START) == {}


# creation-with-upload


@pytest.mark.parametrize("body", [BODY, CHUNKED])
def test_upload_data_of_a_post_are_the_first_bytes(body: BodyFacts) -> None:
    assert creation(LENGTH, body=body).body == body


@pytest.mark.parametrize("body", [NONE, BodyFacts(OCTET_STREAM, 0), BodyFacts("text/plain", 5), BodyFacts(None, None)])
def test_no_byte_and_bytes_of_another_type_are_no_upload_data(body: BodyFacts) -> None:
    assert creation(LENGTH, body=body).body is None
    assert creation(LENGTH, body=body, without=("creation-with-upload",)).body is None


def test_upload_data_are_refused_where_a_post_takes_none() -> None:
    with pytest.raises(ExtensionOff, match="extension creation-with-upload is not offered"):
        creation(LENGTH, body=BODY, without=("creation-with-upload",))


# creation-defer-length


def test_a_length_may_be_told_later() -> None:
    assert creation(("Upload-Defer-Length", "1")) == Creation(is_deferred=True)


@pytest.mark.parametrize("value", ["0", "2", "true", "", "01", "-1", "1 ", "١", "x" * 1000])
def test_a_deferral_that_is_not_1_is_refused_with_400(value: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        creation(("Upload-Defer-Length", value))
    assert refused.value.facts == {"header": "Upload-Defer-Length"}
    assert len(refused.value.detail) < 100


def test_a_length_now_and_later_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="must not come together with Upload-Length"):
        creation(LENGTH, ("Upload-Defer-Length", "1"))


@pytest.mark.parametrize(
    ("upload", "told"),
    [
        (an_upload(), {"Upload-Defer-Length": "1"}),
        (an_upload(offset=5), {"Upload-Defer-Length": "1"}),
        (an_upload(length=10), {}),
        (an_upload(kind=Kind.PARTIAL), {"Upload-Defer-Length": "1", "Upload-Concat": "partial"}),
        (an_upload(kind=Kind.FINAL, concat="final;/a"), {"Upload-Concat": "final;/a"}),
    ],
)
def test_head_tells_that_the_length_is_still_to_come(upload: Upload, told: dict[str, str]) -> None:
    assert ALL.tell_head(upload, START) == told


# checksum and checksum-trailer


def test_a_digest_is_read_from_a_patch_and_from_a_post() -> None:
    assert append(("Upload-Checksum", SHA1)) == Append(0, BODY, checksum=DIGEST)
    assert creation(LENGTH, ("Upload-Checksum", SHA1), body=BODY).checksum == DIGEST
    assert append().checksum is None


@pytest.mark.parametrize(
    ("value", "kind"), [("sha2 AAAA", UnknownChecksum), ("sha1", MalformedHeader), ("", MalformedHeader)]
)
def test_a_digest_that_is_none_is_refused(value: str, kind: type[Refusal]) -> None:
    with pytest.raises(kind):
        append(("Upload-Checksum", value))
    with pytest.raises(kind):
        creation(LENGTH, ("Upload-Checksum", value), body=BODY)


def test_two_digests_are_refused() -> None:
    with pytest.raises(MalformedHeader, match="more than once"):
        append(("Upload-Checksum", SHA1), ("Upload-Checksum", SHA1))


@pytest.mark.parametrize("value", ["Upload-Checksum", "upload-checksum", "X, Upload-Checksum ,Y"])
def test_a_digest_may_be_announced_behind_a_chunked_body(value: str) -> None:
    assert append(("Trailer", value), body=CHUNKED).has_checksum_trailer
    assert creation(LENGTH, ("Trailer", value), body=CHUNKED).has_checksum_trailer


def test_another_trailer_announces_no_digest() -> None:
    assert not append(("Trailer", "X, Y"), body=CHUNKED).has_checksum_trailer
    assert not append(body=CHUNKED).has_checksum_trailer


def test_a_trailer_of_a_body_that_is_not_taken_is_not_waited_for() -> None:
    assert not creation(LENGTH, TRAILER, body=BodyFacts("text/plain", None)).has_checksum_trailer


def test_a_trailer_behind_a_body_of_known_length_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="needs Transfer-Encoding: chunked"):
        append(TRAILER)


def test_a_digest_both_before_and_behind_the_body_is_refused() -> None:
    with pytest.raises(MalformedHeader, match="among the headers already"):
        append(TRAILER, ("Upload-Checksum", SHA1), body=CHUNKED)


def test_a_patch_that_is_none_is_refused_for_that_first() -> None:
    with pytest.raises(WrongContentType):
        append(("Upload-Checksum", SHA1), body=NONE, without=("checksum",))


# expiration


def test_the_date_of_an_upload_is_told_on_every_answer() -> None:
    upload = an_upload(length=10, expires_at=START)
    assert ALL.tell(upload, START) == {"Upload-Expires": "Fri, 02 Jan 2026 03:04:05 GMT"}
    assert ALL.tell_head(upload, START) == {"Upload-Expires": "Fri, 02 Jan 2026 03:04:05 GMT"}


def test_an_upload_without_date_tells_none() -> None:
    assert ALL.tell(an_upload(length=10, offset=10, state=State.COMPLETE), START) == {}


def test_no_date_is_told_where_expiration_is_off() -> None:
    assert offer(["expiration"]).tell(an_upload(expires_at=START + timedelta(days=1)), START) == {}


# concatenation


def test_a_partial_upload_is_one_that_says_so() -> None:
    assert creation(LENGTH, ("Upload-Concat", "partial")) == Creation(length=10, kind=Kind.PARTIAL)
    assert creation(("Upload-Defer-Length", "1"), ("Upload-Concat", "partial")).is_deferred


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("final;/files/a /files/b", ("/files/a", "/files/b")),
        ("final;/files/b /files/a /files/b", ("/files/b", "/files/a", "/files/b")),
        ("final; http://example.com/files/a", ("http://example.com/files/a",)),
    ],
)
def test_a_final_upload_names_its_parts_in_their_order(value: str, parts: tuple[str, ...]) -> None:
    assert creation(("Upload-Concat", value)) == Creation(kind=Kind.FINAL, parts=parts, concat=value)


@pytest.mark.parametrize(
    "value",
    ["", "final", "final;", "final; ", "Final;/a", "partial;", "partial;/a", "Partial", "/a", ";/a", "final /a"],
)
def test_a_concatenation_that_is_neither_is_refused_with_400(value: str) -> None:
    with pytest.raises(MalformedHeader, match="must be 'partial', or 'final;'") as refused:
        creation(("Upload-Concat", value))
    assert refused.value.facts == {"header": "Upload-Concat"}


def test_a_final_upload_of_too_many_parts_is_refused() -> None:
    assert len(creation(("Upload-Concat", "final;" + "/a " * MAX_PARTS)).parts) == MAX_PARTS
    with pytest.raises(MalformedHeader, match=f"names {MAX_PARTS + 1} parts"):
        creation(("Upload-Concat", "final;" + "/a " * (MAX_PARTS + 1)))


@pytest.mark.parametrize("header", [LENGTH, ("Upload-Length", "0"), ("Upload-Defer-Length", "1")])
def test_a_final_upload_with_a_length_of_its_own_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(MalformedHeader, match="takes its length from its parts"):
        creation(header, ("Upload-Concat", "final;/a"))


@pytest.mark.parametrize("body", [BODY, CHUNKED])
def test_a_final_upload_with_bytes_of_its_own_is_refused(body: BodyFacts) -> None:
    with pytest.raises(MalformedHeader, match="takes its bytes from its parts"):
        creation(("Upload-Concat", "final;/a"), body=body)


def test_head_tells_what_an_upload_is_to_concatenation() -> None:
    assert ALL.tell_head(an_upload(length=1, kind=Kind.PARTIAL), START) == {"Upload-Concat": "partial"}
    final = an_upload(length=1, kind=Kind.FINAL, concat="final;/a  http://b/c")
    assert ALL.tell_head(final, START) == {"Upload-Concat": "final;/a  http://b/c"}
