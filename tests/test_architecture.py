"""The picture in ARCHITECTURE.md, held: who imports whom, one door for each heavy library, the budgets."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tusserver"

FUNCTION_LINES = 40
FILE_LINES = 400
PARAMETERS = 6

EVERYTHING = "tusserver"
ERRORS = "tusserver.protocol.errors"
SETTINGS = ("tusserver.settings", "tusserver.setting_kinds", "tusserver.setting_sources")
BASES = ("tusserver.stores.base", "tusserver.infos.base", "tusserver.lockers.base", "tusserver.accounts.base")

# What each layer may import of this project, besides itself. The longest name that fits a module is its layer.
LAYERS: dict[str, tuple[str, ...]] = {
    "tusserver": (),
    "tusserver.protocol": (),
    "tusserver.extensions": ("tusserver.protocol",),
    "tusserver.workers": (),
    "tusserver.stores": ("tusserver.protocol", "tusserver.workers"),
    "tusserver.infos": ("tusserver.protocol", "tusserver.workers", "tusserver.accounts.base"),
    "tusserver.lockers": ("tusserver.protocol", "tusserver.workers"),
    "tusserver.imaging": ("tusserver.protocol", "tusserver.workers"),
    "tusserver.accounts": ("tusserver.protocol", "tusserver.workers"),
    "tusserver.service": ("tusserver.protocol", "tusserver.extensions", "tusserver.workers", *BASES),
    "tusserver.scanner": ("tusserver.protocol",),
    "tusserver.sweeper": ("tusserver.protocol", "tusserver.service", *BASES),
    "tusserver.examiner": ("tusserver.protocol", "tusserver.service", "tusserver.workers", *BASES),
    "tusserver.archive": ("tusserver.protocol",),
    "tusserver.gallery": ("tusserver.protocol", "tusserver.service", "tusserver.imaging", *BASES),
    "tusserver.setting_kinds": (),
    "tusserver.settings": ("tusserver.setting_kinds", "tusserver.protocol"),
    "tusserver.setting_sources": ("tusserver.settings",),
    "tusserver.web": (
        *("tusserver.protocol", "tusserver.extensions", "tusserver.service", "tusserver.settings"),
        *("tusserver.accounts", "tusserver.sweeper", "tusserver.archive", "tusserver.workers"),
        *("tusserver.gallery", "tusserver.examiner"),
    ),
    "tusserver.app": (EVERYTHING,),
    "tusserver.serving": (EVERYTHING,),
    "tusserver.upload": (),
    "tusserver.check": (),
    "tusserver.cli": (
        *("tusserver.app", "tusserver.serving", "tusserver.upload", "tusserver.check", "tusserver.accounts"),
        *(*SETTINGS, ERRORS),
    ),
    "tusserver.__main__": ("tusserver.cli",),
}

# The doors of every library that is not Python's own, and of sqlite3, which is.
DOORS: dict[str, tuple[str, ...]] = {
    "PIL": ("tusserver.imaging.codec",),
    "aiohttp": ("tusserver.web", "tusserver.app", "tusserver.serving"),
    "cryptography": ("tusserver.web.auth",),
    "dotenv": ("tusserver.setting_sources",),
    "jwt": ("tusserver.web.auth",),
    "rich": ("tusserver.upload",),
    "sqlite3": ("tusserver.infos.sqlite",),
    "sqlite_utils": ("tusserver.infos.sqlite",),
    "tusclient": ("tusserver.upload",),
    "urllib3": ("tusserver.upload",),
    "zipstream": ("tusserver.archive",),
}

# A rule of the protocol takes values and gives a value: disks, networks, clocks and chance come from outside.
IMPURE = (
    *("asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "ssl", "subprocess", "sys", "tempfile", "threading", "time"),
    *("urllib.request", "uuid", "http.client", "http.server"),
)
PURE_LAYERS = ("tusserver.protocol", "tusserver.extensions")


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module imports, dotted and absolute."""

    module: str
    name: str
    line: int


