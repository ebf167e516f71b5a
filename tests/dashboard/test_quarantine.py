"""The quarantine page, in a browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from laddvakt.clock import utc_now
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import QuarantineReason
from laddvakt.stores.ports import QuarantineItem
from tests.dashboard.conftest import DESK, PHONE, OpenPage
from tests.support.dashboard import Running

HOSTILE = '[2,"1","Dance",{"x":"<img src=x onerror=alert(1)>","y":"' + "z" * 3000 + '"}]'


@pytest.fixture
def filled(dashboard: Running) -> Running:
    now = utc_now()
    items = [
        QuarantineItem(
            item_id=f"Q-{number:02}",
            station_id=f"SE-{number % 3}",
            received_at=now - timedelta(minutes=number),
            reason=list(QuarantineReason)[number % 4],
            detail=f"why number {number}",
            raw=HOSTILE,
            protocol="ocpp1.6",
        )
        for number in range(1, 12)
    ]
    mended = QuarantineItem(
        item_id="Q-mended",
        station_id="SE-1",
        received_at=now,
        reason=QuarantineReason.BAD_MQTT_PAYLOAD,
        detail="the payload is no number",
        raw='{"power_w": 11000}',
        kind=EntryKind.MQTT,
        topic="laddvakt/SE-1/1/meter",
    )
    with dashboard.context.records.begin() as work:
        work.quarantine.add([*items, mended])
    return dashboard


def first_row(page: Page) -> None:
    page.locator(".ag-center-cols-container .ag-row").first.click()
    expect(page.locator("#quarantine-raw")).to_be_visible()


def test_an_empty_quarantine_says_so(dashboard: Running, open_page: OpenPage) -> None:
    page = open_page(dashboard.url, "/quarantine", "maintainer")
    expect(page.locator("#quarantine-counts")).to_contain_text("Nothing waits.")
    expect(page.locator(".ag-overlay")).to_contain_text("every message could be used")
    expect(page.locator("#quarantine-all")).to_be_disabled()


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_message_is_read_again(filled: Running, open_page: OpenPage, viewport: dict[str, int]) -> None:
    page = open_page(filled.url, "/quarantine", "maintainer", viewport)
    expect(page.locator("#quarantine-counts .card")).to_have_count(5)
    first_row(page)
    expect(page.locator("#quarantine-raw")).to_have_text('{"power_w": 11000}')
    page.locator("#quarantine-again").click()
    expect(page.locator("#quarantine-item-message")).to_have_text("Read again: Measured.")
    expect(page.locator("#quarantine-detail")).to_contain_text("maintainer")
    expect(page.locator("#quarantine-actions")).to_be_hidden()
    expect(page.locator("#quarantine-counts .card")).to_have_count(4)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_what_is_still_refused_stays_and_says_why(filled: Running, open_page: OpenPage) -> None:
    page = open_page(filled.url, "/quarantine?item=Q-01", "admin")
    expect(page.locator("#quarantine-raw")).to_contain_text("<img src=x")
    assert page.locator("#quarantine-raw img").count() == 0
    page.locator("#quarantine-again").click()
    expect(page.locator("#quarantine-item-message")).to_contain_text("Still set aside: 'Dance' is not an action")
    expect(page.locator("#quarantine-actions")).to_be_visible()


def test_one_is_dismissed_with_a_reason_and_found_again(filled: Running, open_page: OpenPage) -> None:
    page = open_page(filled.url, "/quarantine?item=Q-02", "maintainer")
    page.locator("#quarantine-comment").fill("a test bench")
    page.locator("#quarantine-dismiss").click()
    expect(page.locator("#quarantine-detail")).to_contain_text("a test bench")
    page.keyboard.press("Escape")
    page.get_by_text("Dismissed", exact=True).first.click()
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(1)


def test_all_that_fit_the_filter_are_read_again(filled: Running, open_page: OpenPage) -> None:
    page = open_page(filled.url, "/quarantine?station=SE-1", "maintainer")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(5)
    page.locator("#quarantine-all").click()
    expect(page.locator("#quarantine-message")).to_have_text("1 of 5 took effect, 4 are still set aside.")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(4)


def test_the_page_is_for_maintainers(filled: Running, open_page: OpenPage) -> None:
    page = open_page(filled.url, "/quarantine", "viewer")
    expect(page.get_by_text("Not for your role")).to_be_visible()
    expect(page.get_by_role("link", name="Quarantine")).to_have_count(0)
