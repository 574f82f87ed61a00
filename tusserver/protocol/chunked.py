"""Finding the trailer of a chunked body. RFC 9112, section 7.1."""

from __future__ import annotations

from enum import Enum, auto

# More than any digest needs; a trailer that is longer is read on but not kept.
MAX_TRAILER = 16_384
MAX_LINE = 65_536  # with its end
HEX = frozenset(b"0123456789abcdefABCDEF")


class _At(Enum):
    SIZE = auto()  # in a line that tells the size of the next chunk
    DATA = auto()  # in a chunk, or the line end behind it
    TRAILER = auto()  # in the lines behind the last chunk
    END = auto()


class TrailerScanner:
    """Walks over a chunked body as it arrives and keeps the fields behind the last chunk.

    It skips the data without looking at it. A framing error ends the walk: whoever parses the request refuses it.
    """

    def __init__(self) -> None:
        self._at = _At.SIZE
        self._line = bytearray()
        self._skip = 0
        self._trailer = bytearray()
        self.is_broken = False

    @property
    def is_done(self) -> bool:
        """The body and its trailer are complete, or its framing is broken."""
        return self._at is _At.END

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes from the wire; gives those behind the end of the body: the next request."""
        position = 0
        while position < len(data) and self._at is not _At.END:
            if self._at is _At.DATA:
                step = min(self._skip, len(data) - position)
                self._skip -= step
                position += step
                if self._skip == 0:
                    self._at = _At.SIZE
            else:
                # Counted to the byte, so that no segmentation makes a line pass that another breaks.
                limit = position + MAX_LINE - len(self._line)
                end = data.find(b"\n", position, limit) + 1
                stop = end or min(limit, len(data))
                self._line += data[position:stop]
                position = stop
                if end:
                    self._take_line()
                elif len(self._line) == MAX_LINE:
                    self._break()
        return data[position:]

    def field(self, name: str) -> list[str]:
        """Values of a trailer field, in their order."""
        wanted = name.lower()
        found = []
        for line in self._trailer.decode("latin-1").split("\r\n"):
            key, colon, value = line.partition(":")
            if colon and key.lower() == wanted:
                found.append(value.strip(" \t"))
        return found

    def _break(self) -> None:
        self.is_broken = True
        self._at = _At.END

    def _take_line(self) -> None:
        line = bytes(self._line).rstrip(b"\r\n")
        self._line.clear()
        if self._at is _At.TRAILER:
            if not line:
                self._at = _At.END
            elif len(self._trailer) + len(line) <= MAX_TRAILER:
                self._trailer += line + b"\r\n"
            return
        size = line.split(b";", 1)[0].strip()
        if not size or len(size.lstrip(b"0")) > 16 or not HEX.issuperset(size):
            self._break()
        elif int(size, 16) == 0:
            self._at = _At.TRAILER
        else:
            # The line end behind the data is skipped with it.
            self._skip = int(size, 16) + 2
            self._at = _At.DATA
