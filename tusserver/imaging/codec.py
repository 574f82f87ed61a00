"""Reading and writing images: the one file that knows Pillow, run in worker processes only.

Every library below it is C that parses what a stranger sent, so its caller reckons with a crash, with all memory used
and with a call that takes for ever. What is raised is a refusal, or an OSError of the disk.
"""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from tusserver.imaging.base import Bounds, Seen
from tusserver.protocol.images import (
    BadWish,
    ImageTooLarge,
    NotAnImage,
    Placement,
    Wish,
    image_type_of,
    judge_type,
)
from tusserver.protocol.refusals import Refusal

JPEG, PNG, WEBP, AVIF, GIF = "image/jpeg", "image/png", "image/webp", "image/avif", "image/gif"
PLUGINS = {
    JPEG: JpegImagePlugin.JpegImageFile.format,
    PNG: PngImagePlugin.PngImageFile.format,
    WEBP: WebPImagePlugin.WebPImageFile.format,
    AVIF: AvifImagePlugin.AvifImageFile.format,
    GIF: GifImagePlugin.GifImageFile.format,
}
ORIENTATION = 0x0112
# What turns the stored pixels the way they are displayed. Exif 2.32, 4.6.4 A, tag Orientation.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPS_SIDES = (5, 6, 7, 8)
QUALITY = {JPEG: 80, WEBP: 80, AVIF: 60}
OPTIMISED_QUALITY = {JPEG: 85, WEBP: 80, AVIF: 75}
# The modes a format has; what has another becomes the last of them, or the one before where it is opaque.
MODES = {
    JPEG: ("L", "RGB"),
    PNG: ("L", "LA", "RGB", "RGBA"),
    WEBP: ("RGB", "RGBA"),
    AVIF: ("L", "RGB", "RGBA"),
}
WITH_OPACITY = ("LA", "RGBA")
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
# Whole pixels are dropped first as long as that leaves twice the size wanted: half the time, the same to the eye.
REDUCING_GAP = 2.0
# Up to here the search for the smallest PNG takes less than a second.
QUICK_PIXELS = 1_000_000
# Segments of a JPEG that tell nothing of who took it where: JFIF, colours, and how they are coded.
IMPERSONAL = (("APP0", b"JFIF"), ("APP0", b"JFXX"), ("APP2", b"ICC_PROFILE"), ("APP14", b"Adobe"))


def prepare(bounds: Bounds) -> None:
    """Set what Pillow keeps for a process as a whole. Once, before anything else."""
    # Pillow warns above this and refuses above twice of it, in some formats before it asks for the memory.
    Image.MAX_IMAGE_PIXELS = (bounds.max_pixels + 1) // 2
    warnings.simplefilter("ignore")
    # Threads would each take address space, and other images wait for the same cores.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def inspect(path: Path, bounds: Bounds, promised: str | None) -> Seen:
    """Decode everything and tell what it is.

    Args:
        promised: the content type that its name promises; None: any of those known here.
    Raises:
        NotAnImage: status 415, it is something else, or is broken or cut off anywhere.
        ImageTooLarge: status 413; told by the header before anything is decoded, except for the frames of a GIF.
    """
    with _opened(path, bounds, promised) as (image, content_type):
        frames = _decode_all(image, content_type, bounds)
        return Seen(content_type, *_displayed(image), frames)


def derive(path: Path, into: Path, bounds: Bounds, wish: Wish) -> Seen:
    """Write the image as `wish` has it, in sRGB and without any metadata. Of an animated one it is the first frame.

    Raises:
        NotAnImage, ImageTooLarge: as `inspect`, as far as it is decoded.
        BadWish: status 422, this server cannot write the format.
    """
    with _opened(path, bounds, None) as (image, content_type):
        target = wish.format or (content_type if content_type in MODES else PNG)
        if PLUGINS[target] not in Image.SAVE:
            raise BadWish("format", f"this server cannot write {target}")
        if content_type != JPEG:
            image.load()  # the orientation may stand behind the pixels; a JPEG waits, to be read smaller
        turn, profile = _orientation(image), image.info.get("icc_profile")
        scaled = _scaled(image, wish.place(*_displayed(image)), is_sideways=turn in SWAPS_SIDES)
        made = _fitting(_in_srgb(_turned(scaled, turn), profile), target)
        options = _options(target, wish.quality or QUALITY.get(target))
        written = _written(made, target, options)
    into.write_bytes(written)
    return Seen(target, *made.size)


