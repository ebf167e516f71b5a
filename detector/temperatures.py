"""Where temperatures come from, and which of them can be believed. Pure.

Plug: an MQTT device's `plug_temperature_c`, OCPP 1.6 Temperature at Outlet or Cable (section 7.23 Location), an
OCPP 2.x event of component Connector. Air: `ambient_temperature_c`, an ExternalTemperatureSensor. Cabinet:
`cabinet_temperature_c`, Temperature at Body, an event of any other component.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.rules.base import Subject
from detector.view import ConnectorView

PLUG = ("plug_temperature_c", "temperature_c", "cable/temperature_c")
AIR = ("ambient_temperature_c",)
BODY = ("cabinet_temperature_c", "body/temperature_c")

LOWEST_C, HIGHEST_C = -40.0, 150.0
"""Beyond these a sensor is open or short."""
STEP_K = 30.0
"""No plug warms or cools by this much in a minute: a sensor that says so has come loose."""

_FRESH = timedelta(minutes=30)


def plug_of(values: dict[str, float]) -> float | None:
    """Of a sample; None where it says none, or what an open or shorted sensor says."""
    for name in PLUG:
        celsius = values.get(name)
        if celsius is not None:
            return celsius if LOWEST_C <= celsius <= HIGHEST_C else None
    return None


def air_of(subject: Subject, now: datetime) -> float | None:
    """Around the station, not older than half an hour: its own sensor's, or a neighbour's at the site."""
    found = _newest(subject, AIR, now)
    if found is not None:
        return found
    for other in subject.network.siblings(subject.view):
        whole = other.connectors.get(0)
        if whole is not None and (found := _of(whole, AIR, now)) is not None:
            return found
    return None


def body_of(subject: Subject, now: datetime) -> float | None:
    """Inside the cabinet, not older than half an hour."""
    return _newest(subject, BODY, now)


def _newest(subject: Subject, names: tuple[str, ...], now: datetime) -> float | None:
    if subject.connector is not None and (found := _of(subject.connector, names, now)) is not None:
        return found
    whole = subject.view.connectors.get(0)
    return _of(whole, names, now) if whole is not None else None


def _of(connector: ConnectorView, names: tuple[str, ...], now: datetime) -> float | None:
    for name in names:
        known = connector.devices.get(name) or connector.latest.get(name)
        if known is not None and now - known.at <= _FRESH and LOWEST_C <= known.value <= HIGHEST_C:
            return known.value
    return None


class Probe(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One sensor's last believable value. `doubt`: it has stepped and not come back."""

    at: datetime
    celsius: float
    doubt: bool = False

    def after(self, at: datetime, celsius: float) -> Probe:
        """With the next value. A step of over 30 K, or 30 K a minute where samples are further apart, is doubted
        until a value is within the same of the last that was believed."""
        seconds = (at - self.at).total_seconds()
        if abs(celsius - self.celsius) > STEP_K * max(1.0, seconds / 60 if not self.doubt else 1.0):
            return Probe(self.at, self.celsius, True)
        return Probe(at, celsius)
