"""The extensions that are in use, asked in their order."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from tusserver.extensions.base import Extension
from tusserver.extensions.checksum import ChecksumExtension
from tusserver.extensions.checksum_trailer import ChecksumTrailer
from tusserver.extensions.concatenation import Concatenation
from tusserver.extensions.concatenation_unfinished import ConcatenationUnfinished
from tusserver.extensions.creation import CreationExtension
from tusserver.extensions.creation_defer_length import CreationDeferLength
from tusserver.extensions.creation_with_upload import CreationWithUpload
from tusserver.extensions.expiration import Expiration
from tusserver.extensions.termination import Termination
from tusserver.protocol.fields import Headers
from tusserver.protocol.refusals import ExtensionOff, MissingHeader
from tusserver.protocol.requests import Append, BodyFacts, Creation, parse_append
from tusserver.protocol.uploads import Kind, Upload


def _every(max_metadata: int) -> tuple[Extension, ...]:
    # The order matters: what reads later sees what was read before.
    return (
        CreationExtension(max_metadata),
        CreationWithUpload(),
        CreationDeferLength(),
        ChecksumExtension(),
        ChecksumTrailer(),
        Expiration(),
        Termination(),
        Concatenation(),
        ConcatenationUnfinished(),
    )


EVERY_EXTENSION: tuple[str, ...] = tuple(extension.name for extension in _every(0))


@dataclass(frozen=True, slots=True)
class Offer:
    """The extensions in use and those switched off."""

    on: tuple[Extension, ...]
    off: tuple[Extension, ...] = ()

    def has(self, name: str) -> bool:
        """The extension of this name is in use."""
        return any(extension.name == name for extension in self.on)

    def require(self, name: str) -> None:
        """The extension is in use. Raises ExtensionOff."""
        if not self.has(name):
            raise ExtensionOff(name)

    def announce(self) -> dict[str, str]:
        """Headers of OPTIONS; `Tus-Extension` is left out when it would be empty."""
        names = ",".join(extension.name for extension in self.on)
        told = {"Tus-Extension": names} if names else {}
        for extension in self.on:
            told |= extension.announce()
        return told

    def read_creation(self, headers: Headers, body: BodyFacts) -> Creation:
        """What a POST asks for.

        Raises:
            ExtensionOff: it needs an extension that is off.
            MissingHeader: no length, neither now nor later, of an upload that takes bytes.
            Refusal: any that an extension's reading raises.

        Source: tus 1.0.0, extension Creation, POST.
        """
        self.require("creation")
        self._refuse_what_is_off(headers)
        # tuspy's AsyncUploader posts application/octet-stream without a byte, and browsers post forms: no upload data.
        is_data = body.is_upload_data and not body.is_empty
        creation = Creation(body=body if is_data else None)
        for extension in self.on:
            creation = extension.read_creation(headers, creation)
        if creation.body is not None and not self.has("creation-with-upload"):
            raise ExtensionOff("creation-with-upload")
        if creation.length is None and not creation.is_deferred and creation.kind is not Kind.FINAL:
            raise MissingHeader("Upload-Length", "a creation must tell it, or Upload-Defer-Length: 1")
        return creation

    def read_append(self, headers: Headers, body: BodyFacts) -> Append:
        """What a PATCH asks for. Raises ExtensionOff, and any Refusal of the core's or an extension's reading."""
        append = parse_append(headers, body)
        self._refuse_what_is_off(headers)
        for extension in self.on:
            append = extension.read_append(headers, append)
        return append

    def tell(self, upload: Upload, now: datetime) -> dict[str, str]:
        """Headers about `upload` for a good answer to POST and PATCH."""
        told: dict[str, str] = {}
        for extension in self.on:
            told |= extension.tell(upload, now)
        return told

    def tell_head(self, upload: Upload, now: datetime) -> dict[str, str]:
        """Headers about `upload` for a good answer to HEAD."""
        told = self.tell(upload, now)
        for extension in self.on:
            told |= extension.tell_head(upload, now)
        return told

    def _refuse_what_is_off(self, headers: Headers) -> None:
        for extension in self.off:
            if extension.is_asked_by(headers):
                raise ExtensionOff(extension.name)


def offer(disabled: Collection[str] = (), *, max_metadata: int = 16_384) -> Offer:
    """The extensions without those in `disabled` and those that make no sense without one of them.

    Args:
        disabled: names as in `Tus-Extension`.
        max_metadata: characters an `Upload-Metadata` field may have.
    """
    on: list[Extension] = []
    off: list[Extension] = []
    names: set[str] = set()
    for extension in _every(max_metadata):
        is_on = extension.name not in disabled and names.issuperset(extension.requires)
        (on if is_on else off).append(extension)
        if is_on:
            names.add(extension.name)
    return Offer(tuple(on), tuple(off))
