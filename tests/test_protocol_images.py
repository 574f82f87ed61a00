"""Images: first bytes, names, and wishes for other sizes."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiDict

from tests.properties import made_of
from tusserver.protocol.images import (
    MAX_SIDE,
    MAX_STORED_FILENAME,
    THUMBNAIL,
    BadExtension,
    BadWish,
    Fit,
    ImagesAway,
    ImagesBusy,
    ImageTooLarge,
    NoFiles,
    NotAnImage,
    Placement,
    Wish,
    image_type_of,
    judge_extension,
    judge_type,
    other_stored_filename,
    parse_wish,
    safe_stored_filename,
    suffix_of,
    type_of_suffix,
)
from tusserver.protocol.refusals import Refusal

ALLOWED = frozenset({"png", "jpg", "jpeg", "webp"})
PNG = b"\x89PNG\r\n\x1a\n"


def wish(*parameters: tuple[str, str]) -> Wish | None:
    return parse_wish(MultiDict(parameters))


@pytest.mark.parametrize(
    ("refusal", "status", "code", "facts"),
    [
        (NotAnImage(), 415, "not-an-image", {}),
        (BadExtension("svg", ALLOWED), 415, "extension-not-allowed", {"allowed": ["jpeg", "jpg", "png", "webp"]}),
        (ImageTooLarge("pixels", 40, 81), 413, "image-too-large", {"measure": "pixels", "limit": 40, "found": 81}),
        (ImageTooLarge("frames", 100), 413, "image-too-large", {"measure": "frames", "limit": 100}),
        (NoFiles(), 406, "no-files", {}),
        (BadWish("w", "why"), 422, "bad-wish", {"parameter": "w"}),
        (ImagesBusy(), 503, "images-busy", {}),
        (ImagesAway(), 503, "images-away", {}),
    ],
    ids=lambda value: value.code if isinstance(value, Refusal) else "",
)
def test_a_refusal_tells_its_status_its_word_and_its_facts(
    refusal: Refusal, status: int, code: str, facts: dict[str, object]
) -> None:
    assert (refusal.status, refusal.code, refusal.facts) == (status, code, facts)
    assert refusal.detail


def test_what_passes_by_itself_says_when_to_try_again() -> None:
    assert ImagesBusy(wait=3).headers == {"Retry-After": "3"}
    assert ImagesAway(wait=9).headers == {"Retry-After": "9"}


def test_what_is_too_large_tells_how_much_was_found_if_it_is_known() -> None:
    assert "81 pixels" in ImageTooLarge("pixels", 40, 81).detail
    assert "more than 100 frames" in ImageTooLarge("frames", 100).detail


def ftyp(major: bytes, *compatible: bytes, size: int | None = None) -> bytes:
    rest = b"ftyp" + major + b"\0\0\0\0" + b"".join(compatible)
    return (len(rest) + 4 if size is None else size).to_bytes(4, "big") + rest


@pytest.mark.parametrize(
    ("first", "content_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
        (ftyp(b"avif", b"mif1"), "image/avif"),
        (ftyp(b"avis"), "image/avif"),
        (ftyp(b"mif1", b"heic", b"avif"), "image/avif"),
        (ftyp(b"mif1", b"heic"), None),
        (ftyp(b"mif1", b"avif", size=16), None),  # behind the end of the box
        (ftyp(b"heic", b"mif1"), None),
        (b"\0\0\0\x20moov", None),
        (b"RIFF\x24\0\0\0WAVE", None),
        (b"RIFX\x24\0\0\0WEBP", None),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (b"<html>", None),
        (b"BM", None),
        (b"PK\3\4", None),
        (b"\x89PNG", None),
        (b"\xff\xd8", None),
        (b"", None),
    ],
)
def test_the_first_bytes_tell_the_type(first: bytes, content_type: str | None) -> None:
    assert image_type_of(first) == content_type


@pytest.mark.parametrize(
    ("suffix", "content_type"),
    [("jpg", "image/jpeg"), ("JPEG", "image/jpeg"), ("png", "image/png"), ("webp", "image/webp"), ("gif", "image/gif"),
     ("avif", "image/avif"), ("svg", None), ("", None), (".png", None), ("php", None)],
)  # fmt: skip
def test_an_extension_promises_a_type(suffix: str, content_type: str | None) -> None:
    assert type_of_suffix(suffix) == content_type


@pytest.mark.parametrize(
    ("filename", "suffix"),
    [
        *(("a.jpg", "jpg"), ("a.JPG", "jpg"), ("a.tar.gz", "gz"), (".jpg", "jpg"), ("a", ""), ("", "")),
        *(("a.png/b", ""), ("c:\\a.d\\b.png", "png"), ("a.jpg ", "jpg"), ("a.jpg.", "jpg"), ("a.jpg\n", "jpg")),
        *(("a.png\0.jpg", "jpg"), ("photo\u202egpj.exe", "exe"), ("..", "")),
    ],
)
def test_the_extension_is_what_stands_behind_the_last_dot(filename: str, suffix: str) -> None:
    assert suffix_of(filename) == suffix


def test_an_extension_that_is_accepted_gives_the_type_it_promises() -> None:
    assert judge_extension("holiday.JPG", ALLOWED) == "image/jpeg"


@pytest.mark.parametrize("filename", ["a.svg", "a", "a.gif", "a.jpg.exe", "a.png/b", "", "a.jpg\u202e"])
def test_an_extension_that_is_not_accepted_is_refused_with_415(filename: str) -> None:
    with pytest.raises(BadExtension) as refused:
        judge_extension(filename, ALLOWED)
    assert refused.value.facts == {"allowed": ["jpeg", "jpg", "png", "webp"]}


def test_an_extension_of_no_image_is_refused_even_if_it_is_accepted() -> None:
    with pytest.raises(BadExtension):
        judge_extension("a.svg", {"svg"})


def test_bytes_that_begin_as_the_name_promises_are_let_through() -> None:
    judge_type("image/png", PNG)


@pytest.mark.parametrize("first", [b"", b"<svg/>", b"\xff\xd8\xff\xe0"])
def test_bytes_that_begin_as_something_else_are_refused_with_415(first: bytes) -> None:
    with pytest.raises(NotAnImage) as refused:
        judge_type("image/png", first)
    assert "image/png" in refused.value.detail


@pytest.mark.parametrize(
    ("original", "stored"),
    [
        ("image1.jpg", "image1.jpg"),
        ("image2.png", "image2.png"),
        ("DSC_0001.JPG", "DSC_0001.jpg"),
        ("_DSC0001.jpeg", "_DSC0001.jpeg"),
        ("My photo (1).jpg", "My_photo_1_.jpg"),
        ("日本の写真.png", "日本の写真.png"),
        ("u\u0308ber.png", "\u00fcber.png"),
        ("हिन्दी.png", "हिन्दी.png"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini.png", "boot.ini.png"),
        ("/a/b/c.png", "c.png"),
        ("..", "image"),
        ("....", "image"),
        ("", "image"),
        ("/", "image"),
        (".jpg", "image.jpg"),
        (".htaccess", "image.htaccess"),
        ("a..b.png", "a.b.png"),
        ("-rf.png", "rf.png"),
        ("a.png\0.jpg", "a.png_.jpg"),
        ("photo\u202egpj.png", "photo_gpj.png"),
        ("a\u200b\u200db.png", "a_b.png"),
        ("\u3164.png", "_.png"),
        ("\u0301a.png", "_a.png"),
        ("1\u20e3\ufe0f.png", "1_.png"),
        ('<img src=x onerror="a">.png', "_img_src_x_onerror_a_.png"),
        ("a'b\"c`d$e;f&g|h.png", "a_b_c_d_e_f_g_h.png"),
        ("a?b#c%2e.png", "a_b_c_2e.png"),
        ("a\r\nSet-Cookie: b.png", "a_Set-Cookie_b.png"),
        ("😀.png", "_.png"),
        ("con.png", "_con.png"),
        ("NUL", "_NUL"),
        ("com1.tar.png", "_com1.tar.png"),
        ("console.png", "console.png"),
        ("\udcff.png", "_.png"),
        ("a.日本", "a_日本"),
        ("a.JPG-", "a.jpg"),
        ("a.JPG. ", "a.jpg"),
        ("a.", "a"),
    ],
)
def test_a_name_is_made_safe(original: str, stored: str) -> None:
    assert safe_stored_filename(original) == stored


@pytest.mark.parametrize(
    ("original", "content_type", "stored"),
    [
        ("a.JPG", "image/jpeg", "a.jpg"),
        ("a.jpeg", "image/jpeg", "a.jpeg"),
        ("a", "image/jpeg", "a.jpg"),
        ("a.html", "image/png", "a.html.png"),
        ("a.png", "image/webp", "a.png.webp"),
        ("", "image/avif", "image.avif"),
    ],
)
def test_a_name_without_a_fitting_extension_gets_one(original: str, content_type: str, stored: str) -> None:
    assert safe_stored_filename(original, content_type) == stored


@pytest.mark.parametrize("stem", ["a" * 300, "日" * 300, "ü" * 300, "a." * 300, "-" * 150 + "a" * 3])
def test_a_long_name_is_cut_and_keeps_its_extension(stem: str) -> None:
    stored = safe_stored_filename(f"{stem}.JPEG")
    assert stored.endswith(".jpeg")
    assert len(stored.encode()) <= MAX_STORED_FILENAME
    assert ".." not in stored


NASTY = made_of(*"aZ9._- /\\\0\n\u202e\u0301\u0308\u3164😀日'\"<%é\u1100\u1161", "con", ".jpg", ".PNG", "..")


def names() -> st.SearchStrategy[str]:
    return st.one_of(st.text(), NASTY, NASTY.map(lambda text: text * 9))


@given(names(), st.sampled_from([None, "image/png", "image/jpeg"]))
def test_whatever_the_name_it_is_safe_everywhere(original: str, content_type: str | None) -> None:
    stored = safe_stored_filename(original, content_type)
    assert {unicodedata.category(one) for one in stored} <= {
        *("Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Pc", "Pd", "Po")
    }
    assert re.fullmatch(r"[A-Za-z0-9._-]*", re.sub(r"[^\x00-\x7f]", "", stored))
    assert stored[0] not in ".-"
    assert 0 < len(stored.encode()) <= MAX_STORED_FILENAME
    assert unicodedata.is_normalized("NFC", stored)
    assert unquote(quote(stored, safe="")) == stored
    assert ".." not in stored
    assert safe_stored_filename(stored, content_type) == stored


@given(names(), st.binary(min_size=1, max_size=10))
def test_another_name_for_one_that_is_taken_is_as_safe(original: str, random: bytes) -> None:
    stored = safe_stored_filename(original)
    other = other_stored_filename(stored, random)
    assert other != stored
    assert suffix_of(other) == suffix_of(stored)
    assert safe_stored_filename(other) == other


def test_another_name_has_its_random_part_before_the_extension() -> None:
    assert other_stored_filename("image1.jpg", bytes(5)) == "image1-aaaaaaaa.jpg"
    assert other_stored_filename("image", bytes(5)) == "image-aaaaaaaa"


@pytest.mark.parametrize(
    ("parameters", "wished"),
    [
        ((), None),
        ((("v", "2"),), None),
        ((("fit", "cover"),), None),
        ((("w", "320"),), THUMBNAIL),
        ((("w", "0320"),), THUMBNAIL),
        ((("h", "4096"),), Wish(height=4096)),
        ((("w", "1"), ("h", "2"), ("fit", "cover")), Wish(1, 2, Fit.COVER)),
        ((("w", "1"), ("fit", "contain")), Wish(1, fit=Fit.CONTAIN)),
        ((("w", "1"), ("fit", "scale-down")), Wish(1)),
        ((("format", "jpeg"),), Wish(format="image/jpeg")),
        ((("format", "avif"), ("q", "50")), Wish(format="image/avif", quality=50)),
        ((("q", "100"),), Wish(quality=100)),
    ],
)
def test_a_wish_is_read_from_the_parameters(parameters: tuple[tuple[str, str], ...], wished: Wish | None) -> None:
    assert wish(*parameters) == wished


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("w", value) for value in ("", "0", "4097", "-1", "+1", "1.5", "1e3", " 1", "٣", "99999", "0" * 400, "auto")),
        *(("h", value) for value in ("", "0", "4097")),
        *(("q", value) for value in ("", "0", "101", "-1", "high")),
        *(("fit", value) for value in ("", "fill", "COVER", "cover " * 99)),
        *(("format", value) for value in ("", "jpg", "JPEG", "gif", "svg", "image/png")),
    ],
)
def test_a_wish_that_means_nothing_is_refused_with_422(name: str, value: str) -> None:
    with pytest.raises(BadWish) as refused:
        wish((name, value))
    assert refused.value.facts == {"parameter": name}
    assert len(refused.value.detail) < 200


@pytest.mark.parametrize("name", ["w", "h", "q", "fit", "format"])
def test_a_parameter_sent_twice_is_refused(name: str) -> None:
    with pytest.raises(BadWish, match="more than once"):
        wish((name, "1"), (name, "1"))


def test_parameters_are_read_from_whatever_has_several_values() -> None:
    assert parse_wish(CIMultiDict({"W": "320"})) == THUMBNAIL


@pytest.mark.parametrize(
    "values",
    [{"width": 0}, {"width": 4097}, {"height": -1}, {"quality": 0}, {"quality": 101}, {"format": "image/gif"}],
)
def test_a_wish_out_of_its_bounds_cannot_be_made(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"outside|not one of"):
        Wish(**values)  # type: ignore[arg-type]


WISHES = st.builds(
    Wish,
    width=st.none() | st.integers(1, MAX_SIDE),
    height=st.none() | st.integers(1, MAX_SIDE),
    fit=st.sampled_from(Fit),
    format=st.sampled_from([None, "image/jpeg", "image/png", "image/webp", "image/avif"]),
    quality=st.none() | st.integers(1, 100),
)


@given(WISHES, WISHES)
def test_each_wish_has_a_key_of_its_own_that_can_be_part_of_a_filename(one: Wish, other: Wish) -> None:
    assert re.fullmatch(r"[a-z0-9.-]{1,60}", one.key)
    assert (one.key == other.key) == (one == other)


@pytest.mark.parametrize(
    ("wished", "size", "placed"),
    [
        (Wish(width=320), (4000, 3000), (320, 240)),
        (Wish(width=320), (100, 50), (100, 50)),
        (Wish(width=320, fit=Fit.CONTAIN), (100, 50), (320, 160)),
        (Wish(width=100, height=100), (4000, 3000), (100, 75)),
        (Wish(height=30, fit=Fit.COVER), (4000, 3000), (40, 30)),
        (Wish(width=320), (1, 65535), (1, 4096)),
        (Wish(width=320, fit=Fit.CONTAIN), (1, 65535), (1, 4096)),
        (Wish(), (8000, 6000), (4096, 3072)),
        (Wish(quality=5, fit=Fit.CONTAIN), (10, 10), (10, 10)),
    ],
)
def test_an_image_keeps_its_proportions(wished: Wish, size: tuple[int, int], placed: tuple[int, int]) -> None:
    assert wished.place(*size) == Placement(placed, (0.0, 0.0, float(size[0]), float(size[1])))


def test_what_covers_is_cut_on_both_sides_alike() -> None:
    assert Wish(100, 100, Fit.COVER).place(4000, 3000) == Placement((100, 100), (500.0, 0.0, 3500.0, 3000.0))
    assert Wish(10, 20, Fit.COVER).place(10, 10) == Placement((10, 20), (2.5, 0.0, 7.5, 10.0))


@given(WISHES, st.integers(1, 65535), st.integers(1, 65535))
def test_what_is_placed_has_pixels_and_comes_from_inside_the_image(wished: Wish, width: int, height: int) -> None:
    placed = wished.place(width, height)
    assert 1 <= placed.size[0] <= (wished.width or MAX_SIDE)
    assert 1 <= placed.size[1] <= (wished.height or MAX_SIDE)
    left, top, right, bottom = placed.box
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
