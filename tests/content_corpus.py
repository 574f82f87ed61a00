"""True files of many types, made by the encoders that are here and by hand."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import plistlib
import sqlite3
import struct
import tarfile
import wave
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image


class Sample(NamedTuple):
    """A file with the content type that its client declares."""

    name: str
    content_type: str
    data: bytes


PICTURE = Image.radial_gradient("L").resize((48, 32))
OOXML = "application/vnd.openxmlformats-officedocument"
ODF = "application/vnd.oasis.opendocument"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b">\0\3\0\xfe\xff\t\0" + bytes(480)
PHP = b"<?php system($_GET['c']); ?>"
HTML = b"<!DOCTYPE html><html><head><script>alert(1)</script></head><body></body></html>"


def picture(kind: str, mode: str = "RGB", **options: object) -> bytes:
    """The picture as Pillow writes it."""
    made = io.BytesIO()
    PICTURE.convert(mode).save(made, kind, **options)
    return made.getvalue()


def frames(kind: str) -> bytes:
    """Three pictures in one file."""
    made = io.BytesIO()
    turned = [PICTURE.convert("RGB").rotate(angle) for angle in (90, 180)]
    PICTURE.convert("RGB").save(made, kind, save_all=True, append_images=turned, duration=50)
    return made.getvalue()


def zipped(*names: str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of small files, the first of which is not compressed, as formats made of ZIP have it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for number, name in enumerate(names):
            archive.writestr(name, f"<{name}/>" * 9, zipfile.ZIP_STORED if number == 0 else method)
    return made.getvalue()


def tarred(format: int, *names: str) -> bytes:
    """A tar of small files."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"hello"))
    return made.getvalue()


def windows_program() -> bytes:
    """The headers of a program for Windows."""
    stub = b"\x0e\x1f\xba\x0e\0\xb4\t\xcd!\xb8\1L\xcd!This program cannot be run in DOS mode.\r\r\n$"
    start = b"MZ\x90\0\3\0\0\0\4\0\0\0\xff\xff\0\0\xb8" + bytes(43) + struct.pack("<I", 128)
    return (start + stub).ljust(128, b"\0") + b"PE\0\0d\x86\6\0" + bytes(512)


def elf() -> bytes:
    """The header of a program for Linux."""
    return b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHI", 2, 62, 1) + bytes(488)


def box(kind: bytes, content: bytes) -> bytes:
    """A box of ISO 14496-12."""
    return struct.pack(">I", len(content) + 8) + kind + content


def film(major: bytes, *compatible: bytes) -> bytes:
    """The beginning of a file of the MP4 family."""
    return box(b"ftyp", major + bytes(4) + b"".join(compatible)) + box(b"free", b"") + box(b"mdat", bytes(600))


def database() -> bytes:
    """A small SQLite file."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE TABLE fish (name TEXT)")
        return connection.serialize()
    finally:
        connection.close()


def sound() -> bytes:
    """A WAV."""
    made = io.BytesIO()
    with wave.open(made, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(2000))
    return made.getvalue()


def riff(kind: bytes, content: bytes) -> bytes:
    """A RIFF file."""
    return b"RIFF" + struct.pack("<I", len(content) + 4) + kind + content


def pictures() -> Iterator[Sample]:
    """Pictures in every mode that matters."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield Sample(f"png {mode}", "image/png", picture("PNG", mode))
    for mode in ("L", "RGB", "CMYK"):
        yield Sample(f"jpeg {mode}", "image/jpeg", picture("JPEG", mode))
    yield Sample("progressive jpeg", "image/jpeg", picture("JPEG", progressive=True))
    yield Sample("jpeg with exif", "image/jpg", picture("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"))
    yield Sample("jpeg with comment", "image/pjpeg", picture("JPEG", comment=b"hello"))
    yield Sample("jpeg with fill bytes", "image/jpeg", b"\xff\xd8\xff\xff" + picture("JPEG")[3:])
    yield Sample("animated png", "image/apng", frames("PNG"))
    yield Sample("gif", "image/gif", picture("GIF", "P"))
    yield Sample("gif of two colours", "image/gif", picture("GIF", "1"))
    yield Sample("gif without colours of its own", "image/gif", b"GIF87a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2D\1\0;")
    yield Sample("animated gif", "image/gif", frames("GIF"))
    yield Sample("webp", "image/webp", picture("WEBP"))
    yield Sample("lossless webp", "image/webp", picture("WEBP", "RGBA", lossless=True))
    yield Sample("animated webp", "image/webp", frames("WEBP"))
    yield Sample("avif", "image/avif", picture("AVIF"))
    yield Sample("avif as heif", "image/heif", picture("AVIF"))
    yield Sample("animated avif", "image/avif", frames("AVIF"))


