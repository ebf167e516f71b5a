"""The wall in a real browser: what the server pushes is seen, and so is its absence."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import msgspec
from playwright.sync_api import expect

from laddvakt.clock import utc_now
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from tests.dashboard.conftest import PHONE, WALL, OpenPage
from tests.support import scene
from tests.support.dashboard import Running, ShiftedClock, make_context
from tests.support.servers import free_port
from tests.support.waiting import until

SOON_MS = 2_000


def test_every_station_is_in_sight_when_there_are_25(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    expect(page.locator(".tile").last).to_be_in_viewport(ratio=1)
    expect(page.locator(".tile").first).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollHeight") <= WALL["height"]
    expect(page.locator("#wall-sites")).to_have_attribute("data-density", "roomy")


def test_totals_say_what_the_records_say(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator("#total-up")).to_have_text("23of 25")
    expect(page.locator("#total-charging")).to_have_text("12stations")
    expect(page.locator("#total-revenue")).to_contain_text("SEK")


def test_a_fault_is_seen_within_two_seconds(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    place = page.locator(".tile", has_text="SE-001")
    expect(place).to_contain_text("Charging")
    dashboard.feed.say("station", scene.station("SE-001", ConnectorState.FAULTED, site_id="hamnen"))
    expect(place).to_contain_text("Fault", timeout=SOON_MS)
    expect(place).to_contain_text("GroundFailure", timeout=SOON_MS)
    expect(place.locator(".icon-alert")).to_be_visible()


def test_a_session_is_followed_from_power_to_end(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    place = page.locator(".tile", has_text="SE-002")
    expect(place).to_contain_text("Free")
    now = utc_now()
    charging = scene.station("SE-002", ConnectorState.CHARGING, site_id="hamnen")
    running = scene.session("S-new", "SE-002", now=now, minutes=3, power_w=48_300.0, soc_pct=41.0)
    dashboard.feed.say("station", charging)
    dashboard.feed.say("session", running)
    expect(place).to_contain_text("48.3", timeout=SOON_MS)
    expect(place).to_contain_text("41")
    expect(place).to_contain_text("SEK")
    ended = msgspec.structs.replace(running, state="ended", ended_at=now, power_w=None)
    dashboard.feed.say("session", ended)
    dashboard.feed.say("station", scene.station("SE-002", ConnectorState.AVAILABLE, site_id="hamnen"))
    expect(place).to_contain_text("Free", timeout=SOON_MS)
    expect(place).not_to_contain_text("kW")


def test_a_new_ticket_is_listed_first_counted_and_announced(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".ticket")).to_have_count(4)
    fresh = scene.ticket("T-new", "SE-004", now=utc_now(), minutes=0, severity=Severity.P1, fault="cut_cable")
    dashboard.feed.say("ticket", fresh)
    expect(page.locator(".ticket").first).to_contain_text("Cut cable", timeout=SOON_MS)
    expect(page.locator(".count.sev-P1")).to_have_text("P1 2")
    expect(page.locator("#announcer")).to_contain_text("New P1 ticket: Cut cable, SE-004")
    expect(page.locator(".tile", has_text="SE-004").locator(".chip")).to_have_text("P1")
    dashboard.feed.say("ticket", msgspec.structs.replace(fresh, state="resolved"))
    expect(page.locator(".ticket")).to_have_count(4, timeout=SOON_MS)


def test_a_station_never_seen_before_gets_a_tile(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    dashboard.feed.say("station", scene.station("SE-900", ConnectorState.AVAILABLE, site_id="depa"))
    expect(page.locator(".tile", has_text="SE-900")).to_be_visible(timeout=SOON_MS)


def test_old_data_is_said_to_be_old_until_the_recorder_speaks_again(
    dashboard: Running, open_page: OpenPage, clock: ShiftedClock
) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    expect(page.locator("#banner-stale")).to_be_hidden()
    clock.ahead = timedelta(seconds=42)
    dashboard.feed.say("station", scene.station("SE-002", ConnectorState.AVAILABLE, site_id="hamnen"))
    expect(page.locator("#banner-stale")).to_contain_text("Data is 4")
    dashboard.feed.pulse(clock())
    expect(page.locator("#banner-stale")).to_be_hidden()


def test_a_recorder_that_is_far_behind_is_said_to_be(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    dashboard.feed.pulse(lag_s=95.2)
    expect(page.locator("#banner-stale")).to_contain_text("95 s behind", timeout=8_000)
    dashboard.feed.pulse()
    expect(page.locator("#banner-stale")).to_be_hidden(timeout=8_000)


def test_kiosk_shows_the_wall_alone(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/wall?kiosk=1", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    expect(page.locator("nav")).to_have_count(0)


def test_a_closed_tab_costs_the_server_nothing(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", WALL)
    expect(page.locator(".tile")).to_have_count(25)
    other = page.context.new_page()
    other.goto(dashboard.url + "/")
    expect(other.locator(".tile")).to_have_count(25)
    live = dashboard.app.state.live
    assert live.viewers == 2
    other.close()
    until(lambda: live.viewers == 1)
    page.reload()
    expect(page.locator(".tile")).to_have_count(25)
    until(lambda: live.viewers == 1)


def test_the_wall_fits_a_phone_without_scrolling_sideways(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/", "viewer", PHONE)
    expect(page.locator(".tile")).to_have_count(25)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]


def test_hundreds_of_stations_stay_in_sight(tmp_path: Path, open_page: OpenPage) -> None:
    running = Running(context=make_context(tmp_path, stations=300)).start()
    try:
        page = open_page(running.url, "/", "viewer", WALL)
        expect(page.locator(".tile")).to_have_count(300)
        expect(page.locator(".tile").last).to_be_in_viewport(ratio=1)
    finally:
        running.stop()
        running.context.records.close()


@contextmanager
def dashboard_process(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A dashboard of its own that can be killed; it answers when this is entered."""
    command = [sys.executable, "-m", "tests.support.dashboard", str(port), str(folder)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    try:
        until(lambda: answers(port), deadline_s=30, what="the dashboard")
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_killed_server_is_said_to_be_lost_and_the_wall_recovers_by_itself(
    tmp_path: Path, open_page: OpenPage
) -> None:
    port = free_port()
    with dashboard_process(port, tmp_path):
        page = open_page(f"http://127.0.0.1:{port}", "/", "viewer", WALL)
        place = page.locator(".tile", has_text="SE-001")
        expect(place).to_contain_text("Charging")
        expect(page.locator("#banner-lost")).to_be_hidden()
    expect(page.locator("#banner-lost")).to_contain_text("Connection to the server lost", timeout=SOON_MS)
    context = make_context(tmp_path)
    with context.records.begin() as work:
        work.stations.save([scene.station("SE-001", ConnectorState.FAULTED, site_id="hamnen")])
    context.records.close()
    page.wait_for_event("requestfailed", lambda request: request.url.endswith("/healthz"))
    with dashboard_process(port, tmp_path):
        expect(place).to_contain_text("Fault", timeout=40_000)
        expect(page.locator("#banner-lost")).to_be_hidden()
        expect(page.locator(".tile")).to_have_count(25)
