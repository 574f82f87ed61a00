"""The build backend: setuptools, after the page's libraries are in `static/vendor/`.

So `python -m build` and `pip install .` straight from a clone give a package that shows the page. An editable
installation is left alone: `make run` fetches the libraries then.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta

ROOT = Path(__file__).resolve().parent

# The hooks that need nothing more.
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
build_editable = build_meta.build_editable


def fetch_page_libraries() -> None:
    script = ROOT / "static" / "assets.py"
    if not script.exists():
        return  # this is an unpacked sdist, which has the page with its libraries in tusserver/static/
    done = subprocess.run([sys.executable, str(script)])
    if done.returncode:
        raise SystemExit("the page's libraries could not be fetched, so there is no package to build")


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    fetch_page_libraries()
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    fetch_page_libraries()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
