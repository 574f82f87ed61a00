"""concatenation-unfinished: a final upload may name parts that are still coming."""

from __future__ import annotations

from tusserver.extensions.base import Extension


class ConcatenationUnfinished(Extension):
    """Source: tus 1.0.0, extension Concatenation, "concatenation-unfinished". The rule is `judge_final`."""

    name = "concatenation-unfinished"
    requires = ("concatenation",)
