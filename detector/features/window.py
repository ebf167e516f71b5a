"""Five minutes of steady charging, as ratios that do not depend on which vehicle draws how much."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from detector.features.sample import (
    WINDOW,
    Context,
    Window,
    ambient_bin,
    ambient_c,
    current_bin,
    equipment,
    kind_of,
    soc_bin,
    surrounding,
)
from detector.view import ConnectorView, Sample, SessionView, StationView
from laddvakt.domain.stations import Station

RAMP = timedelta(seconds=120)
MIN_CURRENT_A = 3.0
FLOWS_W = 100.0
UNSTEADY = 0.1
"""A window whose current changed by more than this share is a ramp or a taper: not judged. Nor is a plug's heat
after a window with another current: copper and plastic follow over ten minutes."""

LEAST_HEAT_K = 8.0
"""A plug warmer than the air by less tells nothing: so much do sensors, the sun and a lack of wind make, and over
the square of a small current it looks like a lot."""

USUAL_A = 32.0
"""What most AC plugs are rated for. A plug for less has less metal and warms more for each ampere squared, yet
about as much at its own rated current: the same rise is allowed each of them there (IEC 62196-1: 50 K)."""

ROOM_C = 20.0
LEAST_WARM_K = 5.0
"""A cabinet at room temperature needs no fan, and from there on the more the warmer. One that stands still is at
rest: had it failed, the cabinet would be warm."""

COOLS = timedelta(minutes=30)
"""So long after a session the cabinet is warm of it."""

_OTHER_UNIT = 30.0
"""Power so many times more or less than volts times amperes is told in another unit: what breaks in a meter is not
off by a thousand."""

_RIPPLE_SAMPLES = 4
_OF_THE_BATTERY = ("voltage_level", "watts_per_amp")
"""Over DC the vehicle's battery sets the voltage."""
_REGISTER_WH = 100.0
_STEPS = 50
"""So many of a register's steps must pass: then they are within two percent of what flowed."""
_COARSEST_WH = 1000
_LEAST_ISOLATION = 1.0  # Ohm/V


