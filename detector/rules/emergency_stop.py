"""Somebody pressed the emergency stop."""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

from detector.episodes import codes_of
from detector.rules.base import (
    Rule,
    Scope,
    Standing,
    Subject,
    Thresholds,
    Verdict,
    Wake,
)
from detector.view import ConnectorView, StationView
from detector.vocabulary import MREC
from laddvakt.domain.tickets import Evidence, Finding, Severity

_CODE = "CX008"
_WORDS = re.compile(r"emergency[-_ ]?(stop|button|off)|\be[-_ ]?stop", re.IGNORECASE)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_PRESSED = "not_pressed"  # no connector says so
    STATUS_UNKNOWN = "status_unknown"  # nothing said since the link came back
    PRESSED = "pressed"  # reported


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    view = subject.view
    connectors = view.connectors.values()
    if any(_pressed(view, connector) for connector in connectors):
        return Verdict(standing=Standing.MET, reason=Reason.PRESSED)
    if not view.connected or any(connector.stale for connector in connectors):
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.STATUS_UNKNOWN)
    return Verdict(standing=Standing.NOT_MET, reason=Reason.NOT_PRESSED)


def _pressed(view: StationView, connector: ConnectorView) -> bool:
    codes = codes_of(view, connector)
    if _CODE in codes:
        return True
    return bool(codes) and bool(_WORDS.search(connector.vendor_error_code) or _WORDS.search(connector.info))


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    view = subject.view
    pressed = [connector for connector in view.connectors.values() if _pressed(view, connector)]
    since = min((c.status_since for c in pressed if c.status_since is not None), default=now)
    return RULE.finding(
        subject,
        now,
        since=min(since, now),
        probable_cause=MREC[_CODE].cause,
        explanation=f"{view.station_id} reports its emergency stop.",
        evidence=tuple(
            Evidence(
                label=f"Connector {connector.connector_id}",
                value=", ".join(filter(None, (*codes_of(view, connector), connector.info))),
                threshold="NoError",
                at=connector.status_at,
            )
            for connector in pressed[:6]
        ),
        confidence=0.98,
    )


RULE = Rule(
    code="emergency_stop",
    title="Emergency stop pressed",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P1,
    mrec=(_CODE,),
    thresholds=(),
    clears="No connector of the station reports it any more.",
    action=MREC[_CODE].remedy,
    doc=(
        "CX008, an error whose vendor code or text names the emergency stop, or the component EmergencyStopSensor "
        "tripped (OCPP 2.x): at once, one ticket for the station. Source: ChargeX INL/RPT-23-74378."
    ),
    evaluate=evaluate,
    describe=describe,
    wakes=frozenset({Wake.STATUS, Wake.EVENT, Wake.BOOT}),
    inhibited_by=("offline",),
)
