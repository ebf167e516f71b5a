"""The mains at a station: means over ten minutes, and what is drawn from each phase. Pure.

EN 50160 judges voltage by means over ten minutes; so do the rules about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import add as add_

import msgspec

from detector.view import ConnectorView, StationView

PERIOD = timedelta(minutes=10)
_LONGEST = timedelta(hours=1)
_LEAST_SAMPLES = 3
_AFTER = timedelta(seconds=1)
_LOST = 0.5
_PARTED = 0.03
_MAINS_V = 300.0  # more is the output of DC

AMPS = ("current_l1_a", "current_l2_a", "current_l3_a")
VOLTS = ("voltage_l1_v", "voltage_l2_v", "voltage_l3_v")


class Means(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Sums of some values since `start`."""

    start: datetime
    n: int
    sums: tuple[float, ...]


def add(means: Means | None, at: datetime, values: Sequence[float]) -> tuple[Means, tuple[float, ...] | None]:
    """With one more sample; the means, once ten minutes (an hour at most) and three samples are full."""
    if means is None or at < means.start or at - means.start > _LONGEST or len(values) != len(means.sums):
        return Means(at, 1, tuple(values)), None
    if at - means.start >= PERIOD and means.n >= _LEAST_SAMPLES:
        return Means(at, 1, tuple(values)), tuple(total / means.n for total in means.sums)
    return Means(means.start, means.n + 1, tuple(map(add_, means.sums, values))), None


def fresh(connector: ConnectorView, names: Sequence[str], since: datetime) -> tuple[float, ...] | None:
    """The newest value of each of these fields; None where one of them is missing or older than `since`."""
    for source in (connector.latest, connector.devices):
        found = []
        for name in names:
            one = source.get(name)
            if one is None or one.at < since:
                break
            found.append(one.value)
        else:
            return tuple(found)
    return None


def drawn(view: StationView, since: datetime) -> tuple[float, float, float] | None:
    """What all connectors of a station draw from each phase, amperes; None where a session's is not known. What
    flows outside any session, through a contactor that does not open, loads the phases as well."""
    total = [0.0, 0.0, 0.0]
    for connector in view.connectors.values():
        amps = fresh(connector, AMPS, since if connector.session is not None else _left(connector, since))
        if amps is None and connector.session is None:
            continue
        if amps is None:
            return None
        for phase, value in enumerate(amps):
            total[phase] += value
    return total[0], total[1], total[2]


def _left(connector: ConnectorView, since: datetime) -> datetime:
    """From when on a reading is none of the session that is over."""
    ended_at = connector.last_ended_at
    return since if ended_at is None else max(since, ended_at + _AFTER)


def volts_of(view: StationView, since: datetime) -> tuple[float, ...] | None:
    """The newest voltages of the mains at any of its connectors."""
    return next((volts for connector in view.connectors.values() if (volts := volts_at(connector, since))), None)


def volts_at(connector: ConnectorView, since: datetime) -> tuple[float, ...] | None:
    """The newest voltages of the mains at a connector."""
    for names in (VOLTS, VOLTS[:1], ("voltage_v",)):
        volts = fresh(connector, names, since)
        if volts is not None and max(volts) < _MAINS_V and "soc_pct" not in connector.latest:
            return volts
    return None


def unbalance(values: Sequence[float]) -> float:
    """The greatest distance from the mean, as a share of the mean."""
    mean = sum(values) / len(values)
    return max(abs(value - mean) for value in values) / mean if mean > 0 else 0.0


def common(volts: Sequence[float], nominal_v: float) -> float | None:
    """The phase that is furthest from nominal, or the mean of phases that have parted: what a site's stations may
    have in common. None where a phase is lost."""
    if min(volts) < _LOST * nominal_v:
        return None
    if unbalance(volts) > _PARTED:
        return sum(volts) / len(volts)
    return max(volts, key=lambda value: abs(value - nominal_v))
