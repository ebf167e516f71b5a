"""The words, whole: what, where, since when, how sure, why, what to do and to bring, what the station was told."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from detector.notify.message import LISTED, Links, Subject, compose, digest
from detector.notify.routes import Event
from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.stations import Connector, Site, Station
from laddvakt.domain.tickets import Asset, Evidence, Severity, Suspect, Ticket, TicketAction
from laddvakt.domain.toolkit import BRING, to_bring
from tests.support.detector import START
from tests.support.telling import event, ticket

SITE = Site(site_id="site-1", name="Storgatan 1", timezone="Europe/Stockholm", latitude=63.8235, longitude=20.2698)
STATION = Station(station_id="SE-1", connectors=(Connector(connector_id=2, bay="Bay 12, by the lift"),))
TOLD = SentCommand(
    command_id="c",
    station_id="SE-1",
    action="UnlockConnector",
    actor="erik",
    request="{}",
    sent_at=START - timedelta(minutes=5),
    status=CommandStatus.REJECTED,
)
LINKS = Links("https://charge.example/tickets?ticket=T-1", "https://charge.example/acknowledge/abc")
LOCK = msgspec.structs.replace(
    ticket(),
    fault="lock",
    asset=Asset(kind="cable", id="CBL-17"),
    connector_id=2,
    explanation="The plug at SE-1 connector 2 does not lock (<motor> stuck).",
    probable_cause="Worn lock actuator.",
    suggested_action="Relieve and reseat the plug; exchange the actuator.",
    evidence=(Evidence(label="Lock failures", value="3", threshold="2 in 24 h", peers="siblings 0", at=START),),
    mrec=("CX001",),
    confidence=0.95,
    suspects=(
        Suspect(asset=Asset(kind="cable", id="CBL-17"), share=0.8),
        Suspect(asset=Asset(kind="vehicle", id="tok_x"), share=0.2),
    ),
)


def subject(of: Ticket = LOCK, *, known: bool = True) -> Subject:
    if not known:
        return Subject(of, None, None, None, ZoneInfo("UTC"))
    return Subject(of, SITE, STATION, TOLD, ZoneInfo("UTC"))


def test_a_message_a_technician_can_use() -> None:
    message = compose(subject(), Event.OPENED, LINKS)
    assert message.title == "[P2] CBL-17: Plug lock fails"
    assert message.body == (
        "New fault: The plug at SE-1 connector 2 does not lock (<motor> stuck).\n"
        "\n"
        "What: Plug lock fails (P2, down)\n"
        "Where: Storgatan 1, station SE-1, Bay 12, by the lift, connector 2, cable CBL-17\n"
        "Map: https://www.openstreetmap.org/?mlat=63.8235&mlon=20.2698\n"
        "Since: 2026-11-21 09:00 CET\n"
        "How sure: 95 %\n"
        "ChargeX code: CX001\n"
        "Probable cause: Worn lock actuator.\n"
        "Could also be: the vehicle (20 %)\n"
        "What to do: Relieve and reseat the plug; exchange the actuator.\n"
        "What to bring: lock actuator, hand tools, contact spray\n"
        "Last told: UnlockConnector by erik, 2026-11-21 08:55 CET: rejected\n"
        "\n"
        "Evidence:\n"
        "- Lock failures: 3 (limit 2 in 24 h); siblings 0, 2026-11-21 09:00 CET\n"
        "\n"
        "Acknowledge: https://charge.example/acknowledge/abc\n"
        "Open: https://charge.example/tickets?ticket=T-1\n"
        "Ticket T-1"
    )
    assert message.brief == (
        "New fault: The plug at SE-1 connector 2 does not lock (<motor> stuck). "
        "Storgatan 1, station SE-1, Bay 12, by the lift, connector 2, cable CBL-17, since 2026-11-21 09:00 CET. "
        "https://charge.example/acknowledge/abc"
    )


def test_the_page_says_the_same_and_is_not_at_the_mercy_of_what_a_station_says() -> None:
    message = compose(subject(), Event.OPENED, LINKS)
    for line in message.body.splitlines():
        for part in line.removeprefix("- ").replace("<motor>", "&lt;motor&gt;").split(": ", 1):
            assert part.replace("&mlon", "&amp;mlon") in message.html, part
    assert "<motor>" not in message.html
    assert f'href="{LINKS.acknowledge}"' in message.html


def test_what_is_not_known_is_left_out() -> None:
    message = compose(subject(ticket(), known=False), Event.OPENED, Links())
    assert message.body == (
        "New fault: SE-1 has been silent.\n"
        "\n"
        "What: Station offline (P2, down)\n"
        "Where: site-1, station SE-1\n"
        "Since: 2026-11-21 08:00 UTC\n"
        "How sure: 100 %\n"
        "What to bring: SIM card, antenna, laptop with the vendor's tool, voltage tester\n"
        "\n"
        "Ticket T-1"
    )
    assert message.link == ""


def test_the_end_says_so_and_asks_for_nothing() -> None:
    over = ticket(event(TicketAction.CLEARED, 30))
    message = compose(subject(over), Event.RESOLVED, Links("https://charge.example/t"))
    assert message.title == "[OK] SE-1: Station offline"
    assert message.body == (
        "The fault is gone: SE-1 has been silent.\n"
        "\n"
        "What: Station offline (P2, down)\n"
        "Where: Storgatan 1, station SE-1\n"
        "Map: https://www.openstreetmap.org/?mlat=63.8235&mlon=20.2698\n"
        "Since: 2026-11-21 09:00 CET\n"
        "Until: 2026-11-21 09:30 CET\n"
        "How sure: 100 %\n"
        "\n"
        "Open: https://charge.example/t\n"
        "Ticket T-1"
    )


@pytest.mark.parametrize(
    ("of", "what", "headline"),
    [
        (
            ticket(event(TicketAction.RESOLVED, 5, actor="erik", detail="new fuse")),
            Event.RESOLVED,
            "Resolved by erik (new fuse): SE-1 has been silent.",
        ),
        (ticket(event(TicketAction.CLEARED, 5)), Event.OPENED, "New fault (over by now): SE-1 has been silent."),
        (ticket(), Event.ESCALATED, "Nobody has taken this yet: SE-1 has been silent."),
        (ticket(), Event.REMINDER, "Still nobody has taken this: SE-1 has been silent."),
        (
            msgspec.structs.replace(ticket(), held_by="T-9"),
            Event.EXPLAINED,
            "Part of ticket T-9 now: SE-1 has been silent.",
        ),
    ],
)
def test_the_first_line_says_what_happened(of: Ticket, what: Event, headline: str) -> None:
    assert compose(subject(of), what, Links()).body.partition("\n")[0] == headline


def test_many_tickets_are_one_message_the_gravest_first() -> None:
    many = [
        (subject(ticket(ticket_id="T-1")), Event.OPENED),
        (subject(ticket(event(TicketAction.CLEARED, 7), ticket_id="T-2")), Event.RESOLVED),
        (subject(ticket(ticket_id="T-3", severity=Severity.P1)), Event.OPENED),
    ]
    message = digest(many, "https://charge.example/")
    assert message.title == "[P1] 3 tickets, 1 of them over"
    assert message.body == (
        "3 x Station offline.\n"
        "\n"
        "[P1] Station offline: Storgatan 1, station SE-1, since 2026-11-21 09:00 CET\n"
        "[P2] Station offline: Storgatan 1, station SE-1, since 2026-11-21 09:00 CET\n"
        "[OK] Station offline: Storgatan 1, station SE-1, until 2026-11-21 09:07 CET\n"
        "\n"
        "All tickets: https://charge.example/tickets"
    )
    assert message.brief == "3 x Station offline. https://charge.example/tickets"


def test_a_storm_beyond_measure_is_counted() -> None:
    many = [(subject(ticket(ticket_id=f"T-{n}"), known=False), Event.OPENED) for n in range(LISTED + 12)]
    body = digest(many, "").body
    assert body.endswith("... and 12 more")
    assert len(body.splitlines()) == LISTED + 3


def test_what_to_bring_is_known_for_every_fault_and_for_those_to_come() -> None:
    assert all(BRING.values())
    assert "barrier tape" in to_bring(msgspec.structs.replace(LOCK, fault="reported_fault", mrec=("CX026",)))
    assert "plug" in to_bring(msgspec.structs.replace(LOCK, fault="a_new_rule", mrec=()))
