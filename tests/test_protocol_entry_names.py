"""Names of the files in an archive."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import made_of, many
from tusserver.protocol.entry_names import DEVICES, FORBIDDEN, distinct, entry_name

ID = "A" * 22


@pytest.mark.parametrize(
    "label",
    [
        "a.txt",
        "photos/2026/beach.jpg",
        "Größe 日本.pdf",
        "עברית/ملف.txt",
        "naïve 🏖.png",
        ".bashrc",
        "a (2).txt",
        "archive.tar.gz",
        "console/auxiliary.txt",
        "..a/b..c",
        "-rf",
        "~root",
        "x" * 236 + ".txt",
    ],
)
def test_a_name_that_every_system_takes_stays_as_it_is(label: str) -> None:
    assert entry_name(label, ID) == label


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../../b", "a/b"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\Windows\\a.dll", "C_/Windows/a.dll"),
        ("C:a.dll", "C_a.dll"),
        ("\\\\host\\share\\a", "host/share/a"),
        ("a.txt:stream", "a.txt_stream"),
        ('<a>"b|c?d*.txt', "_a__b_c_d_.txt"),
        ("a\0.txt", "a.txt"),
        ("a\r\nb", "ab"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("a\ud800b", "ab"),
        ("a.", "a_"),
        ("a. ./b", "a___/b"),
        ("...", "___"),
        ("dir./x", "dir_/x"),
        ("NUL", "_NUL"),
        ("aux.c", "_aux.c"),
        ("Com1 .tar.gz", "_Com1 .tar.gz"),
        ("a/lpt9/b", "a/_lpt9/b"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("x" * 300 + ".jpeg", "x" * 235 + ".jpeg"),
        ("x" * 300, "x" * 240),
        ("x" * 239 + "." + "y" * 40, "x" * 239 + "_"),
        ("a." + "x" * 300, "a." + "x" * 238),
        ("日" * 100 + ".txt", "日" * 78 + ".txt"),
    ],
)
def test_a_name_is_made_one_that_every_system_takes(label: str, name: str) -> None:
    assert entry_name(label, ID) == name


@pytest.mark.parametrize("label", [None, "", "/", "..", "\0", " / ", "\u202e"])
def test_what_has_no_name_is_named_by_its_id(label: str | None) -> None:
    assert entry_name(label, ID) == ID


@many
@given(label=made_of("..", "/", "\\", "C:", "con", ".", " ", "\0", "a" * 130, "é", "\u0301"))
def test_any_label_becomes_a_name_inside_the_folder_it_is_unpacked_in(label: str) -> None:
    name = entry_name(label, ID)
    parts = name.split("/")
    for part in parts:
        assert part not in ("", ".", "..")
        assert len(part.encode()) <= 241
        assert not re.search(r'[\\:<>"|?*\x00-\x1f\x7f]', part)
        assert not part.endswith((".", " "))
        assert part.partition(".")[0].rstrip().lower() not in DEVICES
    assert entry_name(name, ID) == name
    assert name.translate(FORBIDDEN) == name


@pytest.mark.parametrize(
    ("names", "made"),
    [
        ([], []),
        (["a.txt", "b.txt"], ["a.txt", "b.txt"]),
        (["a.txt", "a.txt", "a.txt"], ["a.txt", "a (2).txt", "a (3).txt"]),
        (["a.txt", "A.TXT"], ["a.txt", "A (2).TXT"]),
        (["straße", "STRASSE"], ["straße", "STRASSE (2)"]),
        (["É", "é"], ["É", "é (2)"]),
        (["x/a.txt", "a.txt"], ["x/a.txt", "a.txt"]),
        (["x/a.txt", "X/a.txt"], ["x/a.txt", "X/a (2).txt"]),
        (["x/a.txt", "X/b.txt"], ["x/a.txt", "X/b.txt"]),
        ([".bashrc", ".bashrc"], [".bashrc", ".bashrc (2)"]),
        (["a.tar.gz", "a.tar.gz"], ["a.tar.gz", "a.tar (2).gz"]),
        (["d.x/a", "d.x/a"], ["d.x/a", "d.x/a (2)"]),
        # What is named so keeps its name.
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["a", "a", "A (2)/b"], ["a", "a (3)", "A (2)/b"]),
        # A file cannot have the name of a folder.
        (["a", "a/b"], ["a (2)", "a/b"]),
        (["a/b", "A"], ["a/b", "A (2)"]),
        (["a/b", "a", "a"], ["a/b", "a (2)", "a (3)"]),
        (["a", "a-", "a/b", "a (2)"], ["a (3)", "a-", "a/b", "a (2)"]),
        (["a/b/c", "a/b", "a"], ["a/b/c", "a/b (2)", "a (2)"]),
    ],
)
def test_names_that_would_be_one_file_are_numbered(names: list[str], made: list[str]) -> None:
    assert list(distinct(names)) == made


NAMES = st.lists(st.sampled_from("aAbé/ (2)") | st.just("a (2)") | st.just("a/"), min_size=1, max_size=4).map("".join)


@many
@given(labels=st.lists(NAMES, max_size=12))
def test_no_two_names_are_one_file_and_none_is_a_folder_of_another(labels: list[str]) -> None:
    names = [entry_name(label, ID) for label in labels]
    made = list(distinct(names))
    assert len(made) == len(names)
    plain = [unicodedata.normalize("NFC", name.casefold()) for name in made]
    assert len(set(plain)) == len(plain)
    assert not {one for one in plain for other in plain if other.startswith(one + "/")}
    kept = [name for name, before in zip(made, names, strict=True) if name == before]
    assert set(kept) <= set(names)
    assert list(distinct(made)) == made


def test_many_files_of_one_name_take_no_longer_than_they_must() -> None:
    made = list(distinct(["image.jpg"] * 20_000))
    assert (made[0], made[1], made[-1]) == ("image.jpg", "image (2).jpg", "image (20000).jpg")