def optimise(path: Path, into: Path, bounds: Bounds) -> Seen | None:
    """Write the image anew in its own format, upright, smaller, with its colour profile and no other metadata.

    None, and nothing at `into`, where that is not smaller, unless there are metadata to be rid of. None too for what
    would lose by it: animated images, CMYK, and 16 bits a colour.

    Raises:
        NotAnImage, ImageTooLarge: as `inspect`.
    """
    with _opened(path, bounds, None) as (image, content_type):
        if content_type not in MODES or _loses(image, content_type):
            return None
        image.load()
        kept = {name: image.info[name] for name in ("icc_profile", "transparency") if name in image.info}
        options = _options(content_type, OPTIMISED_QUALITY.get(content_type), image.size) | kept
        if content_type == WEBP and b"VP8L" in _chunks_of_webp(path):
            options["lossless"] = True
        made, is_personal = _turned(image, _orientation(image)), _is_personal(image)
        written = _written(made, content_type, options)
    if len(written) >= path.stat().st_size and not is_personal:
        return None
    into.write_bytes(written)
    return Seen(content_type, *made.size)


@contextmanager
def _opened(path: Path, bounds: Bounds, promised: str | None) -> Iterator[tuple[Image.Image, str]]:
    """The image, with its header read and judged, and its content type. Decoding in the block raises refusals only."""
    data = _bytes_of(path, bounds)
    content_type = image_type_of(data)
    if content_type is None and promised is None:
        raise NotAnImage("the file is no image that is known here")
    judge_type(promised or str(content_type), data)
    assert content_type is not None
    with _refusing(content_type, bounds):
        if content_type == PNG:
            _check_chunks(data)
        with Image.open(io.BytesIO(data), formats=[PLUGINS[content_type]]) as image:
            pixels = image.width * image.height
            if pixels > bounds.max_pixels:
                raise ImageTooLarge("pixels", bounds.max_pixels, pixels)
            yield image, content_type


def _bytes_of(path: Path, bounds: Bounds) -> bytes:
    # As a whole, so that whatever goes wrong later is the image's fault and not the disk's.
    with path.open("rb") as file:
        data = file.read(bounds.max_size + 1)
    if len(data) > bounds.max_size:
        raise ImageTooLarge("bytes", bounds.max_size, path.stat().st_size)
    return data


@contextmanager
def _refusing(content_type: str, bounds: Bounds) -> Iterator[None]:
    try:
        yield
    except Refusal:
        raise
    except Image.DecompressionBombError as error:
        raise ImageTooLarge("pixels", bounds.max_pixels) from error
    except MemoryError as error:
        raise NotAnImage("reading it takes more memory than one image may have") from error
    except UnidentifiedImageError as error:  # whose text names an object of this program
        raise NotAnImage(f"it begins as {content_type}, but its header is broken") from error
    except Exception as error:  # what parsers raise of broken bytes has no common kind: struct.error, EOFError, ...
        raise NotAnImage(f"it cannot be read as {content_type}: {str(error)[:200]}") from error


