"""Every refusal a client may be told: a status, a stable code word, and the facts that let the client go on.

tus-js-client and Uppy retry a PATCH after 409, 423, 5xx and a lost connection, and give up on every other 4xx, so
the status of a refusal decides whether an upload lives on. Whatever passes by itself is therefore 423 or 5xx.
"""

from __future__ import annotations

from typing import ClassVar

TUS_VERSION = "1.0.0"
Fact = str | int | None | list[str]


class Refusal(Exception):
    """A request that is not carried out.

    Attributes:
        status, code: the HTTP status and the stable word of the problem document.
        title: what kind of refusal it is, the same for every occurrence.
        detail: what disagrees, and what to do.
        facts: further members of the problem document.
        headers: response headers that belong to this refusal.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "The request cannot be understood"

    def __init__(self, detail: str = "", *, headers: dict[str, str] | None = None, **facts: Fact) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = {name: fact for name, fact in facts.items() if fact is not None}
        self.headers = headers or {}


class MalformedHeader(Refusal):
    """A request header does not parse."""

    code, title = "malformed-header", "A request header is malformed"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name}: {why}", header=name)


class MissingHeader(Refusal):
    """A request header that the request cannot do without is absent."""

    code, title = "missing-header", "A request header is missing"

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} is missing: {why}", header=name)


class ExtensionOff(Refusal):
    """The request needs an extension that is switched off here."""

    code, title = "extension-off", "The extension is not offered by this server"

    def __init__(self, name: str) -> None:
        super().__init__(f"the extension {name} is not offered by this server, see Tus-Extension", extension=name)


class WrongVersion(Refusal):
    """The client speaks another version. tus 1.0.0, Protocol Versioning."""

    status, code, title = 412, "wrong-version", "The version of the protocol is not supported"

    def __init__(self, sent: str | None) -> None:
        said = "no Tus-Resumable was sent" if sent is None else f"Tus-Resumable was {sent[:40]!r}"
        super().__init__(
            f"{said}; this server speaks {TUS_VERSION}", headers={"Tus-Version": TUS_VERSION}, versions=[TUS_VERSION]
        )


class UnknownMethod(Refusal):
    """The method, or the one named in X-HTTP-Method-Override, is not one of this address."""

    status, code, title = 405, "method-not-allowed", "The method is not allowed here"

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"{method[:40]!r} is not one of {', '.join(allowed)}",
            headers={"Allow": ", ".join(allowed)},
            allowed=list(allowed),
        )


class UploadNotFound(Refusal):
    """There is no such upload."""

    status, code, title = 404, "upload-not-found", "There is no such upload"


class UploadGone(Refusal):
    """The upload's time ran out. tus 1.0.0, extension Expiration."""

    status, code, title = 410, "upload-gone", "The upload has expired"


class WrongContentType(Refusal):
    """A PATCH whose body is something else. tus 1.0.0, PATCH."""

    status, code, title = 415, "wrong-content-type", "The body has another content type than the protocol asks for"

    def __init__(self, sent: str | None) -> None:
        said = "none was sent" if sent is None else f"it was {sent[:80]!r}"
        super().__init__(
            f"Content-Type must be application/offset+octet-stream; {said}",
            headers={"Accept-Patch": "application/offset+octet-stream"},
        )


class OffsetMismatch(Refusal):
    """The offset sent is not the offset stored. tus 1.0.0, PATCH."""

    status, code, title = 409, "offset-mismatch", "The offset is not where the upload stands"

    def __init__(self, sent: int, stored: int) -> None:
        super().__init__(
            f"Upload-Offset was {sent}, but {stored} bytes are stored; continue there",
            headers={"Upload-Offset": str(stored)},
            offset=stored,
        )


class TooLarge(Refusal):
    """The upload would be larger than this server takes. tus 1.0.0, Tus-Max-Size."""

    status, code, title = 413, "too-large", "The upload is larger than this server takes"

    def __init__(self, size: int, max_size: int) -> None:
        super().__init__(f"{size} bytes are more than the {max_size} this server takes", max_size=max_size)


class PastLength(Refusal):
    """The body goes on behind the end of the upload. Nothing of it is kept."""

    status, code, title = 413, "past-length", "The body is longer than the rest of the upload"

    def __init__(self, offset: int, length: int) -> None:
        super().__init__(
            f"the upload has {length} bytes of which {offset} are stored; a body of more than {length - offset} "
            f"is not taken",
            headers={"Upload-Offset": str(offset)},
            offset=offset,
            length=length,
        )


class UploadFinished(Refusal):
    """There are bytes for an upload that has all of its own."""

    status, code, title = 403, "upload-finished", "The upload is complete and does not change any more"


class FinalUnchangeable(Refusal):
    """A final upload takes no bytes. tus 1.0.0, extension Concatenation."""

    status, code, title = 403, "final-upload", "A final upload takes its bytes from its parts"


class LengthFixed(Refusal):
    """Upload-Length cannot change once it was told. tus 1.0.0, creation-defer-length."""

    code, title = "length-fixed", "The length of the upload is known and does not change"

    def __init__(self, sent: int, length: int) -> None:
        super().__init__(f"Upload-Length was {sent}, but the upload's length is {length}", length=length)


class LengthBelowOffset(Refusal):
    """The length told late is smaller than what is stored already."""

    code, title = "length-below-offset", "More bytes are stored than the length that was told"

    def __init__(self, sent: int, offset: int) -> None:
        super().__init__(f"Upload-Length was {sent}, but {offset} bytes are stored already", offset=offset)


