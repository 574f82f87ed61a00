"""termination: DELETE removes an upload. The verb itself is the core's; this switches it on."""

from __future__ import annotations

from tusserver.extensions.base import Extension


class Termination(Extension):
    """Source: tus 1.0.0, extension Termination."""

    name = "termination"
