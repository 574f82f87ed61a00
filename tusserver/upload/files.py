"""Send files one after the other, each until it is complete, its time without progress is over, or it is refused."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from mimetypes import guess_type
from pathlib import Path
from typing import BinaryIO

from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.uploader.uploader import Uploader
from urllib3.connection import HTTPConnection

from tusserver.upload.failures import GONE, Patience, UploadFailed, describe, is_passing, reason_of
from tusserver.upload.progress import Display, human, make_display, printable
from tusserver.upload.stored import StoredUrls, fingerprint, state_folder

# A chunk lasts about a second, so that the bar moves on a slow link and a bad checksum costs a second at most.
FIRST_CHUNK, LEAST_CHUNK = 2**20, 2**18
CHUNK_TIME = 1.0
# What a server says to a POST where it creates no uploads.
NOT_AN_ENDPOINT = frozenset({200, 404, 405, 410})
# Seconds without any sign of life from the other machine after which a connection is given up.
DEAD_AFTER = 60


@dataclass(frozen=True, slots=True)
class Options:
    """How to upload.

    Attributes:
        endpoint: the address uploads are created at.
        headers: sent with every request.
        chunk_size: the most bytes in one request; they are held in memory.
        anew: do not go on with what an earlier run began.
        give_up_after: the seconds without progress after which a file is given up.
    """

    endpoint: str
    chunk_size: int
    give_up_after: float
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum: bool = False
    anew: bool = False


def upload_files(paths: Sequence[Path], options: Options) -> int:
    """Upload files, and print the address of each to the standard output.

    Returns:
        the exit status: 1 when any file was not uploaded.
    """
    notice_dead_connections()
    display = make_display()
    stored = StoredUrls(state_folder())
    stored.prune()
    sender = Sender(options, stored, display)
    failed = 0
    for path in paths:
        try:
            url = sender.send(path)
        except UploadFailed as error:
            display.note(f"tusserver: {printable(str(path))}: {error}")
            failed += 1
        else:
            print(url, flush=True)
    return 1 if failed else 0


def notice_dead_connections() -> None:
    """Have the operating system give up connections whose other end has vanished.

    tuspy sets no time limit, so a cable pulled in mid-chunk would leave the run waiting for ever. The list is the
    default of every connection urllib3 opens, and this process opens no others.
    """
    keepalive = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    named = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 9, "TCP_USER_TIMEOUT": DEAD_AFTER * 1000}
    known = [
        (socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in named.items() if hasattr(socket, name)
    ]
    options = HTTPConnection.default_socket_options
    options.extend(wanted for wanted in (*keepalive, *known) if wanted not in options)


class Sender:
    """Sends files to one server."""

    def __init__(self, options: Options, stored: StoredUrls, display: Display) -> None:
        self._options = options
        self._stored = stored
        self._display = display
        self._client = TusClient(options.endpoint, headers=dict(options.headers))
        # Whether the server ever answered: before that, a refused connection is more likely a wrong address.
        self._reached = False

    def send(self, path: Path) -> str:
        """Upload a file, or the rest of it.

        Returns:
            the address of the upload.
        Raises:
            UploadFailed: it was not uploaded; the next run goes on from where it stopped.
        """
        try:
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode):
                raise UploadFailed("is a folder; name the files in it" if stat.S_ISDIR(mode) else "is not a file")
            with path.open("rb") as stream:
                return self._send(path, stream)
        except OSError as error:
            raise UploadFailed(reason_of(error)) from error
        finally:
            # A bar that is still there would be drawn over whatever is printed next.
            self._display.end()

    def _send(self, path: Path, stream: BinaryIO) -> str:
        facts = os.fstat(stream.fileno())
        uploader = Uploader(
            file_stream=stream, client=self._client, metadata=metadata_of(path), upload_checksum=self._options.checksum,
            chunk_size=min(FIRST_CHUNK, self._options.chunk_size),
        )  # fmt: skip
        key = fingerprint(path, facts, self._options.endpoint)
        if not self._options.anew and (url := self._stored.get(key)):
            uploader.set_url(url)
        transfer = Transfer(uploader, stream, facts, key, path.name)
        patience = Patience(self._options.give_up_after, time.monotonic())
        while True:
            try:
                self._open(transfer, patience)
                self._go_on(transfer, patience)
                return str(uploader.url)
            except TusCommunicationError as error:
                self._recover(error, transfer, patience)

    def _open(self, transfer: Transfer, patience: Patience) -> None:
        """Begin an upload, or ask how far one is."""
        uploader = transfer.uploader
        resumed = uploader.url is not None
        if resumed:
            uploader.offset = uploader.get_offset()
        else:
            uploader.set_url(uploader.create_url())
            uploader.offset = 0
            self._keep(transfer)
        self._reached = True
        if uploader.offset > transfer.reached:
            transfer.reached = uploader.offset
            patience.renew(time.monotonic())
        self._display.begin(transfer.name, uploader.offset, transfer.size)
        if resumed and uploader.offset == transfer.size:
            self._display.note(f"{transfer.name}: already there")
        elif resumed:
            self._display.note(f"{transfer.name}: goes on at {human(uploader.offset)} of {human(transfer.size)}")

    def _keep(self, transfer: Transfer) -> None:
        try:
            self._stored.put(transfer.key, str(transfer.uploader.url))
        except OSError as error:
            self._display.note(f"{transfer.name}: a later run cannot go on with this upload: {reason_of(error)}")

    def _go_on(self, transfer: Transfer, patience: Patience) -> None:
        uploader = transfer.uploader
        while uploader.offset < transfer.size:
            before, began = uploader.offset, time.monotonic()
            transfer.must_be_unchanged()
            try:
                uploader.upload_chunk()  # type: ignore[no-untyped-call]
            except (TypeError, ValueError) as error:
                raise UploadFailed("the server answered a chunk without a number in Upload-Offset") from error
            transfer.must_be_unchanged()
            sent, now = uploader.offset - before, time.monotonic()
            if sent <= 0:
                raise UploadFailed(f"the server said yes to a chunk and kept its offset at {uploader.offset}")
            uploader.chunk_size = min(
                self._options.chunk_size, max(LEAST_CHUNK, int(sent * CHUNK_TIME / max(now - began, 0.001)))
            )
            transfer.reached, transfer.begun_anew = uploader.offset, False
            patience.renew(now)
            self._display.advance(uploader.offset)

    def _recover(self, error: TusCommunicationError, transfer: Transfer, patience: Patience) -> None:
        """Get ready for the next try.

        Raises:
            UploadFailed: there is none.
        """
        reason = describe(error)
        if error.status_code in GONE and transfer.uploader.url and not transfer.begun_anew:
            # tuspy itself would keep the address of an upload that is gone, and fail with it in every later run.
            self._stored.forget(transfer.key)
            transfer.uploader.url, transfer.begun_anew, transfer.reached = None, True, 0
            self._display.note(f"{transfer.name}: what was begun is gone from the server; starts again")
            return
        if error.status_code is None and not self._reached:
            raise UploadFailed(f"cannot reach {self._options.endpoint}: {reason}") from error
        if not is_passing(error):
            hint = f"; are uploads created at {self._options.endpoint}?" if not transfer.uploader.url else ""
            raise UploadFailed(reason + (hint if error.status_code in NOT_AN_ENDPOINT else "")) from error
        self._reached = True
        delay = patience.delay(time.monotonic())
        if delay is None:
            raise UploadFailed(f"{reason}; given up after {patience.give_up_after:g} s without progress") from error
        self._display.note(f"{transfer.name}: {reason}; next try in {delay:.2g} s")
        time.sleep(delay)


@dataclass(slots=True)
class Transfer:
    """One file on its way.

    Attributes:
        facts: size and time of change when the file was opened.
        reached: the furthest offset the server has told.
        begun_anew: an upload that was gone was begun again, and no byte of it has gone up yet.
    """

    uploader: Uploader
    stream: BinaryIO
    facts: os.stat_result
    key: str
    filename: str
    reached: int = 0
    begun_anew: bool = False

    @property
    def name(self) -> str:
        return printable(self.filename)

    @property
    def size(self) -> int:
        return self.facts.st_size

    def must_be_unchanged(self) -> None:
        """Refuse to mix the bytes of two versions of a file.

        Raises:
            UploadFailed: the file is not as it was when it was opened.
        """
        now = os.fstat(self.stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.facts.st_size, self.facts.st_mtime_ns):
            raise UploadFailed("was changed while it was being sent; run again to send it as it is now")


def metadata_of(path: Path) -> dict[str, str]:
    # A name on disk is bytes; what of it is no UTF-8 cannot be sent.
    metadata = {"filename": os.fsencode(path.name).decode("utf-8", "replace")}
    filetype, encoding = guess_type(path.name)
    # Of `a.tar.gz` the type told is that of the archive within, which the bytes are not.
    return metadata | ({"filetype": filetype} if filetype and not encoding else {})
