"""What people read about the settings: the page in docs/, and the values in force with where each comes from."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from tusserver.setting_kinds import SIZE_FORM, TIME_FORM
from tusserver.setting_sources import DOTENV, collect, load_settings
from tusserver.settings import Setting, table

INTRODUCTION = """\
# Settings

This page is made by `make docs` from the table in `tusserver/settings.py`; a test holds the two together.

A setting is a flag (`--port 8000`), an environment variable (`TUSSERVER_PORT=8000`) or a line of the file `.env` in the
working directory (`PORT=8000`, or with the prefix). A flag wins over the environment, the environment over `.env`, and
that over the default. `tusserver settings` shows every value in force and where it comes from.

- Where the table names a second variable, it counts without the prefix too; `TUSSERVER_PORT` wins over `PORT`.
- A variable with an empty value counts as one that is not set, so that a compose file may pass on what it lacks.
- An unknown variable that begins with `TUSSERVER_`, an unknown line of `.env` and a malformed value stop the start with
  one line that says which it is, where it was written and what is expected. The exit status is then 2.
- `.env` may have comments, also behind a value, quotes, and `${NAME}` for an earlier line or a variable.
- **`HOST` in the environment counts only when it is an address or `localhost`.** Shells and conda export `HOST` with
  the name of the machine or its architecture; such a value is passed over, and a line at the start says so. To listen
  on a name, write `TUSSERVER_HOST`, `--host`, or `HOST` in `.env`.
- The variables that Kubernetes makes for a service named `tusserver` (`TUSSERVER_PORT=tcp://…`,
  `TUSSERVER_SERVICE_HOST` and their like) are no settings and are passed over.

Sizes are bytes, or a whole number with `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`, `GiB`, `TiB` (powers of
1024). Times are seconds, or a number with `ms`, `s`, `m`, `h`, `d` or `w`. Upper and lower case are the same.
"""


def markdown() -> str:
    """Give the page docs/settings.md."""
    sections = [INTRODUCTION]
    for group, entries in groupby(table(), key=lambda entry: entry.group):
        rows = "".join(row(entry) for entry in entries)
        sections.append(f"## {group}\n\n| flag | variable | default | what it does | value |\n|-|-|-|-|-|\n{rows}")
    return "\n".join(sections)


def row(entry: Setting) -> str:
    flag = f"`{entry.flag}`, `{entry.off_flag}`" if entry.is_switch else f"`{entry.flag}`"
    variables = f"`{entry.variable}`" + (f", `{entry.bare_variable}`" if entry.bare else "")
    # The page says once what a size and a time are.
    value = entry.kind.expected.replace(SIZE_FORM, "a size").replace(TIME_FORM, "a time")
    cells = flag, variables, f"`{entry.default}`", entry.help, value
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def values_in_force(argv_values: Mapping[str, str], environ: Mapping[str, str]) -> str:
    """Give a line for each setting: name, value, and where it was written.

    Raises:
        SettingsError: as at the start of the server.
    """
    load_settings(argv_values, environ)
    given = collect(argv_values, environ, DOTENV)
    rows = [
        (entry.name, entry.shown(given[entry.name].text.strip()), given[entry.name].source)
        if entry.name in given
        else (entry.name, entry.default, "default")
        for entry in table()
    ]
    name_width, value_width = (max(len(one[column]) for one in rows) for column in (0, 1))
    return "".join(f"{name:{name_width}}  {value:{value_width}}  {source}\n" for name, value, source in rows)
