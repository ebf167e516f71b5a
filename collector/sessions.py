"""A session's life as pure functions: facts in, the session after them out.

Energy is the difference of the station's own register, on the basis that the start gave: never negative, never
the lifetime total. What is doubtful is marked with a reason before money moves.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from laddvakt.domain.facts import TransactionStarted, TransactionStopped
from laddvakt.domain.ids import session_id
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tokens import TokenKind

TOO_FAST = "the register rose faster than the station's rated power allows"
FELL = "the register fell during the session; that value is not used"
NO_START_REGISTER = "the start gave no register value"
NO_STOP_REGISTER = "the stop gave no register value"
STOP_BELOW_START = "the register at the stop is below the one at the start"
STOP_BELOW_READ = "the register at the stop is below one read during the session"
REFUSED = "started with a token that was refused: "
CLOSED_WITHOUT_STOP = "the station never said that it stopped; closed from the last register value"

_CEILING_W = 400_000.0  # no rated power is known: more than today's strongest public stations in one outlet
_IMPLAUSIBLE_FACTOR = 1.2  # of rated power x time; beyond it a register is not believed
_IMPLAUSIBLE_SLACK_WH = 500  # a register of coarse resolution, or a rated power rounded down
_MIN_DERIVE_S = 5  # power is not derived from register readings closer together than this
_RANK = {Quality.CONFIRMED: 0, Quality.ESTIMATED: 1, Quality.SUSPECT: 2}

_SUSPENDED = {ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}


class Driver(NamedTuple):
    """Who charges, as far as the records know."""

    token: str | None = None
    kind: TokenKind | None = None
    driver_id: str | None = None
    plan: str | None = None


def doubt(session: Session, quality: Quality, reason: str) -> Session:
    """The session with one more reason; quality only ever gets worse here."""
    if reason in session.quality_reasons:
        return session
    worse = max(session.quality, quality, key=_RANK.__getitem__)
    return replace(session, quality=worse, quality_reasons=(*session.quality_reasons, reason))


def begin(fact: TransactionStarted, station: Station, driver: Driver) -> Session:
    """A new session from its start."""
    connector = station.connector(fact.connector_id)
    session = Session(
        session_id=session_id(station.station_id, fact.transaction_id, fact.station_at or fact.at),
        station_id=station.station_id,
        connector_id=fact.connector_id,
        evse_id=fact.evse_id,
        site_id=station.site_id,
        cable_id=connector.cable_id if connector else None,
        transaction_id=fact.transaction_id,
        token=driver.token,
        token_kind=driver.kind,
        driver_id=driver.driver_id,
        started_at=fact.at,
        meter_start_wh=fact.meter_start_wh,
        meter_last_wh=None if fact.meter_start_wh is None else float(fact.meter_start_wh),
        charging_type=station.current,
        event_numbers="" if fact.numbered else None,
    )
    return refused(session, fact.refused)


def is_refused(session: Session) -> bool:
    """Whether its token was not accepted."""
    return any(reason.startswith(REFUSED) for reason in session.quality_reasons)


def refused(session: Session, status: str | None) -> Session:
    """The session marked where its token was not accepted: who pays is a person's decision."""
    return session if status is None else doubt(session, Quality.SUSPECT, REFUSED + status)


def _at_outlet(reading: Reading) -> bool:
    return reading.location in ("", "Outlet")


def power_of(readings: list[Reading]) -> float | None:
    """Total power of one moment: the total where it is said, otherwise the sum of the phases."""
    total = next((r.value for r in readings if r.field == "power_w"), None)
    if total is not None:
        return total
    phases = [r.value for r in readings if r.field in ("power_l1_w", "power_l2_w", "power_l3_w")]
    return sum(phases) if phases else None


def derived_power(session: Session, register_wh: float | None, at: datetime) -> float | None:
    """Power from how far the register rose since the reading before; None where that says nothing."""
    last = session.meter_last_wh
    seconds = (at - (session.last_reading_at or session.started_at)).total_seconds()
    if last is None or register_wh is None or register_wh < last or seconds < _MIN_DERIVE_S:
        return None
    return round((register_wh - last) * 3600 / seconds, 1)


def possible(session: Session, rise_wh: float, at: datetime, max_power_w: float | None) -> bool:
    """Whether the register can have risen so far by `at`."""
    hours = max((at - session.started_at).total_seconds(), 0.0) / 3600
    return rise_wh <= _IMPLAUSIBLE_FACTOR * (max_power_w or _CEILING_W) * hours + _IMPLAUSIBLE_SLACK_WH


def _plausible(session: Session, register_wh: float, at: datetime, max_power_w: float | None) -> bool:
    return session.meter_start_wh is None or possible(
        session, register_wh - session.meter_start_wh, at, max_power_w
    )


