"""creation: POST makes an upload."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tusserver.extensions.base import Extension
from tusserver.protocol.fields import Headers, number, single
from tusserver.protocol.metadata import NAME, parse_metadata
from tusserver.protocol.requests import Creation
from tusserver.protocol.uploads import Upload


class CreationExtension(Extension):
    """Source: tus 1.0.0, extension Creation."""

    name = "creation"

    def __init__(self, max_metadata: int) -> None:
        self._max_metadata = max_metadata

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """Read `Upload-Length` and `Upload-Metadata`. Raises MalformedHeader."""
        return replace(
            creation,
            length=number(headers, "Upload-Length"),
            metadata=parse_metadata(single(headers, NAME), self._max_metadata),
        )

    def tell_head(self, upload: Upload, now: datetime) -> dict[str, str]:
        """`Upload-Metadata` exactly as it was received."""
        return {} if upload.metadata is None else {NAME: upload.metadata}
