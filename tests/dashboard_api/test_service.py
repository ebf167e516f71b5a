"""The dashboard as a service: a real web server on loopback, a real browser session, a real event log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from dashboard.service import DashboardService, listen, run, url_of
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketState
from laddvakt.settings import Settings
from laddvakt.stores.ports import User
from laddvakt.stores.sql.engine import SqlRecords, open_records
from tests.support.eventlog import running_log
from tests.support.waiting import eventually, until
from tests.support.webapp import NOON, PASSWORD, quick_hash

START_S = 20  # on a busy machine; what it takes on an idle one is in the benchmarks


def _settings(data_dir: Path, **more: Any) -> Settings:
    given = {"data_dir": data_dir, "web": {"listen": "127.0.0.1:0"}, "mqtt": {"listen": "127.0.0.1:0"}}
    return Settings.model_validate({**given, **more})


def _filled_records(settings: Settings) -> SqlRecords:
    records = open_records(settings)
    records.migrate()
    with records.begin() as work:
        work.people.save_user(User(name="anna", role="maintainer", password_hash=quick_hash(PASSWORD)))
        work.tickets.save(
            Ticket(
                ticket_id="T-1",
                fault="no_power",
                asset=Asset(kind="station", id="SE-1"),
                station_id="SE-1",
                severity=Severity.P2,
                opened_at=NOON,
                updated_at=NOON,
            )
        )
    return records


@contextlib.asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[DashboardService]:
    service = DashboardService(settings)
    task = asyncio.create_task(service.run())
    started = asyncio.create_task(service.started.wait())
    done, _ = await asyncio.wait({task, started}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED)
    if task in done:
        task.result()
    assert started in done, "it did not start"
    try:
        yield service
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)


def _browser(service: DashboardService) -> httpx.AsyncClient:
    """As patient as a start: the first page that is asked for builds them all."""
    return httpx.AsyncClient(base_url=service.url, timeout=START_S)


def test_serves_signs_in_and_stops(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _filled_records(settings).close()
    told = settings.run_dir / "dashboard.json"

    async def main() -> None:
        async with _running(settings) as service, _browser(service) as browser:
            about = json.loads(told.read_text())
            assert about["url"] == service.url
            assert about["pid"] == os.getpid()
            assert (await browser.get("/healthz")).status_code == 200
            ready = await browser.get("/readyz")
            assert (ready.status_code, ready.json()["reasons"]) == (503, ["the live feed is not connected"])
            form = {"username": "anna", "password": PASSWORD, "next": "/tickets"}
            answer = await browser.post("/login", data=form, headers={"Origin": service.url})
            assert (answer.status_code, answer.headers["location"]) == (303, "/tickets")
            assert (await browser.get("/api/v1/tickets/T-1")).json()["state"] == "open"
            page = await browser.get("/tickets")  # the first page that anybody asks this process for
            assert page.status_code == 200
            for part in ("_dash-config", "/assets/laddvakt.css", "/assets/00-port.js"):
                assert part in page.text
            policy = page.headers["content-security-policy"]
            assert "script-src 'self' 'sha256-" in policy
            assert (await browser.get("/_dash-layout")).status_code == 200
            assert (await browser.get("/assets/laddvakt.css")).status_code == 200
            browser.cookies.clear()
            assert (await browser.get("/_dash-layout")).status_code == 401
            assert (await browser.get("/assets/laddvakt.css")).status_code == 200
        assert not told.exists()
        with pytest.raises(httpx.ConnectError):
            async with httpx.AsyncClient() as late:
                await late.get(service.url)

    asyncio.run(main())


def test_a_ticket_taken_here_is_heard_on_the_live_feed(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    _filled_records(settings).close()
    heard: list[Ticket] = []

    def hear(kind: str, data: bytes) -> None:
        if kind == "ticket":
            heard.append(msgspec.json.decode(data, type=Ticket))

    async def main() -> None:
        async with (
            _running(settings) as service,
            _browser(service) as browser,
            running_log(settings) as log,  # later than the dashboard: it finds it
        ):
            await log.feed.subscribe(hear)

            async def ready() -> bool:
                return (await browser.get("/readyz")).status_code == 200

            await eventually(ready, deadline_s=START_S)
            await browser.post("/login", data={"username": "anna", "password": PASSWORD})
            answer = await browser.post("/api/v1/tickets/T-1/acknowledge")
            assert answer.status_code == 200
            await eventually(lambda: heard)

    asyncio.run(main())
    assert [(ticket.ticket_id, ticket.state) for ticket in heard] == [("T-1", TicketState.ACKNOWLEDGED)]


def test_starts_on_an_empty_folder(tmp_path: Path) -> None:
    async def main() -> None:
        async with _running(_settings(tmp_path)) as service, _browser(service) as browser:
            answer = await browser.post("/login", data={"username": "anna", "password": "x"})
            assert answer.status_code == 401

    asyncio.run(main())


def test_starts_while_the_records_are_away_and_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        nobody_there = probe.getsockname()[1]
    settings = _settings(tmp_path, records={"url": f"postgresql://x:y@127.0.0.1:{nobody_there}/z"})

    async def main() -> None:
        async with _running(settings) as service, _browser(service) as browser:
            ready = await browser.get("/readyz")
            assert ready.status_code == 503
            assert "the records cannot be reached" in ready.json()["reasons"]
            assert (await browser.get("/healthz")).status_code == 200

    asyncio.run(main())


def test_a_busy_port_is_named_with_the_mend(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = _settings(tmp_path, web={"listen": f"127.0.0.1:{port}"})
        with pytest.raises(
            SettingsError, match=rf"127\.0\.0\.1:{port} \(web\.listen\).*Stop what uses port {port}"
        ):
            asyncio.run(run(settings))
    assert not (settings.run_dir / "dashboard.json").exists()


@pytest.mark.parametrize(
    ("address", "url"), [("127.0.0.1:0", "http://127.0.0.1:"), ("0.0.0.0:0", "http://127.0.0.1:")]
)
def test_the_url_is_one_that_can_be_opened(address: str, url: str) -> None:
    with listen(address) as listening:
        assert url_of(listening).startswith(url)
        assert url_of(listening) != url + "0"


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:99999", "no.such.host.invalid:0"])
def test_bad_addresses_are_settings_errors(address: str) -> None:
    with pytest.raises(SettingsError):
        listen(address)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_stops_cleanly_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    settings = _settings(tmp_path)
    _filled_records(settings).close()
    told = settings.run_dir / "dashboard.json"
    environment = {**os.environ, "LADDVAKT_WEB__LISTEN": "127.0.0.1:0"}
    command = [sys.executable, "-m", "laddvakt.cli", "--data", str(tmp_path), "dashboard"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: told.exists() or process.poll() is not None, deadline_s=START_S)
        assert told.exists(), process.communicate()[1]
        assert httpx.get(json.loads(told.read_text())["url"] + "/healthz").status_code == 200
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert not told.exists()
