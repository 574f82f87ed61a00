"""Telling of completed uploads: `POST` of a JSON document to the URL that an upload link names, at least once each.

What is still to be told is in the records (`Upload.announce`), so nothing is lost when the server stops or dies. A
receiver that hears of an upload twice knows it by `event_id`.

`X-Tusserver-Signature: sha256=<hex>` is the HMAC-SHA256 of the body. Its key is `announce_key` of the link, as the
ASCII text that `POST /links` told its owner, who tells it to the receiver: nobody who uploads by the link knows it. A
record keeps it beside the URL, since the link may be removed before the upload is complete. A link that was made before
links had one has its uploads told without a signature.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar

from tusserver.protocol.errors import BackendError, NotFound
from tusserver.protocol.refusals import Refusal, UploadNotFound
from tusserver.protocol.uploads import Upload
from tusserver.service import UploadService
from tusserver.web.json_body import moment

log = logging.getLogger("tusserver.web")

SIGNATURE = "X-Tusserver-Signature"
TIMEOUT = 10.0
AT_ONCE = 4
# An answer is read so that its connection can be used again, but a receiver cannot keep this server reading.
LARGEST_ANSWER = 64 * 1024
SHORTEST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
GIVEN_UP_AFTER = timedelta(days=7)
# How long a completion may go unnoticed that another process wrote, in seconds.
LOOK_INTERVAL = 30.0
BATCH = 500


@dataclass(slots=True)
class _Turn:
    """When an upload is told, by the loop's clock, and how long to wait if that fails."""

    due: float
    pause: float = SHORTEST_PAUSE
    is_told: bool = False


class Announcer:
    """Tells of the completed uploads of one service.

    Args:
        hosts: the only ones that are told anything.
        address: gives the address of an upload by its id.
    """

    def __init__(self, service: UploadService, hosts: Collection[str], address: Callable[[str], str]) -> None:
        self._service, self._infos = service, service.ledger.infos
        self._hosts, self._address = hosts, address
        self._turns: dict[str, _Turn] = {}
        self._running: set[str] = set()
        self._wake = asyncio.Event()

    def notice(self, upload: Upload) -> None:
        """Tell of an upload at once if it is complete and somebody is to hear of it."""
        if upload.announce is not None and upload.is_complete:
            self._turns.setdefault(upload.id, _Turn(0.0))
            self._wake.set()

    async def run(self) -> None:
        """Tell for ever what is to be told. A failure is logged and tried again."""
        now = asyncio.get_running_loop().time
        look_at = now()
        timeout = ClientTimeout(total=TIMEOUT)
        async with ClientSession(timeout=timeout, cookie_jar=DummyCookieJar()) as session, asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                if now() >= look_at:
                    await self._look()
                    look_at = now() + LOOK_INTERVAL
                waiting = {id: turn.due for id, turn in self._turns.items() if id not in self._running}
                due = [id for id, date in waiting.items() if date <= now()][: AT_ONCE - len(self._running)]
                for id in due:
                    self._running.add(id)
                    group.create_task(self._take_turn(session, id))
                # Whoever is done wakes this too, so what waits for a place needs no date.
                next_at = min([look_at, *(date for date in waiting.values() if date > now())])
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(next_at):
                        await self._wake.wait()

    async def _look(self) -> None:
        """Find what another process has completed, or this one before it was started anew."""
        try:
            found = await self._infos.to_announce(limit=BATCH + len(self._turns))
        except BackendError as error:
            log.warning("completed uploads are not looked for at the moment: %s", error)
            return
        except Exception:
            # A fault of ours must not end what else is told.
            log.exception("the search for completed uploads failed")
            return
        for upload in found:
            self._turns.setdefault(upload.id, _Turn(0.0))

    async def _take_turn(self, session: ClientSession, id: str) -> None:
        turn = self._turns[id]
        try:
            is_done = await self._tell(session, id, turn)
        except (BackendError, Refusal) as error:
            log.debug("%s is told of later: %s", id, error)
            is_done = False
        except Exception:
            # A fault of ours must not end what else is told.
            log.exception("telling of %s failed", id)
            is_done = False
        finally:
            self._running.discard(id)
            self._wake.set()
        if is_done:
            del self._turns[id]
        else:
            turn.due = asyncio.get_running_loop().time() + turn.pause
            turn.pause = min(2 * turn.pause, LONGEST_PAUSE)

    async def _tell(self, session: ClientSession, id: str, turn: _Turn) -> bool:
        """Nothing more is to be told of an upload, which may have been removed meanwhile."""
        try:
            upload = await self._infos.load(id)
        except NotFound:
            return True
        now = self._service.clock()
        url = upload.announce
        if url is None or not upload.is_complete or upload.is_expired(now):
            return True
        if not turn.is_told:
            failure = await self._post(session, url, upload)
            if failure is not None:
                if now - (upload.completed_at or upload.created_at) < GIVEN_UP_AFTER:
                    log.info("%s is not told of yet: %s", id, failure)
                    return False
                log.warning("%s is never told of, it was tried for %d days: %s", id, GIVEN_UP_AFTER.days, failure)
            turn.is_told = True
        await self._forget(id)
        return True

    async def _post(self, session: ClientSession, url: str, upload: Upload) -> str | None:
        """Why the receiver did not take it, None if it did."""
        # The operator may have taken a host off the list since the link was made.
        if host_of(url) not in self._hosts:
            return "its host is not among those of the setting announce_hosts"
        body = json.dumps(event_of(upload, self._address(upload.id))).encode()
        headers = {"Content-Type": "application/json"}
        if upload.announce_key is not None:
            headers[SIGNATURE] = sign(body, upload.announce_key)
        try:
            async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                await answer.content.readexactly(LARGEST_ANSWER)
        except asyncio.IncompleteReadError:
            pass
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            return str(error) or type(error).__name__
        return None if 200 <= answer.status < 300 else f"it answered {answer.status}"

    async def _forget(self, id: str) -> None:
        """Write that nobody has to be told any more, if nobody uses the upload. Raises Busy."""
        with suppress(NotFound):
            try:
                async with self._service.held_for_cleanup(id) as upload:
                    if upload is not None:
                        await self._infos.save(_told(upload))
            except UploadNotFound:
                # Its bytes are gone, so there is no file to lock.
                await self._infos.save(_told(await self._infos.load(id)))


def _told(upload: Upload) -> Upload:
    return replace(upload, announce=None, announce_key=None)


def host_of(url: str) -> str | None:
    """The host that a URL of the web leads to, in small letters; None for what two programs may read differently."""
    if not (url.isascii() and url.isprintable()) or set(url) & set(' @\\"<>^`{|}'):
        return None
    try:
        parts = urlsplit(url)
        is_http = parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        return None
    return parts.hostname or None if is_http else None


def event_of(upload: Upload, address: str) -> dict[str, object]:
    """What a receiver hears."""
    return {
        "event": "upload.complete",
        "event_id": upload.id,
        "upload_id": upload.id,
        "filename": upload.filename,
        "size": upload.length,
        "content_type": upload.content_type,
        "link_id": upload.link,
        "completed_at": moment(upload.completed_at),
        "upload_url": address,
    }


def sign(body: bytes, key: str) -> str:
    """The value of `X-Tusserver-Signature`."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
