"""What devices measured of a connector: readings to samples, and what its session keeps of them. Pure.

The newest value of each field stays in the view; a sample goes to the rules and is then forgotten.
"""

from __future__ import annotations

import math
from datetime import datetime

from detector.view import MAX_FIELDS, MAX_NAME, ConnectorView, Latest, Power, Register, Sample, StationView
from laddvakt.domain.facts import EventReported, Measured
from laddvakt.domain.readings import Reading

_DEFAULT_VOLTAGE_V = 230.0
_FLOW_W = 100.0
_LEAST_LIMIT_A = 6.0  # IEC 61851-1: no pilot says less

_CURRENTS = ("current_l1_a", "current_l2_a", "current_l3_a")
_VOLTAGES = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")
_OUTLET = ("", "Outlet")
_POWERS = ("power_l1_w", "power_l2_w", "power_l3_w")

_HEAT_OF = {
    "connector": "plug_temperature_c",
    "externaltemperaturesensor": "ambient_temperature_c",
    "liquidcoolingsystem": "coolant_temperature_c",
}
"""Component of OCPP 2.x (2.0.1 part 2 appendix 3.1), lower case -> field; of any other it is the cabinet's."""

_INSULATION = ("groundisolationprotection", "impedance")
"""Ohm to earth (2.0.1 part 2 appendix 3)."""

Samples = dict[int, list[Sample]]


def connector_of(view: StationView, connector_id: int, transaction_id: str | None) -> ConnectorView | None:
    """The connector that a message names, or whose session it names."""
    if connector_id or transaction_id is None:
        return view.connector(connector_id)
    for connector in view.connectors.values():
        if connector.session is not None and connector.session.transaction_id == transaction_id:
            return connector
    return view.connector(connector_id)


def of_session(connector: ConnectorView, fact: Measured) -> bool:
    """Whether values belong to the connector's session. Stations leave the id out, or send 0, in mid-session."""
    if connector.session is None:
        return False
    return _unnamed(fact) or fact.transaction_id == connector.session.transaction_id


def _unnamed(fact: Measured) -> bool:
    return fact.transaction_id in (None, "", "0", "-1")


def take_values(view: StationView, fact: Measured, heard_at: datetime, samples: Samples) -> None:
    """Take a message's values in; its samples, oldest first."""
    connector = connector_of(view, fact.connector_id, fact.transaction_id)
    if connector is None or view.clock.late(fact.at, heard_at):
        return  # from a station's queue: it belongs to the session's energy, not to the state of now
    station = fact.source == "ocpp"
    ours = of_session(connector, fact) if station else connector.session is not None
    transaction = connector.session.transaction_id if ours and connector.session is not None else ""
    before = connector.register if ours else None
    by_time = _by_time(view, connector, fact, heard_at)
    for at in sorted(by_time) if len(by_time) > 1 else by_time:
        values = by_time[at]
        currents, voltages = _phases(values, _CURRENTS, "current_a"), _phases(values, _VOLTAGES, "voltage_v")
        power = power_of(at, values, before, currents)
        if station and ours:
            power = _in_session(connector, at, values, power, currents)
            if "energy_wh" in values:
                before = Register(at, values["energy_wh"])
        foreign = not ours and not _unnamed(fact)
        number = connector.connector_id
        sample = Sample(at, values, fact.source, transaction, power, currents, voltages, foreign, heard_at, number)
        samples.setdefault(number, []).append(sample)


def take_event(view: StationView, fact: EventReported, heard_at: datetime, samples: Samples) -> None:
    """What an event measures: OCPP 2.x has no measurand for temperatures nor for insulation."""
    field = _field_of(fact)
    if field is None or fact.cleared or view.clock.late(fact.at, heard_at):
        return
    connector, value = view.connector(fact.connector_id), _number(fact.value)
    if connector is None or value is None:
        return
    _keep(connector.latest, field, Latest(fact.at, value))
    transaction = connector.session.transaction_id if connector.session is not None else ""
    number = connector.connector_id
    sample = Sample(fact.at, {field: value}, "ocpp", transaction, heard_at=heard_at, connector_id=number)
    samples.setdefault(number, []).append(sample)


def _field_of(fact: EventReported) -> str | None:
    variable, component = fact.variable.lower(), fact.component.lower()
    if variable == "temperature":
        return _HEAT_OF.get(component, "cabinet_temperature_c")
    return "isolation_ohm" if (component, variable) == _INSULATION else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None  # a word, or a number with its unit: nothing to judge
    return value if math.isfinite(value) else None


