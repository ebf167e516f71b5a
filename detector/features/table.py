"""The features of the three forests: one row each. The order is the order of a model's columns; a change of it
needs a new `detector.models.model.VERSION`."""

from __future__ import annotations

import math
from typing import NamedTuple

from detector.features.sample import Span

_METER = "Compare the meter with an independent one; check its wiring."
_CONTACT = "Look for a loose contact or a failing module."
_SUPPLY = "Measure the supply voltage with and without load; tighten terminals."
_PLUG = "Look at the plug's contacts for discolouration and wear; clean or replace the cable."
_COOLING = "Check fans and filters; tighten power terminals."
_START = "Try a session with a known good vehicle; look at plug, lock, reader and contactor."
_WELDED = "See whether the contactor opens: measure at the outlet with no vehicle there."
_ROOT = "2 sqrt(n + 3/8)"
_LINK = "Check antenna, modem, SIM and power supply of the controller."


ABOVE, BELOW = "above", "below"


class Feature(NamedTuple):
    """`resolution` is the smallest difference that means anything: spreads are taken as at least that.
    `ratio`: told as a multiple of normal; else as a difference."""

    label: str
    unit: str
    asset: str  # station or cable; empty: either may be at fault, and the other connectors tell
    resolution: float
    formula: str
    source: str
    remedy: str
    ratio: bool = False
    counts: bool = False  # its value is 2 sqrt(n + 3/8) of a count n
    log: bool = False  # its value is a natural logarithm: what spans decades
    shared: bool = False  # the supply's, which stations of a site share
    own: bool = False  # sound equipment differs so much that a connector is held against its own past only
    adds: bool = True  # small deviations add up; not where drivers, or how often a station tells, make them
    many: bool = False  # its label is a plural
    yes_no: bool = False  # 1 or 0
    worse: str = ""  # ABOVE or BELOW normal; what lies on the other side is no fault. Empty: both sides are

    def shown(self, value: float) -> float:
        """A value as people are told it."""
        if self.counts:
            return max((value / 2) ** 2 - 0.375, 0.0)
        return math.exp(value) if self.log else value


WINDOW_FEATURES: dict[str, Feature] = {
    "power_balance": Feature(
        "power per volt and ampere", "", "station", 0.005, "P / sum(V I)", "power, voltage, current", _METER
    ),
    "watts_per_amp": Feature(
        "power per ampere", "W/A", "station", 1.0, "P / sum(I), AC", "power, current", _METER, shared=True
    ),
    "register_balance": Feature(
        "energy register against power", "", "station", 0.01, "dE / (P dt)", "energy register, power", _METER
    ),
    "voltage_unbalance": Feature(
        "voltage unbalance",
        "%",
        "station",
        0.2,
        "100 max|V - mean V| / mean V",
        "voltage of three phases",
        "Measure all phases under load; look for a loose terminal or neutral.",
        shared=True,
        worse=ABOVE,
    ),
    "current_unbalance": Feature(
        "current unbalance",
        "%",
        "station",
        0.5,
        "100 max|I - mean I| / mean I",
        "current of the phases in use",
        "Check contactor contacts and terminals of the weaker phase.",
        worse=ABOVE,
    ),
    "voltage_level": Feature("voltage", "V", "station", 1.0, "mean V, AC", "voltage", _SUPPLY, shared=True),
    "current_ripple": Feature(
        "current ripple",
        "%",
        "station",
        0.3,
        "100 deviation of I / mean I",
        "current, 4 samples",
        _CONTACT,
        ratio=True,
        worse=ABOVE,
    ),
    "power_ripple": Feature(
        "power ripple",
        "%",
        "station",
        0.3,
        "100 deviation of P / mean P",
        "power, 4 samples",
        _CONTACT,
        ratio=True,
        worse=ABOVE,
    ),
    "plug_heat": Feature(
        "plug heat over current squared",
        "mK/A2",
        "cable",
        0.5,
        "1000 (T plug - T ambient) / I^2, from 8 K on; AC: times (rated current / 32 A)^2",
        "plug and ambient temperature, current",
        _PLUG,
        ratio=True,
        worse=ABOVE,
    ),
    "cabinet_rise": Feature(
        "cabinet temperature over ambient",
        "K",
        "station",
        1.0,
        "T cabinet - T ambient, while no other outlet charges",
        "cabinet and ambient temperature",
        _COOLING,
        worse=ABOVE,
    ),
    "fan_speed": Feature(
        "fan speed for the warmth inside",
        "rpm/K",
        "station",
        5.0,
        "rpm / (T cabinet - 20), while it turns and from 25 C on",
        "fan, cabinet temperature",
        "Check fans and filters.",
    ),
    "isolation": Feature(
        "insulation resistance",
        "Ohm/V",
        "cable",
        0.7,  # weather halves it and more
        "ln of the newest",
        "isolation monitor",
        "Measure insulation of cable and station; look for moisture.",
        log=True,
        own=True,
        worse=BELOW,
    ),
    "offer_excess": Feature(
        "current beyond what is offered",
        "",
        "station",
        0.02,
        "mean I / current offered - 1, at least 0",
        "current, current offered",
        "Check that the station obeys its limit; update its firmware.",
        worse=ABOVE,
    ),
    "power_factor": Feature("power factor", "", "station", 0.01, "mean", "power factor", _METER),
}

