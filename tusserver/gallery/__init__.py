"""Images on the same uploads: several files taken as one act, the names they are shown under, what is made of them.

An upload becomes an image when its bytes were decoded and a name was noted in its record; nothing else tells the two
apart. What arrives by `POST /api/upload` is looked at before it is complete, what arrives by any other door afterwards,
and is shown if it happens to be one.
"""

from tusserver.gallery.act import Act
from tusserver.gallery.gallery import Gallery, no_such_image
from tusserver.gallery.parts import Rules

__all__ = ["Act", "Gallery", "Rules", "no_such_image"]
