"""Whom to tell: sites, severities, hours, escalation; each telling once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest

from detector.notify.routes import (
    Event,
    Reason,
    escalation_of,
    escalations,
    in_force,
    judge,
    news_of,
    tellings,
)
from detector.tickets import ACTOR
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent, apply_event
from laddvakt.stores.ports import Route
from tests.support.detector import START

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def event(action: TicketAction, minutes: float = 0, *, severity: str = "P2", actor: str = ACTOR) -> TicketEvent:
    return TicketEvent(
        at=START + timedelta(minutes=minutes), action=action, actor=actor, data={"severity": severity}
    )


def ticket(*events: TicketEvent, site_id: str | None = "site-1") -> Ticket:
    opened = Ticket(
        ticket_id="T-1",
        fault="offline",
        asset=Asset(kind="station", id="SE-1"),
        station_id="SE-1",
        site_id=site_id,
        severity=Severity.P2,
        opened_at=START,
        updated_at=START,
        events=(event(TicketAction.OPENED),),
    )
    for item in events:
        opened = apply_event(opened, item)
    return opened


def route(**how: object) -> Route:
    return msgspec.structs.replace(Route(route_id="ops", urls=("https://example.org/hook",)), **how)


def test_news_are_what_the_detector_caused() -> None:
    lived = ticket(
        event(TicketAction.UPDATED, 60),
        event(TicketAction.UPDATED, 61, severity="P1"),
        event(TicketAction.UPDATED, 121, severity="P1"),
        event(TicketAction.ACKNOWLEDGED, 122, actor="eva"),
        event(TicketAction.CLEARED, 130),
        event(TicketAction.REOPENED, 140),
        event(TicketAction.RESOLVED, 150, actor="eva"),
    )
    assert [news.event for news in news_of(lived)] == [Event.OPENED, Event.WORSE, Event.RESOLVED, Event.REOPENED]


def test_a_route_without_limits_is_told_of_everything_once_per_address() -> None:
    both = route(urls=("https://a.example", "mailto://b.example"))
    first = tellings(ticket(), [both], START, STOCKHOLM)
    again = tellings(ticket(), [both], START + timedelta(minutes=5), STOCKHOLM)
    assert len({telling.delivery_id for telling in first}) == 2
    assert [t.delivery_id for t in first] == [t.delivery_id for t in again]
    assert all("example" not in telling.delivery_id for telling in first)


def test_what_is_past_is_no_news() -> None:
    assert tellings(ticket(), [route()], START + timedelta(minutes=61), STOCKHOLM) == []


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({}, Reason.TOLD),
        ({"sites": ("site-1", "site-2")}, Reason.TOLD),
        ({"sites": ("site-2",)}, Reason.OTHER_SITE),
        ({"severities": (Severity.P1, Severity.P2)}, Reason.TOLD),
        ({"severities": (Severity.P1,)}, Reason.OTHER_SEVERITY),
        ({"hours": "08:00-10:00"}, Reason.TOLD),  # 09:00 in Stockholm
        ({"hours": "10:00-17:00"}, Reason.OUTSIDE_HOURS),
        ({"escalate_after_s": 900}, Reason.ESCALATION_ONLY),
    ],
)
def test_limits_of_a_route(limits: dict[str, object], reason: Reason) -> None:
    assert judge(route(**limits), ticket(), Event.OPENED, START, STOCKHOLM) is reason


@pytest.mark.parametrize(
    ("hours", "at", "told"),
    [
        ("Mo-Fr 08:00-17:00", datetime(2026, 11, 20, 12, tzinfo=UTC), True),  # a Friday
        ("Mo-Fr 08:00-17:00", datetime(2026, 11, 21, 12, tzinfo=UTC), False),
        ("Sa-Mo 08:00-17:00", datetime(2026, 11, 22, 12, tzinfo=UTC), True),
        ("Sa-Mo 08:00-17:00", datetime(2026, 11, 24, 12, tzinfo=UTC), False),
        ("Fr 22:00-06:00", datetime(2026, 11, 20, 22, tzinfo=UTC), True),
        ("Fr 22:00-06:00", datetime(2026, 11, 21, 3, tzinfo=UTC), True),  # the night of Friday
        ("Fr 22:00-06:00", datetime(2026, 11, 20, 3, tzinfo=UTC), False),
        ("22:00-06:00", datetime(2026, 11, 20, 12, tzinfo=UTC), False),
        ("00:00-24:00", datetime(2026, 11, 20, 22, 59, tzinfo=UTC), True),
        (None, datetime(2026, 11, 20, 3, tzinfo=UTC), True),
    ],
)
def test_hours_are_the_places_own_and_may_cross_midnight(hours: str | None, at: datetime, told: bool) -> None:
    assert in_force(hours, at, STOCKHOLM) is told


def test_escalation_when_nobody_takes_it() -> None:
    boss = route(escalate_after_s=900)
    assert escalations(ticket(), [boss], START + timedelta(seconds=899), STOCKHOLM) == []
    (telling,) = escalations(ticket(), [boss], START + timedelta(seconds=900), STOCKHOLM)
    assert telling.event is Event.ESCALATED
    taken = ticket(event(TicketAction.ACKNOWLEDGED, 5, actor="eva"))
    assert escalations(taken, [boss], START + timedelta(seconds=900), STOCKHOLM) == []
    assert escalations(ticket(), [route()], START + timedelta(seconds=900), STOCKHOLM) == []


def test_the_end_is_told_to_those_who_were_called() -> None:
    boss = route(escalate_after_s=900)
    (called,) = escalations(ticket(), [boss], START + timedelta(seconds=900), STOCKHOLM)
    over = ticket(event(TicketAction.CLEARED, 30))
    (end,) = tellings(over, [boss], START + timedelta(minutes=31), STOCKHOLM)
    assert escalation_of(end, over, boss) == called.delivery_id
    assert escalation_of(end, over, route()) is None
