"""The words: what, where, since when, how sure, why, what to do."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from detector.notify.message import compose
from detector.notify.routes import Event
from detector.tickets import decide
from laddvakt.domain.stations import ConnectorState, Site
from laddvakt.domain.tickets import Ticket
from tests.support.detector import Story

SITE = Site(site_id="site-1", name="Storgatan 1", timezone="Europe/Stockholm")


def ticket() -> Ticket:
    story = Story()
    story.status(ConnectorState.FAULTED, "ConnectorLockFailure", connector_id=2, info="lock motor stuck")
    story.wait(60)
    opened = decide(story.changes[-1], None, site_id="site-1").ticket
    assert opened is not None
    return opened


def test_a_message_a_technician_can_use() -> None:
    opened = ticket()
    message = compose(opened, Event.OPENED, site=SITE, public_url="https://charge.example/", zone=ZoneInfo("UTC"))
    assert message.title == "[P2] SE-1/2: Station reports a fault"
    for part in (
        "New fault: SE-1 connector 2 reports ConnectorLockFailure (lock motor stuck) with status Faulted.",
        "What: Station reports a fault (P2, down)",
        "Where: Storgatan 1, station SE-1, connector 2",
        "Since: 2026-11-21 09:01 CET",
        "How sure: 95 %",
        "ChargeX code: CX001",
        "Probable cause: Plug lock failure.",
        "What to do: Relieve and reseat the plug",
        "- Error code: ConnectorLockFailure (limit NoError), 2026-11-21 09:00 CET",
        f"Ticket {opened.ticket_id}: https://charge.example/tickets?ticket={opened.ticket_id}",
    ):
        assert part in message.body


def test_no_link_where_nobody_said_how_people_reach_the_pages() -> None:
    message = compose(ticket(), Event.OPENED, site=None, public_url="", zone=ZoneInfo("UTC"))
    assert message.link == ""
    assert "http" not in message.body
    assert "Where: site-1, station SE-1" in message.body


def test_the_end_says_so_and_asks_for_nothing() -> None:
    message = compose(ticket(), Event.RESOLVED, site=SITE, public_url="", zone=ZoneInfo("UTC"))
    assert message.title.startswith("[OK]")
    assert message.body.startswith("The fault is gone")
    assert "What to do" not in message.body
