"""What people read about the settings: the page in docs/, and the values in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_settings import ROOT, SECRET, refusal
from tusserver.cli.settings_page import markdown, values_in_force
from tusserver.settings import Settings, table


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_a_secret_is_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    private = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0"
    assert "hunter2" not in refusal({"jwt_secret": "hunter2"})
    assert "c2Vj" not in refusal({}, {"TUSSERVER_JWT_PUBLIC_KEY": private})
    with pytest.raises(ValueError, match=r"^jwt_secret: \(not shown\) is shorter than 32 bytes"):
        Settings(jwt_secret="hidden")
    assert SECRET not in values_in_force({"jwt_secret": SECRET}, {})
    assert SECRET not in repr(Settings(jwt_secret=SECRET))


def test_the_page_in_docs_is_the_table() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == markdown(), "run `make docs`"


def test_the_page_names_every_flag_variable_and_default() -> None:
    page = markdown()
    for entry in table():
        assert f"| `{entry.flag}`" in page
        assert f"`{entry.variable}`" in page
        assert f"`{entry.default}`" in page


def test_the_values_in_force_are_shown_with_their_source(
    tmp_path: Path, dotenv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dotenv.write_text("MAX_SIZE=10GB\n")
    rows = [line.split(None, 2) for line in values_in_force({"port": "1"}, {"HOST": "::1"}).splitlines()]
    shown = {name: (value, source) for name, value, source in rows}
    assert shown["port"] == ("1", "flag --port")
    assert shown["host"] == ("::1", "environment variable HOST")
    assert shown["max_size"] == ("10GB", ".env line 1")
    assert shown["tus_path"] == ("/files/", "default")
    assert list(shown) == [entry.name for entry in table()]
