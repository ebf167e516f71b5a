"""Tickets: a fault that somebody should act on, its asset, evidence and life.

A ticket is the fold of its events; history is never rewritten.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from laddvakt.domain.errors import ConflictError
from laddvakt.domain.money import Money


class Severity(StrEnum):
    """How urgent. The names are the ones of the fault catalogue."""

    P1 = "P1"  # safety
    P2 = "P2"  # down
    P3 = "P3"  # degraded
    P4 = "P4"  # watch


class TicketState(StrEnum):
    """Where a ticket is in its life."""

    OPEN = "open"  # nobody has taken it
    ACKNOWLEDGED = "acknowledged"  # somebody has seen it
    IN_PROGRESS = "in_progress"  # somebody works on it
    RESOLVED = "resolved"  # the fault is gone, by itself or by repair
    VERIFIED = "verified"  # a session of at least 0.1 kWh succeeded since
    CLOSED = "closed"  # done


class TicketAction(StrEnum):
    """What can happen to a ticket; the detector's and people's actions in one list."""

    OPENED = "opened"  # the detector found the fault
    UPDATED = "updated"  # the detector saw it again, with fresh evidence
    CLEARED = "cleared"  # the detector saw the fault end
    ACKNOWLEDGED = "acknowledged"  # a person took note
    ASSIGNED = "assigned"  # a person was given it
    COMMENTED = "commented"  # a person wrote something
    RESOLVED = "resolved"  # a person says it is mended
    VERDICT = "verdict"  # a person says what it really was
    REOPENED = "reopened"  # the fault came back, or a person disagrees
    VERIFIED = "verified"  # a good session proved the mend
    CLOSED = "closed"  # finished
    HELD = "held"  # the detector put it under another ticket, which explains it
    FLAPPING = "flapping"  # the fault comes and goes: the ticket stays open until it is calm
    STEADIED = "steadied"  # it no longer comes and goes; it stands
    NOTIFIED = "notified"  # somebody was told
    REMEDIATED = "remediated"  # a step of the remediation ladder, what came of it, or that there is none left


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """The thing that is at fault: kind is `station`, `cable`, `connector` or `site`. A connector's id is
    `<station>/<connector>`; so is a fixed cable's that has no asset id of its own."""

    kind: str
    id: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One reading that speaks for a finding: what, how much, against which threshold or peers."""

    label: str
    value: str
    threshold: str = ""
    peers: str = ""
    at: datetime | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a chart: at most 200 points, in the order of time."""

    name: str
    points: tuple[tuple[datetime, float], ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Evidence as a picture: what was measured over time, the threshold it was held against, what is normal."""

    label: str  # of the value axis, for example `heat over current squared`
    unit: str
    series: tuple[Series, ...]
    threshold: float | None = None
    normal: float | None = None  # of the peers, or of its own past


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """What a fault may lie in, how likely that is (0..1, all suspects of a finding sum to 1), and why."""

    asset: Asset  # kind may also be `vehicle`; its id is a pseudonym
    share: float
    why: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A rule or a model holds that an asset has a fault now. `key` (fault, asset) makes it one of a kind."""

    fault: str  # code of the fault catalogue
    asset: Asset
    station_id: str
    connector_id: int | None = None
    severity: Severity
    at: datetime  # when the evidence was complete
    since: datetime  # when the fault began, as far as known
    probable_cause: str
    explanation: str  # one sentence a technician can read
    suggested_action: str
    evidence: tuple[Evidence, ...] = ()
    mrec: tuple[str, ...] = ()
    confidence: float = 1.0  # 0..1
    suspects: tuple[Suspect, ...] = ()  # most likely first; empty: only `asset`
    chart: Chart | None = None


class TicketEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a ticket. `actor` is a user name, or `detector`."""

    at: datetime
    action: TicketAction
    actor: str
    detail: str = ""
    data: dict[str, Any] = msgspec.field(default_factory=dict)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A fault ticket (API object)."""

    ticket_id: str
    fault: str
    asset: Asset
    station_id: str
    connector_id: int | None = None
    site_id: str | None = None
    severity: Severity
    state: TicketState = TicketState.OPEN
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None = None
    assignee: str | None = None
    probable_cause: str = ""
    evidence: tuple[Evidence, ...] = ()
    explanation: str = ""
    suggested_action: str = ""
    mrec: tuple[str, ...] = ()
    revenue_at_risk: Money | None = None
    confidence: float = 1.0
    findings: int = 1  # how many times the fault was found
    suspects: tuple[Suspect, ...] = ()
    chart: Chart | None = None
    related: tuple[str, ...] = ()  # other tickets: of the same asset or site, or that this one holds back
    changes: tuple[datetime, ...] = ()  # when the fault came or went, the last 21
    flapping_since: datetime | None = None  # it comes and goes: open until it is calm
    held_by: str | None = None  # the ticket that explains this one
    storm: str | None = None  # of many tickets of one fault within minutes; people get one digest of it
    verdict: str | None = None  # confirmed, wrong_asset, vehicle, no_fault_found
    right_asset: Asset | None = None  # where the fault really was, as the verdict says
    events: tuple[TicketEvent, ...] = ()


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What a person found a ticket to be: something to learn from. What was measured between `from_` and `to` at
    the station belongs to it; `right_asset` is where the fault was, None where that is not known."""

    ticket_id: str
    fault: str
    asset: Asset
    station_id: str
    connector_id: int | None
    from_: datetime
    to: datetime | None  # None: it still stands
    confidence: float  # the detector's, 0..1
    verdict: str
    right_asset: Asset | None
    judged_at: datetime
    judged_by: str


UNSETTLED = frozenset({TicketState.OPEN, TicketState.ACKNOWLEDGED, TicketState.IN_PROGRESS})
"""States in which the fault still wants somebody."""

_SETTLED = frozenset(TicketState) - UNSETTLED
STOOD_ON = frozenset({"outlasted", "still_stands"})
"""Reasons of a reopening (`reason` of the event) that say that the fault had never gone."""
_SETTLES = frozenset({TicketAction.CLEARED, TicketAction.RESOLVED, TicketAction.HELD})
_ANY = frozenset(TicketState)

# action -> (states it is allowed in, state it leads to; None keeps the state)
_LIFE: dict[TicketAction, tuple[frozenset[TicketState], TicketState | None]] = {
    TicketAction.UPDATED: (UNSETTLED, None),
    TicketAction.CLEARED: (UNSETTLED, TicketState.RESOLVED),
    TicketAction.ACKNOWLEDGED: (frozenset({TicketState.OPEN}), TicketState.ACKNOWLEDGED),
    TicketAction.ASSIGNED: (UNSETTLED, TicketState.IN_PROGRESS),
    TicketAction.COMMENTED: (_ANY, None),
    TicketAction.RESOLVED: (UNSETTLED, TicketState.RESOLVED),
    TicketAction.VERDICT: (_ANY, None),
    TicketAction.REOPENED: (_SETTLED, TicketState.OPEN),
    TicketAction.VERIFIED: (frozenset({TicketState.RESOLVED}), TicketState.VERIFIED),
    TicketAction.CLOSED: (frozenset({TicketState.RESOLVED, TicketState.VERIFIED}), TicketState.CLOSED),
    TicketAction.HELD: (UNSETTLED, TicketState.RESOLVED),
    TicketAction.FLAPPING: (UNSETTLED, None),
    TicketAction.STEADIED: (UNSETTLED, None),
    TicketAction.NOTIFIED: (_ANY, None),
    TicketAction.REMEDIATED: (_ANY, None),
}


def apply_event(ticket: Ticket, event: TicketEvent) -> Ticket:
    """The ticket after `event`. Raises ConflictError when its state does not allow the action."""
    allowed, target = _LIFE[event.action]
    if ticket.state not in allowed:
        raise ConflictError(
            f"ticket {ticket.ticket_id} is {ticket.state}, so it cannot be {event.action}.",
            mend="Reload it and look at its history.",
        )
    state = target or ticket.state
    return msgspec.structs.replace(
        ticket,
        state=state,
        updated_at=max(event.at, ticket.updated_at),
        resolved_at=_resolved_at(ticket, state, event),
        assignee=event.data.get("assignee", ticket.assignee),
        flapping_since=_flapping_since(ticket, state, event),
        held_by=event.data.get("held_by") if event.action is TicketAction.HELD else _unless(event, ticket.held_by),
        verdict=event.data.get("verdict", ticket.verdict),
        right_asset=_right_asset(event) if event.action is TicketAction.VERDICT else ticket.right_asset,
        events=(*ticket.events, event),
    )


def stood(ticket: Ticket) -> list[tuple[datetime, datetime | None]]:
    """When its fault stood, in the order of time: from the opening, and from each return, until it was settled;
    None: it still stands. What a person settled, or another ticket explained, while the fault stood on had no end
    there."""
    spans: list[tuple[datetime, datetime | None]] = []
    since: datetime | None = ticket.opened_at
    for event in ticket.events:
        if event.action in _SETTLES and since is not None:
            spans.append((since, event.at))
            since = None
        elif event.action is TicketAction.REOPENED and since is None:
            stood_on = spans and event.data.get("reason") in STOOD_ON
            since = spans.pop()[0] if stood_on else event.at
    return spans if since is None else [*spans, (since, ticket.resolved_at)]


def _resolved_at(ticket: Ticket, state: TicketState, event: TicketEvent) -> datetime | None:
    if state in UNSETTLED:
        return None
    return event.at if ticket.state in UNSETTLED else ticket.resolved_at


def _flapping_since(ticket: Ticket, state: TicketState, event: TicketEvent) -> datetime | None:
    if state not in UNSETTLED or event.action is TicketAction.STEADIED:
        return None
    return event.at if event.action is TicketAction.FLAPPING else ticket.flapping_since


def _unless(event: TicketEvent, held_by: str | None) -> str | None:
    return None if event.action is TicketAction.REOPENED else held_by


def _right_asset(event: TicketEvent) -> Asset | None:
    said = event.data.get("right_asset")
    return msgspec.convert(said, Asset) if said is not None else None
