"""What is safe from a power cut when a client is told of it."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """When bytes and records are forced to the disk."""

    COMPLETE = "complete"  # before the answer that completes an upload
    ALWAYS = "always"  # before every acknowledged offset
    NEVER = "never"  # survives a kill of the process, not a power cut
