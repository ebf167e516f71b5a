"""Pilot or proximity circuit fails again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from detector.episodes import Repeats
from detector.rules import repeated
from detector.rules.base import Rule, Scope, Subject, Thresholds, Verdict
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Finding, Severity

_CODES = frozenset({"CX014", "CX020", "CX023"})


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    return repeated.evaluate(subject, memory, thresholds, now, codes=_CODES)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    return repeated.describe(RULE, subject, memory, thresholds, now, lean=Lean.CABLE, cause=_CAUSE)


_CAUSE = "The pilot or proximity circuit is broken or worn: a wire, the plug's switch, dirt, or the latch."

RULE = Rule(
    code="pilot_proximity",
    title="Pilot or proximity fails",
    scope=Scope.CONNECTOR,
    asset="connector",
    severity=Severity.P2,
    mrec=("CX014", "CX020", "CX023"),
    thresholds=repeated.thresholds(times=3),
    clears=repeated.CLEARS,
    action=("Clean the plug, measure pilot and proximity with a test adapter; replace plug or cable."),
    doc=(
        "Pilot fault, partial insertion or proximity fault (CX014, CX020, CX023; OCPP 2.x: the component "
        "CPPWMController in trouble) three times within 24 h, with two vehicles or with none plugged in. Not for "
        "one driver who does not push the plug in. Source: ChargeX INL/RPT-23-74378; IEC 61851-1 (control pilot)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Repeats,
    wakes=repeated.WAKES,
    inhibited_by=("offline", "emergency_stop"),
)
