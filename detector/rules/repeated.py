"""What rules share that count an error which comes and goes: so often within a window, with so many vehicles.

No rule itself. Thresholds: `times`, `vehicles`, `window_h`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from detector.attribution import attribute
from detector.episodes import NOBODY, Reason, Repeats, codes_of, judge, with_news
from detector.rules.base import Rule, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Evidence, Finding

WAKES = frozenset({Wake.STATUS, Wake.EVENT, Wake.ENDED, Wake.BOOT})
CLEARS = "Two vehicles charge at least 0.1 kWh each without it, or too few are left within the window."
_MAX_NAMED = 6
NONE = Verdict(standing=Standing.NOT_MET, reason=Reason.NONE)
"""Nothing was reported."""


def thresholds(times: float, vehicles: float = 2) -> tuple[Threshold, ...]:
    return (
        Threshold(name="times", default=times, unit="times", doc="so often it must be reported"),
        Threshold(name="vehicles", default=vehicles, unit="vehicles", doc="with so many, or with none plugged in"),
        Threshold(name="window_h", default=24, unit="h", doc="within this time"),
    )


def evaluate(
    subject: Subject, memory: Any, limits: Thresholds, now: datetime, *, codes: Collection[str]
) -> Verdict:
    if memory is None and (subject.connector is None or not codes_of(subject.view, subject.connector)):
        return NONE  # nothing was reported, and nothing is
    window_s = limits["window_h"] * 3600
    repeats = with_news(memory or Repeats(), subject, codes, window_s, now)
    return verdict(repeats, limits)


def verdict(repeats: Repeats, limits: Thresholds) -> Verdict:
    repeats, reason, check_at = judge(
        repeats, times=limits["times"], vehicles=limits["vehicles"], window_s=limits["window_h"] * 3600
    )
    return Verdict(
        standing=Standing.MET if reason is Reason.REPEATED else Standing.NOT_MET,
        reason=reason,
        check_at=check_at,
        memory=repeats if repeats != Repeats() else None,
    )


def describe(
    rule: Rule, subject: Subject, repeats: Repeats, limits: Thresholds, now: datetime, *, lean: Lean, cause: str
) -> Finding:
    blame = attribute(subject, [episode.vehicle for episode in repeats.episodes], now, lean=lean)
    with_whom = f"with {repeats.vehicles} vehicles"
    if repeats.alone:
        with_whom = "also with nothing plugged in"
    return rule.finding(
        subject,
        now,
        blame=blame,
        since=repeats.episodes[0].at,
        probable_cause=cause,
        explanation=f"{place(subject)} reported it {len(repeats.episodes)} times, {with_whom}.",
        evidence=(
            Evidence(
                label="Reports",
                value=str(len(repeats.episodes)),
                threshold=f"{limits['times']:.0f} in {limits['window_h']:.0f} h",
            ),
            Evidence(label="Vehicles", value=str(repeats.vehicles), threshold=f"{limits['vehicles']:.0f}"),
            *(
                Evidence(
                    label="Reported",
                    value=episode.what,
                    at=episode.at,
                    peers="nothing plugged in" if episode.vehicle == NOBODY else "",
                )
                for episode in repeats.episodes[-_MAX_NAMED:]
            ),
        ),
    )
