"""How often somebody may fail to sign in before they have to wait."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_address

# Failures that cost nothing: people mistype, and behind one address there may be an office.
FREE_BY_NAME, FREE_BY_ADDRESS = 5, 20
# After those each failure doubles the wait, in seconds. A minute leaves 1,440 guesses a day, and somebody who
# fails on purpose under another's name keeps them out for no longer.
FIRST_WAIT, LONGEST_WAIT = 1, 60
FORGOTTEN_AFTER = timedelta(minutes=15)
# Some 4 MB. Whoever fails under more names than this pushes out the oldest; the limit by address holds them before.
MOST_KEPT = 10_000


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: datetime

    def wait(self, free: int, now: datetime) -> float:
        """Seconds until the next attempt may be made."""
        if self.count < free:
            return 0.0
        pause = min(FIRST_WAIT * 2 ** min(self.count - free, 10), LONGEST_WAIT)
        return max(0.0, (self.last_at + timedelta(seconds=pause) - now).total_seconds())


class Attempts:
    """Failed attempts by user name and by address, in memory and bounded. The time comes from outside."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def begin(self, name: str, address: str, now: datetime) -> float:
        """Count an attempt as failed until `succeed` says otherwise, so that many at once gain nothing.

        Returns:
            0, or the seconds to wait, and then the attempt must not be made and was not counted.
        """
        keys = _keys(name, address)
        wait = max(self._wait(key, free, now) for key, free in keys)
        if wait > 0:
            return wait
        for key, _ in keys:
            kept = self._failures.pop(key, _Failures(0, now))
            self._failures[key] = _Failures(kept.count + 1, now)
        while len(self._failures) > MOST_KEPT:
            self._failures.popitem(last=False)
        return 0.0

    def succeed(self, name: str, address: str) -> None:
        """The attempt was none that failed: forget those of the name, and count one less at the address."""
        self.withdraw(name, address)
        self._failures.pop(_keys(name, address)[0][0], None)

    def withdraw(self, name: str, address: str) -> None:
        """The attempt was not made after all: count one less."""
        for key, _ in _keys(name, address):
            if kept := self._failures.get(key):
                kept.count = max(0, kept.count - 1)

    def _wait(self, key: str, free: int, now: datetime) -> float:
        kept = self._failures.get(key)
        if kept is None:
            return 0.0
        if now - kept.last_at > FORGOTTEN_AFTER:
            del self._failures[key]
            return 0.0
        return kept.wait(free, now)


def _keys(name: str, address: str) -> Sequence[tuple[str, int]]:
    return (f"name {name}", FREE_BY_NAME), (f"address {_block(address)}", FREE_BY_ADDRESS)


def _block(address: str) -> str:
    """What one client has of addresses: one of IPv4, 2^64 of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    mapped = found.ipv4_mapped
    return str(mapped) if mapped is not None else str(IPv6Network((int(found), 64), strict=False))