def _by_time(
    view: StationView, connector: ConnectorView, fact: Measured, heard_at: datetime
) -> dict[datetime, dict[str, float]]:
    """Values by their moment; the newest of each field is kept."""
    if fact.source != "ocpp":
        return _of_device(connector, fact)
    fields = connector.latest
    by_time: dict[datetime, dict[str, float]] = {}
    values: dict[str, float] | None = None
    moment: datetime | None = None
    for reading in fact.readings:
        if moment is None or reading.at != moment:  # a message's values mostly share their moment
            moment = reading.at
            late = view.clock.late(moment, heard_at)
            values = None if late else by_time.get(moment)
            if values is None and not late:
                values = by_time[moment] = {}
        name = reading.field
        if values is None or reading.context.startswith("Transaction."):
            continue  # what is told again at a transaction's ends is no news
        if name == "energy_wh" and not _register(connector, fact, reading):
            continue  # another meter, or out of order
        if reading.location not in _OUTLET and name != "soc_pct":
            name = f"{reading.location.lower()}/{name}"
            if reading.location == "Inlet" and reading.field != "temperature_c":
                values.setdefault(reading.field, reading.value)
        value = values[name] = reading.value
        known = fields.get(name)
        if known is None:
            _keep(fields, name, Latest(moment, value))
        elif moment >= known.at:
            fields[name] = Latest(moment, value)
    return {at: values for at, values in by_time.items() if values}


def _of_device(connector: ConnectorView, fact: Measured) -> dict[datetime, dict[str, float]]:
    """The same of a device, which measures at one place only, by our clock."""
    by_time: dict[datetime, dict[str, float]] = {}
    values: dict[str, float] = {}
    at: datetime | None = None
    devices = connector.devices
    for reading in fact.readings:
        if at is None or reading.at != at:
            at = reading.at
            values = by_time.setdefault(at, {})
        name, value = reading.field, reading.value
        values[name] = value
        known = devices.get(name)
        if known is None:
            _keep(devices, name, Latest(at, value))
        elif at >= known.at:
            devices[name] = Latest(at, value)
    return by_time


def _in_session(
    connector: ConnectorView,
    at: datetime,
    values: dict[str, float],
    power: Power | None,
    currents: tuple[float, ...],
) -> Power | None:
    """What the session keeps of a sample; its power, None where it is out of order."""
    session = connector.session
    if session is None or at < session.started_at:
        return power
    soc = values.get("soc_pct")
    if soc is not None:
        session.soc_first_pct = soc if session.soc_first_pct is None else session.soc_first_pct
        session.soc_last_pct = soc
    offered_a = values.get("current_offered_a")
    if offered_a is not None and offered_a < _LEAST_LIMIT_A:
        session.limited = True
    if currents:
        session.current_max_a = max(session.current_max_a, *currents)
    if power is None or (connector.power is not None and at <= connector.power.at):
        return None
    connector.power = power
    session.power_max_w = max(session.power_max_w, power.watts)
    if session.first_flow_at is None and power.watts > _FLOW_W:
        session.first_flow_at = at
    return power


def _keep(fields: dict[str, Latest], name: str, value: Latest) -> None:
    known = fields.get(name)
    if known is not None and value.at >= known.at:
        fields[name] = value
    elif known is None and len(fields) < MAX_FIELDS:
        fields[name[:MAX_NAME]] = value


def _register(connector: ConnectorView, fact: Measured, reading: Reading) -> bool:
    """Take a register's sample into the session; False where it is not of its meter, or out of order."""
    session = connector.session
    if session is None or not of_session(connector, fact):
        return True
    if session.register_location is None:
        session.register_location = reading.location
    if reading.location != session.register_location:
        return False  # another meter
    if connector.register is not None and reading.at <= connector.register.at:
        return False  # out of order, or the same sample again
    if session.register_first_wh is None:
        session.register_first_wh = reading.value
    session.register_last_wh = reading.value
    connector.register = Register(reading.at, reading.value)
    session.energy_wh = max(session.energy_wh, reading.value - session.register_first_wh)
    return True


def _phases(values: dict[str, float], names: tuple[str, str, str], whole: str) -> tuple[float, ...]:
    """Of the phases that are said, else the one value that is."""
    first = values.get(names[0])
    if first is None and whole in values and names[1] not in values:
        return (values[whole],)
    if first is not None and names[1] in values and names[2] in values:
        return first, values[names[1]], values[names[2]]
    found = tuple(values[name] for name in names if name in values)
    return found or ((values[whole],) if whole in values else ())


def power_of(
    at: datetime, values: dict[str, float], before: Register | None, currents: tuple[float, ...]
) -> Power | None:
    """Power from what a station sends: as measured, or current times voltage, or the rise of the register."""
    watts = values.get("power_w")
    if watts is not None:
        return Power(at, watts, "measured")
    phases = [values[name] for name in _POWERS if name in values]
    if phases:
        return Power(at, sum(phases), "measured")
    if currents:
        volts = values.get("voltage_v") or values.get("voltage_l1_v") or _DEFAULT_VOLTAGE_V
        return Power(at, sum(currents) * volts, "current")
    if before is not None and at > before.at and "energy_wh" in values:
        seconds = (at - before.at).total_seconds()
        return Power(at, max(values["energy_wh"] - before.wh, 0.0) * 3600 / seconds, "register")
    return None
