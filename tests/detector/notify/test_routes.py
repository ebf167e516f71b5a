"""Whom to tell: sites, severities, hours, contacts and whoever is on call."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from detector.notify.routes import Event, Reason, Recipient, addresses, find_address, judge
from laddvakt.domain.oncall import Contact, OnCall, Rota
from laddvakt.domain.tickets import Severity
from tests.support.detector import START
from tests.support.telling import STOCKHOLM, book, route, ticket

ON_CALL = OnCall(
    contacts=(
        Contact(contact_id="eva", name="Eva", urls=("mailto://eva.example", "tgram://1")),
        Contact(contact_id="nils", name="Nils", urls=("mailto://nils.example",)),
    ),
    rotas=(Rota(rota_id="field", contacts=("eva", "nils"), first=date(2026, 11, 16)),),
)


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


def test_a_rota_reaches_whoever_is_on_call_then() -> None:
    field = route(urls=(), rota="field")
    assert [a.url for a in addresses(field, ON_CALL, START)] == ["mailto://eva.example", "tgram://1"]
    next_week = START + timedelta(days=7)
    assert [a.url for a in addresses(field, ON_CALL, next_week)] == ["mailto://nils.example"]
    backup = route(urls=(), rota="field", backup=True)
    assert [a.url for a in addresses(backup, ON_CALL, START)] == ["mailto://nils.example"]


def test_everybody_is_reached_once_and_who_is_gone_is_left_out() -> None:
    both = route(urls=("https://a.example",), contacts=("eva", "gone", "eva"), rota="field")
    assert [a.to for a in addresses(both, ON_CALL, START)] == [
        Recipient("ops", "", 0),
        Recipient("ops", "eva", 0),
        Recipient("ops", "eva", 1),
    ]
    assert addresses(route(urls=(), rota="gone"), ON_CALL, START) == []


def test_who_was_told_is_found_again_whoever_is_on_call_now() -> None:
    known = book(route(urls=("https://a.example",), rota="field"), on_call=ON_CALL)
    for to, url in (
        (Recipient("ops", "nils", 0), "mailto://nils.example"),
        (Recipient("ops", "", 0), "https://a.example"),
    ):
        found = find_address(to, known)
        assert found is not None and found.url == url
    for gone in (Recipient("ops", "nils", 1), Recipient("ops", "bo", 0), Recipient("other", "", 0)):
        assert find_address(gone, known) is None
