"""Delivery over real sockets: an HTTP receiver and an SMTP server on loopback; once each, also after a restart."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest

from detector.notify.notifier import Notifier
from detector.notify.plan import Telling, plan
from detector.notify.postman import SENDING, WAITING
from detector.notify.routes import Book
from detector.tickets import ACTOR, decide
from laddvakt.clock import utc_now
from laddvakt.domain.oncall import Contact, OnCall, Rota
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import ConnectorState, Site
from laddvakt.domain.tickets import Asset, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.settings import Settings
from laddvakt.stores.ports import Delivery, Records, Route
from laddvakt.stores.sql.engine import open_records
from tests.support.detector import Story
from tests.support.receivers import Mailbox, Receiver, http_receiver, mail_server, text_of
from tests.support.waiting import eventually

T = TypeVar("T")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, web={"public_url": "https://charge.example"})  # type: ignore[arg-type]  # pydantic reads it


@pytest.fixture
def records(settings: Settings) -> Iterator[Records]:
    opened = open_records(settings)
    opened.migrate()
    with opened.begin() as work:
        work.stations.save_sites([Site(site_id="site-1", name="North")])
    yield opened
    opened.close()


def open_ticket(records: Records, *urls: str) -> Ticket:
    """A ticket, just opened, and one route."""
    story = Story()
    story.status(ConnectorState.FAULTED, "GroundFailure")
    ticket = decide(story.changes[-1], None, site_id="site-1").ticket
    assert ticket is not None
    with records.begin() as work:
        work.tickets.save(ticket)
        work.routes.save([Route(route_id="ops", urls=urls)])
    return ticket


@asynccontextmanager
async def notifying(
    settings: Settings,
    records: Records,
    ticket: Ticket,
    tries: int = 3,
    after: timedelta = timedelta(minutes=1),
    clock: Callable[[], datetime] | None = None,
) -> Any:
    async def in_thread(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    changed: list[Ticket] = []

    async def on_change(ticket: Ticket) -> None:
        changed.append(ticket)

    notifier = Notifier(
        settings,
        records,
        clock=clock or (lambda: ticket.opened_at + after),
        in_thread=in_thread,
        changed=on_change,
        tries=tries,
        longest_wait_s=0.01,
    )
    task = asyncio.create_task(notifier.run())
    try:
        yield changed
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def first_telling(settings: Settings, records: Records, ticket: Ticket) -> Telling:
    with records.read() as work:
        book = Book(work.routes.all(), work.routes.on_call(), {}, settings.zone)
    return plan(ticket, book, (), ticket.opened_at)[0]


def delivery(settings: Settings, records: Records, ticket: Ticket) -> Delivery | None:
    with records.read() as work:
        return work.routes.delivery(first_telling(settings, records, ticket).delivery_id)


def delivered(settings: Settings, records: Records, ticket: Ticket) -> Callable[[], bool]:
    def check() -> bool:
        found = delivery(settings, records, ticket)
        return found is not None and found.detail not in (SENDING, WAITING)

    return check


async def test_a_webhook_is_signed_and_carries_an_idempotency_key(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    ticket = open_ticket(records, f"{receiver.url}?team=a&secret=hush")
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    ((headers, body, path),) = receiver.got
    assert path == "/hook?team=a"
    timestamp = headers["X-Laddvakt-Timestamp"]
    assert datetime.fromtimestamp(int(timestamp), UTC) == ticket.opened_at + timedelta(minutes=1)
    expected = hmac.new(b"hush", timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["X-Laddvakt-Signature"] == f"sha256={expected}"
    said = json.loads(body)
    assert headers["Idempotency-Key"] == said["delivery_id"]
    assert headers["X-Laddvakt-Event"] == said["event"] == "opened"
    assert said["ticket"]["ticket_id"] == ticket.ticket_id
    assert said["url"] == f"https://charge.example/tickets?ticket={ticket.ticket_id}"
    assert changed[0].events[-1].action is TicketAction.NOTIFIED
    with records.read() as work:
        assert work.tickets.get(ticket.ticket_id) == changed[0]
        found = work.routes.delivery(said["delivery_id"])
    assert found is not None
    assert (found.ok, found.way, found.tries, found.tickets, found.detail) == (True, "webhook", 1, 1, "")


async def test_no_signature_without_a_secret(settings: Settings, records: Records, receiver: Receiver) -> None:
    ticket = open_ticket(records, receiver.url)
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    assert "X-Laddvakt-Signature" not in receiver.got[0][0]


async def test_a_receiver_that_stumbles_is_tried_again_under_the_same_key(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    receiver.answers = [500, 429]
    ticket = open_ticket(records, receiver.url)
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    assert len({headers["Idempotency-Key"] for headers, _, _ in receiver.got}) == 1
    assert len(receiver.got) == 3
    found = delivery(settings, records, ticket)
    assert found is not None and (found.ok, found.tries) == (True, 3)


async def test_a_receiver_that_refuses_is_asked_once(
    settings: Settings, records: Records, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answers = [410]
    ticket = open_ticket(records, f"{receiver.url}?secret=hush")
    async with notifying(settings, records, ticket):
        await eventually(delivered(settings, records, ticket), what="the outcome")
    found = delivery(settings, records, ticket)
    assert found is not None and not found.ok
    assert "410" in found.detail
    assert len(receiver.got) == 1
    assert "hush" not in caplog.text
    assert "410" in caplog.text


async def test_a_receiver_that_is_away_is_given_up_after_the_tries(settings: Settings, records: Records) -> None:
    ticket = open_ticket(records, "http://127.0.0.1:9/hook")
    async with notifying(settings, records, ticket):
        await eventually(delivered(settings, records, ticket), what="the outcome")
    found = delivery(settings, records, ticket)
    assert found is not None and not found.ok


async def test_a_restart_never_tells_twice(settings: Settings, records: Records, receiver: Receiver) -> None:
    ticket = open_ticket(records, receiver.url)
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    with records.begin() as work:
        work.routes.save([Route(route_id="ops", urls=(receiver.url,)), Route(route_id="b", urls=(receiver.url,))])
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the other route's telling")
    assert len(receiver.got) == 2


@pytest.mark.parametrize(("detail", "told"), [(SENDING, 0), (WAITING, 1)])
async def test_mail_cut_short_in_its_sending_is_not_repeated_but_one_that_waited_is(
    settings: Settings, records: Records, mailbox: Mailbox, detail: str, told: int
) -> None:
    ticket = open_ticket(records, mailbox.url("eva@example.org"))
    telling = first_telling(settings, records, ticket)
    with records.begin() as work:
        work.routes.record(
            Delivery(
                delivery_id=telling.delivery_id,
                ticket_id=ticket.ticket_id,
                route_id="ops",
                event="opened",
                at=ticket.opened_at,
                ok=False,
                detail=detail,
            )
        )
        work.routes.save([*work.routes.all(), Route(route_id="z", urls=(mailbox.url("z@example.org"),))])
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: len(changed) >= 1 + told, what="the telling of the other route")
    assert len(mailbox.got) == 1 + told


async def test_a_webhook_cut_short_is_repeated_under_its_key(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    ticket = open_ticket(records, receiver.url)
    telling = first_telling(settings, records, ticket)
    with records.begin() as work:
        work.routes.record(
            Delivery(
                delivery_id=telling.delivery_id,
                ticket_id=ticket.ticket_id,
                route_id="ops",
                event="opened",
                at=ticket.opened_at,
                ok=False,
                detail=SENDING,
            )
        )
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    assert receiver.got[0][0]["Idempotency-Key"] == telling.delivery_id


async def test_mail_arrives(settings: Settings, records: Records, mailbox: Mailbox) -> None:
    ticket = open_ticket(records, mailbox.url("eva@example.org"))
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    (mail,) = mailbox.got
    assert mail["To"] == "eva@example.org"
    assert mail["Subject"] == "[P1] SE-1: Station reports a fault"
    text = text_of(mail)
    assert "Where: North, station SE-1, connector 1" in text
    assert f"https://charge.example/tickets?ticket={ticket.ticket_id}" in text
    page = mail.get_body(("html",))
    assert page is not None
    for line in ("What to bring", "Where", "station SE-1, connector 1"):
        assert line in page.get_content()


async def test_who_asked_for_it_is_told_when_nobody_took_the_ticket(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    ticket = open_ticket(records, receiver.url)
    with records.begin() as work:
        work.routes.save([Route(route_id="boss", urls=(receiver.url,), escalate_after_s=900)])
    async with notifying(settings, records, ticket, after=timedelta(minutes=16)) as changed:
        await eventually(lambda: changed, what="the escalation")
    assert [headers["X-Laddvakt-Event"] for headers, _, _ in receiver.got] == ["escalated"]


async def test_hours_are_the_sites_own(settings: Settings, records: Records, receiver: Receiver) -> None:
    ticket = open_ticket(records, receiver.url)  # 08:00 UTC: evening in Auckland
    with records.begin() as work:
        work.stations.save_sites([Site(site_id="site-1", name="South", timezone="Pacific/Auckland")])
        work.routes.save(
            [
                Route(route_id="day", urls=(receiver.url,), hours="07:00-10:00"),
                Route(route_id="evening", urls=(receiver.url,), hours="20:00-23:00"),
            ]
        )
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
    assert [event.data["route_id"] for event in changed[0].events if event.action == "notified"] == ["evening"]


async def test_a_plugin_that_fails_in_its_own_way_stops_nobody(
    settings: Settings, records: Records, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = open_ticket(records, "nonsense://somewhere")
    with records.begin() as work:
        work.routes.save([*work.routes.all(), Route(route_id="z", urls=(receiver.url,))])
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the other route")
        await eventually(lambda: "no service that Apprise knows" in caplog.text, what="the reason")
    assert len(receiver.got) == 1


async def test_one_dead_address_delays_no_other(settings: Settings, records: Records, receiver: Receiver) -> None:
    ticket = open_ticket(records, "http://127.0.0.1:9/dead")
    with records.begin() as work:
        work.routes.save([*work.routes.all(), Route(route_id="z", urls=(receiver.url,))])
    async with notifying(settings, records, ticket, tries=1_000_000) as changed:
        await eventually(lambda: changed, what="the living one")
    assert len(receiver.got) == 1


def more_tickets(records: Records, ticket: Ticket, count: int) -> list[Ticket]:
    """The same fault at other stations."""
    made = []
    with records.begin() as work:
        for number in range(count):
            asset = Asset(kind="station", id=f"SE-{number + 2}")
            other = msgspec.structs.replace(
                ticket, ticket_id=f"T-{number}", asset=asset, station_id=asset.id, connector_id=None
            )
            work.tickets.save(other)
            made.append(other)
    return made


async def test_many_tickets_at_once_are_one_message_on_record_with_each(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    ticket = open_ticket(records, receiver.url)
    others = more_tickets(records, ticket, 19)
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: len(changed) == 20, what="a line in each ticket's history")
    ((headers, body, _),) = receiver.got
    said = json.loads(body)
    assert (headers["X-Laddvakt-Event"], len(said["tickets"])) == ("digest", 20)
    assert headers["Idempotency-Key"] == said["delivery_id"]
    with records.read() as work:
        kept = work.routes.deliveries([ticket.ticket_id, *(other.ticket_id for other in others)])
    assert [(d.ok, d.tickets) for d in kept] == [(True, 20)] * 20


async def test_the_contact_on_call_is_told_and_named_and_hears_of_the_end(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    ticket = open_ticket(records)
    with records.begin() as work:
        work.routes.save([Route(route_id="duty", rota="field")])
        work.routes.save_on_call(
            OnCall(
                contacts=(Contact(contact_id="eva", name="Eva", urls=(receiver.url,)),),
                rotas=(Rota(rota_id="field", contacts=("eva",), first=date(2026, 11, 16)),),
            )
        )
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the telling")
        over = TicketEvent(at=ticket.opened_at, action=TicketAction.CLEARED, actor=ACTOR)
        with records.begin() as work:
            work.tickets.save(apply_event(changed[0], over))
    async with notifying(settings, records, ticket) as changed:
        await eventually(lambda: changed, what="the end")
    assert [headers["X-Laddvakt-Event"] for headers, _, _ in receiver.got] == ["opened", "resolved"]
    with records.read() as work:
        kept = work.routes.deliveries([ticket.ticket_id])
    assert {(d.route_id, d.contact, d.event, d.ok) for d in kept} == {
        ("duty", "eva", "opened", True),
        ("duty", "eva", "resolved", True),
    }


async def test_nobody_is_reminded_in_a_silence(settings: Settings, records: Records, receiver: Receiver) -> None:
    ticket = open_ticket(records)
    silence = Silence(
        silence_id="s", scope=SilenceScope.SITE, target="site-1", from_=ticket.opened_at,
        until=ticket.opened_at + timedelta(hours=8), reason="new cables", created_by="erik",
        created_at=ticket.opened_at,
    )  # fmt: skip
    with records.begin() as work:
        work.silences.save(silence)
        work.routes.save([Route(route_id="boss", urls=(receiver.url,), escalate_after_s=60)])
    after = timedelta(minutes=2)
    elsewhere = msgspec.structs.replace(ticket, ticket_id="T-2", site_id="site-2")
    with records.begin() as work:
        work.tickets.save(elsewhere)
    async with notifying(settings, records, ticket, after=after) as changed:
        await eventually(lambda: changed, what="the escalation elsewhere")
    assert [json.loads(body)["ticket"]["ticket_id"] for _, body, _ in receiver.got] == ["T-2"]


async def test_what_waits_is_told_when_it_falls_due(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    """Escalation after a second: nobody polls for half a minute."""
    ticket = open_ticket(records)
    with records.begin() as work:
        work.routes.save([Route(route_id="boss", urls=(receiver.url,), escalate_after_s=2)])
    begun = utc_now()
    moved = timedelta(seconds=1) - (begun - ticket.opened_at)
    async with notifying(settings, records, ticket, clock=lambda: utc_now() + moved) as changed:
        await eventually(lambda: changed, deadline_s=5, what="the escalation")
    assert utc_now() - begun >= timedelta(seconds=1)


async def test_no_address_is_ever_shown(
    settings: Settings, records: Records, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="detector")
    receiver.answers = [410]
    secret = f"{receiver.url}?secret=hush"
    ticket = open_ticket(records, secret, "mailto://eva:hush@127.0.0.1:9/?to=eva@example.org")
    async with notifying(settings, records, ticket, tries=1):

        def over() -> bool:
            with records.read() as work:
                kept = work.routes.deliveries([ticket.ticket_id])
            return len(kept) == 2 and all(d.detail not in (SENDING, WAITING) for d in kept)

        await eventually(over, what="both outcomes")
    with records.read() as work:
        kept = work.routes.deliveries([ticket.ticket_id])
    assert {d.way for d in kept} == {"webhook", "mailto"}
    assert "hush" not in caplog.text + repr(kept)


async def test_the_documented_way_to_check_a_signature_works(
    settings: Settings, records: Records, receiver: Receiver
) -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "notifications.md").read_text("utf-8")
    place: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], place)  # noqa: S102  # what people will copy
    ticket = open_ticket(records, f"{receiver.url}?secret=hush")
    async with notifying(settings, records, ticket, after=timedelta(0)) as changed:
        await eventually(lambda: changed, what="the telling")
    headers, body, _ = receiver.got[0]
    place["time"] = SimpleNamespace(time=ticket.opened_at.timestamp)
    assert place["is_ours"]("hush", headers, body)
    assert not place["is_ours"]("other", headers, body)
    assert not place["is_ours"]("hush", headers, body + b" ")
    place["time"] = SimpleNamespace(time=utc_now().timestamp)
    assert not place["is_ours"]("hush", headers, body)
