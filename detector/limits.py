"""What a connector may carry: its nameplate, and the limit in force. Pure.

Effective limit = min(profiles in force, Current.Offered or Power.Offered, rating). None where nothing is said.
Source: IEC 61851-1 (6 A is the least a pilot offers), OCPP 1.6 section 3.13.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from detector.rules.base import Subject
from detector.view import ConnectorView, Sample, SessionView

LEAST_A = 6.0
"""Less is a legitimate pause."""
NOMINAL_V = 230.0


class Limit(NamedTuple):
    """Amperes are per phase (AC) or of the output (DC). `told_by` names the source of the lowest."""

    amps: float | None = None
    watts: float | None = None
    told_by: str = ""

    @property
    def pause(self) -> bool:
        """Less than a vehicle may draw."""
        too_few = self.amps is not None and self.amps < LEAST_A
        return too_few or (self.watts is not None and self.watts < LEAST_A * NOMINAL_V)


def is_dc(subject: Subject) -> bool:
    """As the network file says; else by what only DC has: a state of charge, or volts beyond any phase."""
    station, connector = subject.station, subject.connector
    if station is not None and station.current is not None:
        return station.current == "DC"
    if connector is None:
        return False
    volts = connector.latest.get("voltage_v")
    return "soc_pct" in connector.latest or (volts is not None and volts.value > 300)


def rated_a(subject: Subject) -> float | None:
    """Of the connector and its cable, from the network file."""
    known = subject.connector_info
    return known.max_current_a if known is not None else None


def rated_w(subject: Subject) -> float | None:
    """Of the connector, or else the station; worked out from the current of AC where only that is known."""
    known, station = subject.connector_info, subject.station
    if known is not None and known.max_power_w is not None:
        return known.max_power_w
    if station is not None and station.max_power_w is not None:
        return station.max_power_w
    amps = rated_a(subject)
    return amps * NOMINAL_V * 3 if amps is not None and not is_dc(subject) else None


def limit_of(subject: Subject, now: datetime, sample: Sample | None = None) -> Limit:
    """The limit in force. What the sample itself offers goes before what was offered last in this session."""
    connector = subject.connector
    if connector is None:
        return Limit()
    session = connector.session
    known = subject.connector_info
    best = _lower(Limit(), known.max_current_a if known is not None else None, "A", "rating")
    best = _lower(best, known.max_power_w if known is not None else None, "W", "rating")
    if session is None:
        return best
    best = _lower(best, _offered(connector, session, sample, "current_offered_a"), "A", "offered")
    best = _lower(best, _offered(connector, session, sample, "power_offered_w"), "W", "offered")
    return _by_profiles(best, subject, now)


def told_limit(subject: Subject, now: datetime, *, since: datetime | None = None) -> Limit:
    """What the station was told by profiles, and what it has offered since `since`; the rating aside. An empty
    Limit where neither says anything."""
    connector, best = subject.connector, Limit()
    if connector is None:
        return best
    for field, unit in (("current_offered_a", "A"), ("power_offered_w", "W")):
        known = connector.latest.get(field)
        if known is not None and since is not None and known.at >= since:
            best = _lower(best, known.value, unit, "offered")
    return _by_profiles(best, subject, now)


def _by_profiles(best: Limit, subject: Subject, now: datetime) -> Limit:
    profiles, connector = subject.view.profiles, subject.connector
    if connector is None or not profiles.accepted:
        return best
    session = connector.session
    transaction, started_at = (session.transaction_id, session.started_at) if session is not None else ("", None)
    for value, unit in profiles.limits(connector.connector_id, transaction, started_at, now):
        best = _lower(best, value, unit, "profile")
    return best


def changed_within(subject: Subject, now: datetime, seconds: float) -> bool:
    """Whether a profile was set or cleared so lately that current may still follow it."""
    changed_at = subject.view.profiles.changed_at
    return changed_at is not None and now - changed_at < timedelta(seconds=seconds)


def limited_outside(subject: Subject) -> bool:
    """Whether somebody else limits the connector (NotifyChargingLimit): by how much nobody says."""
    outside = subject.view.profiles.outside
    return bool(outside) and (0 in outside or subject.connector_id in outside)


def _offered(connector: ConnectorView, session: SessionView, sample: Sample | None, field: str) -> float | None:
    if sample is not None and (value := sample.values.get(field)) is not None:
        return value
    known = connector.latest.get(field)
    return known.value if known is not None and known.at >= session.started_at else None


def _lower(best: Limit, value: float | None, unit: str, told_by: str) -> Limit:
    if value is None:
        return best
    if unit == "A":
        return best if best.amps is not None and best.amps <= value else Limit(value, best.watts, told_by)
    return best if best.watts is not None and best.watts <= value else Limit(best.amps, value, told_by)
