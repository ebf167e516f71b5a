"""What is told, to whom and when: news, escalation, reminders, quiet hours, and the end to whoever was told."""

from __future__ import annotations

from datetime import date, timedelta

import msgspec
import pytest

from detector.notify.plan import Telling, news_of, plan
from detector.notify.routes import Book, Event
from laddvakt.domain.oncall import Contact, OnCall, Rota
from laddvakt.domain.tickets import Severity, Ticket, TicketAction
from laddvakt.stores.ports import Delivery
from tests.support.detector import START
from tests.support.telling import book, delivered, event, route, ticket

NIGHT = "22:00-06:00"
AT_NIGHT = 14 * 60  # minutes after START: 23:00 in Stockholm
MORNING = START + timedelta(hours=21)  # 06:00 there


def due(of: Ticket, known: Book, minutes: float, told: tuple[Delivery, ...] = ()) -> list[Telling]:
    """What is to be told until then."""
    now = START + timedelta(minutes=minutes)
    return [telling for telling in plan(of, known, told, now) if telling.due <= now]


def test_news_are_what_the_detector_caused_and_what_others_have_to_know() -> None:
    lived = ticket(
        event(TicketAction.UPDATED, 60),
        event(TicketAction.UPDATED, 61, severity="P1"),
        event(TicketAction.UPDATED, 121, severity="P1"),
        event(TicketAction.ACKNOWLEDGED, 122, actor="eva"),
        event(TicketAction.CLEARED, 130),
        event(TicketAction.REOPENED, 140),
        event(TicketAction.RESOLVED, 150, actor="eva"),
    )
    assert [news.event for news in news_of(lived)] == [
        Event.OPENED,
        Event.WORSE,
        Event.RESOLVED,
        Event.REOPENED,
        Event.RESOLVED,
    ]


def test_a_route_without_limits_is_told_of_everything_once_per_address() -> None:
    known = book(route(urls=("https://a.example", "mailto://b.example")))
    first, again = due(ticket(), known, 0), due(ticket(), known, 5)
    assert len({telling.delivery_id for telling in first}) == 2
    assert [t.delivery_id for t in first] == [t.delivery_id for t in again]
    assert all("example" not in telling.delivery_id for telling in first)


def test_what_is_past_is_no_news() -> None:
    assert due(ticket(), book(route()), 61) == []


def test_a_ticket_that_another_explains_is_not_told() -> None:
    explained = msgspec.structs.replace(ticket(), held_by="T-2")
    assert due(explained, book(route()), 1) == []


# Nobody takes it


def test_escalation_when_nobody_takes_it() -> None:
    known = book(route(escalate_after_s=900))
    assert due(ticket(), known, 14.9) == []
    (planned,) = plan(ticket(), known, (), START)
    assert planned.due == START + timedelta(minutes=15)
    (telling,) = due(ticket(), known, 15)
    assert telling.event is Event.ESCALATED
    taken = ticket(event(TicketAction.ACKNOWLEDGED, 5, actor="eva"))
    assert due(taken, known, 15) == []


def test_levels_follow_one_another() -> None:
    known = book(
        route(route_id="duty"),
        route(route_id="second", escalate_after_s=900),
        route(route_id="boss", escalate_after_s=1800),
    )
    assert [telling.to.route_id for telling in due(ticket(), known, 20)] == ["duty", "second"]
    assert [telling.to.route_id for telling in due(ticket(), known, 30)] == ["duty", "second", "boss"]


def test_safety_escalates_sooner() -> None:
    known = book(route(escalate_after_s=900, escalate_p1_after_s=300))
    grave = ticket(severity=Severity.P1)
    assert due(grave, known, 4.9) == []
    assert [telling.event for telling in due(grave, known, 5)] == [Event.ESCALATED]


def test_what_becomes_a_matter_of_safety_late_escalates_then() -> None:
    known = book(route(escalate_after_s=4 * 3600, escalate_p1_after_s=300))
    worse = msgspec.structs.replace(ticket(event(TicketAction.UPDATED, 90, severity="P1")), severity=Severity.P1)
    (telling,) = due(worse, known, 91)
    assert (telling.event, telling.due) == (Event.ESCALATED, START + timedelta(minutes=90))


def test_reminders_until_somebody_takes_it() -> None:
    known = book(route(repeat_every_s=1800))
    told = due(ticket(), known, 0)
    (first,) = [t for t in due(ticket(), known, 30) if t.event is Event.REMINDER]
    (second,) = [t for t in due(ticket(), known, 60) if t.event is Event.REMINDER]
    assert first.due == START + timedelta(minutes=30)
    assert len({told[0].delivery_id, first.delivery_id, second.delivery_id}) == 3
    taken = ticket(event(TicketAction.ACKNOWLEDGED, 50, actor="eva"))
    assert due(taken, known, 65) == []


def test_reminders_have_an_end() -> None:
    known = book(route(repeat_every_s=60))
    last = plan(ticket(), known, (), START + timedelta(minutes=100))
    assert [t.due for t in last if t.event is Event.REMINDER] == [START + timedelta(minutes=100)]
    assert plan(ticket(), known, (), START + timedelta(minutes=101)) == []


