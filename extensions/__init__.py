"""The extensions of tus 1.0.0, one file each, over the small interface of `base.py`.

`Tus-Extension` is computed from what is switched on: `offer()` gives the extensions in use, `Offer` asks each in turn.
"""

from tusserver.extensions.offer import EVERY_EXTENSION, Offer, offer

__all__ = ["EVERY_EXTENSION", "Offer", "offer"]
