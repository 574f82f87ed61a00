"""Every refusal that a test provokes is one that `/openapi.json` tells of at that operation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from tusserver.web.openapi import Addresses, describe

# What any address may answer; the document tells them in its introduction.
EVERYWHERE = ("malformed-request", "internal-error", "not-found", "method-not-allowed")


@cache
def operations() -> tuple[tuple[re.Pattern[str], dict[str, Any]], ...]:
    """The paths of a server with the default addresses, fixed ones first, and what is said of each."""
    paths: dict[str, dict[str, Any]] = describe(Addresses("/", "/files/", "/uploads"), is_open=True)["paths"]
    found = [
        (re.compile(re.sub(r"\\\{(\w+)\\\}", lambda name: ".+" if name[1] in ("filename", "path") else "[^/]+",
                           re.escape(path))), told)
        for path, told in sorted(paths.items(), key=lambda item: ("{" in item[0], "partial/" not in item[0]))
    ]  # fmt: skip
    return tuple(found)


def check_refusal(method: str, address: str, problem: Mapping[str, Any]) -> None:
    """A refusal belongs to the operation that gave it. Addresses of servers that lie elsewhere are passed over."""
    if problem["code"] in EVERYWHERE:
        return
    path = urlsplit(address).path
    told = next((told for pattern, told in operations() if pattern.fullmatch(path)), {})
    if method.lower() not in told:
        return
    answers = told[method.lower()]["responses"]
    answer = answers.get(str(problem["status"]), {}).get("content", {}).get("application/problem+json", {})
    codes = answer.get("schema", {}).get("allOf", [{}, {}])[1].get("properties", {}).get("code", {}).get("enum", [])
    assert problem["code"] in codes, f"{method} {path}: {problem['status']} {problem['code']} is not in /openapi.json"