class Sums(msgspec.Struct, array_like=True):
    """Running sums of one field."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    first: float = 0.0
    last: float = 0.0

    def add(self, value: float) -> None:
        self.n += 1
        self.last = value
        self.total += value
        self.squares += value * value

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def deviation(self) -> float:
        return math.sqrt(max(self.squares / self.n - self.mean**2, 0.0))


class OpenWindow(msgspec.Struct, kw_only=True):
    """A window being gathered."""

    transaction_id: str
    start: datetime
    until: datetime
    before_a: float = 0.0  # the current of the window just before, of the same session; 0 where it was not steady
    register_from: datetime | None = None
    register_to: datetime | None = None
    register_divisor: int = 0  # the largest number that divides each of its readings
    fields: dict[str, Sums] = {}

    def add(self, sample: Sample) -> None:
        fields = self.fields
        for name, value in sample.values.items():
            sums = fields.get(name)
            if sums is not None:
                sums.add(value)
            elif name in _GATHERED:
                fields[name] = Sums(1, value, value * value, value, value)
        if "energy_wh" in sample.values:
            self.register_from, self.register_to = self.register_from or sample.at, sample.at
            self.register_divisor = math.gcd(self.register_divisor, round(sample.values["energy_wh"]))

    @property
    def register_step_wh(self) -> int:
        """The power of ten that the register counts in; one that stands still shows no more than its digits."""
        return math.gcd(self.register_divisor, _COARSEST_WH)


_GATHERED = frozenset(
    f"{stem}{phase}_{unit}"
    for stem, unit in (("current", "a"), ("voltage", "v"), ("power", "w"))
    for phase in ("", "_l1", "_l2", "_l3")
) | {"energy_wh", "current_offered_a", "power_factor"}


def collect(
    opened: dict[int, OpenWindow],
    view: StationView,
    connector: ConnectorView,
    sample: Sample,
    station: Station | None,
) -> Window | None:
    """Take a sample in; the window that it completed."""
    if sample.source != "ocpp" or _GATHERED.isdisjoint(sample.values):
        return None
    session = connector.session
    if session is None or sample.transaction != session.transaction_id:
        opened.pop(connector.connector_id, None)
        return None
    done, before_a = None, 0.0
    current = opened.get(connector.connector_id)
    if current is None or sample.at >= current.until or current.transaction_id != session.transaction_id:
        if current is not None and current.transaction_id == session.transaction_id:
            done = close(current, view, connector, session, station)
        start = _floor(sample.at)
        if done is not None and done.complete_at == start:
            before_a = done.current_a
        current = OpenWindow(
            transaction_id=session.transaction_id, start=start, until=start + WINDOW, before_a=before_a
        )
        opened[connector.connector_id] = current
    elif sample.at < current.start:
        return None  # told again, or out of order
    current.add(sample)
    return done


def _floor(at: datetime) -> datetime:
    return at - timedelta(seconds=at.timestamp() % WINDOW.total_seconds())


def close(
    window: OpenWindow, view: StationView, connector: ConnectorView, session: SessionView, station: Station | None
) -> Window | None:
    """The finished window, or None where it was a ramp, a taper, or no charging."""
    if window.start < session.started_at + RAMP:
        return None
    currents = [sums for name in _phases("current", "a") if (sums := window.fields.get(name)) is not None]
    if not currents and "current_a" in window.fields:
        currents = [window.fields["current_a"]]
    active = [sums for sums in currents if sums.mean > 0.5]
    fullest = max(active, key=lambda sums: sums.mean, default=None)
    if fullest is None or fullest.mean < MIN_CURRENT_A:
        return None
    if abs(fullest.last - fullest.first) > UNSTEADY * fullest.mean:
        return None
    volts = [window.fields[name].mean for name in _phases("voltage", "v") if name in window.fields]
    if not volts and "voltage_v" in window.fields:
        volts = [window.fields["voltage_v"].mean]
    power = _in_watts(_power(window), active, volts)
    ambient = ambient_c(view, connector, window.start)
    values = _ratios(window, active, volts, power) | _surroundings(
        view, connector, ambient, fullest.mean, window.start
    )
    lukewarm = values.get("plug_heat", 0.0) < 1000 * LEAST_HEAT_K / fullest.mean**2
    if lukewarm or abs(fullest.mean - window.before_a) > UNSTEADY * fullest.mean:
        values.pop("plug_heat", None)
    soc = connector.value("soc_pct", not_before=session.started_at)
    thing = equipment(view, connector, station, kind_of(soc, max(volts, default=0.0)))
    if thing.kind == "DC" or "current_a" not in window.fields or len(active) > 1:
        _offer(window, fullest, values)  # else it may be the sum of three phases'
    if thing.kind == "DC":
        for name in _OF_THE_BATTERY:
            values.pop(name, None)
    elif "plug_heat" in values:
        values["plug_heat"] *= _of_the_usual(connector, station)
    return Window(
        station_id=view.station_id,
        connector_id=connector.connector_id,
        transaction_id=session.transaction_id,
        vehicle=session.vehicle_key,
        start=window.start,
        kind=thing.kind,
        model=thing.model,
        context=Context(current_bin(fullest.mean), soc_bin(soc), len(active), ambient_bin(ambient)),
        current_a=fullest.mean,
        values=values,
        firmware=thing.firmware,
        connector_type=thing.connector_type,
    )


def _phases(stem: str, unit: str) -> tuple[str, str, str]:
    return f"{stem}_l1_{unit}", f"{stem}_l2_{unit}", f"{stem}_l3_{unit}"


def _power(window: OpenWindow) -> Sums | None:
    if "power_w" in window.fields:
        return window.fields["power_w"]
    phases = [window.fields[name] for name in _phases("power", "w") if name in window.fields]
    if not phases or len({sums.n for sums in phases}) != 1:
        return None
    return Sums(phases[0].n, sum(sums.total for sums in phases))  # ripple over phases cannot be had


def _in_watts(power: Sums | None, active: list[Sums], volts: list[float]) -> Sums | None:
    """Power; None where it cannot be in watts."""
    if power is None or not volts:
        return power
    apparent = sum(sums.mean for sums in active) * sum(volts) / len(volts)
    return None if in_another_unit(power.mean, apparent) else power


def in_another_unit(watts: float, apparent: float) -> bool:
    """Whether power cannot be in watts, by volts times amperes."""
    return not apparent / _OTHER_UNIT < watts < apparent * _OTHER_UNIT


def _ratios(window: OpenWindow, active: list[Sums], volts: list[float], power: Sums | None) -> dict[str, float]:
    values: dict[str, float] = {}
    amperes = sum(sums.mean for sums in active)
    means = [sums.mean for sums in active]
    if power is not None and power.mean > 0:
        values["watts_per_amp"] = power.mean / amperes
        if len(volts) >= len(active):
            values["power_balance"] = power.mean / sum(v * a for v, a in zip(volts, means, strict=False))
        if power.n >= _RIPPLE_SAMPLES and power.squares:
            values["power_ripple"] = 100 * power.deviation / power.mean
        _register_balance(window, power, values)
    if volts:
        values["voltage_level"] = sum(volts) / len(volts)
    if "power_factor" in window.fields:
        values["power_factor"] = window.fields["power_factor"].mean
    if len(volts) == 3:
        values["voltage_unbalance"] = _unbalance(volts)
    if len(active) > 1:
        values["current_unbalance"] = _unbalance(means)
    if active[0].n >= _RIPPLE_SAMPLES:
        values["current_ripple"] = 100 * active[0].deviation / active[0].mean
    return values


def _register_balance(window: OpenWindow, power: Sums, values: dict[str, float]) -> None:
    register = window.fields.get("energy_wh")
    if register is None or window.register_from is None or window.register_to is None:
        return
    hours = (window.register_to - window.register_from).total_seconds() / 3600
    expected_wh = power.mean * hours
    if expected_wh >= max(_REGISTER_WH, _STEPS * window.register_step_wh):
        values["register_balance"] = (register.last - register.first) / expected_wh


def _of_the_usual(connector: ConnectorView, station: Station | None) -> float:
    """By what heat over current squared of an AC plug is multiplied to be held against that of plugs for 32 A; one
    whose rating is not known is taken for one of those."""
    known = station.connector(connector.connector_id) if station is not None else None
    return ((known.max_current_a if known is not None else None) or USUAL_A) ** 2 / USUAL_A**2


def _unbalance(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return 100 * max(abs(value - mean) for value in values) / mean


def _offer(window: OpenWindow, fullest: Sums, values: dict[str, float]) -> None:
    offered = window.fields.get("current_offered_a")
    if offered is not None and offered.mean >= MIN_CURRENT_A:
        values["offer_excess"] = max(fullest.mean / offered.mean - 1, 0.0)


def _surroundings(
    view: StationView, connector: ConnectorView, ambient: float | None, current_a: float, since: datetime
) -> dict[str, float]:
    values: dict[str, float] = {}
    plug = _believed(
        surrounding(view, connector, since, "plug_temperature_c", "temperature_c", "cable/temperature_c")
    )
    cabinet = _believed(surrounding(view, connector, since, "cabinet_temperature_c", "body/temperature_c"))
    if plug is not None and ambient is not None:
        values["plug_heat"] = 1000 * (plug - ambient) / current_a**2
    if cabinet is not None and ambient is not None and _alone(view, connector, since):
        values["cabinet_rise"] = cabinet - ambient
    fan = surrounding(view, connector, since, "fan_rpm")
    if fan and cabinet is not None and cabinet >= ROOM_C + LEAST_WARM_K:
        values["fan_speed"] = fan / (cabinet - ROOM_C)
    isolation = surrounding(view, connector, since, "isolation_ohm_per_v")
    if isolation is not None:
        values["isolation"] = math.log(max(isolation, _LEAST_ISOLATION))
    return values


def _believed(celsius: float | None) -> float | None:
    """What no open or shorted sensor says."""
    return celsius if celsius is not None and -40 < celsius < 150 else None


def _alone(view: StationView, connector: ConnectorView, since: datetime) -> bool:
    """Whether what is in the cabinet is this connector's warmth: no other one charges, or did lately."""
    return not any(
        (other.power is not None and other.power.watts >= FLOWS_W)
        if other.session is not None
        else other.last_ended_at is not None and other.last_ended_at > since - COOLS
        for other in view.connectors.values()
        if other.connector_id not in (0, connector.connector_id)
    )
