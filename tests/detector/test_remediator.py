"""Climbing the ladder on real records: written down before it is sent, sent once, also over a crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from detector.remediation import ACTOR, Policy, Present
from detector.remediator import Remediator
from laddvakt.domain.commands import CommandRequest, CommandResult, CommandStatus, SentCommand
from laddvakt.domain.errors import EventLogError
from laddvakt.domain.sessions import Session
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import ConnectorState, Site, Station
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.settings import Settings
from laddvakt.stores.ports import AuditItem, Records
from laddvakt.stores.sql.engine import open_records
from tests.support.detector import START

T = TypeVar("T")
POLICY = Policy(sites=frozenset({"north"}))


class Killed(BaseException):
    """The process dies here."""


class Line:
    """The way to the collector: keeps what is asked, answers what the test says."""

    def __init__(self) -> None:
        self.asked: list[CommandRequest] = []
        self.answer: CommandStatus | BaseException = CommandStatus.ACCEPTED

    async def ask(self, request: CommandRequest) -> CommandResult:
        self.asked.append(request)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return CommandResult(
            command_id=request.command_id,
            station_id=request.station_id,
            action=request.action,
            status=self.answer,
        )


class Scene:
    """Two stations of one site and a ladder; the time is what the test says."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.line = Line()
        self.now = START
        self.there = {"SE-1": self.present("SE-1"), "SE-2": self.present("SE-2")}
        self.shown: list[Ticket] = []
        self.ladder = self.restarted()

    @staticmethod
    def present(station_id: str, fault: str = "reported_fault", **more: Any) -> Present:
        found = frozenset({(fault, "station", station_id)})
        return Present(connected=True, statuses={1: ConnectorState.FAULTED}, found=found)._replace(**more)

    def restarted(self, policy: Policy = POLICY) -> Remediator:
        async def in_thread(work: Callable[[], T]) -> T:
            return work()

        async def changed(ticket: Ticket) -> None:
            self.shown.append(ticket)

        self.ladder = Remediator(
            policy,
            self.records,
            self.line,
            clock=lambda: self.now,
            in_thread=in_thread,
            present=self.there.get,
            changed=changed,
        )
        return self.ladder

    def open(self, station_id: str = "SE-1", fault: str = "reported_fault", **more: Any) -> str:
        opened = TicketEvent(at=START, action=TicketAction.OPENED, actor="detector", data={"severity": "P2"})
        ticket = Ticket(
            ticket_id=f"T-{station_id}-{fault}",
            fault=fault,
            asset=Asset(kind="station", id=station_id),
            station_id=station_id,
            connector_id=1,
            site_id="north",
            severity=Severity.P2,
            opened_at=START,
            updated_at=START,
            events=(opened,),
        )
        with self.records.begin() as work:
            work.tickets.save(msgspec.structs.replace(ticket, **more))
        return ticket.ticket_id

    async def after(self, minutes: float) -> None:
        """A round so long after the beginning."""
        self.now = START + timedelta(minutes=minutes)
        await self.ladder.round()

    def ticket(self, ticket_id: str = "T-SE-1-reported_fault") -> Ticket:
        with self.records.read() as work:
            found = work.tickets.get(ticket_id)
        assert found is not None
        return found

    def lines(self, ticket_id: str = "T-SE-1-reported_fault") -> list[str]:
        """What the history tells of the ladder."""
        return [e.detail for e in self.ticket(ticket_id).events if e.action is TicketAction.REMEDIATED]

    def said(self) -> list[tuple[str, str]]:
        return [(one.station_id, one.action) for one in self.line.asked]

    def audited(self) -> list[AuditItem]:
        with self.records.read() as work:
            return list(reversed(work.people.audit_page().items))

    def sent(self, action: str, actor: str, minutes: float) -> None:
        at = START + timedelta(minutes=minutes)
        command = SentCommand(
            command_id=f"c{minutes}", station_id="SE-1", action=action, actor=actor, request="{}", sent_at=at
        )
        with self.records.begin() as work:
            work.commands.save([command])


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    records = open_records(Settings(data_dir=tmp_path))
    records.migrate()
    with records.begin() as work:
        work.stations.save_sites([Site(site_id="north", name="North")])
        work.stations.save([Station(station_id=s, site_id="north", protocol="ocpp1.6") for s in ("SE-1", "SE-2")])
    yield Scene(records)
    records.close()


