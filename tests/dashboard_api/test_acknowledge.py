"""The link in a message: looking changes nothing, the button acknowledges, and no more can be done with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from laddvakt.acknowledging import PATH, AckLink, opening_of, sign
from laddvakt.domain.stations import Site
from laddvakt.domain.tickets import Ticket, TicketAction, TicketEvent, TicketState, apply_event
from laddvakt.settings import web_secret
from tests.dashboard_api.test_tickets import _ticket
from tests.support.webapp import NOON, Web, published


@pytest.fixture(autouse=True)
def tickets(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save_sites([Site(site_id="north", name="Norra <kajen>", timezone="Europe/Stockholm")])
        work.tickets.save(_ticket(1))


def stored(web: Web) -> Ticket:
    with web.records.read() as work:
        ticket = work.tickets.get("T-1")
    assert ticket is not None
    return ticket


def link(web: Web, **other: Any) -> str:
    made = AckLink("T-1", opening_of(stored(web)), "eva", NOON + timedelta(hours=24))._replace(**other)
    return PATH + sign(web_secret(web.settings), made)


def happened(web: Web, action: TicketAction, *, hours: float = 0) -> None:
    event = TicketEvent(at=NOON + timedelta(hours=hours), action=action, actor="detector")
    changed = apply_event(stored(web), event)
    with web.records.begin() as work:
        work.tickets.save(changed)


def test_looking_changes_nothing(web: Web) -> None:
    for method in ("GET", "GET", "HEAD"):
        answer = web.nobody().request(method, link(web))
    answer = web.nobody().get(link(web))
    assert answer.status_code == 200
    assert "Acknowledge as eva" in answer.text
    assert "No power" in answer.text
    assert 'name="viewport"' in answer.text
    assert "script" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert stored(web).state is TicketState.OPEN


def test_the_button_acknowledges_in_the_name_of_whom_the_link_was_made_for(web: Web) -> None:
    address = link(web)
    answer = web.nobody().post(address)
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    ticket = stored(web)
    assert ticket.state is TicketState.ACKNOWLEDGED
    event = ticket.events[-1]
    assert (event.actor, event.detail) == ("link:eva", "By the link in a message.")
    assert (web.audit()[0].action, web.audit()[0].actor) == ("ticket.acknowledged", "link:eva")
    assert published(web, "ticket", Ticket) == [ticket]
    text = web.nobody().get(address).text
    assert "by link:eva" in text
    assert "<form" not in text


def test_pressing_twice_does_nothing_more(web: Web) -> None:
    for _ in range(2):
        assert web.nobody().post(link(web)).status_code == 303
    assert [event.action for event in stored(web).events] == [TicketAction.OPENED, TicketAction.ACKNOWLEDGED]


def test_a_link_lasts_its_time(web: Web) -> None:
    address = link(web)
    web.clock.advance(seconds=24 * 3600)
    for answer in (web.nobody().get(address), web.nobody().post(address)):
        assert answer.status_code == 410
        assert "too old" in answer.text
    assert stored(web).state is TicketState.OPEN


@pytest.mark.parametrize("token", ["x", "WzEsMl0.abc", "WyJULTEiXQ", "%00", "a" * 5000])
def test_a_link_that_was_not_made_here_opens_nothing(web: Web, token: str) -> None:
    answer = web.nobody().get(PATH + token)
    assert (answer.status_code, "not whole" in answer.text) == (410, True)
    assert web.nobody().post(PATH + token).status_code == 410


def test_a_link_of_another_key_or_ticket_opens_nothing(web: Web) -> None:
    made = AckLink("T-1", 0, "eva", NOON + timedelta(hours=1))
    assert web.nobody().post(PATH + sign("another", made)).status_code == 410
    assert web.nobody().post(link(web, ticket_id="T-404")).status_code == 410


def test_a_link_is_of_one_opening_only(web: Web) -> None:
    address = link(web)
    happened(web, TicketAction.CLEARED)
    assert "Resolved" in web.nobody().get(address).text
    happened(web, TicketAction.REOPENED, hours=1)
    answer = web.nobody().post(address)
    assert (answer.status_code, "has come back" in answer.text) == (410, True)
    assert stored(web).state is TicketState.OPEN


def test_the_link_opens_nothing_else(web: Web) -> None:
    browser = web.nobody()
    browser.get(link(web))
    assert browser.get("/api/v1/tickets").status_code == 401
    assert browser.get("/acknowledge").status_code == 303  # to the sign-in page


def test_a_browser_on_another_site_cannot_press_it(web: Web) -> None:
    answer = web.nobody().post(link(web), headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert stored(web).state is TicketState.OPEN


def test_a_body_beyond_a_forms_is_refused(web: Web) -> None:
    assert web.nobody().post(link(web), content=b"x" * 20_000).status_code == 413