OF_ITS_WINDOWS = WINDOW_FEATURES.keys() - {"plug_heat", "cabinet_rise"}
"""Features of windows that a session has as well, as their mean: what is a little off all the time stands out of
the noise. What is warm is so at the end: a session has features of its own for it."""

SESSION_FEATURES: dict[str, Feature] = {
    "start_latency": Feature(
        "time until power flows",
        "s",
        "station",
        1.0,
        "ln(first power over 100 W - start)",
        "power",
        _START,
        ratio=True,
        log=True,
        adds=False,
        worse=ABOVE,
    ),
    "energy_balance": Feature(
        "energy register against power, whole session",
        "",
        "station",
        0.01,
        "E / integral of P",
        "energy register, power",
        _METER,
    ),
    "load_factor": Feature(
        "energy for duration and peak power",
        "",
        "station",
        0.05,
        "E / (peak P x time since power flowed)",
        "energy register, power",
        "Look for derating and interruptions: temperature, fans, failed power modules.",
        worse=BELOW,
    ),
    "taper_share": Feature(
        "time at reduced power",
        "",
        "station",
        0.05,
        "time under 80 % of peak P / time with power",
        "power",
        _COOLING,
        worse=ABOVE,
    ),
    "pauses": Feature(
        "interruptions",
        "",
        "station",
        0.5,
        "falls of P under 100 W that it came back from",
        "power",
        _CONTACT,
        many=True,
        worse=ABOVE,
    ),
    "heat_end": Feature(
        "plug heat over current squared at the end",
        "mK/A2",
        "cable",
        0.5,
        "mean of the last 3 windows",
        "plug and ambient temperature, current",
        _PLUG,
        ratio=True,
        worse=ABOVE,
    ),
    "supply_fall": Feature(
        "voltage lost per ampere",
        "mOhm",
        "station",
        30.0,
        "-1000 cov(V, I) / var(I) of the fullest phase",
        "voltage, current",
        _SUPPLY,
        ratio=True,
        worse=ABOVE,
    ),
    "cabinet_end": Feature(
        "cabinet temperature over ambient at the end",
        "K",
        "station",
        1.0,
        "mean of the last 3 windows",
        "cabinet and ambient temperature",
        _COOLING,
        worse=ABOVE,
    ),
    "ended_badly": Feature(
        "ended by the equipment",
        "",
        "",
        0.5,
        "1 for EmergencyStop, PowerLoss, reset, reboot, fault reasons, else 0",
        "stop reason",
        _START,
        yes_no=True,
        worse=ABOVE,
    ),
    "without_energy": Feature(
        "no energy delivered",
        "",
        "",
        0.5,
        "1 under 0.1 kWh, else 0",
        "energy register",
        _START,
        yes_no=True,
        worse=ABOVE,
    ),
    "retries": Feature(
        "starts before this one",
        "",
        "",
        0.5,
        "sessions under 0.1 kWh in the 15 min before",
        "sessions",
        _START,
        many=True,
        worse=ABOVE,
    ),
    "errors": Feature(
        "error reports in the session",
        "",
        "station",
        0.5,
        "count",
        "status notifications",
        _START,
        many=True,
        worse=ABOVE,
    ),
} | {
    name: feature._replace(formula=f"mean over its windows: {feature.formula}")
    for name, feature in WINDOW_FEATURES.items()
    if name in OF_ITS_WINDOWS
}

