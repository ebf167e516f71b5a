"""A ticket's life: one per fault and asset, each step with a reason, people's decisions stand."""

from __future__ import annotations

import itertools
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.changes import Change, ChangeKind
from detector.flapping import STATES, WINDOW
from detector.ladders import Step
from detector.remediation import trying
from detector.tickets import (
    DEFAULT,
    MAX_UPDATES,
    NEVER_VERIFIED,
    ORPHANED,
    UPDATE_EVERY,
    Decision,
    Reason,
    decide,
    due_at,
    review,
    verify,
)
from detector.view import SessionEnded
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.tickets import (
    STOOD_ON,
    UNSETTLED,
    Asset,
    Evidence,
    Finding,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from tests.support.detector import START


def finding(minutes: float = 0, *, severity: Severity = Severity.P2, value: str = "0 W") -> Finding:
    at = START + timedelta(minutes=minutes)
    return Finding(
        fault="no_power",
        asset=Asset(kind="station", id="SE-1"),
        station_id="SE-1",
        connector_id=1,
        severity=severity,
        at=at,
        since=at,
        probable_cause="contactor",
        explanation="nothing flows",
        suggested_action="measure",
        evidence=(Evidence(label="Power", value=value),),
    )


def change(kind: ChangeKind, minutes: float = 0, **how: object) -> Change:
    return Change(
        kind=kind,
        at=START + timedelta(minutes=minutes),
        station_id="SE-1",
        finding=finding(minutes, **how),  # type: ignore[arg-type]  # words of `finding`
        reason="power_flows",
    )


def raised(minutes: float = 0) -> Ticket:
    decision = decide(change(ChangeKind.RAISED, minutes), None, site_id="site-1")
    assert decision.ticket is not None
    return decision.ticket


def by_hand(ticket: Ticket, action: TicketAction, minutes: float) -> Ticket:
    return apply_event(ticket, TicketEvent(at=START + timedelta(minutes=minutes), action=action, actor="eva"))


def session(minutes: float, *, energy_wh: float = 5000, connector_id: int = 1) -> SessionEnded:
    begun = START + timedelta(minutes=minutes)
    return SessionEnded(
        station_id="SE-1",
        connector_id=connector_id,
        transaction_id="9",
        vehicle="tok",
        started_at=begun,
        ended_at=begun + timedelta(minutes=30),
        energy_wh=energy_wh,
        heard_at=begun + timedelta(minutes=30),
    )


def test_a_raised_finding_opens_a_ticket_with_its_reason() -> None:
    ticket = raised()
    assert ticket.state is TicketState.OPEN
    assert (ticket.site_id, ticket.fault, ticket.asset.id) == ("site-1", "no_power", "SE-1")
    (event,) = ticket.events
    assert event.action is TicketAction.OPENED
    assert event.actor == "detector"
    assert event.data["reason"] == "new_fault"


def test_the_same_again_is_no_event() -> None:
    assert decide(change(ChangeKind.STILL, 120), raised(), site_id=None).reason is Reason.NOTHING_NEW


def test_fresh_evidence_is_an_event_once_an_hour_at_most() -> None:
    ticket = raised()
    soon = decide(change(ChangeKind.STILL, 30, value="1 W"), ticket, site_id=None)
    assert soon == (Reason.TOO_SOON, None)
    later = decide(change(ChangeKind.STILL, 60, value="1 W"), ticket, site_id=None)
    assert later.ticket is not None
    assert later.ticket.events[-1].action is TicketAction.UPDATED
    assert later.ticket.evidence[0].value == "1 W"
    assert later.ticket.findings == 2


def test_worse_news_is_an_event_at_once() -> None:
    decision = decide(change(ChangeKind.STILL, 1, severity=Severity.P1), raised(), site_id=None)
    assert decision.ticket is not None
    assert decision.ticket.severity is Severity.P1


def test_a_ticket_of_months_has_a_bounded_history() -> None:
    ticket = raised()
    for hour in range(1, 2 * MAX_UPDATES):
        decision = decide(change(ChangeKind.STILL, hour * 60, value=f"{hour} W"), ticket, site_id=None)
        ticket = decision.ticket or ticket
    assert len(ticket.events) == MAX_UPDATES + 1
    assert ticket.evidence[0].value == f"{2 * MAX_UPDATES - 1} W"


def test_the_fault_gone_resolves_with_the_rules_reason() -> None:
    decision = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None)
    assert decision.ticket is not None
    assert decision.ticket.state is TicketState.RESOLVED
    assert decision.ticket.resolved_at == START + timedelta(minutes=10)
    assert decision.ticket.events[-1].data["rule_reason"] == "power_flows"


