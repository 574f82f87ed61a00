"""The interface of an extension."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tusserver.protocol.fields import Headers
from tusserver.protocol.requests import Append, Creation
from tusserver.protocol.uploads import Upload


class Extension:
    """One extension of the protocol: reads the headers it owns, adds the headers it promises.

    Attributes:
        name: as in `Tus-Extension`.
        requires: names of the extensions it makes no sense without.
        owns: request headers that mean nothing without it; a request that bears one is refused where it is off.
    """

    name: ClassVar[str]
    requires: ClassVar[tuple[str, ...]] = ()
    owns: ClassVar[tuple[str, ...]] = ()

    def is_asked_by(self, headers: Headers) -> bool:
        """The request bears something that means nothing without this extension."""
        return any(headers.getall(name, []) for name in self.owns)

    def announce(self) -> dict[str, str]:
        """Headers of the answer to OPTIONS."""
        return {}

    def read_creation(self, headers: Headers, creation: Creation) -> Creation:
        """The creation with what this extension's headers say. Raises a Refusal when they cannot be."""
        return creation

    def read_append(self, headers: Headers, append: Append) -> Append:
        """The append with what this extension's headers say. Raises a Refusal when they cannot be."""
        return append

    def tell(self, upload: Upload, now: datetime) -> dict[str, str]:
        """Headers about `upload` on every good answer to POST, HEAD and PATCH."""
        return {}

    def tell_head(self, upload: Upload, now: datetime) -> dict[str, str]:
        """Headers about `upload` that only HEAD bears."""
        return {}
