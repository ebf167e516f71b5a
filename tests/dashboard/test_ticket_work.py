"""What people do with a ticket, and what holds tickets back, in a browser: by mouse, by finger, by keyboard."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from playwright.sync_api import Page, expect

from dashboard.pages.silences import wanted
from dashboard.silences import WantedSilence, silence
from laddvakt.clock import utc_now
from laddvakt.domain.commands import CommandStatus, SentCommand
from laddvakt.domain.silences import SilenceKind, SilenceScope
from laddvakt.domain.tickets import Asset, Chart, Series, Suspect, Ticket, TicketState
from tests.dashboard.conftest import DESK, PHONE, OpenPage
from tests.support.dashboard import Running

STOCKHOLM = ZoneInfo("Europe/Stockholm")


def stored(dashboard: Running, ticket_id: str) -> Ticket:
    with dashboard.context.records.read() as work:
        found = work.tickets.get(ticket_id)
    assert found is not None
    return found


def test_a_technician_takes_a_ticket_with_one_tap(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "maintainer", PHONE)
    page.get_by_role("button", name="Take it").tap()
    expect(page.locator("#ticket-message")).to_have_text("It is maintainer's now.")
    expect(page.get_by_role("button", name="Take it")).to_have_count(0)
    ticket = stored(dashboard, "T-heat")
    assert (ticket.state, ticket.assignee) == (TicketState.IN_PROGRESS, "maintainer")


def test_a_ticket_is_given_to_somebody_who_works_on_tickets(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "manager")
    page.get_by_text("Give it to somebody, ").click()
    page.get_by_role("button", name="Assign").click()
    expect(page.locator("#ticket-message")).to_have_text("Choose somebody first.")
    page.get_by_role("textbox", name="Give it to").click()
    expect(page.get_by_role("option")).to_have_text(["admin", "maintainer", "manager"])
    page.get_by_role("option", name="maintainer").click()
    page.get_by_role("button", name="Assign").click()
    expect(page.locator("#ticket-message")).to_have_text("It is maintainer's now.")
    assert stored(dashboard, "T-heat").assignee == "maintainer"


def _take(page: Page, number: int) -> None:
    """The option of this number, by arrow keys; each is marked as the one that Enter takes before the next key."""
    options = page.get_by_role("option")
    for place in range(number):
        page.keyboard.press("ArrowDown")
        expect(options.nth(place)).to_have_attribute("data-combobox-selected", "true")
    page.keyboard.press("Enter")


def test_a_verdict_names_the_right_asset_by_keyboard_alone(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-power", "maintainer")
    expect(page.get_by_text("Give it to somebody, ")).to_be_visible()
    page.get_by_text("Give it to somebody, ").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Which asset")).to_have_count(0)
    page.get_by_role("textbox", name="What was it?").focus()
    _take(page, 2)
    right = page.get_by_role("textbox", name="Which asset")
    expect(right).to_be_visible()
    right.focus()
    _take(page, 1)
    page.get_by_role("button", name="Save verdict").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ticket-message")).to_have_text("Verdict saved.")
    ticket = stored(dashboard, "T-power")
    assert (ticket.verdict, ticket.right_asset) == ("wrong_asset", Asset(kind="station", id=ticket.station_id))
    expect(page.locator("#ticket-body")).to_contain_text(f"wrong asset: it was station {ticket.station_id}")


def test_a_resolved_ticket_is_closed(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-power", "manager")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#ticket-message")).to_have_text("Resolved.")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#ticket-message")).to_have_text("Closed.")
    assert stored(dashboard, "T-power").state is TicketState.CLOSED


def test_a_ticket_shows_its_evidence_whose_fault_it_is_and_what_the_station_was_told(
    dashboard: Running, open_page: OpenPage
) -> None:
    now = utc_now()
    ticket = stored(dashboard, "T-heat")
    points = tuple((now - timedelta(hours=9 - n), 12.0 + n) for n in range(9))
    known = msgspec.structs.replace(
        ticket,
        chart=Chart(label="Heat", unit="K", series=(Series(name="own", points=points),), threshold=18),
        suspects=(
            Suspect(asset=ticket.asset, share=0.75, why=("two vehicles show it",)),
            Suspect(asset=Asset(kind="vehicle", id="tok_secret"), share=0.25),
        ),
        related=("T-power",),
        storm="storm-x",
        flapping_since=now,
    )
    told = SentCommand(
        command_id="1",
        station_id=ticket.station_id,
        action="ClearChargingProfile",
        actor="manager",
        request="{}",
        sent_at=now,
        status=CommandStatus.ACCEPTED,
    )
    with dashboard.context.records.begin() as work:
        work.tickets.save(known)
        work.commands.save([told])
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "viewer", DESK)
    expect(page.get_by_role("img", name="Heat over time in K: own last 20, threshold 18")).to_be_visible()
    expect(page.locator(".suspects")).to_contain_text("two vehicles show it")
    expect(page.locator(".suspects")).to_contain_text("a vehicle")
    expect(page.locator("#ticket-body")).not_to_contain_text("tok_secret")
    expect(page.get_by_role("table", name="What the station was told last")).to_contain_text(
        "ClearChargingProfile"
    )
    expect(page.locator("#ticket-head")).to_contain_text("comes and goes")
    expect(page.locator("#ticket-head")).to_contain_text("One of many")
    page.locator("#ticket-body").get_by_role("link", name="No power").click()
    expect(page.locator("#ticket-head")).to_contain_text("No power")


def test_a_ticket_says_where_it_is_what_to_bring_and_that_nobody_is_called(
    dashboard: Running, open_page: OpenPage
) -> None:
    ticket, now = stored(dashboard, "T-heat"), utc_now()
    asked = WantedSilence(
        kind=SilenceKind.MAINTENANCE,
        scope=SilenceScope.STATION,
        target=ticket.station_id,
        fault=None,
        from_=now,
        until=now + timedelta(hours=2),
        reason="new foundation",
    )
    with dashboard.context.records.begin() as work:
        at = work.stations.get(ticket.station_id)
        assert at is not None
        first, *rest = at.connectors
        marked = msgspec.structs.replace(first, bay="Bay 4")
        work.stations.save([msgspec.structs.replace(at, connectors=(marked, *rest))])
        sites = [msgspec.structs.replace(s, latitude=57.7, longitude=11.9) for s in work.stations.sites()]
        work.stations.save_sites(sites)
    silence(dashboard.context, asked, actor="manager")
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "maintainer", PHONE)
    head = page.locator("#ticket-head")
    expect(head.locator(".place")).to_contain_text(f"station {ticket.station_id}, Bay 4, connector 1")
    expect(head.get_by_role("link", name="Map")).to_have_attribute("href", re.compile("mlat=57.7&mlon=11.9"))
    expect(head).to_contain_text("cable with plug, thermometer")
    expect(head).to_contain_text("nobody is called: new foundation (manager)")
    page.get_by_role("button", name="Resolve").tap()
    expect(page.locator("#ticket-message")).to_have_text("Resolved.")
    expect(head).not_to_contain_text("cable with plug, thermometer")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_planned_work_is_written_down_and_ended(
    dashboard: Running, open_page: OpenPage, viewport: dict[str, int]
) -> None:
    page = open_page(dashboard.url, "/tickets", "maintainer", viewport)
    page.get_by_role("link", name="Planned work").click()
    expect(page.locator("#silences-now")).to_contain_text("Nothing is held back")
    page.get_by_role("button", name="Hold tickets back").click()
    expect(page.locator("#silence-message")).to_have_text("Say where and why first.")
    place = page.get_by_role("textbox", name="Where")
    place.fill("SE-003")
    page.get_by_role("option", name="SE-003").click()
    page.get_by_role("textbox", name="Only connector").click()
    page.get_by_role("option", name="2").click()
    page.get_by_label("Why").fill("new cable")
    page.get_by_role("button", name="Hold tickets back").click()
    expect(page.locator("#silences-now")).to_contain_text("Planned work at connector SE-003/2")
    expect(page.locator("#silences-now")).to_contain_text("new cable (maintainer)")
    with dashboard.context.records.read() as work:
        (made,) = work.silences.page().items
    assert made.until - made.from_ == timedelta(hours=4)
    page.get_by_role("button", name="End it: Planned work at connector SE-003/2").click()
    expect(page.locator("#silences-past")).to_contain_text("ended by maintainer")
    expect(page.locator("#silences-now")).to_contain_text("Nothing is held back")


def test_work_is_planned_from_a_ticket_and_called_off(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "maintainer")
    page.get_by_text("Give it to somebody, ").click()
    page.get_by_role("link", name="Hold tickets of this station back").click()
    expect(page.get_by_role("textbox", name="Where")).to_have_value(stored(dashboard, "T-heat").station_id)
    page.get_by_role("textbox", name="Where").click()
    page.get_by_role("option", name="Norra hamnen").click()
    page.get_by_label("From").click()
    page.get_by_role("button", name="Next month").click()
    page.get_by_role("button", name=re.compile(r"^15 ")).click()
    page.get_by_role("button", name="Take this time").click()
    page.get_by_label("Why").fill("new transformer")
    page.get_by_role("button", name="Hold tickets back").click()
    page.get_by_role("button", name="Call it off: Planned work at Norra hamnen").click()
    expect(page.locator("#silences-now")).to_contain_text("Nothing is held back")
    expect(page.locator("#silences-past")).to_contain_text("ended by maintainer")


def test_one_fault_is_kept_quiet_for_a_while_and_planned_work_is_about_all(
    dashboard: Running, open_page: OpenPage
) -> None:
    page = open_page(dashboard.url, "/silences?station=SE-003", "maintainer")
    page.get_by_role("textbox", name="Only fault").click()
    page.get_by_role("option", name="offline").click()
    page.get_by_label("Why").fill("the link here is known to be poor")
    page.get_by_role("button", name="Hold tickets back").click()
    expect(page.locator("#silence-message")).to_contain_text("maintenance is about all faults")
    page.get_by_text("Quiet time", exact=True).click()
    page.get_by_role("button", name="Hold tickets back").click()
    expect(page.locator("#silences-now")).to_contain_text("Quiet time at station SE-003, only offline")
    page.get_by_role("button", name="End it: Quiet time at station SE-003").click()
    expect(page.locator("#silences-past")).to_contain_text("ended by maintainer")


def test_a_viewer_sees_planned_work_and_cannot_plan_any(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/silences", "viewer")
    expect(page.locator("#silences-now")).to_contain_text("Nothing is held back")
    expect(page.get_by_role("button", name="Hold tickets back")).to_have_count(0)


def test_the_forms_times_are_those_of_the_zone() -> None:
    now = utc_now()
    form = ("quiet", "site|hamnen", None, "offline", "2026-07-01 08:00:00", "24", " noise ")
    asked = wanted(form, now=now, zone=STOCKHOLM)
    assert asked is not None
    assert (asked.kind, asked.scope, asked.target) == (SilenceKind.QUIET, SilenceScope.SITE, "hamnen")
    assert asked.fault == "offline"
    assert asked.from_ == datetime(2026, 7, 1, 8, tzinfo=STOCKHOLM)
    assert (asked.until - asked.from_, asked.reason) == (timedelta(days=1), "noise")
    at_once = wanted(("maintenance", "fleet|", None, None, None, "1", "x"), now=now, zone=STOCKHOLM)
    assert at_once is not None
    assert (at_once.scope, at_once.target, at_once.from_) == (SilenceScope.FLEET, "", now)
    assert wanted(("maintenance", None, None, None, None, "1", "x"), now=now, zone=STOCKHOLM) is None
