"""expiration: unfinished uploads are kept for a time only, and the client is told how long."""

from __future__ import annotations

from datetime import datetime

from tusserver.extensions.base import Extension
from tusserver.protocol.dates import format_date
from tusserver.protocol.uploads import Upload


class Expiration(Extension):
    """Source: tus 1.0.0, extension Expiration."""

    name = "expiration"

    def tell(self, upload: Upload, now: datetime) -> dict[str, str]:
        """`Upload-Expires` while there is a date."""
        return {} if upload.expires_at is None else {"Upload-Expires": format_date(upload.expires_at)}
