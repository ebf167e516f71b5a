"""A whole session in numbers: how it started, what flowed, how warm it was at the end, how it ended."""

from __future__ import annotations

import math
from datetime import datetime

import msgspec

from detector.features.sample import (
    UNKNOWN,
    Context,
    Span,
    Window,
    current_bin,
    equipment,
    kind_of,
    soc_bin,
)
from detector.features.table import OF_ITS_WINDOWS
from detector.features.window import FLOWS_W, MIN_CURRENT_A, RAMP, in_another_unit
from detector.view import ConnectorView, Power, Sample, SessionEnded, StationView
from laddvakt.domain.attempts import BY_EQUIPMENT
from laddvakt.domain.stations import Station

GOOD_SESSION_WH = 100.0
_REDUCED = 0.8
_GAP_S = 600.0
"""Power is not carried on over a longer silence."""
_COVERED = 0.95
"""Share of the session that power must be known for, to hold the register against it; and of its energy, if the
most that it ever took had flowed in the rest."""
_LEAST_WH = 2000.0
_LEAST_S = 600.0
_MOST_LOAD = 1.1
"""More energy than the peak power could give: the peak fell between two samples."""
_LAST_WINDOWS = 3
_SLOPE_SAMPLES = 10
_SLOPE_SPREAD_A = 2.0


class Slope(msgspec.Struct, array_like=True):
    """Running sums of a line through (amperes, volts)."""

    n: int = 0
    amperes: float = 0.0
    volts: float = 0.0
    squares: float = 0.0  # amperes squared
    products: float = 0.0

    def add(self, amperes: float, volts: float) -> None:
        self.n += 1
        self.amperes += amperes
        self.volts += volts
        self.squares += amperes * amperes
        self.products += amperes * volts

    def fall(self) -> float | None:
        """Volts lost per ampere, by least squares; None where the current hardly changed."""
        if self.n < _SLOPE_SAMPLES:
            return None
        variance = self.squares / self.n - (self.amperes / self.n) ** 2
        if variance < _SLOPE_SPREAD_A**2:
            return None
        return (self.amperes * self.volts / self.n - self.products) / self.n / variance


class Mean(msgspec.Struct, array_like=True):
    """A running mean."""

    n: int = 0
    total: float = 0.0

    def add(self, value: float) -> None:
        self.n += 1
        self.total += value


class OpenSession(msgspec.Struct, array_like=True):
    """A session being gathered. Sums are over time: watt-hours, seconds."""

    transaction_id: str
    at: datetime | None = None  # of the newest power
    watts: float = 0.0
    wh: float = 0.0  # integral of power that was measured
    known_s: float = 0.0  # that power was known for
    flow_s: float = 0.0  # that it flowed
    reduced_s: float = 0.0  # that it flowed under 80 % of the largest so far
    peak_w: float = 0.0
    pauses: int = 0
    by_register: bool = False  # power was worked out from the register, which it cannot be held against
    phases: int = UNKNOWN
    ambient_bin: int = UNKNOWN
    heat: tuple[float, ...] = ()  # what windows said, the last few
    cabinet: tuple[float, ...] = ()
    steady: dict[str, Mean] = {}  # and all of them
    supply: Slope = msgspec.field(default_factory=Slope)
    other_unit: bool = False  # power was told in kilowatts, or the like

    def add(self, power: Power) -> None:
        """Power in the order of time."""
        self.by_register = self.by_register or power.basis == "register"
        if self.at is not None:
            seconds = (power.at - self.at).total_seconds()
            if seconds <= 0:
                return
            if seconds <= _GAP_S:
                self._spend(seconds, power.watts)
        self.pauses += self.peak_w >= FLOWS_W > self.watts and power.watts >= FLOWS_W  # the end is none
        self.at, self.watts, self.peak_w = power.at, power.watts, max(self.peak_w, power.watts)

    def _spend(self, seconds: float, watts: float) -> None:
        mean_w = (self.watts + watts) / 2
        self.wh += mean_w * seconds / 3600
        self.known_s += seconds
        if mean_w >= FLOWS_W:
            self.flow_s += seconds
            self.reduced_s += seconds if mean_w < _REDUCED * self.peak_w else 0.0

    def note(self, window: Window) -> None:
        """A window of this session."""
        self.phases, self.ambient_bin = window.context.phases, window.context.ambient_bin
        for name, mine in (("plug_heat", "heat"), ("cabinet_rise", "cabinet")):
            if name in window.values:
                setattr(self, mine, (*getattr(self, mine)[-(_LAST_WINDOWS - 1) :], window.values[name]))
        for name in OF_ITS_WINDOWS & window.values.keys():
            self.steady.setdefault(name, Mean()).add(window.values[name])


