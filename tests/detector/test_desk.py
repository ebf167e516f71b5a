"""The desk on real records: reads before it writes, and decides the same again after a failed transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from detector.changes import Change, ChangeKind, finding_key
from detector.desk import REMEMBER, Desk
from detector.flapping import WINDOW
from detector.tickets import DEFAULT, NEVER_VERIFIED
from detector.view import SessionEnded
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tickets import (
    Asset,
    Finding,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from laddvakt.settings import Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import SqlRecords, open_records
from laddvakt.stores.sql.schema import metadata
from tests.support.dashboard import open_test_records
from tests.support.detector import START, Story
from tests.support.records import ended


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = open_records(Settings(data_dir=tmp_path))
    opened.migrate()
    yield opened
    opened.close()


def found(station_id: str = "SE-1", fault: str = "no_power", **more: Any) -> Finding:
    fields: dict[str, Any] = {
        "fault": fault,
        "asset": Asset(kind="station", id=station_id),
        "station_id": station_id,
        "severity": Severity.P2,
        "at": START,
        "since": START,
        "probable_cause": "contactor",
        "explanation": "nothing flows",
        "suggested_action": "measure",
    }
    return Finding(**(fields | more))


def change(kind: ChangeKind, finding: Finding, minutes: float = 0, reason: str = "over") -> Change:
    at = START + timedelta(minutes=minutes)
    return Change(kind=kind, at=at, station_id=finding.station_id, finding=finding, reason=reason)


def look(desk: Desk, records: Records, minutes: float) -> list[Ticket]:
    """As the service does: a few looks, because each only does what it finds stored."""
    changed: dict[str, Ticket] = {}
    for second in range(0, 180, 60):
        now = START + timedelta(minutes=minutes, seconds=second)
        if desk.wants_a_look(now):
            with records.begin() as work:
                changed |= {ticket.ticket_id: ticket for ticket in desk.look(now, work)}
    return list(changed.values())


def by_hand(records: Records, ticket_id: str, action: TicketAction, minutes: float) -> None:
    with records.begin() as work:
        ticket = work.tickets.get(ticket_id)
        assert ticket is not None
        event = TicketEvent(at=START + timedelta(minutes=minutes), action=action, actor="eva")
        work.tickets.save(apply_event(ticket, event))


def silence(records: Records, begin: float, end: float, **more: Any) -> None:
    fields: dict[str, Any] = {"scope": SilenceScope.STATION, "target": "SE-1"}
    with records.begin() as work:
        work.silences.save(
            Silence(
                silence_id=f"Q-{begin}",
                from_=START + timedelta(minutes=begin),
                until=START + timedelta(minutes=end),
                reason="works",
                created_by="eva",
                created_at=START,
                **(fields | more),
            )
        )


def raised_and_cleared() -> list[Change]:
    story = Story()
    story.status(ConnectorState.FAULTED, "GroundFailure")
    story.status(ConnectorState.AVAILABLE)
    story.wait(60)
    return story.changes


def session(minutes: float, energy_wh: float = 5000) -> Change:
    begun = START + timedelta(minutes=minutes)
    ended = SessionEnded(
        station_id="SE-1",
        connector_id=1,
        transaction_id="1",
        vehicle="tok",
        started_at=begun,
        ended_at=begun,
        energy_wh=energy_wh,
        heard_at=begun,
    )
    return Change(kind=ChangeKind.SESSION, at=begun, station_id="SE-1", session=ended)


def handle(desk: Desk, records: Records, *changes: Change) -> list[Ticket]:
    with records.begin() as work:
        return desk.handle(changes, work)


def test_a_ticket_changed_twice_in_one_go_is_saved_once(records: Records) -> None:
    (ticket,) = handle(Desk(lambda station_id: "site-1"), records, *raised_and_cleared())
    assert (ticket.state, ticket.site_id, len(ticket.events)) == (TicketState.RESOLVED, "site-1", 2)
    with records.read() as work:
        assert work.tickets.get(ticket.ticket_id) == ticket


def test_a_failed_transaction_is_decided_the_same_again(records: Records) -> None:
    desk, changes = Desk(lambda station_id: None), raised_and_cleared()
    with pytest.raises(ZeroDivisionError), records.begin() as work:
        desk.handle(changes, work)
        raise ZeroDivisionError
    (ticket,) = handle(desk, records, *changes)
    assert [event.action for event in ticket.events] == ["opened", "cleared"]


def test_a_desk_that_was_restarted_goes_on_with_the_same_tickets(records: Records) -> None:
    raised, cleared = raised_and_cleared()
    handle(Desk(lambda station_id: None), records, raised)
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work, START)
    assert handle(again, records, raised) == []  # nothing new
    (ticket,) = handle(again, records, cleared)
    assert ticket.state is TicketState.RESOLVED
    (verified,) = handle(again, records, session(10, 50), session(10))
    assert verified.state is TicketState.VERIFIED


def test_sessions_matter_only_where_there_are_tickets(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    assert not desk.concerns(session(10))
    handle(desk, records, *raised_and_cleared())
    assert desk.concerns(session(10))


def test_tickets_of_long_ago_are_forgotten(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, *raised_and_cleared(), session(10))
    late = REMEMBER.total_seconds() / 60 + 60
    assert handle(desk, records, session(late)) == []
    assert not desk.concerns(session(late))


# Silences


def test_what_stands_when_a_silence_ends_opens_a_ticket_then(records: Records) -> None:
    desk, finding = Desk(lambda station_id: None), found()
    silence(records, 0, 60)
    assert handle(desk, records, change(ChangeKind.RAISED, finding, 5)) == []
    assert look(desk, records, 30) == []
    (ticket,) = look(desk, records, 60)
    assert (ticket.state, ticket.opened_at) == (TicketState.OPEN, START + timedelta(minutes=60))
    assert look(desk, records, 90) == []


def test_what_ends_before_the_silence_opens_nothing(records: Records) -> None:
    desk, finding = Desk(lambda station_id: None), found()
    silence(records, 0, 60)
    handle(desk, records, change(ChangeKind.RAISED, finding, 5), change(ChangeKind.CLEARED, finding, 30))
    assert look(desk, records, 70) == []


def test_a_silence_outlives_a_restart_and_so_does_what_waits_for_its_end(records: Records) -> None:
    silence(records, 0, 60)
    handle(Desk(lambda station_id: None), records, change(ChangeKind.RAISED, found(), 5))
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work, START + timedelta(minutes=10), [found()])
    assert look(again, records, 20) == []
    assert [ticket.fault for ticket in look(again, records, 61)] == ["no_power"]


def test_what_waits_is_the_newest_finding_not_the_one_from_before_the_restart(records: Records) -> None:
    handle(Desk(lambda station_id: None), records, change(ChangeKind.RAISED, found()))
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work, START, [found()])
    handle(again, records, change(ChangeKind.STILL, found(severity=Severity.P1), 1))
    assert look(again, records, 1) == []
    with records.read() as work:
        assert [ticket.severity for ticket in work.tickets.unsettled()] == [Severity.P1]


# Groups


def test_tickets_of_one_station_and_of_one_site_within_half_an_hour_know_each_other(records: Records) -> None:
    desk = Desk(lambda station_id: "harbour" if station_id != "SE-9" else "depot")
    for minutes, finding in (
        (0, found("SE-1")),
        (20, found("SE-2")),
        (40, found("SE-1", "clock_drift")),
        (41, found("SE-9")),
    ):
        handle(desk, records, change(ChangeKind.RAISED, finding, minutes))
    with records.read() as work:
        tickets = {(t.station_id, t.fault): t for t in work.tickets.unsettled()}
    first, second = tickets["SE-1", "no_power"], tickets["SE-2", "no_power"]
    third, far = tickets["SE-1", "clock_drift"], tickets["SE-9", "no_power"]
    assert set(first.related) == {second.ticket_id, third.ticket_id}
    assert set(second.related) == {first.ticket_id, third.ticket_id}
    assert set(third.related) == {first.ticket_id, second.ticket_id}
    assert far.related == ()


def test_a_site_outage_holds_open_station_tickets_back_and_what_outlasts_it_comes_back(records: Records) -> None:
    desk = Desk(lambda station_id: "harbour")
    stations = [found(f"SE-{n}", "offline") for n in range(3)]
    outage = found("SE-0", "site_outage", asset=Asset(kind="site", id="harbour"))
    handle(desk, records, *(change(ChangeKind.RAISED, finding) for finding in stations))
    changed = handle(
        desk,
        records,
        change(ChangeKind.RAISED, outage, 5),
        *(change(ChangeKind.CLEARED, finding, 5, "held_back_by:site_outage") for finding in stations),
    )
    site = next(ticket for ticket in changed if ticket.fault == "site_outage")
    held = sorted((t for t in changed if t.fault == "offline"), key=lambda ticket: ticket.station_id)
    assert [(t.state, t.held_by) for t in held] == [(TicketState.RESOLVED, site.ticket_id)] * 3
    assert {t.ticket_id for t in held} <= set(site.related)
    handle(desk, records, change(ChangeKind.CLEARED, outage, 60), change(ChangeKind.RAISED, stations[1], 60))
    with records.read() as work:
        (left,) = work.tickets.unsettled()
    assert (left.ticket_id, left.state) == (held[1].ticket_id, TicketState.OPEN)


# One trouble under several names

_PLUG = Asset(kind="connector", id="SE-1/1")
_REPORT = found(fault="reported_fault", connector_id=1, mrec=("CX001",), asset=_PLUG)
_LOCK = found(fault="lock", connector_id=1, mrec=("CX001", "CX025"), asset=_PLUG)


def only(records: Records) -> Ticket:
    with records.read() as work:
        (ticket,) = work.tickets.page().items
    return ticket


def test_a_rule_that_names_what_was_reported_before_goes_on_with_the_reports_ticket(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, change(ChangeKind.RAISED, _REPORT), change(ChangeKind.CLEARED, _REPORT, 10))
    handle(desk, records, change(ChangeKind.RAISED, _LOCK, 300))
    ticket = only(records)
    assert (ticket.fault, ticket.state) == ("lock", TicketState.OPEN)
    assert [event.action for event in ticket.events] == ["opened", "cleared", "reopened"]
    assert ticket.events[-1].data["was"] == "reported_fault"
    handle(desk, records, change(ChangeKind.CLEARED, _LOCK, 400))
    assert only(records).state is TicketState.RESOLVED


def test_a_rule_that_explains_an_open_report_renames_its_ticket_and_nobody_is_called_again(
    records: Records,
) -> None:
    desk = Desk(lambda station_id: None)
    held = change(ChangeKind.CLEARED, _REPORT, 5, "held_back_by:lock")
    handle(desk, records, change(ChangeKind.RAISED, _REPORT), change(ChangeKind.RAISED, _LOCK, 5), held)
    ticket = only(records)
    assert (ticket.fault, ticket.state) == ("lock", TicketState.OPEN)
    assert [event.action for event in ticket.events] == ["opened", "updated"]
    assert ticket.events[-1].data["reason"] == "named"


def test_a_report_after_the_rule_that_explains_it_is_the_same_ticket(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, change(ChangeKind.RAISED, _LOCK), change(ChangeKind.CLEARED, _LOCK, 60))
    handle(desk, records, change(ChangeKind.RAISED, _REPORT, 90))
    assert (only(records).fault, only(records).state) == ("reported_fault", TicketState.OPEN)


@pytest.mark.parametrize(
    ("other", "minutes"),
    [
        (_LOCK, 60 * 25),  # another day
        (found(fault="lock", connector_id=2, mrec=("CX001",)), 60),  # another connector
        (found(fault="rcd_trip", connector_id=1, mrec=("CX002",)), 60),  # another code
        (found(fault="meter_frozen", connector_id=1), 60),  # not about what stations report
    ],
)
def test_what_is_another_trouble_gets_a_ticket_of_its_own(
    records: Records, other: Finding, minutes: float
) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, change(ChangeKind.RAISED, _REPORT), change(ChangeKind.CLEARED, _REPORT, 1))
    handle(desk, records, change(ChangeKind.RAISED, other, minutes))
    with records.read() as work:
        assert sorted(t.fault for t in work.tickets.page().items) == sorted(["reported_fault", other.fault])


def test_what_is_of_the_station_as_a_whole_may_come_up_at_another_connector(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    report = found(fault="reported_fault", connector_id=1, mrec=("CX002",))
    trips = found(fault="rcd_trip", connector_id=2, mrec=("CX002",))
    handle(desk, records, change(ChangeKind.RAISED, report), change(ChangeKind.CLEARED, report, 5))
    handle(desk, records, change(ChangeKind.RAISED, trips, 60))
    assert (only(records).fault, only(records).connector_id) == ("rcd_trip", 2)


def test_a_rule_that_names_what_the_models_found_odd_goes_on_with_their_ticket(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    odd = found(fault="anomaly", connector_id=1, severity=Severity.P4)
    hot = found(fault="plug_resistance", connector_id=1, severity=Severity.P3)
    away = found(fault="clock_drift", connector_id=None, severity=Severity.P3)
    handle(desk, records, change(ChangeKind.RAISED, odd), change(ChangeKind.RAISED, hot, 60))
    assert (only(records).fault, only(records).severity) == ("plug_resistance", "P3")
    handle(desk, records, change(ChangeKind.CLEARED, odd, 60, "held_back_by:plug_resistance"))
    assert only(records).state is TicketState.OPEN
    handle(desk, records, change(ChangeKind.RAISED, away, 61))  # says nothing of how a connector charges
    with records.read() as work:
        assert sorted(t.fault for t in work.tickets.page().items) == ["clock_drift", "plug_resistance"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_named_fault_keeps_the_ticket_and_the_oddness_of_another_connector_goes_along(
    records: Records, at_once: bool
) -> None:
    """Both connectors of a station were odd, which is one ticket; a rule then names what one of them has."""
    desk = Desk(lambda station_id: None)
    odd, other = (found(fault="anomaly", connector_id=n, severity=Severity.P4) for n in (1, 2))
    named = found(fault="power_mismatch", connector_id=1, severity=Severity.P3)
    handle(desk, records, change(ChangeKind.RAISED, odd), change(ChangeKind.RAISED, other, 10))
    took = [
        change(ChangeKind.RAISED, named, 60),
        change(ChangeKind.STILL, other, 60, "held_back_by:power_mismatch"),
    ]
    for changes in [took] if at_once else [[one] for one in took]:
        handle(desk, records, *changes)
    handle(desk, records, change(ChangeKind.STILL, other, 100), change(ChangeKind.STILL, named, 121))
    assert (only(records).fault, only(records).connector_id) == ("power_mismatch", 1)
    handle(desk, records, change(ChangeKind.CLEARED, named, 200), change(ChangeKind.STILL, other, 201))
    assert (only(records).fault, only(records).connector_id) == ("anomaly", 2)  # it outlasted what had the name
    handle(desk, records, change(ChangeKind.CLEARED, other, 300))
    assert only(records).state is TicketState.RESOLVED


def test_what_another_connector_shows_only_after_a_fault_got_its_name_has_its_own_ticket(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    odd, other = (found(fault="anomaly", connector_id=n, severity=Severity.P4) for n in (1, 2))
    named = found(fault="power_mismatch", connector_id=1, severity=Severity.P3)
    handle(desk, records, change(ChangeKind.RAISED, odd), change(ChangeKind.RAISED, named, 60))
    late = msgspec.structs.replace(other, since=START + timedelta(minutes=90))
    handle(desk, records, change(ChangeKind.RAISED, late, 100))
    with records.read() as work:
        assert sorted(t.fault for t in work.tickets.page().items) == ["anomaly", "power_mismatch"]


def test_a_renamed_ticket_survives_a_restart(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, change(ChangeKind.RAISED, _REPORT), change(ChangeKind.RAISED, _LOCK, 5))
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work, START + timedelta(minutes=6), [_LOCK])
    handle(again, records, change(ChangeKind.CLEARED, _LOCK, 60), change(ChangeKind.RAISED, _REPORT, 90))
    assert [event.action for event in only(records).events] == ["opened", "updated", "cleared", "reopened"]


def test_a_storm_is_marked_on_all_its_tickets_the_first_ones_too(records: Records) -> None:
    desk, many = Desk(lambda station_id: None), DEFAULT.storm_tickets
    for n in range(many):
        handle(desk, records, change(ChangeKind.RAISED, found(f"SE-{n}"), n / 10))
    handle(desk, records, change(ChangeKind.RAISED, found("SE-x", "meter_frozen"), 3))
    with records.read() as work:
        tickets = work.tickets.unsettled()
    storms = {ticket.storm for ticket in tickets if ticket.fault == "no_power"}
    assert storms == {"storm-no_power-20261121T080000"}
    assert [ticket.storm for ticket in tickets if ticket.fault == "meter_frozen"] == [None]
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work, START + timedelta(minutes=4))
    (late,) = handle(again, records, change(ChangeKind.RAISED, found("SE-late"), 5))
    assert late.storm == "storm-no_power-20261121T080000"
    (after,) = handle(again, records, change(ChangeKind.RAISED, found("SE-after"), 60))
    assert after.storm is None


# Time and people


def test_a_verified_ticket_is_closed_by_time_alone(records: Records) -> None:
    desk = Desk(lambda station_id: None)
    handle(desk, records, *raised_and_cleared(), session(10))
    assert look(desk, records, 60) == []
    (closed,) = look(desk, records, 60 + DEFAULT.close_after.total_seconds() / 60)
    assert closed.state is TicketState.CLOSED
    assert look(desk, records, 120 + DEFAULT.close_after.total_seconds() / 60) == []


def test_a_ticket_that_a_person_opened_again_is_the_one_that_goes_on(records: Records) -> None:
    desk, finding = Desk(lambda station_id: None), raised_and_cleared()[0].finding
    (first,) = handle(desk, records, *raised_and_cleared(), session(10))
    assert finding is not None
    close = 60 + DEFAULT.close_after.total_seconds() / 60
    (closed,) = look(desk, records, close)
    assert closed.state is TicketState.CLOSED
    day = close + DEFAULT.reopen_within.total_seconds() / 60 + 5
    second = [change(ChangeKind.RAISED, finding, day), change(ChangeKind.CLEARED, finding, day + 1)]
    handle(desk, records, *second)
    by_hand(records, first.ticket_id, TicketAction.REOPENED, day + 2)
    handle(desk, records, change(ChangeKind.RAISED, finding, day + 3))
    with records.read() as work:
        (open_,) = work.tickets.unsettled()
    assert open_.ticket_id == first.ticket_id


def test_a_ticket_has_its_revenue_at_risk_from_the_stations_own_past(records: Records) -> None:
    with records.begin() as work:
        work.stations.save([Station(station_id="SE-1", site_id="harbour")])
        week = timedelta(days=7)
        work.sessions.save([ended(f"S-{n}", START - n * week / 7, "100") for n in range(1, 29)])
    (ticket,) = handle(Desk(lambda station_id: "harbour"), records, change(ChangeKind.RAISED, found()))
    assert ticket.revenue_at_risk is not None
    assert ticket.revenue_at_risk.currency == "SEK"
    assert 190 < ticket.revenue_at_risk.amount < 210  # one session of 100 a day, P2: two days
    site = found("SE-1", "site_outage", asset=Asset(kind="site", id="harbour"), confidence=0.5)
    (outage, *_) = handle(Desk(lambda station_id: "harbour"), records, change(ChangeKind.RAISED, site))
    assert outage.revenue_at_risk is not None
    assert 95 < outage.revenue_at_risk.amount < 105
    other = found("SE-2", confidence=0.5)
    (bare,) = handle(Desk(lambda station_id: None), records, change(ChangeKind.RAISED, other))
    assert bare.revenue_at_risk is None


# Whatever happens


@pytest.fixture(scope="module")
def memory() -> Iterator[SqlRecords]:
    opened = open_test_records()
    yield opened
    opened.close()


FINDINGS = [
    found("SE-1"),
    found("SE-2"),
    found("SE-1", "offline"),
    found("SE-1", "site_outage", asset=Asset(kind="site", id="harbour")),
]
STEPS = st.tuples(
    st.integers(0, 3),
    st.sampled_from(["toggle", "toggle", "toggle", "still", "held", "session", "silence", "resolve", "restart"]),
    st.integers(0, 400),
)


@given(st.lists(STEPS, max_size=40))
def test_a_fault_that_ends_always_clears_and_has_one_open_ticket_at_most(
    memory: SqlRecords, steps: list[tuple[int, str, int]]
) -> None:
    with memory._engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
    desk, minutes, standing = Desk(lambda station_id: "harbour"), 0.0, set[int]()

    def say(number: int, kind: ChangeKind, reason: str = "over") -> None:
        handle(desk, memory, change(kind, FINDINGS[number], minutes, reason))
        (standing.discard if kind is ChangeKind.CLEARED else standing.add)(number)

    def unsettled() -> list[Ticket]:
        with memory.read() as work:
            return work.tickets.unsettled()

    for number, what, pause in steps:
        minutes += pause
        if what == "toggle":
            say(number, ChangeKind.CLEARED if number in standing else ChangeKind.RAISED)
        elif what == "still" and number in standing:
            say(number, ChangeKind.STILL)
        elif what == "held" and number in standing and number != 3:
            say(number, ChangeKind.CLEARED, "held_back_by:site_outage")
        elif what == "session":
            handle(desk, memory, session(minutes))
        elif what == "silence":
            silence(memory, minutes, minutes + pause + 1, scope=SilenceScope.SITE, target="harbour")
        elif what == "resolve" and (open_ := unsettled()):
            by_hand(memory, open_[0].ticket_id, TicketAction.RESOLVED, minutes)
            desk.changed(open_[0].ticket_id)
        elif what == "restart":
            desk = Desk(lambda station_id: "harbour")
            with memory.read() as work:
                now = START + timedelta(minutes=minutes)
                desk.load(work, now, [FINDINGS[number] for number in standing])
        look(desk, memory, minutes)
        keys = [(ticket.fault, ticket.asset) for ticket in unsettled()]
        assert len(keys) == len(set(keys))
    minutes += 500  # no silence lasts longer
    look(desk, memory, minutes)
    if "resolve" not in {what for _, what, _ in steps}:
        open_keys = {(ticket.fault, ticket.asset.kind, ticket.asset.id) for ticket in unsettled()}
        assert {finding_key(FINDINGS[number]) for number in standing} <= open_keys
    for number in list(standing):
        say(number, ChangeKind.CLEARED)
    look(desk, memory, minutes + WINDOW.total_seconds() / 60 + 1)
    assert unsettled() == []
    look(desk, memory, minutes + NEVER_VERIFIED.total_seconds() / 60 + 200)
    with memory.read() as work:
        assert {ticket.state for ticket in work.tickets.page().items} <= {TicketState.CLOSED}
