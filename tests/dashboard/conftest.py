"""A running dashboard and a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.dashboard import Running, ShiftedClock, make_context
from tests.support.webapp import PASSWORD

DESK = {"width": 1440, "height": 900}
WALL = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}

PATIENCE_MS = 15_000
"""A busy machine takes seconds to load a page."""

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One for the tests of a file: Playwright keeps an event loop running in this thread until it is stopped, in
    which no async test of another file could run."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        launched = playwright.chromium.launch(executable_path=chromium, args=flags)
        yield launched
        launched.close()


@pytest.fixture
def clock() -> ShiftedClock:
    return ShiftedClock()


@pytest.fixture
def dashboard(tmp_path: Path, clock: ShiftedClock) -> Iterator[Running]:
    """A dashboard of 25 stations, whose recorder has just pulsed."""
    running = Running(context=make_context(tmp_path, clock=clock)).start()
    running.feed.pulse()
    yield running
    running.stop()
    running.context.records.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """`open_page(url, path, role, viewport)`: a signed-in page of its own browser profile, loaded."""
    contexts = []

    def open_(url: str, path: str, role: str = "admin", viewport: dict[str, int] = DESK) -> Page:
        phone = viewport["width"] < 600
        context = browser.new_context(viewport=viewport, is_mobile=phone, has_touch=phone)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{url}/login")
        page.fill("#username", role)
        page.fill("#password", PASSWORD)
        page.click("button[type=submit]")
        page.wait_for_load_state()
        page.goto(url + path)
        return page

    yield open_
    for context in contexts:
        context.close()
