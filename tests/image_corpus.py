"""Hostile and odd image files, each with what has to become of it at any door.

They are made in memory, so that none of them lies around where a viewer of files would open it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from PIL import Image

from tests import image_making as make
from tests.image_making import PNG, chunk, jpeg, picture, png, saved
from tusserver.imaging.base import Seen

ALLOWED = frozenset({"png", "jpg", "jpeg", "webp"})
NOT_AN_IMAGE, TOO_LARGE, BAD_EXTENSION = "not-an-image", "image-too-large", "extension-not-allowed"
STATUS = {NOT_AN_IMAGE: 415, TOO_LARGE: 413, BAD_EXTENSION: 415}
SCRIPT = b"<script>alert(document.domain)</script>"


@dataclass(frozen=True, slots=True)
class Odd:
    """One file, and what is expected with the limits that the settings have unless told otherwise.

    Attributes:
        what: the same for no two of them.
        filename: what it is sent as.
        seen: what it is, if it is to be accepted.
        code: of the refusal, if it is not; its status is `STATUS[code]`.
        stored: its safe name, where the name is what is odd about it.
    """

    what: str
    filename: str
    data: bytes
    seen: Seen | None = None
    code: str | None = None
    stored: str | None = None


@cache
def corpus() -> tuple[Odd, ...]:
    """All of them; made once, a second's work."""
    return (*_plain(), *_turned(), *_colours(), *_inside(), *_two_at_once(), *_frames(), *_names(),
            *_bombs(), *_cut(), *_broken(), *_something_else())  # fmt: skip


def _good(what: str, filename: str, data: bytes, size: tuple[int, int] = (40, 30), frames: int = 1) -> Odd:
    kind = {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "webp": "webp"}[filename.rpartition(".")[2].lower()]
    return Odd(what, filename, data, seen=Seen(f"image/{kind}", *size, frames))


def _bad(what: str, filename: str, data: bytes, code: str = NOT_AN_IMAGE) -> Odd:
    return Odd(what, filename, data, code=code)


def _plain() -> Iterator[Odd]:
    yield _good("PNG", "a.png", png())
    yield _good("JPEG", "a.jpg", jpeg())
    yield _good("JPEG with the long extension in capitals", "A.JPEG", jpeg())
    yield _good("WebP", "a.webp", saved(picture(), "WEBP"))
    yield _good("lossless WebP", "a.webp", saved(picture(), "WEBP", lossless=True))
    yield _good("one pixel", "a.png", png(size=(1, 1)), (1, 1))
    yield _good("1 x 65,535", "a.png", make.png_of(make.header(1, 65535, 8, 0), bytes(2 * 65535)), (1, 65535))
    yield _good("65,500 x 1", "a.jpg", saved(Image.new("L", (65500, 1)), "JPEG"), (65500, 1))
    yield _good("36 megapixels in 5 kB", "a.png", make.blank(6000, 6000), (6000, 6000))
    yield _good("interlaced", "a.png", make.interlaced(), (8, 8))
    yield _good("progressive", "a.jpg", jpeg(progressive=True))
    yield _good("restart markers", "a.jpg", jpeg(200, 200, restart_marker_blocks=1), (200, 200))


def _turned() -> Iterator[Odd]:
    for turn in range(1, 9):
        size = (30, 40) if turn >= 5 else (40, 30)
        yield _good(f"orientation {turn}", "a.jpg", make.turned(turn), size)
    yield _good("orientation 6 in a PNG", "a.png", make.turned(6, "PNG"), (30, 40))
    yield _good("orientation 8 in a WebP", "a.webp", make.turned(8, "WEBP"), (30, 40))
    yield _good("orientation 0", "a.jpg", make.turned(0))
    yield _good("orientation 99", "a.jpg", make.turned(99))


