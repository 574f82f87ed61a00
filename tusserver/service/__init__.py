"""The lifecycle of uploads: the one place where the protocol's rules meet stores, records and locks."""

from tusserver.service.ledger import Backends, Policy
from tusserver.service.names import Names
from tusserver.service.receive import Ending, HeldBody, Source
from tusserver.service.uploads import UploadService

__all__ = ["Backends", "Ending", "HeldBody", "Names", "Policy", "Source", "UploadService"]
