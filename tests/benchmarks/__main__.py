"""How fast this server is beside others, as a table of ratios: `python -m tests.benchmarks [--rounds 5] [--scale 1]`.

Every round measures every server once, one after the other, so that a disturbance of the machine meets all of them;
the table has the median of the rounds, and ratios to tusd in the same run. Other figures than ratios say more about
the machine than about the servers. Small uploads and HEAD are measured on a tmpfs, for on a disk the same server
varies sevenfold with what was deleted a moment before.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.servers import KINDS, Kind, Missing, Running, build, build_load

MIB = 1 << 20
BASE = "tusd"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of the table.

    Attributes:
        words: of the load's command; `{size}` is scaled.
        size: bytes of an upload.
        figure: which of the load's figures counts; `cpu` and `peak` are taken from the server's process.
        floor: what this server has to reach, as a ratio to tusd or in the figure's own unit.
    """

    name: str
    words: str
    size: int
    figure: str
    unit: str
    floor: str
    on_disk: bool = True
    needs_tus: bool = True
    only: str = ""


GIB = 1 << 30
SCENARIOS = (
    Scenario("one PATCH", "upload", GIB, "rate", "MiB/s", ">= 1.6", needs_tus=False),
    Scenario("8 MiB PATCHes", f"upload -piece {8 * MIB}", GIB, "rate", "MiB/s", ">= 1.5", needs_tus=False),
    Scenario("16 uploads at once", "upload -parallel 16", GIB // 8, "rate", "MiB/s", ">= 1.3", needs_tus=False),
    Scenario("download", "download", GIB, "rate", "MiB/s", ">= 2.7", needs_tus=False),
    Scenario("16 downloads at once", "download -parallel 16", GIB // 4, "rate", "MiB/s", ">= 2.3", needs_tus=False),
    Scenario(
        "sha1, 8 MiB PATCHes",
        f"upload -piece {8 * MIB} -digest sha1",
        GIB,
        "rate",
        "MiB/s",
        ">= 0.85 of hashlib",
        only="ours",
    ),
    Scenario(
        "sha256, 8 MiB PATCHes",
        f"upload -piece {8 * MIB} -digest sha256",
        GIB,
        "rate",
        "MiB/s",
        ">= 0.85 of hashlib",
        only="ours",
    ),
    Scenario("HEAD beside 4 large uploads", "beside -large 4", GIB // 4, "p95", "ms", "<= 5 ms"),
    Scenario("HEAD beside 2,000 slow uploads", "beside -slow 2000", GIB, "p95", "ms", "<= 2 ms"),
    Scenario("from a cut to the offset", "cut -count 50", GIB, "p95", "ms", "<= 10 ms"),
    Scenario("lost of what had arrived, FIN", "cut -count 50", GIB, "lost", "", "0"),
    Scenario("lost of what had arrived, RST", "cut -count 50 -reset", GIB, "lost", "", "0"),
    Scenario("4 KiB uploads, POST + PATCH", "small -parallel 8 -count 8000", 4096, "rate", "/s", ">= 0.8", False),
    Scenario("4 KiB uploads, with-upload", "created -parallel 8 -count 8000", 4096, "rate", "/s", ">= 0.8", False),
    Scenario("HEAD", "head -parallel 8 -count 40000", 4096, "rate", "/s", ">= 1.0", False),
    Scenario("the same three on a disk: POST + PATCH", "small -parallel 8 -count 4000", 4096, "rate", "/s", ">= 1.4"),
    Scenario("with-upload", "created -parallel 8 -count 4000", 4096, "rate", "/s", ">= 1.5"),
    Scenario("HEAD on a disk", "head -parallel 8 -count 20000", 4096, "rate", "/s", ">= 1.8"),
    Scenario("processor, one PATCH", "upload", GIB, "cpu", "s/GiB", "<= 0.5", needs_tus=False),
    Scenario("memory, one PATCH", "upload", GIB, "peak", "MiB", "<= 60", needs_tus=False),
    Scenario("memory, 2,000 slow uploads", "beside -slow 2000", GIB, "peak", "MiB", "<= 120"),
)


class Bench:
    """The servers built, and the figures of every round."""

    def __init__(self, tools: Path, disk: Path, scale: float, servers: list[str]) -> None:
        self._disk, self._scale = disk, scale
        self._load = build_load(tools)
        self._body = _a_file(Path("/dev/shm") / f"bench-{int(time.time())}", int(GIB * min(scale, 1)))
        self.kinds: list[Kind] = []
        for name in servers:
            try:
                self.kinds.append(build(name, tools))
            except Missing as missing:
                print(f"left out: {missing}", file=sys.stderr)
        self.figures: dict[tuple[str, str], list[float]] = defaultdict(list)

    def run(self, scenario: Scenario) -> None:
        """One round of one line."""
        for kind in self.kinds:
            if (scenario.needs_tus and not kind.speaks_tus) or not kind.name.startswith(scenario.only):
                continue
            place = Path(tempfile.mkdtemp(dir=self._disk if scenario.on_disk else "/dev/shm"))
            running = Running(kind, place / "server", self._body)
            try:
                figure = self._measure(scenario, running)
            finally:
                running.stop()
                shutil.rmtree(place, ignore_errors=True)
            self.figures[scenario.name, kind.name].append(figure)
            print(f"{scenario.name}: {kind.name} {figure:.4g} {scenario.unit}", file=sys.stderr, flush=True)

    def _measure(self, scenario: Scenario, running: Running) -> float:
        size = scenario.size if scenario.size <= 4096 else max(16 * MIB, int(scenario.size * self._scale))
        words = [str(self._load), *scenario.words.split(), "-size", str(size), "-body", str(self._body)]
        words += ["-address", f"127.0.0.1:{running.port}", "-path", running.kind.path]
        words += [] if running.kind.speaks_tus else ["-bare"]
        running.forget_peak()
        before = running.cpu()
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{running.kind.name}: {done.stderr.strip()}", file=sys.stderr)
            return float("nan")
        told: dict[str, float] = json.loads(done.stdout)
        told["cpu"] = (running.cpu() - before) / (size / GIB)
        told["peak"] = running.peak() / MIB
        return told[scenario.figure] * (1000 if scenario.unit == "ms" else 1)

    def close(self) -> None:
        self._body.unlink()

    def table(self, scenarios: list[Scenario]) -> str:
        """Medians of the rounds as Markdown: tusd in its unit, the others as ratios to it where it has one."""
        names = [kind.name for kind in self.kinds]
        lines = [f"| scenario | {' | '.join(names)} | to reach |", f"| --- |{' ---: |' * len(names)} --- |"]
        for scenario in scenarios:
            medians = {
                name: statistics.median(self.figures.get((scenario.name, name)) or [float("nan")]) for name in names
            }
            cells = [_cell(scenario, name, medians) for name in names]
            lines.append(f"| {scenario.name} | {' | '.join(cells)} | {scenario.floor} |")
        return "\n".join(lines)


def _cell(scenario: Scenario, name: str, medians: dict[str, float]) -> str:
    value, base = medians[name], medians.get(BASE, float("nan"))
    if value != value:
        return ""
    own = f"{value:,.0f} {scenario.unit}" if value >= 100 else f"{value:.2g} {scenario.unit}"
    is_ratio = scenario.figure == "rate" and base == base and name != BASE
    return f"**{value / base:.2f}**" + f" ({own.strip()})" if is_ratio else own.strip()


def _a_file(path: Path, size: int) -> Path:
    block = hashlib.shake_128(b"bench").digest(MIB)
    with path.open("wb") as file:
        for _ in range(max(1, size // MIB)):
            file.write(block)
    return path


def hash_rates() -> dict[str, float]:
    """MiB/s of hashlib alone, which no server can pass."""
    data, rates = bytes(64 * MIB), {}
    for name in ("sha1", "sha256"):
        began = time.perf_counter()
        hashlib.new(name, data)
        rates[name] = 64 / (time.perf_counter() - began)
    return rates


def main() -> int:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="of the large uploads; 1 is 1 GiB")
    parser.add_argument("--only", default="", help="lines whose name has this in it")
    parser.add_argument("--servers", default="ours,tusd,copy,splice", help=f"between commas, of {', '.join(KINDS)}")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()), help="folder for large uploads")
    parser.add_argument("--tools", type=Path, default=Path(tempfile.gettempdir()) / "tusserver-bench")
    arguments = parser.parse_args()
    arguments.tools.mkdir(exist_ok=True)
    try:
        bench = Bench(arguments.tools, arguments.disk, arguments.scale, arguments.servers.split(","))
    except Missing as missing:
        print(f"bench: {missing}", file=sys.stderr)
        return 1
    scenarios = [one for one in SCENARIOS if arguments.only in one.name]
    rates = hash_rates()
    try:
        for _ in range(arguments.rounds):
            for scenario in scenarios:
                bench.run(scenario)
    finally:
        bench.close()
    print(bench.table(scenarios))
    print(f"\nhashlib alone: sha1 {rates['sha1']:,.0f} MiB/s, sha256 {rates['sha256']:,.0f} MiB/s; "
          f"{arguments.rounds} rounds, scale {arguments.scale:g}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
