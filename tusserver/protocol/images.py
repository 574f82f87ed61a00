"""Images: what their first bytes and their names tell, the name they are shown under, and wishes for other sizes.

An image is what its extension says and its bytes are; either alone is refused, so no page, archive or script is ever
shown under the name of a picture.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tusserver.protocol.fields import DIGITS
from tusserver.protocol.refusals import Refusal

# As many first bytes as `image_type_of` looks at.
FIRST_BYTES = 64
MAX_SIDE = 4096
MAX_STORED_FILENAME = 150  # bytes of UTF-8
THUMBNAIL_WIDTH = 320

_SUFFIXES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "jfif": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "gif": "image/gif",
}
_FORMATS = {kind: f"image/{kind}" for kind in ("jpeg", "png", "webp", "avif")}
_SUFFIX = re.compile(r"[a-z0-9]{1,16}", re.ASCII)
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.ASCII | re.IGNORECASE)
# Letters to Unicode, and nothing to the eye.
_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"


class NotAnImage(Refusal):
    """The bytes are no image of the type that was said, or are broken, or cannot be read within the limits."""

    status, code, title = 415, "not-an-image", "The file is not an image that can be read"


class BadExtension(Refusal):
    """The name's extension is none of those that are accepted."""

    status, code, title = 415, "extension-not-allowed", "Files with this extension are not taken as images"

    def __init__(self, sent: str, allowed: Collection[str]) -> None:
        said = f"the extension {sent[:40]!r}" if sent else "a name without extension"
        super().__init__(f"{said} is not one of {', '.join(sorted(allowed))}", allowed=sorted(allowed))


class ImageTooLarge(Refusal):
    """More bytes, pixels or frames than are taken.

    `measure` names what is counted (`bytes`, `pixels` of a frame, or `frames`), `limit` the most of it, and `found` how
    much there is, if that is known.
    """

    status, code, title = 413, "image-too-large", "The image is larger than this server takes"

    def __init__(self, measure: str, limit: int, found: int | None = None) -> None:
        said = f"more than {limit} {measure}" if found is None else f"{found} {measure}, more than the {limit}"
        super().__init__(f"the image has {said} this server takes", measure=measure, limit=limit, found=found)


class NoFiles(Refusal):
    """A form without a single file."""

    status, code, title = 406, "no-files", "There is no file in the request"

    def __init__(self) -> None:
        super().__init__("send multipart/form-data with one or more files named files")


class BadWish(Refusal):
    """A parameter of a derived image that means nothing."""

    status, code, title = 422, "bad-wish", "The image cannot be made as asked"

    def __init__(self, parameter: str, why: str) -> None:
        super().__init__(f"{parameter}: {why}", parameter=parameter)


class ImagesBusy(Refusal):
    """More images wait to be read than the server lets wait, or the one asked for did not get its turn in time."""

    status, code, title = 503, "images-busy", "There are too many images to read at the moment"

    def __init__(self, detail: str = "more are waiting already than may wait", wait: int = 2) -> None:
        super().__init__(detail, headers={"Retry-After": str(wait)})


class ImagesAway(Refusal):
    """No process that reads images can be had; uploads and downloads go on without."""

    status, code, title = 503, "images-away", "This server cannot read images at the moment"

    def __init__(self, detail: str = "no image can be read now; uploads and downloads go on", wait: int = 30) -> None:
        super().__init__(detail, headers={"Retry-After": str(wait)})


class Query(Protocol):
    """What is needed of the parameters of an address."""

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """Every value of a parameter in the order received."""
        ...


class Fit(StrEnum):
    """How an image fills the room asked for. Its proportions stay in all three."""

    COVER = "cover"  # fills it; what stands over is cut off on both sides alike
    CONTAIN = "contain"  # as large as fits inside, enlarged if need be
    SCALE_DOWN = "scale-down"  # as CONTAIN, but never enlarged


