"""What is made of images: the right way up, in the right colours, and with nothing that was not asked for."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from tests import image_making as make
from tests.image_making import chunk, jpeg, picture, png, saved
from tusserver.imaging import codec
from tusserver.imaging.base import Bounds, Seen
from tusserver.protocol.images import BadWish, Fit, ImageTooLarge, NotAnImage, Wish

BOUNDS = Bounds()
TYPES = ["image/jpeg", "image/png", "image/webp", "image/avif"]
SECRET = b"52.5163N 13.3777E"
TAKEN_AT, GPS = 0x9003, 0x8825


@pytest.fixture(autouse=True)
def _prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow as a worker sets it, and as it was afterwards."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    codec.prepare(BOUNDS)


def put(folder: Path, data: bytes) -> Path:
    path = folder / "original"
    path.write_bytes(data)
    return path


def derived(folder: Path, data: bytes, wish: Wish = Wish(format="image/png")) -> Image.Image:  # noqa: B008 (a value)
    """What is made of a file, decoded."""
    into = folder / "derived"
    seen = codec.derive(put(folder, data), into, BOUNDS, wish)
    made = make.read(into)
    assert made.size == (seen.width, seen.height)
    assert Image.MIME[str(made.format)] == seen.content_type
    return made


def difference(one: Image.Image, other: Image.Image) -> float:
    """How far two images of one size are apart: 0 for the same, 255 for black and white."""
    assert one.size == other.size
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_a_derived_image_stands_upright(tmp_path: Path, turn: int, kind: str) -> None:
    upright = picture() if turn == 1 else picture().transpose(codec.TURNS[turn])
    found = codec.inspect(put(tmp_path, make.turned(turn, kind)), BOUNDS, None)
    assert (found.width, found.height) == upright.size
    assert difference(derived(tmp_path, make.turned(turn, kind)), upright) < 4


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_part_is_cut_from_the_middle_of_what_is_displayed(tmp_path: Path, turn: int) -> None:
    upright = picture() if turn == 1 else picture().transpose(codec.TURNS[turn])
    wish = Wish(20, 10, Fit.COVER, format="image/png")
    box = wish.place(*upright.size).box
    wanted = upright.resize((20, 10), Image.Resampling.LANCZOS, box)
    assert difference(derived(tmp_path, make.turned(turn), wish), wanted) < 4


def revealing(kind: str) -> bytes:
    """An image that tells where it was taken, in every way its format has."""
    exif = Image.Exif()
    exif[TAKEN_AT] = SECRET.decode()
    exif.get_ifd(GPS)[29] = SECRET.decode()
    options = {"exif": exif.tobytes()}
    if kind != "PNG":
        options["xmp"] = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    if kind == "JPEG":
        options["comment"] = SECRET
    whole = saved(picture(160, 120), kind, icc_profile=make.srgb(), **options)
    if kind == "PNG":
        whole = whole[:33] + chunk(b"tEXt", b"Comment\0" + SECRET) + whole[33:]
    assert SECRET in whole
    return whole


@pytest.mark.parametrize("target", TYPES)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_a_derived_image_tells_nothing_but_its_pixels(tmp_path: Path, kind: str, target: str) -> None:
    for wish in (Wish(80, format=target), Wish(format=target)):
        made = derived(tmp_path, revealing(kind), wish)
        assert SECRET not in (tmp_path / "derived").read_bytes()
        assert not {"exif", "xmp", "comment", "icc_profile", "photoshop"} & set(made.info)
        assert not dict(made.getexif())


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_white_shows_through_where_a_jpeg_cannot_be_clear(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0)).convert(mode)
    made = derived(tmp_path, saved(clear, "PNG"), Wish(8, format="image/jpeg"))
    assert made.mode == "RGB"
    assert made.getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("target", ["image/png", "image/webp"])
def test_what_is_clear_stays_clear_and_colours_none_of_its_neighbours(tmp_path: Path, target: str) -> None:
    half = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    half.paste((255, 0, 0, 255), (0, 0, 32, 64))
    made = derived(tmp_path, saved(half, "PNG"), Wish(8, format=target, quality=100))
    assert made.mode == "RGBA"
    clear, seam = made.crop((6, 0, 8, 8)), made.crop((3, 0, 4, 8))
    assert clear.getchannel("A").point(lambda value: value > 3).getbbox() is None
    assert seam.getchannel("A").point(lambda value: value < 200).getbbox() is None
    assert seam.getchannel("G").point(lambda value: value > 15).getbbox() is None


def test_what_is_clear_stays_clear_in_a_format_that_loses_a_little(tmp_path: Path) -> None:
    made = derived(tmp_path, saved(picture(mode="RGBA"), "PNG"), Wish(format="image/avif"))
    clear = derived(tmp_path, saved(Image.new("RGBA", (8, 8)), "PNG"), Wish(format="image/avif"))
    assert made.convert("RGBA").getchannel("A").getextrema() == (255, 255)
    assert clear.getchannel("A").getextrema() == (0, 0)


def test_a_palette_with_a_clear_colour_becomes_colours_with_opacity(tmp_path: Path) -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    made = derived(tmp_path, saved(palette, "PNG", transparency=0))
    assert made.mode == "RGBA"
    assert made.getpixel((0, 0)) == (10, 200, 30, 255)


def test_sixteen_bits_of_grey_become_the_eight_upper_ones(tmp_path: Path) -> None:
    values = (0, 0x0100, 0x7FFF, 0x8080, 0xFFFF)
    rows = b"\0" + struct.pack(">5H", *values)
    made = derived(tmp_path, make.png_of(make.header(5, 1, 16, make.GREY), rows))
    assert [made.getpixel((x, 0)) for x in range(5)] == pytest.approx([0, 1, 127, 128, 255], abs=1)


@pytest.mark.parametrize("by_adobe", [True, False])
def test_inks_become_the_colours_they_print(tmp_path: Path, by_adobe: bool) -> None:
    inks = saved(picture(mode="CMYK"), "JPEG", quality=95)
    at = inks.index(b"\xff\xee")
    data = inks if by_adobe else inks[:at] + inks[at + 16 :]
    made = derived(tmp_path, data)
    assert made.mode == "RGB"
    assert difference(made, picture()) < 6


def swapped_profile() -> bytes:
    """A profile in which what is called red is blue, and the other way round."""
    profile = bytearray(make.srgb())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_that_the_profile_means(tmp_path: Path, mode: str) -> None:
    red = Image.new(mode, (8, 8), (255, 0, 0, 128)[: len(mode)])
    made = derived(tmp_path, saved(red, "PNG", icc_profile=swapped_profile()))
    assert made.mode == mode
    pixel = made.getpixel((4, 4))
    assert isinstance(pixel, tuple)
    assert pixel[:3] == pytest.approx((0, 0, 255), abs=3)
    assert pixel[3:] == (128,)[: len(mode) - 3]


@pytest.mark.parametrize(
    ("data", "mode"),
    [
        (jpeg(icc_profile=b"acsp" * 99), "RGB"),
        (saved(picture(mode="L"), "JPEG", icc_profile=make.srgb()), "L"),
        (saved(picture(mode="CMYK"), "JPEG", icc_profile=make.srgb()), "RGB"),
        (saved(picture(mode="1"), "PNG"), "L"),
    ],
    ids=["broken", "for colours, on grey", "for light, on inks", "none, on black and white"],
)
def test_a_profile_that_does_not_fit_is_none(tmp_path: Path, data: bytes, mode: str) -> None:
    assert derived(tmp_path, data).mode == mode


@pytest.mark.parametrize(
    "data", [make.animated_webp(3), make.apng(3), make.animated_gif(3)], ids=["WebP", "PNG", "GIF"]
)
def test_of_an_animated_image_the_first_frame_is_shown(tmp_path: Path, data: bytes) -> None:
    first = make.read(put(tmp_path, data)).convert("RGB")
    made = derived(tmp_path, data)
    assert getattr(made, "n_frames", 1) == 1
    assert difference(made, first) < 2


@pytest.mark.parametrize("fit", Fit)
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (40, 30)])
@pytest.mark.parametrize("room", [(1, 1), (300, 1), (1, 300), (320, 240)])
def test_any_image_is_made_into_any_size(
    tmp_path: Path, size: tuple[int, int], room: tuple[int, int], fit: Fit
) -> None:
    wish = Wish(*room, fit, format="image/jpeg")
    assert derived(tmp_path, jpeg(*size), wish).size == wish.place(*size).size


def test_a_jpeg_that_is_decoded_smaller_looks_like_one_that_is_made_smaller(tmp_path: Path) -> None:
    whole = picture(1600, 1200)
    wanted = whole.resize((160, 120), Image.Resampling.LANCZOS)
    assert difference(derived(tmp_path, saved(whole, "JPEG", quality=95), Wish(160, format="image/png")), wanted) < 2


def test_quality_decides_the_size_of_the_file(tmp_path: Path) -> None:
    grain = saved(Image.effect_noise((200, 200), 60).convert("RGB"), "PNG")
    for target in ("image/jpeg", "image/webp", "image/avif"):
        sizes = []
        for quality in (10, None, 95):
            derived(tmp_path, grain, Wish(format=target, quality=quality))
            sizes.append((tmp_path / "derived").stat().st_size)
        assert sizes == sorted(sizes)
        assert sizes[0] * 2 < sizes[2]


@pytest.mark.parametrize(("data", "target"), [
    (jpeg(), "image/jpeg"), (png(), "image/png"), (saved(picture(), "WEBP"), "image/webp"),
    (saved(picture(), "AVIF"), "image/avif"), (saved(picture(mode="P"), "GIF"), "image/png"),
])  # fmt: skip
def test_without_a_wish_for_a_format_it_stays_the_same_if_it_can(tmp_path: Path, data: bytes, target: str) -> None:
    seen = codec.derive(put(tmp_path, data), tmp_path / "derived", BOUNDS, Wish(20))
    assert seen == Seen(target, 20, 15)


def test_a_format_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(Image.SAVE, "AVIF")
    with pytest.raises(BadWish, match="image/avif") as refused:
        codec.derive(put(tmp_path, jpeg()), tmp_path / "derived", BOUNDS, Wish(format="image/avif"))
    assert refused.value.facts == {"parameter": "format"}


@pytest.mark.parametrize(("data", "bounds", "facts"), [
    (jpeg(), Bounds(max_size=100), {"measure": "bytes", "limit": 100, "found": len(jpeg())}),
    (jpeg(), Bounds(max_pixels=1199), {"measure": "pixels", "limit": 1199, "found": 1200}),
    (png(), Bounds(max_pixels=600), {"measure": "pixels", "limit": 600, "found": 1200}),
    (make.animated_webp(4), Bounds(max_frames=3), {"measure": "frames", "limit": 3, "found": 4}),
    (make.animated_gif(4), Bounds(max_frames=3), {"measure": "frames", "limit": 3}),
], ids=["bytes", "pixels", "pixels of a PNG", "frames", "frames of a GIF"])  # fmt: skip
def test_what_is_past_a_limit_is_refused_with_the_limit(
    tmp_path: Path, data: bytes, bounds: Bounds, facts: dict[str, object]
) -> None:
    with pytest.raises(ImageTooLarge) as refused:
        codec.inspect(put(tmp_path, data), bounds, None)
    assert refused.value.facts == facts


def test_what_just_fits_is_accepted(tmp_path: Path) -> None:
    bounds = Bounds(len(jpeg()), 1200, 1)
    codec.prepare(bounds)
    assert codec.inspect(put(tmp_path, jpeg()), bounds, "image/jpeg") == Seen("image/jpeg", 40, 30)


def test_the_frames_of_a_gif_are_counted(tmp_path: Path) -> None:
    assert codec.inspect(put(tmp_path, make.animated_gif(10)), BOUNDS, "image/gif").frames == 10


def test_a_refusal_names_nothing_of_this_program(tmp_path: Path) -> None:
    for data in (b"\xff\xd8\xff", make.resized_jpeg(0, 0), make.webp_canvas(2000, 2000), b"?"):
        with pytest.raises(NotAnImage) as refused:
            codec.inspect(put(tmp_path, data), BOUNDS, None)
        assert "0x" not in refused.value.detail
        assert str(tmp_path) not in refused.value.detail


def test_memory_that_runs_out_is_the_fault_of_the_image(tmp_path: Path) -> None:
    rows = make.png_of(make.header(4000, 4000, 8, make.COLOUR), bytes(12001 * 4000))
    program = """if True:
        import resource, sys
        from pathlib import Path
        from tusserver.imaging import codec
        from tusserver.imaging.base import Bounds
        from tusserver.protocol.images import NotAnImage
        resource.setrlimit(resource.RLIMIT_AS, (80 << 20, 80 << 20))
        try:
            codec.inspect(Path(sys.argv[1]), Bounds(), None)
        except NotAnImage as refusal:
            print(refusal.detail)
    """
    ran = subprocess.run(
        [sys.executable, "-c", program, put(tmp_path, rows)], check=True, capture_output=True, text=True
    )
    assert "memory" in ran.stdout