def _colours() -> Iterator[Odd]:
    inks = saved(picture(mode="CMYK"), "JPEG")
    at = inks.index(b"\xff\xee")
    yield _good("CMYK, inverted as Adobe has it", "a.jpg", inks)
    yield _good("CMYK without a word from Adobe", "a.jpg", inks[:at] + inks[at + 16 :])
    yield _good("grey JPEG", "a.jpg", saved(picture(mode="L"), "JPEG"))
    grey, colour = make.header(8, 2, 16, make.GREY), make.header(2, 2, 16, make.COLOUR)
    yield _good("16 bits of grey", "a.png", make.png_of(grey, (b"\0" + bytes(range(16))) * 2), (8, 2))
    yield _good("16 bits a colour", "a.png", make.png_of(colour, (b"\0" + bytes(range(12))) * 2), (2, 2))
    yield _good("black and white", "a.png", saved(picture(mode="1"), "PNG"))
    yield _good("grey with opacity", "a.png", saved(picture(mode="LA"), "PNG"))
    yield _good("colours with opacity", "a.png", saved(picture(mode="RGBA"), "PNG"))
    palette = picture().quantize(7)
    yield _good("palette", "a.png", saved(palette, "PNG"))
    yield _good("palette with one clear colour", "a.png", saved(palette, "PNG", transparency=3))
    yield _good("palette with opacities", "a.png", saved(palette, "PNG", transparency=bytes(range(0, 210, 30))))
    yield _good("one clear colour", "a.png", png(chunk(b"tRNS", bytes(6))))
    yield _good("WebP with opacity", "a.webp", saved(picture(mode="RGBA"), "WEBP"))
    yield _good("colour profile", "a.jpg", jpeg(icc_profile=make.srgb()))
    yield _good("broken colour profile", "a.jpg", jpeg(icc_profile=b"acsp" * 99))
    yield _good("colour profile for other colours", "a.jpg", saved(picture(mode="L"), "JPEG", icc_profile=make.srgb()))


