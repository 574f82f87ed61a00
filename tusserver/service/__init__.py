"""The lifecycle of uploads: the one place where the protocol's rules meet stores, records and locks."""

from tusserver.service.ledger import OF_NO_USE, Backends, Policy
from tusserver.service.names import Names
from tusserver.service.sources import Ending, HeldBody, LookedAt, Pull, Put, Source
from tusserver.service.uploads import UploadService
from tusserver.stores.base import Flow

__all__ = [
    "OF_NO_USE",
    "Backends",
    "Ending",
    "Flow",
    "HeldBody",
    "LookedAt",
    "Names",
    "Policy",
    "Pull",
    "Put",
    "Source",
    "UploadService",
]