@dataclass(frozen=True, slots=True)
class Placement:
    """A derived image: `size` in pixels, made of the part `box` (left, top, right, bottom) of the displayed one."""

    size: tuple[int, int]
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wish:
    """A derived image.

    Attributes:
        width, height: the room for it, 1 to 4,096 pixels; None: as much as there is, up to 4,096.
        fit: how it fills that room; COVER needs both sides, with one it is CONTAIN.
        format: its content type, None: that of the image it is made of.
        quality: 1 to 100, None: the format's own default; formats that lose nothing have none.
    """

    width: int | None = None
    height: int | None = None
    fit: Fit = Fit.SCALE_DOWN
    format: str | None = None
    quality: int | None = None

    def __post_init__(self) -> None:
        for name, value, most in (("width", self.width, MAX_SIDE), ("height", self.height, MAX_SIDE),
                                  ("quality", self.quality, 100)):  # fmt: skip
            if value is not None and not 1 <= value <= most:
                raise ValueError(f"{name} {value} is outside 1 to {most}")
        if self.format is not None and self.format not in _FORMATS.values():
            raise ValueError(f"{self.format} is not one of {', '.join(_FORMATS.values())}")

    @property
    def key(self) -> str:
        """A word of `[a-z0-9.-]` that no other wish has."""
        kind = "same" if self.format is None else self.format.removeprefix("image/")
        return f"{self.width or 0}x{self.height or 0}.{self.fit}.{kind}.{self.quality or 0}"

    def place(self, width: int, height: int) -> Placement:
        """What becomes of an image of `width` × `height` pixels, as displayed. No side is below 1 or above 4,096."""
        whole = (0.0, 0.0, float(width), float(height))
        if self.fit is Fit.COVER and self.width is not None and self.height is not None:
            scale = max(self.width / width, self.height / height)
            left = max(0.0, (width - self.width / scale) / 2)
            top = max(0.0, (height - self.height / scale) / 2)
            return Placement((self.width, self.height), (left, top, width - left, height - top))
        room = (self.width or MAX_SIDE, self.height or MAX_SIDE)
        scale = min(room[0] / width, room[1] / height)
        # Without a room there is nothing to fill.
        if self.fit is Fit.SCALE_DOWN or (self.width is None and self.height is None):
            scale = min(1.0, scale)
        return Placement((max(1, round(width * scale)), max(1, round(height * scale))), whole)


THUMBNAIL = Wish(width=THUMBNAIL_WIDTH)


def parse_wish(query: Query) -> Wish | None:
    """Read `w`, `h`, `fit`, `format` and `q`, for example ``w=320&format=webp``; other parameters are nobody's here.

    Returns:
        None where nothing else than the image itself is asked for.
    Raises:
        BadWish: status 422, one of them is unknown, out of its bounds, empty, or sent twice.
    """
    fit, kind = _one(query, "fit"), _one(query, "format")
    if fit is not None and fit not in list(Fit):
        raise BadWish("fit", f"{fit[:40]!r} is not one of {', '.join(Fit)}")
    if kind is not None and kind not in _FORMATS:
        raise BadWish("format", f"{kind[:40]!r} is not one of {', '.join(_FORMATS)}")
    wish = Wish(
        width=_number(query, "w", MAX_SIDE),
        height=_number(query, "h", MAX_SIDE),
        fit=Fit(fit) if fit else Fit.SCALE_DOWN,
        format=_FORMATS[kind] if kind else None,
        quality=_number(query, "q", 100),
    )
    return None if wish in (Wish(), Wish(fit=wish.fit)) else wish


def _one(query: Query, name: str) -> str | None:
    values = query.getall(name, [])
    if len(values) > 1:
        raise BadWish(name, "was sent more than once")
    return values[0] if values else None


def _number(query: Query, name: str, most: int) -> int | None:
    value = _one(query, name)
    if value is None:
        return None
    if not DIGITS.fullmatch(value) or len(value) > len(str(most)) or not 1 <= int(value) <= most:
        raise BadWish(name, f"{value[:40]!r} is not a whole number from 1 to {most}")
    return int(value)


def image_type_of(first: bytes) -> str | None:
    """The content type that a file's first bytes (`FIRST_BYTES` of them are enough) are the beginning of, else None.

    It is one of image/png, image/jpeg, image/gif, image/webp and image/avif. Whether the rest is one, only reading it
    tells.
    """
    if first.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if first.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if first.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "image/webp"
    if first[4:8] == b"ftyp" and _brands(first) & {b"avif", b"avis"}:
        return "image/avif"
    return None


