"""A process that reads images, `python -m tusserver.imaging.worker BOUNDS`: jobs in, results out, a line of JSON each.

It takes paths and gives no more than a few words, so whatever a file makes of it, the server sees none of its bytes.
It holds itself to its limits before it imports what parses; the kernel ends it when it passes one.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from tusserver.imaging.base import Bounds, Seen, memory_for
from tusserver.protocol.images import Fit, Wish
from tusserver.protocol.refusals import Refusal

# What is written is an image of at most 4,096 × 4,096 pixels, or one that was small enough to come in.
LARGEST_MADE = 128 * 1024 * 1024
# Three for the lines, an image in, one out, and what Python opens to import a module late.
DESCRIPTORS = 24

Job = Mapping[str, Any]


def limit(bounds: Bounds) -> None:
    """Hold this process to the memory of one image, to no core dumps and few descriptors."""
    memory = memory_for(bounds)
    written = max(LARGEST_MADE, bounds.max_size)
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, DESCRIPTORS),
    ):
        # An operator may have set less already, and no one may ask for more than that.
        hard = resource.getrlimit(what)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


def volunteer() -> None:
    """Where a machine or a container runs out of memory, the kernel ends this process and not the server."""
    with suppress(OSError):  # Linux has it
        Path("/proc/self/oom_score_adj").write_text("1000")


def limit_processes() -> None:
    """From now on no other process or thread is begun, except by root, whom the kernel lets."""
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def limit_time(seconds: float) -> None:
    """Let the kernel end this process when it has used so much more of a processor; 0: for now there is no limit.

    Time on the clock is no measure: on a busy machine a process of the least priority hardly runs.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)


def end_with_parent() -> None:
    """End at once when nobody is at the other end of the input any more, in the middle of an image too."""
    ending = select.poll()
    ending.register(sys.stdin.fileno(), 0)  # a hang-up is told without being asked for, and nothing else is

    def wait() -> None:
        ending.poll()
        os._exit(0)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def doer(bounds: Bounds) -> Callable[[Job], Seen | None]:
    """What carries out a job. Only now that this process has its limits is anything imported that parses images."""
    from tusserver.imaging import codec

    codec.prepare(bounds)

    def do(job: Job) -> Seen | None:
        path = Path(job["path"])
        if job["act"] == "inspect":
            return codec.inspect(path, bounds, job["promised"])
        into = Path(job["into"])
        if job["act"] == "optimise":
            return codec.optimise(path, into, bounds)
        return codec.derive(path, into, bounds, Wish(**{**job["wish"], "fit": Fit(job["wish"]["fit"])}))

    return do


def answer(job: Job, do: Callable[[Job], Seen | None]) -> dict[str, Any]:
    """Do one job and tell what came of it.

    A job has `act` (inspect, derive or optimise), `path`, `timeout`, and `promised`, `into` and `wish` as
    `tusserver.imaging.codec` has them. The answer has `seen` (None: not smaller), or `refused` (the refusal's code)
    with `detail` and `facts`, or `failed` (a number of errno) with `detail` and the `file` that failed.
    """
    try:
        limit_time(job["timeout"])
        seen = do(job)
    except Refusal as refusal:
        return {"refused": refusal.code, "detail": refusal.detail, "facts": refusal.facts}
    except OSError as error:
        return {"failed": error.errno, "detail": str(error), "file": error.filename}
    finally:
        limit_time(0)
    return {"seen": None if seen is None else asdict(seen)}


def lines() -> BinaryIO:
    """Where answers go. What a library prints goes nowhere, neither between them nor into a pipe that nobody reads."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.dup2(nowhere, sys.stderr.fileno())
    os.close(nowhere)
    return out


def main() -> None:
    """Work until the input ends."""
    bounds = Bounds(*map(int, sys.argv[1:]))
    limit(bounds)
    volunteer()
    end_with_parent()
    limit_processes()
    do = doer(bounds)
    os.nice(19)  # from here on: somebody waits for this process to begin
    out = lines()
    out.write(b'{"ready": true}\n')
    for line in sys.stdin.buffer:
        out.write(json.dumps(answer(json.loads(line), do)).encode() + b"\n")


if __name__ == "__main__":
    main()
