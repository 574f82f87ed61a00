"""Settings: one table, three places to write them, one clear line for whatever is wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis.strategies import sampled_from, text

from tusserver.extensions import EVERY_EXTENSION
from tusserver.protocol.durability import Durability
from tusserver.setting_sources import load_settings
from tusserver.settings import TUS_EXTENSIONS, Auth, Previews, Settings, SettingsError, table

ROOT = Path(__file__).resolve().parent.parent

# Word for word from the description that users of the image service have.
SEED_DOTENV = """\
# Server settings
HOST=0.0.0.0  # Listen on all interfaces
PORT=8000     # Custom port
RELOAD=False  # Disable auto-reload in production

# Storage settings
UPLOAD_FOLDER=/path/to/custom/storage
"""


SECRET = "a secret of at least thirty-two bytes"
PEM = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----"
# Texts of any kind are values of these, so what is nearly one is one.
FREE_TEXT = ("upload_folder", "jwt_secret", "jwt_public_key", "jwt_audience", "jwt_issuer")


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def refusal(argv: dict[str, str], environ: dict[str, str] | None = None, dotenv: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(argv, environ or {}, dotenv)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_anything_written_the_defaults_hold() -> None:
    assert load_settings({}, {}, None) == Settings()
    expected: dict[str, Any] = {
        "host": "127.0.0.1", "port": 5000, "reload": False, "upload_folder": Path("uploads").absolute(),
        "base_url": None, "tus_path": "/files/", "max_size": None, "max_metadata": 16384, "max_header": 131072,
        "max_headers": 128, "read_timeout": 60.0, "lock_timeout": 5.0, "expires_after": 604800.0, "keep_finished": None,
        "sweep_interval": 600.0, "durability": Durability.COMPLETE, "cors_origins": ("*",), "trusted_proxies": (),
        "disabled_extensions": frozenset(), "access_log": False, "log_level": "info", "stop_timeout": 5.0,
        "allowed_extensions": frozenset({"png", "jpg", "jpeg", "webp"}), "upload_url_path": "/uploads",
        "auth": Auth.AUTO, "token_lifetime": 900.0, "session_lifetime": 43200.0,
        "jwt_secret": None, "jwt_public_key": None, "jwt_jwks_url": None, "jwt_audience": None, "jwt_issuer": None,
        "announce_hosts": (), "stale_after": 86400.0, "max_json_body": 2**24, "chunk_size": 2**23,
        "max_owner_bytes": None, "max_owner_open": None, "max_owner_per_minute": None,
        "allowed_types": (), "clamd": None, "images": Previews.PUBLIC, "image_max_size": 25_000_000,
        "image_max_pixels": 40_000_000, "image_max_frames": 100, "image_optimise": False, "image_timeout": 20.0,
        "image_workers": 1, "image_cache": 2**30, "zip_max_size": 10**8, "zip_memory": 4 * 10**8,
    }  # fmt: skip
    assert {entry.name: getattr(Settings(), entry.name) for entry in table()} == expected


def test_a_flag_wins_over_the_environment_and_that_over_dotenv(dotenv: Path) -> None:
    dotenv.write_text("PORT=1\nHOST=0.0.0.0\nMAX_SIZE=7\n")
    settings = load_settings({"port": "3"}, {"TUSSERVER_PORT": "2", "TUSSERVER_HOST": "::1"}, dotenv)
    assert (settings.port, settings.host, settings.max_size) == (3, "::1", 7)


def test_the_name_with_the_prefix_wins_over_the_bare_one(dotenv: Path) -> None:
    dotenv.write_text("TUSSERVER_MAX_SIZE=2\nMAX_SIZE=1\n")
    settings = load_settings({}, {"PORT": "1", "TUSSERVER_PORT": "2"}, dotenv)
    assert (settings.port, settings.max_size) == (2, 2)


def test_a_bare_name_in_dotenv_loses_to_any_name_in_the_environment(dotenv: Path) -> None:
    dotenv.write_text("TUSSERVER_PORT=1\n")
    assert load_settings({}, {"PORT": "2"}, dotenv).port == 2


def test_the_dotenv_of_the_image_service_works_as_it_stands(dotenv: Path) -> None:
    dotenv.write_text(SEED_DOTENV)
    settings = load_settings({}, {}, dotenv)
    assert settings == Settings(host="0.0.0.0", port=8000, upload_folder=Path("/path/to/custom/storage"))
    assert settings.reload is False


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("HOST", "0.0.0.0", "host", "0.0.0.0"),
        ("PORT", "8000", "port", 8000),
        ("RELOAD", "True", "reload", True),
        ("UPLOAD_FOLDER", "/srv/files", "upload_folder", Path("/srv/files")),
        ("ALLOWED_EXTENSIONS", "png, .GIF", "allowed_extensions", frozenset({"png", "gif"})),
        ("ALLOWED_EXTENSIONS", '["png", "gif"]', "allowed_extensions", frozenset({"png", "gif"})),
        ("UPLOAD_URL_PATH", "images/", "upload_url_path", "/images"),
        ("BASE_URL", "https://example.com/", "base_url", "https://example.com"),
    ],
)
def test_the_names_of_the_image_service_count_in_the_environment(
    variable: str, value: str, name: str, expected: object
) -> None:
    assert getattr(load_settings({}, {variable: value}, None), name) == expected
    assert getattr(load_settings({}, {f"TUSSERVER_{variable}": value}, None), name) == expected


def test_no_other_bare_variable_is_read() -> None:
    others = {entry.bare_variable: "rubbish" for entry in table() if not entry.bare}
    assert load_settings({}, others, None) == Settings()


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("host", "::", "::"),
        ("host", "files.example.com", "files.example.com"),
        ("port", "0", 0),
        ("port", "65535", 65535),
        ("reload", "YES", True),
        ("reload", "0", False),
        ("base_url", "none", None),
        ("announce_hosts", "Hooks.example.com, ::1", ("hooks.example.com", "::1")),
        ("base_url", "http://[::1]:8000/prefix/", "http://[::1]:8000/prefix"),
        ("tus_path", "files", "/files/"),
        ("tus_path", "/api/v1/files", "/api/v1/files/"),
        ("max_size", "none", None),
        ("max_size", "10GB", 10**10),
        ("max_size", "500MiB", 500 * 2**20),
        ("max_size", "1 kb", 1000),
        ("max_size", "1048576", 2**20),
        ("max_metadata", "0", 0),
        ("read_timeout", "90s", 90.0),
        ("read_timeout", "0.5", 0.5),
        ("read_timeout", "250ms", 0.25),
        ("expires_after", "7d", 604800.0),
        ("expires_after", "12h", 43200.0),
        ("expires_after", "2W", 1209600.0),
        ("expires_after", "never", None),
        ("keep_finished", "Never", None),
        ("durability", "Always", Durability.ALWAYS),
        ("cors_origins", "none", ()),
        (
            "cors_origins",
            "https://Example.com/, http://localhost:3000",
            ("https://example.com", "http://localhost:3000"),
        ),
        ("trusted_proxies", "127.0.0.1,10.0.0.0/8,::1", (*map(ip_network, ("127.0.0.1", "10.0.0.0/8", "::1")),)),
        ("disabled_extensions", "concatenation,Checksum-Trailer", frozenset({"concatenation", "checksum-trailer"})),
        ("log_level", "DEBUG", "debug"),
        ("auth", "Required", Auth.REQUIRED),
        ("token_lifetime", "1h", 3600.0),
        ("session_lifetime", "7d", 604800.0),
        ("jwt_secret", SECRET, SECRET),
        ("jwt_public_key", PEM, PEM),
        ("jwt_public_key", PEM.replace("\n", "\\n"), PEM),
        ("jwt_public_key", "/srv/key.pem", "/srv/key.pem"),
        ("jwt_jwks_url", "https://example.com/keys?v=1", "https://example.com/keys?v=1"),
        ("jwt_audience", "none", None),
        ("jwt_issuer", "https://example.com/", "https://example.com/"),
        ("max_owner_open", "5", 5),
        ("max_owner_open", "None", None),
        ("allowed_types", "none", ()),
        ("allowed_types", "Application/PDF, image/*", ("application/pdf", "image/*")),
        ("clamd", "None", None),
        ("clamd", "scanner:3310", "scanner:3310"),
        ("clamd", "[::1]:3310", "[::1]:3310"),
        ("clamd", "/run/clamav/clamd.ctl", "/run/clamav/clamd.ctl"),
        ("images", "Private", Previews.PRIVATE),
        ("image_max_size", "1MiB", 2**20),
        ("image_max_frames", "1", 1),
        ("image_optimise", "on", True),
        ("image_timeout", "500ms", 0.5),
        ("image_cache", "0", 0),
        ("zip_memory", "1GB", 10**9),
    ],
)
def test_a_well_formed_value_is_read(name: str, text: str, expected: object) -> None:
    value = getattr(load_settings({name: text}, {}, None), name)
    assert value == expected
    assert type(value) is type(expected) or isinstance(value, str)


MALFORMED = [
    *[("host", text) for text in ("", " ", "a b", "http://example.com", "127.0.0.1:80", "[::1]", "-x", "1::2::3")],
    *[("port", text) for text in ("", "-1", "+1", "1.5", "65536", "80a", "٣", "1e3", "tcp://10.0.0.1:80", "9" * 99)],
    *[(name, text) for name in ("reload", "access_log") for text in ("", "maybe", "2", "truefalse")],
    *[("upload_folder", text) for text in ("", "a\0b", "~nobody-of-this-name/uploads")],
    *[("announce_hosts", text) for text in ("", "a,,b", "http://example.com", "*.example.com", "example.com:80")],
    *[("base_url", text) for text in ("", "example.com", "ftp://example.com", "http://", "http://a b", "https://ü.de")],
    *[
        ("base_url", text)
        for text in ("http://example.com:x", "http://e.com:99999", "http://u:p@e.com", "http://e.com/?q")
    ],
    *[("tus_path", text) for text in ("", "/", "//", "/a//b", "/../x", "/a/./b", "/{id}", "/a?b", "/a b", "/ü")],
    *[
        ("max_size", text)
        for text in ("", "0", "-1", "10G", "1_000", "1.5GB", "1,000", "GB", "1XB", "٣", f"{2**63}", "inf")
    ],
    *[("max_size", text) for text in ("9999999999999TB", "1 0", "unlimited")],
    *[("max_metadata", text) for text in ("none", "-1", "129KiB")],
    *[("max_header", text) for text in ("1023", "1GB", "x")],
    *[("max_headers", text) for text in ("15", "5000", "1KiB")],
    *[("read_timeout", text) for text in ("", "0", "-1s", "nan", "inf", "1e3", "5x", "never", "s", "1 h 5 m", "٣s")],
    *[("lock_timeout", text) for text in ("never", "-0.1", "five")],
    *[("expires_after", text) for text in ("0", "999999d", "forever", "none")],
    *[("keep_finished", text) for text in ("0", "no")],
    *[("sweep_interval", text) for text in ("0", "never")],
    *[("stop_timeout", text) for text in ("never", "-1")],
    *[("durability", text) for text in ("", "sometimes")],
    *[("cors_origins", text) for text in ("", ",", "*,https://e.com", "example.com", "https://*.example.com", "null")],
    *[
        ("cors_origins", text)
        for text in ("https://example.com/path", "https://e.com?x", "a,,b", "[1]", "[", "https://")
    ],
    *[("trusted_proxies", text) for text in ("", "nginx", "10.0.0.1/8", "10.0.0.0/33", "127.0.0.1,", "*")],
    *[("disabled_extensions", text) for text in ("", "everything", "checksum,nix")],
    *[("allowed_extensions", text) for text in ("", "png,,jpg", "p/ng", "*")],
    *[("upload_url_path", text) for text in ("", "/", "/../etc", "/{x}")],
    *[("log_level", text) for text in ("", "loud")],
    *[("auth", text) for text in ("", "on", "true", "none")],
    *[(name, text) for name in ("token_lifetime", "session_lifetime") for text in ("", "0", "0.5s", "never")],
    *[("jwt_secret", text) for text in ("", "too short", "x" * 31)],
    *[("jwt_public_key", text) for text in ("", "-----BEGIN PRIVATE KEY-----\nx", "~nobody-of-this-name/key")],
    *[("jwt_jwks_url", text) for text in ("", "example.com", "file:///etc/passwd", "http://a b")],
    *[(name, text) for name in ("jwt_audience", "jwt_issuer") for text in ("", "a\0b", "a\nb")],
    *[("stale_after", text) for text in ("", "0", "never")],
    *[("max_json_body", text) for text in ("", "1", "2GB", "none")],
    *[("chunk_size", text) for text in ("", "0", "none")],
    *[("max_owner_bytes", text) for text in ("", "0", "10G")],
    *[(name, text) for name in ("max_owner_open", "max_owner_per_minute") for text in ("", "0", "-1", "1.5", "never")],
    *[("allowed_types", text) for text in ("", "png", "image/png,", "image/", "*/*", "image/p*", "a/b/c", "image/ü")],
    *[("clamd", text) for text in ("", "3310", ":3310", "scanner", "scanner:", "scanner:0", "scanner:65536", "a b:1")],
    *[("clamd", text) for text in ("scanner:٣", "::1:3310", "[::1]", "[scanner]:1", "/a\0b", "/" + "x" * 107)],
    *[("images", text) for text in ("", "on", "none")],
    *[("image_max_size", text) for text in ("", "0", "none", "25M")],
    *[(name, text) for name in ("image_max_pixels", "image_max_frames") for text in ("", "0", "40MB", "none")],
    *[("image_optimise", text) for text in ("", "maybe")],
    *[("image_timeout", text) for text in ("", "0", "0.05", "never")],
    *[("image_workers", text) for text in ("", "0", "65", "-1")],
    *[("image_cache", text) for text in ("", "none", "-1")],
    *[(name, text) for name in ("zip_max_size", "zip_memory") for text in ("", "0", "none")],
]


@pytest.mark.parametrize(("name", "text"), MALFORMED)
def test_a_malformed_value_is_refused_with_one_line_that_names_it(name: str, text: str) -> None:
    line = refusal({name: text})
    assert line.startswith(f"{name}: ")
    if (name, text) != ("max_metadata", "129KiB"):
        assert f"(flag --{name.replace('_', '-')})" in line
        assert "; expected " in line


def test_every_setting_that_can_be_malformed_is_tried_malformed() -> None:
    assert {entry.name for entry in table()} == {name for name, _ in MALFORMED}


def test_a_refusal_says_where_the_value_was_written_and_what_is_expected(dotenv: Path) -> None:
    assert refusal({"port": "80a"}) == (
        "port: '80a' (flag --port) is not a whole number; expected a whole number from 0 to 65535"
    )
    assert "(environment variable TUSSERVER_PORT)" in refusal({}, {"TUSSERVER_PORT": "80a"})
    assert "(environment variable PORT)" in refusal({}, {"PORT": "80a"})
    dotenv.write_text("\n# a comment\n\nHOST=::1\nPORT=80a\n")
    assert f"({dotenv} line 5)" in refusal({}, {}, dotenv)


def test_a_long_malformed_value_is_shown_shortened() -> None:
    assert len(refusal({"port": "x" * 10_000})) < 250


def test_a_value_that_nearly_fits_is_refused_at_once() -> None:
    for name in (entry.name for entry in table() if entry.name not in FREE_TEXT):
        for near in ("a" * 300 + "!", "/a" * 300 + "!", "1" * 300 + "!", "a.b" * 300 + "!"):
            began = time.monotonic()
            refusal({name: near})
            assert time.monotonic() - began < 0.5


@given(name=sampled_from([entry.name for entry in table()]), text=text() | text(alphabet="0123456789.:/,-*[]~ kMiBsd"))
def test_whatever_is_written_is_a_value_or_a_line(name: str, text: str) -> None:
    line = ""
    try:
        load_settings({name: text}, {}, None)
    except SettingsError as error:
        line = str(error)
    assert "\n" not in line


def test_a_malformed_value_that_a_flag_overrules_does_no_harm() -> None:
    assert load_settings({"port": "1"}, {"TUSSERVER_PORT": "rubbish"}, None).port == 1


def test_metadata_that_no_header_could_carry_is_refused() -> None:
    assert "max_header" in refusal({"max_metadata": "129KiB"})
    assert load_settings({"max_metadata": "129KiB", "max_header": "1MiB"}, {}, None).max_metadata == 129 * 1024


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 70_000), ("port", -1), ("max_size", 0), ("read_timeout", float("nan")), ("stop_timeout", float("inf")),
        ("tus_path", "/"), ("base_url", "example.com"), ("cors_origins", ("example.com",)), ("durability", "sometimes"),
        ("disabled_extensions", frozenset({"nix"})), ("host", ""), ("log_level", "loud"),
    ],
)  # fmt: skip
def test_a_value_set_in_python_is_held_to_the_same_bounds(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Settings(**{name: value})


def test_a_folder_is_absolute_and_a_path_has_its_slashes_also_when_set_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(upload_folder=Path("here"), tus_path="a/b")
    assert (settings.upload_folder, settings.tus_path) == (tmp_path / "here", "/a/b/")
    assert Settings().upload_folder == tmp_path / "uploads"


def test_the_extensions_that_can_be_switched_off_are_those_there_are() -> None:
    assert frozenset(EVERY_EXTENSION) == TUS_EXTENSIONS


def test_settings_are_read_without_the_web_framework() -> None:
    code = "import sys, tusserver.settings; print('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
