"""Taking log entries into a station's view, in place. Pure; reads no clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from detector.view import (
    MAX_FIELDS,
    MAX_NAME,
    MAX_TEXT,
    RING,
    ConnectorView,
    Latest,
    Power,
    Register,
    SessionEnded,
    SessionView,
    StationView,
)
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    EventReported,
    FirmwareReported,
    LinkDown,
    LinkUp,
    Measured,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.identification import normal_form
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState

_DEFAULT_VOLTAGE_V = 230.0
_MAX_PROBLEMS = 8
_WITH_ENERGY = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}

Pseudonymise = Callable[[str], str]


def fold(view: StationView, entry: Entry, pseudonymise: Pseudonymise) -> list[SessionEnded]:
    """Take `entry` into `view`. Returns the sessions that it ended."""
    if entry.kind in (EntryKind.OCPP_IN, EntryKind.CONNECTED):
        _alive(view, entry.received_at)
    ended: list[SessionEnded] = []
    for fact in entry.facts:
        match fact:
            case Measured():
                view.clock.note(fact.at, entry.received_at)
                _measured(view, fact, entry.received_at)
            case StatusReported():
                view.clock.note(fact.at, entry.received_at)
                ended += _status(view, fact, entry.received_at)
            case TransactionReported():
                ended += _reported(view, fact, entry.received_at)
            case TransactionStarted():
                ended += _started(view, fact, entry.received_at, pseudonymise)
            case TransactionStopped():
                ended += _stopped(view, fact, entry.received_at)
            case EventReported():
                view.clock.note(fact.at, entry.received_at)
                _event(view, fact, entry.received_at)
            case LinkUp() | LinkDown():
                _link(view, fact, entry.received_at)
            case Booted():
                _booted(view, fact, entry)
            case FirmwareReported():
                view.firmware_status, view.firmware_status_at = fact.status[:MAX_TEXT], entry.received_at
            case _:
                pass  # says nothing about health
    return ended


def _alive(view: StationView, heard_at: datetime) -> None:
    if not view.connected:
        view.connected, view.link_since = True, heard_at
    if view.last_frame is None or heard_at > view.last_frame:
        view.last_frame = heard_at


def _link(view: StationView, fact: LinkUp | LinkDown, heard_at: datetime) -> None:
    if isinstance(fact, LinkUp):
        _link_up(view, fact, heard_at)
    else:
        _link_down(view, fact, heard_at)


def _link_up(view: StationView, fact: LinkUp, heard_at: datetime) -> None:
    """StatusNotifications are not queued offline (OCPP 1.6 section 4.9): after a gap the status is unknown."""
    view.connected, view.link_since, view.link = True, heard_at, fact.at
    for connector in view.connectors.values():
        connector.stale = True


def _link_down(view: StationView, fact: LinkDown, heard_at: datetime) -> None:
    """The end of an old link changes nothing: it took longer than the station's next one to come up."""
    if fact.since is None or view.link is None or fact.since == view.link:
        view.connected, view.link_since = False, heard_at


def _booted(view: StationView, fact: Booted, entry: Entry) -> None:
    view.vendor, view.model = fact.vendor[:MAX_TEXT], fact.model[:MAX_TEXT]
    view.firmware = (fact.firmware or "")[:MAX_TEXT]
    view.booted_at = entry.received_at
    view.boots += 1
    view.heartbeat_s = told_interval(entry.reply) or view.heartbeat_s
    for connector in view.connectors.values():
        connector.problems = {}  # what still is wrong is said again


def told_interval(reply: str | None) -> float | None:
    """The heartbeat interval that a BootNotification reply told (OCPP 1.6 section 6.4, OCPP-J section 4.2.2)."""
    if not reply:
        return None
    try:
        interval = json.loads(reply)[2]["interval"]
    except (ValueError, LookupError, TypeError):
        return None  # not a CALLRESULT with an interval; the default applies
    return float(interval) if isinstance(interval, int | float) and interval > 0 else None


