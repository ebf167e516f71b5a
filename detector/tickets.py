"""Findings become tickets: opened, updated, cleared, reopened, verified, closed, each with a reason. Pure.

One ticket per fault and asset. A finding with another name for the same trouble (`detector.kinship`) goes on with
its ticket and names it anew; what it was called before is in its history. What a person decided stands: a ticket
that was resolved by hand while its fault still holds stays resolved for a while, and is then reopened with these
words. Until a ticket is closed it is not done with: a fault that comes back, however late, is the same trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from detector import flapping, remediation
from detector.changes import Change, ChangeKind
from detector.ladders import WORDS, Step
from detector.view import SessionEnded
from detector.vocabulary import Lean, look_up
from laddvakt.domain.attempts import BY_EQUIPMENT
from laddvakt.domain.ids import ticket_id
from laddvakt.domain.silences import Silence
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
from laddvakt.settings import TicketsSettings

ACTOR = "detector"
UPDATE_EVERY = timedelta(hours=1)
MAX_UPDATES = 200
"""Update events per ticket; later ones change the evidence without another line of history, unless the severity
changed."""
GOOD_SESSION_WH = 100.0
_NOTHING: Mapping[str, object] = MappingProxyType({})
HELD_BACK = "held_back_by:"
"""Begins the reason of a finding that was put under one of another fault."""
NEVER_VERIFIED = timedelta(days=30)
"""A resolved ticket that no good session proved is closed after this."""
ORPHANED = timedelta(hours=24)
"""An open ticket whose fault nothing finds any more, as after the rule was taken away, is cleared after this."""


class Reason(StrEnum):
    """Why a ticket was changed, or left as it is."""

    NEW_FAULT = "new_fault"  # no ticket of this fault and asset, or one closed long ago
    CAME_BACK = "came_back"  # before its ticket was closed, or soon after
    OUTLASTED = "outlasted"  # what held it back is over, and it is still there
    STILL_STANDS = "still_stands"  # resolved by hand long enough ago, and it is still there
    MORE_EVIDENCE = "more_evidence"  # severity, cause or evidence changed
    NAMED = "named"  # another rule found the same trouble, and has another name for it
    GOES_ALONG = "goes_along"  # a ticket that it shared has got the name of what another connector has
    NOTHING_NEW = "nothing_new"  # the same again
    TOO_SOON = "too_soon"  # changed, but updated within the hour
    FAULT_GONE = "fault_gone"  # the rule cleared it
    HELD_BACK = "held_back"  # another ticket explains it
    FLAPPING = "flapping"  # it comes and goes: the ticket stays open until it is calm
    CALM = "calm"  # it no longer comes and goes
    SILENCED = "silenced"  # maintenance, or a quiet time
    NOT_FOUND = "not_found"  # nothing finds it any more
    SETTLED_BY_PERSON = "settled_by_person"  # resolved by hand although the fault holds
    ALREADY_SETTLED = "already_settled"  # it ended after somebody resolved it
    GOOD_SESSION = "good_session"  # energy flowed since: the mend is proved
    SESSION_PROVES_NOTHING = "session_proves_nothing"  # too little, too early, elsewhere, cut off, or it stands
    DONE = "done"  # verified, and quiet since
    UNPROVED = "unproved"  # resolved long ago, and no session proved it
    NOT_DUE = "not_due"  # nothing to be done yet


class Decision(NamedTuple):
    """What to do. `ticket` is the changed ticket, None when nothing changes."""

    reason: Reason
    ticket: Ticket | None = None


class Policy(NamedTuple):
    """How long, how often; see `tickets` in the settings."""

    reopen_within: timedelta = timedelta(hours=24)
    still_stands: timedelta = timedelta(hours=24)
    close_after: timedelta = timedelta(days=1)
    flap_high: float = 0.2
    flap_low: float = 0.05
    storm_tickets: int = 20
    storm_within: timedelta = timedelta(minutes=10)
    margin: float = 1.0


def policy_of(settings: TicketsSettings) -> Policy:
    return Policy(
        reopen_within=timedelta(hours=settings.reopen_within_h),
        still_stands=timedelta(hours=settings.still_stands_h),
        close_after=timedelta(days=settings.close_after_days),
        flap_high=settings.flap_high,
        flap_low=settings.flap_low,
        storm_tickets=settings.storm_tickets,
        storm_within=timedelta(minutes=settings.storm_minutes),
        margin=settings.margin_pct / 100,
    )


DEFAULT = Policy()


def decide(
    change: Change,
    ticket: Ticket | None,
    *,
    site_id: str | None,
    policy: Policy = DEFAULT,
    silence: Silence | None = None,
    holder: Ticket | None = None,
) -> Decision:
    """The ticket after a change of its finding. `ticket` is the newest of this fault and asset as stored now, or
    of the same trouble under another name; `silence` holds it back now; `holder` is the ticket of the fault that
    this one was put under."""
    finding = change.finding
    if finding is None:
        raise ValueError("a change without a finding is for `verify`")
    if change.kind is ChangeKind.CLEARED:
        return _went(change, ticket, policy, holder)
    stood = ticket is not None and flapping.stands(ticket.changes)
    if ticket is not None and ticket.state in UNSETTLED:
        return _came(finding, _noted(ticket, change.at, came=True), change.at, policy, new=not stood)
    if silence is not None:
        return Decision(Reason.SILENCED)
    reason = _again(ticket, change.at, policy) if ticket is not None else Reason.NEW_FAULT
    if ticket is None or reason is Reason.NEW_FAULT:
        return Decision(Reason.NEW_FAULT, _open(finding, change.at, site_id))
    if reason is Reason.SETTLED_BY_PERSON:
        return Decision(reason)
    return _back(reason, finding, ticket, change.at)


def _again(ticket: Ticket, at: datetime, policy: Policy) -> Reason:
    """Why a fault that stands opens its settled ticket again, or does not."""
    settled = settled_by(ticket)
    age = at - (ticket.resolved_at or ticket.updated_at)
    if settled is not None and settled.actor != ACTOR and flapping.stands(ticket.changes):
        return Reason.STILL_STANDS if age >= policy.still_stands else Reason.SETTLED_BY_PERSON
    if settled is not None and settled.action is TicketAction.HELD:
        return Reason.OUTLASTED
    return Reason.NEW_FAULT if _done_with(ticket, at, policy) else Reason.CAME_BACK


def _done_with(ticket: Ticket, at: datetime, policy: Policy) -> bool:
    """Whether a settled ticket is a story of its own that has ended: closed, and quiet for long enough since."""
    if ticket.state is not TicketState.CLOSED:
        return False
    closed = (event.at for event in reversed(ticket.events) if event.action is TicketAction.CLOSED)
    return at - next(closed, ticket.updated_at) > policy.reopen_within


def lives(ticket: Ticket, at: datetime, policy: Policy = DEFAULT) -> bool:
    """Whether what is found now, maybe under another name, may go on with this ticket rather than open one: it is
    open, or was settled lately and not by a person while the fault stood."""
    if ticket.state in UNSETTLED:
        return True
    recent = at - (ticket.resolved_at or ticket.updated_at) <= policy.reopen_within
    return recent and _again(ticket, at, policy) in (Reason.CAME_BACK, Reason.OUTLASTED)


def verify(session: SessionEnded, ticket: Ticket) -> Decision:
    """A resolved ticket after a session on its station: verified if the session proves the mend."""
    resolved_at = ticket.resolved_at
    if ticket.state is not TicketState.RESOLVED or resolved_at is None or flapping.stands(ticket.changes):
        return Decision(Reason.SESSION_PROVES_NOTHING)
    elsewhere = ticket.connector_id not in (None, 0, session.connector_id)
    good = session.energy_wh >= GOOD_SESSION_WH and not _ended_badly(session)
    if elsewhere or not good or session.started_at < resolved_at:
        return Decision(Reason.SESSION_PROVES_NOTHING)
    settled = settled_by(ticket)
    step = Step(settled.data["remedy"]) if settled is not None and "remedy" in settled.data else None
    event = TicketEvent(
        at=session.heard_at,
        action=TicketAction.VERIFIED,
        actor=ACTOR,
        detail=f"A session delivered {session.energy_wh / 1000:.1f} kWh on connector {session.connector_id}."
        + (f" So {WORDS[step]} mended it." if step is not None else ""),
        data={"reason": Reason.GOOD_SESSION, "transaction_id": session.transaction_id, **_after(step)},
    )
    return Decision(Reason.GOOD_SESSION, apply_event(ticket, event))


def _ended_badly(session: SessionEnded) -> bool:
    """Whether the equipment ended it, or reported an error of its own meanwhile: what energy flowed before that
    proves no mend. Errors of the link and of the vehicle say nothing of it."""
    leans = {look_up(code, (code,))[1].lean for code in session.errors}
    return session.stop_reason in BY_EQUIPMENT or not leans.isdisjoint({Lean.STATION, Lean.CABLE})


def review(ticket: Ticket, now: datetime, policy: Policy = DEFAULT, *, found: bool) -> Decision:
    """What time alone changes. `found`: its finding stands."""
    due = due_at(ticket, policy, found=found)
    if due is None or now < due:
        return Decision(Reason.NOT_DUE)
    if ticket.flapping_since is not None:
        return _calm(ticket, now, policy)
    if ticket.state in UNSETTLED:
        gone = "The fault is not found any more."
        return Decision(Reason.NOT_FOUND, _say(ticket, TicketAction.CLEARED, now, Reason.NOT_FOUND, gone))
    verified = ticket.state is TicketState.VERIFIED
    reason = Reason.DONE if verified else Reason.UNPROVED
    words = "Verified, and quiet since." if verified else "Resolved, and never proved by a session."
    return Decision(reason, _say(ticket, TicketAction.CLOSED, now, reason, words))


def due_at(ticket: Ticket, policy: Policy = DEFAULT, *, found: bool) -> datetime | None:
    """When `review` may have something to do; None: never, as things are."""
    if ticket.flapping_since is not None:
        return ticket.updated_at
    if ticket.state in UNSETTLED:
        return None if found or _asked_for(ticket) else ticket.updated_at + ORPHANED
    if ticket.state is TicketState.CLOSED or flapping.stands(ticket.changes):
        return None
    after = policy.close_after if ticket.state is TicketState.VERIFIED else NEVER_VERIFIED
    return ticket.updated_at + after


def settled_by(ticket: Ticket) -> TicketEvent | None:
    """What settled it last; None while it is unsettled."""
    settling = {TicketAction.CLEARED, TicketAction.RESOLVED, TicketAction.HELD}
    if ticket.state in UNSETTLED:
        return None
    return next((event for event in reversed(ticket.events) if event.action in settling), None)


def _asked_for(ticket: Ticket) -> bool:
    """Whether a person opened it again: then a person settles it."""
    opening = {TicketAction.OPENED, TicketAction.REOPENED}
    last = next((event for event in reversed(ticket.events) if event.action in opening), None)
    return last is not None and last.actor != ACTOR


def _after(step: Step | None) -> dict[str, str]:
    return {"remedy": str(step)} if step is not None else {}


def _noted(ticket: Ticket, at: datetime, *, came: bool) -> Ticket:
    changes = flapping.noted(ticket.changes, at, came=came)
    return ticket if changes == ticket.changes else msgspec.structs.replace(ticket, changes=changes)


def _say(
    ticket: Ticket, action: TicketAction, at: datetime, reason: Reason, detail: str, **data: object
) -> Ticket:
    event = TicketEvent(at=at, action=action, actor=ACTOR, detail=detail, data={"reason": str(reason), **data})
    return apply_event(ticket, event)


def _event(
    action: TicketAction,
    at: datetime,
    reason: Reason,
    finding: Finding,
    detail: str = "",
    was: Mapping[str, object] = _NOTHING,
) -> TicketEvent:
    data = {
        "reason": str(reason),
        "severity": str(finding.severity),
        "confidence": finding.confidence,
        "since": rfc3339(finding.since),
        **was,
    }
    return TicketEvent(at=at, action=action, actor=ACTOR, detail=detail or finding.explanation, data=data)


def _open(finding: Finding, at: datetime, site_id: str | None) -> Ticket:
    bare = Ticket(
        ticket_id=ticket_id(finding.asset.kind, finding.asset.id, finding.fault, at),
        fault=finding.fault,
        asset=finding.asset,
        station_id=finding.station_id,
        site_id=site_id,
        severity=finding.severity,
        opened_at=at,
        updated_at=at,
        changes=(at,),
        events=(_event(TicketAction.OPENED, at, Reason.NEW_FAULT, finding),),
    )
    return _with(bare, finding)


def _was(ticket: Ticket, finding: Finding) -> dict[str, object]:
    """What the ticket was called, where the finding has another name for it."""
    if (ticket.fault, ticket.asset) == (finding.fault, finding.asset):
        return {}
    return {"was": ticket.fault, "was_asset": msgspec.to_builtins(ticket.asset)}


def _with(ticket: Ticket, finding: Finding) -> Ticket:
    """The ticket's words and figures as the newest finding has them."""
    return msgspec.structs.replace(
        ticket,
        fault=finding.fault,
        asset=finding.asset,
        connector_id=finding.connector_id,
        severity=finding.severity,
        probable_cause=finding.probable_cause,
        evidence=finding.evidence,
        explanation=finding.explanation,
        suggested_action=finding.suggested_action,
        mrec=finding.mrec,
        confidence=finding.confidence,
        suspects=finding.suspects,
        chart=finding.chart,
    )


