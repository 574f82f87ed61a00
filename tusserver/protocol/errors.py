"""What a backend may fail with. A backend translates its library's exceptions into these and keeps the cause."""

from __future__ import annotations


class BackendError(Exception):
    """A store, an info store or a locker could not do what it was asked."""


class NotFound(BackendError):
    """There is no such upload."""


class Conflict(BackendError):
    """It exists already, or is not in the state the caller believed."""


class OutOfSpace(BackendError):
    """The disk, the quota or the database is full. What was stored before stays."""


class Unavailable(BackendError):
    """The backend does not answer or answered with an error that may pass."""


class Held(BackendError):
    """Somebody else holds the upload's lock and did not let go in time."""