def more_pictures() -> Iterator[Sample]:
    """Pictures of programs."""
    yield Sample("bmp", "image/bmp", picture("BMP"))
    yield Sample("bmp of two colours", "image/x-ms-bmp", picture("BMP", "1"))
    yield Sample("tiff", "image/tiff", picture("TIFF"))
    yield Sample("tiff of 64 bits", "image/tiff", picture("TIFF", big_tiff=True))
    yield Sample("tiff, big end first", "image/tiff", b"MM\0*\0\0\0\x08\0\0" + bytes(64))
    yield Sample("icon", "image/x-icon", picture("ICO", sizes=[(16, 16), (32, 32)]))
    yield Sample("icon that is a png", "image/vnd.microsoft.icon", picture("PNG"))
    yield Sample("jpeg 2000", "image/jp2", picture("JPEG2000"))
    yield Sample("jpeg xl", "image/jxl", b"\xff\x0a" + bytes(range(64)))
    yield Sample("tga, which has no signature", "image/x-tga", picture("TGA"))
    yield Sample("ppm", "image/x-portable-pixmap", picture("PPM"))
    yield Sample("pcx", "image/x-pcx", picture("PCX", "L"))
    yield Sample("psd", "image/x-photoshop", b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0 \0\0\0 \0\x08\0\3" + bytes(64))


def photographs() -> Iterator[Sample]:
    """As cameras write them; and drawings."""
    yield Sample("heic", "image/heic", film(b"heic", b"mif1", b"heic"))
    yield Sample("heic with mif1 first", "image/heif", film(b"mif1", b"mif1", b"heic", b"miaf"))
    yield Sample("canon raw", "image/x-canon-cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(64))
    yield Sample("canon raw 3", "image/x-canon-cr3", film(b"crx ", b"crx ", b"isom"))
    yield Sample("nikon raw", "image/x-nikon-nef", b"MM\0*\0\0\0\x08\0\x1a" + bytes(64))
    yield Sample("olympus raw", "image/x-olympus-orf", b"IIRO\x08\0\0\0" + bytes(64))
    yield Sample("raw nobody here knows", "image/x-sigma-x3f", b"\1\2\3\0NEWX" + bytes(64))
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    yield Sample("svg", "image/svg+xml", svg)
    yield Sample("svg with a prologue", "image/svg+xml", b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- hi -->\n" + svg)
    yield Sample("svg of wide characters", "image/svg+xml", svg.decode().encode("utf-16"))
    yield Sample("svg behind a long licence", "image/svg+xml", b"<!--" + b"licence " * 600 + b"-->" + svg)
    yield Sample("compressed svg", "image/svg+xml", gzip.compress(svg))


def documents() -> Iterator[Sample]:
    """Office, print, fonts."""
    parts = ("[Content_Types].xml", "_rels/.rels", "docProps/app.xml")
    for kind in ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"):
        yield Sample(kind, f"{OOXML}.{kind}", zipped(*parts))
    yield Sample("docx with a password", f"{OOXML}.wordprocessingml.document", OLE)
    yield Sample("xlsm", "application/vnd.ms-excel.sheet.macroenabled.12", zipped(*parts))
    for kind in ("text", "spreadsheet", "presentation", "graphics"):
        yield Sample(f"odf {kind}", f"{ODF}.{kind}", zipped("mimetype", "content.xml"))
    yield Sample("flat odf", f"{ODF}.text-flat-xml", b"<?xml version='1.0'?><office:document/>")
    yield Sample("epub", "application/epub+zip", zipped("mimetype", "META-INF/container.xml"))
    yield Sample("doc", "application/msword", OLE)
    yield Sample("doc that is rtf", "application/msword", b"{\\rtf1\\ansi hello}")
    yield Sample("xls that is csv, from Windows", "application/vnd.ms-excel", b"name;size\r\nfish;3\r\n")
    yield Sample("xls that is html", "application/vnd.ms-excel", b"<html><table><tr><td>1</td></tr></table></html>")
    yield Sample("xls of 1990", "application/vnd.ms-excel", b"\t\x04\x06\0\0\0\x10\0" + bytes(64))
    yield Sample("msg", "application/vnd.ms-outlook", OLE)
    yield Sample("rtf", "text/rtf", b"{\\rtf1\\ansi hello}")
    yield Sample("pdf", "application/pdf", picture("PDF"))
    yield Sample("pdf behind a line of mail", "application/pdf", b"X-Mail: 1\r\n\r\n" + picture("PDF"))
    yield Sample("postscript", "application/postscript", picture("EPS"))
    yield Sample("illustrator, which is pdf", "application/postscript", picture("PDF"))
    for magic, kind in ((b"\0\1\0\0\0", "ttf"), (b"OTTO\0", "otf"), (b"wOFF", "woff"), (b"wOF2", "woff2")):
        yield Sample(kind, f"font/{kind}", magic + bytes(64))
    yield Sample("ttf by its old name", "application/x-font-ttf", b"\0\1\0\0\0" + bytes(64))


def archives() -> Iterator[Sample]:
    """Archives, databases, programs' own formats."""
    yield Sample("zip", "application/zip", zipped("a.txt", "b.txt"))
    yield Sample("zip, from Windows", "application/x-zip-compressed", zipped("a.txt"))
    yield Sample("zip of nothing", "application/zip", zipped())
    yield Sample("jar", "application/java-archive", zipped("META-INF/MANIFEST.MF", "A.class"))
    yield Sample("apk", "application/vnd.android.package-archive", zipped("AndroidManifest.xml", "classes.dex"))
    yield Sample("tar", "application/x-tar", tarred(tarfile.USTAR_FORMAT, "fish.txt", "d/" * 60 + "e"))
    yield Sample("tar of gnu", "application/x-tar", tarred(tarfile.GNU_FORMAT, "ü" * 90))
    yield Sample("tar of posix", "application/x-gtar", tarred(tarfile.PAX_FORMAT, "ü" * 90))
    old = bytearray(tarred(tarfile.USTAR_FORMAT, "fish.txt"))
    old[257:265] = bytes(8)
    old[148:156] = b"%06o\0 " % (sum(old[:148]) + sum(old[156:512]) + 256)
    yield Sample("tar of 1979", "application/x-tar", bytes(old))
    yield Sample("tar of nothing", "application/x-tar", tarred(tarfile.GNU_FORMAT))
    yield Sample("tar.gz by Python's mimetypes", "application/x-tar", gzip.compress(bytes(old)))
    yield Sample("gzip", "application/gzip", gzip.compress(b"hello"))
    yield Sample("tar.gz", "application/x-gzip", gzip.compress(bytes(old)))
    yield Sample("bzip2", "application/x-bzip2", bz2.compress(b"hello"))
    yield Sample("bzip2 of nothing", "application/x-bzip2", bz2.compress(b""))
    yield Sample("xz", "application/x-xz", lzma.compress(b"hello"))
    yield Sample("lzma", "application/x-lzma", lzma.compress(b"hello", lzma.FORMAT_ALONE))
    yield Sample("zstd", "application/zstd", b"\x28\xb5\x2f\xfd\x04\x58" + bytes(32))
    yield Sample("7z", "application/x-7z-compressed", b"7z\xbc\xaf\x27\x1c\0\4" + bytes(64))
    yield Sample("rar", "application/x-rar-compressed", b"Rar!\x1a\7\1\0" + bytes(64))
    yield Sample("deb", "application/x-debian-package", b"!<arch>\ndebian-binary   0           0     0     100644")
    yield Sample("sqlite", "application/vnd.sqlite3", database())
    yield Sample("wasm", "application/wasm", b"\0asm\1\0\0\0")
    yield Sample("binary plist", "application/x-plist", plistlib.dumps({"a": 1}, fmt=plistlib.FMT_BINARY))
    yield Sample(
        "a program where programs are taken", "application/vnd.microsoft.portable-executable", windows_program()
    )


def media() -> Iterator[Sample]:
    """Sound and film."""
    yield Sample("wav", "audio/x-wav", sound())
    yield Sample("mp3 with a tag", "audio/mpeg", b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\x64" + bytes(400))
    yield Sample("mp3", "audio/mp3", b"\xff\xfb\x90\x64" + bytes(400))
    yield Sample("mp3 behind padding", "audio/mpeg", bytes(300) + b"\xff\xf3\x84\x64" + bytes(400))
    yield Sample("mp3 behind rubbish", "audio/mpeg", b"\1\2\3" * 700 + b"\xff\xfb\x90\x64" + bytes(400))
    yield Sample("mp3 in a wav", "audio/mpeg", riff(b"WAVE", b"fmt \x1e\0\0\0\x55\0\2\0" + bytes(400)))
    yield Sample("aac", "audio/aac", b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(400))
    yield Sample("flac", "audio/flac", b'fLaC\0\0\0"' + bytes(64))
    yield Sample("ogg", "audio/ogg", b"OggS\0\2" + bytes(22) + b"\1\x1e\1vorbis" + bytes(64))
    yield Sample("midi", "audio/midi", b"MThd\0\0\0\6\0\1\0\2\0\x60MTrk")
    yield Sample("m4a", "audio/x-m4a", film(b"M4A ", b"M4A ", b"mp42", b"isom"))
    yield Sample("amr", "audio/amr", b"#!AMR\n" + bytes(64))
    yield Sample("mp4", "video/mp4", film(b"isom", b"isom", b"iso2", b"avc1", b"mp41"))
    yield Sample("m4v", "video/x-m4v", film(b"M4V ", b"M4V ", b"mp42"))
    yield Sample("quicktime", "video/quicktime", film(b"qt  ", b"qt  "))
    yield Sample("quicktime of 1995", "video/quicktime", box(b"wide", b"") + b"\0\0\2\0mdat" + bytes(512))
    yield Sample("3gp", "video/3gpp", film(b"3gp4", b"isom", b"3gp4"))
    yield Sample("webm", "video/webm", b"\x1a\x45\xdf\xa3\x9fB\x86\x81\1B\xf7\x81\1B\x82\x84webm" + bytes(64))
    yield Sample("matroska", "video/x-matroska", b"\x1a\x45\xdf\xa3\xa3B\x86\x81\1B\x82\x88matroska" + bytes(64))
    yield Sample("avi", "video/x-msvideo", riff(b"AVI ", b"LIST" + bytes(400)))
    yield Sample("wmv", "video/x-ms-wmv", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0b\xcel" + bytes(64))
    yield Sample("mpeg", "video/mpeg", b"\0\0\1\xba\x44\0\4\0\4\1" + bytes(400))
    yield Sample("transport stream", "video/mp2t", (b"\x47\x40\0\x10" + bytes(184)) * 4)
    yield Sample("flv", "video/x-flv", b"FLV\1\5\0\0\0\x09" + bytes(64))


def texts() -> Iterator[Sample]:
    """What has no signature."""
    yield Sample("text", "text/plain", b"hello\n")
    yield Sample("text of nothing", "text/plain", b"")
    yield Sample("text in Latin 1", "text/plain", "Größe".encode("latin-1"))
    yield Sample("text in UTF-16", "text/plain", "hello".encode("utf-16"))
    yield Sample("text in UTF-32", "text/plain", "hello".encode("utf-32"))
    yield Sample("text in Shift JIS with escapes", "text/plain", b"\x1b$B%F%9%H\x1b(B")
    for start in ("MZ is a code", "BM 25", "PK", "GIF89a; is a word", "ID3 tags", "%PDF- begins a PDF", "RIFF", "FORM"):
        yield Sample(f"text that begins with {start}", "text/plain", start.encode() + b" and goes on.\n" * 9)
    yield Sample("text that quotes php", "text/markdown", b"# How\n\n" + PHP)
    yield Sample("csv", "text/csv", b"name,size\nfish,3\n")
    yield Sample("csv from Excel", "text/csv", b"\xef\xbb\xbfname;size\r\n")
    yield Sample("json", "application/json", json.dumps({"fish": "ü"}).encode())
    yield Sample("geojson", "application/geo+json", b'{"type": "Point"}')
    yield Sample("xml", "text/xml", b"<?xml version='1.0'?><a/>")
    yield Sample("html", "text/html", HTML)
    yield Sample("php", "application/x-httpd-php", PHP)
    yield Sample("shell script", "application/x-sh", b"#!/bin/sh\nexit\n")
    yield Sample("shell script as text", "text/plain", b"#!/bin/sh\nexit\n")
    yield Sample("javascript", "application/javascript", b"'use strict'")
    yield Sample("yaml", "application/x-yaml", b"a: 1\n")
    yield Sample("subtitles", "text/vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n")
    yield Sample("mail", "message/rfc822", b"From: a@example.com\r\n\r\nhello")
    yield Sample("what nobody here knows", "application/x-fish", bytes(range(256)))
    yield Sample("sound that nobody here knows", "audio/x-fish", bytes(range(256)))


def true_files() -> list[Sample]:
    """Every honest file."""
    return [*pictures(), *more_pictures(), *photographs(), *documents(), *archives(), *media(), *texts()]
