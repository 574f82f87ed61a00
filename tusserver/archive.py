"""Archives of finished uploads. Where each byte of one lies is known before any file is read.

Files are stored as they are, with the CRC-32 in front and no descriptor behind, so an archive is a pure function of
its entries: it has an exact length, a tag that outlives the process, and any range of it can be made by itself. No CRC
is needed for the layout, and of the bytes only those few that tell one need it.

The only place that knows zipstream-ng. Its `ZipStreamInfo` writes the records in front of a file and in the directory;
where they lie, and the end of the directory, is worked out here, since its own sums hold only for descriptors.

Source: APPNOTE.TXT 6.3.10, .ZIP File Format Specification, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3.
"""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from mmap import mmap

from zipstream import ZIP_DEFLATED, ZipStream, ZipStreamInfo  # type: ignore[import-untyped]

from tusserver.protocol.entry_names import distinct, entry_name

# Counted up with every change that gives the same entries other bytes: it is part of the tag, and somebody may hold
# the first half of an archive.
LAYOUT = 1
# Beyond this a number of 32 bits makes way for one of 64. Readers that take it for signed are why it is not twice that.
NARROW = 2**31 - 1
MOST_COUNTED = 2**16 - 2

LOCAL = 30  # bytes in front of a file besides its name
LOCAL_WIDE = 20  # two numbers of 64 bits there, with their head
CENTRAL = 46
END = struct.Struct("<4s4H2LH")
END_WIDE = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
WIDE_VERSION = 45
# Where the CRC begins in the record in front of a file, and in that of the directory.
CRC_IN_LOCAL, CRC_IN_CENTRAL, CRC = 14, 16, 4
UNKNOWN = -1

ID = 22  # characters of one
UNIX = 3
FILE_MODE = (stat.S_IFREG | 0o644) << 16
# The moments that DOS can tell.
EARLIEST = int(datetime(1980, 1, 1, tzinfo=UTC).timestamp())
LATEST = int(datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp())


class Part(Enum):
    """What a byte of an archive belongs to: what is in front of a file, the file, its line in the directory, or the
    end of the directory."""

    LOCAL = "local"
    DATA = "data"
    CENTRAL = "central"
    END = "end"


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it goes into an archive.

    Attributes:
        id: of the upload, 22 characters.
        label: its filename, if it has one.
        modified_at: aware.
        crc32: of its bytes, None: nobody knows yet.
    """

    id: str
    label: str | None
    size: int
    modified_at: datetime
    crc32: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` up to `end` of one part of the entry `index`; the end of the directory has index 0."""

    part: Part
    index: int
    start: int
    end: int

    @property
    def length(self) -> int:
        """How many there are."""
        return self.end - self.start


def _numbers(count: int) -> memoryview:
    """So many zeros of 8 bytes.

    In a mapping of their own: Python's allocator keeps what it has once had in pieces of such a size.
    """
    return memoryview(mmap(-1, 8 * max(1, count))).cast("q")[:count]


