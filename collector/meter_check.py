"""An independent meter at a connector against the station's own register, per session. Pure.

The connector remembers the meter's newest register, so that a session begins from what was counted before it; the
first value after its end completes it.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from collector.quality import METERS_DISAGREE, doubt, forgive
from laddvakt.domain.facts import Measured
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import MeterCheck, Quality, Session
from laddvakt.domain.stations import Connector
from laddvakt.settings import SessionsSettings

_BESIDE = timedelta(minutes=15)
"""A meter's value so long before a start or after an end is of that start or end: nothing flows in between."""


def register_of(fact: Measured) -> Reading | None:
    """The newest energy register of a meter's message."""
    return max((r for r in fact.readings if r.field == "energy_wh"), key=lambda r: r.at, default=None)


def during(session: Session, connector: Connector, now: Reading) -> Session:
    """The session after a value of the meter. `connector` still has the value before."""
    if now.at < session.started_at:
        return session
    check = session.meter_check
    if check is None:
        beside = connector.meter_at is not None and connector.meter_at >= session.started_at - _BESIDE
        before = connector.meter_wh if beside else None
        # Where nobody knows what the meter showed at the start, both count from here.
        start = before if before is not None and before <= now.value else now.value - session.energy_wh
        return replace(session, meter_check=_check(start, now.value))
    return replace(session, meter_check=_advanced(check, now.value))


def after(session: Session, now: Reading) -> Session:
    """The ended session after the first value since."""
    check = session.meter_check
    if check is None or session.ended_at is None or not session.ended_at <= now.at <= session.ended_at + _BESIDE:
        return session
    return replace(session, meter_check=_advanced(check, now.value))


def _check(start_wh: float, last_wh: float) -> MeterCheck:
    return MeterCheck(start_wh=start_wh, last_wh=last_wh, energy_wh=round(last_wh - start_wh))


def _advanced(check: MeterCheck, value: float) -> MeterCheck:
    """A meter that began anew (it was exchanged, or lost its count) goes on from where it was."""
    start = check.start_wh if value >= check.last_wh else value - (check.last_wh - check.start_wh)
    return _check(start, value)


def judged(session: Session, settings: SessionsSettings) -> Session:
    """The ended session with what the two meters say of each other."""
    check = session.meter_check
    if check is None:
        return session
    difference_wh = check.energy_wh - session.energy_wh
    of = session.energy_wh
    check = replace(check, difference_pct=round(100 * difference_wh / of, 2) if of else None)
    session = replace(session, meter_check=check)
    allowed_wh = max(settings.meter_difference_wh, settings.meter_difference_pct / 100 * of)
    if abs(difference_wh) > allowed_wh:
        return doubt(session, Quality.SUSPECT, METERS_DISAGREE)
    return forgive(session, METERS_DISAGREE)
