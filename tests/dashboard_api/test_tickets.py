"""Tickets: reading them, and what people do with them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dashboard.tickets import PEOPLE_ACTIONS, act
from laddvakt.domain.errors import ConflictError, NotFoundError
from laddvakt.domain.tickets import (
    Asset,
    Evidence,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from laddvakt.stores.ports import Delivery, User
from tests.support.webapp import NOON, Web, published, quick_hash


def _ticket(number: int, *, severity: Severity = Severity.P2) -> Ticket:
    at = NOON - timedelta(hours=5 - number)
    return Ticket(
        ticket_id=f"T-{number}",
        fault="no_power",
        asset=Asset(kind="station", id=f"SE-{number}"),
        station_id=f"SE-{number}",
        severity=severity,
        opened_at=at,
        updated_at=at,
        probable_cause="contactor",
        evidence=(Evidence(label="power", value="12 W", threshold="50 W", at=at),),
        events=(TicketEvent(at=at, action=TicketAction.OPENED, actor="detector"),),
    )


@pytest.fixture(autouse=True)
def tickets(web: Web) -> None:
    resolved = apply_event(_ticket(3), TicketEvent(at=NOON, action=TicketAction.CLEARED, actor="detector"))
    with web.records.begin() as work:
        for ticket in (_ticket(1), _ticket(2, severity=Severity.P1), resolved):
            work.tickets.save(ticket)


def _stored(web: Web, ticket_id: str) -> Ticket:
    with web.records.read() as work:
        ticket = work.tickets.get(ticket_id)
    assert ticket is not None
    return ticket


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"T-1", "T-2", "T-3"}),
        ("?state=open", {"T-1", "T-2"}),
        ("?state=open&state=resolved", {"T-1", "T-2", "T-3"}),
        ("?severity=P1", {"T-2"}),
        ("?asset=SE-3", {"T-3"}),
        ("?station_id=SE-1", {"T-1"}),
        ("?state=closed", set()),
    ],
)
def test_list(web: Web, query: str, found: set[str]) -> None:
    answer = web.program("viewer").get(f"/api/v1/tickets{query}")
    assert answer.status_code == 200
    assert {item["ticket_id"] for item in answer.json()["items"]} == found


def test_cursor_continues(web: Web) -> None:
    client = web.program("viewer")
    first = client.get("/api/v1/tickets?limit=2").json()
    rest = client.get("/api/v1/tickets", params={"after": first["next"]}).json()
    ids = [item["ticket_id"] for item in (*first["items"], *rest["items"])]
    assert sorted(ids) == ["T-1", "T-2", "T-3"]
    assert rest["next"] is None


@pytest.mark.parametrize("query", ["state=new", "severity=P9", "limit=0", "after=x", "sort=asc"])
def test_bad_parameters(web: Web, query: str) -> None:
    assert web.program("viewer").get(f"/api/v1/tickets?{query}").status_code == 422


def test_one_ticket_with_its_history(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/tickets/T-3")
    assert answer.status_code == 200
    assert [event["action"] for event in answer.json()["events"]] == ["opened", "cleared"]


def test_unknown_ticket_is_not_found(web: Web) -> None:
    assert web.program("viewer").get("/api/v1/tickets/T-99").status_code == 404


ACTIONS: list[tuple[str, str, dict[str, Any] | None, TicketState]] = [
    ("acknowledge", "T-1", None, TicketState.ACKNOWLEDGED),
    ("acknowledge", "T-1", {"comment": "on my way"}, TicketState.ACKNOWLEDGED),
    ("assign", "T-1", {"assignee": "maintainer"}, TicketState.IN_PROGRESS),
    ("comment", "T-1", {"comment": "the door is open"}, TicketState.OPEN),
    ("resolve", "T-1", {"comment": "fuse changed"}, TicketState.RESOLVED),
    ("verdict", "T-3", {"verdict": "confirmed"}, TicketState.RESOLVED),
    ("reopen", "T-3", {}, TicketState.OPEN),
    ("close", "T-3", {"comment": "paid"}, TicketState.CLOSED),
]


@pytest.mark.parametrize(("action", "ticket_id", "body", "state"), ACTIONS)
def test_actions(web: Web, action: str, ticket_id: str, body: dict[str, Any] | None, state: TicketState) -> None:
    answer = web.program("maintainer").post(f"/api/v1/tickets/{ticket_id}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == state
    last = answer.json()["events"][-1]
    assert last["actor"] == "token:maintainer"
    assert last["at"] == "2026-11-21T12:00:00Z"
    assert last["detail"] == (body or {}).get("comment", "")
    stored = _stored(web, ticket_id)
    assert stored.state is state
    assert published(web, "ticket", Ticket) == [stored]
    audited = web.audit()[0]
    assert (audited.actor, audited.object) == ("token:maintainer", ticket_id)
    assert audited.action == f"ticket.{stored.events[-1].action}"


def test_assign_names_the_assignee(web: Web) -> None:
    answer = web.program("manager").post("/api/v1/tickets/T-1/assign", json={"assignee": "maintainer"})
    assert answer.json()["assignee"] == "maintainer"
    assert web.audit()[0].detail == {"assignee": "maintainer"}


def test_verdict_is_kept(web: Web) -> None:
    body = {"verdict": "vehicle", "comment": "same car twice"}
    answer = web.program("maintainer").post("/api/v1/tickets/T-1/verdict", json=body)
    assert answer.json()["verdict"] == "vehicle"


@pytest.mark.parametrize(("action", "ticket_id", "body", "_"), ACTIONS)
def test_actions_need_the_role(web: Web, action: str, ticket_id: str, body: Any, _: TicketState) -> None:
    path = f"/api/v1/tickets/{ticket_id}/{action}"
    assert web.nobody().post(path, json=body).status_code == 401
    assert web.program("viewer").post(path, json=body).status_code == 403
    assert web.program("driver").post(path, json=body).status_code == 403
    assert not web.feed.published
    assert not web.audit()


def test_a_verdict_names_what_was_at_fault_instead(web: Web) -> None:
    client, cable = web.program("maintainer"), {"kind": "cable", "id": "C-1"}
    body = {"verdict": "wrong_asset", "right_asset": cable}
    answer = client.post("/api/v1/tickets/T-3/verdict", json=body).json()
    assert (answer["verdict"], answer["right_asset"]) == ("wrong_asset", cable)
    with web.records.read() as work:
        (label,) = work.tickets.labels(NOON)
    assert (label.ticket_id, label.right_asset) == ("T-3", Asset(kind="cable", id="C-1"))
    second = client.post("/api/v1/tickets/T-3/verdict", json={"verdict": "vehicle"}).json()
    assert (second["verdict"], second["right_asset"]) == ("vehicle", None)


@pytest.mark.parametrize(("action", "_", "body", "__"), ACTIONS)
def test_actions_on_an_unknown_ticket(web: Web, action: str, _: str, body: Any, __: TicketState) -> None:
    answer = web.program("maintainer").post(f"/api/v1/tickets/T-99/{action}", json=body)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("assign", None),
        ("assign", {"assignee": ""}),
        ("comment", {"comment": "   "}),
        ("comment", {"comment": "x" * 4001}),
        ("comment", None),
        ("verdict", {"verdict": "maybe"}),
        ("verdict", {"verdict": "wrong_asset", "right_asset": {"kind": "car", "id": "C-1"}}),
        ("resolve", {"coment": "typo"}),
        ("acknowledge", ["not", "an", "object"]),
    ],
)
def test_bad_bodies(web: Web, action: str, body: Any) -> None:
    answer = web.program("maintainer").post(f"/api/v1/tickets/T-1/{action}", json=body)
    assert answer.status_code == 422
    assert all(part["where"].startswith("body") for part in answer.json()["errors"])


def test_body_that_is_no_json(web: Web) -> None:
    headers = {"content-type": "application/json"}
    answer = web.program("maintainer").post("/api/v1/tickets/T-1/resolve", content=b"{", headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("action", "ticket_id", "body"),
    [
        ("acknowledge", "T-3", None),
        ("resolve", "T-3", None),
        ("reopen", "T-1", None),
        ("close", "T-1", None),
        ("verdict", "T-1", {"verdict": "vehicle", "right_asset": {"kind": "cable", "id": "C-1"}}),
        ("assign", "T-3", {"assignee": "maintainer"}),
        ("assign", "T-1", {"assignee": "ghost"}),
        ("assign", "T-1", {"assignee": "viewer"}),
        ("assign", "T-1", {"assignee": "gone"}),
    ],
)
def test_actions_that_do_not_fit_change_nothing(web: Web, action: str, ticket_id: str, body: Any) -> None:
    with web.records.begin() as work:
        work.people.save_user(User(name="gone", role="maintainer", password_hash=quick_hash("x"), disabled=True))
    before = _stored(web, ticket_id)
    answer = web.program("maintainer").post(f"/api/v1/tickets/{ticket_id}/{action}", json=body)
    assert answer.status_code == 409
    assert _stored(web, ticket_id) == before
    assert not web.feed.published
    assert not web.audit()


@pytest.mark.parametrize("action", sorted(set(TicketAction) - PEOPLE_ACTIONS))
def test_the_detectors_actions_are_not_for_people(web: Web, action: TicketAction) -> None:
    with pytest.raises(ConflictError, match="detector"):
        web.run(act(web.context, ticket_id="T-1", action=action, actor="admin"))


def test_act_refuses_unknown_verdicts_and_tickets(web: Web) -> None:
    with pytest.raises(ConflictError, match="verdict"):
        web.run(
            act(web.context, ticket_id="T-1", action=TicketAction.VERDICT, actor="x", data={"verdict": "maybe"})
        )
    with pytest.raises(NotFoundError):
        web.run(act(web.context, ticket_id="T-99", action=TicketAction.COMMENTED, actor="x"))


def test_act_works_without_a_feed(web: Web) -> None:
    import dataclasses

    context = dataclasses.replace(web.context, feed=None)
    ticket = web.run(act(context, ticket_id="T-1", action=TicketAction.ACKNOWLEDGED, actor="x"))
    assert ticket.state is TicketState.ACKNOWLEDGED


def test_who_was_told_is_listed_without_addresses(web: Web) -> None:
    with web.records.begin() as work:
        for number, ok in enumerate((False, True)):
            work.routes.record(
                Delivery(
                    delivery_id=f"d{number}",
                    ticket_id="T-1",
                    route_id="duty",
                    contact="eva",
                    way="mailto",
                    event="opened",
                    at=NOON + timedelta(seconds=number),
                    ok=ok,
                    tries=1,
                    detail="" if ok else "it is away",
                )
            )
    viewer = web.program("viewer")
    items = viewer.get("/api/v1/tickets/T-1/deliveries").json()["items"]
    assert [(item["contact"], item["way"], item["ok"]) for item in items] == [
        ("eva", "mailto", False),
        ("eva", "mailto", True),
    ]
    assert viewer.get("/api/v1/tickets/T-404/deliveries").status_code == 404