def add_samples(open_: OpenSession, samples: list[Sample]) -> None:
    for sample in samples:
        if sample.transaction != open_.transaction_id:
            continue
        if sample.power is not None:
            open_.add(sample.power)
            open_.other_unit = open_.other_unit or _other_unit(sample, sample.power)
        if sample.currents and len(sample.currents) == len(sample.voltages) and sample.source == "ocpp":
            fullest = max(range(len(sample.currents)), key=sample.currents.__getitem__)
            open_.supply.add(sample.currents[fullest], sample.voltages[fullest])


def _other_unit(sample: Sample, power: Power) -> bool:
    amps, volts = sample.currents, sample.voltages
    if power.basis != "measured" or power.watts <= 0 or len(amps) != len(volts):
        return False
    apparent = sum(a * v for a, v in zip(amps, volts, strict=True))
    return max(amps, default=0.0) >= MIN_CURRENT_A and in_another_unit(power.watts, apparent)


def close_session(
    open_: OpenSession | None,
    ended: SessionEnded,
    retries: int,
    view: StationView,
    connector: ConnectorView,
    station: Station | None,
) -> Window | None:
    """The row of a session that ended; None for one that nobody saw run, or that was refused."""
    if ended.late or ended.refused or not ended.stop_reason:
        return None
    open_ = open_ or OpenSession(ended.transaction_id)
    soc = ended.soc_last_pct
    thing = equipment(view, connector, station, kind_of(soc, connector.value("voltage_v") or 0.0))
    return Window(
        station_id=view.station_id,
        connector_id=connector.connector_id,
        transaction_id=ended.transaction_id,
        vehicle=ended.vehicle,
        start=ended.started_at,
        kind=thing.kind,
        model=thing.model,
        context=Context(
            current_bin(ended.current_max_a), soc_bin(ended.soc_first_pct), open_.phases, open_.ambient_bin
        ),
        current_a=ended.current_max_a,
        values=_values(open_, ended, retries, managed=_managed(view, connector, ended))
        | _supply(open_, thing.kind),
        firmware=thing.firmware,
        connector_type=thing.connector_type,
        span=Span.SESSION,
        ended_at=ended.ended_at,
    )


def _managed(view: StationView, connector: ConnectorView, ended: SessionEnded) -> bool:
    """Whether somebody steered its power: a limit that changed once it ran, a schedule, or one set elsewhere."""
    profiles = view.profiles
    changed = profiles.changed_at is not None and profiles.changed_at > ended.started_at + RAMP
    here = (0, connector.connector_id)
    scheduled = any(one.connector_id in here and len(one.periods) > 1 for one in profiles.accepted)
    return changed or scheduled or any(number in here for number in profiles.outside)


def _values(open_: OpenSession, ended: SessionEnded, retries: int, *, managed: bool) -> dict[str, float]:
    """What a pause of the vehicle's, or a limit, explains is left out."""
    free = not ended.limited and not ended.suspended_by
    values = {
        "ended_badly": float(ended.stop_reason in BY_EQUIPMENT),
        "without_energy": float(free and ended.energy_wh < GOOD_SESSION_WH),
        "retries": float(retries),
        "errors": float(len(ended.errors)),
    }
    values |= {name: mean.total / mean.n for name, mean in open_.steady.items()}
    for name, last in (("heat_end", open_.heat), ("cabinet_end", open_.cabinet)):
        if last:
            values[name] = sum(last) / len(last)
    if open_.other_unit:
        return values
    if free:
        values |= _start(ended) | ({} if managed else _flow(open_, ended))
    if not open_.by_register and open_.wh >= _LEAST_WH and _covered(open_, ended.duration_s):
        values["energy_balance"] = ended.energy_wh / open_.wh
    return values


def _covered(open_: OpenSession, duration_s: float) -> bool:
    unknown_s = max(duration_s - open_.known_s, 0.0)
    most_wh = open_.peak_w * unknown_s / 3600
    return unknown_s <= (1 - _COVERED) * duration_s and most_wh <= (1 - _COVERED) * open_.wh


def _supply(open_: OpenSession, kind: str) -> dict[str, float]:
    """Over DC, the voltage is the battery's."""
    fall = open_.supply.fall() if kind == "AC" else None
    return {} if fall is None else {"supply_fall": 1000 * fall}


def _start(ended: SessionEnded) -> dict[str, float]:
    if ended.first_flow_at is None:
        return {}
    return {"start_latency": math.log(max((ended.first_flow_at - ended.started_at).total_seconds(), 1.0))}


def _flow(open_: OpenSession, ended: SessionEnded) -> dict[str, float]:
    values: dict[str, float] = {}
    if ended.first_flow_at is not None:
        seconds = (ended.ended_at - ended.first_flow_at).total_seconds()
        if seconds >= _LEAST_S and ended.power_max_w >= FLOWS_W:
            load = ended.energy_wh / (ended.power_max_w * seconds / 3600)
            if load <= _MOST_LOAD:
                values["load_factor"] = load
    if open_.flow_s >= _LEAST_S:
        values["taper_share"] = open_.reduced_s / open_.flow_s
        values["pauses"] = float(open_.pauses)
    return values
