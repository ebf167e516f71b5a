"""From the event log to people's mailboxes: a running detector, real servers for mail and webhooks."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from detector.notify.message import LISTED
from detector.service import Detector
from laddvakt.clock import utc_now
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import StatusReported
from laddvakt.domain.oncall import Contact, OnCall, Rota
from laddvakt.domain.stations import ConnectorState, Site, Station
from laddvakt.domain.tickets import Ticket, TicketAction, TicketEvent, TicketState, apply_event
from laddvakt.eventlog.client import EventLog
from laddvakt.settings import DetectorSettings, Settings
from laddvakt.stores.ports import Records, Route, Telemetry
from laddvakt.stores.sql.engine import open_records
from tests.support.eventlog import running_log, settings_for
from tests.support.receivers import Mailbox, Receiver, http_receiver, mail_server, text_of
from tests.support.waiting import eventually

DOWN = (ConnectorState.FAULTED, "InternalError")  # P2
DEGRADED = (ConnectorState.AVAILABLE, "PowerMeterFailure")  # P3
DANGER = (ConnectorState.FAULTED, "GroundFailure")  # P1
WELL = (ConnectorState.AVAILABLE, "NoError")
STATIONS = tuple(f"SE-{number:02}" for number in range(1, LISTED + 1))


class Clock:
    """The real one, moved."""

    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.moved

    def set(self, at: datetime) -> None:
        self.moved = at - utc_now()


class Network:
    """A site with as many stations as a message names: what they say goes into the log, and tickets come of it."""

    def __init__(self, records: Records, log: EventLog, clock: Clock) -> None:
        self._records = records
        self._log = log
        self.clock = clock

    async def say(self, station_ids: Iterable[str], word: tuple[ConnectorState, str]) -> None:
        now = self.clock()
        fact = StatusReported(at=now, connector_id=1, status=word[0], error_code=word[1])
        entries = [
            Entry(station_id=station_id, kind=EntryKind.OCPP_IN, received_at=now, facts=(fact,))
            for station_id in station_ids
        ]
        await asyncio.gather(*map(self._log.appender.append, entries))

    def tickets(self) -> list[Ticket]:
        with self._records.read() as work:
            return [*work.tickets.unsettled(), *work.tickets.settled_since(self.clock() - timedelta(days=2))]

    def opened(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.tickets()) == count

    def acknowledge(self) -> None:
        with self._records.begin() as work:
            for ticket in work.tickets.unsettled():
                event = TicketEvent(at=self.clock(), action=TicketAction.ACKNOWLEDGED, actor="eva")
                work.tickets.save(apply_event(ticket, event))


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as made:
        yield made


def settings_of(folder: Path) -> Settings:
    rules = {"reported_fault": {"persist_s": 0.0, "clear_after_s": 0.0}}
    return settings_for(folder, detector=DetectorSettings(rules=rules, forest=False), timezone="Europe/Stockholm")


@asynccontextmanager
async def network(
    folder: Path, routes: Iterable[Route], on_call: OnCall | None = None, clock: Clock | None = None
) -> AsyncIterator[Network]:
    settings, clock = settings_of(folder), clock or Clock()
    records = open_records(settings)
    records.migrate()
    with records.begin() as work:
        work.stations.save_sites([Site(site_id="north", name="North", timezone="Europe/Stockholm")])
        work.stations.save([Station(station_id=s, site_id="north", registered=True) for s in STATIONS])
        work.routes.save(list(routes))
        if on_call is not None:
            work.routes.save_on_call(on_call)
    async with running_log(settings) as log:
        detector = Detector(settings, records, cast("Telemetry", None), log, clock)
        task = asyncio.create_task(detector.run())
        try:
            yield Network(records, log, clock)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    records.close()


def named(box: Mailbox, *, after: int = 0) -> list[str]:
    """Stations that mails name, as often as each is named by one."""
    return [s for mail in box.got[after:] for s in sorted(set(re.findall(r"SE-\d\d", text_of(mail))))]


async def test_a_storm_is_a_few_messages_that_name_every_station_and_safety_is_told_in_seconds(
    tmp_path: Path, box: Mailbox
) -> None:
    route = Route(route_id="duty", urls=(box.url("eva@example.org"),))
    async with network(tmp_path, [route]) as site:
        await site.say(STATIONS[:20], DOWN)
        # Where a slow machine sees them trickle in, three messages leave; the rest waits for the storm's minute.
        await eventually(lambda: sorted(named(box)) == list(STATIONS[:20]), deadline_s=90, what="each, once")
        assert len(box.got) <= 4

        site.clock.moved += timedelta(minutes=2)  # well within the storm's five minutes
        singles = max(1, 3 - len(box.got))  # what is left of the messages that come one by one, or the next digest
        for one in STATIONS[20 : 20 + singles]:
            count = len(box.got)
            await site.say([one], DOWN)
            await eventually(lambda count=count: len(box.got) > count, what="one by itself")  # type: ignore[misc]  # the default is the loop's value
        told = len(box.got)
        rest = [s for s in STATIONS[20:-1] if s not in named(box)]
        await site.say(rest, DOWN)
        await eventually(site.opened(len(STATIONS) - 1), what="the others' tickets")

        said_at = time.monotonic()
        await site.say([STATIONS[-1]], DANGER)
        await eventually(lambda: STATIONS[-1] in named(box, after=told), deadline_s=15, what="the danger")
        assert time.monotonic() - said_at < 5
        assert len(box.got) == told + 1
        assert sorted(named(box, after=told)) == [*rest, STATIONS[-1]]
        assert box.got[told]["Subject"].startswith(f"[P1] {len(rest) + 1} tickets")

        site.clock.moved += timedelta(minutes=10)
        told = len(box.got)
        await site.say(STATIONS, WELL)
        await eventually(
            lambda: sorted(named(box, after=told)) == list(STATIONS),
            deadline_s=90,
            what="the end of each, once",
        )
        assert len(box.got) - told <= 4
        assert all(mail["Subject"].startswith("[OK]") for mail in box.got[told:])


async def test_a_night_is_quiet_but_for_what_cannot_wait_and_the_morning_has_one_message(
    tmp_path: Path, box: Mailbox
) -> None:
    clock = Clock()
    clock.set(datetime(2026, 11, 21, 22, 30, tzinfo=UTC))  # 23:30 in Stockholm
    route = Route(route_id="duty", urls=(box.url("eva@example.org"),), quiet="22:00-06:00")
    async with network(tmp_path, [route], clock=clock) as site:
        await site.say(STATIONS[:3], DEGRADED)
        await eventually(site.opened(3), what="three tickets that can wait")
        await site.say([STATIONS[3]], DOWN)
        await site.say([STATIONS[4]], DANGER)
        await eventually(lambda: sorted(named(box)) == list(STATIONS[3:5]), what="what cannot wait")

        clock.set(datetime(2026, 11, 22, 2, 0, tzinfo=UTC))
        await site.say([STATIONS[2]], WELL)  # it went before anybody was told
        await eventually(lambda: TicketState.RESOLVED in {t.state for t in site.tickets()}, what="its end")
        assert len(box.got) == 2

        clock.set(datetime(2026, 11, 22, 5, 0, 5, tzinfo=UTC))  # 06:00:05
        await site.say([STATIONS[5]], DANGER)
        await eventually(lambda: len(box.got) == 4, deadline_s=40, what="the morning")
        (morning,) = [mail for mail in box.got[2:] if "3 tickets" in mail["Subject"]]
        assert sorted(set(re.findall(r"SE-\d\d", text_of(morning)))) == list(STATIONS[:3])
        assert "1 of them over" in morning["Subject"]


async def test_unanswered_it_climbs_level_by_level_reminds_and_stops_when_somebody_takes_it(
    tmp_path: Path, box: Mailbox, receiver: Receiver
) -> None:
    eva, nils = (Contact(contact_id=n, name=n, urls=(box.url(f"{n}@example.org"),)) for n in ("eva", "nils"))
    on_call = OnCall(
        contacts=(eva, nils), rotas=(Rota(rota_id="field", contacts=("eva", "nils"), first=date(2026, 1, 1)),)
    )
    routes = [
        Route(route_id="duty", rota="field", repeat_every_s=4),
        Route(route_id="second", rota="field", backup=True, escalate_after_s=3),
        Route(route_id="boss", urls=(f"{receiver.url}?secret=hush",), escalate_after_s=6),
        Route(route_id="board", urls=(f"{receiver.url}/board",), escalate_after_s=60),
    ]
    async with network(tmp_path, routes, on_call) as site:
        said_at = time.monotonic()
        await site.say([STATIONS[0]], DOWN)
        await eventually(lambda: receiver.events == ["escalated"], deadline_s=15, what="the third level")
        assert time.monotonic() - said_at >= 6
        assert json.loads(receiver.got[0][1])["ticket"]["state"] == "open"
        to = [mail["To"] for mail in box.got]
        assert len(to) == len(set(to)) + 1, "one of the two was reminded once"
        await eventually(lambda: len(box.got) >= 4, what="one more reminder")

        site.acknowledge()
        told = len(box.got)
        site.clock.moved += timedelta(minutes=5)  # all the other levels and reminders would be due
        await site.say([STATIONS[0]], WELL)
        await eventually(lambda: receiver.events == ["escalated", "resolved"], what="the end")
        await eventually(lambda: len(box.got) == told + 2, what="the end, to both")
        assert all(mail["Subject"].startswith("[OK]") for mail in box.got[told:])
        (ticket,) = site.tickets()
        told_to = [event.data["route_id"] for event in ticket.events if event.action is TicketAction.NOTIFIED]
        assert "board" not in told_to