def test_the_reminder_goes_to_whoever_is_on_call_by_then() -> None:
    on_call = OnCall(
        contacts=tuple(Contact(contact_id=c, name=c, urls=(f"mailto://{c}.example",)) for c in ("eva", "nils")),
        rotas=(Rota(rota_id="field", contacts=("eva", "nils"), first=date(2026, 11, 14)),),  # hand-over 08:00 UTC
    )
    known = book(route(urls=(), rota="field", repeat_every_s=1800), on_call=on_call)
    late = ticket(at_minutes=-20)
    told = plan(late, known, (), START + timedelta(minutes=15))
    assert [(t.event, t.to.contact) for t in told[:2]] == [(Event.OPENED, "eva"), (Event.REMINDER, "nils")]


def test_a_silence_calls_nobody_further() -> None:
    known = book(route(escalate_after_s=900), route(route_id="duty", repeat_every_s=60))
    assert plan(ticket(), known, (), START + timedelta(minutes=20), silenced=True) == []


# Quiet hours


@pytest.mark.parametrize("severity", [Severity.P3, Severity.P4])
def test_what_can_wait_is_held_until_morning(severity: Severity) -> None:
    known = book(route(quiet=NIGHT))
    (telling,) = plan(ticket(severity=severity, at_minutes=AT_NIGHT), known, (), START + timedelta(hours=15))
    assert (telling.held, telling.due) == (True, MORNING)


@pytest.mark.parametrize("severity", [Severity.P1, Severity.P2])
def test_what_cannot_wait_is_told_at_night(severity: Severity) -> None:
    known = book(route(quiet=NIGHT))
    (telling,) = due(ticket(severity=severity, at_minutes=AT_NIGHT), known, AT_NIGHT)
    assert not telling.held


def test_no_reminders_at_night() -> None:
    known = book(route(quiet=NIGHT, repeat_every_s=1800))
    asleep = ticket(severity=Severity.P3, at_minutes=12 * 60)  # 21:00
    assert [t.event for t in due(asleep, known, 12 * 60 + 30)] == [Event.OPENED, Event.REMINDER]
    assert [t.event for t in due(asleep, known, 17 * 60)] == []


def test_what_came_and_went_at_night_is_told_in_the_morning_once() -> None:
    known = book(route(quiet=NIGHT))
    gone = ticket(event(TicketAction.CLEARED, AT_NIGHT + 30), severity=Severity.P4, at_minutes=AT_NIGHT)
    (telling,) = plan(gone, known, (), MORNING)
    assert (telling.event, telling.held) == (Event.OPENED, True)
    assert plan(gone, known, (delivered(telling),), MORNING + timedelta(minutes=1)) == [telling]


# The end


def test_the_end_is_told_to_whoever_was_told() -> None:
    known = book(
        route(urls=("https://a.example", "https://b.example")), route(route_id="boss", escalate_after_s=900)
    )
    first, second = due(ticket(), known, 1)
    over = ticket(event(TicketAction.CLEARED, 30))
    told = (delivered(first), delivered(second, ok=False))
    (end,) = [t for t in due(over, known, 31, told) if t.event is Event.RESOLVED]
    assert end.to == first.to


def test_the_end_is_told_outside_of_the_routes_hours_too() -> None:
    known = book(route(hours="08:00-10:00"))
    told = tuple(map(delivered, due(ticket(), known, 1)))
    over = ticket(event(TicketAction.CLEARED, 120))
    assert [t.event for t in due(over, known, 121, told)] == [Event.RESOLVED]


def test_the_end_by_a_persons_hand_is_told_too() -> None:
    told = tuple(map(delivered, due(ticket(), book(route()), 1)))
    over = ticket(event(TicketAction.RESOLVED, 120, actor="erik"))
    assert [t.event for t in due(over, book(route()), 121, told)] == [Event.RESOLVED]
    again = ticket(event(TicketAction.RESOLVED, 120, actor="erik"), event(TicketAction.REOPENED, 121, actor="eva"))
    assert due(again, book(route()), 122, told) == []


def test_who_was_told_of_an_earlier_time_only_hears_nothing_of_this_end() -> None:
    boss = route(route_id="boss", escalate_after_s=900)
    (called,) = due(ticket(), book(boss), 15)
    back = ticket(
        event(TicketAction.CLEARED, 30), event(TicketAction.REOPENED, 90), event(TicketAction.CLEARED, 95)
    )
    assert due(back, book(boss), 96, (delivered(called),)) == []


def test_a_ticket_that_became_part_of_another_says_so_to_whoever_was_told() -> None:
    told = tuple(map(delivered, due(ticket(), book(route()), 1)))
    held = event(TicketAction.HELD, 5)
    explained = ticket(msgspec.structs.replace(held, data={"held_by": "T-9"}))
    assert [t.event for t in due(explained, book(route()), 6, told)] == [Event.EXPLAINED]
