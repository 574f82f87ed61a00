"""creation-defer-length: the length is told later, with a PATCH."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tusserver.extensions.base import Extension
from tusserver.protocol.fields import Headers, single
from tusserver.protocol.refusals import MalformedHeader
from tusserver.protocol.requests import Creation
from tusserver.protocol.uploads import Kind, Upload

NAME = "Upload-Defer-Length"


class CreationDeferLength(Extension):
    """Source: tus 1.0.0, extension Creation, field Upload-Defer-Length."""

    name = "creation-defer-length"
    requires = ("creation",)
    owns = (NAME,)

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """Read `Upload-Defer-Length`. Raises MalformedHeader: its value is not 1, or a length came beside it."""
        value = single(headers, NAME)
        if value is None:
            return creation
        if value != "1":
            raise MalformedHeader(NAME, f"must be 1, not {value[:40]!r}")
        if creation.length is not None:
            raise MalformedHeader(NAME, "must not come together with Upload-Length")
        return replace(creation, is_deferred=True)

    def tell_head(self, upload: Upload, now: datetime) -> dict[str, str]:
        """`Upload-Defer-Length: 1` as long as the length is not known."""
        is_deferred = upload.length is None and upload.kind is not Kind.FINAL
        return {NAME: "1"} if is_deferred else {}