def _inside() -> Iterator[Odd]:
    yield _good("60 kB of Exif", "a.jpg", jpeg(exif=make.exif((0x927C, bytes(60000)))))
    yield _good("rubbish for Exif", "a.jpg", make.with_segment(0xE1, b"Exif\0\0" + b"\xff" * 100))
    yield _good("Exif that goes round in a circle", "a.jpg", make.looping_exif())
    yield _good("half an Exif in a PNG", "a.png", png(chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff")))
    yield _good("script in a comment", "a.jpg", jpeg(comment=SCRIPT))
    yield _good("script in a text chunk", "a.png", png(chunk(b"tEXt", b"Title\0" + SCRIPT)))
    yield _good("a chunk that nobody knows", "a.png", png(chunk(b"teSt", b"?")))
    yield _good("something behind the end of a PNG", "a.png", png() + b"\0" * 100)
    yield _good("something behind the end of a JPEG", "a.jpg", jpeg() + b"SEFT" * 25)


def _two_at_once() -> Iterator[Odd]:
    archive = io.BytesIO(jpeg())
    with zipfile.ZipFile(archive, "a") as made:
        made.writestr("evil.class", b"\xca\xfe\xba\xbe")
    yield _good("JPEG and ZIP", "a.jpg", archive.getvalue())
    yield _good("JPEG and page", "a.jpg", make.with_segment(0xFE, b"--><html><body>" + SCRIPT + b"<!--") + SCRIPT)
    yield _good("JPEG with a second one, as phones write them", "a.jpg", saved(
        picture(), "MPO", save_all=True, append_images=[picture(20, 15)]))  # fmt: skip
    gif = saved(picture(mode="P"), "GIF")
    yield _bad("GIF and JAR", "a.png", gif + archive.getvalue()[len(jpeg()) :])
    yield _bad("page and JPEG", "a.jpg", b"<html>" + SCRIPT + b"</html>" + jpeg())


def _frames() -> Iterator[Odd]:
    yield _good("three frames of WebP", "a.webp", make.animated_webp(3), (8, 8), 3)
    yield _good("a hundred frames of PNG", "a.png", make.apng(100), (1, 1), 100)
    yield _good("no frames, says the PNG", "a.png", make.apng(3, told=0), (1, 1))
    yield _bad("101 frames of PNG", "a.png", make.apng(101), TOO_LARGE)
    yield _bad("5,000 frames of PNG", "a.png", make.apng(5000), TOO_LARGE)
    yield _bad("two thousand million frames, says the PNG", "a.png", make.apng(1, told=2**31 - 1), TOO_LARGE)
    yield _bad("101 frames of WebP", "a.webp", make.animated_webp(101), TOO_LARGE)
    yield _bad("one frame of fifty", "a.png", make.apng(1, told=50))


def _names() -> Iterator[Odd]:
    for what, filename, stored in (
        ("path upwards", "../../../etc/cron.d/evil.png", "evil.png"),
        ("path of Windows", "..\\..\\Windows\\evil.png", "evil.png"),
        ("NUL", "evil.php\0.png", "evil.php_.png"),
        ("300 characters", "x" * 296 + ".png", "x" * 146 + ".png"),
        ("300 letters of three bytes", "写" * 296 + ".png", "写" * 48 + ".png"),
        ("right to left", "photo\u202egnp.png", "photo_gnp.png"),
        ("device of Windows", "CON.png", "_CON.png"),
        ("device with a second extension", "lpt1.tar.png", "_lpt1.tar.png"),
        ("blanks", "  my  holiday .png ", "my_holiday_.png"),
        ("quotes", "a\"b'c`d.png", "a_b_c_d.png"),
        ("line break", "a\r\nX-Evil: 1.png", "a_X-Evil_1.png"),
        ("emoji", "\U0001f600\U0001f3fd.png", "_.png"),
        ("markup", "<img src=x onerror=alert(1)>.png", "_img_src_x_onerror_alert_1_.png"),
        ("percent signs", "%2e%2e%2fevil.png", "_2e_2e_2fevil.png"),
        ("nothing before the dot", ".png", "image.png"),
        ("dots before it", "....png", "image.png"),
        ("a dash first", "-rf.png", "rf.png"),
        ("letters in two pieces", "u\u0308ber.png", "\u00fcber.png"),
        ("Arabic", "صورة.png", "صورة.png"),
    ):
        size = Seen("image/png", 40, 30)
        yield Odd(f"name: {what}", filename, png(), seen=size, stored=stored)
    for what, filename in (("dots only", "..."), ("no extension", "image"), ("another one behind", "a.png.exe"),
                           ("another one before the NUL", "a.png\0.html"), ("empty", ".")):  # fmt: skip
        yield _bad(f"name: {what}", filename, png(), BAD_EXTENSION)


def _bombs() -> Iterator[Odd]:
    huge = make.header(2**31 - 1, 2**31 - 1)
    yield _bad("9,000 x 9,000 in 10 kB", "a.png", make.blank(9000, 9000), TOO_LARGE)
    yield _bad("20,000 x 20,000", "a.png", make.blank(20000, 20000), TOO_LARGE)
    yield _bad("2^62 pixels, says the PNG", "a.png", make.png_of(huge, b"\0"), TOO_LARGE)
    yield _bad("65,500 x 65,500, says the JPEG", "a.jpg", make.resized_jpeg(65500, 65500), TOO_LARGE)
    yield _bad("16,383 x 16,383, says the WebP", "a.webp", make.resized_webp(16383, 16383), TOO_LARGE)
    yield _bad("16,777,216 on a side, says the WebP", "a.webp", make.webp_canvas(2**24, 2**24), TOO_LARGE)
    bomb = make.bomb(2**26)
    yield _bad("64 MiB of text in 64 kB", "a.png", png(chunk(b"zTXt", b"a\0\0" + bomb)))
    yield _bad("64 MiB of international text", "a.png", png(chunk(b"iTXt", b"a\0\1\0\0\0" + bomb)))
    yield _bad("64 MiB of colour profile", "a.png", png(chunk(b"iCCP", b"a\0\0" + bomb)))
    text = chunk(b"zTXt", b"a\0\0" + make.bomb(2**20))
    yield _bad("a hundred texts of a megabyte", "a.png", png(text * 100))


def _cut() -> Iterator[Odd]:
    grain = Image.effect_noise((200, 150), 80).convert("RGB")
    for kind, filename in (("PNG", "a.png"), ("JPEG", "a.jpg"), ("WEBP", "a.webp")):
        whole = saved(grain, kind)
        for name, place in (("its last byte", -1), ("a tenth", 0.9), ("half", 0.5), ("all but its header", 40)):
            yield _bad(f"{kind} without {name}", filename, next(iter(make.cut(whole, place))))
    later = saved(grain, "JPEG", progressive=True)
    yield _bad("progressive JPEG without half", "a.jpg", later[: len(later) // 2])
    yield _bad("PNG without its end", "a.png", png()[:-12])
    yield _bad("PNG of 8 bytes", "a.png", PNG)
    yield _bad("JPEG of 3 bytes", "a.jpg", b"\xff\xd8\xff")
    yield _bad("nothing", "a.png", b"")
    yield _bad("nothing, as a JPEG", "a.jpg", b"")


def _broken() -> Iterator[Odd]:
    whole, first = png(), make.header(40, 30)
    rest = whole[len(PNG + first) :]
    flipped = bytearray(whole)
    flipped[-20] ^= 1
    yield _bad("wrong sum of the header", "a.png", PNG + chunk(b"IHDR", first[8:-4], wrong=True) + rest)
    yield _bad("wrong sum of a text", "a.png", png(chunk(b"tEXt", b"a\0b", wrong=True)))
    yield _bad("a bit of the pixels flipped", "a.png", bytes(flipped))
    yield _bad("no pixels", "a.png", PNG + first + chunk(b"IEND"))
    yield _bad("too few pixels", "a.png", make.png_of(first, bytes(100)))
    yield _bad("pixels that are not packed", "a.png", PNG + first + chunk(b"IDAT", b"x" * 100) + chunk(b"IEND"))
    yield _bad("no width", "a.png", make.png_of(make.header(0, 30), b"\0"))
    yield _bad("a depth that there is not", "a.png", make.png_of(make.header(40, 30, 7), bytes(5000)))
    yield _bad("no header", "a.png", PNG + rest)
    yield _bad("no sides", "a.jpg", make.resized_jpeg(0, 0))
    yield _bad("no scan", "a.jpg", jpeg()[: jpeg().index(b"\xff\xda")] + b"\xff\xd9")
    yield _bad("WebP with a canvas for another image", "a.webp", make.webp_canvas(2000, 2000))
    yield _bad("WebP of rubbish", "a.webp", b"RIFF\x40\0\0\0WEBPVP8 \x34\0\0\0" + b"\xff" * 52)


def _something_else() -> Iterator[Odd]:
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    yield _bad("SVG as PNG", "a.png", svg)
    yield _bad("SVG", "a.svg", svg, BAD_EXTENSION)
    yield _bad("page as JPEG", "a.jpg", b"<html>" + SCRIPT)
    yield _bad("PNG as JPEG", "a.jpg", png())
    yield _bad("JPEG as PNG", "a.png", jpeg())
    yield _bad("WebP as JPEG", "a.jpeg", saved(picture(), "WEBP"))
    yield _bad("AVIF as WebP", "a.webp", saved(picture(), "AVIF"))
    yield _bad("GIF as PNG", "a.png", saved(picture(mode="P"), "GIF"))
    yield _bad("BMP as PNG", "a.png", saved(picture(), "BMP"))
    yield _bad("TIFF as JPEG", "a.jpg", saved(picture(), "TIFF"))
    yield _bad("PDF as PNG", "a.png", b"%PDF-1.7\n" + bytes(100))
    yield _bad("program as JPEG", "a.jpg", b"MZ" + bytes(100))
    yield _bad("WAV as WebP", "a.webp", b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
    yield _bad("GIF", "a.gif", saved(picture(mode="P"), "GIF"), BAD_EXTENSION)
    yield _bad("AVIF", "a.avif", saved(picture(), "AVIF"), BAD_EXTENSION)
