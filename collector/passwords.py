"""HTTP Basic: is this the station's password? Slow on purpose the first time, quick ever after.

Argon2 costs milliseconds of a core, and thousands of stations may come back at once. So a password that was
right is remembered for as long as the process lives, as a keyed BLAKE2b under a key that never leaves it: who
can read that memory could as well read the password from the socket. First checks wait for a few threads and not
for ever.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import urllib.parse
from asyncio import get_running_loop
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from time import perf_counter
from typing import NamedTuple

from argon2.exceptions import Argon2Error, InvalidHashError

from laddvakt.network.passwords import STATION_HASHER, forms

_MAX_REMEMBERED = 100_000  # stations; about 300 bytes each
_PATIENCE_S = 8.0  # of a station for a first check; its handshake has 20 s
_FIRST_GUESS_S = 0.005


class Verdict(StrEnum):
    """What came of a password."""

    RIGHT = "right"  # it is the station's
    WRONG = "wrong"  # it is not, or the station has none
    BUSY = "busy"  # not looked at: too many wait


class Checked(NamedTuple):
    """A verdict, and which of the hashes it was that fitted."""

    verdict: Verdict
    fitted: str | None = None


def basic_password(authorization: str, station_id: str) -> bytes | None:
    """The password of an HTTP Basic header whose user is the station, the very bytes that came; None for others
    (OCPP-J 1.6 section 6.2). The user may be written as in the path, and in another case."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(value.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    name = urllib.parse.unquote(user.decode("utf-8", "replace"))
    return password if colon and name.casefold() == station_id.casefold() else None


class Passwords:
    """`close` it in the end."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._nobodys = STATION_HASHER.hash(secrets.token_hex(20))
        self._workers = max((os.cpu_count() or 2) - 1, 1)
        self._pool = ThreadPoolExecutor(self._workers, "password")
        self.waiting = 0  # checks
        self._mean_s = _FIRST_GUESS_S

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def remembered(self, station_id: str, hashes: tuple[str, ...], shown: bytes) -> str | None:
        """The hash that this password is known to fit."""
        known = self._right.get(station_id)
        if known is None or known[0] not in hashes:
            return None
        return known[0] if hmac.compare_digest(known[1], self._print(station_id, shown)) else None

    async def check(self, station_id: str, hashes: tuple[str, ...], shown: bytes) -> Checked:
        """A station without a password (no hashes) takes as long as one with, so that time tells nobody which
        stations there are."""
        if self.waiting * self._mean_s / self._workers > _PATIENCE_S:
            return Checked(Verdict.BUSY)
        self.waiting += 1
        try:
            job = get_running_loop().run_in_executor(self._pool, self._fitting, hashes, shown)
            fitted, took_s = await job
        finally:
            self.waiting -= 1
        self._mean_s += (took_s - self._mean_s) / 16
        if fitted is None:
            return Checked(Verdict.WRONG)
        self._remember(station_id, fitted, shown)
        return Checked(Verdict.RIGHT, fitted)

    def _fitting(self, hashes: tuple[str, ...], shown: bytes) -> tuple[str | None, float]:
        began = perf_counter()
        tried = [(kept, form) for kept in hashes or (self._nobodys,) for form in forms(shown)]
        fitted = next((kept for kept, form in tried if _fits(kept, form)), None)
        return fitted, perf_counter() - began

    def _remember(self, station_id: str, fitted: str, shown: bytes) -> None:
        self._right[station_id] = (fitted, self._print(station_id, shown))
        self._right.move_to_end(station_id)
        while len(self._right) > _MAX_REMEMBERED:
            self._right.popitem(last=False)

    def _print(self, station_id: str, shown: bytes) -> bytes:
        return hashlib.blake2b(station_id.encode() + b"\0" + shown, key=self._key, digest_size=32).digest()


def _fits(kept: str, form: bytes) -> bool:
    try:
        return STATION_HASHER.verify(kept, form)
    except (Argon2Error, InvalidHashError):
        return False
