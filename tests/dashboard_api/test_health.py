"""/healthz, /readyz and /metrics."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta

import httpx
import pytest

from dashboard.api import create_api
from dashboard.web.metrics import Pulses
from laddvakt.domain.stations import Station, StationState
from laddvakt.domain.tickets import Asset, Severity, Ticket
from laddvakt.domain.times import rfc3339
from tests.support.webapp import NOON, ORIGIN, Web


def _metric(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"{name} is not in\n{text}"
    return float(found[1])


def test_alive_and_ready(web: Web) -> None:
    assert web.nobody().get("/healthz").json() == {"status": "ok", "reasons": []}
    assert web.nobody().get("/readyz").status_code == 200


def test_not_ready_says_why(web: Web) -> None:
    web.records.away = True
    web.feed.connected = False
    answer = web.nobody().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "unready",
        "reasons": ["the records cannot be reached", "the live feed is not connected"],
    }
    assert web.nobody().get("/healthz").status_code == 200


def test_without_a_feed_nothing_is_missing(web: Web) -> None:
    app = create_api(dataclasses.replace(web.context, feed=None))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
            return await client.get("/readyz")

    assert web.run(ask()).status_code == 200


def test_metrics_count_stations_tickets_and_requests(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save(
            Station(station_id=f"SE-{n}", state=StationState.OFFLINE if n else StationState.CHARGING)
            for n in range(3)
        )
        work.tickets.save(
            Ticket(
                ticket_id="T-1",
                fault="offline",
                asset=Asset(kind="station", id="SE-1"),
                station_id="SE-1",
                severity=Severity.P2,
                opened_at=NOON,
                updated_at=NOON,
            )
        )
    client = web.program("viewer")
    client.get("/api/v1/stations/SE-1")
    client.get("/api/v1/stations/SE-99")
    text = web.nobody().get("/metrics").text
    assert _metric(text, 'laddvakt_stations{state="offline"}') == 2
    assert _metric(text, 'laddvakt_stations{state="faulted"}') == 0
    assert _metric(text, 'laddvakt_tickets_unsettled{severity="P2"}') == 1
    assert _metric(text, "laddvakt_feed_connected") == 1
    template = "/api/v1/stations/{station_id}"
    for status in ("200", "404"):
        labels = f'method="GET",route="{template}",status="{status}"'
        assert _metric(text, f"laddvakt_http_requests_total{{{labels}}}") == 1


def test_strangers_cannot_make_new_series(web: Web) -> None:
    nobody = web.nobody()
    before = len(nobody.get("/metrics").text.splitlines())
    for number in range(20):
        nobody.get(f"/x{number}")
        nobody.get(f"/api/v1/x{number}")
        nobody.request(f"METHOD{number}", "/healthz")
    lines = nobody.get("/metrics").text.splitlines()
    assert len(lines) < before + 40
    assert not any("x7" in line or "METHOD7" in line for line in lines)


def test_metrics_answer_while_the_records_are_away(web: Web) -> None:
    web.records.away = True
    text = web.nobody().get("/metrics").text
    assert _metric(text, "laddvakt_records_up") == 0
    assert "laddvakt_stations{" not in text


def test_counts_are_kept_for_a_moment(web: Web) -> None:
    nobody = web.nobody()
    nobody.get("/metrics")
    web.records.away = True
    assert _metric(nobody.get("/metrics").text, "laddvakt_records_up") == 1
    web.clock.advance(seconds=5)
    assert _metric(nobody.get("/metrics").text, "laddvakt_records_up") == 0


def test_feed_lag_is_what_the_services_say(web: Web) -> None:
    async def live() -> str:
        async with web.app.router.lifespan_context(web.app):
            (handler,) = web.feed.handlers
            at = rfc3339(NOON - timedelta(seconds=3))
            handler("pulse", f'{{"service":"recorder","at":"{at}","lag_s":1.5}}'.encode())
            gone = rfc3339(NOON - timedelta(minutes=11))
            for process, said in (("collector-3", gone), ("collector", at), ("collector-2", at)):
                pulse = {
                    "service": "collector",
                    "process": process,
                    "at": said,
                    "refused": {"rate": 7},
                    "paced": 2,
                }
                handler("pulse", json.dumps(pulse).encode())
            handler("pulse", f'{{"service":"stranger","at":"{at}"}}'.encode())
            tap = {"service": "tap", "at": at, "connected": 4, "not_observed": 5, "unreachable": 6}
            handler("pulse", json.dumps(tap).encode())
            handler("pulse", b"{")
            handler("station", b"{}")
            async with httpx.AsyncClient(transport=httpx.ASGITransport(web.app), base_url=ORIGIN) as client:
                return (await client.get("/metrics")).text

    text = web.run(live())
    assert _metric(text, 'laddvakt_feed_lag_seconds{process="recorder",service="recorder"}') == 1.5
    assert _metric(text, 'laddvakt_feed_pulse_age_seconds{process="recorder",service="recorder"}') == 3
    assert _metric(text, 'laddvakt_feed_pulse_age_seconds{process="collector-2",service="collector"}') == 3
    assert _metric(text, 'laddvakt_stations_refused_total{process="collector-2",reason="rate"}') == 7
    assert _metric(text, 'laddvakt_stations_paced_total{process="collector-2"}') == 2
    assert _metric(text, "laddvakt_tap_connected") == 4
    assert _metric(text, "laddvakt_tap_not_observed_total") == 5
    assert _metric(text, "laddvakt_tap_unreachable_total") == 6
    assert "collector-3" not in text  # there are two now
    assert "stranger" not in text
    assert web.feed.handlers == []


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b'{"service": 1}'])
def test_unreadable_pulses_are_survived(data: bytes) -> None:
    pulses = Pulses()
    pulses.take("pulse", data)
    assert pulses.latest == {}
