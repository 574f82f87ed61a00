"""Ids of uploads, and the addresses that name them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties import anything, made_of, many
from tusserver.protocol.ids import RANDOM_BYTES, is_id, make_id, parse_part
from tusserver.protocol.refusals import BadParts

ID = "AbCdEfGhIjKlMnOpQrS-_9"
PATHS = ["/files/"]
HOSTS = ["example.com", "::1"]


def test_an_id_is_made_of_128_random_bits() -> None:
    assert RANDOM_BYTES * 8 == 128
    assert make_id(bytes(16)) == "A" * 22
    assert make_id(b"\xff" * 16) == "_" * 21 + "w"


@many
@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_any_random_bytes_make_an_id(random: bytes) -> None:
    assert is_id(make_id(random))


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", ID[1:], ID + "a", ID + "\n", "\n" + ID, ID[1:] + "/", ID[1:] + ".", "../" + ID[3:]),
        *(ID[1:] + " ", ID[1:] + "%", ID[1:] + "=", ID[1:] + "+", ID[1:] + "é", ID[1:] + "\x00", ID[1:] + "٣"),
    ],
)
def test_anything_but_22_letters_of_url_safe_base64_is_no_id(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize(
    "address",
    [
        f"/files/{ID}",
        f"http://example.com/files/{ID}",
        f"https://example.com/files/{ID}",
        f"HTTPS://EXAMPLE.COM/files/{ID}",
        f"http://example.com:8080/files/{ID}",
        f"http://[::1]:5000/files/{ID}",
    ],
)
def test_a_path_or_an_absolute_address_of_this_server_names_an_upload(address: str) -> None:
    assert parse_part(address, PATHS, HOSTS) == ID


def test_an_upload_may_be_known_under_several_paths() -> None:
    for path in ("/files/", "/public/files/"):
        assert parse_part(f"{path}{ID}", ["/files/", "/public/files/"], HOSTS) == ID


@pytest.mark.parametrize(
    "address",
    [
        *("", "/", ID, f"files/{ID}", f"/{ID}", f"/other/{ID}", f"/FILES/{ID}", f"/files//{ID}", f"/files/{ID}/"),
        *(f"/files/a/{ID}", f"/files/../files/{ID}", f"/files/./{ID}", f"/files/..%2F{ID}", "/files/", "/files"),
        *(f"/files/{ID[:-1]}", f"/files/{ID}a", f"/files/{ID[:-1]}%39", f"/files/{ID}?a", f"/files/{ID}#a"),
        *(f"//example.com/files/{ID}", f"ftp://example.com/files/{ID}", f"file:///files/{ID}", f"http:/files/{ID}"),
        *(f"http:///files/{ID}", f"http:files/{ID}", f"http://evil.example/files/{ID}", f"javascript:/files/{ID}"),
        *(f"http://example.com.evil.example/files/{ID}", f"http://example.com@evil.example/files/{ID}"),
        *(f"http://[::2]/files/{ID}", f"http://[/files/{ID}", f"http://[x]/files/{ID}", f"http://ex\uff0fa/files/{ID}"),
        *(f" /files/{ID}", f"\x01/files/{ID}", f"/fi\nles/{ID}", f"/files/{ID}\t", f"ht\ttp://example.com/files/{ID}"),
        *("/etc/passwd", "/files/../../etc/passwd", f"/files\\{ID}", f"/files/{ID};a", f"http://example.com/{ID}"),
    ],
)
def test_anything_else_is_refused_with_400(address: str) -> None:
    with pytest.raises(BadParts) as refused:
        parse_part(address, PATHS, HOSTS)
    assert refused.value.status == 400


def test_a_refused_address_is_quoted_in_part_only() -> None:
    with pytest.raises(BadParts) as refused:
        parse_part("/" + "x" * 100_000, PATHS, HOSTS)
    assert len(refused.value.detail) < 300


ADDRESSES = made_of("http", "https", "://", "example.com", ":80", "@", "/files/", ID, "..", "%2e", "?", "#", "//", "\\")


@many
@given(ADDRESSES)
def test_any_address_gives_an_id_below_the_path_or_is_refused(address: str) -> None:
    try:
        id = parse_part(address, PATHS, HOSTS)
    except BadParts:
        return
    assert is_id(id)
    assert re.fullmatch(r"(https?://([^/?#]*@)?example\.com(:[^/?#]*)?)?/files/" + id + "[?#]*", address, re.I)


@many
@given(anything)
def test_any_text_is_an_id_by_its_form_alone(text: str) -> None:
    assert is_id(text) == (re.fullmatch(r"[A-Za-z0-9_-]{22}\Z", text) is not None)
