"""Whether a file is what it is said to be: the declared content type held against the first bytes.

Honest files are never refused: a type is the name of a family of formats (every office document is a ZIP), clients
know many names for one type, and what has no signature is refused only where its bytes are surely something else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tusserver.protocol.media_types import UNKNOWN
from tusserver.protocol.refusals import ContentTypeMismatch, TypeNotAllowed
from tusserver.protocol.signatures import BINARY, LOOKS, PHP, is_text, is_written, known


@dataclass(frozen=True, slots=True)
class Format:
    """How files of a type begin.

    Attributes:
        families: like one of these (`signatures.LOOKS`).
        also: or like one of these, if the type was declared: names that honest clients give to other formats too.
        is_weak: or, if the type was declared, like nothing that is known; but not like a text.
        may_be_text: or like a text, if the type was declared.
    """

    families: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    is_weak: bool = False
    may_be_text: bool = False


def _format(families: str, also: str = "", *, is_weak: bool = False, may_be_text: bool = False) -> Format:
    return Format(tuple(families.split()), tuple(also.split()), is_weak, may_be_text)


# Windows gives CSV files the type of Excel, and programs write HTML, RTF and XML under the old names of Office.
_OLD_OFFICE = _format("ole", "zip rtf html", is_weak=True, may_be_text=True)
# An office document with a password is an OLE file.
_OFFICE = _format("zip", "ole")
_RAW = _format("raw tiff", is_weak=True)
_FORMATS: tuple[tuple[Format, str], ...] = (
    (_format("7z"), "application/x-7z-compressed"),
    (_format("aac", "film mp3", is_weak=True), "audio/aac"),
    (_format("ac3", is_weak=True), "audio/ac3 audio/eac3 audio/vnd.dts"),
    (_format("aiff"), "audio/aiff"),
    (_format("amr", "film"), "audio/amr audio/amr-wb"),
    (_format("ar"), "application/vnd.debian.binary-package application/x-archive"),
    (_format("asf"), "video/x-ms-wmv video/x-ms-asf audio/x-ms-wma"),
    (_format("au"), "audio/basic"),
    (_format("avi"), "video/x-msvideo"),
    (_format("avif"), "image/avif"),
    (_format("bmp"), "image/bmp"),
    (_format("bzip2"), "application/x-bzip2"),
    (_format("cab"), "application/vnd.ms-cab-compressed"),
    (_format("caf"), "audio/x-caf"),
    (_format("class"), "application/java-vm"),
    (_format("dicom", is_weak=True), "application/dicom"),
    (_format("djvu"), "image/vnd.djvu"),
    (_format("eot"), "application/vnd.ms-fontobject"),
    (
        _format("film"),
        "video/mp4 video/quicktime video/3gpp video/3gpp2 audio/mp4 audio/3gpp audio/3gpp2 application/mp4",
    ),
    (_format("flac"), "audio/flac"),
    (_format("flv"), "video/x-flv"),
    (_format("gif"), "image/gif"),
    (_format("gzip"), "application/gzip"),
    (_format("heif"), "image/heic image/heif image/heic-sequence image/heif-sequence"),
    (_format("icon", "png"), "image/x-icon"),
    (_format("jpeg"), "image/jpeg"),
    (_format("jp2"), "image/jp2 image/jpx image/jpm"),
    (_format("jxl"), "image/jxl"),
    (_format("lz4"), "application/x-lz4"),
    (_format("matroska"), "video/webm video/x-matroska video/x-matroska-3d audio/webm audio/x-matroska"),
    (_format("midi"), "audio/midi"),
    (_format("mp3", "aac", is_weak=True), "audio/mpeg"),
    (_format("mpeg ts", is_weak=True), "video/mpeg video/mp2t"),
    (_format("ogg"), "audio/ogg video/ogg application/ogg audio/opus audio/vorbis"),
    (_format("ole"), "application/vnd.ms-outlook application/x-msi"),
    (_format("pdf"), "application/pdf"),
    (_format("png"), "image/png image/apng"),
    (_format("postscript", "pdf"), "application/postscript application/illustrator"),
    (_format("psd"), "image/vnd.adobe.photoshop"),
    (_format("rar"), "application/vnd.rar"),
    (
        _RAW,
        "image/x-adobe-dng image/x-canon-cr2 image/x-canon-cr3 image/x-canon-crw image/x-epson-erf "
        "image/x-fuji-raf image/x-hasselblad-3fr image/x-kodak-dcr image/x-kodak-kdc image/x-minolta-mrw "
        "image/x-nikon-nef image/x-nikon-nrw image/x-olympus-orf image/x-panasonic-raw image/x-panasonic-rw2 "
        "image/x-pentax-pef image/x-samsung-srw image/x-sigma-x3f image/x-sony-arw image/x-sony-sr2 image/x-dcraw",
    ),
    (_format("rpm"), "application/x-rpm"),
    (_format("rtf"), "application/rtf"),
    (_format("sfnt"), "font/ttf font/otf font/sfnt font/collection"),
    (_format("sqlite"), "application/vnd.sqlite3"),
    # Python's mimetypes calls a.tar.gz a tar, as it calls a.svgz an SVG.
    (_format("tar", "gzip bzip2 xz zstd lz4 compress"), "application/x-tar"),
    (_format("svg", "gzip"), "image/svg+xml"),
    (_format("swf"), "application/vnd.adobe.flash.movie"),
    (_format("tiff"), "image/tiff"),
    (_format("wasm"), "application/wasm"),
    (_format("wav"), "audio/wav"),
    (_format("webp"), "image/webp"),
    (_format("woff"), "font/woff"),
    (_format("woff2"), "font/woff2"),
    (_format("xz"), "application/x-xz application/x-lzma"),
    (
        _format("zip"),
        "application/zip application/vnd.android.package-archive application/java-archive "
        "application/vnd.google-earth.kmz application/vnd.comicbook+zip application/x-xpinstall model/3mf "
        "image/openraster application/vnd.apple.pages application/vnd.apple.numbers application/vnd.apple.keynote",
    ),
    (_format("zstd"), "application/zstd"),
    (_OLD_OFFICE, "application/msword application/vnd.ms-excel application/vnd.ms-powerpoint"),
)
FORMATS = {name: format for format, names in _FORMATS for name in names.split()}
# Types whose names tell the format.
PATTERNS = (
    (re.compile(r"application/vnd\.(openxmlformats-officedocument\..+|ms-.+\.macroenabled\.12)"), _OFFICE),
    (re.compile(r"application/(vnd\.oasis\.opendocument\.(?!.*-flat-xml).+|.+\+zip)"), _format("zip")),
    (re.compile(r".+\+gzip"), _format("gzip")),
    (re.compile(r".+\+zstd"), _format("zstd")),
)
TEXTS = re.compile(
    r"text/.+|message/rfc822|.+\+(json|xml|yaml|json-seq|jwt)|.+-flat-xml"
    r"|application/(json|xml|yaml|toml|sql|graphql|jwt|x-ndjson|x-sh|x-csh|x-perl|x-php|x-httpd-php|x-python"
    r"|x-ruby|x-tex|x-latex|x-subrip|x-bibtex|pem-certificate-chain|pgp-keys|pgp-signature)"
)
# What other programs and older standards call them.
_ALIASES = {
    "application/gzip": "application/x-gzip application/x-gunzip application/x-compressed-tar application/x-tgz "
    "application/x-gtar-compressed",
    "application/java-vm": "application/x-java-vm application/java application/x-java-class",
    "application/json": "text/json application/x-json",
    "application/pdf": "application/x-pdf application/acrobat",
    "application/rtf": "text/rtf text/richtext application/x-rtf",
    "application/vnd.adobe.flash.movie": "application/x-shockwave-flash",
    "application/vnd.debian.binary-package": "application/x-debian-package application/x-deb",
    "application/vnd.ms-cab-compressed": "application/x-cab",
    "application/vnd.rar": "application/x-rar-compressed application/x-rar application/rar",
    "application/vnd.sqlite3": "application/x-sqlite3",
    "application/x-7z-compressed": "application/x-7zip application/7z",
    "application/x-bzip2": "application/x-bzip application/bzip2",
    "application/x-tar": "application/x-gtar application/tar",
    "application/x-xz": "application/xz",
    "application/xml": "text/xml",
    "application/yaml": "text/yaml text/x-yaml application/x-yaml",
    "application/zip": "application/x-zip-compressed application/x-zip",
    "application/zstd": "application/x-zstd",
    "audio/aac": "audio/x-aac audio/aacp audio/x-hx-aac-adts",
    "audio/aiff": "audio/x-aiff",
    "audio/flac": "audio/x-flac",
    "audio/midi": "audio/mid audio/x-midi",
    "audio/mp4": "audio/x-m4a audio/m4a audio/mp4a-latm audio/x-m4b",
    "audio/mpeg": "audio/mp3 audio/x-mp3 audio/x-mpeg audio/mpeg3 audio/x-mpeg-3",
    "audio/ogg": "audio/x-ogg audio/x-vorbis+ogg audio/x-opus+ogg",
    "audio/wav": "audio/x-wav audio/wave audio/vnd.wave audio/x-pn-wav",
    "font/otf": "application/x-font-otf application/font-otf font/opentype",
    "font/ttf": "application/x-font-ttf application/font-ttf application/x-font-truetype",
    "font/woff": "application/font-woff application/x-font-woff",
    "font/woff2": "application/font-woff2",
    "image/bmp": "image/x-ms-bmp image/x-bmp",
    "image/heic": "image/x-heic",
    "image/jpeg": "image/jpg image/pjpeg",
    "image/png": "image/x-png",
    "image/svg+xml": "image/svg",
    "image/vnd.adobe.photoshop": "image/x-photoshop image/psd application/x-photoshop application/photoshop",
    "image/x-icon": "image/vnd.microsoft.icon image/ico",
    "text/csv": "application/csv application/x-csv text/x-csv text/comma-separated-values",
    "text/javascript": "application/javascript application/x-javascript application/ecmascript",
    "text/markdown": "text/x-markdown",
    "video/mp4": "video/x-m4v",
    "video/webm": "video/x-webm",
    "video/x-matroska": "video/matroska",
    "video/x-msvideo": "video/avi video/msvideo video/vnd.avi",
}
ALIASES = {other: name for name, others in _ALIASES.items() for other in others.split()}
# Where a type that is not in the table says at least what it is not.
MEDIA = ("audio", "font", "image", "video")
NOT_MEDIA = ("program", "script", "html")


def canonical(content_type: str) -> str:
    """The one name of a type that has several."""
    return ALIASES.get(content_type, content_type)


def is_declared(content_type: str | None) -> bool:
    """Something was said: octet-stream is what clients say who do not know."""
    return content_type not in (None, UNKNOWN)


def is_among(content_type: str, types: Sequence[str]) -> bool:
    """The type is one of `types`, under whatever name, or in a range such as ``image/*``."""
    name = canonical(content_type)
    ranges = {f"{one.partition('/')[0]}/*" for one in (content_type, name)}
    return any(one in ranges or canonical(one) == name for one in types)


def check_type(content_type: str | None, types: Sequence[str]) -> None:
    """Files of this type are taken. One that declares nothing is judged by its bytes when they come.

    Args:
        types: content types (``"image/png"``, ``"image/*"``) that are; empty: every one.
    Raises:
        TypeNotAllowed: status 415.
    """
    if types and content_type is not None and is_declared(content_type) and not is_among(content_type, types):
        raise TypeNotAllowed(f"{content_type} is not one of {', '.join(types)}", types=list(types))


def check_content(content_type: str | None, head: bytes, types: Sequence[str]) -> None:
    """The bytes may be of the type that was declared; if none was, of one of `types`.

    Args:
        head: the first `signatures.ENOUGH` bytes, or all there are.
        types: as for `check_type`.
    Raises:
        ContentTypeMismatch: status 415.
    """
    if not types or (UNKNOWN in types and not is_declared(content_type)):
        return
    if content_type is not None and is_declared(content_type):
        if not may_be(content_type, head):
            raise ContentTypeMismatch(f"the first bytes are not those of {content_type}", content_type=content_type)
    elif not any(_is(one, head) for one in types):
        names = ", ".join(types)
        raise ContentTypeMismatch(
            f"no type was declared, and the first bytes are of none of {names}", types=list(types)
        )


def may_be(content_type: str, head: bytes) -> bool:
    """A file that is declared to be of this type may begin like this."""
    name = canonical(content_type)
    format = _format_of(name)
    if _hides_a_program(name, head):
        return False
    if format is not None:
        if any(LOOKS[family](head) for family in format.families + format.also):
            return True
        if format.may_be_text and is_text(head):
            return not known(head, BINARY)
        return format.is_weak and not is_written(head) and not known(head)
    if TEXTS.fullmatch(name):
        return is_text(head) and not known(head, BINARY)
    return name.partition("/")[0] not in MEDIA or not known(head, NOT_MEDIA)


def _is(allowed: str, head: bytes) -> bool:
    """A file of which nothing was said is of this type, or of one in this range."""
    top, _, sub = canonical(allowed).partition("/")
    if sub != "*":
        names = [canonical(allowed)]
    elif top == "text":
        names = ["text/plain"]
    else:
        names = [name for name in FORMATS if name.startswith(f"{top}/")]
        if top not in MEDIA and not known(head):
            return True
    return any(_is_of(name, head) for name in names)


def _is_of(name: str, head: bytes) -> bool:
    format = _format_of(name)
    if format is not None:
        return any(LOOKS[family](head) for family in format.families) and not _hides_a_program(name, head)
    # Nobody here knows how a file of an unknown type begins, only that it is none of the others.
    return may_be(name, head) and (TEXTS.fullmatch(name) is not None or not known(head))


def _format_of(name: str) -> Format | None:
    if name in FORMATS:
        return FORMATS[name]
    return next((format for pattern, format in PATTERNS if pattern.fullmatch(name)), None)


def _hides_a_program(name: str, head: bytes) -> bool:
    """A picture with PHP in its first bytes is there to be run by a server that can be brought to it."""
    return name.startswith("image/") and PHP.search(head) is not None
