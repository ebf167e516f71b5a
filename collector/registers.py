"""A session's energy from the station's register (OCPP 1.6). Pure.

Stations count over a lifetime, since boot or per session, some in one message so and in the next otherwise, and
some name the wrong unit. Energy is worked out on the basis of the start: a value is taken as it was said if it can
be, else on the basis that the register was found to have begun anew on, else in the unit that it must be in. What
fits nowhere is set aside; only a second value that goes on from it shows that the register counts anew from there.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from msgspec.structs import replace

from collector.quality import (
    CLOCK_UNSET,
    COUNTED_ANEW,
    FAR_BELOW_POWER,
    KWH_AS_WH,
    MISLABELLED,
    NO_START_REGISTER,
    NO_STOP_REGISTER,
    STOP_BELOW_READ,
    STOP_BELOW_START,
    TOO_FAST,
    doubt,
    most_wh,
    possible,
)
from laddvakt.domain.facts import TransactionStopped
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, Session

PHASES = ("power_l1_w", "power_l2_w", "power_l3_w")
_SAME_SCALE = 1.5
_FAR_LESS = 50  # times less than the power said: not a matter of precision
_ENOUGH_WH = 500.0
_LONGEST_S = 900.0  # between two values of power; across a longer gap it says nothing
_MOST_OFFLINE_S = 2 * 86400.0  # the longest charge that is believed of a station whose clock was not set


class _Read(NamedTuple):
    """A register on the basis of the session's start, and what is doubtful about reading it so."""

    wh: float
    quality: Quality = Quality.CONFIRMED
    reason: str = ""


def of_moment(moment: list[Reading]) -> list[Reading]:
    """The energy registers of one moment: the outlet's own, or the sum of the phases where only these are said."""
    energy = [r for r in moment if r.field.startswith("energy_") and r.location in ("", "Outlet")]
    totals = [r for r in energy if r.field == "energy_wh"]
    phases = {r.field: r for r in energy if r.field in ("energy_l1_wh", "energy_l2_wh", "energy_l3_wh")}
    if totals or len(phases) < 3:
        return totals
    first = next(iter(phases.values()))
    return [replace(first, field="energy_wh", value=sum(r.value for r in phases.values()))]


def take(session: Session, reading: Reading, max_power_w: float | None) -> Session:
    """The session after one value of the register."""
    if session.meter_start_wh is None:
        session = replace(session, meter_start_wh=round(reading.value), meter_last_wh=reading.value)
        return doubt(session, Quality.ESTIMATED, NO_START_REGISTER)
    if reading.context == "Transaction.Begin":
        return session  # the start has said it; some repeat it with every sample
    read = _read(session, reading.value, reading.factor, reading.at, max_power_w)
    if read is None:
        return _set_aside(session, reading, max_power_w)
    if session.register_aside_wh is not None:  # it was a single one
        session = replace(session, register_aside_wh=None, readings_ignored=session.readings_ignored + 1)
    if read.reason:
        session = doubt(session, read.quality, read.reason)
    return _counted(session, read.wh, max_power_w)


def _counted(session: Session, wh: float, max_power_w: float | None) -> Session:
    start = session.meter_start_wh or 0
    last = start if session.meter_last_wh is None else session.meter_last_wh
    wh = max(wh, last)  # below the resolution a fall is rounding: starts and stops are whole Wh
    rise = wh - start
    if 0 < rise * _FAR_LESS < session.power_wh and session.power_wh > _ENOUGH_WH:
        session = doubt(session, Quality.SUSPECT, FAR_BELOW_POWER)
        if max_power_w is not None and rise * 1000 <= 1.5 * session.power_wh + 1000:
            rise *= 1000  # a counter of whole kWh whose label says Wh
    return replace(session, meter_last_wh=wh, energy_wh=max(0, round(rise)))


def said_power(moment: list[Reading]) -> float | None:
    """The power of one moment where it is said: the total, or all three phases."""
    power = [r for r in moment if r.field.startswith("power_") and r.location in ("", "Outlet", "Inlet")]
    said = {r.field: r.value for r in reversed(power)}
    phases = [said[field] for field in PHASES if field in said]
    return said.get("power_w", sum(phases) if len(phases) == len(PHASES) else None)


