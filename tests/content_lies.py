"""Files that are something else than they are declared to be."""

from __future__ import annotations

import bz2
import gzip
import zlib

from tests.content_corpus import (
    HTML,
    ODF,
    OLE,
    OOXML,
    PHP,
    Sample,
    database,
    elf,
    film,
    picture,
    riff,
    sound,
    windows_program,
    zipped,
)

COMMON = {
    "avi": riff(b"AVI ", b"LIST" + bytes(400)),
    "bzip2": bz2.compress(b"a"),
    "deb": b"!<arch>\ndebian-binary",
    "deflated": zlib.compress(HTML),
    "elf": elf(),
    "exe": windows_program(),
    "gif": picture("GIF", "P"),
    "gzip": gzip.compress(b"a"),
    "heic": film(b"heic", b"mif1", b"heic"),
    "html": HTML,
    "jpeg": picture("JPEG"),
    "mp4": film(b"isom", b"isom"),
    "nothing": b"",
    "ole": OLE,
    "pdf": picture("PDF"),
    "php": PHP,
    "png": picture("PNG"),
    "rar": b"Rar!\x1a\7",
    "raw": film(b"crx "),
    "shell": b"#!/bin/sh\n",
    "sqlite": database(),
    "text": b"hello" * 200,
    "wav": sound(),
    "webp": picture("WEBP"),
    "wide text": "hello".encode("utf-16"),
    "zip": zipped("a.txt"),
}
DECLARED = {
    "image/png": "exe elf html jpeg nothing php",
    "image/jpeg": "html png php webp zip gif",
    "image/gif": "php html exe",
    "image/webp": "avi wav gif",
    "image/avif": "heic mp4 png",
    "image/heic": "mp4 jpeg",
    "image/svg+xml": "html php text png",
    "image/bmp": "exe text",
    "image/tiff": "exe text jpeg",
    "image/x-fish": "exe html shell",
    "image/x-nikon-nef": "exe html png text",
    "application/pdf": "zip text exe html",
    "application/zip": "exe gzip pdf text",
    f"{OOXML}.wordprocessingml.document": "exe pdf text rar",
    f"{ODF}.text": "ole exe",
    "application/msword": "exe pdf png",
    "application/x-tar": "text exe deflated zip",
    "application/gzip": "deflated zip elf",
    "audio/mpeg": "exe html wav zip text",
    "audio/wav": "webp exe text avi",
    "video/mp4": "exe heic raw text",
    "video/mp2t": "text exe",
    "font/woff2": "exe html",
    "text/plain": "exe elf png zip gzip",
    "text/csv": "ole zip bzip2 pdf",
    "application/json": "exe jpeg sqlite",
    "text/html": "exe deb",
}
SCREEN = b"\1\0\1\0\x80\0\0" + b"\xff\xff\xff\0\0\0"
CLEVER = (
    Sample("cut png", "image/png", b"\x89PNG\r\n\x1a\n"),
    Sample("php behind a signature", "image/gif", b"GIF89a" + PHP),
    Sample("php behind a signature and a line", "image/gif", b"GIF89a\n" + PHP),
    Sample("php behind a signature and a semicolon", "image/gif", b"GIF89a;" + PHP),
    Sample("php behind a picture", "image/gif", picture("GIF", "P") + PHP),
    Sample("php in a comment", "image/gif", b"GIF89a" + SCREEN + b"!\xfe\x1c" + PHP + b"\0;"),
    Sample("php in a comment", "image/jpeg", picture("JPEG", comment=PHP)),
    Sample("php behind an element", "image/svg+xml", b"<svg/>" + PHP),
    Sample("wide html", "image/svg+xml", HTML.decode().encode("utf-16")),
    Sample("html behind comments", "image/svg+xml", b"<!-- svg --> \n<!-- -->" + HTML),
    Sample("its letters", "image/bmp", b"BM is what they say"),
    Sample("its letters", "image/tiff", b"II hello"),
    Sample("its letters", "application/zip", b"PK hello"),
    Sample("its letters", "audio/wav", b"RIFF hello"),
    Sample("its letters", "video/mp4", b"The free world"),
    Sample("zip that names it", "application/pdf", zipped("%PDF-1.4")),
    Sample("exe that names it", "application/pdf", windows_program() + b"%PDF-1.4\n"),
    Sample("html that names it", "application/pdf", HTML + b"%PDF-1.4\n"),
    Sample("frame of wide text", "audio/mpeg", "hello".encode("utf-16")),
    Sample("typescript", "video/mp2t", b"Gladly = 1;\n" * 99),
    Sample("zeros", "text/csv", b"a,b\0\0"),
)


def lies() -> list[Sample]:
    """Every dishonest file."""
    plain = [Sample(name, told, COMMON[name]) for told, names in DECLARED.items() for name in names.split()]
    return [*plain, *CLEVER]