def closed_ticket() -> Ticket:
    """Cleared at 10 minutes, proved by a session at 20, and closed."""
    cleared = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None).ticket
    assert cleared is not None
    verified = verify(session(20), cleared).ticket
    assert verified is not None
    closed = review(verified, verified.updated_at + DEFAULT.close_after, found=False).ticket
    assert closed is not None
    assert closed.state is TicketState.CLOSED
    return closed


def minutes_of(ticket: Ticket) -> float:
    return (ticket.updated_at - START).total_seconds() / 60


def test_what_is_back_within_a_day_of_closing_is_the_same_ticket_later_it_is_a_new_one() -> None:
    ticket = closed_ticket()
    day = minutes_of(ticket) + DEFAULT.reopen_within.total_seconds() / 60
    again = decide(change(ChangeKind.RAISED, day), ticket, site_id=None)
    assert again.reason is Reason.CAME_BACK
    assert again.ticket is not None
    assert (again.ticket.ticket_id, again.ticket.state) == (ticket.ticket_id, TicketState.OPEN)
    assert again.ticket.resolved_at is None
    new = decide(change(ChangeKind.RAISED, day + 1), ticket, site_id=None)
    assert new.reason is Reason.NEW_FAULT
    assert new.ticket is not None
    assert new.ticket.ticket_id != ticket.ticket_id


def test_a_comment_after_closing_does_not_lengthen_the_day() -> None:
    ticket = closed_ticket()
    day = minutes_of(ticket) + DEFAULT.reopen_within.total_seconds() / 60
    commented = by_hand(ticket, TicketAction.COMMENTED, day - 1)
    assert decide(change(ChangeKind.RAISED, day + 1), commented, site_id=None).reason is Reason.NEW_FAULT


def test_what_is_back_before_its_ticket_is_closed_is_the_same_trouble_however_late() -> None:
    cleared = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None).ticket
    assert cleared is not None
    week = 7 * 24 * 60
    assert decide(change(ChangeKind.RAISED, week), cleared, site_id=None).reason is Reason.CAME_BACK


def test_the_figures_know_by_their_reasons_which_faults_had_never_gone() -> None:
    assert {Reason.OUTLASTED, Reason.STILL_STANDS} == STOOD_ON


def test_what_a_person_resolved_waits_for_the_fault_to_go_and_come_back() -> None:
    ticket = by_hand(raised(), TicketAction.RESOLVED, 5)
    assert decide(change(ChangeKind.STILL, 65), ticket, site_id=None) == (Reason.SETTLED_BY_PERSON, None)
    assert decide(change(ChangeKind.RAISED, 66), ticket, site_id=None) == (Reason.SETTLED_BY_PERSON, None)
    gone = decide(change(ChangeKind.CLEARED, 70), ticket, site_id=None)
    assert gone.reason is Reason.ALREADY_SETTLED
    assert gone.ticket is not None
    assert (gone.ticket.state, gone.ticket.events) == (TicketState.RESOLVED, ticket.events)
    assert decide(change(ChangeKind.RAISED, 80), gone.ticket, site_id=None).reason is Reason.CAME_BACK


def test_what_a_person_resolved_and_still_stands_a_day_later_is_reopened_with_these_words() -> None:
    ticket = by_hand(raised(), TicketAction.RESOLVED, 5)
    again = decide(change(ChangeKind.STILL, 5 + 24 * 60), ticket, site_id=None)
    assert again.reason is Reason.STILL_STANDS
    assert again.ticket is not None
    assert again.ticket.state is TicketState.OPEN
    assert again.ticket.events[-1].actor == "detector"
    assert "eva resolved it, but the fault still stands" in again.ticket.events[-1].detail


def test_no_session_proves_the_mend_of_a_fault_that_still_stands() -> None:
    ticket = by_hand(raised(), TicketAction.RESOLVED, 5)
    assert verify(session(20), ticket) == (Reason.SESSION_PROVES_NOTHING, None)


def test_a_fault_under_another_is_settled_with_a_link_and_comes_back_if_it_outlasts_it() -> None:
    held = msgspec.structs.replace(change(ChangeKind.CLEARED, 10), reason="held_back_by:site_outage")
    holder = msgspec.structs.replace(raised(), ticket_id="T-site", fault="site_outage")
    decision = decide(held, raised(), site_id=None, holder=holder)
    assert decision.reason is Reason.HELD_BACK
    ticket = decision.ticket
    assert ticket is not None
    assert (ticket.state, ticket.held_by) == (TicketState.RESOLVED, "T-site")
    assert ticket.events[-1].action is TicketAction.HELD
    assert "Site outage explains it, ticket T-site" in ticket.events[-1].detail
    back = decide(change(ChangeKind.RAISED, 60 * 24 * 3), ticket, site_id=None)
    assert back.reason is Reason.OUTLASTED
    assert back.ticket is not None
    assert (back.ticket.ticket_id, back.ticket.held_by) == (ticket.ticket_id, None)


