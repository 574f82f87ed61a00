"""checksum-trailer: the digest comes behind a chunked body, so that a client can stream what it hashes."""

from __future__ import annotations

from dataclasses import replace

from tusserver.extensions.base import Extension
from tusserver.protocol.checksums import NAME, Checksum
from tusserver.protocol.fields import Headers, tokens
from tusserver.protocol.refusals import MalformedHeader
from tusserver.protocol.requests import Append, BodyFacts, Creation


class ChecksumTrailer(Extension):
    """Source: tus 1.0.0, extension Checksum, paragraph on the trailing header; RFC 9110, 6.5 and 6.6.2."""

    name = "checksum-trailer"
    requires = ("checksum",)

    def is_asked_by(self, headers: Headers) -> bool:
        """A digest is announced: bytes that nobody would check."""
        return NAME.lower() in tokens(headers, "Trailer")

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """Read `Trailer`. Raises MalformedHeader."""
        if creation.body is None:
            return creation
        return replace(creation, has_checksum_trailer=self._announced(headers, creation.body, creation.checksum))

    def read_append(self, headers: Headers, append: Append) -> Append:
        """Read `Trailer`. Raises MalformedHeader."""
        return replace(append, has_checksum_trailer=self._announced(headers, append.body, append.checksum))

    def _announced(self, headers: Headers, body: BodyFacts, checksum: Checksum | None) -> bool:
        if not self.is_asked_by(headers):
            return False
        if body.length is not None:
            raise MalformedHeader("Trailer", "needs Transfer-Encoding: chunked, nothing can follow other bodies")
        if checksum is not None:
            raise MalformedHeader("Trailer", "announces an Upload-Checksum that is among the headers already")
        return True
