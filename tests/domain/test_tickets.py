"""A ticket's life: what may happen to it when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.errors import ConflictError
from laddvakt.domain.tickets import (
    UNSETTLED,
    Asset,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
    stood,
)

A, S = TicketAction, TicketState
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _ticket(state: TicketState = S.OPEN, **changes: Any) -> Ticket:
    return Ticket(
        ticket_id="T-1",
        fault="offline",
        asset=Asset(kind="station", id="SE-1"),
        station_id="SE-1",
        severity=Severity.P2,
        state=state,
        opened_at=NOON,
        updated_at=NOON,
        **changes,
    )


def _event(action: TicketAction, minutes: float = 1, **data: Any) -> TicketEvent:
    return TicketEvent(at=NOON + timedelta(minutes=minutes), action=action, actor="anna", data=data)


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        (S.OPEN, A.ACKNOWLEDGED, S.ACKNOWLEDGED),
        (S.OPEN, A.ASSIGNED, S.IN_PROGRESS),
        (S.ACKNOWLEDGED, A.RESOLVED, S.RESOLVED),
        (S.IN_PROGRESS, A.CLEARED, S.RESOLVED),
        (S.RESOLVED, A.VERIFIED, S.VERIFIED),
        (S.VERIFIED, A.CLOSED, S.CLOSED),
        (S.CLOSED, A.REOPENED, S.OPEN),
        (S.CLOSED, A.COMMENTED, S.CLOSED),
        (S.OPEN, A.UPDATED, S.OPEN),
    ],
)
def test_an_action_leads_to_its_state(before: TicketState, action: TicketAction, after: TicketState) -> None:
    assert apply_event(_ticket(before), _event(action)).state is after


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (S.ACKNOWLEDGED, A.ACKNOWLEDGED),
        (S.RESOLVED, A.RESOLVED),
        (S.CLOSED, A.UPDATED),
        (S.OPEN, A.REOPENED),
        (S.OPEN, A.VERIFIED),
        (S.OPEN, A.CLOSED),
        (S.OPEN, A.OPENED),
    ],
)
def test_an_action_that_does_not_fit_is_refused(state: TicketState, action: TicketAction) -> None:
    with pytest.raises((ConflictError, KeyError)):
        apply_event(_ticket(state), _event(action))


def test_resolving_takes_note_of_the_time_and_reopening_forgets_it() -> None:
    resolved = apply_event(_ticket(), _event(A.RESOLVED, 5))
    assert resolved.resolved_at == NOON + timedelta(minutes=5)
    verified = apply_event(resolved, _event(A.VERIFIED, 9))
    assert verified.resolved_at == resolved.resolved_at
    assert apply_event(verified, _event(A.REOPENED, 10)).resolved_at is None


def test_a_ticket_stands_from_each_opening_to_its_end() -> None:
    ticket = _ticket()
    assert stood(ticket) == [(NOON, None)]
    for action, minutes in ((A.CLEARED, 5), (A.VERIFIED, 7), (A.REOPENED, 60), (A.COMMENTED, 61)):
        ticket = apply_event(ticket, _event(action, minutes))
    at = [NOON + timedelta(minutes=minutes) for minutes in (5, 60, 90)]
    assert stood(ticket) == [(NOON, at[0]), (at[1], None)]
    held = apply_event(ticket, _event(A.HELD, 90))
    assert stood(held) == [(NOON, at[0]), (at[1], at[2])]
    outlasted = apply_event(held, _event(A.REOPENED, 95, reason="outlasted"))
    assert stood(outlasted) == [(NOON, at[0]), (at[1], None)]


def test_who_has_it_and_what_it_was_are_kept() -> None:
    ticket = apply_event(_ticket(), _event(A.ASSIGNED, assignee="bo"))
    ticket = apply_event(ticket, _event(A.VERDICT, verdict="vehicle"))
    ticket = apply_event(ticket, _event(A.COMMENTED))
    assert (ticket.assignee, ticket.verdict) == ("bo", "vehicle")


@given(st.lists(st.tuples(st.sampled_from([a for a in A if a is not A.OPENED]), st.floats(0, 1e5)), max_size=12))
def test_history_only_grows_and_time_never_goes_back(steps: list[tuple[TicketAction, float]]) -> None:
    ticket = _ticket()
    for action, minutes in steps:
        before = ticket
        try:
            ticket = apply_event(ticket, _event(action, minutes))
        except ConflictError:
            continue
        assert ticket.events[:-1] == before.events
        assert ticket.updated_at >= before.updated_at
        assert (ticket.resolved_at is None) or ticket.state not in UNSETTLED