def _back(reason: Reason, finding: Finding, ticket: Ticket, at: datetime) -> Decision:
    settled = settled_by(ticket)
    words = {
        Reason.OUTLASTED: f"It outlasted what explained it. {finding.explanation}",
        Reason.STILL_STANDS: (
            f"{settled.actor if settled else 'Somebody'} resolved it, but the fault still stands. "
            f"{finding.explanation}"
        ),
    }
    event = _event(TicketAction.REOPENED, at, reason, finding, words.get(reason, ""), _was(ticket, finding))
    reopened = _noted(_with(apply_event(ticket, event), finding), at, came=True)
    return Decision(reason, msgspec.structs.replace(reopened, findings=ticket.findings + 1))


def _came(finding: Finding, ticket: Ticket, at: datetime, policy: Policy, *, new: bool) -> Decision:
    """It stands, and its ticket is open: with `new` it has come back meanwhile."""
    decision = _update(finding, ticket, at)
    if not new:
        return decision
    after = decision.ticket or ticket
    return _flaps(after, at, policy) or Decision(decision.reason, after)


def _update(finding: Finding, ticket: Ticket, at: datetime) -> Decision:
    was = _was(ticket, finding)
    urgent = bool(was) or finding.severity != ticket.severity
    updates = [e for e in ticket.events if e.action is TicketAction.UPDATED]
    if not urgent and not _differs(finding, ticket):
        return Decision(Reason.NOTHING_NEW)
    last = max((e.at for e in updates), default=ticket.opened_at)
    if not urgent and at - last < UPDATE_EVERY:
        return Decision(Reason.TOO_SOON)
    updated = msgspec.structs.replace(_with(ticket, finding), findings=ticket.findings + 1, updated_at=at)
    if len(updates) >= MAX_UPDATES and not urgent:
        return Decision(Reason.MORE_EVIDENCE, updated)
    reason = Reason.NAMED if was else Reason.MORE_EVIDENCE
    return Decision(reason, apply_event(updated, _event(TicketAction.UPDATED, at, reason, finding, was=was)))


