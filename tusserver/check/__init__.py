"""What a tus server must answer, tried from outside over HTTP: `python -m tusserver.check URL`."""

from __future__ import annotations

# Importing a section enters its lines in the table, in this order.
# ruff: isort: off
from tusserver.check import core as core
from tusserver.check import core_patch as core_patch
from tusserver.check import creation as creation
from tusserver.check import metadata as metadata
from tusserver.check import defer as defer
from tusserver.check import with_upload as with_upload
from tusserver.check import checksum as checksum
from tusserver.check import trailer as trailer
from tusserver.check import expiration as expiration
from tusserver.check import termination as termination
from tusserver.check import concat as concat
from tusserver.check import unfinished as unfinished