def inside(name: str, parents: Iterable[str]) -> bool:
    """`name` is one of `parents` or lies in one."""
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def module_of(path: Path) -> str:
    """The name under which a file of the package is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources_of(folder: Path) -> list[Path]:
    """Python files, through the link to `extensions/` and through nothing else that is not tracked."""
    return sorted(
        path for path in (*folder.glob("*.py"), *folder.glob("*/*.py"), *folder.glob("*/*/*.py"))
        if "node_modules" not in path.parts
    )  # fmt: skip


MODULES = {module_of(path): path for path in sources_of(PACKAGE) if PACKAGE / "static" not in path.parents}


def imports_in(tree: ast.AST, module: str, *, is_package: bool = False) -> Iterator[Import]:
    """Everything imported anywhere in a module, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.split(".")
                above = here[: len(here) - node.level + is_package]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(module, inner if inner in MODULES else base, node.lineno)


def layer_of(module: str) -> str:
    fitting = [layer for layer in LAYERS if inside(module, [layer])]
    found = max(fitting, key=len, default="")
    return found if found != "tusserver" or module == "tusserver" else ""


def offence(found: Import) -> str | None:
    """What is wrong with an import, or None."""
    top = found.name.split(".")[0]
    layer = layer_of(found.module)
    if not layer:
        return "belongs to no layer: give it one in LAYERS and in ARCHITECTURE.md"
    if top == "tusserver":
        allowed = (layer, *LAYERS[layer])
        fits = found.name == "tusserver" or inside(found.name, allowed)
        return None if fits else f"imports {found.name}, which {layer} may not know"
    if top in DOORS:
        fits = inside(found.module, DOORS[top])
        return None if fits else f"imports {found.name}, whose doors are {', '.join(DOORS[top])}"
    if top not in sys.stdlib_module_names:
        return f"imports {found.name}, which has no door: add it to DOORS and to setup.cfg"
    if layer in PURE_LAYERS and inside(found.name, IMPURE):
        return f"imports {found.name}, but {layer} does no I/O and reads no clock"
    return None


def offences(module: str, source: str, *, is_package: bool = False) -> list[str]:
    found = imports_in(ast.parse(source), module, is_package=is_package)
    return [f"{module}:{one.line} {wrong}" for one in found if (wrong := offence(one))]


def every_module() -> list[str]:
    return sorted(MODULES)


@pytest.mark.parametrize("module", every_module())
def test_a_module_imports_only_what_its_layer_may_know(module: str) -> None:
    path = MODULES[module]
    assert layer_of(module), f"{module} belongs to no layer: give it one in LAYERS and in ARCHITECTURE.md"
    assert offences(module, path.read_text(), is_package=path.name == "__init__.py") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("tusserver.protocol.headers", "import asyncio"),
        ("tusserver.protocol.headers", "import aiohttp"),
        ("tusserver.protocol.headers", "from tusserver.service import Service"),
        ("tusserver.extensions.checksum", "from tusserver.stores.base import Store"),
        ("tusserver.extensions.checksum", "from ..stores import base"),
        ("tusserver.stores.file", "def late():\n    from tusserver.infos.base import Infos"),
        ("tusserver.infos.memory", "import sqlite3"),
        ("tusserver.service", "from tusserver.stores.file import FileStore"),
        ("tusserver.service", "from aiohttp import web"),
        ("tusserver.web.tus", "from tusserver.stores.file import FileStore"),
        ("tusserver.web.tus", "import tusserver.app"),
        ("tusserver.check.core", "from tusserver.protocol.headers import parse_offset"),
        ("tusserver.settings", "import requests"),
        ("tusserver.newcomer", "import json"),
    ],
)
def test_an_import_against_the_picture_is_found(module: str, source: str) -> None:
    assert len(offences(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "tusserver.protocol.headers",
            "from __future__ import annotations\nimport base64, hashlib\nfrom . import errors",
        ),
        ("tusserver.extensions.checksum", "from tusserver.protocol.uploads import Upload"),
        ("tusserver.infos.sqlite", "import sqlite3, sqlite_utils"),
        ("tusserver.service", "from tusserver.stores.base import Store\nfrom tusserver.extensions import creation"),
        ("tusserver.web.tus", "from aiohttp import web\nfrom tusserver import __version__"),
        ("tusserver.app", "from tusserver.stores.file import FileStore\nfrom aiohttp import web"),
    ],
)
def test_an_import_that_follows_the_picture_is_let_through(module: str, source: str) -> None:
    assert offences(module, source) == []


