"""The lifecycle of uploads: the one place where the protocol's rules meet stores, records and locks."""

from tusserver.service.ledger import Backends, Policy
from tusserver.service.receive import Ending, Source
from tusserver.service.uploads import UploadService

__all__ = ["Backends", "Ending", "Policy", "Source", "UploadService"]