def _status(view: StationView, fact: StatusReported, heard_at: datetime) -> list[SessionEnded]:
    connector = view.connector(fact.connector_id)
    if connector is None:
        return []
    outdated = connector.status_at is not None and fact.at < connector.status_at
    if outdated and view.clock.late(fact.at, heard_at):
        return []
    if fact.reported == "Occupied" and connector.session is not None and connector.status in _WITH_ENERGY:
        fact = replace(fact, status=connector.status)  # OCPP 2.x says no more; the transaction has said it
    if fact.status is not connector.status or connector.status_since is None:
        connector.status_since = fact.at
    connector.status, connector.status_at, connector.status_heard = fact.status, fact.at, heard_at
    connector.stale = False
    connector.error_code = fact.error_code[:MAX_TEXT]
    connector.info = (fact.info or "")[:MAX_TEXT]
    connector.vendor_error_code = (fact.vendor_error_code or "")[:MAX_TEXT]
    connector.mrec = fact.mrec[:8]
    if fact.status is ConnectorState.AVAILABLE and connector.session is not None:
        return _end(view, connector, fact.at, heard_at, None)
    return []


def _event(view: StationView, fact: EventReported, heard_at: datetime) -> None:
    """ChargeX codes of an event, and `Problem`, stand until the event is cleared (OCPP 2.0.1 part 2 N07)."""
    connector = view.connector(fact.connector_id)
    if connector is None or view.clock.late(fact.at, heard_at):
        return
    name = f"{fact.component}/{fact.variable}"[:MAX_NAME]
    said = fact.value.strip().lower()
    gone = fact.cleared or said == "false"
    if not gone and not fact.mrec and (fact.variable, said) != ("Problem", "true"):
        return  # a value, not a fault
    problems = {key: codes for key, codes in connector.problems.items() if key != name}
    connector.problems = problems if gone else {**problems, name: fact.mrec[:8]}
    while len(connector.problems) > _MAX_PROBLEMS:
        del connector.problems[next(iter(connector.problems))]
    if connector.connector_id == 0:  # the whole station, which has no status of its own in OCPP 2.x
        connector.status_since = connector.status_since or fact.at
        connector.status_at, connector.status_heard, connector.stale = fact.at, heard_at, False


def _reported(view: StationView, fact: TransactionReported, heard_at: datetime) -> list[SessionEnded]:
    """The charging state that an OCPP 2.x transaction says; its connector may only be known from the start."""
    connector = connector_of(view, fact.connector_id, fact.transaction_id)
    if connector is None or not connector.connector_id or fact.charging_state is None or fact.event == "Ended":
        return []
    view.clock.note(fact.at, heard_at)
    if fact.offline:
        return []  # of the time without a link
    status = StatusReported(at=fact.at, connector_id=connector.connector_id, status=fact.charging_state)
    return _status(view, status, heard_at)


def connector_of(view: StationView, connector_id: int, transaction_id: str | None) -> ConnectorView | None:
    """The connector that a message names, or whose session it names."""
    if connector_id or transaction_id is None:
        return view.connector(connector_id)
    for connector in view.connectors.values():
        if connector.session is not None and connector.session.transaction_id == transaction_id:
            return connector
    return view.connector(connector_id)


def _started(
    view: StationView, fact: TransactionStarted, heard_at: datetime, pseudonymise: Pseudonymise
) -> list[SessionEnded]:
    connector = view.connector(fact.connector_id)
    if connector is None or fact.transaction_id in connector.last_transactions:
        return []
    current = connector.session
    if current is not None and (current.transaction_id == fact.transaction_id or fact.at < current.started_at):
        return []
    if current is not None and fact.refused is not None:
        return []  # a start that was refused ends no live session
    ended = [] if current is None else _end(view, connector, fact.at, heard_at, None)
    connector.session = SessionView(
        transaction_id=fact.transaction_id[:MAX_TEXT],
        vehicle=pseudonymise(normal_form(fact.id_tag, fact.token_kind)) if fact.id_tag else None,
        started_at=fact.at,
        heard_at=heard_at,
        meter_start_wh=fact.meter_start_wh,
        boots=view.boots,
    )
    connector.powers, connector.registers = [], []
    return ended


def _stopped(view: StationView, fact: TransactionStopped, heard_at: datetime) -> list[SessionEnded]:
    for connector in view.connectors.values():
        if connector.session is not None and connector.session.transaction_id == fact.transaction_id:
            return _end(view, connector, fact.at, heard_at, fact.meter_stop_wh)
    return []


