"""What a browser's signed cookie says, and for how long it is believed. Pure.

The cookie names the user, when they signed in, and a fingerprint of the password they did it with: a changed
password, a disabled user and a changed role take effect on sessions that are already open.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dashboard.auth import Role
from laddvakt.stores.ports import User

LIFETIME = timedelta(hours=12)
"""A working day."""

WALL_LIFETIME = timedelta(days=90)
"""A wall display runs for weeks without anybody signing in; its role can only look."""

_MAX_KEPT = 10_000


class BrowserSession(msgspec.Struct, frozen=True, kw_only=True):
    """The content of the cookie. `id` is fresh at each sign-in."""

    id: str
    user: str
    at: float  # when they signed in, seconds since 1970
    key: str  # fingerprint of the password hash


def open_session(user: User, now: datetime) -> dict[str, Any]:
    """The cookie's content for somebody who signs in now."""
    session = BrowserSession(
        id=secrets.token_urlsafe(16), user=user.name, at=now.timestamp(), key=_fingerprint(user)
    )
    return msgspec.to_builtins(session)  # type: ignore[no-any-return]  # a struct becomes a dict


def read_session(content: Mapping[str, Any]) -> BrowserSession | None:
    """What the cookie says; None for an empty one, or one of another version."""
    if not content:
        return None
    try:
        return msgspec.convert(dict(content), BrowserSession)
    except msgspec.ValidationError:
        return None


def believed(session: BrowserSession, user: User, now: datetime) -> bool:
    """Whether the session still stands for `user` (as the records know them now)."""
    age = now - datetime.fromtimestamp(session.at, UTC)
    lifetime = WALL_LIFETIME if user.role == Role.VIEWER else LIFETIME
    return not user.disabled and age < lifetime and session.key == _fingerprint(user)


def _fingerprint(user: User) -> str:
    return hashlib.sha256(user.password_hash.encode()).hexdigest()[:16]


class EndedSessions:
    """Sessions that were ended by signing out: the cookie is deleted then, and this refuses a copy of it. Kept in
    the memory of this process, the latest `_MAX_KEPT`; a restart forgets it."""

    def __init__(self) -> None:
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, session_id: str) -> None:
        self._ids[session_id] = None
        while len(self._ids) > _MAX_KEPT:
            self._ids.popitem(last=False)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._ids