def test_nothing_opens_in_silence_and_what_is_open_still_clears() -> None:
    quiet = Silence(
        silence_id="Q-1",
        scope=SilenceScope.FLEET,
        from_=START,
        until=START + timedelta(days=1),
        reason="works",
        created_by="eva",
        created_at=START,
    )
    one = change(ChangeKind.RAISED)
    assert decide(one, None, site_id=None, silence=quiet) == (Reason.SILENCED, None)
    gone = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None, silence=quiet)
    assert gone.reason is Reason.FAULT_GONE
    assert decide(change(ChangeKind.RAISED, 20), gone.ticket, site_id=None, silence=quiet) == (
        Reason.SILENCED,
        None,
    )


def flapping_ticket(cycles: int, *, minutes: float = 10) -> Ticket:
    ticket = raised()
    for cycle in range(cycles):
        for kind, at in ((ChangeKind.CLEARED, 2 * cycle + 1), (ChangeKind.RAISED, 2 * cycle + 2)):
            ticket = decide(change(kind, at * minutes), ticket, site_id=None).ticket or ticket
    return ticket


def test_a_fault_that_comes_and_goes_keeps_one_ticket_open_and_says_so_once() -> None:
    ticket = flapping_ticket(30)
    actions = [event.action for event in ticket.events]
    assert actions == ["opened", "cleared", "reopened", "flapping"]
    assert ticket.state is TicketState.OPEN
    assert ticket.flapping_since is not None
    assert len(ticket.changes) <= STATES
    gone = decide(change(ChangeKind.CLEARED, 610), ticket, site_id=None)
    assert gone.reason is Reason.FLAPPING
    assert gone.ticket is not None
    assert gone.ticket.state is TicketState.OPEN


def test_a_flapping_ticket_clears_when_it_was_calm_and_gone() -> None:
    ticket = decide(change(ChangeKind.CLEARED, 50), flapping_ticket(2), site_id=None).ticket
    assert ticket is not None
    assert review(ticket, START + timedelta(minutes=60), found=False) == (Reason.FLAPPING, None)
    calm = review(ticket, START + timedelta(minutes=50) + WINDOW, found=False)
    assert calm.reason is Reason.CALM
    assert calm.ticket is not None
    assert (calm.ticket.state, calm.ticket.flapping_since) == (TicketState.RESOLVED, None)


def test_a_flapping_ticket_whose_fault_stays_says_that_it_stands() -> None:
    ticket = flapping_ticket(2)
    calm = review(ticket, START + timedelta(minutes=40) + WINDOW, found=True)
    assert calm.ticket is not None
    assert (calm.ticket.state, calm.ticket.events[-1].action) == (TicketState.OPEN, TicketAction.STEADIED)
    gone = decide(change(ChangeKind.CLEARED, 600), calm.ticket, site_id=None)
    assert gone.reason is Reason.FAULT_GONE


def test_two_times_in_a_day_is_no_flapping() -> None:
    assert flapping_ticket(2, minutes=60).flapping_since is None


def test_a_verified_ticket_is_closed_after_a_day_and_an_unproved_one_after_weeks() -> None:
    cleared = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None).ticket
    assert cleared is not None
    verified = verify(session(20), cleared).ticket
    assert verified is not None
    for ticket, after, reason in (
        (verified, DEFAULT.close_after, Reason.DONE),
        (cleared, NEVER_VERIFIED, Reason.UNPROVED),
    ):
        due = ticket.updated_at + after
        assert due_at(ticket, found=False) == due
        assert review(ticket, due - timedelta(seconds=1), found=False) == (Reason.NOT_DUE, None)
        closed = review(ticket, due, found=False)
        assert closed.reason is reason
        assert closed.ticket is not None
        assert closed.ticket.state is TicketState.CLOSED
        assert due_at(closed.ticket, found=False) is None


def test_a_ticket_that_nothing_finds_any_more_clears_but_not_one_that_a_person_opened() -> None:
    ticket = raised()
    late = ticket.updated_at + ORPHANED
    assert due_at(ticket, found=True) is None
    decision = review(ticket, late, found=False)
    assert decision.reason is Reason.NOT_FOUND
    assert decision.ticket is not None
    assert decision.ticket.state is TicketState.RESOLVED
    by_person = by_hand(by_hand(ticket, TicketAction.RESOLVED, 5), TicketAction.REOPENED, 6)
    assert due_at(by_person, found=False) is None
    assert review(by_person, late + timedelta(days=9), found=False) == Decision(Reason.NOT_DUE)