def _register(session: Session, reading: Reading, max_power_w: float | None) -> Session:
    value = reading.value
    if session.meter_start_wh is None:
        session = replace(session, meter_start_wh=round(value), meter_last_wh=value)
        return doubt(session, Quality.ESTIMATED, NO_START_REGISTER)
    start = session.meter_start_wh if session.meter_start_wh is not None else round(value)
    last = session.meter_last_wh if session.meter_last_wh is not None else float(start)
    if value < last:
        if value < last - 1:  # below the resolution it is rounding: starts and stops are whole Wh
            session = doubt(session, Quality.ESTIMATED, FELL)
        return session
    if not _plausible(session, value, reading.at, max_power_w):
        return doubt(session, Quality.SUSPECT, TOO_FAST)
    power = derived_power(session, value, reading.at)
    energy = max(0, round(value - start))
    return replace(
        session, meter_last_wh=value, energy_wh=energy, power_w=session.power_w if power is None else power
    )


def measure(session: Session, readings: tuple[Reading, ...], max_power_w: float | None) -> Session:
    """The session after readings. An ended one takes no more energy: its stop has said the last word."""
    if session.state is SessionState.ENDED:
        return session
    by_time: dict[datetime, list[Reading]] = {}
    for reading in readings:
        by_time.setdefault(reading.at, []).append(reading)
    for at in sorted(by_time):
        if session.last_reading_at is not None and at < session.last_reading_at:
            continue  # late data: in the telemetry, but not the live figures
        moment = by_time[at]
        for reading in moment:
            if reading.field == "energy_wh" and _at_outlet(reading):
                session = _register(session, reading, max_power_w)
        power = power_of(moment)
        soc = next((r.value for r in moment if r.field == "soc_pct"), session.soc_pct)
        session = replace(
            session,
            last_reading_at=at,
            power_w=power if power is not None else session.power_w,
            soc_pct=soc,
            duration_s=max(session.duration_s, int((at - session.started_at).total_seconds())),
        )
    return session


def follow_status(session: Session, status: ConnectorState, at: datetime) -> Session:
    """Suspended is not ended; charging again is not a new session."""
    if session.state is SessionState.ENDED:
        return session
    if status in _SUSPENDED:
        return replace(session, state=SessionState.SUSPENDED, power_w=0.0)
    if status is ConnectorState.CHARGING:
        return replace(session, state=SessionState.ACTIVE)
    return session


def ended(session: Session, at: datetime, reason: str | None) -> Session:
    """The session over, its figures as they are."""
    ended_at = max(at, session.started_at)
    return replace(
        session,
        state=SessionState.ENDED,
        ended_at=ended_at,
        duration_s=int((ended_at - session.started_at).total_seconds()),
        power_w=None,
        stop_reason=reason,
    )


def stop(session: Session, fact: TransactionStopped, max_power_w: float | None) -> Session:
    """The session after its stop. A second stop changes nothing: it is billed once. A stop that arrives after
    the session was closed by estimate puts the figures right."""
    closed_by_estimate = session.state is SessionState.ENDED and session.meter_stop_wh is None
    if session.state is SessionState.ENDED and not closed_by_estimate:
        return session
    if closed_by_estimate:
        reasons = tuple(r for r in session.quality_reasons if r != CLOSED_WITHOUT_STOP)
        quality = session.quality if reasons else Quality.CONFIRMED
        session = replace(session, quality=quality, quality_reasons=reasons)
    session = ended(session, fact.at, fact.reason)
    if fact.meter_stop_wh is None:
        return doubt(session, Quality.ESTIMATED, NO_STOP_REGISTER)
    session = replace(session, meter_stop_wh=fact.meter_stop_wh)
    if session.meter_start_wh is None:
        return doubt(session, Quality.ESTIMATED, NO_START_REGISTER)
    energy = fact.meter_stop_wh - session.meter_start_wh
    if energy < 0:
        return doubt(session, Quality.SUSPECT, STOP_BELOW_START)
    last = session.meter_last_wh
    if last is not None and fact.meter_stop_wh < last - 1:
        session = doubt(session, Quality.SUSPECT, STOP_BELOW_READ)
    if not _plausible(session, fact.meter_stop_wh, fact.at, max_power_w):
        session = doubt(session, Quality.SUSPECT, TOO_FAST)
    return replace(session, energy_wh=energy, meter_last_wh=float(fact.meter_stop_wh))


def close_without_stop(session: Session, at: datetime) -> Session:
    """Ends a session whose stop will not come: the connector has a new one, or the station lost it at a reboot."""
    if session.state is SessionState.ENDED:
        return session
    last = session.last_reading_at or session.started_at
    return doubt(ended(session, min(at, last), None), Quality.ESTIMATED, CLOSED_WITHOUT_STOP)