class UnknownChecksum(Refusal):
    """The algorithm is not offered. tus 1.0.0, extension Checksum."""

    code, title = "unknown-checksum", "The checksum algorithm is not offered"

    def __init__(self, sent: str, offered: tuple[str, ...]) -> None:
        super().__init__(
            f"{sent[:40]!r} is not one of {', '.join(offered)}",
            headers={"Tus-Checksum-Algorithm": ",".join(offered)},
            algorithms=list(offered),
        )


class ChecksumMismatch(Refusal):
    """The bytes are not those the digest was made of; they were discarded. tus 1.0.0, extension Checksum."""

    status, code, title = 460, "checksum-mismatch", "The checksum does not match the bytes that arrived"

    def __init__(self, algorithm: str, offset: int) -> None:
        super().__init__(
            f"the {algorithm} digest does not match; the chunk was discarded, send it again from {offset}",
            headers={"Upload-Offset": str(offset)},
            offset=offset,
            algorithm=algorithm,
        )


class TrailerMissing(Refusal):
    """A checksum was announced in Trailer and never came."""

    code, title = "trailer-missing", "The announced trailer did not come"

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"Trailer announced Upload-Checksum, but none came; the chunk was discarded, send it again from {offset}",
            headers={"Upload-Offset": str(offset)},
            offset=offset,
        )


class UploadFailed(Refusal):
    """The whole did not come to the checksum it was announced with, is of another type than was declared, or carries a
    virus. A client that finds this begins anew."""

    status, code, title = 410, "upload-failed", "The upload did not pass a check and is of no use"


class QuotaExceeded(Refusal):
    """The owner, or the link, has no room for another upload."""

    status, code, title = 403, "quota-exceeded", "There is no room for this upload within your limits"


class TooManyUploads(Refusal):
    """More uploads within a minute than allowed. tus-js-client gives up on it, Uppy waits and tries again."""

    status, code, title = 429, "too-many-uploads", "Too many uploads within a minute"


class TypeNotAllowed(Refusal):
    """The server, or the link, takes other types only."""

    status, code, title = 415, "type-not-allowed", "Files of this type are not taken here"


class ContentTypeMismatch(Refusal):
    """The first bytes are those of something else. tus clients give up on it; the upload has failed."""

    status, code, title = 415, "content-type-mismatch", "The bytes are not of the type that was declared or is allowed"


class Infected(Refusal):
    """A virus was found. The upload has failed, and its bytes are gone."""

    status, code, title = 422, "infected", "The upload carries a virus"

    def __init__(self, signature: str) -> None:
        super().__init__(f"the scanner found {signature}; nothing of the upload was kept", signature=signature)


class ScannerAway(Refusal):
    """Every byte is stored, and nobody has looked for viruses in them yet; the next request tries again."""

    status, code, title = 503, "scanner-away", "The virus scanner of this server does not answer at the moment"


class UploadIncomplete(Refusal):
    """A download of an upload that is not complete."""

    status, code, title = 409, "upload-incomplete", "The upload is not complete"

    def __init__(self, offset: int, length: int | None) -> None:
        rest = "an unknown number of" if length is None else str(length)
        # `size` is what plain REST calls the length.
        also = "; something has still to look at them" if offset == length else ""
        super().__init__(f"{offset} of {rest} bytes have arrived{also}", offset=offset, length=length, size=length)


class BadParts(Refusal):
    """The list of a final upload cannot be joined. tus 1.0.0, extension Concatenation."""

    code, title = "bad-parts", "The parts of the final upload cannot be joined"


class Busy(Refusal):
    """Somebody else is writing this upload and did not let go in time."""

    status, code, title = 423, "upload-busy", "The upload is being written by another request"


class TakenOver(Refusal):
    """Another request continues this upload; what this one brought is stored."""

    status, code, title = 423, "taken-over", "Another request has taken this upload over"


class BodyStalled(Refusal):
    """No byte came for too long; what came before is stored.

    tus-js-client gives up on 408, and retries any 5xx after a HEAD.
    """

    status, code, title = 503, "body-stalled", "The body stopped arriving"


class BodyCut(Refusal):
    """The connection broke inside the body. Nobody is there to read this; it is for the log."""

    code, title = "body-cut", "The connection broke before the body was complete"


class Stopping(Refusal):
    """The server is being stopped; what came so far is stored."""

    status, code, title = 503, "server-stopping", "The server is being stopped"


class StorageFull(Refusal):
    """The disk or the database is full; what was stored before stays."""

    status, code, title = 507, "storage-full", "There is no room left for more bytes"


class BackendAway(Refusal):
    """A store or the database does not answer."""

    status, code, title = 503, "backend-away", "The storage of this server does not answer at the moment"


class RangeUnsatisfiable(Refusal):
    """The range asked for lies behind the end. RFC 9110, 15.5.17."""

    status, code, title = 416, "range-unsatisfiable", "The range lies behind the end"

    def __init__(self, length: int) -> None:
        super().__init__(f"there are {length} bytes", headers={"Content-Range": f"bytes */{length}"}, length=length)


class PreconditionFailed(Refusal):
    """If-Match or If-Unmodified-Since does not hold. RFC 9110, 13.1."""

    status, code, title = 412, "precondition-failed", "The condition of the request does not hold"
