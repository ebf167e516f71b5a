"""A session's life as pure functions: facts in, the session after them out.

Energy is the difference of the station's own register, on the basis that the start gave (`registers.py`): never
negative, never the lifetime total. What is doubtful is marked with a reason before money moves (`quality.py`).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from collector import registers
from collector.quality import CLOSED_WITHOUT_STOP, REFUSED, closed_by_us, doubt, forgive
from laddvakt.domain.facts import TransactionStarted, TransactionStopped
from laddvakt.domain.ids import session_id
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tokens import TokenKind

_MIN_DERIVE_S = 5  # power is not derived from register readings closer together than this
_SUSPENDED = {ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}


class Driver(NamedTuple):
    """Who charges, as far as the records know."""

    token: str | None = None
    kind: TokenKind | None = None
    driver_id: str | None = None
    plan: str | None = None


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


def with_driver(session: Session, driver: Driver) -> Session:
    """The session with who charges; as it was where nobody is named."""
    if driver.token is None:
        return session
    return replace(session, token=driver.token, token_kind=driver.kind, driver_id=driver.driver_id)


def power_of(before: Session, moment: list[Reading], register_wh: float | None, at: datetime) -> float | None:
    """Power of one moment: the total where it is said, else the sum of the three phases, else how far the register
    rose, else the sum of the phases that are said: some stations name one of three. None: nothing says it."""
    said = registers.said_power(moment)
    return worked_out_power(before, moment, register_wh, at) if said is None else said


def worked_out_power(
    before: Session, moment: list[Reading], register_wh: float | None, at: datetime
) -> float | None:
    """Power of a moment that does not say it whole."""
    phases = [r.value for r in moment if r.field in registers.PHASES]
    derived = _derived_power(before, register_wh, at)
    return sum(phases) if derived is None and phases else derived


def _derived_power(before: Session, register_wh: float | None, at: datetime) -> float | None:
    """Power from how far the register rose since the reading before; None where that says nothing."""
    last = before.meter_last_wh
    seconds = (at - (before.last_reading_at or before.started_at)).total_seconds()
    if last is None or register_wh is None or register_wh < last or seconds < _MIN_DERIVE_S:
        return None
    return round((register_wh - last) * 3600 / seconds, 1)


def measure(session: Session, readings: tuple[Reading, ...], max_power_w: float | None) -> Session:
    """The session after readings. An ended one takes no more energy: its stop has said the last word."""
    if session.state is SessionState.ENDED:
        return session
    by_time: dict[datetime, list[Reading]] = {}
    for reading in readings:
        by_time.setdefault(reading.at, []).append(reading)
    for at in sorted(by_time):
        late = session.last_reading_at is not None and at < session.last_reading_at
        if not late:  # late ones are in the telemetry alone
            session = _moment(session, by_time[at], at, max_power_w)
    return session


def _moment(session: Session, moment: list[Reading], at: datetime, max_power_w: float | None) -> Session:
    power = registers.said_power(moment)
    session = registers.with_power(session, power, at, max_power_w)
    before, found = session, registers.of_moment(moment)
    for reading in found:
        session = registers.take(session, reading, max_power_w)
    if power is None:
        ignored = session.readings_ignored > before.readings_ignored or session.register_aside_wh is not None
        register_wh = session.meter_last_wh if found and not ignored else None
        power = worked_out_power(before, moment, register_wh, at)
    return replace(
        session,
        last_reading_at=at,
        power_w=session.power_w if power is None else power,
        soc_pct=next((r.value for r in moment if r.field == "soc_pct"), session.soc_pct),
        duration_s=max(session.duration_s, int((at - session.started_at).total_seconds())),
    )


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
    if session.state is SessionState.ENDED and not closed_by_us(session):
        return session
    session = ended(forgive(session, CLOSED_WITHOUT_STOP), fact.at, fact.reason)
    return registers.at_stop(session, fact, max_power_w)


def close_without_stop(session: Session, at: datetime) -> Session:
    """Ends a session whose stop will not come: the connector has a new one, the station lost it at a reboot, or
    nothing was heard of it for long."""
    if session.state is SessionState.ENDED:
        return session
    last = session.last_reading_at or session.started_at
    return doubt(ended(session, min(at, last), None), Quality.ESTIMATED, CLOSED_WITHOUT_STOP)


def resume(session: Session) -> Session:
    """A session that we closed by estimate, open again: the station goes on with it."""
    session = forgive(session, CLOSED_WITHOUT_STOP)
    return replace(session, state=SessionState.ACTIVE, ended_at=None)