def test_every_layer_and_every_door_of_the_picture_exists() -> None:
    layers = {layer_of(module) for module in MODULES}
    assert layers == set(LAYERS), "LAYERS names a layer that has no file"
    used = {
        one.name.split(".")[0]
        for module, path in MODULES.items()
        for one in imports_in(ast.parse(path.read_text()), module, is_package=path.name == "__init__.py")
    }
    assert set(DOORS) <= used, "DOORS names a library that nothing imports"


@pytest.mark.parametrize("module", [name for name in every_module() if inside(name, PURE_LAYERS)])
def test_a_rule_of_the_protocol_never_awaits(module: str) -> None:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [node.lineno for node in ast.walk(ast.parse(MODULES[module].read_text())) if isinstance(node, kinds)]
    assert found == []


def public_definitions(
    tree: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node)


@pytest.mark.parametrize("module", [name for name in every_module() if inside(name, PURE_LAYERS)])
def test_everything_public_in_the_rules_has_a_docstring(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text())
    assert ast.get_docstring(tree) is not None
    assert [node.name for node in public_definitions(tree) if not ast.get_docstring(node)] == []


def own_sources() -> list[Path]:
    """All Python written here, once each: `extensions/` and `static/` where they really are."""
    found = {path.resolve() for folder in (PACKAGE, ROOT / "static", ROOT / "tests") for path in sources_of(folder)}
    return sorted({*found, *ROOT.glob("*.py")})


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Parameters a caller may give; `self` and `cls` are given by Python."""
    names = function.args
    given = [one.arg for one in (*names.posonlyargs, *names.args, *names.kwonlyargs)]
    if given and given[0] in ("self", "cls"):
        given.pop(0)
    return len(given) + (names.vararg is not None) + (names.kwarg is not None)


def over_budget(source: str) -> list[str]:
    lines = source.count("\n")
    found = [f"{lines} lines, {FILE_LINES} are the most"] if lines > FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if (length := length_of(node)) > FUNCTION_LINES:
                found.append(f"{node.name} at line {node.lineno} has {length} lines, {FUNCTION_LINES} are the most")
            if (count := parameters_of(node)) > PARAMETERS:
                found.append(f"{node.name} at line {node.lineno} has {count} parameters, {PARAMETERS} are the most")
    return found


@pytest.mark.parametrize("path", own_sources(), ids=relative)
def test_a_file_keeps_its_budgets(path: Path) -> None:
    assert over_budget(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * (FILE_LINES + 1),
        "def long():\n" + "    x = 1\n" * FUNCTION_LINES,
        "async def wide(a, b, c, /, d, *e, f, **g): ...",
        "class Wide:\n    def wide(self, a, b, c, d, e, f, g): ...",
    ],
    ids=["long file", "long function", "wide function", "wide method"],
)
def test_what_is_over_budget_is_found(source: str) -> None:
    assert len(over_budget(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\n" * FILE_LINES,
        'def short():\n    """A long\n\n    docstring."""\n' + "    x = 1\n" * (FUNCTION_LINES - 1),
        "class Narrow:\n    def narrow(self, a, b, c, d, e, f): ...",
    ],
    ids=["file", "function", "method"],
)
def test_what_just_fits_is_let_through(source: str) -> None:
    assert over_budget(source) == []
