"""The station withholds energy although the limit in force allows it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from detector.attribution import attribute
from detector.limits import changed_within, limited_outside, told_limit
from detector.rules.base import (
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
from detector.view import ConnectorView
from detector.vocabulary import Lean
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_RECHECK = timedelta(minutes=5)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_SUSPENDED = "not_suspended"  # no session, or another status
    NOT_KNOWN = "not_known"  # nothing was said since the link was lost
    SHORT = "short"  # not for long yet
    LIMITED = "limited"  # a limit under 6 A: smart charging
    SHARED = "shared"  # nobody says the limit, and a neighbour waits or charges: power is being shared
    WITHHELD = "withheld"  # nothing tells of a limit, and nothing is given


_NOT_SUSPENDED = Verdict(standing=Standing.NOT_MET, reason=Reason.NOT_SUSPENDED)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    connector = subject.connector
    if connector is None or connector.session is None or connector.status is not ConnectorState.SUSPENDED_EVSE:
        return _NOT_SUSPENDED
    if connector.stale or not subject.view.connected or not subject.view.status_is_news(connector):
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NOT_KNOWN)
    since = _since(subject, connector)
    due = since + timedelta(seconds=thresholds["after_s"])
    if now < due:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.SHORT, check_at=due)
    limit = told_limit(subject, now, since=since)
    recheck = now + _RECHECK
    if limit.pause or limited_outside(subject) or changed_within(subject, now, thresholds["after_s"]):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.LIMITED, check_at=recheck)
    unknown_due = since + timedelta(seconds=thresholds["unknown_after_s"])
    if limit.told_by == "" and now < unknown_due:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.SHORT, check_at=unknown_due)
    if limit.told_by == "" and _shared(subject):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.SHARED, check_at=recheck)
    return Verdict(standing=Standing.MET, reason=Reason.WITHHELD, check_at=recheck)


def _since(subject: Subject, connector: ConnectorView) -> datetime:
    """Of a station whose clock is wrong, by ours."""
    heard, since = connector.status_heard, connector.status_since
    if since is None or heard is None:
        raise AssertionError("a status without a time")
    return min(since + timedelta(seconds=subject.view.clock.behind_s), heard)


def _shared(subject: Subject) -> bool:
    """Whether another connector of the site waits for power too: load management that nobody tells of."""
    views = (subject.view, *subject.network.siblings(subject.view))
    return any(
        connector.status is ConnectorState.SUSPENDED_EVSE
        for view in views
        if view.connected
        for connector in view.connectors.values()
        if connector is not subject.connector and connector.session is not None
    )


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    connector = subject.connector
    if connector is None or connector.session is None:
        raise AssertionError("described without a session")
    since = _since(subject, connector)
    limit = told_limit(subject, now, since=since)
    said = f"{limit.amps:.0f} A" if limit.amps is not None else "none is known"
    if limit.amps is None and limit.watts is not None:
        said = f"{limit.watts:.0f} W"
    blame = attribute(subject, [connector.session.vehicle_key], now, lean=Lean.STATION, least=0.8)
    if not limit.told_by:
        blame = blame._replace(confidence=min(blame.confidence, 0.7))
    return RULE.finding(
        subject,
        now,
        blame=blame,
        since=since,
        probable_cause="The controller has paused the session and forgets to go on, or it obeys a stale profile.",
        explanation=f"{place(subject)} gives no energy (SuspendedEVSE) although no limit forbids it.",
        evidence=(
            Evidence(
                label="SuspendedEVSE for",
                value=span((now - since).total_seconds()),
                threshold=span(thresholds["after_s" if limit.told_by else "unknown_after_s"]),
                at=since,
            ),
            Evidence(label="Limit in force", value=said, threshold="6 A"),
        ),
    )


RULE = Rule(
    code="stuck_suspended_evse",
    title="Energy withheld",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=(
        Threshold(
            name="after_s", default=900, unit="s", doc="how long it may withhold energy while a limit allows it"
        ),
        Threshold(
            name="unknown_after_s",
            default=1800,
            unit="s",
            doc="the same where nobody tells what limit is in force",
        ),
    ),
    clears="The connector is no longer SuspendedEVSE, or a limit under 6 A comes into force.",
    action="Clear stale charging profiles and restart the session; restart the station when idle.",
    doc=(
        "SuspendedEVSE for 15 minutes although the limit in force (charging profiles, Current.Offered, "
        "Power.Offered) is 6 A or more (IEC 61851-1: the least that a vehicle can be offered). Where nothing "
        "tells the limit, 30 minutes, and no other connector of the site may be held back at the time: that is "
        "load management. Not for SuspendedEV, which is the vehicle's; not while somebody outside limits the "
        "station (NotifyChargingLimit), nor right after a profile has changed."
    ),
    evaluate=evaluate,
    describe=describe,
    wakes=frozenset({Wake.STATUS, Wake.LINK, Wake.ENDED, Wake.LIMIT, Wake.COMMAND}),
    inhibited_by=("offline", "emergency_stop", "reported_fault", "thermal_derate"),
)
