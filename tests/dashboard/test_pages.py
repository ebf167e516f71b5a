"""The desk pages in a real browser: sessions, tickets, stations, revenue, and who may see what."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec
import pytest
from playwright.sync_api import Page, expect

from laddvakt.clock import utc_now
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.tickets import TicketState
from laddvakt.stores.ports import Delivery, SecurityEvent, Variable
from tests.dashboard.conftest import DESK, PHONE, WALL, OpenPage
from tests.support import scene
from tests.support.dashboard import Running

PAGES = (
    "/",
    "/sessions",
    "/tickets",
    "/tickets?ticket=T-heat",
    "/silences",
    "/stations",
    "/revenue",
    "/reliability",
    "/quarantine",
)


def state_of(dashboard: Running, ticket_id: str) -> str:
    with dashboard.context.records.read() as work:
        found = work.tickets.get(ticket_id)
    assert found is not None
    return str(found.state)


def settled(page: Page) -> None:
    """All of the page's own requests are answered, and the live connection has brought something."""
    page.locator("body[data-beat]").wait_for(state="attached")
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("viewport", [WALL, PHONE], ids=["wall", "phone"])
def test_nothing_is_asked_of_anybody_else_and_nothing_scrolls_sideways(
    dashboard: Running, open_page: OpenPage, viewport: dict[str, int]
) -> None:
    page = open_page(dashboard.url, "/", "admin", viewport)
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    for path in PAGES:
        page.goto(dashboard.url + path)
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], path
    elsewhere = {url for url in asked if urlsplit(url).scheme in {"http", "https", "ws"}} - {
        url for url in asked if url.startswith(dashboard.url)
    }
    assert elsewhere == set()
    assert faults == []


def test_pages_have_landmarks_names_and_a_way_past_the_navigation(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets")
    settled(page)
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("navigation", name="Pages")).to_be_visible()
    expect(page.get_by_role("link", name="Tickets", exact=True)).to_have_attribute("aria-current", "page")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.title() == "Tickets · Laddvakt"


def test_a_maintainer_acknowledges_on_a_phone_and_the_wall_knows(dashboard: Running, open_page: OpenPage) -> None:
    wall = open_page(dashboard.url, "/", "viewer", WALL)
    card = wall.locator(".ticket", has_text="Plug overheat")
    expect(card).to_contain_text("Open")
    page = open_page(dashboard.url, "/tickets", "maintainer", PHONE)
    page.locator(".pick", has_text="Plug overheat").tap()
    expect(page).to_have_url(re.compile(r"ticket=T-heat"))
    page.fill("#ticket-comment", "On my way")
    page.get_by_role("button", name="Acknowledge").tap()
    expect(page.locator("#ticket-message")).to_have_text("Acknowledged.")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_disabled()
    expect(page.locator(".history")).to_contain_text("maintainer acknowledged")
    expect(page.locator(".history")).to_contain_text("On my way")
    expect(page.locator("#ticket-comment")).to_have_value("")
    assert state_of(dashboard, "T-heat") == TicketState.ACKNOWLEDGED
    expect(card).to_contain_text("Acknowledged", timeout=2_000)
    page.go_back()
    expect(page.locator(".pick")).to_have_count(4)
    expect(page.locator(".pick").first).to_be_visible()


def test_a_resolved_ticket_leaves_the_list_and_can_be_reopened(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-power", "manager")
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator("#ticket-message")).to_have_text("Resolved.")
    expect(page.locator(".pick", has_text="No power")).to_have_count(0)
    page.get_by_text("Resolved", exact=True).first.click()
    expect(page.locator(".pick", has_text="No power")).to_have_count(1)
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator("#ticket-message")).to_have_text("Reopened.")
    assert state_of(dashboard, "T-power") == TicketState.OPEN


def test_a_viewer_reads_tickets_and_is_told_who_may_act(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "viewer")
    expect(page.locator("#ticket-head")).to_contain_text("Plug overheat")
    expect(page.locator("#ticket-actions")).to_contain_text("Maintainers and managers")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)


def test_a_ticket_says_who_was_told(dashboard: Running, open_page: OpenPage) -> None:
    with dashboard.context.records.begin() as work:
        work.routes.record(
            Delivery(
                delivery_id="d", ticket_id="T-heat", route_id="duty", contact="eva", way="mailto", event="opened",
                at=utc_now(), ok=True, tries=2,
            )
        )  # fmt: skip
    page = open_page(dashboard.url, "/tickets?ticket=T-heat", "viewer")
    table = page.get_by_role("table", name="Told")
    expect(table.get_by_role("row").last).to_contain_text("eva")
    expect(table.get_by_role("row").last).to_contain_text("delivered, 2 tries")


