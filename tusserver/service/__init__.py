"""The lifecycle of uploads: the one place where the protocol's rules meet stores, records and locks."""

from tusserver.service.ledger import OF_NO_USE, Backends, Policy
from tusserver.service.names import Names
from tusserver.service.receive import Ending, HeldBody, Source
from tusserver.service.uploads import UploadService

__all__ = ["OF_NO_USE", "Backends", "Ending", "HeldBody", "Names", "Policy", "Source", "UploadService"]
