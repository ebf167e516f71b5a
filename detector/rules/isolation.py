"""The insulation of a cable or outlet fails its check again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from detector.episodes import Repeats
from detector.rules import repeated
from detector.rules.base import Rule, Scope, Subject, Thresholds, Verdict
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Finding, Severity

_CODES = frozenset({"CX011", "CX022"})


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    return repeated.evaluate(subject, memory, thresholds, now, codes=_CODES)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    return repeated.describe(RULE, subject, memory, thresholds, now, lean=Lean.CABLE, cause=_CAUSE)


_CAUSE = "Insulation to earth is too low: a damaged or wet cable or plug, or the station's output."

RULE = Rule(
    code="isolation",
    title="Insulation fails",
    scope=Scope.CONNECTOR,
    asset="cable",
    severity=Severity.P1,
    mrec=("CX011", "CX022"),
    thresholds=repeated.thresholds(times=2),
    clears=repeated.CLEARS,
    action=("Keep out of use. Look over cable and plug, dry them, measure insulation, replace the cable."),
    doc=(
        "Cable check or insulation resistance fails (CX011, CX022; OCPP 2.x: the component "
        "GroundIsolationProtection in trouble) twice within 24 h, with two vehicles or with none plugged "
        "in. One vehicle is evidence about the "
        "vehicle. Measured insulation (ohm per volt) is not judged yet. Source: ChargeX INL/RPT-23-74378; "
        "IEC 61851-23 (insulation check before DC charging)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Repeats,
    wakes=repeated.WAKES,
    inhibited_by=("offline", "emergency_stop"),
)
