"""What a client asks for, read from its headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.properties import made_of, many
from tusserver.protocol.refusals import MalformedHeader, MissingHeader, UnknownMethod, WrongContentType, WrongVersion
from tusserver.protocol.requests import OCTET_STREAM, Append, BodyFacts, check_version, parse_append, parse_method

BODY = BodyFacts(OCTET_STREAM, 5)


@pytest.mark.parametrize(
    "content_type",
    [
        OCTET_STREAM,
        "Application/Offset+Octet-Stream",
        f"{OCTET_STREAM}; charset=binary",
        f" {OCTET_STREAM} ;",
    ],
)
def test_the_type_of_the_protocol_is_upload_data(content_type: str) -> None:
    assert BodyFacts(content_type, 5).is_upload_data


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/octet-stream", "text/plain", f"x{OCTET_STREAM}", f"{OCTET_STREAM}x", f"a;{OCTET_STREAM}"],
)
def test_any_other_type_is_not(content_type: str | None) -> None:
    assert not BodyFacts(content_type, 5).is_upload_data


def test_only_a_body_known_to_have_no_byte_is_empty() -> None:
    assert BodyFacts().is_empty
    assert not BodyFacts(OCTET_STREAM, 1).is_empty
    assert not BodyFacts(OCTET_STREAM, None).is_empty


def test_the_version_of_this_server_is_let_pass() -> None:
    check_version(CIMultiDict({"tus-resumable": "1.0.0"}))


@pytest.mark.parametrize("sent", ["", "1.0", "1.0.1", "0.2.2", "2.0.0", " 1.0.0", "1.0.0, 1.0.0", "1.0.0\u00a0"])
def test_another_version_is_refused_with_412_and_the_list(sent: str) -> None:
    with pytest.raises(WrongVersion) as refused:
        check_version(CIMultiDict({"Tus-Resumable": sent}))
    assert refused.value.status == 412
    assert refused.value.headers == {"Tus-Version": "1.0.0"}


def test_no_version_is_refused_with_412() -> None:
    with pytest.raises(WrongVersion, match="no Tus-Resumable was sent"):
        check_version(CIMultiDict())


def test_two_versions_are_refused() -> None:
    with pytest.raises(MalformedHeader):
        check_version(CIMultiDict([("Tus-Resumable", "1.0.0"), ("Tus-Resumable", "0.2.2")]))


@pytest.mark.parametrize(
    ("actual", "override", "method"),
    [
        ("PATCH", None, "PATCH"),
        ("POST", "PATCH", "PATCH"),
        ("PUT", "PATCH", "PATCH"),
        ("GET", "DELETE", "DELETE"),
        ("PATCH", "PATCH", "PATCH"),
        ("PATCH", "", "PATCH"),
    ],
)
def test_the_method_of_the_override_counts_whatever_the_actual_one(
    actual: str, override: str | None, method: str
) -> None:
    headers = CIMultiDict({} if override is None else {"X-HTTP-Method-Override": override})
    assert parse_method(actual, headers, ("PATCH", "DELETE")) == method


@pytest.mark.parametrize(
    ("actual", "override"),
    [("PUT", None), ("PATCH", "PUT"), ("PATCH", "patch"), ("PATCH", "PATCH "), ("PATCH", "\udcff"), ("patch", None)],
)
def test_a_method_that_is_not_one_of_the_address_is_refused_with_405(actual: str, override: str | None) -> None:
    headers = CIMultiDict({} if override is None else {"X-HTTP-Method-Override": override})
    with pytest.raises(UnknownMethod) as refused:
        parse_method(actual, headers, ("PATCH", "DELETE"))
    assert refused.value.status == 405
    assert refused.value.headers == {"Allow": "PATCH, DELETE"}


def test_two_overrides_are_refused() -> None:
    headers = CIMultiDict([("X-HTTP-Method-Override", "PATCH"), ("X-HTTP-Method-Override", "DELETE")])
    with pytest.raises(MalformedHeader):
        parse_method("POST", headers, ("PATCH", "DELETE"))


def test_a_patch_tells_where_its_bytes_go() -> None:
    assert parse_append(CIMultiDict({"Upload-Offset": "5"}), BODY) == Append(5, BODY)


def test_a_patch_may_tell_the_length_late() -> None:
    append = parse_append(CIMultiDict({"Upload-Offset": "5", "Upload-Length": "10"}), BODY)
    assert append == Append(5, BODY, length=10)


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
def test_a_patch_of_another_type_is_refused_with_415_before_anything_else(content_type: str | None) -> None:
    with pytest.raises(WrongContentType) as refused:
        parse_append(CIMultiDict({"Upload-Offset": "rubbish"}), BodyFacts(content_type, 5))
    assert refused.value.status == 415


def test_a_patch_without_offset_is_refused_with_400() -> None:
    with pytest.raises(MissingHeader) as refused:
        parse_append(CIMultiDict({"Upload-Length": "10"}), BODY)
    assert refused.value.status == 400
    assert refused.value.facts == {"header": "Upload-Offset"}


@pytest.mark.parametrize("name", ["Upload-Offset", "Upload-Length"])
@pytest.mark.parametrize("value", ["", "abc", "-1", "5.0", "0x5", "5 5", "5,5", "+5", "1_0"])
def test_a_patch_with_a_number_that_is_none_is_refused_with_400(name: str, value: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        parse_append(CIMultiDict({"Upload-Offset": "5"} | {name: value}), BODY)
    assert refused.value.facts == {"header": name}


@many
@given(
    st.lists(st.tuples(st.sampled_from(["Upload-Offset", "Upload-Length"]), made_of("0", "5", "-", "9" * 30))),
    made_of(OCTET_STREAM, ";", "text/plain"),
)
def test_any_headers_of_a_patch_are_read_or_refused(headers: list[tuple[str, str]], content_type: str) -> None:
    try:
        append = parse_append(CIMultiDict(headers), BodyFacts(content_type, None))
    except (WrongContentType, MissingHeader, MalformedHeader):
        return
    assert append.offset >= 0
    assert append.length is None or append.length >= 0
