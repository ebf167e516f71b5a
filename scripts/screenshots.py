"""Takes the pictures of the documentation from a running installation.

    python -m scripts.screenshots --url http://127.0.0.1:8050 --user admin --password ... --out docs/images

Needs Playwright and a Chromium (`--chromium`, or the one on the path).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, expect, sync_playwright

WALL, DESK, PHONE = (1920, 1080), (1440, 900), (390, 844)


class Picture(NamedTuple):
    """One picture: its file, the page, the size of the window, and what must be there first."""

    name: str
    path: str
    size: tuple[int, int]
    ready: str


PICTURES = (
    Picture("wall", "/wall?kiosk=1", WALL, ".tile"),
    Picture("wall-desk", "/", WALL, ".tile"),
    Picture("wall-phone", "/", PHONE, ".tile"),
    Picture("tickets-desk", "/tickets", DESK, "#ticket-head .ticket-name"),
    Picture("tickets-phone", "/tickets", PHONE, ".pick"),
    Picture("ticket-phone", "/tickets", PHONE, ".pick"),
    Picture("silences-desk", "/silences", DESK, "#silences-now .silences"),
    Picture("sessions-desk", "/sessions", DESK, ".ag-row"),
    Picture("session-desk", "/sessions", DESK, ".ag-row"),
    Picture("stations-desk", "/stations", DESK, ".ag-row"),
    Picture("quarantine-desk", "/quarantine", DESK, ".ag-row"),
    Picture("revenue-desk", "/revenue", DESK, ".ag-row"),
    Picture("revenue-phone", "/revenue", PHONE, ".ag-row"),
    Picture("reliability-desk", "/reliability", DESK, "#reliability-chart .js-plotly-plot"),
    Picture("reliability-phone", "/reliability", PHONE, "#reliability-chart .js-plotly-plot"),
)


def signed_in(browser: Browser, url: str, user: str, password: str, size: tuple[int, int]) -> Page:
    phone = size[0] < 600
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        is_mobile=phone,
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )
    page = context.new_page()
    page.goto(f"{url}/login")
    page.fill("#username", user)
    page.fill("#password", password)
    page.click("button[type=submit]")
    expect(page.locator("#username")).to_have_count(0)
    return page


def take(page: Page, url: str, picture: Picture, out: Path) -> None:
    page.goto(url + picture.path)
    expect(page.locator(picture.ready).first).to_be_visible(timeout=30_000)
    if picture.name == "ticket-phone":
        page.locator(".pick").first.tap()
        expect(page.locator("#ticket-body table")).to_be_visible()
    if picture.name == "session-desk":
        page.locator(".ag-center-cols-container .ag-row", has_text="Ended").first.click()  # it has readings
        expect(page.get_by_role("dialog").locator(".js-plotly-plot")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=out / f"{picture.name}.png", animations="disabled")
    print(out / f"{picture.name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8050")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("names", nargs="*", help="only these pictures")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=flags)
        for picture in PICTURES:
            if chosen.names and picture.name not in chosen.names:
                continue
            page = signed_in(browser, chosen.url, chosen.user, chosen.password, picture.size)
            take(page, chosen.url, picture, chosen.out)
            page.context.close()
        browser.close()


if __name__ == "__main__":
    main()
