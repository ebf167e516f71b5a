"""What real stations do with time. The numbers are the lines of docs/reference/quirks.md."""

from __future__ import annotations

from datetime import timedelta

import pytest

from collector.quality import CLOCK_UNSET
from detector.engine import Engine
from detector.rules import RULES
from laddvakt.domain.facts import StatusReported, TransactionStarted
from laddvakt.domain.sessions import Quality, SessionState
from tests.support.recording import Desk
from tests.support.stations import Speaker, at, stamp

HOUR, DAY = 3600, 86400


# 18


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2026-11-21T11:00:00+01:00", 0),
        ("2026-11-21T10:00:00", 0),
        ("2026-11-21T10:00:00Z", 0),
        ("2026-11-21T10:00:00.123456Z", 0.123456),
        ("2026-11-21T05:00:00-05:00", 0),
        ("1970-01-01T00:05:00Z", 30),
        ("2036-02-07T06:28:16Z", 30),
        ("2026-11-21T12:00:30Z", 30),
        ("soon", 30),
    ],
)
def test_q18_time_is_the_stations_own_unless_it_cannot_be(said: str, seconds: float) -> None:
    station = Speaker()
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": said}
    assert station.call("StartTransaction", payload, 30)[0] == 3
    fact = station.said[0].facts[0]
    assert isinstance(fact, TransactionStarted)
    assert fact.at == at(seconds)
    assert said == "soon" or fact.station_at is not None


@pytest.mark.parametrize(("ahead_s", "said"), [(-7200, -7200.0), (7200, 7200.0), (2, 2.0)])
def test_q18_clock_offset_is_tracked_per_station(desk: Desk, ahead_s: float, said: float) -> None:
    station, other = Speaker(), Speaker("SE-2")
    station.status("Available", 100, timestamp=stamp(100 + ahead_s))
    other.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"}, 100)
    fact = station.said[0].facts[0]
    assert isinstance(fact, StatusReported)
    assert (fact.station_at or fact.at) == at(100 + ahead_s)
    desk.record(station, other)
    assert desk.station().clock_offset_s == said
    assert desk.station("SE-2").clock_offset_s is None
    station.status("Preparing", 200)
    station.status("Charging", 210, timestamp=stamp(209))
    desk.record(station)
    assert desk.station().clock_offset_s == -1.0


def test_q18_charge_before_the_clock_was_set_keeps_its_energy(desk: Desk) -> None:
    station = Speaker()
    start = {"connectorId": 1, "idTag": "T", "meterStart": 1000, "timestamp": "1970-01-01T00:05:00Z"}
    number = station.call("StartTransaction", start, 100)[2]["transactionId"]
    stop = {"transactionId": number, "meterStop": 12_000, "timestamp": "1970-01-01T01:05:00Z"}
    station.call("StopTransaction", stop, 101)
    desk.record(station)
    session = desk.session
    assert (session.energy_wh, session.quality) == (11_000, Quality.ESTIMATED)
    assert session.quality_reasons == (CLOCK_UNSET,)


# 19


def backlog() -> Speaker:
    """Two months of charges, said within a minute after the first connect."""
    station = Speaker()
    now = 60 * DAY
    station.up(now)
    station.boot(now)
    for number in range(200):
        began = number * DAY / 4
        start = {"connectorId": 1, "idTag": "T", "meterStart": number * 5000, "timestamp": stamp(began)}
        transaction = station.call("StartTransaction", start, now + number / 10)[2]["transactionId"]
        sample = {"value": str(number * 5000), "unit": "Wh"}
        power = {"value": "0", "measurand": "Power.Active.Import", "unit": "W"}
        values = [{"timestamp": stamp(began + HOUR), "sampledValue": [sample, power]}]
        meter = {"connectorId": 1, "transactionId": transaction, "meterValue": values}
        station.call("MeterValues", meter, now + number / 10)
        stop = {
            "transactionId": transaction,
            "meterStop": (number + 1) * 5000,
            "timestamp": stamp(began + 2 * HOUR),
        }
        station.call("StopTransaction", stop, now + number / 10)
    return station


def test_q19_months_of_backlog_are_recorded_in_order(desk: Desk) -> None:
    station = backlog()
    for first in range(0, len(station.said), 50):
        desk.scribe.apply(station.said[first : first + 50])
    assert len(desk.sessions) == 100  # of the first page
    with desk.records.read() as work:
        recent = work.sessions.recent("SE-1", 1, 1000)
    assert len(recent) == 200
    assert {s.energy_wh for s in recent} == {5000}
    assert {s.state for s in recent} == {SessionState.ENDED}
    assert {s.quality for s in recent} == {Quality.CONFIRMED}
    assert [s.started_at for s in recent] == sorted((s.started_at for s in recent), reverse=True)


def test_q19_backlog_raises_no_live_alarm() -> None:
    station = backlog()
    station.status("Available", 60 * DAY + 60)
    engine = Engine(
        thresholds={rule.code: {t.name: t.default for t in rule.thresholds} for rule in RULES},
        pseudonymise=lambda tag: tag,
    )
    changes = engine.observe(station.said)
    changes += engine.tick(at(60 * DAY) + timedelta(minutes=4))
    assert [change.finding for change in changes if change.finding] == []
