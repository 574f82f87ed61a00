"""What a client asks for, as values; made by the core here and completed by the extensions."""

from __future__ import annotations

from dataclasses import dataclass

from tusserver.protocol.checksums import Checksum
from tusserver.protocol.fields import Headers, number, single
from tusserver.protocol.metadata import Metadata
from tusserver.protocol.refusals import (
    TUS_VERSION,
    MissingHeader,
    UnknownMethod,
    WrongContentType,
    WrongVersion,
)
from tusserver.protocol.uploads import Kind

OCTET_STREAM = "application/offset+octet-stream"


@dataclass(frozen=True, slots=True)
class BodyFacts:
    """What the headers tell of a body before any of it is read; `length` None: chunked."""

    content_type: str | None = None
    length: int | None = 0

    @property
    def is_upload_data(self) -> bool:
        """It has the type that tus asks for."""
        bare = (self.content_type or "").split(";", 1)[0].strip().lower()
        return bare == OCTET_STREAM

    @property
    def is_empty(self) -> bool:
        """No byte will come."""
        return self.length == 0


@dataclass(frozen=True, slots=True)
class Creation:
    """A wish for a new upload.

    Attributes:
        length: bytes the whole will have; None when deferred or when it is a final upload.
        parts: addresses of a final upload's parts, as sent.
        concat: the `Upload-Concat` field as sent.
        body: the first bytes come along when this is not None.
        checksum: digest of the body's bytes.
        has_checksum_trailer: the digest comes behind the body.
        filename, content_type: told by a door that has no metadata.
        whole: what the finished upload must come to, as ``"sha256:<hex>"``.
        overwrites: it replaces the finished upload of the same filename.
    """

    length: int | None = None
    is_deferred: bool = False
    metadata: Metadata | None = None
    kind: Kind = Kind.REGULAR
    parts: tuple[str, ...] = ()
    concat: str | None = None
    body: BodyFacts | None = None
    checksum: Checksum | None = None
    has_checksum_trailer: bool = False
    filename: str | None = None
    content_type: str | None = None
    whole: str | None = None
    overwrites: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """A wish to add bytes at `offset`.

    Attributes:
        length: the length of the whole, told (again or late) beside the bytes.
        is_atomic: the body counts as a whole or not at all, also without a checksum.
        chunk: the number a client of the plain REST door gave it.
    """

    offset: int
    body: BodyFacts
    length: int | None = None
    checksum: Checksum | None = None
    has_checksum_trailer: bool = False
    is_atomic: bool = False
    chunk: int | None = None


def check_version(headers: Headers) -> None:
    """The request speaks the version of this server.

    Raises:
        WrongVersion: status 412, `Tus-Resumable` is absent or another version.

    Source: tus 1.0.0, Protocol Versioning.
    """
    sent = single(headers, "Tus-Resumable")
    if sent != TUS_VERSION:
        raise WrongVersion(sent)


def parse_method(actual: str, headers: Headers, allowed: tuple[str, ...]) -> str:
    """The method to carry out: `X-HTTP-Method-Override` when it is sent, whatever the actual method is.

    Raises:
        UnknownMethod: status 405, it is not one of `allowed`.

    Source: tus 1.0.0, X-HTTP-Method-Override.
    """
    method = single(headers, "X-HTTP-Method-Override") or actual
    if method not in allowed:
        raise UnknownMethod(method, allowed)
    return method


def parse_append(headers: Headers, body: BodyFacts) -> Append:
    """Read the headers of a PATCH that belong to the core protocol.

    Raises:
        WrongContentType: status 415.
        MissingHeader, MalformedHeader: status 400, `Upload-Offset` is absent or no number.

    Source: tus 1.0.0, PATCH.
    """
    if not body.is_upload_data:
        raise WrongContentType(body.content_type)
    offset = number(headers, "Upload-Offset")
    if offset is None:
        raise MissingHeader("Upload-Offset", "a PATCH must say where its bytes go")
    return Append(offset=offset, body=body, length=number(headers, "Upload-Length"))
