"""concatenation: several partial uploads make one final upload."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tusserver.extensions.base import Extension
from tusserver.protocol.fields import Headers, single
from tusserver.protocol.refusals import MalformedHeader
from tusserver.protocol.requests import Creation
from tusserver.protocol.uploads import Kind, Upload

NAME = "Upload-Concat"
# Each part is a read of the record and an open file at the end.
MAX_PARTS = 10_000


class Concatenation(Extension):
    """Source: tus 1.0.0, extension Concatenation."""

    name = "concatenation"
    requires = ("creation",)
    owns = (NAME,)

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """Read `Upload-Concat`.

        Raises:
            MalformedHeader: neither `partial` nor `final;` with a list, or beside a length or a body.
        """
        value = single(headers, NAME)
        if value is None:
            return creation
        if value == "partial":
            return replace(creation, kind=Kind.PARTIAL)
        word, semicolon, rest = value.partition(";")
        parts = tuple(rest.split())
        if word != "final" or not semicolon or not parts:
            raise MalformedHeader(NAME, "must be 'partial', or 'final;' and the addresses of the parts")
        if len(parts) > MAX_PARTS:
            raise MalformedHeader(NAME, f"names {len(parts)} parts, at most {MAX_PARTS} are taken")
        _check_alone(creation)
        return replace(creation, kind=Kind.FINAL, parts=parts, concat=value)

    def tell_head(self, upload: Upload, now: datetime) -> dict[str, str]:
        """`Upload-Concat` of partial and final uploads."""
        if upload.kind is Kind.PARTIAL:
            return {NAME: "partial"}
        return {} if upload.concat is None else {NAME: upload.concat}


def _check_alone(creation: Creation) -> None:
    """A final upload has the length and the bytes of its parts, so none of its own may be told."""
    if creation.length is not None or creation.is_deferred:
        raise MalformedHeader(NAME, "a final upload takes its length from its parts, none may be sent")
    if creation.body is not None:
        raise MalformedHeader(NAME, "a final upload takes its bytes from its parts, no body may be sent")