def test_the_gravest_ticket_is_open_from_the_start_on_a_desk(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets", "viewer")
    expect(page.locator(".pick").first).to_contain_text("P1")
    expect(page.locator("#ticket-head")).to_contain_text("Plug overheat")
    expect(page.get_by_role("table", name="Evidence")).to_contain_text("GroundFailure")


def test_a_ticket_raised_while_one_looks_comes_into_the_list(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/tickets", "viewer")
    expect(page.locator(".pick")).to_have_count(4)
    settled(page)
    fresh = scene.ticket("T-new", "SE-004", now=utc_now(), fault="cut_cable")
    with dashboard.context.records.begin() as work:
        work.tickets.save(fresh)
    dashboard.feed.say("ticket", fresh)
    expect(page.locator(".pick", has_text="Cut cable")).to_be_visible()


def test_sessions_are_filtered_and_told_in_full(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/sessions", "viewer")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows.first).to_contain_text("Charging")
    page.get_by_role("group", name="State").get_by_text("Ended").click()
    expect(rows.first).to_contain_text("Ended")
    rows.first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Session at SE-")
    expect(drawer.get_by_role("table", name="Price in SEK")).to_contain_text("Energy")
    expect(drawer.get_by_role("table", name="Price in SEK")).to_contain_text("Total")
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    expect(rows.first).to_have_attribute("aria-selected", "false")
    rows.first.click()
    expect(drawer).to_contain_text("Session at SE-")


def test_a_session_that_begins_while_one_looks_comes_in_on_top(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/sessions", "viewer")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows.first).to_contain_text("Charging")
    settled(page)
    fresh = scene.session("S-new", "SE-777", now=utc_now(), minutes=0)
    dashboard.feed.say("session", fresh)
    expect(page.locator('[row-id="S-new"]').first).to_contain_text("SE-777")
    dashboard.feed.say("session", msgspec.structs.replace(fresh, energy_wh=77_700))
    expect(page.locator('[row-id="S-new"]').first).to_contain_text("77.70")


def test_an_empty_filter_says_so(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/sessions?station=SE-404", "viewer")
    expect(page.get_by_text("No sessions fit this filter.")).to_be_visible()


def test_held_sessions_say_why(dashboard: Running, open_page: OpenPage) -> None:
    with dashboard.context.records.begin() as work:
        held = scene.session(
            "S-held",
            "SE-001",
            now=utc_now(),
            state="ended",
            ended_at=utc_now(),
            quality="suspect",
            quality_reasons=("register_rollback",),
        )
        work.sessions.save([held])
    page = open_page(dashboard.url, "/sessions?session=S-held", "viewer")
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Held from invoicing")
    expect(drawer).to_contain_text("register rollback")


def test_a_station_is_opened_from_its_tile(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    page.locator(".tile", has_text="SE-013").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("SE-013")
    expect(drawer.get_by_role("table", name="Connectors")).to_contain_text("Paused by vehicle")
    drawer.get_by_role("link", name="Plug overheat").click()
    expect(page.locator("#ticket-head")).to_contain_text("Plug overheat")


@pytest.fixture
def details(dashboard: Running) -> None:
    now = dashboard.context.clock()
    with dashboard.context.records.begin() as work:
        work.inventory.save(
            [
                Variable(
                    station_id="SE-013",
                    variable_id="v",
                    component="EVSE",
                    connector_id=2,
                    variable="Power",
                    attribute="MaxSet",
                    value="22000",
                    mutability="ReadOnly",
                    unit="W",
                    reported_at=now,
                )
            ]
        )
        work.security_log.add(
            [SecurityEvent(event_id="e", station_id="SE-013", at=now, received_at=now, event="FirmwareUpdated")]
        )


@pytest.mark.usefixtures("details")
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_what_a_station_says_of_itself_is_folded_away(
    dashboard: Running, open_page: OpenPage, size: dict[str, int]
) -> None:
    page = open_page(dashboard.url, "/stations?station=SE-013", "maintainer", size)
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_role("table", name="Settings")).to_be_hidden()
    drawer.get_by_text("Settings (1)").click()
    expect(drawer.get_by_role("table", name="Settings")).to_contain_text("EVSE 2 Power (W), MaxSet22000")
    drawer.get_by_text("Security events (1)").click()
    expect(drawer.get_by_role("table", name="Security events")).to_contain_text("FirmwareUpdated")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.usefixtures("details")
def test_what_a_station_says_of_itself_is_not_for_everybody(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/stations?station=SE-013", "viewer")
    expect(page.get_by_role("dialog")).to_contain_text("Open tickets")
    expect(page.get_by_text("Security events")).to_have_count(0)


def test_a_maintainer_restarts_a_station_on_a_phone(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/stations?station=SE-013", "maintainer", PHONE)
    drawer = page.get_by_role("dialog")
    drawer.get_by_role("button", name="Restart gently").tap()
    expect(drawer.locator("#command-question")).to_contain_text("Restart SE-013?")
    drawer.get_by_role("button", name="Cancel").tap()
    expect(drawer.locator("#command-question")).to_be_hidden()
    drawer.get_by_role("button", name="Restart gently").tap()
    drawer.get_by_role("button", name="Send").tap()
    expect(drawer.locator("#command-message")).to_have_text("Restart gently: The station answered Accepted.")
    expect(drawer.locator("#command-question")).to_be_hidden()
    (asked,) = dashboard.commands.asked
    assert (asked.station_id, asked.action, asked.payload) == ("SE-013", "Reset", {"type": "Soft"})
    assert asked.actor == "maintainer"
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_remote_start_asks_for_connector_and_token(dashboard: Running, open_page: OpenPage) -> None:
    dashboard.commands.status = CommandStatus.REJECTED
    dashboard.commands.more = {"answer": {"status": "Rejected"}}
    page = open_page(dashboard.url, "/stations?station=SE-013", "admin")
    drawer = page.get_by_role("dialog")
    where = drawer.get_by_role("group", name="Where")
    where.get_by_text("Station").click()
    drawer.get_by_role("button", name="Start charging").click()
    expect(drawer.locator("#command-message")).to_have_text("Choose a connector first.")
    where.get_by_text("1", exact=True).click()
    drawer.get_by_role("button", name="Start charging").click()
    drawer.get_by_role("button", name="Send").click()
    expect(drawer.locator("#command-message")).to_contain_text("Write the token")
    drawer.get_by_role("button", name="Start charging").click()
    drawer.get_by_placeholder("Token").fill("APP-7")
    drawer.get_by_role("button", name="Send").click()
    expect(drawer.locator("#command-message")).to_have_text("Start charging: The station answered Rejected.")
    (asked,) = dashboard.commands.asked
    assert (asked.action, asked.payload) == ("RemoteStartTransaction", {"idTag": "APP-7", "connectorId": 1})


@pytest.mark.parametrize("role", ["viewer", "manager"])
def test_commands_are_hidden_from_those_who_may_not(dashboard: Running, open_page: OpenPage, role: str) -> None:
    page = open_page(dashboard.url, "/stations?station=SE-013", role)
    expect(page.get_by_role("dialog")).to_contain_text("Open tickets")
    expect(page.get_by_role("button", name="Restart gently")).to_have_count(0)


def test_revenue_adds_up_and_goes_into_a_file(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/revenue", "manager")
    page.get_by_text("30 days").click()
    expect(page.locator("#revenue-totals")).to_contain_text("Held, incl. VAT")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert re.fullmatch(r"revenue-by-station-.*\.csv", download.value.suggested_filename)
    lines = download.value.path().read_text().splitlines()
    assert lines[0] == "key,sessions,energy_wh,excl_vat,incl_vat,currency,held_sessions,held_incl_vat"
    with dashboard.context.records.read() as work:
        ended = work.sessions.page(state="ended", limit=1000).items
    held = [session for session in ended if session.quality == "suspect"]
    assert sum(int(line.split(",")[1]) for line in lines[1:]) == len(ended) - len(held)
    assert sum(int(line.split(",")[6]) for line in lines[1:]) == len(held) > 0


def test_revenue_is_not_for_maintainers(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/revenue", "maintainer")
    expect(page.get_by_text("This page is for managers.")).to_be_visible()
    expect(page.get_by_role("navigation").get_by_text("Revenue")).to_have_count(0)
    answer = page.evaluate(
        """async () => {
          const dependencies = await (await fetch("/_dash-dependencies")).json();
          const one = dependencies.find((item) => item.output.includes("revenue-grid.rowData"));
          const inputs = [{id: "revenue-period", property: "value", value: "30d"},
                          {id: "revenue-group", property: "value", value: "station"}];
          const outputs = one.output.replace(/^\\.\\.|\\.\\.$/g, "").split("...").map((name) => {
            const at = name.lastIndexOf(".");
            return {id: name.slice(0, at), property: name.slice(at + 1)};
          });
          const body = {output: one.output, outputs, inputs, changedPropIds: [], state: []};
          const answer = await fetch("/_dash-update-component",
            {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
          return [answer.status, await answer.text()];
        }"""
    )
    assert answer == [204, ""]


def test_a_stranger_is_sent_to_sign_in(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/sessions", "viewer", DESK)
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{dashboard.url}/sessions")
    expect(page).to_have_url(re.compile(r"/login"))


def test_no_callback_listens_to_what_is_pushed(dashboard: Running, open_page: OpenPage) -> None:
    """Dash would keep every push for ever; see `dashboard.app`."""
    page = open_page(dashboard.url, "/", "viewer")
    dependencies = page.evaluate("async () => (await fetch('/_dash-dependencies')).json()")
    inputs = {(item["id"], item["property"]) for callback in dependencies for item in callback["inputs"]}
    assert ("tickets-which", "value") in inputs
    assert not [name for name, _ in inputs if name == "live"]
