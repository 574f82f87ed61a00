"""One worker process, seen from the server. Its methods block, so they are called in threads."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from tusserver.imaging.base import Bounds

# A worker of the least priority may use its seconds of a processor so much more slowly.
PATIENCE = 3
# A busy machine starts an interpreter late; one that takes longer than this does not start at all.
START_TIMEOUT = 30.0
LONGEST_LINE = 64 * 1024


class NotStarted(Exception):
    """No worker can be had; the text says why."""


class Ended(Exception):
    """The worker ended instead of answering; `by` is the signal that ended it, 0 if it was none."""

    def __init__(self, by: int) -> None:
        super().__init__(f"ended by signal {by}" if by else "ended by itself")
        self.by = by


class Child:
    """A process of `tusserver.imaging.worker`. One job at a time; `kill` may be called from any thread."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._buffer = b""
        self.jobs = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @classmethod
    def start(cls, bounds: Bounds, python: str) -> Child:
        """A worker that is ready. It inherits no descriptor, nothing of the environment that it does not need, and
        no terminal, so that the Ctrl-C of an operator is the server's affair.

        Raises:
            NotStarted: there is no room for a process, no Pillow, or anything else missing.
        """
        # `-P`: nothing is imported from the folder it runs in.
        command = [python, "-P", "-m", "tusserver.imaging.worker", *map(str, astuple(bounds))]
        pipe = subprocess.PIPE
        try:
            process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, env=_environment(), cwd="/", start_new_session=True
            )
        except OSError as error:
            raise NotStarted(f"{python} cannot be run: {error}") from error
        child = cls(process)
        try:
            child._line(START_TIMEOUT)
        except (EOFError, TimeoutError) as error:
            process.kill()
            assert process.stderr is not None
            said = process.stderr.read(LONGEST_LINE).decode(errors="replace").strip().splitlines()
            by = child.discard()
            raise NotStarted(said[-1] if said else f"it ended by signal {by} before it was ready") from error
        return child

    def ask(self, job: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        """What the worker answers to a job for which it may use a processor for `timeout` seconds. Whatever is raised,
        the worker is gone.

        Raises:
            TimeoutError: it did not get that much of a processor in three times as long.
            Ended: it ended, by SIGPROF if it used it up.
        """
        self.jobs += 1
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), json.dumps({**job, "timeout": timeout}).encode() + b"\n")
            answer = json.loads(self._line(timeout * PATIENCE))
            if not isinstance(answer, dict):
                raise ValueError("an answer is an object")
        except TimeoutError:
            self.discard()
            raise
        except (BrokenPipeError, EOFError, ValueError) as error:
            raise Ended(self.discard()) from error
        return answer

    def kill(self) -> None:
        """End it at once; `discard` has still to be called."""
        self._process.kill()

    def discard(self) -> int:
        """End it, let go of everything that it took, and give the signal that it ended by, 0 if it was none."""
        # One that is ending already keeps the signal it ends by.
        self._process.kill()
        by = max(0, -self._process.wait())
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()
        return by

    def _line(self, timeout: float) -> bytes:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        ready = select.poll()
        ready.register(descriptor, select.POLLIN)
        until = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            left = until - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                raise TimeoutError
            piece = os.read(descriptor, LONGEST_LINE)
            if not piece or len(self._buffer) > LONGEST_LINE:
                raise EOFError("it closed its output")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line


def _environment() -> dict[str, str]:
    """The way to this package and its libraries, and to those of the interpreter itself."""
    found = {
        "PYTHONPATH": os.pathsep.join(str(Path(place).absolute()) for place in sys.path),
        "LC_ALL": "C.UTF-8",
        # Each arena of glibc takes 64 MiB of the address space that a worker may have.
        "MALLOC_ARENA_MAX": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:
        found["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return found
