"""Image files made in memory, whole or spoilt on purpose."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms

PNG = b"\x89PNG\r\n\x1a\n"
ORIENTATION = 0x0112
GREY, COLOUR = 0, 2


def picture(width: int = 40, height: int = 30, mode: str = "RGB") -> Image.Image:
    """Colours that run from corner to corner, so that every turn of it looks different."""
    down = Image.linear_gradient("L")
    across = down.transpose(Image.Transpose.TRANSPOSE)
    blue = Image.new("L", (width, height), 90)
    return Image.merge("RGB", (down.resize(blue.size), across.resize(blue.size), blue)).convert(mode)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of a kind, for example ``"PNG"``."""
    into = io.BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def read(path: Path) -> Image.Image:
    """The image in a file, decoded."""
    image = Image.open(io.BytesIO(path.read_bytes()))
    image.load()
    return image


def animated_gif(frames: int) -> bytes:
    """An animated GIF file of 40 × 30."""
    pictures = [Image.new("RGB", (40, 30), (number, 255 - number, 0)) for number in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def jpeg(width: int = 40, height: int = 30, **options: Any) -> bytes:
    return saved(picture(width, height), "JPEG", **options)


def exif(*tags: tuple[int, Any]) -> bytes:
    """A directory of Exif with these tags."""
    made = Image.Exif()
    for tag, value in tags:
        made[tag] = value
    return made.tobytes()


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    """40 × 30 stored pixels and a word on how to turn them."""
    return saved(picture(), kind, exif=exif((ORIENTATION, orientation)))


def srgb() -> bytes:
    """A colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(kind: bytes, data: bytes = b"", *, wrong: bool = False) -> bytes:
    """A chunk of a PNG file, with a wrong sum if asked."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) ^ wrong)


def header(width: int, height: int, depth: int = 8, colour: int = COLOUR, interlaced: int = 0) -> bytes:
    """The first chunk of a PNG file."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))


def png(*chunks: bytes, size: tuple[int, int] = (40, 30)) -> bytes:
    """A PNG file of black pixels with more chunks before them."""
    rows = bytes((1 + 3 * size[0]) * size[1])
    return PNG + header(*size) + b"".join(chunks) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND")


def png_of(first: bytes, pixels: bytes) -> bytes:
    """A PNG file of a header and rows (each after the byte of its filter)."""
    return PNG + first + chunk(b"IDAT", zlib.compress(pixels, 9)) + chunk(b"IEND")


def blank(width: int, height: int) -> bytes:
    """A black-and-white PNG file of one colour: a thousandth of its pixels in bytes."""
    packing = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join([packing.compress(row) for _ in range(height)])
    return PNG + header(width, height, 1, GREY) + chunk(b"IDAT", rows + packing.flush()) + chunk(b"IEND")


def interlaced(side: int = 8) -> bytes:
    """A PNG file in the seven passes of Adam."""
    steps = ((0, 8, 0, 8), (4, 8, 0, 8), (0, 4, 4, 8), (2, 4, 0, 4), (0, 2, 2, 4), (1, 2, 0, 2), (0, 1, 1, 2))
    rows = b"".join(
        b"\0" + bytes(x * y for x in range(left, side, across))
        for left, across, top, down in steps
        for y in range(top, side, down)
        if range(left, side, across)
    )
    return png_of(header(side, side, 8, GREY, 1), rows)


def apng(frames: int, *, told: int | None = None, size: tuple[int, int] = (1, 1)) -> bytes:
    """An animated PNG file that says it has `told` frames and has `frames`."""
    rows = zlib.compress(bytes((1 + size[0]) * size[1]), 9)
    made = [PNG, header(*size, 8, GREY), chunk(b"acTL", struct.pack(">II", frames if told is None else told, 0))]
    number = 0
    for frame in range(frames):
        made.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, 0, 0, 1, 10, 0, 0)))
        number += 1
        if frame:
            made.append(chunk(b"fdAT", struct.pack(">I", number) + rows))
            number += 1
        else:
            made.append(chunk(b"IDAT", rows))
    return b"".join([*made, chunk(b"IEND")])


def animated_webp(frames: int, size: tuple[int, int] = (8, 8)) -> bytes:
    """An animated WebP file; no frame is like the one before, or they would become one."""
    pictures = [Image.new("RGB", size, (frame % 256, frame // 256, 255 * (frame % 2))) for frame in range(frames)]
    return saved(pictures[0], "WEBP", save_all=True, append_images=pictures[1:], duration=20, lossless=True)


def webp_canvas(width: int, height: int) -> bytes:
    """A WebP file whose header promises a canvas, with a frame of 8 × 8."""
    inner = saved(picture(8, 8), "WEBP")[12:]
    canvas = bytes([0x10, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", len(canvas)) + canvas + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def resized_jpeg(width: int, height: int) -> bytes:
    """A JPEG file whose header promises other sides than it has pixels for."""
    data = bytearray(jpeg())
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def resized_webp(width: int, height: int) -> bytes:
    """A WebP file without loss whose header promises other sides than it has pixels for."""
    data = bytearray(saved(picture(), "WEBP", lossless=True))
    at = data.index(b"VP8L") + 9
    data[at : at + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(data)


def with_segment(marker: int, data: bytes) -> bytes:
    """A JPEG file with one more segment at its beginning."""
    whole = jpeg()
    return whole[:2] + struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data + whole[2:]


def looping_exif() -> bytes:
    """A JPEG file whose Exif has a directory that is followed by itself."""
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    return with_segment(0xE1, b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + struct.pack(">I", 8))


def bomb(zeros: int) -> bytes:
    """So many zeros, packed."""
    packing = zlib.compressobj(9)
    block = bytes(2**20)
    return b"".join([*(packing.compress(block) for _ in range(zeros // 2**20)), packing.flush()])


def cut(data: bytes, *at: float) -> Iterable[bytes]:
    """The file without its end: so many bytes from either side, or a share of it."""
    for place in at:
        yield data[: int(place * len(data)) if isinstance(place, float) else place]
