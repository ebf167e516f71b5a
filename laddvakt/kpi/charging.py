"""How often a driver who plugs in leaves with energy (ChargeX key performance indicators)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import ConnectorState

ENOUGH_WH = 100
"""A charge counts from 0.1 kWh."""
SAME_DRIVER = timedelta(minutes=30)
SAME_CONNECTOR = timedelta(minutes=2)
"""Attempts this close together are one visit: of the same driver at a site, or at one connector where nobody knows
whose they are."""

_BEFORE_SESSION = timedelta(minutes=1)
_VALID = {
    "Local",
    "Remote",
    "EVDisconnected",
    "StoppedByEV",
    "SOCLimitReached",
    "EnergyLimitReached",
    "TimeLimitReached",
    "LocalOutOfCredit",
    "MasterPass",
}
"""OCPP ReasonEnumType: an end that driver, vehicle or operator wanted."""
_PLUGGED = {
    ConnectorState.PREPARING,
    ConnectorState.CHARGING,
    ConnectorState.SUSPENDED_EV,
    ConnectorState.SUSPENDED_EVSE,
    ConnectorState.FINISHING,
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One plug-in. `delivering`: the station set about delivering power. `valid_stop`: it then ended as somebody
    wanted. `token`: the driver's pseudonym, None where nobody knows."""

    station_id: str
    connector_id: int
    site_id: str | None
    at: datetime
    until: datetime
    token: str | None = None
    delivering: bool = False
    valid_stop: bool = False
    energy_wh: int = 0

    @property
    def success(self) -> bool:
        return self.valid_stop and self.energy_wh > ENOUGH_WH


class PlugIns:
    """The attempts of one connector, told stretch by stretch of time: each ended session, and each stay of a cable
    that no session came of. It keeps the stay that has not ended and the sessions that may belong to it."""

    def __init__(self, site_id: str | None = None) -> None:
        self._site_id = site_id
        self._first: Transition | None = None  # since then a cable is in
        self._ended: list[Session] = []

    def take(
        self, transitions: Iterable[Transition], sessions: Iterable[Session], *, until: datetime
    ) -> list[Attempt]:
        """What ended in a stretch that ends at `until`, whose changes come in order; sessions come by their start.
        A stay or session that still runs is no attempt yet."""
        fresh = [session for session in sessions if session.state is SessionState.ENDED]
        self._ended += fresh
        found = [_of_session(session) for session in fresh]
        for change in transitions:
            if change.status in _PLUGGED:
                self._first = self._first or change
            elif self._first is not None and change.status is not ConnectorState.UNKNOWN:
                found += self._in_vain(self._first, change.at)
                self._first = None
        since = (self._first.at if self._first else until) - _BEFORE_SESSION
        self._ended = [session for session in self._ended if (session.ended_at or until) > since]
        return sorted(found, key=lambda attempt: attempt.at)

    def _in_vain(self, first: Transition, end: datetime) -> Iterator[Attempt]:
        """The stay, unless a session came of it."""
        start = first.at - _BEFORE_SESSION
        if not any(s.started_at < end and (s.ended_at or end) > start for s in self._ended):
            yield Attempt(
                station_id=first.station_id,
                connector_id=first.connector_id,
                site_id=self._site_id,
                at=first.at,
                until=end,
            )


def _of_session(session: Session) -> Attempt:
    return Attempt(
        station_id=session.station_id,
        connector_id=session.connector_id,
        site_id=session.site_id,
        at=session.started_at,
        until=session.ended_at or session.started_at,
        token=session.token,
        delivering=True,
        valid_stop=session.stop_reason in _VALID,
        energy_wh=session.energy_wh,
    )


class Visits:
    """Which attempts are the first of a visit. Give it all attempts of a site, in order of time."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], datetime] = {}

    def opens(self, attempt: Attempt) -> bool:
        """Whether nobody who may be the same driver tried just before."""
        keys: list[tuple[str, ...]] = [("at", attempt.station_id, str(attempt.connector_id))]
        if attempt.token is not None:
            keys.append(("by", attempt.token, attempt.site_id or attempt.station_id))
        before = self._last.get(keys[-1])
        gap = SAME_DRIVER if attempt.token is not None else SAME_CONNECTOR
        self._last.update(dict.fromkeys(keys, attempt.until))
        return before is None or attempt.at - before > gap

    def forget(self, before: datetime) -> None:
        """Nobody tries again whose last attempt ended this long before."""
        self._last = {key: at for key, at in self._last.items() if at >= before - SAME_DRIVER}


COUNTS: dict[str, Callable[[Attempt, bool], tuple[int, int]]] = {
    "charge_start": lambda attempt, _: (attempt.delivering, 1),
    "charge_end": lambda attempt, _: (attempt.valid_stop, attempt.delivering),
    "session_success": lambda attempt, _: (attempt.success, 1),
    "first_attempt": lambda attempt, first: (first and attempt.success, first),
}
"""What an attempt adds to numerator and denominator; the flag says that it opened a visit."""