async def test_it_climbs_and_each_step_is_in_the_history_and_in_the_audit(scene: Scene) -> None:
    scene.open()
    for minutes in (4, 5, 9, 10, 24, 25, 39, 40, 60):
        await scene.after(minutes)
    assert scene.said() == [("SE-1", "TriggerMessage"), ("SE-1", "Reset"), ("SE-1", "Reset")]
    assert [one.payload["type"] for one in scene.line.asked[1:]] == ["Soft", "Hard"]
    assert scene.lines() == [
        "Trying: asking the station how it is (TriggerMessage).",
        "TriggerMessage: accepted.",
        "Trying: a soft reset (Reset).",
        "Reset: accepted.",
        "Trying: a hard reset (Reset).",
        "Reset: accepted.",
        "Everything has been tried that may be tried from afar. This one is for people.",
    ]
    assert [ticket.events[-1].detail for ticket in scene.shown] == scene.lines()
    audit = scene.audited()
    assert {item.actor for item in audit} == {ACTOR}
    assert [item.action for item in audit if item.object == "SE-1"] == ["station.command"] * 3
    assert [item.detail["comment"] for item in audit if item.action == "ticket.remediated"] == scene.lines()


async def test_killed_while_it_sends_it_never_sends_that_step_again(scene: Scene) -> None:
    scene.open()
    await scene.after(5)
    scene.line.answer = Killed()
    with pytest.raises(Killed):
        await scene.after(10)
    scene.line.answer = CommandStatus.ACCEPTED
    scene.restarted()
    for minutes in (10, 11, 24, 25):
        await scene.after(minutes)
    types = [one.payload["type"] for one in scene.line.asked if one.action == "Reset"]
    assert types == ["Soft", "Hard"]


async def test_what_came_of_an_interrupted_step_is_looked_up_after_the_restart(scene: Scene) -> None:
    scene.open()
    scene.line.answer = Killed()
    with pytest.raises(Killed):
        await scene.after(5)
    asked = scene.line.asked[0]
    answered = SentCommand(
        command_id=asked.command_id,
        station_id="SE-1",
        action=asked.action,
        actor=ACTOR,
        request="{}",
        sent_at=scene.now,
        status=CommandStatus.REJECTED,
    )
    with scene.records.begin() as work:
        work.commands.save([answered])
    with pytest.raises(Killed):
        await scene.restarted().run()  # the next step follows at once, and dies too
    assert scene.lines()[1] == "TriggerMessage: rejected."
    with pytest.raises(Killed):
        scene.now += timedelta(hours=1)
        await scene.restarted().run()
    assert scene.lines()[3] == "What came of it is not known: the detector was stopped meanwhile."


async def test_a_broken_way_to_the_station_is_told_and_nothing_falls_over(scene: Scene) -> None:
    scene.open()
    scene.line.answer = EventLogError("the way to the collectors is broken.")
    await scene.after(5)
    assert scene.lines()[-1] == "TriggerMessage: not sent, the way to the collectors is broken."


async def test_it_does_nothing_unless_a_site_is_enabled(scene: Scene) -> None:
    scene.open()
    await scene.restarted(Policy(sites=frozenset())).run()  # returns
    scene.restarted(Policy(sites=frozenset({"south"})))
    await scene.after(60)
    assert scene.line.asked == []


