"""Files are held against what they are said to be: no honest one is refused, no other one is taken."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis.strategies import binary, sampled_from, tuples

from tests.content_corpus import HTML, PHP, Sample, film, picture, tarred, true_files, windows_program, zipped
from tests.content_lies import lies
from tusserver.protocol.content import (
    ALIASES,
    FORMATS,
    check_content,
    check_type,
    is_among,
    may_be,
)
from tusserver.protocol.refusals import ContentTypeMismatch, TypeNotAllowed
from tusserver.protocol.signatures import ENOUGH, LOOKS, known

TRUE_FILES = true_files()
LIES = lies()


def told(sample: Sample) -> str:
    return f"{sample.name} as {sample.content_type}"


def declared(sample: Sample) -> None:
    check_content(sample.content_type, sample.data[:ENOUGH], ("image/png",))


def test_the_corpus_is_large_enough_to_tell_something() -> None:
    assert len(TRUE_FILES) >= 100
    assert len(LIES) >= 80
    assert len({told(sample) for sample in TRUE_FILES + LIES}) == len(TRUE_FILES + LIES)


@pytest.mark.parametrize("sample", TRUE_FILES, ids=told)
def test_an_honest_file_is_taken(sample: Sample) -> None:
    declared(sample)


@pytest.mark.parametrize("sample", LIES, ids=told)
def test_a_file_that_is_something_else_is_refused(sample: Sample) -> None:
    with pytest.raises(ContentTypeMismatch) as refused:
        declared(sample)
    assert (refused.value.status, refused.value.code) == (415, "content-type-mismatch")
    assert refused.value.facts == {"content_type": sample.content_type}


# Formats that no honest file of the corpus shares with another, each with the true files that may go by its type.
STRICT = {
    "image/png": ("image/png", "image/apng", "icon that is a png"),
    "image/jpeg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "image/gif": ("image/gif",),
    "image/webp": ("image/webp",),
    "image/avif": ("avif",),
    "image/bmp": ("image/bmp", "image/x-ms-bmp"),
    "application/pdf": ("application/pdf", "illustrator, which is pdf"),
    "application/vnd.sqlite3": ("application/vnd.sqlite3",),
    "application/x-7z-compressed": ("application/x-7z-compressed",),
    "video/webm": ("video/webm", "video/x-matroska"),
    "audio/midi": ("audio/midi",),
    "font/woff2": ("font/woff2",),
    "application/wasm": ("application/wasm",),
}


@pytest.mark.parametrize("content_type", STRICT)
def test_every_other_file_of_the_corpus_is_refused_under_a_type_with_a_signature(content_type: str) -> None:
    taken = [sample for sample in TRUE_FILES if may_be(content_type, sample.data[:ENOUGH])]
    assert [told(one) for one in taken if not any(word in told(one) for word in STRICT[content_type])] == []
    assert taken


def test_whatever_follows_behind_the_first_bytes_is_not_looked_at() -> None:
    check_content("image/png", (picture("PNG") + bytes(ENOUGH))[:ENOUGH], ("image/*",))
    check_content("text/plain", (b"a" * ENOUGH + b"\0")[:ENOUGH], ("text/*",))


UNDECLARED = [
    ("png", picture("PNG"), "image/png"),
    ("png in a range", picture("PNG"), "image/*"),
    ("png by another name", picture("PNG"), "image/x-png"),
    ("text", b"hello", "text/*"),
    ("text as csv", b"a,b", "text/csv"),
    ("zip as docx", zipped("a"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("anything as octet-stream", windows_program(), "application/octet-stream"),
    ("pdf in a range", picture("PDF"), "application/*"),
    ("unknown in a range", b"\1\2\3", "application/*"),
    ("unknown", b"\1\2\3", "application/x-fish"),
    ("model in a range", b"glTF\2\0\0\0", "model/*"),
    ("nothing as text", b"", "text/plain"),
]


@pytest.mark.parametrize("content_type", [None, "application/octet-stream"])
@pytest.mark.parametrize(("name", "data", "allowed"), UNDECLARED, ids=[one[0] for one in UNDECLARED])
def test_an_upload_that_declares_nothing_is_taken_for_its_bytes(
    name: str, data: bytes, allowed: str, content_type: str | None
) -> None:
    check_type(content_type, ("audio/x-fish", allowed))
    check_content(content_type, data, ("audio/x-wav", allowed))


FOREIGN = [
    ("png as jpeg", picture("PNG"), "image/jpeg"),
    ("exe in a range of pictures", windows_program(), "image/*"),
    ("php in a picture", picture("GIF", "P") + PHP, "image/*"),
    ("html in a range of pictures", HTML, "image/*"),
    ("film in a range of pictures", film(b"isom", b"isom"), "image/*"),
    ("heic in a range of films", film(b"heic", b"mif1"), "video/*"),
    ("unknown in a range of sounds", b"\1\2\3", "audio/*"),
    ("exe as text", windows_program(), "text/*"),
    ("png in a range of applications", picture("PNG"), "application/*"),
    ("png as something unknown", picture("PNG"), "application/x-fish"),
    ("tar in a range of models", tarred(0, "a"), "model/*"),
    ("a password's docx as docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/epub+zip"),
    ("rubbish as mp3", b"\1\2\3" * 700, "audio/mpeg"),
    ("nothing as png", b"", "image/png"),
]


@pytest.mark.parametrize(("name", "data", "allowed"), FOREIGN, ids=[one[0] for one in FOREIGN])
def test_an_upload_that_declares_nothing_is_refused_for_its_bytes(name: str, data: bytes, allowed: str) -> None:
    with pytest.raises(ContentTypeMismatch) as refused:
        check_content(None, data, (allowed,))
    assert refused.value.facts == {"types": [allowed]}


def test_where_every_type_is_taken_nothing_is_looked_at() -> None:
    check_type("image/png", ())
    check_content("image/png", windows_program(), ())


def test_what_is_declared_is_held_to_it_also_where_octet_stream_is_taken() -> None:
    with pytest.raises(ContentTypeMismatch):
        check_content("image/png", windows_program(), ("application/octet-stream", "image/png"))


@pytest.mark.parametrize("other", sorted(ALIASES))
def test_a_type_is_taken_under_every_name_it_has(other: str) -> None:
    name = ALIASES[other]
    assert name not in ALIASES
    assert is_among(other, (name,))
    assert is_among(name, (other,))
    assert is_among(other, (f"{name.partition('/')[0]}/*",))
    assert is_among(other, (f"{other.partition('/')[0]}/*",))


@pytest.mark.parametrize("told", [None, "application/octet-stream", "image/png", "image/webp", "text/plain"])
def test_a_type_that_is_among_those_taken_passes_and_so_does_nothing(told: str | None) -> None:
    check_type(told, ("image/*", "text/plain"))
    check_type(told, ())


@pytest.mark.parametrize("told", ["application/pdf", "text/html", "imagex/png"])
def test_a_type_that_is_not_among_those_taken_is_refused_before_any_byte(told: str) -> None:
    with pytest.raises(TypeNotAllowed) as refused:
        check_type(told, ("text/plain", "image/*"))
    assert (refused.value.status, refused.value.code) == (415, "type-not-allowed")
    assert refused.value.facts == {"types": ["text/plain", "image/*"]}


def test_the_table_names_only_families_that_there_are_and_one_name_for_each_type() -> None:
    named = {family for format in FORMATS.values() for family in format.families + format.also}
    assert named <= set(LOOKS)
    assert not set(FORMATS) & set(ALIASES)


@pytest.mark.parametrize(
    "head",
    [b"", b"\0", b"\xff", b"GIF89a", b"\xff\xfb", b"<!--" * 1000, b"<!---->" * 580, b"\n" * ENOUGH, b"\0\0\0\x20ftyp",
     b"\xff" * ENOUGH, b"\xff\xfe", b"\0\0\xfe\xff", bytes(ENOUGH), b"{\\rtf" * 800, b"%!" * 2000, b"<" * ENOUGH],
)  # fmt: skip
def test_whatever_the_bytes_are_they_are_judged_at_once(head: bytes) -> None:
    began = time.monotonic()
    assert known(head) in (*LOOKS, None)
    for content_type in (*FORMATS, "text/plain", "image/x-fish"):
        assert may_be(content_type, head) in (True, False)
    assert time.monotonic() - began < 0.5


NAMES = (*FORMATS, *ALIASES, "text/plain", "text/x-fish", "image/x-fish", "application/x-fish", "model/x-fish")
HEADS = [sample.data[:ENOUGH] for sample in TRUE_FILES + LIES]


@given(head=binary(max_size=600) | sampled_from(HEADS) | tuples(sampled_from(HEADS), binary()).map(b"".join))
def test_what_is_taken_undeclared_would_be_taken_declared(head: bytes) -> None:
    for name in NAMES:
        try:
            check_content(None, head[:ENOUGH], (name,))
        except ContentTypeMismatch:
            continue
        check_content(name, head[:ENOUGH], (name,))
