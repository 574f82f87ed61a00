"""Originals written anew: smaller, without personal data, and the same picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from tests import image_making as make
from tests.image_making import jpeg, picture, saved
from tests.test_imaging_codec import SECRET, revealing
from tusserver.imaging import codec
from tusserver.imaging.base import Bounds, Seen


def optimised(folder: Path, data: bytes) -> tuple[Seen | None, bytes | None]:
    """What is told of a file written anew, and the file."""
    original, into = folder / "original", folder / "into"
    original.write_bytes(data)
    seen = codec.optimise(original, into, Bounds())
    return seen, into.read_bytes() if into.exists() else None


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (jpeg(600, 400, quality=98), "image/jpeg"),
        (saved(picture(600, 400), "PNG", compress_level=0), "image/png"),
        (saved(Image.effect_noise((300, 200), 50).convert("RGB"), "WEBP", quality=99), "image/webp"),
        (saved(Image.effect_noise((300, 200), 50).convert("RGB"), "AVIF", quality=99), "image/avif"),
    ],
)
def test_a_wasteful_file_becomes_smaller_and_stays_what_it_is(tmp_path: Path, data: bytes, content_type: str) -> None:
    seen, made = optimised(tmp_path, data)
    assert made is not None
    assert len(made) < len(data)
    assert codec.inspect(tmp_path / "into", Bounds(), content_type) == seen


@pytest.mark.parametrize(
    "data",
    {
        "small JPEG": jpeg(300, 200, quality=30, optimize=True),
        "small JPEG with a profile": jpeg(300, 200, quality=30, optimize=True, icc_profile=make.srgb()),
        "small PNG": saved(picture(), "PNG", optimize=True),
        "WebP that moves": make.animated_webp(3),
        "PNG that moves": make.apng(3),
        "GIF": saved(picture(mode="P"), "GIF"),
        "CMYK": saved(picture(mode="CMYK"), "JPEG", quality=100),
        "16 bits": make.png_of(make.header(50, 50, 16, make.GREY), bytes(101 * 50)),
        "16 bits a colour": make.png_of(make.header(50, 50, 16, make.COLOUR), bytes(301 * 50)),
    }.values(),
)
def test_what_would_not_gain_by_it_is_left_alone(tmp_path: Path, data: bytes) -> None:
    assert optimised(tmp_path, data) == (None, None)


def test_personal_data_go_even_if_the_file_is_none_the_smaller_for_it(tmp_path: Path) -> None:
    for more in ({"comment": SECRET}, {"exif": make.exif((0x9003, SECRET.decode()))}, {"xmp": SECRET}):
        data = jpeg(300, 200, quality=20, optimize=True, **more)
        seen, made = optimised(tmp_path, data)
        assert seen == Seen("image/jpeg", 300, 200)
        assert made is not None
        assert len(made) > len(data)
        assert SECRET not in made


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_what_is_written_anew_tells_nothing_but_its_pixels_and_their_colours(tmp_path: Path, kind: str) -> None:
    seen, made = optimised(tmp_path, revealing(kind))
    assert seen is not None
    assert made is not None
    assert SECRET not in made


def test_the_colour_profile_stays_since_the_colours_do(tmp_path: Path) -> None:
    _, made = optimised(tmp_path, revealing("JPEG"))
    assert made is not None
    assert make.read(tmp_path / "into").info["icc_profile"] == make.srgb()


@pytest.mark.parametrize("turn", range(1, 9))
def test_what_is_written_anew_stands_upright_by_itself(tmp_path: Path, turn: int) -> None:
    seen, _ = optimised(tmp_path, make.turned(turn))
    assert seen == Seen("image/jpeg", *((30, 40) if turn >= 5 else (40, 30)))
    assert make.read(tmp_path / "into").size == (seen.width, seen.height)


@pytest.mark.parametrize(
    "data",
    [
        saved(picture(200, 150), "PNG", compress_level=0),
        saved(picture(200, 150, "RGBA"), "PNG", compress_level=0),
        saved(picture(200, 150).quantize(40), "PNG", compress_level=0, transparency=3),
        saved(picture(200, 150, "L"), "PNG", compress_level=0),
        saved(Image.effect_noise((99, 99), 50).convert("RGB"), "WEBP", lossless=True, quality=0, method=0, xmp=b"me"),
    ],
    ids=["colours", "opacity", "palette", "grey", "WebP without loss"],
)
def test_what_was_stored_without_loss_loses_nothing(tmp_path: Path, data: bytes) -> None:
    _, made = optimised(tmp_path, data)
    assert made is not None
    before, after = make.read(tmp_path / "original"), make.read(tmp_path / "into")
    assert after.mode == before.mode
    assert ImageChops.difference(before.convert("RGBA"), after.convert("RGBA")).getextrema() == ((0, 0),) * 4
