"""What images are held to, and what comes of looking at one."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest image that is read: bytes of the file, pixels of each frame, frames."""

    max_size: int = 25_000_000
    max_pixels: int = 40_000_000
    max_frames: int = 100


@dataclass(frozen=True, slots=True)
class Seen:
    """An image that was decoded to its last pixel.

    Attributes:
        content_type: of its bytes, for example ``"image/jpeg"``, whatever was declared.
        width, height: as displayed, the orientation applied.
        frames: 1 unless it is animated.
    """

    content_type: str
    width: int
    height: int
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived image, open for reading; whoever asked for it closes it, best by ``with``.

    It stays readable when the cache lets go of it meanwhile, which a path would not.
    """

    file: BinaryIO
    size: int
    content_type: str

    def close(self) -> None:
        """May be called twice."""
        self.file.close()

    def __enter__(self) -> Derived:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


# Red, green, blue and opacity, three times: as decoded, as converted, and what a codec keeps for itself.
MEMORY_PER_PIXEL = 12
# The file as it came, what a codec makes of it, and one written anew.
MEMORY_PER_BYTE = 3
# The interpreter with every codec, stacks, and what is made of an image, of which AVIF takes most.
MEMORY_OF_LIBRARIES = 512 * 1024 * 1024


def memory_for(bounds: Bounds) -> int:
    """Bytes of address space of a process that reads images within `bounds`."""
    return MEMORY_OF_LIBRARIES + bounds.max_pixels * MEMORY_PER_PIXEL + bounds.max_size * MEMORY_PER_BYTE
