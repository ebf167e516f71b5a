"""The desk on real records: reads before it writes, and decides the same again after a failed transaction."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from detector.changes import Change, ChangeKind
from detector.desk import REMEMBER, Desk
from detector.view import SessionEnded
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Ticket, TicketState
from laddvakt.settings import Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.detector import START, Story


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = open_records(Settings(data_dir=tmp_path))
    opened.migrate()
    yield opened
    opened.close()


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
        return desk.handle(changes, work.tickets)


def test_a_ticket_changed_twice_in_one_go_is_saved_once(records: Records) -> None:
    (ticket,) = handle(Desk(lambda station_id: "site-1"), records, *raised_and_cleared())
    assert (ticket.state, ticket.site_id, len(ticket.events)) == (TicketState.RESOLVED, "site-1", 2)
    with records.read() as work:
        assert work.tickets.get(ticket.ticket_id) == ticket


def test_a_failed_transaction_is_decided_the_same_again(records: Records) -> None:
    desk, changes = Desk(lambda station_id: None), raised_and_cleared()
    with pytest.raises(ZeroDivisionError), records.begin() as work:
        desk.handle(changes, work.tickets)
        raise ZeroDivisionError
    (ticket,) = handle(desk, records, *changes)
    assert [event.action for event in ticket.events] == ["opened", "cleared"]


def test_a_desk_that_was_restarted_goes_on_with_the_same_tickets(records: Records) -> None:
    raised, cleared = raised_and_cleared()
    handle(Desk(lambda station_id: None), records, raised)
    again = Desk(lambda station_id: None)
    with records.read() as work:
        again.load(work.tickets, START)
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
