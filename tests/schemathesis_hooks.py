"""What schemathesis has to know besides the document: loaded by its command line, see test_openapi_fuzz.py."""

from __future__ import annotations

import json
import os
from itertools import count
from typing import Any

import schemathesis

# Names and ids of what is on the server, by the name of the parameter; those of links apart.
KNOWN: dict[str, list[str]] = json.loads(os.environ["KNOWN"])

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
turns = count()


def known_in_place_of(kind: str, value: Any) -> Any:
    """Every other time something that is there, so that what lies behind 404 is reached too."""
    turn = next(turns)
    return KNOWN[kind][turn // 2 % len(KNOWN[kind])] if turn % 2 and kind in KNOWN else value


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Let requests that are as described mean what is there."""
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return
    for name, value in case.path_parameters.items():
        case.path_parameters[name] = known_in_place_of("link" if case.path.startswith("/links") else name, value)
    if "uploads" in case.query:
        case.query["uploads"] = known_in_place_of("id", case.query["uploads"])
    if isinstance(case.body, dict) and case.path != "/upload/start":
        for name in case.body.keys() & {"filename"}:
            case.body[name] = known_in_place_of(name, case.body[name])


@schemathesis.hook
def filter_failure(
    context: schemathesis.HookContext, failure: Any, case: schemathesis.Case[Any], response: schemathesis.Response
) -> bool:
    """The query of /upload/chunk describes a raw body; what the other two forms do with it is not told."""
    is_of_query = case.path == "/upload/chunk" and case.media_type != "application/octet-stream"
    return not (is_of_query and "in query" in str(failure.message))
