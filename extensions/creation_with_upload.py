"""creation-with-upload: the first bytes come along with POST.

A POST is read the same with and without; where this is off, one that bears upload data is refused.
"""

from __future__ import annotations

from tusserver.extensions.base import Extension


class CreationWithUpload(Extension):
    """Source: tus 1.0.0, extension Creation With Upload."""

    name = "creation-with-upload"
    requires = ("creation",)
