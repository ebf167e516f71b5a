"""Users and API tokens, looked up on every request and therefore kept for a few seconds."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from laddvakt.stores.ports import ApiToken, Records, User

K = TypeVar("K")
V = TypeVar("V")

FRESH_FOR = timedelta(seconds=3)
"""How long somebody whose access was taken away may still have it."""

_MAX_KEPT = 1024


class _Recent(Generic[K, V]):
    """The latest answers, at most `_MAX_KEPT`, each for `FRESH_FOR`."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._kept: OrderedDict[K, tuple[datetime, V]] = OrderedDict()

    async def get(self, key: K, look_up: Callable[[K], V]) -> V:
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and timedelta(0) <= now - kept[0] < FRESH_FOR:
            return kept[1]
        value = await asyncio.to_thread(look_up, key)
        self._kept[key] = (now, value)
        self._kept.move_to_end(key)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return value


class Directory:
    """Who exists. Raises StoreUnavailableError while the records cannot be reached."""

    def __init__(self, records: Records, clock: Callable[[], datetime]) -> None:
        self._records = records
        self._users: _Recent[str, User | None] = _Recent(clock)
        self._tokens: _Recent[str, ApiToken | None] = _Recent(clock)

    async def user(self, name: str) -> User | None:
        """The user of that name; None when unknown or disabled."""
        return await self._users.get(name, self.user_now)

    async def api_token(self, token: str) -> ApiToken | None:
        """The API token with that secret; None when unknown."""
        return await self._tokens.get(token_hash(token), self._api_token_now)

    def user_now(self, name: str) -> User | None:
        """As `user`, straight from the records; blocks."""
        with self._records.read() as work:
            user = work.people.user(name)
        return None if user is None or user.disabled else user

    def _api_token_now(self, digest: str) -> ApiToken | None:
        with self._records.read() as work:
            found = work.people.api_token(digest)
        # The look-up is by a digest, so its timing tells nothing of the secret; a database's collation could
        # still call two texts equal that are not.
        return found if found is not None and hmac.compare_digest(found.token_hash, digest) else None


def token_hash(token: str) -> str:
    """What the records keep of an API token: its SHA-256, in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
