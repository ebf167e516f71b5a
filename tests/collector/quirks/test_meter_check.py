"""An independent meter at a connector against the station's own register, session by session."""

from __future__ import annotations

import json

import pytest

from collector.mqtt.mappings import Reader
from collector.quality import METERS_DISAGREE
from laddvakt.domain.sessions import Quality, SessionState
from laddvakt.settings import SessionsSettings
from tests.support.recording import Desk, desk
from tests.support.stations import Speaker, at


def metered(desk: Desk, wh: float, seconds: float, connector: int = 1) -> None:
    """What the device says over MQTT."""
    payload = json.dumps({"energy_wh": wh}).encode()
    entry = Reader(()).read(f"laddvakt/SE-1/{connector}/meter", payload, at(seconds))
    assert entry is not None
    desk.scribe.apply([entry])


def charge(desk: Desk, *, meter_says: float) -> None:
    """10 kWh by the station's register, `meter_says` by the independent one."""
    station = Speaker()
    metered(desk, 50_000, -30)
    number = station.start(0, meter=0)
    desk.record(station)
    for minute in range(1, 60):
        share = minute / 60
        metered(desk, 50_000 + meter_says * share, minute * 60)
    station.stop(number, 10_000, 3600)
    desk.record(station)
    metered(desk, 50_000 + meter_says, 3620)


def test_meters_that_agree_confirm_the_session(desk: Desk) -> None:
    charge(desk, meter_says=10_200)
    session = desk.session
    assert session.meter_check is not None
    assert (session.meter_check.energy_wh, session.meter_check.difference_pct) == (10_200, 2.0)
    assert (session.quality, session.quality_reasons) == (Quality.CONFIRMED, ())


@pytest.mark.parametrize("meter_says", [9_000, 11_500])
def test_meters_that_disagree_make_the_session_suspect(desk: Desk, meter_says: float) -> None:
    charge(desk, meter_says=meter_says)
    session = desk.session
    assert (session.quality, session.quality_reasons) == (Quality.SUSPECT, (METERS_DISAGREE,))
    assert session.meter_check is not None
    assert session.meter_check.difference_pct == pytest.approx((meter_says - 10_000) / 100)


def test_how_far_they_may_differ_is_a_setting() -> None:
    with desk(SessionsSettings(meter_difference_pct=20)) as lenient:
        charge(lenient, meter_says=11_500)
        assert lenient.session.quality is Quality.CONFIRMED


def test_little_energy_may_differ_by_much(desk: Desk) -> None:
    station = Speaker()
    metered(desk, 0, -10)
    number = station.start(0, meter=0)
    desk.record(station)
    metered(desk, 300, 60)
    station.stop(number, 100, 120)
    desk.record(station)
    assert desk.session.quality is Quality.CONFIRMED


def test_value_after_the_end_completes_the_session_and_no_later_one(desk: Desk) -> None:
    station = Speaker()
    metered(desk, 1000, -10)
    number = station.start(0, meter=0)
    desk.record(station)
    metered(desk, 1100, 30)
    station.stop(number, 1000, 300)
    desk.record(station)
    assert desk.session.quality is Quality.SUSPECT  # as far as the meter has said
    metered(desk, 2000, 310)
    assert (desk.session.quality, desk.session.state) == (Quality.CONFIRMED, SessionState.ENDED)
    metered(desk, 9000, 330)
    assert desk.session.meter_check is not None
    assert desk.session.meter_check.energy_wh == 1000


def test_meter_that_is_first_heard_in_mid_session_counts_from_there(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 5000, 1800)
    desk.record(station)
    metered(desk, 777_000, 1810)
    station.stop(number, 10_000, 3600)
    desk.record(station)
    metered(desk, 782_000, 3610)
    assert desk.session.meter_check is not None
    assert (desk.session.meter_check.energy_wh, desk.session.quality) == (10_000, Quality.CONFIRMED)


def test_meter_of_another_connector_or_of_the_whole_station_is_not_compared(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    desk.record(station)
    metered(desk, 5, 10, connector=2)
    metered(desk, 5, 10, connector=0)
    station.stop(number, 10_000, 3600)
    desk.record(station)
    assert desk.session.meter_check is None


def test_exchanged_meter_counts_on(desk: Desk) -> None:
    station = Speaker()
    metered(desk, 50_000, -10)
    number = station.start(0, meter=0)
    desk.record(station)
    for second, wh in ((600, 54_000), (1200, 0), (1800, 4_000)):
        metered(desk, wh, second)
    station.stop(number, 8_000, 1810)
    desk.record(station)
    assert desk.session.meter_check is not None
    assert (desk.session.meter_check.energy_wh, desk.session.quality) == (8_000, Quality.CONFIRMED)
