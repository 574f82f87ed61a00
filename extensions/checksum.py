"""checksum: a digest of the body comes along with it."""

from __future__ import annotations

from dataclasses import replace

from tusserver.extensions.base import Extension
from tusserver.protocol.checksums import ALGORITHMS, NAME, Checksum, parse_checksum
from tusserver.protocol.fields import Headers, single
from tusserver.protocol.requests import Append, Creation


class ChecksumExtension(Extension):
    """Source: tus 1.0.0, extension Checksum."""

    name = "checksum"
    owns = (NAME,)

    def announce(self) -> dict[str, str]:
        """The algorithms."""
        return {"Tus-Checksum-Algorithm": ",".join(ALGORITHMS)}

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """Read `Upload-Checksum`. Raises UnknownChecksum, MalformedHeader."""
        return replace(creation, checksum=_read(headers))

    def read_append(self, headers: Headers, append: Append) -> Append:
        """Read `Upload-Checksum`. Raises UnknownChecksum, MalformedHeader."""
        return replace(append, checksum=_read(headers))


def _read(headers: Headers) -> Checksum | None:
    value = single(headers, NAME)
    return None if value is None else parse_checksum(value)