def _brands(first: bytes) -> set[bytes]:
    """The brands of a file's first box. ISO/IEC 14496-12, 4.3: major brand, version, compatible brands."""
    box = first[: min(int.from_bytes(first[:4], "big"), FIRST_BYTES)]
    return {box[8:12], *(box[start : start + 4] for start in range(16, len(box), 4))}


def type_of_suffix(suffix: str) -> str | None:
    """The content type of files with an extension such as ``"jpg"`` (in any case, without dot), None: no image's."""
    return _SUFFIXES.get(suffix.lower())


def suffix_of(filename: str) -> str:
    """The extension in lower case without its dot, ``""`` if there is none; blanks behind it do not count."""
    return _last_part(filename).rpartition(".")[2].lower() if "." in _last_part(filename) else ""


def judge_extension(filename: str, allowed: Collection[str]) -> str:
    """The content type that a name promises.

    Args:
        allowed: extensions in lower case, without dots.
    Raises:
        BadExtension: status 415, it is not one of those, or none of an image that can be read here.
    """
    suffix = suffix_of(filename)
    promised = type_of_suffix(suffix)
    if suffix not in allowed or promised is None:
        raise BadExtension(suffix, allowed)
    return promised


def judge_type(promised: str, first: bytes) -> None:
    """Let through what begins as its name promises.

    Raises:
        NotAnImage: status 415, it begins as something else.
    """
    found = image_type_of(first)
    if found != promised:
        raise NotAnImage(f"the name promises {promised}, but the file is {found or 'no image that is known here'}")


def safe_stored_filename(original: str, content_type: str | None = None) -> str:
    """The name an image is shown under, made of the one it came with: ``"My photo (1).JPG"`` is ``My_photo_1_.jpg``.

    It is the last part of a path, in NFC, of letters and digits of every script, dots, dashes and underscores; runs of
    anything else are one underscore. So it means nothing to HTML, a shell, a path or the order of text, and to Windows
    no device. It begins with no dot or dash, has at most 150 bytes of UTF-8 and is never empty, and made safe again it
    stays as it is.

    Args:
        content_type: of its bytes, one of those of `image_type_of`; a name without a fitting extension gets one.
    """
    part = "".join(_kept(_last_part(unicodedata.normalize("NFC", original))))
    stem, suffix = _split(re.sub(r"\.{2,}", ".", part).rstrip("-."))
    if content_type is not None and type_of_suffix(suffix) != content_type:
        stem = f"{stem}.{suffix}" if suffix else stem
        suffix = next(name for name, kind in _SUFFIXES.items() if kind == content_type)
    bare = stem.strip("-.") or "image"
    return _join(f"_{bare}" if _DEVICE.match(bare) else bare, suffix)


def other_stored_filename(stored: str, random: bytes) -> str:
    """The name with ``-`` and the Base32 of `random` before its extension, for one that is taken; as short as any."""
    stem, suffix = _split(stored)
    return _join(stem, suffix, "-" + base64.b32encode(random).decode("ascii").rstrip("=").lower())


def _last_part(filename: str) -> str:
    # Windows drops what this drops at the end.
    return filename.replace("\\", "/").rpartition("/")[2].strip().rstrip(". ")


def _split(part: str) -> tuple[str, str]:
    """Stem and extension; without an extension no dot is left that could make one when the name is cut."""
    stem, _, suffix = part.rpartition(".")
    return (stem, suffix.lower()) if "." in part and _SUFFIX.fullmatch(suffix.lower()) else (part.replace(".", "_"), "")


def _kept(text: str) -> Iterator[str]:
    """The characters of a stored filename. Marks belong to the letter before them and are nothing without it."""
    is_letter = is_replaced = False
    for character in text:
        kind = unicodedata.category(character)
        is_mark = kind in ("Mn", "Mc") and is_letter
        is_letter = is_mark or (kind[0] == "L" and character not in _BLANK_LETTERS)
        is_kept = is_letter or kind == "Nd" or character in "._-"
        if is_kept or not is_replaced:
            yield character if is_kept else "_"
        is_replaced = not is_kept


def _join(stem: str, suffix: str, between: str = "") -> str:
    end = between + (f".{suffix}" if suffix else "")
    cut = stem.encode()[: MAX_STORED_FILENAME - len(end.encode())].decode(errors="ignore")
    return cut.rstrip("-.") + end
