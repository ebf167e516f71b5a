"""Findings become tickets: opened, updated, cleared, reopened, verified, each with a reason. Pure.

One ticket per fault and asset. What a person decided stands: a ticket that was resolved by hand while its fault
still holds stays resolved, until the fault has gone and come back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

from detector.changes import Change, ChangeKind
from detector.view import SessionEnded
from laddvakt.domain.ids import ticket_id
from laddvakt.domain.tickets import (
    UNSETTLED,
    Finding,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from laddvakt.domain.times import rfc3339

ACTOR = "detector"
REOPEN_WITHIN = timedelta(hours=24)
UPDATE_EVERY = timedelta(hours=1)
MAX_UPDATES = 200
"""Update events per ticket; later ones change the evidence without another line of history, unless the severity
changed."""
GOOD_SESSION_WH = 100.0


class Reason(StrEnum):
    """Why a ticket was changed, or left as it is."""

    NEW_FAULT = "new_fault"  # no ticket of this fault and asset, or one settled over 24 h ago
    CAME_BACK = "came_back"  # within 24 h of its end
    MORE_EVIDENCE = "more_evidence"  # severity, cause or evidence changed
    NOTHING_NEW = "nothing_new"  # the same again
    TOO_SOON = "too_soon"  # changed, but updated within the hour
    FAULT_GONE = "fault_gone"  # the rule cleared it
    SETTLED_BY_PERSON = "settled_by_person"  # resolved by hand although the fault holds
    ALREADY_SETTLED = "already_settled"  # it ended after somebody resolved it
    GOOD_SESSION = "good_session"  # energy flowed since: the mend is proved
    SESSION_PROVES_NOTHING = "session_proves_nothing"  # too little energy, too early, or elsewhere


class Decision(NamedTuple):
    """What to do. `ticket` is the changed ticket, None when nothing changes."""

    reason: Reason
    ticket: Ticket | None = None


def decide(change: Change, ticket: Ticket | None, *, site_id: str | None) -> Decision:
    """The ticket after a change of its finding. `ticket` is the newest of this fault and asset, as stored now."""
    finding = change.finding
    if finding is None:
        raise ValueError("a change without a finding is for `verify`")
    if change.kind is ChangeKind.CLEARED:
        return _clear(change, ticket)
    if ticket is not None and ticket.state in UNSETTLED:
        return _update(finding, ticket, change.at)
    if change.kind is ChangeKind.STILL:
        return Decision(Reason.SETTLED_BY_PERSON)
    settled_at = (ticket.resolved_at or ticket.updated_at) if ticket is not None else None
    if ticket is not None and settled_at is not None and change.at - settled_at <= REOPEN_WITHIN:
        return Decision(Reason.CAME_BACK, _reopen(finding, ticket, change.at))
    return Decision(Reason.NEW_FAULT, _open(finding, change.at, site_id))


def verify(session: SessionEnded, ticket: Ticket) -> Decision:
    """A resolved ticket after a session on its station: verified if the session proves the mend."""
    resolved_at = ticket.resolved_at
    if ticket.state is not TicketState.RESOLVED or resolved_at is None:
        return Decision(Reason.SESSION_PROVES_NOTHING)
    elsewhere = ticket.connector_id not in (None, 0, session.connector_id)
    if elsewhere or session.energy_wh < GOOD_SESSION_WH or session.started_at < resolved_at:
        return Decision(Reason.SESSION_PROVES_NOTHING)
    event = TicketEvent(
        at=session.heard_at,
        action=TicketAction.VERIFIED,
        actor=ACTOR,
        detail=f"A session delivered {session.energy_wh / 1000:.1f} kWh on connector {session.connector_id}.",
        data={"reason": Reason.GOOD_SESSION, "transaction_id": session.transaction_id},
    )
    return Decision(Reason.GOOD_SESSION, apply_event(ticket, event))


def _event(action: TicketAction, at: datetime, reason: Reason, detail: str, finding: Finding) -> TicketEvent:
    data = {
        "reason": str(reason),
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "since": rfc3339(finding.since),
    }
    return TicketEvent(at=at, action=action, actor=ACTOR, detail=detail, data=data)


def _open(finding: Finding, at: datetime, site_id: str | None) -> Ticket:
    return Ticket(
        ticket_id=ticket_id(finding.asset.kind, finding.asset.id, finding.fault, at),
        fault=finding.fault,
        asset=finding.asset,
        station_id=finding.station_id,
        connector_id=finding.connector_id,
        site_id=site_id,
        severity=finding.severity,
        opened_at=at,
        updated_at=at,
        probable_cause=finding.probable_cause,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggested_action=finding.suggested_action,
        mrec=finding.mrec,
        confidence=finding.confidence,
        events=(_event(TicketAction.OPENED, at, Reason.NEW_FAULT, finding.explanation, finding),),
    )


def _with(ticket: Ticket, finding: Finding) -> Ticket:
    """The ticket's words and figures as the newest finding has them."""
    return msgspec.structs.replace(
        ticket,
        connector_id=finding.connector_id,
        severity=finding.severity,
        probable_cause=finding.probable_cause,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggested_action=finding.suggested_action,
        mrec=finding.mrec,
        confidence=finding.confidence,
    )


def _reopen(finding: Finding, ticket: Ticket, at: datetime) -> Ticket:
    event = _event(TicketAction.REOPENED, at, Reason.CAME_BACK, finding.explanation, finding)
    reopened = _with(apply_event(ticket, event), finding)
    return msgspec.structs.replace(reopened, findings=ticket.findings + 1)


def _update(finding: Finding, ticket: Ticket, at: datetime) -> Decision:
    urgent = finding.severity != ticket.severity
    updates = [e for e in ticket.events if e.action is TicketAction.UPDATED]
    if not urgent and not _differs(finding, ticket):
        return Decision(Reason.NOTHING_NEW)
    last = max((e.at for e in updates), default=ticket.opened_at)
    if not urgent and at - last < UPDATE_EVERY:
        return Decision(Reason.TOO_SOON)
    updated = msgspec.structs.replace(_with(ticket, finding), findings=ticket.findings + 1, updated_at=at)
    if len(updates) >= MAX_UPDATES and not urgent:
        return Decision(Reason.MORE_EVIDENCE, updated)
    event = _event(TicketAction.UPDATED, at, Reason.MORE_EVIDENCE, finding.explanation, finding)
    return Decision(Reason.MORE_EVIDENCE, apply_event(updated, event))


def _differs(finding: Finding, ticket: Ticket) -> bool:
    return (
        finding.probable_cause != ticket.probable_cause
        or finding.explanation != ticket.explanation
        or finding.mrec != ticket.mrec
        or abs(finding.confidence - ticket.confidence) >= 0.05
        or finding.evidence != ticket.evidence
    )


def _clear(change: Change, ticket: Ticket | None) -> Decision:
    if ticket is None or ticket.state not in UNSETTLED:
        return Decision(Reason.ALREADY_SETTLED)
    event = TicketEvent(
        at=change.at,
        action=TicketAction.CLEARED,
        actor=ACTOR,
        detail=f"The fault is gone: {change.reason.replace('_', ' ')}.",
        data={"reason": str(Reason.FAULT_GONE), "rule_reason": change.reason},
    )
    return Decision(Reason.FAULT_GONE, apply_event(ticket, event))
