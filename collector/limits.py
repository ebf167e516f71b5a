"""How much anybody may ask of the collector: decisions from figures and `now`, without sockets.

Memory: 50,000 addresses, the longest silent without connections going first, and 50,000 pairs of address and
station that showed wrong passwords; a few hundred bytes each. Beyond that there is one for each open connection
at most.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from datetime import datetime, timedelta

from laddvakt.attempts import Attempts

BURST_S = 10
"""Buckets hold as much as comes in this many seconds at their rate."""

_MAX_ADDRESSES = 50_000
_CHECKS_PER_ADDRESS = 5  # wrong passwords a second, and ten times as many at once: a site behind one address


class Bucket:
    """Tokens that come back at `rate` a second, up to `BURST_S` seconds' worth; they are counted only when those
    at hand are used up. It may run into debt: who takes is told how long to wait until it is paid."""

    __slots__ = ("_at", "_level", "_rate")

    def __init__(self, rate: float, now: datetime) -> None:
        self._rate = rate
        self._level = rate * BURST_S
        self._at = now

    def take(self, now: datetime) -> float:
        """Seconds to wait; 0 while there are tokens."""
        self._level -= 1
        if self._level >= 0:
            return 0.0
        self._fill(now)
        return -self._level / self._rate if self._level < 0 else 0.0

    def wait_s(self, now: datetime) -> float:
        """Seconds until the next token; nothing is taken."""
        self._fill(now)
        return max(1 - self._level, 0) / self._rate

    def give_back(self) -> None:
        self._level += 1

    def _fill(self, now: datetime) -> None:
        passed_s = (now - self._at).total_seconds()
        if passed_s > 0:  # a clock that was set back gives nothing, and takes nothing
            self._level = min(self._level + passed_s * self._rate, self._rate * BURST_S)
        self._at = now


class _Address:
    """What is known of one address."""

    __slots__ = ("checks", "connections", "handshakes")

    def __init__(self, handshakes_per_s: int, now: datetime) -> None:
        self.handshakes = Bucket(handshakes_per_s, now)
        self.checks = Bucket(_CHECKS_PER_ADDRESS, now)
        self.connections = 0


def group_of(address: str) -> str | None:
    """By what an address is counted: IPv6 by its /64, which is one customer's. None, not limited: this machine."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    if parsed.is_loopback:
        return None
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


class Limits:
    """Per address. Waits are in seconds; 0 lets somebody in."""

    def __init__(self, *, handshakes_per_address: int, connections_per_address: int) -> None:
        self._handshakes = handshakes_per_address
        self._connections = connections_per_address
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        self._attempts = Attempts(
            free=3,
            first_wait=timedelta(seconds=1),
            longest_wait=timedelta(minutes=1),  # so that a station whose password was mended is soon back
            forget_after=timedelta(minutes=10),
            max_keys=50_000,
        )

    def arrive(self, address: str, now: datetime) -> float:
        """A new connection asks to come in."""
        group = group_of(address)
        if group is None:
            return 0.0
        found = self._found(group, now)
        if found.connections >= self._connections:
            return float(BURST_S)
        wait_s = found.handshakes.wait_s(now)
        if wait_s == 0:
            found.handshakes.take(now)
        return wait_s

    def begin_check(self, address: str, station_id: str, now: datetime) -> float:
        """A password is about to be checked; counted as wrong until `take_back`. Three are free for a station at
        an address, then waits double to a minute; and an address with many wrong ones, of whatever stations,
        waits."""
        group = group_of(address)
        wait_s = self._attempts.begin(f"{group or address} {station_id}", now).total_seconds()
        if wait_s > 0 or group is None:
            return wait_s
        found = self._found(group, now)
        wait_s = found.checks.wait_s(now)
        if wait_s == 0:
            found.checks.take(now)
        else:
            self._attempts.take_back(f"{group} {station_id}")
        return wait_s

    def take_back(self, address: str, station_id: str, *, right: bool) -> None:
        """The check that was begun found the password right, which forgives all former ones, or was not made."""
        group = group_of(address)
        settle = self._attempts.forget if right else self._attempts.take_back
        settle(f"{group or address} {station_id}")
        if group is not None and group in self._addresses:
            self._addresses[group].checks.give_back()

    def entered(self, address: str, now: datetime) -> None:
        group = group_of(address)
        if group is not None:
            self._found(group, now).connections += 1

    def left(self, address: str) -> None:
        found = self._addresses.get(group_of(address) or "")
        if found is not None:
            found.connections -= 1

    def __len__(self) -> int:
        return len(self._addresses)

    def _found(self, group: str, now: datetime) -> _Address:
        found = self._addresses.get(group)
        if found is None:
            self._make_room()
            found = self._addresses[group] = _Address(self._handshakes, now)
        self._addresses.move_to_end(group)
        return found

    def _make_room(self) -> None:
        """The longest silent address without connections goes; those with some are as many as connections are."""
        for _ in range(100 if len(self._addresses) >= _MAX_ADDRESSES else 0):
            group, oldest = next(iter(self._addresses.items()))
            if oldest.connections <= 0:
                del self._addresses[group]
                return
            self._addresses.move_to_end(group)
