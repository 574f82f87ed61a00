"""What archives cost: `python -m tests.benchmarks.zips [--folder DIR]`.

Each line is the median of some rounds: until the headers came, until the first byte, bytes in a second beside those of
a download of one file, processor of the server, and how much memory it had in use at most since it started.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
import zlib
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.running import RunningServer, running
from tests.zip_uploads import put

MIB, GIB = 1 << 20, 1 << 30
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds, and how many bytes came."""

    headers: float
    first: float
    whole: float
    processor: float
    size: int


def processor(server: RunningServer) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(server: RunningServer) -> float:
    """The most that was in use, in MiB."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024


def ask(server: RunningServer, path: str, ids: list[str] | None = None, field: str | None = None) -> Costs:
    """One request, read to its end.

    Args:
        ids: sent as the body.
        field: Range.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    body = None if ids is None else json.dumps({"uploads": ids}).encode()
    before, start = processor(server), time.perf_counter()
    headers = ({} if field is None else {"Range": field}) | (
        {} if ids is None else {"Content-Type": "application/json"}
    )
    connection.request("GET" if ids is None else "POST", path, body, headers)
    answer = connection.getresponse()
    assert answer.status in (200, 206), answer.status
    told = time.perf_counter() - start
    buffer, size = bytearray(MIB), len(answer.read(1))
    first = time.perf_counter() - start
    while count := answer.readinto(buffer):
        size += count
    whole = time.perf_counter() - start
    connection.close()
    return Costs(told, first, whole, processor(server) - before, size)


def tell(server: RunningServer, name: str, rounds: list[Costs], beside: float | None = None) -> float:
    """Print the medians; gives bytes in a second.

    Args:
        beside: the rate to compare with.
    """
    one = Costs(*map(statistics.median, zip(*map(astuple, rounds), strict=True)))
    rate = one.size / one.whole
    told = f"{one.headers * 1000:8.1f} ms {one.first * 1000:8.1f} ms {rate / MIB:8.0f} MiB/s"
    share = "      " if beside is None else f"{rate / beside:6.2f}"
    print(f"{name:34} {told} {share} {one.processor:6.2f} s {memory(server):6.0f} MiB")
    return rate


def sizes(folder: Path, rounds: int) -> None:
    """A GiB in files of several sizes, and where it is that far of 10 GiB."""
    file = put(folder, ("file", GIB), crc32=zlib.crc32(bytes(GIB)))
    kinds = {f"1 GiB in {count}": put(folder, *((f"m{n}", GIB // count) for n in range(count)), crc32=0)
             for count in (1, 16, 256, 4096)}  # fmt: skip
    ten = put(folder, *((f"part{n}", GIB) for n in range(10)))
    with running(folder, "--durability", "never") as server:
        ask(server, "/zip", kinds["1 GiB in 256"][:4])
        rate = tell(server, "the file itself", [ask(server, f"/files/{file[0]}") for _ in range(rounds)])
        for name, ids in kinds.items():
            tell(server, name, [ask(server, "/zip", ids) for _ in range(rounds)], rate)
        far = f"bytes={9 * GIB}-{9 * GIB + 99}"
        tell(server, "100 bytes at 90 % of 10 GiB", [ask(server, "/zip", ten, far) for _ in range(9)])


def entries(folder: Path, count: int) -> None:
    """Many small files, whose CRCs are known, and then not."""
    data = bytes(range(250)) * 4
    for name, crc32 in (("known", zlib.crc32(data)), ("not known", None)):
        names = [f"holiday {n % 50}/{name} {n:05}.jpg" for n in range(count)]
        ids = put(folder, *((label, data) for label in names), crc32=crc32)
        with running(folder, "--durability", "never") as server:
            for _ in range(3):
                ask(server, "/zip", ids[:700])
            print(f"memory so far: {memory(server):.0f} MiB")
            tell(server, f"{count} of 1,000 bytes, CRCs {name}", [ask(server, "/zip", ids)])
            tell(server, "again", [ask(server, "/zip", ids)])
            tell(server, "1,000 of them by filename", [ask(server, "/zip", names[-1000:])])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where to make files; default: the folder for temporary ones")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--entries", type=int, default=70_000)
    chosen = parser.parse_args()
    print(f"{'':34} {'headers':>11} {'first byte':>11} {'rate':>14} {'share':>6} {'processor':>9} {'memory':>10}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        sizes(Path(folder) / "sizes", chosen.rounds)
        entries(Path(folder) / "entries", chosen.entries)


if __name__ == "__main__":
    main()
