"""Where temperatures come from, and which of them can be believed. Pure.

Plug: an MQTT device's `plug_temperature_c`, OCPP 1.6 Temperature at Outlet or Cable (section 7.23 Location), an
OCPP 2.x event of component Connector. Air: `ambient_temperature_c`, an ExternalTemperatureSensor. Cabinet:
`cabinet_temperature_c`, Temperature at Body, an event of any other component.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from detector.rules.base import Subject
from detector.view import ConnectorView

PLUG = ("plug_temperature_c", "temperature_c", "cable/temperature_c")
AIR = ("ambient_temperature_c",)
BODY = ("cabinet_temperature_c", "body/temperature_c")

LOWEST_C, HIGHEST_C = -40.0, 150.0
"""Beyond these a sensor is open or short."""
STEP_K = 30.0
"""No plug warms or cools by this much in a minute: a sensor that says so has come loose."""

_SHADE_K = 2.0  # what two sensors may differ by; the sun does more
_FRESH = timedelta(minutes=30)
_SETTLED = timedelta(minutes=10)
_LOOSE = timedelta(days=1)


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


def shaded(subject: Subject, now: datetime) -> bool:
    """Whether another plug of the station, which is idle, is no warmer than the air: no sun shines there. A plug
    that charged lately is warm as well, and tells nothing."""
    own_id = subject.connector_id
    for number, other in subject.view.connectors.items():
        if not number or number == own_id or other.session is not None:
            continue
        celsius = _of(other, PLUG, now)
        if celsius is not None and (air_c := air_of(subject, now)) is not None and celsius - air_c <= _SHADE_K:
            return True
    return False


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


class Probe(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """One sensor's last believable value, and one that is doubted because it was a step away, with its time.
    `step_k`: from the value before; `leapt_at`: when it last was back from a step at once."""

    at: datetime
    celsius: float
    doubted_at: datetime | None = None
    doubted_c: float = 0.0
    step_k: float = 0.0
    leapt_at: datetime | None = None

    @property
    def doubt(self) -> bool:
        """It has stepped and not come back."""
        return self.doubted_at is not None

    def leaps(self, now: datetime) -> bool:
        """Whether it leapt and came back within a day: its contact is loose, and what it says is worth less."""
        return self.leapt_at is not None and now - self.leapt_at <= _LOOSE

    def after(self, at: datetime, celsius: float) -> Probe:
        """With the next value. A step of over 30 K, or 30 K a minute where samples are further apart, is doubted
        until a value is near the last that was believed, or stays near where it stepped to for ten minutes."""
        minutes = (at - self.at).total_seconds() / 60
        if abs(celsius - self.celsius) <= STEP_K * (max(minutes, 1.0) if self.doubted_at is None else 1.0):
            return self._believed(at, celsius)
        if self.doubted_at is None or abs(celsius - self.doubted_c) > STEP_K:
            return replace(self, doubted_at=at, doubted_c=celsius)
        return Probe(at, celsius) if at - self.doubted_at >= _SETTLED else self

    def _believed(self, at: datetime, celsius: float) -> Probe:
        """A plug that warms by 30 K between two samples takes longer than that to cool again."""
        step_k = celsius - self.celsius if at - self.at <= _SETTLED else 0.0
        back = min(abs(step_k), abs(self.step_k)) > STEP_K and step_k * self.step_k < 0
        leapt_at = at if back or self.doubt else self.leapt_at
        return Probe(at, celsius, step_k=step_k, leapt_at=leapt_at)
