"""Datagrams between the processes of one host that share a folder."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from tusserver.protocol.errors import Unavailable

NAME = re.compile(r"[0-9]+-[0-9a-f]{16}\.sock\Z")
LONGEST_MESSAGE = 65536
# The kernel takes 108 bytes; see unix(7).
LONGEST_ADDRESS = 107
# Read at one wake-up, so that a flood does not hold up the loop.
AT_ONCE = 64


class Post:
    """One socket per process in a folder; a message goes to all others, and may be lost: whoever sends repeats.

    Sockets in a folder and not abstract names: only the owner of the folder may write to them, and processes in other
    containers that share the folder are reached too.
    """

    def __init__(self, folder: Path, on_message: Callable[[bytes], None]) -> None:
        self._folder = folder
        self._on_message = on_message
        self._name = f"{os.getpid()}-{secrets.token_hex(8)}.sock"
        self._socket: socket.socket | None = None
        self._folder_descriptor: int | None = None

    def bind(self) -> None:
        """Make the folder and the socket. Blocks. Raises Unavailable with one clear sentence."""
        mailbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._folder.mkdir(0o700, parents=True, exist_ok=True)
            self._folder_descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            mailbox.setblocking(False)
            mailbox.bind(self._address(self._name))
            os.chmod(self._folder / self._name, 0o600)
        except OSError as error:
            mailbox.close()
            self._close_folder()
            raise Unavailable(
                f"no socket can be made in the folder {self._folder}: {error.strerror or error}"
            ) from error
        self._socket = mailbox

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand what comes to `on_message`, on the event loop."""
        if self._socket is not None:
            loop.add_reader(self._socket.fileno(), self._receive)

    def deafen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand nothing on any more."""
        if self._socket is not None:
            loop.remove_reader(self._socket.fileno())

    def unbind(self) -> None:
        """Remove the socket. Blocks."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._remove(self._name)
        self._close_folder()

    def send(self, messages: Sequence[bytes]) -> None:
        """Send to every other process. Reads the folder, but never waits for a receiver."""
        if self._socket is None:
            return
        try:
            names = os.listdir(self._folder)
        except OSError:
            return  # nobody can be reached: whoever waits gives up in its time
        for name in names:
            if name != self._name and NAME.match(name):
                self._send_to(self._socket, name, messages)

    def _send_to(self, mailbox: socket.socket, name: str, messages: Sequence[bytes]) -> None:
        address = self._address(name)
        for message in messages:
            try:
                mailbox.sendto(message, address)
            except ConnectionRefusedError:
                # Its process died. No other ever gets the name, for half of it is random.
                self._remove(name)
                return
            except OSError:
                return  # it is full, or gone this moment

    def _remove(self, name: str) -> None:
        try:
            os.unlink(self._folder / name)
        except OSError:
            return  # somebody else removed it

    def _address(self, name: str) -> bytes:
        address = os.fsencode(self._folder / name)
        if len(address) <= LONGEST_ADDRESS:
            return address
        # The kernel follows the link, so a folder of any depth has a short name here.
        return os.fsencode(f"/proc/self/fd/{self._folder_descriptor}/{name}")

    def _close_folder(self) -> None:
        if self._folder_descriptor is not None:
            os.close(self._folder_descriptor)
            self._folder_descriptor = None

    def _receive(self) -> None:
        for _ in range(AT_ONCE):
            if self._socket is None:
                return
            try:
                message = self._socket.recv(LONGEST_MESSAGE)
            except OSError:
                return  # nothing left
            self._on_message(message)
