"""The residual-current device trips again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from detector.episodes import Repeats
from detector.rules import repeated
from detector.rules.base import Rule, Scope, Subject, Thresholds, Verdict
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Finding, Severity

_CODES = frozenset({"GroundFailure", "CX002"})


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    return repeated.evaluate(subject, memory, thresholds, now, codes=_CODES)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    return repeated.describe(RULE, subject, memory, thresholds, now, lean=Lean.STATION, cause=_CAUSE)


_CAUSE = (
    "Current leaks to earth in station or cable: damaged insulation, moisture, or a worn residual-current device."
)

RULE = Rule(
    code="rcd_trip",
    title="Residual-current device trips",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P1,
    mrec=("CX002",),
    thresholds=repeated.thresholds(times=2),
    clears=repeated.CLEARS,
    action=(
        "Keep out of use. Measure the insulation of cable and station, then test the residual-current device."
    ),
    doc=(
        "GroundFailure or CX002 (OCPP 2.x: the component RCD tripped) comes up twice within 24 h, with two "
        "vehicles "
        "or with none plugged in. A report counts once until it is gone. One vehicle is evidence about the "
        "vehicle: its trip is a reported fault when it does not close by itself. "
        "Source: IEC 61851-1 (protection by residual current)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Repeats,
    wakes=repeated.WAKES,
    inhibited_by=("offline", "emergency_stop"),
)
