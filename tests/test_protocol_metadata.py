"""`Upload-Metadata`, and the labels read from it."""

from __future__ import annotations

import base64
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import made_of, many
from tusserver.protocol.metadata import (
    BIDI_CONTROLS,
    MAX_FILENAME,
    Metadata,
    clean_filename,
    make_metadata,
    parse_metadata,
)
from tusserver.protocol.refusals import MalformedHeader


def encoded(value: str | bytes) -> str:
    """A value as it stands in the field."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


def field_of(**values: str | bytes) -> str:
    """A field with these pairs."""
    return ",".join(f"{key} {encoded(value)}" for key, value in values.items())


def parsed(field: str) -> Metadata:
    """The field read, which is not empty."""
    metadata = parse_metadata(field, 8192)
    assert metadata is not None
    return metadata


def test_pairs_are_read_in_the_order_sent_and_the_field_is_kept() -> None:
    field = "filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential,z dg=="
    metadata = parsed(field)
    assert metadata.field == field
    assert list(metadata.values.items()) == [
        ("filename", b"world_domination_plan.pdf"),
        ("is_confidential", b""),
        ("z", b"v"),
    ]


@pytest.mark.parametrize("field", [None, ""])
def test_no_field_and_the_empty_field_are_no_metadata(field: str | None) -> None:
    assert parse_metadata(field, 0) is None


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("a", {"a": b""}),
        ("a ", {"a": b""}),
        ("a,b ,c YQ==", {"a": b"", "b": b"", "c": b"a"}),
        ("!#$%&'()*+-./:;<=>?@[\\]^_`{|}~ YQ==", {"!#$%&'()*+-./:;<=>?@[\\]^_`{|}~": b"a"}),
        ("A YQ==,a Yg==", {"A": b"a", "a": b"b"}),
        (f"all {encoded(bytes(range(256)))}", {"all": bytes(range(256))}),
    ],
)
def test_what_the_grammar_allows_is_taken(field: str, values: dict[str, bytes]) -> None:
    assert parsed(field).values == values


@pytest.mark.parametrize(
    "field",
    [
        *(" ", ",", "a,", ",a", "a,,b", "a YQ==,", " a YQ==", "a YQ==, b Yg==", "a YQ== ,b Yg=="),
        *("a  YQ==", "a YQ== Yg==", "a b c", "a\tYQ==", "a YQ==\n", "a Y Q==", "a YQ=\n="),
        *("a YQ", "a YQ=", "a YQ===", "a Y", "a ====", "a Y-_=", "a !!!!", "a YQ==YQ==", "a =YQ="),
        *("ä YQ==", "a ä", "\udce4 YQ==", "a \udce4", "\x00 YQ==", "a\x7f YQ==", "a \x00"),
    ],
)
def test_what_the_grammar_does_not_allow_is_refused_with_400(field: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        parse_metadata(field, 8192)
    assert refused.value.status == 400
    assert refused.value.facts == {"header": "Upload-Metadata"}
    refused.value.detail.encode()


@pytest.mark.parametrize("field", ["a YQ==,a YQ==", "a,a", "a YQ==,b,a Yg=="])
def test_a_key_given_twice_is_refused(field: str) -> None:
    with pytest.raises(MalformedHeader, match="the key 'a' was given twice"):
        parse_metadata(field, 8192)


def test_a_field_that_just_fits_is_taken_and_a_longer_one_refused() -> None:
    assert parse_metadata("a YQ==", 6) is not None
    with pytest.raises(MalformedHeader, match="has 6 characters, at most 5 are taken"):
        parse_metadata("a YQ==", 5)


@many
@given(made_of("filename", "a", " ", ",", "YQ==", "=", "d29ybGQ="), st.integers(0, 60))
def test_any_field_is_kept_unaltered_or_malformed(field: str, max_size: int) -> None:
    try:
        metadata = parse_metadata(field, max_size)
    except MalformedHeader:
        return
    if metadata is None:
        assert field == ""
    else:
        assert metadata.field == field
        assert len(field) <= max_size
        assert list(metadata.values) == [pair.split(" ")[0] for pair in field.split(",")]
        # The labels can be read of whatever was taken.
        assert metadata.filename is None or metadata.filename != ""
        assert metadata.content_type is None or "/" in metadata.content_type


KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters=","), min_size=1)


@many
@given(st.dictionaries(KEYS, st.binary(max_size=50), min_size=1, max_size=8))
def test_any_pairs_come_back_in_their_order(values: dict[str, bytes]) -> None:
    metadata = parsed(",".join(f"{key} {encoded(value)}" for key, value in values.items()))
    assert list(metadata.values.items()) == list(values.items())


@pytest.mark.parametrize("nothing", ["", "null", "undefined", b"\xff\xfe"])
def test_a_value_that_tells_nothing_makes_way_for_the_next_key(nothing: str | bytes) -> None:
    metadata = parsed(field_of(a=nothing, b="text"))
    assert metadata.text("a", "b") == "text"
    assert metadata.text("a", "absent") is None


@pytest.mark.parametrize(
    ("field", "filename"),
    [
        (field_of(filename="report.pdf"), "report.pdf"),
        (field_of(name="report.pdf"), "report.pdf"),
        (field_of(filename="a.txt", name="b.txt"), "a.txt"),
        (field_of(filename="a.txt", relativePath="folder/a.txt"), "folder/a.txt"),
        (field_of(filename="a.txt", relativePath="null"), "a.txt"),
        (field_of(filename="Ünï ☃.txt"), "Ünï ☃.txt"),
        (field_of(filename="../../etc/passwd"), "etc/passwd"),
        (field_of(filename="a.txt", relativePath="../.."), "a.txt"),
        (field_of(filename=" ", name="b.txt"), "b.txt"),
        (field_of(filename=".."), None),
        (field_of(filename=b"\xff"), None),
        (field_of(other="a.txt"), None),
    ],
)
def test_the_name_is_a_label_from_what_clients_send(field: str, filename: str | None) -> None:
    assert parsed(field).filename == filename


@pytest.mark.parametrize(
    ("field", "content_type"),
    [
        (field_of(filetype="image/png"), "image/png"),
        (field_of(type="IMAGE/PNG"), "image/png"),
        (field_of(contentType=" text/plain; charset=utf-8"), "text/plain"),
        (field_of(content_type="application/vnd.ms-excel"), "application/vnd.ms-excel"),
        (field_of(filetype="null", type="image/svg+xml"), "image/svg+xml"),
        (field_of(filetype="picture", type="image/png"), "image/png"),
        (field_of(filetype="image"), None),
        (field_of(filetype="image/"), None),
        (field_of(filetype="image/png\r\nSet-Cookie: a=b"), None),
        (field_of(filetype="image/png\n"), "image/png"),
        (field_of(filetype="image/*"), None),
        (field_of(filetype="ımage/png"), None),
        (field_of(filetype="a/b/c"), None),
        (field_of(filetype="a" * 65 + "/b"), None),
        (field_of(filename="a.png"), None),
    ],
)
def test_the_type_is_what_the_client_declares_if_it_is_one(field: str, content_type: str | None) -> None:
    assert parsed(field).content_type == content_type


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("folder/report.pdf", "folder/report.pdf"),
        ("/etc/passwd", "etc/passwd"),
        ("../../etc/passwd", "etc/passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\fakepath\\a.txt", "C:/fakepath/a.txt"),
        ("a//./b/../c", "a/b/c"),
        (" a / b ", "a/b"),
        (" .. /a", "a"),
        (".\u202e./a", "a"),
        (".\x00./a", "a"),
        ("a\x00b\r\nc\x7f\x85.txt", "abc.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("\u2066a\u2069", "a"),
        ("u\u0308", "ü"),
        ("u\x00\u0308", "ü"),
        ("a\ud800b\udcff", "ab"),
        ("...", "..."),
        (".hidden", ".hidden"),
        ("😀.png", "😀.png"),
    ],
)
def test_a_name_is_made_fit_to_be_shown(name: str, clean: str) -> None:
    assert clean_filename(name) == clean


@pytest.mark.parametrize("name", ["", ".", "..", "/", "\\", " ", "\x00", "../..", "\u202e", "\ud800", ". /.. "])
def test_a_name_of_which_nothing_is_left_is_none(name: str) -> None:
    assert clean_filename(name) is None


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a../" + "b" * 1021, "b" * 1021),
        ("a./" + "b" * 1022, "b" * 1022),
        ("a/" + "b" * 1024, "b" * 1024),
        ("a " + "b" * 1023, "b" * 1023),
    ],
)
def test_the_cut_of_a_long_name_leaves_no_part_that_is_none(name: str, clean: str) -> None:
    assert clean_filename(name) == clean


def test_a_long_name_keeps_its_end_and_whole_characters() -> None:
    clean = clean_filename("ä" * 1000 + ".txt")
    assert clean == "ä" * 510 + ".txt"
    assert len(clean.encode()) == MAX_FILENAME


# Around the longest that is kept, the cut falls between any two of the first characters.
LONG_NAMES = st.builds(
    lambda start, rest: "".join(start) + "b" * (MAX_FILENAME - rest),
    st.lists(st.sampled_from("a./ ä\u0301\x00"), max_size=8),
    st.integers(0, 8),
)
NAMES = LONG_NAMES | made_of("/", "\\", ".", "..", " ", "e", "\u0301", "\x00", "\u202e", "a" * 500, "\u0958")


@many
@given(NAMES)
def test_any_name_becomes_a_safe_label_and_stays_one(name: str) -> None:
    clean = clean_filename(name)
    if clean is None:
        return
    assert clean_filename(clean) == clean
    assert unicodedata.is_normalized("NFC", clean)
    assert 0 < len(clean.encode()) <= MAX_FILENAME
    assert not [c for c in clean if unicodedata.category(c) in ("Cc", "Cs") or c in BIDI_CONTROLS or c == "\\"]
    for part in clean.split("/"):
        assert part.strip() == part
        assert part not in ("", ".", "..")


def test_metadata_that_another_door_tells_is_what_a_tus_client_would_have_sent() -> None:
    made = make_metadata({"filename": "ü.txt", "empty": ""}, 100)
    assert made.field == "filename w7wudHh0,empty"
    assert parse_metadata(made.field, 100) == made


@pytest.mark.parametrize(("key", "most"), [("a key", 100), ("", 100), ("a,b", 100), ("ü", 100), ("key", 5)])
def test_metadata_that_a_field_cannot_hold_is_refused(key: str, most: int) -> None:
    with pytest.raises(MalformedHeader):
        make_metadata({key: "text"}, most)
