"""What a station's own firmware protects itself from, and what it says then: limits of a model, one row per guard.

The limits are those of the model at hand, drawn per model; IEC 61851-1 and -23 ask for most of the guards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from simulator.circuit import Circuit
from simulator.spec import StationSpec

_SOUND_MA = 8.0  # what filters leak together, with nothing wrong


class Fault:
    """What a station itself reports about a connector (OCPP 1.6 section 7.6 ChargePointErrorCode). `hung`: its
    software hangs, so a restart mends it."""

    __slots__ = ("error_code", "hung", "info", "vendor_error_code")

    def __init__(
        self, error_code: str, info: str = "", vendor_error_code: str = "", *, hung: bool = False
    ) -> None:
        self.error_code, self.info, self.vendor_error_code = error_code, info, vendor_error_code
        self.hung = hung


class Limits(NamedTuple):
    """Of one model."""

    plug_derate_c: float
    plug_stop_c: float
    plug_resume_c: float
    cabinet_derate_c: float
    cabinet_stop_c: float
    over_current: float  # times what is offered
    low_v: float
    high_v: float
    watches_phases: bool  # or L1 alone
    residual_ma: float
    isolation_ohm_per_v: float
    feels_welds: bool  # by an auxiliary contact
    tells_derating: bool  # reports it, and offers the vehicle's current accordingly


class Senses(NamedTuple):
    """What firmware can look at."""

    circuit: Circuit
    cabinet_c: float
    limits: Limits
    rng: random.Random


class Guard(NamedTuple):
    """Trips on what it sees; after `hold_s` at the least it lets go once `clears`."""

    fault: Fault
    trips: Callable[[Senses], bool]
    hold_s: float
    clears: Callable[[Senses], bool]


def limits_of(spec: StationSpec) -> Limits:
    """The limits of a vendor and model; the same for all stations of that model."""
    rng = random.Random(f"limits/{spec.vendor}/{spec.model}")
    return Limits(
        plug_derate_c=rng.uniform(82, 92),
        plug_stop_c=rng.uniform(104, 116),
        plug_resume_c=rng.uniform(45, 55),
        cabinet_derate_c=rng.uniform(54, 60),
        cabinet_stop_c=rng.uniform(76, 82),
        over_current=rng.uniform(1.2, 1.35),
        low_v=rng.uniform(184, 196),
        high_v=rng.uniform(264, 272),
        watches_phases=rng.random() < 0.5,
        residual_ma=rng.uniform(22, 29),
        isolation_ohm_per_v=100.0,  # IEC 61851-23 6.3.1.109
        feels_welds=rng.random() < 0.6,
        tells_derating=rng.random() < 0.6,
    )


def _watched_v(senses: Senses) -> list[float]:
    circuit = senses.circuit
    if circuit.dc:
        return []
    return circuit.volts if senses.limits.watches_phases else circuit.volts[:1]


def _too_low(senses: Senses) -> bool:
    return min(_watched_v(senses), default=230.0) < senses.limits.low_v


def _too_high(senses: Senses) -> bool:
    return max(_watched_v(senses), default=230.0) > senses.limits.high_v


def _too_much(senses: Senses) -> bool:
    """More than is offered; nothing offered is a vehicle that is about to stop, and a lower offer takes time to be
    followed (IEC 61851-1)."""
    offered_a = senses.circuit.offered_a
    return (
        offered_a > 0
        and not senses.circuit.adjusting
        and max(senses.circuit.amps) > offered_a * senses.limits.over_current + 1
    )


def _leaks(senses: Senses) -> bool:
    """Residual currents are restless: water, vibration."""
    circuit = senses.circuit
    leak_ma = circuit.defects.leak_ma + (circuit.vehicle.leak_ma if circuit.vehicle else 0.0)
    if leak_ma < _SOUND_MA or not circuit.conducting:
        return False
    return leak_ma * senses.rng.lognormvariate(0, 0.25) > senses.limits.residual_ma


def _poor_isolation(senses: Senses) -> bool:
    """The cable check before each DC session, and the monitor during one."""
    return senses.circuit.isolation_ohm_per_v < senses.limits.isolation_ohm_per_v


def _always(senses: Senses) -> bool:
    return True


_GUARDS = (
    Guard(
        Fault("HighTemperature", "plug over temperature, charging stopped", "CX019"),
        lambda s: s.circuit.trusted_plug_c > s.limits.plug_stop_c,
        300,
        lambda s: s.circuit.trusted_plug_c < s.limits.plug_resume_c,
    ),
    Guard(
        Fault("HighTemperature", "cabinet over temperature, charging stopped", "CX003"),
        lambda s: s.cabinet_c > s.limits.cabinet_stop_c,
        300,
        lambda s: s.cabinet_c < s.limits.cabinet_derate_c - 8,
    ),
    Guard(Fault("OverCurrentFailure", "current above the one offered", "CX004"), _too_much, 40, _always),
    Guard(Fault("GroundFailure", "residual current device tripped", "CX002"), _leaks, 150, _always),
    Guard(Fault("UnderVoltage", "mains voltage too low", "CX006"), _too_low, 60, lambda s: not _too_low(s)),
    Guard(Fault("OverVoltage", "mains voltage too high", "CX005"), _too_high, 60, lambda s: not _too_high(s)),
    Guard(Fault("OtherError", "cable check failed, isolation low", "CX011"), _poor_isolation, 90, _always),
    Guard(
        Fault("PowerSwitchFailure", "contactor does not open", "CX017"),
        lambda s: s.limits.feels_welds and s.circuit.welded,
        60,
        lambda s: not s.circuit.welded,
    ),
)

_HOT_PLUG = Fault("HighTemperature", "plug hot, current reduced", "CX018")
_HOT_CABINET = Fault("HighTemperature", "cabinet hot, power reduced", "CX003")


def tripped(senses: Senses) -> Guard | None:
    """The first guard that trips."""
    for guard in _GUARDS:
        if guard.trips(senses):
            return guard
    return None


def derating(senses: Senses, now: float) -> tuple[float, Fault | None]:
    """Share of the power that is allowed while something is hot (`now`: the share so far), and what is said of it.
    It grows again only when it has cooled by five kelvin."""
    limits, plug_c = senses.limits, senses.circuit.trusted_plug_c
    plug = _share(plug_c, limits.plug_derate_c, limits.plug_stop_c)
    cabinet = _share(senses.cabinet_c, limits.cabinet_derate_c, limits.cabinet_stop_c)
    if plug == cabinet == 1.0 and now < 1.0:
        cooled = plug_c < limits.plug_derate_c - 5 and senses.cabinet_c < limits.cabinet_derate_c - 5
        return (1.0, None) if cooled else (max(now, 0.9), None)
    share = min(plug, cabinet)
    if share == 1.0 or not limits.tells_derating:
        return share, None
    return share, _HOT_PLUG if plug < cabinet else _HOT_CABINET


def _share(temperature_c: float, from_c: float, stop_c: float) -> float:
    """Linear from all to a quarter."""
    return 1.0 - 0.75 * min(max((temperature_c - from_c) / (stop_c - from_c), 0.0), 1.0)