async def test_a_site_that_does_not_exist_is_said(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.open()
    scene.line.answer = Killed()
    scene.now += timedelta(hours=1)
    with pytest.raises(Killed):
        await scene.restarted(Policy(sites=frozenset({"north", "nroth"}))).run()
    assert "no site 'nroth'" in caplog.text
    assert "no site 'north'" not in caplog.text


async def test_a_session_keeps_it_away_whoever_knows_of_it(scene: Scene) -> None:
    scene.open()
    scene.there["SE-1"] = scene.present("SE-1", in_session=True)
    await scene.after(5)
    scene.there["SE-1"] = scene.present("SE-1")
    session = Session(session_id="S", station_id="SE-1", connector_id=2, transaction_id="1", started_at=START)
    with scene.records.begin() as work:
        work.sessions.save([session])
    await scene.after(6)
    assert scene.line.asked == []


@pytest.mark.parametrize("state", ["open", "resolved"])
async def test_another_ticket_about_safety_keeps_it_away_until_that_is_proved_mended(
    scene: Scene, state: str
) -> None:
    scene.open()
    danger = scene.open(fault="rcd_trip", severity=Severity.P1)
    if state == "resolved":
        gone = TicketEvent(at=START, action=TicketAction.CLEARED, actor="detector")
        with scene.records.begin() as work:
            work.tickets.save(apply_event(scene.ticket(danger), gone))
    await scene.after(10)
    assert scene.line.asked == []
    if state == "resolved":
        proved = TicketEvent(at=START, action=TicketAction.VERIFIED, actor="detector")
        with scene.records.begin() as work:
            work.tickets.save(apply_event(scene.ticket(danger), proved))
        await scene.after(10)
        assert len(scene.line.asked) == 1


async def test_maintenance_keeps_it_away(scene: Scene) -> None:
    scene.open()
    silence = Silence(
        silence_id="s", scope=SilenceScope.SITE, target="north", from_=START, until=START + timedelta(hours=1),
        reason="new cables", created_by="erik", created_at=START,
    )  # fmt: skip
    with scene.records.begin() as work:
        work.silences.save(silence)
    await scene.after(30)
    assert scene.line.asked == []
    await scene.after(61)
    assert len(scene.line.asked) == 1


async def test_who_works_on_the_station_by_hand_is_not_disturbed_and_their_resets_count(scene: Scene) -> None:
    scene.open()
    scene.sent("Reset", "erik", 1)
    scene.sent("UnlockConnector", "erik", 2)
    scene.sent("SetChargingProfile", "energy-manager", 10)
    await scene.after(16)
    assert scene.line.asked == []
    for minutes in (17, 22, 60, 90):
        await scene.after(minutes)
    assert scene.said() == [("SE-1", "TriggerMessage"), ("SE-1", "Reset")]
    await scene.after(24 * 60 + 2)
    assert [one.payload.get("type") for one in scene.line.asked] == [None, "Soft", "Hard"]


async def test_stations_of_a_site_are_reset_one_after_the_other(scene: Scene) -> None:
    scene.open()
    scene.open("SE-2")
    await scene.after(5)
    assert len(scene.line.asked) == 2
    await scene.after(10)
    assert scene.said()[2:] == [("SE-1", "Reset")]
    await scene.after(24)
    assert len(scene.line.asked) == 3
    await scene.after(25)
    assert len(scene.line.asked) == 4


async def test_a_person_who_takes_the_ticket_ends_it(scene: Scene) -> None:
    ticket_id = scene.open()
    await scene.after(5)
    taken = TicketEvent(at=scene.now, action=TicketAction.ACKNOWLEDGED, actor="eva")
    with scene.records.begin() as work:
        work.tickets.save(apply_event(scene.ticket(ticket_id), taken))
    await scene.after(60)
    assert len(scene.line.asked) == 1


async def test_a_fault_that_comes_back_goes_on_where_it_was(scene: Scene) -> None:
    ticket_id = scene.open()
    for minutes in (5, 10):
        await scene.after(minutes)
    ticket = scene.ticket(ticket_id)
    for action, minutes in ((TicketAction.CLEARED, 12), (TicketAction.REOPENED, 30)):
        at = START + timedelta(minutes=minutes)
        ticket = apply_event(ticket, TicketEvent(at=at, action=action, actor="detector"))
    with scene.records.begin() as work:
        work.tickets.save(ticket)
    await scene.after(34)
    assert len(scene.line.asked) == 2
    await scene.after(35)
    assert scene.line.asked[-1].payload == {"type": "Hard"}


async def test_words_of_ocpp_2_for_a_station_that_speaks_it(scene: Scene) -> None:
    scene.open()
    with scene.records.begin() as work:
        work.stations.save([Station(station_id="SE-1", site_id="north", protocol="ocpp2.0.1")])
    for minutes in (5, 10):
        await scene.after(minutes)
    assert scene.line.asked[-1].payload == {"type": "OnIdle"}
