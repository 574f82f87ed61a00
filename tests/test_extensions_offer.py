"""The extensions together: which are offered, and what any request gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.properties import made_of, many
from tusserver.extensions import EVERY_EXTENSION, offer
from tusserver.protocol.checksums import ALGORITHMS
from tusserver.protocol.refusals import ExtensionOff, Refusal
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, Creation
from tusserver.protocol.uploads import Kind

ALL = offer()
NONE = BodyFacts(None, 0)
BODY = BodyFacts(OCTET_STREAM, 5)
CHUNKED = BodyFacts(OCTET_STREAM, None)
SHA1 = "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="
OFFSET = ("Upload-Offset", "0")
LENGTH = ("Upload-Length", "10")


def creation(*headers: tuple[str, str], body: BodyFacts = NONE, without: tuple[str, ...] = ()) -> Creation:
    """What a POST with these headers asks for."""
    return offer(without).read_creation(CIMultiDict(headers), body)


def append(*headers: tuple[str, str], body: BodyFacts = BODY, without: tuple[str, ...] = ()) -> Append:
    """What a PATCH with these headers asks for."""
    return offer(without).read_append(CIMultiDict([OFFSET, *headers]), body)


def test_every_extension_of_the_protocol_is_offered() -> None:
    assert set(EVERY_EXTENSION) == {
        *("creation", "creation-with-upload", "creation-defer-length", "checksum", "checksum-trailer"),
        *("expiration", "termination", "concatenation", "concatenation-unfinished"),
    }
    assert ALL.announce() == {
        "Tus-Extension": ",".join(EVERY_EXTENSION),
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
    }
    assert ALL.off == ()


@pytest.mark.parametrize(
    ("disabled", "gone"),
    [
        (["termination"], {"termination"}),
        (["checksum"], {"checksum", "checksum-trailer"}),
        (["concatenation"], {"concatenation", "concatenation-unfinished"}),
        (["concatenation-unfinished"], {"concatenation-unfinished"}),
        (["checksum-trailer", "expiration"], {"checksum-trailer", "expiration"}),
        (["no-such-extension"], set()),
    ],
)
def test_what_makes_no_sense_without_another_goes_with_it(disabled: list[str], gone: set[str]) -> None:
    offered = offer(disabled)
    assert set(EVERY_EXTENSION) - set(offered.announce()["Tus-Extension"].split(",")) == gone
    assert {extension.name for extension in offered.off} == gone
    for name in EVERY_EXTENSION:
        assert offered.has(name) == (name not in gone)


def test_nothing_that_a_post_does_is_offered_without_creation() -> None:
    names = offer(["creation"]).announce()["Tus-Extension"].split(",")
    assert names == ["checksum", "checksum-trailer", "expiration", "termination"]


def test_a_server_without_extensions_leaves_the_headers_out() -> None:
    assert offer(EVERY_EXTENSION).announce() == {}


def test_the_algorithms_are_told_only_where_checksums_are_offered() -> None:
    assert "Tus-Checksum-Algorithm" not in offer(["checksum"]).announce()


def test_an_extension_that_is_off_is_required_in_vain() -> None:
    ALL.require("termination")
    with pytest.raises(ExtensionOff) as refused:
        offer(["termination"]).require("termination")
    assert refused.value.status == 400
    assert refused.value.facts == {"extension": "termination"}


@pytest.mark.parametrize(
    ("header", "extension"),
    [
        (("Upload-Checksum", SHA1), "checksum"),
        (("Upload-Defer-Length", "1"), "creation-defer-length"),
        (("Upload-Concat", "partial"), "concatenation"),
        (("Trailer", "X, upload-checksum"), "checksum-trailer"),
    ],
)
def test_a_header_of_an_extension_that_is_off_is_refused_rather_than_left_out(
    header: tuple[str, str], extension: str
) -> None:
    for read in (creation, append):
        with pytest.raises(ExtensionOff, match=f"extension {extension} is not offered"):
            read(LENGTH, header, without=(extension,))


def test_a_trailer_that_announces_no_digest_asks_for_no_extension() -> None:
    assert not append(("Trailer", "X"), body=CHUNKED, without=("checksum-trailer",)).has_checksum_trailer


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                *("Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Checksum"),
                *("Upload-Offset", "Trailer"),
            ]
        ),
        made_of("1", "10", "a YQ==", ",", "partial", "final;", "/files/a", " ", SHA1, "Upload-Checksum"),
    ),
    max_size=5,
)
BODIES = st.sampled_from([NONE, BODY, CHUNKED, BodyFacts("text/plain", 5), BodyFacts(OCTET_STREAM, 0)])
DISABLED = st.sets(st.sampled_from(EVERY_EXTENSION))


@many
@given(HEADERS, BODIES, DISABLED)
def test_any_post_is_read_or_refused_with_400(
    headers: list[tuple[str, str]], body: BodyFacts, disabled: set[str]
) -> None:
    try:
        made = offer(disabled).read_creation(CIMultiDict(headers), body)
    except Refusal as refusal:
        status, code = refusal.status, refusal.code
    else:
        status, code = 201, ""
        # Exactly one source of the length, and nothing that the extensions in use do not know.
        assert [made.length is not None, made.is_deferred, made.kind is Kind.FINAL].count(True) == 1
        assert bool(made.parts) == (made.kind is Kind.FINAL)
        assert made.body in (None, body)
    assert status in (201, 400), code


@many
@given(HEADERS, BODIES, DISABLED)
def test_any_patch_is_read_or_refused_with_400_or_415(
    headers: list[tuple[str, str]], body: BodyFacts, disabled: set[str]
) -> None:
    try:
        asked = offer(disabled).read_append(CIMultiDict(headers), body)
    except Refusal as refusal:
        status, code = refusal.status, refusal.code
    else:
        status, code = 204, ""
        assert asked.checksum is None or not asked.has_checksum_trailer
    assert status in (204, 400, 415), code
