"""Uploads that have every byte and are not complete: something has still to look at them.

tus knows no such state. The offset of the whole is the promise that the upload is complete, so HEAD tells one byte
less: a client that comes back then sends the last byte, and waits for that answer as long as its connection lives.
Told 423, tus-js-client and Uppy give up after five tries, which are over in seconds.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from tusserver.protocol.requests import Append
from tusserver.protocol.rules import Limits, room_of
from tusserver.protocol.uploads import State, Upload


def withheld(complete: Upload, limits: Limits, now: datetime) -> Upload:
    """A complete upload as it stands before it was looked at."""
    return replace(complete, state=State.RECEIVING, completed_at=None, expires_at=limits.expires_at(now))


def told_offset(upload: Upload) -> int:
    """Where HEAD tells a client to go on."""
    return upload.offset - 1 if upload.is_withheld else upload.offset


def is_resent(append: Append, upload: Upload, limits: Limits) -> bool:
    """A client sends again what `told_offset` left out, and is to hear what becomes of the upload.

    Raises:
        PastLength: status 413, it is more than that.
    """
    if not upload.is_withheld or append.offset != told_offset(upload) or append.body.is_empty:
        return False
    room_of(append.body, append.offset, upload.length, limits)
    return True
