"""The vehicle is gone, and the connector takes nobody else: it stays Finishing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.assets import station_asset
from detector.rules.base import (
    News,
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
    span,
)
from laddvakt.domain.facts import TransactionReported
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_RECHECK = timedelta(minutes=30)
_OCCUPIED = frozenset(
    {
        ConnectorState.FINISHING,
        ConnectorState.PREPARING,  # OCPP 2.x: Occupied without a transaction
        ConnectorState.CHARGING,  # OCPP 2.x: what its transaction said last
        ConnectorState.SUSPENDED_EV,
        ConnectorState.SUSPENDED_EVSE,
    }
)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    FREE = "free"  # free, or a session runs
    NOT_KNOWN = "not_known"  # nothing was said since the link was lost
    PARKED = "parked"  # for all we know the vehicle still stands there
    LEFT = "left"  # it left a moment ago
    STUCK = "stuck"  # it left long ago


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session that ended, while the connector is still occupied; since when its vehicle is gone, and how that
    is known."""

    ended_at: datetime | None = None
    vehicle: str = ""
    gone_at: datetime | None = None
    how: str = ""


_FREE = Verdict(standing=Standing.NOT_MET, reason=Reason.FREE)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    connector = subject.connector
    if connector is None or not connector.connector_id or connector.session is not None:
        return _FREE
    memory = _after(memory or Memory(), subject.news)
    if memory.ended_at is None:
        return _FREE
    if connector.stale or not subject.view.connected:
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NOT_KNOWN, memory=memory)
    if connector.status not in _OCCUPIED:
        return _FREE
    memory = _seen_elsewhere(memory, subject)
    if memory.gone_at is None:
        check_at = now + _RECHECK  # its vehicle may turn up elsewhere
        return Verdict(standing=Standing.NOT_MET, reason=Reason.PARKED, memory=memory, check_at=check_at)
    due = memory.gone_at + timedelta(seconds=thresholds["after_s"])
    if now < due:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.LEFT, memory=memory, check_at=due)
    return Verdict(standing=Standing.MET, reason=Reason.STUCK, memory=memory)


def _after(memory: Memory, news: News) -> Memory:
    for session in news.ended:
        memory = Memory(ended_at=session.heard_at, vehicle=session.vehicle)
        if session.stop_reason == "EVDisconnected" and not session.late:
            memory = Memory(session.heard_at, session.vehicle, session.heard_at, "the stop says EVDisconnected")
    if memory.ended_at is None or memory.gone_at is not None:
        return memory
    for fact in news.facts:
        if isinstance(fact, TransactionReported) and fact.trigger == "EVDeparted" and not fact.offline:
            return msgspec.structs.replace(memory, gone_at=memory.ended_at, how="its bay is empty (EVDeparted)")
    return memory


def _seen_elsewhere(memory: Memory, subject: Subject) -> Memory:
    """A vehicle that charges somewhere else is gone from here. Its visit began after the session here ended."""
    if memory.gone_at is not None or memory.ended_at is None:
        return memory
    here = (subject.view.station_id, subject.connector_id)
    for visit in subject.network.visits(memory.vehicle):
        if visit.at > memory.ended_at and (visit.station_id, visit.connector_id) != here:
            how = f"its token charged at {visit.station_id} meanwhile"
            return msgspec.structs.replace(memory, gone_at=visit.at, how=how)
    return memory


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    connector, gone_at = subject.connector, memory.gone_at
    if connector is None or gone_at is None:
        raise AssertionError("described without a vehicle that left")
    return Finding(
        fault=RULE.code,
        asset=station_asset(subject),
        station_id=subject.view.station_id,
        connector_id=subject.connector_id,
        severity=RULE.severity,
        at=now,
        since=gone_at,
        probable_cause="The station does not see that the plug was pulled: proximity switch, lock or controller.",
        explanation=f"{place(subject)} is still {connector.status}, and its vehicle is gone.",
        suggested_action=RULE.action,
        evidence=(
            Evidence(
                label="Occupied since the vehicle left",
                value=span((now - gone_at).total_seconds()),
                threshold=span(thresholds["after_s"]),
                at=gone_at,
            ),
            Evidence(label="The vehicle is gone", value=memory.how, at=gone_at),
        ),
        mrec=RULE.mrec,
        confidence=0.8 if gone_at == memory.ended_at else 0.6,
    )


RULE = Rule(
    code="stuck_finishing",
    title="Stuck after the session",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P4,
    mrec=(),
    thresholds=(
        Threshold(
            name="after_s", default=3600, unit="s", doc="how long it may stay occupied once the vehicle has left"
        ),
    ),
    clears="The connector is free, or a session begins.",
    action="Restart the station when idle; check the proximity switch of plug or socket.",
    doc=(
        "Finishing (OCPP 2.x: Occupied, the transaction over) for 60 minutes after the vehicle left. That it left "
        "is known from the stop's reason EVDisconnected, from the trigger EVDeparted, or because its token has "
        "charged elsewhere since. A car that is parked after charging says none of these: it may stand there for "
        "days."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.STARTED, Wake.ENDED, Wake.LINK}),
    inhibited_by=("offline", "emergency_stop", "reported_fault"),
)
