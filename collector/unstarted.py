"""Sessions whose start was not heard (OCPP 1.6): opened by what energy does, or by the stop alone. Pure.

They are estimated, and without a driver unless the stop names one. A start that comes late puts them right.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from collector import registers
from collector.matching import LATE, is_real
from collector.quality import NO_START_REGISTER, START_UNHEARD, doubt, forgive
from collector.sessions import Driver, refused, with_driver
from laddvakt.domain.facts import Measured, TransactionStarted, TransactionStopped
from laddvakt.domain.ids import session_id
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session
from laddvakt.domain.stations import Connector, ConnectorState, Station

AFTERGLOW = timedelta(minutes=5)
"""Values so soon after a session are its own: stations send them after the stop."""

_FIRST_VALUE = timedelta(hours=1)  # the longest that a station is believed to charge before its first value
_FLOWS_W = 100.0
_FLOWS_A = 1.0
_MAY_FLOW = {ConnectorState.CHARGING, ConnectorState.PREPARING, ConnectorState.UNKNOWN}


def flows(connector: Connector, readings: tuple[Reading, ...]) -> bool:
    """Whether values of a connector without a session say that energy flows: by power or current; where neither is
    said, a station that says Charging and sends registers is believed."""
    if connector.status not in _MAY_FLOW:
        return False
    powers = [r.value for r in readings if r.field in ("power_w", "power_l1_w", "power_l2_w", "power_l3_w")]
    currents = [r.value for r in readings if r.field.startswith("current_l") or r.field == "current_a"]
    if powers or currents:
        return any(value >= _FLOWS_W for value in powers) or any(value >= _FLOWS_A for value in currents)
    return connector.status is ConnectorState.CHARGING and any(r.field == "energy_wh" for r in readings)


def from_values(fact: Measured, station: Station) -> Session:
    """A session from values of a connector that has none. It begins when energy was first heard of."""
    began = min(reading.at for reading in fact.readings)
    connector = station.connector(fact.connector_id)
    since = connector.status_since if connector and connector.status is ConnectorState.CHARGING else None
    if since is not None and began - _FIRST_VALUE < since < began:
        began = since
    return _session(fact.transaction_id, fact.connector_id, began, station, connector)


def from_stop(
    fact: TransactionStopped, readings: tuple[Reading, ...], station: Station, driver: Driver
) -> Session:
    """A session from its stop and the values in it: the charge and the start were lost with a reset. Where it was
    is known of a station with one connector only."""
    connectors = [connector for connector in station.connectors if connector.connector_id]
    only = connectors[0] if len(connectors) == 1 else None
    began = min([reading.at for reading in readings], default=fact.at)
    session = _session(fact.transaction_id, only.connector_id if only else 0, began, station, only)
    begin = next((r for r in registers.of_moment(list(readings)) if r.context == "Transaction.Begin"), None)
    if begin is not None:
        session = replace(session, meter_start_wh=round(begin.value), meter_last_wh=begin.value)
    return with_driver(session, driver)


def _session(
    transaction_id: str | None, connector_id: int, began: datetime, station: Station, connector: Connector | None
) -> Session:
    name = transaction_id if is_real(transaction_id) else f"connector {connector_id}"
    session = Session(
        session_id=session_id(station.station_id, str(name), began),
        station_id=station.station_id,
        connector_id=connector_id,
        site_id=station.site_id,
        cable_id=connector.cable_id if connector else None,
        transaction_id=transaction_id or "0",
        started_at=began,
        charging_type=station.current,
    )
    return doubt(session, Quality.ESTIMATED, START_UNHEARD)


def told_enough(fact: TransactionStopped, readings: tuple[Reading, ...], received_at: datetime) -> bool:
    """Whether a stop that fits no session stands for one that was never heard of: it carries the values of a
    charge, or it happened while the station had no link. Any other is a mistake of the station's."""
    return bool(registers.of_moment(list(readings))) or received_at - fact.at > LATE


def joins(session: Session, fact: TransactionStarted) -> bool:
    """Whether a start is the one that this session lacked: from before its last sign of life, with a register that
    is not above what was read since."""
    if START_UNHEARD not in session.quality_reasons or session.event_numbers is not None:
        return False
    last_sign = session.ended_at or session.last_reading_at or session.started_at
    low_enough = (
        session.meter_last_wh is None
        or fact.meter_start_wh is None
        or fact.meter_start_wh <= session.meter_last_wh + 1
    )
    return fact.at <= max(last_sign, session.started_at + LATE) and low_enough


def with_start(session: Session, fact: TransactionStarted, driver: Driver) -> Session:
    """The session after its start, which came late."""
    session = refused(forgive(session, START_UNHEARD, NO_START_REGISTER), fact.refused)
    session = with_driver(session, driver)
    last = session.meter_last_wh
    start = session.meter_start_wh if fact.meter_start_wh is None else fact.meter_start_wh
    until = session.ended_at or session.last_reading_at or fact.at
    return replace(
        session,
        transaction_id=fact.transaction_id,
        started_at=fact.at,
        ended_at=None if session.ended_at is None else max(session.ended_at, fact.at),
        duration_s=max(0, int((until - fact.at).total_seconds())),
        meter_start_wh=start,
        meter_last_wh=start if last is None else last,
        energy_wh=session.energy_wh if start is None or last is None else max(0, round(last - start)),
    )
