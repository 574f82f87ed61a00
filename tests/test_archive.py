"""Archives of stored files as a function of their entries: lengths, tags, and any range by itself."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tusserver.archive import Archive, Contents, Entry, Held, Part, Piece, Texts, deflated

DATE = datetime(2026, 7, 8, 9, 10, 12, tzinfo=UTC)
GIB = 1 << 30


def id_of(number: int) -> str:
    return f"{number:022}"


def entry(number: int, label: str | None, data: bytes, date: datetime = DATE) -> Entry:
    return Entry(id_of(number), label, len(data), date, zlib.crc32(data))


def contents(entries: Iterable[Entry]) -> Contents:
    held = list(entries)
    made = Contents(len(held))
    for one in held:
        made.add(one)
    assert len(made) == len(held)
    return made


def archive_of(files: dict[str, bytes]) -> tuple[Archive, list[bytes]]:
    entries = [entry(number, label, data) for number, (label, data) in enumerate(files.items())]
    return Archive(contents(entries)), list(files.values())


def some(archive: Archive, datas: list[bytes], start: int, end: int) -> bytes:
    """The bytes of a range, each piece made by itself."""
    made = []
    for piece in archive.pieces(start, end):
        is_data = piece.part is Part.DATA
        made.append(datas[piece.index][piece.start : piece.end] if is_data else archive.bytes_of(piece))
        assert len(made[-1]) == piece.length > 0
    return b"".join(made)


def whole(archive: Archive, datas: list[bytes]) -> bytes:
    return some(archive, datas, 0, archive.length)


LABELS = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["a", "a/b", "A", "日本/語.txt", "x" * 300]))
FILES = st.lists(st.tuples(LABELS, st.binary(max_size=60)), max_size=8)


@settings(deadline=None, max_examples=300)
@given(files=FILES, cuts=st.lists(st.integers(0, 3000), max_size=4), known=st.booleans())
def test_any_range_of_any_archive_is_that_slice_of_the_whole(
    files: list[tuple[str | None, bytes]], cuts: list[int], known: bool
) -> None:
    entries = [entry(number, *file) for number, file in enumerate(files)]
    datas = [data for _, data in files]
    reference = Archive(contents(entries))
    all_of_it = whole(reference, datas)
    assert len(all_of_it) == reference.length
    archive = Archive(contents(one if known else replace(one, crc32=None) for one in entries))
    assert (archive.length, archive.etag) == (reference.length, reference.etag)
    if not known:
        for index, data in enumerate(datas):
            archive.learn(index, zlib.crc32(data))
    ends = [0, *sorted(min(cut, archive.length) for cut in cuts), archive.length]
    for start, end in pairwise(ends):
        assert some(archive, datas, start, end) == all_of_it[start:end]


@settings(deadline=None)
@given(files=FILES)
def test_zipfile_finds_every_file_with_its_bytes_and_its_name(files: list[tuple[str | None, bytes]]) -> None:
    datas = [data for _, data in files]
    archive = Archive(contents(entry(number, *file) for number, file in enumerate(files)))
    with zipfile.ZipFile(io.BytesIO(whole(archive, datas))) as opened:
        assert opened.testzip() is None
        assert [opened.read(info) for info in opened.infolist()] == datas
        assert len({name.casefold() for name in opened.namelist()}) == len(files)
        for info in opened.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.flag_bits & 0x08 == 0, "no descriptor"
            assert (info.flag_bits & 0x800 != 0) == (not info.filename.isascii())
            assert info.date_time == (2026, 7, 8, 9, 10, 12)
            assert (info.create_system, info.external_attr >> 16) == (3, 0o100644)


def test_the_records_are_those_of_the_specification_byte_for_byte() -> None:
    archive, datas = archive_of({"dir/é.txt": b"hello"})
    made = whole(archive, datas)
    name = "dir/é.txt".encode()
    time, day = 9 << 11 | 10 << 5 | 6, 46 << 9 | 7 << 5 | 8
    common = struct.pack("<HHHHLLLHH", 0x800, 0, time, day, zlib.crc32(b"hello"), 5, 5, len(name), 0)
    local = b"PK\3\4" + struct.pack("<H", 20) + common + name + b"hello"
    central = b"PK\1\2" + bytes([20, 3, 20, 0]) + common + struct.pack("<HHHLL", 0, 0, 0, 0o100644 << 16, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(central), len(local), 0)
    assert made == local + central + end


def test_an_archive_of_nothing_is_one() -> None:
    archive, datas = archive_of({})
    assert zipfile.ZipFile(io.BytesIO(whole(archive, datas))).namelist() == []


class Sparse(io.RawIOBase):
    """An archive whose files are holes, read as a file of many gigabytes that nobody holds."""

    def __init__(self, archive: Archive) -> None:
        self._archive, self._at = archive, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._archive.length}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._archive.length if size < 0 else min(self._archive.length, self._at + size)
        pieces = self._archive.pieces(self._at, end)
        self._at = max(self._at, end)
        return b"".join(
            bytes(piece.length) if piece.part is Part.DATA else self._archive.bytes_of(piece) for piece in pieces
        )


def sparse(*sizes: int) -> Archive:
    # The CRC of what is read to its end.
    crcs = [zlib.crc32(bytes(size)) if size < 100 else 0 for size in sizes]
    return Archive(contents(Entry(id_of(n), f"f{n}", size, DATE, crcs[n]) for n, size in enumerate(sizes)))


NARROW = 2**31 - 1


@pytest.mark.parametrize(
    "sizes",
    [
        [NARROW],
        [NARROW + 1],
        [2**32 - 1],
        [2**32],
        [5 * GIB],
        [1, 5 * GIB, 1],
        [NARROW - 32],  # the directory begins at the last narrow position, and behind it
        [NARROW - 32 + 1],
        [NARROW - 32, 0, 1],
        [3 * GIB] * 5,
        [2**45, 7],
    ],
)
def test_files_and_places_of_many_gigabytes_are_found(sizes: list[int]) -> None:
    archive = sparse(*sizes)
    with zipfile.ZipFile(Sparse(archive)) as opened:
        infos = opened.infolist()
        assert [info.file_size for info in infos] == sizes
        for info in infos:
            with opened.open(info) as file:  # reads what is in front of it, and compares the names
                assert file.read(10) == bytes(min(10, info.file_size))
    for piece in (*archive.pieces(0, min(archive.length, 1000)), *archive.pieces(archive.central, archive.length)):
        assert piece.part is Part.DATA or len(archive.bytes_of(piece)) == piece.length


def wide_sizes(record: bytes, skip: int) -> tuple[int, ...]:
    """The numbers of 64 bits behind the name in a record."""
    tag, size = struct.unpack_from("<HH", record, skip)
    assert (tag, len(record)) == (1, skip + 4 + size)
    return struct.unpack_from(f"<{size // 8}Q", record, skip + 4)


def test_a_wide_record_says_so_and_tells_its_numbers_in_the_order_of_the_specification() -> None:
    archive = sparse(3 * GIB, 5 * GIB)
    (first, second) = (piece for piece in archive.pieces(0, archive.end) if piece.part is Part.CENTRAL)
    local = archive.bytes_of(Piece(Part.LOCAL, 1, 0, 52))
    assert struct.unpack_from("<H", local, 4) == (45,)
    assert struct.unpack_from("<LL", local, 18) == (2**32 - 1, 2**32 - 1)
    assert wide_sizes(local, 32) == (5 * GIB, 5 * GIB)
    assert wide_sizes(archive.bytes_of(first), 48) == (3 * GIB, 3 * GIB)
    assert wide_sizes(archive.bytes_of(second), 48) == (5 * GIB, 5 * GIB, 3 * GIB + 52)


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536, 70_000])
def test_more_entries_than_16_bits_can_count(count: int) -> None:
    archive = Archive(contents(Entry(id_of(n), f"{n % 7}/{n}.jpg", 3, DATE, 5) for n in range(count)))
    with zipfile.ZipFile(Sparse(archive)) as opened:
        assert len(opened.namelist()) == count
        assert opened.namelist()[-1] == f"{(count - 1) % 7}/{count - 1}.jpg"
        assert opened.getinfo("1/1.jpg").header_offset == 30 + 7 + 3
    (tail,) = archive.pieces(archive.end, archive.length)
    assert (tail.length == 22) == (count < 65_535)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), (1980, 1, 1, 0, 0, 0)),
        (datetime(2150, 1, 1, tzinfo=UTC), (2107, 12, 31, 23, 59, 58)),
        (datetime(2026, 1, 1, 1, 30, 59, tzinfo=timezone(timedelta(hours=2))), (2025, 12, 31, 23, 30, 58)),
    ],
)
def test_dates_are_told_in_utc_within_the_years_there_are(moment: datetime, told: tuple[int, ...]) -> None:
    archive = Archive(contents([Entry(id_of(1), "a", 0, moment, 0)]))
    with zipfile.ZipFile(io.BytesIO(whole(archive, [b""]))) as opened:
        assert opened.infolist()[0].date_time == told


SAME = Entry(id_of(1), "a", 5, DATE, 7)


@pytest.mark.parametrize(
    "other",
    [
        replace(SAME, id=id_of(2)),
        replace(SAME, label="b"),
        replace(SAME, size=6),
        replace(SAME, modified_at=DATE + timedelta(seconds=1)),
    ],
)
def test_the_tag_tells_archives_apart(other: Entry) -> None:
    assert Archive(contents([SAME])).etag != Archive(contents([other])).etag


def test_the_tag_tells_apart_how_many_there_are_and_in_which_order() -> None:
    one, two = SAME, replace(SAME, id=id_of(2), label="b")
    tags = {Archive(contents(entries)).etag for entries in ([], [one], [one, two], [two, one], [one, one])}
    assert len(tags) == 5


def test_the_tag_of_this_layout_is_this_one() -> None:
    """It outlives the process: whoever changes the bytes of an archive counts LAYOUT up."""
    assert Archive(contents([SAME])).etag == '"zip-3Las_VgMt5r4F4gg8a6r5Hck"'


def test_the_tag_needs_no_crc() -> None:
    assert Archive(contents([SAME])).etag == Archive(contents([replace(SAME, crc32=None)])).etag


def test_only_the_bytes_that_tell_a_crc_lack_it() -> None:
    archive = Archive(contents([replace(SAME, crc32=None)]))
    (local,) = archive.pieces(0, 31)
    (central,) = archive.pieces(archive.central, archive.end)
    assert archive.lacks_crc(local)
    assert archive.lacks_crc(central)
    assert not archive.lacks_crc(replace(local, end=14))
    assert archive.lacks_crc(replace(local, start=13, end=15))
    assert archive.lacks_crc(replace(local, start=17))
    assert not archive.lacks_crc(replace(local, start=18))
    assert not archive.lacks_crc(replace(central, end=16))
    assert archive.lacks_crc(replace(central, start=19))
    assert not archive.lacks_crc(replace(central, start=20))
    assert not any(map(archive.lacks_crc, archive.pieces(31, archive.central)))
    assert not any(map(archive.lacks_crc, archive.pieces(archive.end, archive.length)))
    assert archive.bytes_of(archive.before_crc(local)) == archive.bytes_of(local)[:14]
    assert archive.before_crc(replace(local, start=16)).length == 0
    archive.learn(0, 0x12345678)
    assert not archive.lacks_crc(local)
    assert archive.bytes_of(local)[14:18] == b"\x78\x56\x34\x12"
    assert archive.bytes_of(central)[16:20] == b"\x78\x56\x34\x12"


def test_a_crc_of_zero_is_one() -> None:
    archive = Archive(contents([replace(SAME, size=0, crc32=0)]))
    assert not any(map(archive.lacks_crc, archive.pieces(0, archive.length)))


def test_a_range_behind_the_end_has_no_bytes() -> None:
    archive, _ = archive_of({"a": b"x"})
    assert list(archive.pieces(archive.length, archive.length + 5)) == []
    assert sum(piece.length for piece in archive.pieces(3, archive.length + 5)) == archive.length - 3


def test_texts_come_back_as_they_are() -> None:
    texts = ["a", "", "日本", "x" * 1000]
    held = Texts(len(texts), texts)
    assert list(held) == texts
    assert [held.size(index) for index in range(len(held))] == [1, 0, 6, 1000]


def test_files_in_memory_are_compressed_step_by_step() -> None:
    data = b"the same again and again " * 40_000
    pieces = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    files = [Held("a.txt", len(data), pieces), Held("../A.TXT", 3, [b"abc"]), Held("日本", 0, [])]
    steps = list(deflated(files))
    assert max(map(len, steps)) < 70_000
    with zipfile.ZipFile(io.BytesIO(b"".join(steps))) as opened:
        assert opened.testzip() is None
        assert opened.namelist() == ["a.txt", "A (2).TXT", "日本"]
        assert [opened.read(name) for name in opened.namelist()] == [data, b"abc", b""]
    assert sum(map(len, steps)) < len(data) / 50
