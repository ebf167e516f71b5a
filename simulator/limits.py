"""Charging profiles that a central system has set (OCPP 1.6 section 5.16, 2.0.1 part 2 K01). Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from laddvakt.domain.times import parse_time
from simulator.physics import NOMINAL_V

_PACK_V = 400.0  # what firmware takes a battery's voltage for when it turns watts into amperes
_FOREVER = float("inf")


class Span(NamedTuple):
    """A stretch of time with a limit, amperes per phase, and perhaps fewer phases."""

    from_s: float
    until_s: float
    limit_a: float
    phases: int | None


class ChargingLimits:
    """The profiles in force. Those of one id replace each other; the strictest counts."""

    def __init__(self, *, phases: int, dc: bool) -> None:
        self._volts = _PACK_V if dc else NOMINAL_V * phases
        self._profiles: dict[int, tuple[int, list[Span]]] = {}  # id -> connector (0: all), spans

    def put(self, connector_id: int, profile: dict[str, Any], now_s: float) -> None:
        """A profile in the words of either version. Raises KeyError or TypeError for one that is none."""
        number = int(profile.get("chargingProfileId", profile.get("id", 0)))
        schedule = profile["chargingSchedule"]
        self._profiles[number] = (
            connector_id,
            self._spans(schedule[0] if isinstance(schedule, list) else schedule, now_s),
        )

    def clear(self, number: int | None) -> bool:
        """One profile or all; whether there was any."""
        found = [one for one in self._profiles if number in (None, one)]
        for one in found:
            del self._profiles[one]
        return bool(found)

    def at(self, connector_id: int, now_s: float) -> tuple[float, int | None]:
        """Amperes per phase (infinite: no limit) and phases (None: all) that this connector may have now."""
        spans = [
            span
            for connector, spans in self._profiles.values()
            for span in spans
            if connector in (0, connector_id) and span.from_s <= now_s < span.until_s
        ]
        phases = [span.phases for span in spans if span.phases is not None]
        return min((span.limit_a for span in spans), default=_FOREVER), min(phases, default=None)

    def changes(self, now_s: float) -> list[float]:
        """The times to come at which a limit changes."""
        times = {
            time for _, spans in self._profiles.values() for span in spans for time in (span.from_s, span.until_s)
        }
        return sorted(time for time in times if now_s < time < _FOREVER)

    def _spans(self, schedule: dict[str, Any], now_s: float) -> list[Span]:
        start = parse_time(str(schedule.get("startSchedule", "")))
        start_s = start.timestamp() if start else now_s
        end_s = start_s + schedule["duration"] if "duration" in schedule else _FOREVER
        periods = schedule["chargingSchedulePeriod"]
        begins = [start_s + period["startPeriod"] for period in periods]
        ends = [*begins[1:], end_s]
        per_a = self._volts if schedule["chargingRateUnit"] == "W" else 1.0
        return [
            Span(begin, end, period["limit"] / per_a, period.get("numberPhases"))
            for begin, end, period in zip(begins, ends, periods, strict=True)
        ]