def _end(
    view: StationView, connector: ConnectorView, at: datetime, heard_at: datetime, meter_stop_wh: int | None
) -> list[SessionEnded]:
    session = connector.session
    if session is None:
        return []
    energy_wh = session.energy_wh
    if meter_stop_wh is not None and session.meter_start_wh is not None:
        energy_wh = max(energy_wh, float(meter_stop_wh - session.meter_start_wh))
    connector.session = None
    connector.last_transactions = [*connector.last_transactions[-3:], session.transaction_id]
    return [
        SessionEnded(
            station_id=view.station_id,
            connector_id=connector.connector_id,
            transaction_id=session.transaction_id,
            vehicle=session.vehicle_key,
            started_at=session.started_at,
            ended_at=max(at, session.started_at),
            energy_wh=energy_wh,
            heard_at=heard_at,
        )
    ]


def _measured(view: StationView, fact: Measured, heard_at: datetime) -> None:
    connector = connector_of(view, fact.connector_id, fact.transaction_id)
    if connector is None or view.clock.late(fact.at, heard_at):
        return  # from a station's queue: it belongs to the session's energy, not to the state of now
    if fact.source != "ocpp":
        for reading in fact.readings:
            _keep(connector.devices, reading.field, reading)
        return
    by_time: dict[datetime, dict[str, float]] = {}
    for reading in fact.readings:
        if reading.context.startswith("Transaction.") or view.clock.late(reading.at, heard_at):
            continue
        outlet = reading.location in ("", "Outlet") or reading.field == "soc_pct"
        _keep(
            connector.latest, reading.field if outlet else f"{reading.location.lower()}/{reading.field}", reading
        )
        if reading.field == "energy_wh":
            _register(connector, fact, reading)
        if outlet or reading.location == "Inlet":
            by_time.setdefault(reading.at, {}).setdefault(reading.field, reading.value)
    if of_session(connector, fact):
        for at in sorted(by_time):
            _power(connector, at, by_time[at])


def of_session(connector: ConnectorView, fact: Measured) -> bool:
    """Whether values belong to the connector's session. Stations leave the id out, or send 0, in mid-session."""
    if connector.session is None:
        return False
    return fact.transaction_id in (None, "", "0", "-1", connector.session.transaction_id)


def _keep(fields: dict[str, Latest], name: str, reading: Reading) -> None:
    name = name[:MAX_NAME]
    known = fields.get(name)
    if known is None and len(fields) >= MAX_FIELDS:
        return
    if known is None or reading.at >= known.at:
        fields[name] = Latest(reading.at, reading.value)


def _register(connector: ConnectorView, fact: Measured, reading: Reading) -> None:
    session = connector.session
    if session is None or not of_session(connector, fact):
        return
    if session.register_location is None:
        session.register_location = reading.location
    if reading.location != session.register_location:
        return  # another meter
    if connector.registers and reading.at <= connector.registers[-1].at:
        return  # out of order, or the same sample again
    if session.register_first_wh is None:
        session.register_first_wh = reading.value
    session.register_last_wh = reading.value
    session.energy_wh = max(session.energy_wh, reading.value - session.register_first_wh)
    session.registers_seen += 1
    connector.registers = [*connector.registers[-(RING - 1) :], Register(reading.at, reading.value)]


def _power(connector: ConnectorView, at: datetime, values: dict[str, float]) -> None:
    session = connector.session
    if session is None or at < session.started_at or (connector.powers and at <= connector.powers[-1].at):
        return
    sample = power_of(at, values, connector.registers)
    if sample is None:
        return
    session.power_max_w = max(session.power_max_w, sample.watts)
    connector.powers = [*connector.powers[-(RING - 1) :], sample]


def power_of(at: datetime, values: dict[str, float], registers: list[Register]) -> Power | None:
    """Power from what a station sends: as measured, or current times voltage, or the rise of the register."""
    if "power_w" in values:
        return Power(at, values["power_w"], "measured")
    phases = [values[name] for name in ("power_l1_w", "power_l2_w", "power_l3_w") if name in values]
    if phases:
        return Power(at, sum(phases), "measured")
    currents = [values[name] for name in ("current_l1_a", "current_l2_a", "current_l3_a") if name in values]
    if not currents and "current_a" in values:
        currents = [values["current_a"]]
    if currents:
        volts = values.get("voltage_v") or values.get("voltage_l1_v") or _DEFAULT_VOLTAGE_V
        return Power(at, sum(currents) * volts, "current")
    if "energy_wh" in values and len(registers) >= 2 and registers[-1].at == at:
        before, last = registers[-2], registers[-1]
        seconds = (last.at - before.at).total_seconds()
        return Power(at, max(last.wh - before.wh, 0.0) * 3600 / seconds, "register")
    return None