def with_power(session: Session, power_w: float | None, at: datetime, max_power_w: float | None) -> Session:
    """The session with the energy that its power amounts to since the moment before."""
    seconds = (at - (session.last_reading_at or session.started_at)).total_seconds()
    if power_w is None or not 0 < power_w <= most_wh(3600, max_power_w) or not 0 < seconds <= _LONGEST_S:
        return session
    return replace(session, power_wh=round(session.power_wh + power_w * seconds / 3600, 3))


def fits(session: Session, value: float, at: datetime, max_power_w: float | None) -> bool:
    """Whether the register of a session can have this value, taken as it is said or on the session's basis."""
    return session.meter_start_wh is None or _as_said(session, value, at, max_power_w) is not None


def _as_said(session: Session, value: float, at: datetime, max_power_w: float | None) -> float | None:
    start, last = session.meter_start_wh or 0, session.meter_last_wh
    least = (start if last is None else last) - 1
    ways = {value, value + session.register_base_wh}
    can_be = [wh for wh in ways if wh >= least and possible(session, wh - start, at, max_power_w)]
    return min(can_be, default=None)


def _read(session: Session, value: float, factor: float, at: datetime, max_power_w: float | None) -> _Read | None:
    """The first way of reading the value that can be. `factor` as in Reading."""
    wh = _as_said(session, value, at, max_power_w)
    if wh is not None:
        return _Read(wh)
    if factor == 1000:
        wh = _as_said(session, value / 1000, at, max_power_w)
        return None if wh is None else _Read(wh, Quality.SUSPECT, MISLABELLED)
    wh = _as_said(session, value * 1000, at, max_power_w)
    near = wh is not None and wh <= _SAME_SCALE * (session.meter_last_wh or 0)  # not a register that began anew
    return _Read(wh, Quality.ESTIMATED, KWH_AS_WH) if wh is not None and near else None


def _set_aside(session: Session, reading: Reading, max_power_w: float | None) -> Session:
    """A value that fits nowhere. A second one that has risen from it begins a new basis; a third is not waited
    for, since what flowed before it would be lost."""
    value, aside = reading.value, session.register_aside_wh
    session = replace(session, register_aside_wh=value)
    start = session.meter_start_wh or 0
    last = float(start) if session.meter_last_wh is None else session.meter_last_wh
    if not possible(session, value - start, reading.at, max_power_w):
        session = doubt(session, Quality.SUSPECT, TOO_FAST)
    if aside is None:
        return session
    since = session.last_reading_at or session.started_at
    seconds = max((reading.at - since).total_seconds(), 0.0)
    if not 0 < value - aside <= most_wh(seconds, max_power_w):
        return replace(session, readings_ignored=session.readings_ignored + 1)
    of_session = last == start and aside >= 0 and possible(session, value, reading.at, max_power_w)
    base = float(start) if of_session else last - aside
    session = replace(session, register_aside_wh=None, register_base_wh=base)
    return _counted(doubt(session, Quality.ESTIMATED, COUNTED_ANEW), value + base, max_power_w)


def at_stop(session: Session, fact: TransactionStopped, max_power_w: float | None) -> Session:
    """The session with the energy of its stop. A register that cannot be is not used: what was read before stands,
    and the session is suspect."""
    stop = fact.meter_stop_wh
    if stop is None:
        return doubt(session, Quality.ESTIMATED, NO_STOP_REGISTER)
    session = replace(session, meter_stop_wh=stop)
    if session.register_aside_wh is not None:
        session = replace(session, register_aside_wh=None, readings_ignored=session.readings_ignored + 1)
    if session.meter_start_wh is None:
        return replace(doubt(session, Quality.ESTIMATED, NO_START_REGISTER), meter_last_wh=float(stop))
    wh = _as_said(session, stop, fact.at, max_power_w)
    if wh is not None:
        return _counted(session, wh, max_power_w)
    rise = stop - session.meter_start_wh
    if rise < 0:
        return doubt(session, Quality.SUSPECT, STOP_BELOW_START)
    unset = fact.station_at is not None and fact.station_at != fact.at
    if unset and rise <= most_wh(_MOST_OFFLINE_S, max_power_w):
        return _counted(doubt(session, Quality.ESTIMATED, CLOCK_UNSET), stop, max_power_w)
    if not possible(session, rise, fact.at, max_power_w):
        return doubt(session, Quality.SUSPECT, TOO_FAST)
    session = doubt(session, Quality.SUSPECT, STOP_BELOW_READ)
    if session.register_base_wh:
        return session  # of the two bases it is on neither
    return replace(session, meter_last_wh=float(stop), energy_wh=rise)
