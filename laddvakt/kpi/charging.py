"""How often a driver who plugs in leaves with energy (ChargeX key performance indicators)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


class Success(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over attempts; each rate is numerator over denominator, pooled over whatever was counted."""

    attempts: int = 0  # plug-ins
    deliveries: int = 0  # the station set about delivering power
    valid_stops: int = 0
    successes: int = 0  # valid stops of over 0.1 kWh
    visits: int = 0
    first_successes: int = 0  # visits whose first attempt was one


def attempts(transitions: Sequence[Transition], sessions: Iterable[Session], *, until: datetime) -> list[Attempt]:
    """Of one connector: each ended session, and each stay of a cable that no session came of. `transitions` in
    order; a stay or session that still runs at `until` is no attempt yet."""
    ended = sorted((s for s in sessions if s.state is SessionState.ENDED), key=lambda s: s.started_at)
    found = [_of_session(session) for session in ended]
    site_id = ended[0].site_id if ended else None
    for start, end, first in _stays(transitions):
        if any(s.started_at < end and (s.ended_at or end) > start - _BEFORE_SESSION for s in ended):
            continue
        if end < until:
            found.append(
                Attempt(
                    station_id=first.station_id,
                    connector_id=first.connector_id,
                    site_id=site_id,
                    at=start,
                    until=end,
                )
            )
    return sorted(found, key=lambda attempt: attempt.at)


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


def _stays(transitions: Sequence[Transition]) -> Iterable[tuple[datetime, datetime, Transition]]:
    """From the first to the last status that says that a cable is in; a stay that has not ended is left out."""
    first: Transition | None = None
    for change in transitions:
        if change.status in _PLUGGED:
            first = first or change
        elif first is not None and change.status is not ConnectorState.UNKNOWN:
            yield first.at, change.at, first
            first = None


def success(found: Iterable[Attempt]) -> Success:
    """The counts. Give all attempts of a site together, so that visits are seen whole."""
    listed = sorted(found, key=lambda attempt: attempt.at)
    firsts = first_attempts(listed)
    return Success(
        attempts=len(listed),
        deliveries=sum(attempt.delivering for attempt in listed),
        valid_stops=sum(attempt.valid_stop for attempt in listed),
        successes=sum(attempt.success for attempt in listed),
        visits=len(firsts),
        first_successes=sum(attempt.success for attempt in firsts),
    )


def first_attempts(listed: Sequence[Attempt]) -> list[Attempt]:
    """The first of each visit, from attempts in order of time."""
    last: dict[tuple[str, ...], datetime] = {}
    firsts = []
    for attempt in listed:
        anonymous = ("at", attempt.station_id, str(attempt.connector_id))
        keys = [anonymous]
        if attempt.token is not None:
            keys.append(("by", attempt.token, attempt.site_id or attempt.station_id))
        before = last.get(keys[-1])
        gap = SAME_DRIVER if attempt.token is not None else SAME_CONNECTOR
        if before is None or attempt.at - before > gap:
            firsts.append(attempt)
        for key in keys:
            last[key] = attempt.until
    return firsts
