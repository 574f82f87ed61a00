"""Where settings are written: the environment and `.env`, and what is passed over there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_settings import refusal
from tusserver.setting_sources import load_settings, notices
from tusserver.settings import Settings


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_an_unknown_variable_with_the_prefix_is_refused_with_the_name_meant() -> None:
    assert refusal({}, {"TUSSERVER_PROT": "1"}) == (
        "TUSSERVER_PROT (environment variable) is no setting; did you mean TUSSERVER_PORT?"
    )
    assert refusal({}, {"TUSSERVER_XYZZY": ""}) == "TUSSERVER_XYZZY (environment variable) is no setting"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PROT=1", "PROT ({} line 1) is no setting; did you mean PORT?"),
        ("port=1", "port ({} line 1) is no setting; did you mean PORT?"),
        ("# x\n\nXYZZY=1", "XYZZY ({} line 3) is no setting"),
        ("HOST=::1\nPORT", "PORT ({} line 2) has no value; expected PORT=value"),
        ("HOST=::1\n\n= = =\n", "{} line 3 cannot be read; expected NAME=value"),
        ("PORT='1\n", "{} line 1 cannot be read; expected NAME=value"),
    ],
)
def test_a_line_of_dotenv_that_makes_no_sense_is_refused(dotenv: Path, text: str, expected: str) -> None:
    dotenv.write_text(text)
    assert refusal({}, {}, dotenv) == expected.format(dotenv)


def test_dotenv_knows_quotes_comments_export_a_byte_order_mark_and_earlier_names(dotenv: Path) -> None:
    dotenv.write_text(
        "export PORT='8000' # quoted\nHOST=\"::1\"\nUPLOAD_FOLDER=${BASE}/${PORT}\nMAX_SIZE=\n", encoding="utf-8-sig"
    )
    settings = load_settings({}, {"BASE": "/srv"}, dotenv)
    assert settings == Settings(port=8000, host="::1", upload_folder=Path("/srv/8000"))


def test_a_dotenv_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal({}, {}, tmp_path) == f"{tmp_path} cannot be read: Is a directory"
    (tmp_path / "latin").write_bytes(b"UPLOAD_FOLDER=/caf\xe9\n")
    assert refusal({}, {}, tmp_path / "latin") == f"{tmp_path / 'latin'} cannot be read: it is not UTF-8"


def test_an_absent_dotenv_is_no_error(tmp_path: Path) -> None:
    assert load_settings({}, {}, tmp_path / "absent") == Settings()


def test_an_empty_variable_counts_as_not_set(dotenv: Path) -> None:
    dotenv.write_text("PORT=8000\n")
    assert load_settings({}, {"TUSSERVER_PORT": "", "HOST": " "}, dotenv) == Settings(port=8000)


@pytest.mark.parametrize("value", ["x86_64-conda-linux-gnu", "laptop", "laptop.example.com"])
def test_a_host_that_a_shell_has_set_is_passed_over_and_told(value: str) -> None:
    assert load_settings({}, {"HOST": value}, None).host == "127.0.0.1"
    assert [value in line for line in notices({}, {"HOST": value})] == [True]
    assert notices({"host": "::"}, {"HOST": value}) == []
    assert notices({}, {"HOST": value, "TUSSERVER_HOST": "::"}) == []


@pytest.mark.parametrize("value", ["0.0.0.0", "::", "localhost", " 127.0.0.1 "])
def test_a_host_in_the_environment_that_is_an_address_counts(value: str) -> None:
    assert load_settings({}, {"HOST": value}, None).host == value.strip()
    assert notices({}, {"HOST": value}) == []


def test_a_host_name_counts_where_it_was_written_for_this_server(dotenv: Path) -> None:
    dotenv.write_text("HOST=files.example.com\n")
    assert load_settings({}, {}, dotenv).host == "files.example.com"
    assert load_settings({}, {"TUSSERVER_HOST": "files.example.com"}, None).host == "files.example.com"


def test_the_variables_that_kubernetes_makes_for_a_service_are_no_settings() -> None:
    links = {
        "TUSSERVER_SERVICE_HOST": "10.0.0.1", "TUSSERVER_SERVICE_PORT": "80", "TUSSERVER_SERVICE_PORT_HTTP": "80",
        "TUSSERVER_PORT": "tcp://10.0.0.1:80", "TUSSERVER_PORT_80_TCP": "tcp://10.0.0.1:80",
        "TUSSERVER_PORT_80_TCP_PROTO": "tcp", "TUSSERVER_PORT_80_TCP_PORT": "80",
        "TUSSERVER_PORT_80_TCP_ADDR": "10.0.0.1",
    }  # fmt: skip
    assert load_settings({}, links, None) == Settings()
    assert load_settings({}, links | {"PORT": "8000"}, None).port == 8000