def test_an_acknowledged_ticket_stays_so_under_fresh_evidence() -> None:
    ticket = by_hand(raised(), TicketAction.ACKNOWLEDGED, 5)
    decision = decide(change(ChangeKind.STILL, 90, value="2 W"), ticket, site_id=None)
    assert decision.ticket is not None
    assert decision.ticket.state is TicketState.ACKNOWLEDGED


def test_a_good_session_after_the_end_verifies() -> None:
    ticket = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None).ticket
    assert ticket is not None
    verified = verify(session(20), ticket)
    assert verified.reason is Reason.GOOD_SESSION
    assert verified.ticket is not None
    assert verified.ticket.state is TicketState.VERIFIED
    for poor in (session(20, energy_wh=99), session(5), session(20, connector_id=2)):
        assert verify(poor, ticket).ticket is None
    assert verify(session(20), raised()).ticket is None


@pytest.mark.parametrize(
    ("stop_reason", "errors", "proves"),
    [
        ("Local", (), True),
        ("EVDisconnected", ("EVCommunicationError", "WeakSignal", "CX007"), True),
        ("GroundFault", (), False),  # 5 kWh, and then the fault itself ended it
        ("Reboot", (), False),
        ("Local", ("PowerSwitchFailure",), False),
        ("Local", ("CX005",), False),
    ],
)
def test_a_session_that_the_equipment_ended_proves_no_mend(
    stop_reason: str, errors: tuple[str, ...], proves: bool
) -> None:
    ticket = decide(change(ChangeKind.CLEARED, 10), raised(), site_id=None).ticket
    assert ticket is not None
    ended = msgspec.structs.replace(session(20), stop_reason=stop_reason, errors=errors)
    assert (verify(ended, ticket).reason is Reason.GOOD_SESSION) is proves


def test_what_went_after_a_step_of_the_ladder_says_so_and_a_good_session_proves_the_step() -> None:
    tried = apply_event(raised(), trying(Step.SOFT_RESET, "Reset", "c1", START + timedelta(minutes=5)))
    gone = decide(change(ChangeKind.CLEARED, 10), tried, site_id=None).ticket
    assert gone is not None
    assert gone.events[-1].detail == "The fault is gone: power flows, after a soft reset."
    proved = verify(session(20), gone).ticket
    assert proved is not None
    assert proved.events[-1].detail.endswith(" So a soft reset mended it.")
    assert proved.events[-1].data["remedy"] == "soft_reset"


def test_what_a_person_mended_is_not_the_ladders_work() -> None:
    tried = apply_event(raised(), trying(Step.SOFT_RESET, "Reset", "c1", START + timedelta(minutes=5)))
    resolved = by_hand(by_hand(tried, TicketAction.ACKNOWLEDGED, 7), TicketAction.RESOLVED, 8)
    gone = decide(change(ChangeKind.CLEARED, 10), resolved, site_id=None).ticket
    assert gone is not None
    proved = verify(session(20), gone).ticket
    assert proved is not None
    assert "remedy" not in proved.events[-1].data


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*ChangeKind, *(a for a in TicketAction if a is not TicketAction.OPENED)]),
            st.integers(1, 3000),
            st.sampled_from(["0 W", "1 W", "2 W"]),
        ),
        max_size=30,
    )
)
def test_any_life_is_a_fold_of_its_events(steps: list[tuple[ChangeKind | TicketAction, int, str]]) -> None:
    ticket, minutes = raised(), 0.0
    for step, pause, value in steps:
        minutes += pause
        before = ticket
        if step is ChangeKind.SESSION:
            ticket = verify(session(minutes), ticket).ticket or ticket
        elif isinstance(step, ChangeKind):
            ticket = decide(change(step, minutes, value=value), ticket, site_id=None).ticket or ticket
        else:
            try:
                ticket = by_hand(ticket, step, minutes)
            except Exception as error:
                assert type(error).__name__ == "ConflictError"
        if ticket.ticket_id == before.ticket_id:
            assert ticket.events[: len(before.events)] == before.events
        assert (ticket.resolved_at is None) == (ticket.state in UNSETTLED)
        updates = [e.at for e in ticket.events if e.action is TicketAction.UPDATED and e.actor == "detector"]
        assert all(b - a >= UPDATE_EVERY for a, b in itertools.pairwise(updates))
    assert msgspec.json.decode(msgspec.json.encode(ticket), type=Ticket) == ticket