def _differs(finding: Finding, ticket: Ticket) -> bool:
    return (
        finding.probable_cause != ticket.probable_cause
        or finding.explanation != ticket.explanation
        or finding.mrec != ticket.mrec
        or abs(finding.confidence - ticket.confidence) >= 0.05
        or finding.evidence != ticket.evidence
        or finding.suspects != ticket.suspects
    )


def _went(change: Change, ticket: Ticket | None, policy: Policy, holder: Ticket | None) -> Decision:
    if ticket is None:
        return Decision(Reason.ALREADY_SETTLED)
    stood = flapping.stands(ticket.changes)
    noted = _noted(ticket, change.at, came=False)
    if ticket.state not in UNSETTLED:
        return Decision(Reason.ALREADY_SETTLED, noted if stood else None)
    if change.reason.startswith(HELD_BACK):
        return Decision(Reason.HELD_BACK, _hold(noted, change, holder))
    if ticket.flapping_since is not None:
        return Decision(Reason.FLAPPING, noted if stood else None)
    step = remediation.helped(ticket)
    after = f", after {WORDS[step]}" if step is not None else ""
    gone = f"The fault is gone: {change.reason.replace('_', ' ')}{after}."
    data = {"rule_reason": change.reason, **_after(step)}
    return _flaps(noted, change.at, policy) or Decision(
        Reason.FAULT_GONE, _say(noted, TicketAction.CLEARED, change.at, Reason.FAULT_GONE, gone, **data)
    )


