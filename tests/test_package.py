"""The package, built from what git tracks and installed where nothing else is, serves and shows the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from tests.browsing import files_of_page, get
from tests.running import LISTENING

ROOT = Path(__file__).resolve().parent.parent
BUILD_TIMEOUT = 300.0

pytestmark = pytest.mark.engines


@dataclass(frozen=True, slots=True)
class Built:
    """The two packages, and what each holds."""

    sdist: Path
    wheel: Path

    def in_sdist(self) -> list[tarfile.TarInfo]:
        with tarfile.open(self.sdist) as archive:
            return archive.getmembers()

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())


def tracked() -> list[str]:
    """What git tracks, and what is new and not ignored, so that the test says the same before a commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({name for name in listed.split("\0") if name and os.path.lexists(ROOT / name)})


def copy(names: Iterable[str], into: Path) -> None:
    """Copy files of the repository, links as links."""
    for name in names:
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_symlink():
            target.symlink_to(os.readlink(ROOT / name))
        else:
            target.write_bytes((ROOT / name).read_bytes())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    clone = tmp_path_factory.mktemp("clone")
    copy(tracked(), clone)
    command = [sys.executable, "-m", "build", "--outdir", str(clone / "dist")]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True, timeout=BUILD_TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,) = (clone / "dist").glob("*.tar.gz")
    (wheel,) = (clone / "dist").glob("*.whl")
    return Built(sdist, wheel)


def test_the_wheel_holds_every_module_under_one_name(built: Built) -> None:
    modules = {name for name in tracked() if name.startswith(("tusserver/", "extensions/")) and name.endswith(".py")}
    expected = {name.replace("extensions/", "tusserver/extensions/") for name in modules}
    assert {name for name in built.in_wheel() if name.endswith(".py")} == expected
    assert {PurePosixPath(name).parts[0].split("-")[0] for name in built.in_wheel()} == {"tusserver"}
    assert "tusserver/py.typed" in built.in_wheel()


def test_the_wheel_holds_the_page_and_not_what_it_is_made_from(built: Built) -> None:
    page = {name for name in built.in_wheel() if name.startswith("tusserver/static/")}
    libraries = ("uppy.js", "uppy.css", "swagger-ui.js", "swagger-ui.css", "redoc.js")
    assert {f"tusserver/static/{name}" for name in ("index.html", "docs.html", "redoc.html")} <= page
    assert {f"tusserver/static/vendor/{name}{ending}" for name in libraries for ending in ("", ".gz")} <= page
    leftovers = [name for name in page if re.search(r"node_modules|package.*\.json|\.py$|\.mjs$|\.npmrc|stamp", name)]
    assert leftovers == []


def test_the_sdist_holds_plain_files_only(built: Built) -> None:
    members = built.in_sdist()
    assert [member.name for member in members if not (member.isfile() or member.isdir())] == []
    assert [member.name for member in members if "tusserver/extensions/checksum.py" in member.name]


def test_what_reaches_the_build_of_the_image_is_enough_for_the_same_wheel(built: Built, tmp_path: Path) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copy((name for name in tracked() if name in let_in or name.split("/")[0] in let_in), tmp_path / "src")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, cwd=tmp_path / "src", check=True, timeout=BUILD_TIMEOUT)
    (wheel,) = tmp_path.glob("*.whl")
    assert Built(built.sdist, wheel).in_wheel() == built.in_wheel()


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The wheel in an environment of its own, serving; gives the address and the interpreter."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=BUILD_TIMEOUT)
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(built.wheel)]
    subprocess.run(pip, check=True, timeout=BUILD_TIMEOUT)
    serve = [str(folder / "venv" / "bin" / "tusserver"), "serve", "--port", "0"]
    process = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line)
            if found := LISTENING.search(line):
                yield found[1].rstrip("/"), str(python)
                break
        else:
            pytest.fail("the installed server did not start:\n" + "".join(lines))
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_the_installed_wheel_shows_the_page_with_every_file_it_names(installed: tuple[str, str]) -> None:
    url, _ = installed
    names = {address.removeprefix(url) for address in files_of_page(url + "/")}
    assert {"/static/page.js", "/static/page.css", "/static/vendor/uppy.js", "/static/vendor/uppy.css"} <= names
    assert f"{url}/static/vendor/swagger-ui.js" in files_of_page(url + "/docs")
    assert f"{url}/static/vendor/redoc.js" in files_of_page(url + "/redoc")


def test_the_installed_wheel_takes_an_upload(installed: tuple[str, str], tmp_path: Path) -> None:
    url, python = installed
    file = tmp_path / "report.pdf"
    file.write_bytes(os.urandom(100_000))
    command = [python, "-m", "tusserver", "upload", str(file), "--to", url + "/files/"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    (address,) = set(re.findall(re.escape(url) + r"/files/[A-Za-z0-9_-]{22}", done.stdout + done.stderr))
    assert get(address)[1] == file.read_bytes()


def test_what_is_installed_comes_from_the_wheel(installed: tuple[str, str], tmp_path: Path) -> None:
    _, python = installed
    command = [python, "-c", "import tusserver.extensions; print(tusserver.extensions.__file__)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert "site-packages" in done.stdout
