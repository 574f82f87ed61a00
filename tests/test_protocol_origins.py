"""Who asks, by which address, and from which web page."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from tests.properties import anything, made_of, many
from tusserver.protocol.origins import (
    EXPOSED_HEADERS,
    HOST,
    METHODS,
    REQUEST_HEADERS,
    Seen,
    cors_headers,
    is_trusted,
    preflight_headers,
    seen,
)

PROXIES = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
PROXY = Seen("http", "inside:5000", "10.1.2.3")
STRANGER = Seen("http", "inside:5000", "192.0.2.1")


@pytest.mark.parametrize("peer", ["10.0.0.0", "10.255.255.255", "fd00::1", "fd00::1%eth0", "::ffff:10.0.0.1"])
def test_a_peer_in_a_named_network_is_trusted(peer: str) -> None:
    assert is_trusted(peer, PROXIES)


@pytest.mark.parametrize(
    "peer", ["11.0.0.1", "192.0.2.1", "::1", "::ffff:11.0.0.1", "fe80::1", "", "unix:", "10.0.0.1:80", "localhost"]
)
def test_any_other_peer_is_not(peer: str) -> None:
    assert not is_trusted(peer, PROXIES)


def test_without_named_proxies_nobody_is_trusted() -> None:
    assert not is_trusted("127.0.0.1", [])


FORWARDED = [
    (("X-Forwarded-Proto", "https"), Seen("https", "inside:5000", "10.1.2.3")),
    (("X-Forwarded-Host", "example.com"), Seen("http", "example.com", "10.1.2.3")),
    (("X-Forwarded-For", "192.0.2.7"), Seen("http", "inside:5000", "192.0.2.7")),
    (("X-Forwarded-For", " 192.0.2.7 , 10.0.0.1"), Seen("http", "inside:5000", "192.0.2.7")),
    (("X-Forwarded-Proto", "HTTPS,http"), Seen("https", "inside:5000", "10.1.2.3")),
    (("Forwarded", "proto=https"), Seen("https", "inside:5000", "10.1.2.3")),
    (("Forwarded", "for=192.0.2.7;host=example.com;proto=https"), Seen("https", "example.com", "192.0.2.7")),
    (
        ("Forwarded", 'For="[2001:db8::7]:80"; HOST=example.com:8443'),
        Seen("http", "example.com:8443", "[2001:db8::7]:80"),
    ),
    (("Forwarded", "for=192.0.2.7, for=10.0.0.1;host=evil.example"), Seen("http", "inside:5000", "192.0.2.7")),
    (("Forwarded", "for=192.0.2.7 ; host=example.com"), Seen("http", "example.com", "192.0.2.7")),
    (("Forwarded", "by=10.0.0.1"), PROXY),
]


@pytest.mark.parametrize(("header", "wanted"), FORWARDED)
def test_a_named_proxy_tells_what_the_client_saw(header: tuple[str, str], wanted: Seen) -> None:
    assert seen(CIMultiDict([header]), PROXY, PROXIES) == wanted


@pytest.mark.parametrize("header", [header for header, _ in FORWARDED])
def test_nobody_else_is_believed(header: tuple[str, str]) -> None:
    assert seen(CIMultiDict([header]), STRANGER, PROXIES) == STRANGER


def test_the_standard_header_wins_over_the_others() -> None:
    headers = CIMultiDict(
        {"Forwarded": "host=a.example", "X-Forwarded-Host": "b.example", "X-Forwarded-Proto": "https"}
    )
    assert seen(headers, PROXY, PROXIES) == Seen("http", "a.example", "10.1.2.3")


def test_only_the_first_header_of_a_name_counts() -> None:
    headers = CIMultiDict([("X-Forwarded-Host", "a.example"), ("X-Forwarded-Host", "b.example")])
    assert seen(headers, PROXY, PROXIES).host == "a.example"


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-Proto", "ftp"),
        ("X-Forwarded-Proto", "https://"),
        ("X-Forwarded-Proto", ""),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "example.com/path"),
        ("X-Forwarded-Host", "user@example.com"),
        ("X-Forwarded-Host", "example.com:http"),
        ("X-Forwarded-Host", "ex\u00e4mple.com"),
        ("X-Forwarded-Host", ", example.com"),
        ("X-Forwarded-For", " "),
        ("Forwarded", ""),
        ("Forwarded", ";;;"),
        ("Forwarded", "host"),
        ("Forwarded", "host=;proto="),
        ("Forwarded", 'for="";host=""'),
        ("Forwarded", "x-for=192.0.2.7;-host=example.com"),
        ("Forwarded", "for =192.0.2.7"),
        ("Forwarded", "a b for=192.0.2.7"),
        ("Forwarded", 'host="a b"'),
        ("Forwarded", "proto=gopher"),
    ],
)
def test_what_cannot_be_is_not_believed_even_of_a_proxy(header: tuple[str, str]) -> None:
    assert seen(CIMultiDict([header]), PROXY, PROXIES) == PROXY


@pytest.mark.parametrize(
    ("host", "hostname"),
    [
        ("example.com", "example.com"),
        ("Example.COM:8080", "example.com"),
        ("127.0.0.1:5000", "127.0.0.1"),
        ("[::1]:5000", "::1"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("", ""),
        ("no host", "no host"),
    ],
)
def test_the_name_of_a_host_is_in_lower_case_without_port(host: str, hostname: str) -> None:
    assert Seen("http", host, "").hostname == hostname


NAMES = ["Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-For"]
VALUES = made_of("for", "host", "proto", "=", ";", ",", '"', "https", "example.com", ":80", "[", "]", " ", "192.0.2.7")


@many
@given(st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4))
def test_any_forwarded_headers_give_a_scheme_and_a_host_that_can_be(headers: list[tuple[str, str]]) -> None:
    found = seen(CIMultiDict(headers), PROXY, PROXIES)
    assert found.scheme in ("http", "https")
    assert HOST.fullmatch(found.host)
    assert found.hostname == found.hostname.lower()
    assert seen(CIMultiDict(headers), STRANGER, PROXIES) == STRANGER


@many
@given(anything, anything)
def test_any_peer_and_any_host_header_can_be_asked_about(peer: str, host: str) -> None:
    assert is_trusted(peer, PROXIES) in (True, False)
    assert isinstance(Seen("http", host, peer).hostname, str)


def test_every_page_may_use_a_server_that_is_open_to_all_without_credentials() -> None:
    told = cors_headers("https://example.com", ["*"])
    assert told == {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED_HEADERS}


def test_a_named_origin_is_told_back_and_caches_keep_it_apart() -> None:
    told = cors_headers("https://example.com", ["https://example.com"])
    assert told["Access-Control-Allow-Origin"] == "https://example.com"
    assert told["Access-Control-Allow-Credentials"] == "true"
    assert told["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        None,
        *("", "null", "*", "https://example.com.evil.example", "https://evil.example", "http://example.com"),
        *("https://example.com/", "https://example.com:443", "https://EXAMPLE.com", "https://xexample.com"),
        *("https://example.com\r\nX: y", " https://example.com", "example.com"),
    ],
)
def test_any_other_origin_is_told_nothing_but_that_it_matters(origin: str | None) -> None:
    assert cors_headers(origin, ["https://example.com"]) == {"Vary": "Origin"}


def test_a_page_may_read_every_header_the_protocol_answers_with() -> None:
    exposed = EXPOSED_HEADERS.split(", ")
    for name in (
        *("Location", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires", "Upload-Defer-Length"),
        *("Upload-Concat", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    ):
        assert name in exposed
    assert exposed == sorted(set(exposed))


def test_a_preflight_allows_the_methods_and_headers_of_the_protocol() -> None:
    told = preflight_headers(None)
    assert told["Access-Control-Allow-Methods"] == METHODS
    assert {"PATCH", "DELETE", "HEAD", "POST"} <= set(METHODS.split(", "))
    allowed = told["Access-Control-Allow-Headers"].split(", ")
    for name in ("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Checksum", "X-HTTP-Method-Override"):
        assert name in allowed


def test_a_header_that_a_page_adds_is_allowed_once() -> None:
    told = preflight_headers("x-mine,upload-offset, X-Other ,,")
    assert told["Access-Control-Allow-Headers"] == f"{REQUEST_HEADERS}, x-mine, X-Other"


@pytest.mark.parametrize("asked", [None, "", "upload-offset", "x: y", "x\r\ny", "ä", "x" * 1001, '"x"', "a/b"])
def test_what_is_no_list_of_header_names_adds_nothing(asked: str | None) -> None:
    assert preflight_headers(asked)["Access-Control-Allow-Headers"] == REQUEST_HEADERS


@many
@given(made_of("x-mine", ",", " ", "\r\n", ":", "upload-offset"), anything, st.lists(anything, max_size=3))
def test_any_preflight_is_answered_with_headers_that_can_be_sent(asked: str, origin: str, allowed: list[str]) -> None:
    for value in preflight_headers(asked).values():
        assert value.isascii()
        assert value.isprintable()
    told = cors_headers(origin, allowed)
    assert told.get("Access-Control-Allow-Origin", origin) in (origin, "*")
    assert ("Access-Control-Allow-Credentials" in told) == (origin in allowed and "*" not in allowed)