def _hold(ticket: Ticket, change: Change, holder: Ticket | None) -> Ticket:
    fault = change.reason.removeprefix(HELD_BACK).replace("_", " ")
    words = f"{fault.capitalize()} explains it{f', ticket {holder.ticket_id}' if holder else ''}."
    data = {"rule_reason": change.reason, "held_by": holder.ticket_id if holder else None}
    return _say(ticket, TicketAction.HELD, change.at, Reason.HELD_BACK, words, **data)


def _flaps(ticket: Ticket, at: datetime, policy: Policy) -> Decision | None:
    """The decision where a fault has just begun to come and go too often."""
    if ticket.flapping_since is not None or flapping.share(ticket.changes, at) < policy.flap_high:
        return None
    recent = sum(1 for change in ticket.changes if at - change < flapping.WINDOW)
    hours = flapping.WINDOW / timedelta(hours=1)
    words = f"The fault came or went {recent} times in {hours:.0f} h. The ticket stays open until it is calm."
    return Decision(Reason.FLAPPING, _say(ticket, TicketAction.FLAPPING, at, Reason.FLAPPING, words))


def _calm(ticket: Ticket, now: datetime, policy: Policy) -> Decision:
    if flapping.share(ticket.changes, now) >= policy.flap_low:
        return Decision(Reason.FLAPPING)
    if flapping.stands(ticket.changes):
        words = "The fault no longer comes and goes: it stands."
        return Decision(Reason.CALM, _say(ticket, TicketAction.STEADIED, now, Reason.CALM, words))
    words = "The fault is gone, and no longer comes and goes."
    return Decision(Reason.CALM, _say(ticket, TicketAction.CLEARED, now, Reason.CALM, words))
