"""How fast images are read and made: `python -m tests.benchmarks.images [--folder DIR] [--times N]`.

The workers have the least priority, so what else the machine does decides as much as they do: the time of a processor
that a job took is told beside the time on the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from PIL import Image

from tests.image_making import picture, saved
from tusserver.imaging.base import Bounds, Derived
from tusserver.imaging.images import Images
from tusserver.protocol.images import THUMBNAIL, Wish

ID = "A" * 22


def photo(width: int = 4000, height: int = 3000) -> Image.Image:
    """As hard to pack as what a camera takes: 5 MB as a JPEG of 12 megapixels."""
    grain = Image.merge("RGB", [Image.effect_noise((width // 2, height // 2), 90) for _ in range(3)])
    return Image.blend(picture(width, height), grain.resize((width, height), Image.Resampling.BILINEAR), 0.4)


def used(pids: set[int]) -> float:
    """Seconds of a processor that processes have had."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def measure(name: str, images: Images, times: int, act: Callable[[], Awaitable[object]]) -> None:
    took: list[float] = []
    before = used(images.pids)
    for _ in range(times):
        began = time.perf_counter()
        result = await act()
        took.append((time.perf_counter() - began) * 1000)
        if isinstance(result, Derived):
            result.close()
    cpu = (used(images.pids) - before) / times * 1000
    told = f"median {statistics.median(took):7.1f} ms   least {min(took):7.1f}   most {max(took):7.1f}"
    print(f"{name:42} {told}   worker's processor {cpu:6.0f} ms")


async def anew(images: Images, path: Path, wish: Wish = THUMBNAIL) -> Derived:
    await images.forget(ID)
    return await images.derived(ID, path, wish)


async def again(images: Images, path: Path) -> Derived:
    return await images.derived(ID, path, THUMBNAIL)


async def whole(images: Images, path: Path) -> None:
    await images.inspect(path)


async def run(folder: Path, times: int) -> None:
    taken = photo()
    files = {kind: folder / f"photo.{kind.lower()}" for kind in ("JPEG", "PNG", "WEBP")}
    for kind, path in files.items():
        path.write_bytes(saved(taken, kind, **({"quality": 90} if kind != "PNG" else {"compress_level": 1})))
        print(f"{path.name}: {taken.width} x {taken.height}, {path.stat().st_size / 1e6:.1f} MB")
    images = Images(folder / "cache", Bounds(max_size=100_000_000))
    await images.open()
    began = time.perf_counter()
    await images.inspect(files["JPEG"])
    print(f"first image, with the start of a worker: {(time.perf_counter() - began) * 1000:.0f} ms")
    for kind, path in files.items():
        await measure(f"thumbnail of a {kind}, 320 wide", images, times, partial(anew, images, path))
        await measure("  again, from the cache", images, 20 * times, partial(again, images, path))
        await measure("  decoded as a whole", images, times, partial(whole, images, path))
    for content_type in ("image/jpeg", "image/png", "image/webp", "image/avif"):
        act = partial(anew, images, files["JPEG"], wish=Wish(1600, format=content_type))
        await measure(f"JPEG, 1,600 wide as {content_type}", images, times, act)
    await images.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where files are kept meanwhile")
    parser.add_argument("--times", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        asyncio.run(run(Path(folder), given.times))


if __name__ == "__main__":
    main()
