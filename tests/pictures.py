"""Small images for tests, of any size in bytes."""

from __future__ import annotations

import io
import struct
import zlib

from aiohttp import FormData
from PIL import Image

SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "GIF": "gif"}


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 6), colour: str = "teal", **options: object) -> bytes:
    """An image of one colour; `options` are Pillow's."""
    made = io.BytesIO()
    Image.new("RGB", size, colour).save(made, kind, **options)
    return made.getvalue()


def noise(kind: str, size: tuple[int, int]) -> bytes:
    """An image that cannot be made much smaller."""
    made = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(made, kind)
    return made.getvalue()


def jpeg_of(size: int) -> bytes:
    """A JPEG of exactly so many bytes."""
    data = picture("JPEG")
    rest, comments = size - len(data), b""
    while rest:
        # A segment has at least four bytes, and its length fits in two.
        taken = min(rest, 60_000) if not 0 < rest - 60_000 < 4 else rest - 4
        comments += b"\xff\xfe" + struct.pack(">H", taken - 2) + b" " * (taken - 4)
        rest -= taken
    return data[:2] + comments + data[2:]


def png_of(size: int) -> bytes:
    """A PNG of exactly so many bytes."""
    data = picture("PNG")
    text = b"tEXtComment\0" + b" " * (size - len(data) - 20)
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return data[:-12] + chunk + data[-12:]


def opened(data: bytes) -> Image.Image:
    """What an answer shows."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def form(*files: tuple[str, bytes], field: str = "files") -> FormData:
    """The body of `POST /api/upload`."""
    made = FormData()
    for name, data in files:
        made.add_field(field, io.BytesIO(data), filename=name, content_type="application/octet-stream")
    return made