DAY_FEATURES: dict[str, Feature] = {
    "sessions": Feature(
        "sessions of the day", "", "station", 0.7, _ROOT, "sessions", _START, counts=True, adds=False, worse=BELOW
    ),
    "failed_share": Feature(
        "share of failed starts",
        "",
        "station",
        0.15,
        "(failed + 1/2) / (starts + 1)",
        "sessions",
        _START,
        worse=ABOVE,
    ),
    "energy_per_session": Feature(
        "energy per session",
        "kWh",
        "station",
        2.0,
        "E / sessions",
        "energy register",
        _COOLING,
        adds=False,
        worse=BELOW,
    ),
    "idle_share": Feature(
        "time occupied without charging",
        "",
        "station",
        0.05,
        "time Preparing, Suspended or Finishing / day",
        "status notifications",
        "See whether the lock holds a cable, or the station hangs; restart it.",
        adds=False,
        worse=ABOVE,
    ),
    "blocked_share": Feature(
        "time faulted or unavailable",
        "",
        "station",
        0.02,
        "time Faulted or Unavailable / day",
        "status notifications",
        "Read the station's own log; restart it.",
        worse=ABOVE,
    ),
    "status_changes": Feature(
        "status changes",
        "",
        "station",
        1.0,
        _ROOT,
        "status notifications",
        _CONTACT,
        counts=True,
        adds=False,
        worse=ABOVE,
    ),
    "error_count": Feature(
        "error reports", "", "station", 0.7, _ROOT, "status notifications", _START, counts=True, worse=ABOVE
    ),
    "repeats": Feature(
        "starts tried again",
        "",
        "station",
        0.7,
        "2 sqrt(n + 3/8) of starts within 5 min of the session before",
        "sessions",
        _START,
        counts=True,
        worse=ABOVE,
    ),
    "reconnects": Feature("reconnects", "", "station", 0.7, _ROOT, "link", _LINK, counts=True, worse=ABOVE),
    "boots": Feature("restarts", "", "station", 0.7, _ROOT, "boot notifications", _LINK, counts=True, worse=ABOVE),
    "best_power": Feature(
        "highest power of the day",
        "",
        "station",
        0.03,
        "max P of sessions / rated power",
        "power, network file",
        "Look for failed power modules and derating.",
        worse=BELOW,
    ),
    "idle_power": Feature(
        "power outside any session", "W", "station", 20.0, "mean P outside sessions", "power", _WELDED, worse=ABOVE
    ),
    "oddness": Feature(
        "oddness of the day's windows",
        "",
        "station",
        0.2,
        "mean of -log10 p of the window forest",
        "the window forest",
        "Compare it with its neighbours at the next visit.",
        worse=ABOVE,
    ),
}

FEATURES_OF: dict[Span, dict[str, Feature]] = {
    Span.WINDOW: WINDOW_FEATURES,
    Span.SESSION: SESSION_FEATURES,
    Span.DAY: DAY_FEATURES,
}
FEATURES: dict[str, Feature] = SESSION_FEATURES | WINDOW_FEATURES | DAY_FEATURES
"""By name; a name means the same in all three."""
