"""What a hostile or a broken client may put into a header, for properties that hold for any of it."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

# No limit of time for one example: a busy machine would break it for no reason.
many = settings(deadline=None, max_examples=200)

# Surrogates too: bytes that are no UTF-8 reach the program as such.
anything = st.text(st.characters())


def made_of(*pieces: str) -> st.SearchStrategy[str]:
    """Texts of these pieces with anything in between: nearly right ones."""
    piece = st.one_of(st.sampled_from(pieces), st.text(st.characters(), max_size=3))
    return st.one_of(anything, st.lists(piece, max_size=12).map("".join))
