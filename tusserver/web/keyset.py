"""The public keys of an identity provider, fetched from its address and kept. RFC 7517, section 5."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from aiohttp import ClientError, ClientSession, ClientTimeout

log = logging.getLogger("tusserver.web")

K = TypeVar("K")

# Providers tell a new key before they sign with it, so this is seldom waited for; more often, a stranger who makes up
# names of keys would have this server knock at the provider's door.
LEAST_PAUSE = 30.0
# A key that the provider has taken back counts here for this long.
REFRESH_AFTER = 600.0
FETCH_TIMEOUT = 5.0
LARGEST_SET = 1024 * 1024


class KeySetAway(Exception):
    """The keys cannot be had at the moment; what is asked for may be among them."""


class KeySet(Generic[K]):
    """Keys by their names. Whoever asks for a known one never waits.

    Args:
        url: where the set is.
        parse: makes keys of the document; raises ValueError.
        clock: monotonic seconds.
    """

    def __init__(
        self, url: str, parse: Callable[[bytes], Mapping[str, K]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url, self._parse, self._clock = url, parse, clock
        self._keys: Mapping[str, K] = {}
        self._tried_at: float | None = None
        self._is_current = False
        self._session: ClientSession | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to fetch; a provider that is away keeps no server from starting."""
        # Proxies of the environment count, as this may be the one address outside that a server needs.
        self._session = ClientSession(timeout=ClientTimeout(total=FETCH_TIMEOUT), trust_env=True)
        self._begin()

    async def close(self) -> None:
        """Fetch no more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def find(self, kid: str | None) -> list[K]:
        """The key of that name, or all of them where a token names none.

        Raises:
            KeySetAway: it is not known, and the set could not be fetched lately.
        """
        found = self._known(kid)
        if found:
            if self._rested() > REFRESH_AFTER:
                self._begin()
            return found
        # Without any key nobody gets in, so a provider that starts behind this server is asked again sooner.
        if self._rested() >= (LEAST_PAUSE if self._keys else FETCH_TIMEOUT):
            self._begin()
        if self._fetching is not None:
            # Shielded: one caller that leaves does not end what others wait for.
            await asyncio.shield(self._fetching)
        found = self._known(kid)
        if not found and not self._is_current:
            raise KeySetAway
        return found

    def _known(self, kid: str | None) -> list[K]:
        if kid is None:
            return list(self._keys.values())
        return [self._keys[kid]] if kid in self._keys else []

    def _rested(self) -> float:
        """Seconds since the set was last asked for."""
        return float("inf") if self._tried_at is None else self._clock() - self._tried_at

    def _begin(self) -> None:
        if self._fetching is None:
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            self._keys = self._parse(await self._document())
            self._is_current = True
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            self._is_current = False
            kept = f"; the {len(self._keys)} known go on" if self._keys else ""
            log.warning("the keys at %s cannot be had: %s%s", self._url, error or type(error).__name__, kept)
        finally:
            self._fetching = None

    async def _document(self) -> bytes:
        assert self._session is not None, "not open"
        async with self._session.get(self._url, headers={"Accept": "application/json"}) as answer:
            if answer.status != 200:
                raise ValueError(f"the answer is {answer.status}")
            data = b""
            async for piece in answer.content.iter_any():
                data += piece
                if len(data) > LARGEST_SET:
                    raise ValueError("the document is too large")
            return data
