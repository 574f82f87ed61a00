"""The build backend: setuptools, after the page's libraries are in `static/vendor/`.

So `python -m build` and `pip install .` straight from a clone give a package that shows the page. An editable
installation is left alone: `make run` fetches the libraries then.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from setuptools import build_meta

sys.path.insert(0, str(Path(__file__).resolve().parent / "static"))
try:
    import assets
except ModuleNotFoundError:
    # This is an unpacked sdist: `static/` is not there, and the page with its libraries is in `tusserver/static/`.
    assets = None  # type: ignore[assignment]

# The hooks that need nothing more.
get_requires_for_build_editable = build_meta.get_requires_for_build_editable
prepare_metadata_for_build_editable = build_meta.prepare_metadata_for_build_editable
prepare_metadata_for_build_wheel = build_meta.prepare_metadata_for_build_wheel
build_editable = build_meta.build_editable


def node_package() -> list[str]:
    """Node as a package of the build's own environment, where the machine has none that will do."""
    if assets is None or assets.is_current(assets.source_digest()):
        return []
    node = shutil.which("node")
    if node and shutil.which("npm") and assets.node_version(node) >= assets.OLDEST_NODE:
        return []
    return [assets.NODE_PACKAGE]


def fetch_page_libraries() -> None:
    if assets is not None and assets.main():
        raise SystemExit("there is no package to build without the page's libraries")


def get_requires_for_build_sdist(config_settings: dict[str, Any] | None = None) -> list[str]:
    return [*build_meta.get_requires_for_build_sdist(config_settings), *node_package()]


def get_requires_for_build_wheel(config_settings: dict[str, Any] | None = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *node_package()]


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    fetch_page_libraries()
    return build_meta.build_sdist(sdist_directory, config_settings)


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    fetch_page_libraries()
    return build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