def _check_chunks(data: bytes) -> None:
    """Every chunk is whole, has the sum it tells, and the last one is there. Pillow shows what lacks its end, browsers
    show nothing where a sum is wrong. PNG 3, 5.3."""
    view, place = memoryview(data), 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(view[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise NotAnImage("it cannot be read as image/png: the sum of a chunk is wrong")
        if kind == b"IEND":
            return
        place = end + 4
    raise NotAnImage("it cannot be read as image/png: the file is cut off")


def _decode_all(image: Image.Image, content_type: str, bounds: Bounds) -> int:
    """Decode every frame and give their number."""
    if content_type == JPEG:
        image.load()
        return 1  # others in the same file are previews and depth maps, not frames
    # Only a GIF has to be read to its end to be counted, which is done below.
    told = 1 if content_type == GIF else getattr(image, "n_frames", 1)
    if told > bounds.max_frames:
        raise ImageTooLarge("frames", bounds.max_frames, told)
    image.load()
    frames = 1
    while content_type == GIF or frames < told:
        try:
            image.seek(frames)
        except EOFError:
            if content_type != GIF:
                raise
            break
        frames += 1
        if frames > bounds.max_frames:
            raise ImageTooLarge("frames", bounds.max_frames)
        image.load()
    return frames


def _orientation(image: Image.Image) -> int:
    """1 to 8. Only what browsers follow counts; rubbish there is no reason to refuse the pixels."""
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        turn = exif.get(ORIENTATION)
    except Exception:  # as in `_refusing`
        return 1
    return turn if turn in TURNS else 1


def _displayed(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if _orientation(image) in SWAPS_SIDES else (width, height)


def _turned(image: Image.Image, turn: int) -> Image.Image:
    return image.transpose(TURNS[turn]) if turn in TURNS else image


def _scaled(image: Image.Image, placement: Placement, *, is_sideways: bool) -> Image.Image:
    """The part and the size of the placement, not yet turned."""
    (left, top, right, bottom), size = placement.box, placement.size
    if is_sideways:  # the part lies in the middle, so a turn changes nothing but its sides
        left, top, right, bottom, size = top, left, bottom, right, (size[1], size[0])
    stored = image.size
    scale = (size[0] / (right - left), size[1] / (bottom - top))
    # A JPEG can be decoded at an eighth of its size at a fraction of the cost.
    image.draft(None, (math.ceil(stored[0] * scale[0]), math.ceil(stored[1] * scale[1])))
    image.load()
    across, down = image.width / stored[0], image.height / stored[1]
    box = (left * across, top * down, min(right * across, image.width), min(bottom * down, image.height))
    plain = _plain(image)
    if size == plain.size and box == (0, 0, *size):
        return plain
    return plain.resize(size, Image.Resampling.LANCZOS, box, reducing_gap=REDUCING_GAP)


def _plain(image: Image.Image) -> Image.Image:
    """The image with eight bits a channel and no palette: L, LA, RGB, RGBA or CMYK."""
    if image.mode.startswith("I"):
        return image.point(lambda value: value * (1 / 257)).convert("L")
    if image.mode == "CMYK":
        return image
    if image.has_transparency_data:
        return image if image.mode in WITH_OPACITY else image.convert("RGBA")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The colours as a screen shows them that knows no profiles. A profile that cannot be read is none."""
    opaque = image.convert(image.mode[:-1]) if image.mode in WITH_OPACITY else image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
        if source.profile.xcolor_space.strip() != SPACES[opaque.mode]:
            raise ValueError("the profile is for other colours")
        made = ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):
        return image.convert("RGB") if image.mode == "CMYK" else image
    assert made is not None
    if image.mode in WITH_OPACITY:
        made.putalpha(image.getchannel("A"))
    return made


def _fitting(image: Image.Image, content_type: str) -> Image.Image:
    """The image in a mode that the format has; white shows through where it has no opacity."""
    modes = MODES[content_type]
    if image.mode in modes:
        return image
    if image.mode not in WITH_OPACITY:
        return image.convert("RGB")
    if "RGBA" in modes:
        return image.convert("RGBA")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image.convert("RGB"), mask=image.getchannel("A"))
    return ground


def _options(content_type: str, quality: int | None, size: tuple[int, int] | None = None) -> dict[str, Any]:
    """How a format is written; with `size`, as small as can be."""
    if content_type == PNG:
        return {"optimize": True} if size is not None and size[0] * size[1] <= QUICK_PIXELS else {}
    if content_type == JPEG:
        return {"quality": quality, "optimize": True, "progressive": size is not None}
    if content_type == AVIF:
        # The slower ones take five seconds of a core for what may be 4,096 pixels on a side.
        return {"quality": quality, "speed": 9, "max_threads": 1}
    return {"quality": quality}


def _written(image: Image.Image, content_type: str, options: dict[str, Any]) -> bytes:
    # Writers take from here what they are not told: a comment, a profile.
    image.info = {}
    into = io.BytesIO()
    image.save(into, PLUGINS[content_type], **options)
    return into.getvalue()


def _loses(image: Image.Image, content_type: str) -> bool:
    """Writing it anew would take frames, inks or bits from it."""
    if content_type != JPEG and getattr(image, "is_animated", False):
        return True
    rawmode = str(image.tile[0][3]) if isinstance(image, PngImagePlugin.PngImageFile) and image.tile else ""
    return "16" in rawmode or image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA")


def _is_personal(image: Image.Image) -> bool:
    """It tells more than its pixels and their colours."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return any(
            not any(name == known and data.startswith(begin) for known, begin in IMPERSONAL)
            for name, data in image.applist
        )
    if isinstance(image, PngImagePlugin.PngImageFile) and image.text:
        return True
    return any(image.info.get(name) for name in ("exif", "xmp"))


def _chunks_of_webp(path: Path) -> set[bytes]:
    """The names of the chunks of a WebP file that was decoded."""
    data, place, names = path.read_bytes(), 12, set()
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        names.add(kind)
        place += 8 + length + length % 2
    return names
