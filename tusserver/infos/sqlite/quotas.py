"""Whether an owner and a link have room for one more upload. Writers come one after the other, in all processes: what
is read here is still so when the record is written."""

from __future__ import annotations

import sqlite3

from tusserver.infos.base import MINUTE, UNFINISHED, OverQuota, Quota
from tusserver.infos.cursors import to_micros
from tusserver.infos.sqlite import queries
from tusserver.infos.sqlite.rows import to_text
from tusserver.protocol.uploads import Upload


def over_quota(connection: sqlite3.Connection, upload: Upload, quota: Quota) -> OverQuota | None:
    """Why the owner of an upload has no room for it."""
    owner = to_text(upload.owner)
    high, low, unknown, unfinished = connection.execute(queries.TOTALS, (owner,)).fetchone() or (0, 0, 0, 0)
    size = (high << 32) + low + unknown * quota.deferred
    if quota.bytes is not None and size + quota.size_of_new(upload) > quota.bytes:
        return OverQuota("bytes", quota.bytes)
    if quota.open is not None and upload.state in UNFINISHED and unfinished >= quota.open:
        return OverQuota("open", quota.open)
    if quota.per_minute is not None:
        earliest, latest = to_micros(upload.created_at - MINUTE), to_micros(upload.created_at + MINUTE)
        values = (owner, earliest, latest, quota.per_minute)
        question = queries.COUNT_RECENT_OF_NOBODY if owner is None else queries.COUNT_RECENT
        (count,) = connection.execute(question, values).fetchone()
        if count >= quota.per_minute:
            return OverQuota("per_minute", quota.per_minute)
    return None


def over_link(connection: sqlite3.Connection, upload: Upload) -> OverQuota | None:
    """Why the link that an upload is made by takes no more."""
    if upload.link is None:
        return None
    found = connection.execute(queries.ROOM_OF_LINK, (upload.link,)).fetchone()
    if found is None:
        return OverQuota("link", 0)
    most, uploads, expires_at = found
    if expires_at is not None and expires_at <= to_micros(upload.created_at):
        return OverQuota("link", 0)
    return OverQuota("link", most) if most is not None and uploads >= most else None
