"""A worker process, looked at from outside: what it may use, what it inherits, and whom it outlives."""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests import image_making as make
from tests.image_making import png
from tests.test_imaging_pool import is_running
from tusserver.imaging.base import Bounds, memory_for


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that reads images, with the id of its worker, which is in the middle of one."""
    (folder / "small.png").write_bytes(png())
    slow = folder / "slow.png"
    slow.write_bytes(make.apng(100, size=(4000, 4000)))
    command = [sys.executable, "-m", "tests.imaging_process", str(folder), str(slow)]
    environment = {**os.environ, "TUSSERVER_JWT_SECRET": "very secret"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    worker = 0
    try:
        assert server.stdout is not None
        pid, knows_pillow = server.stdout.readline().split()
        assert knows_pillow == "False"
        worker = int(pid)
        time.sleep(0.3)
        yield server, worker
    finally:
        server.kill()
        server.communicate()
        with suppress(ProcessLookupError):
            if worker and is_running(worker):
                os.kill(worker, signal.SIGKILL)


def limits_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:47].strip() for line in lines}


def test_a_worker_has_its_limits_and_nothing_of_the_servers(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, worker):
        limits = limits_of(worker)
        assert int(limits["Max address space"]) == memory_for(Bounds())
        assert limits["Max core file size"] == "0"
        assert int(limits["Max open files"]) < 50
        assert int(limits["Max file size"]) == 128 * 2**20
        assert limits["Max processes"] == "0"
        assert os.getpriority(os.PRIO_PROCESS, worker) == 19
        assert os.getsid(worker) == worker
        assert Path(f"/proc/{worker}/oom_score_adj").read_text().strip() == "1000"
        environment = Path(f"/proc/{worker}/environ").read_text()
        assert {line.partition("=")[0] for line in environment.split("\0")} <= {
            *("PYTHONPATH", "LC_ALL", "MALLOC_ARENA_MAX", "LD_LIBRARY_PATH", "")
        }
        held = {os.readlink(entry) for entry in Path(f"/proc/{worker}/fd").iterdir()}
        assert {name.partition(":")[0] for name in held} <= {"pipe", "/dev/null", str(tmp_path / "slow.png")}
        assert os.readlink(f"/proc/{worker}/cwd") == "/"


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_server_not_even_in_the_middle_of_an_image(tmp_path: Path, by: signal.Signals) -> None:
    with serving(tmp_path) as (server, worker):
        assert is_running(worker)
        server.send_signal(by)
        server.wait(10)
        end = time.monotonic() + 2
        while is_running(worker):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_the_server_never_imports_the_library_that_parses() -> None:
    program = "import sys, tusserver.app, tusserver.cli, tusserver.imaging.images; print('PIL' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "False"


def test_a_worker_keeps_to_less_where_the_operator_allows_less(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "tusserver.imaging.worker", "1000000", "1000000", "1"]
    least = 400 * 2**20
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (least, least)),
    ) as worker:
        assert worker.stdout is not None
        assert select.select([worker.stdout], [], [], 20)[0]
        assert b"ready" in worker.stdout.readline()
        assert int(limits_of(worker.pid)["Max address space"]) == least
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(5) == 0