class Texts:
    """A list of up to `count` texts in one piece of memory, a fraction of what a list of them would take."""

    def __init__(self, count: int, texts: Iterable[str] = ()) -> None:
        self._bytes = bytearray()
        self._ends = _numbers(count + 1)
        self._filled = 0
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add one at the end."""
        self._bytes += text.encode(errors="surrogatepass")
        self._filled += 1
        self._ends[self._filled] = len(self._bytes)

    def __len__(self) -> int:
        return self._filled

    def __getitem__(self, index: int) -> str:
        return self._bytes[self._ends[index] : self._ends[index + 1]].decode(errors="surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def size(self, index: int) -> int:
        """Bytes of one."""
        return self._ends[index + 1] - self._ends[index]

    def digest(self, into: hashlib._Hash) -> None:
        """Feed all of them to a hash, and where each ends."""
        into.update(self._bytes)
        into.update(self._ends)


class Contents:
    """What goes into an archive, held small: 100,000 entries take some 10 MB.

    Args:
        count: how many there will be.
    """

    def __init__(self, count: int) -> None:
        self.ids = bytearray(ID * count)
        self.names = Texts(count)
        self.sizes, self.dates, self.crcs = (_numbers(count) for _ in range(3))

    def __len__(self) -> int:
        return len(self.names)

    def add(self, entry: Entry) -> None:
        """Add a file at the end."""
        index = len(self)
        self.ids[ID * index : ID * (index + 1)] = entry.id.encode()
        self.sizes[index] = entry.size
        self.dates[index] = min(max(EARLIEST, int(entry.modified_at.timestamp())), LATEST)
        self.crcs[index] = UNKNOWN if entry.crc32 is None else entry.crc32
        self.names.add(entry_name(entry.label, entry.id))


class Archive:
    """The bytes of an archive, none of which is made before it is asked for.

    Attributes:
        length: all of them.
        etag: a strong tag, with quotes.
        central, end: where the directory and its end begin.
    """

    def __init__(self, contents: Contents) -> None:
        self._ids, self._sizes, self._dates, self._crcs = contents.ids, contents.sizes, contents.dates, contents.crcs
        count = len(contents)
        self._names = contents.names
        if any(name != own for name, own in zip(distinct(self._names), self._names, strict=True)):
            self._names = Texts(count, distinct(contents.names))
        self._locals, self._centrals = (_numbers(count + 1) for _ in range(2))
        for index, size in enumerate(self._sizes):
            self._locals[index + 1] = self._locals[index] + self._local_size(index) + size
        self._centrals[0] = self._locals[count]
        for index in range(count):
            self._centrals[index + 1] = self._centrals[index] + self._central_size(index)
        self.central, self.end = self._centrals[0], self._centrals[count]
        self._tail = self._make_tail()
        self.length = self.end + len(self._tail)
        self.etag = self._make_tag()

    def __len__(self) -> int:
        return len(self._sizes)

    def id(self, index: int) -> str:
        """The upload of an entry."""
        return self._ids[ID * index : ID * (index + 1)].decode()

    def _local_size(self, index: int) -> int:
        return LOCAL + self._names.size(index) + LOCAL_WIDE * (self._sizes[index] > NARROW)

    def _central_size(self, index: int) -> int:
        wide = 2 * (self._sizes[index] > NARROW) + (self._locals[index] > NARROW)
        return CENTRAL + self._names.size(index) + (4 + 8 * wide if wide else 0)

    def _make_tail(self) -> bytes:
        count, size = len(self), self.end - self.central
        wide = b""
        if count > MOST_COUNTED or self.central > NARROW or size > NARROW:
            versions = (WIDE_VERSION, WIDE_VERSION)
            wide = END_WIDE.pack(b"PK\6\6", END_WIDE.size - 12, *versions, 0, 0, count, count, size, self.central)
            wide += LOCATOR.pack(b"PK\6\7", 0, self.end, 1)
        few = min(count, 2**16 - 1)
        return wide + END.pack(
            b"PK\5\6", 0, 0, few, few, min(size, 2**32 - 1), min(self.central, 2**32 - 1), 0
        )  # fmt: skip

    def _make_tag(self) -> str:
        made = hashlib.sha256(b"%d %d " % (LAYOUT, len(self)))
        made.update(self._ids)
        self._names.digest(made)
        made.update(self._sizes)
        made.update(self._dates)
        return f'"zip-{base64.urlsafe_b64encode(made.digest()[:18]).decode()}"'

    def pieces(self, start: int, end: int) -> Iterator[Piece]:
        """What the bytes from `start` up to `end` belong to, in their order; nothing behind the last."""
        end = min(end, self.length)
        while start < end:
            part, index, begin, after = self._at(start)
            yield Piece(part, index, start - begin, min(end, after) - begin)
            start = after

    def _at(self, position: int) -> tuple[Part, int, int, int]:
        """The part that a byte belongs to, the index of its entry, where it begins and ends."""
        if position >= self.end:
            return Part.END, 0, self.end, self.length
        if position >= self.central:
            index = bisect_right(self._centrals, position) - 1
            return Part.CENTRAL, index, self._centrals[index], self._centrals[index + 1]
        index = bisect_right(self._locals, position) - 1
        begin = self._locals[index]
        data = begin + self._local_size(index)
        if position < data:
            return Part.LOCAL, index, begin, data
        return Part.DATA, index, data, self._locals[index + 1]

    def lacks_crc(self, piece: Piece) -> bool:
        """The piece tells a CRC that nobody knows yet."""
        at = CRC_IN_LOCAL if piece.part is Part.LOCAL else CRC_IN_CENTRAL
        is_record = piece.part in (Part.LOCAL, Part.CENTRAL)
        return is_record and self._crcs[piece.index] == UNKNOWN and piece.start < at + CRC and piece.end > at

    def learn(self, index: int, crc32: int) -> None:
        """Tell the CRC of an entry."""
        self._crcs[index] = crc32

    def before_crc(self, piece: Piece) -> Piece:
        """What of a piece that lacks a CRC can be told without it; perhaps nothing."""
        at = CRC_IN_LOCAL if piece.part is Part.LOCAL else CRC_IN_CENTRAL
        return replace(piece, end=max(piece.start, at))

    def bytes_of(self, piece: Piece) -> bytes:
        """The bytes of a piece that is no data of a file and lacks no CRC."""
        if piece.part is Part.END:
            return self._tail[piece.start : piece.end]
        info = self._info(piece.index)
        # The one is public, the other is not; the tests hold both to the specification.
        record: bytes = (
            info.FileHeader(zip64=info.file_size > NARROW)
            if piece.part is Part.LOCAL
            else info._central_directory_header_data()
        )
        return record[piece.start : piece.end]

    def _info(self, index: int) -> ZipStreamInfo:
        date = datetime.fromtimestamp(self._dates[index], UTC).timetuple()[:6]
        info = ZipStreamInfo(self._names[index], date)
        info.create_system, info.external_attr = UNIX, FILE_MODE
        info.file_size = info.compress_size = self._sizes[index]
        info.CRC = max(0, self._crcs[index])
        info.header_offset = self._locals[index]
        return info


@dataclass(frozen=True, slots=True)
class Held:
    """A file in memory. `pieces` is gone through once, when its turn has come."""

    label: str
    size: int
    pieces: Iterable[bytes]


def deflated(files: Sequence[Held]) -> Iterator[bytes]:
    """An archive of files that are in memory, compressed step by step as it is gone through; some steps give b""."""
    made = ZipStream(compress_type=ZIP_DEFLATED)
    names = distinct([entry_name(file.label, "file") for file in files])
    for name, file in zip(names, files, strict=True):
        made.add(iter(file.pieces), name, size=file.size)
    yield from made
