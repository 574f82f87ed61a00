"""A line between a client and a server that can be slow and can be cut."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

CHUNK = 16 * 1024


class Relay:
    """Passes connections on to a port of loopback.

    Attributes:
        rate: the bytes in a second that all connections together may send to the server; None is no bound. It may be
            changed while bytes flow.
        passed: the bytes that went to the server so far.
    """

    def __init__(self, port: int, rate: float | None = None) -> None:
        self.rate = rate
        self.passed = 0
        self._target = port
        self._line = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.socket()
        # Small, so that a client that has sent its bytes has not merely filled a buffer; accepted sockets inherit it.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * CHUNK)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.endpoint = self.url + "/files/"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        self.cut()

    def cut(self) -> None:
        """Break every connection there is; new ones are passed on."""
        while self._pairs:
            for end in self._pairs.pop():
                _break(end)

    def wait(self, passed: int, timeout: float = 20.0) -> None:
        """Wait until so many bytes went to the server."""
        end = time.monotonic() + timeout
        while self.passed < passed:
            if time.monotonic() > end:
                raise TimeoutError(f"only {self.passed} bytes passed")
            time.sleep(0.01)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            threading.Thread(target=self._up, args=(client, server), daemon=True).start()
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        _pump(client, server, self._wait_for_room)

    def _wait_for_room(self, size: int) -> None:
        with self._line:
            if self.rate is not None:
                time.sleep(size / self.rate)
            self.passed += size


def _pump(source: socket.socket, target: socket.socket, before: Callable[[int], None] | None = None) -> None:
    """Pass bytes on until the source ends, which ends the target too; a broken one breaks both."""
    try:
        while data := source.recv(CHUNK):
            if before is not None:
                before(len(data))
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        _break(source)
        _break(target)


def _break(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
