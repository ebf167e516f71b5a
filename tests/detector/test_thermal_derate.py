"""thermal_derate: stations too hot for full power, and vehicles, schedules and weather that look like it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detector.changes import ChangeKind
from detector.rules import thermal_derate
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import ChargingLimitReported, CommandAnswered, CommandSent
from laddvakt.domain.stations import ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


def _story(current: str = "AC") -> Story:
    return Story(make_engine([Station(station_id="SE-1", current=current)], rules=(thermal_derate.RULE,)))


@pytest.fixture
def story() -> Story:
    return _story()


def _session(
    story: Story,
    transaction: str,
    watts: list[float],
    *,
    body_c: float | None = 60.0,
    way: str = "1.6",
    each_min: float = 8,
    every_s: float = 60,
    **values: float,
) -> None:
    """Each power for `each_min`; the inside is at 30 degrees at first, then at `body_c`."""
    story.start(transaction, f"CARD-{transaction}")
    story.status(ConnectorState.CHARGING)
    for number, power_w in enumerate(watts):
        for _ in range(round(each_min * 60 / every_s)):
            story.wait(every_s)
            if body_c is not None:
                celsius = 30.0 if number == 0 else body_c
                if way == "1.6":
                    story.measure(transaction=transaction, temperature_c=celsius, location="Body")
                else:
                    story.measure(connector_id=0, source="mqtt", cabinet_temperature_c=celsius)
            more = {name: value for name, value in values.items() if name != "offer"}
            if "offer" in values:
                more["current_offered_a"] = 32.0 if number == 0 else values["offer"]
            story.measure(transaction=transaction, power_w=power_w, **more)
    story.stop(transaction, meter_wh=9000)
    story.status(ConnectorState.AVAILABLE)


@pytest.mark.parametrize("way", ["1.6", "mqtt"])
@pytest.mark.parametrize("every_s", [5.0, 60.0])
def test_less_power_while_hot_fires_with_two_vehicles(story: Story, way: str, every_s: float) -> None:
    _session(story, "1", [22_000, 12_000, 11_000], way=way, every_s=every_s)
    assert story.standing == []
    _session(story, "2", [22_000, 12_000, 11_000], way=way, every_s=every_s)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("thermal_derate", Severity.P3, "station")
    assert "kW of 22.0 kW at 60 °C inside" in finding.explanation


def test_an_offer_that_falls_with_it_is_the_stations_own_doing(story: Story) -> None:
    _session(story, "1", [22_000, 12_000, 11_000], offer=16.0)
    assert story.kinds() == [ChangeKind.RAISED]


@pytest.mark.parametrize("faulted", [False, True])
def test_a_report_of_heat_without_less_power_stays_a_report(faulted: bool) -> None:
    story = Story(make_engine())
    story.start("1")
    story.status(ConnectorState.CHARGING)
    for _ in range(20):
        story.wait(60)
        story.measure(transaction="1", power_w=10_400.0)
    story.status(
        ConnectorState.FAULTED if faulted else ConnectorState.CHARGING, "HighTemperature", mrec=("CX003",)
    )
    for _ in range(20):
        story.wait(60)
        story.measure(transaction="1", power_w=0.0 if faulted else 10_400.0)
    (finding,) = story.standing
    assert (finding.fault, finding.mrec) == ("reported_fault", ("CX003",))


def test_a_report_of_heat_with_less_power_counts_with_one_vehicle_and_takes_the_reports_place() -> None:
    story = Story(make_engine())
    story.start("1")
    story.status(ConnectorState.CHARGING)
    for minute in range(40):
        story.wait(60)
        story.measure(transaction="1", power_w=10_400.0 if minute < 20 else 5_000.0)
        if minute == 20:
            story.status(ConnectorState.CHARGING, "HighTemperature", mrec=("CX003",))
        if minute == 23:
            assert [finding.fault for finding in story.standing] == ["reported_fault"]
    (finding,) = story.standing
    assert (finding.fault, finding.severity) == ("thermal_derate", Severity.P3)
    assert finding.explanation.endswith("kW of 10.4 kW, and says itself that it is too hot.")
    story.status(ConnectorState.FAULTED, "HighTemperature", mrec=("CX003",))
    story.wait(120)
    (finding,) = story.standing
    assert (finding.fault, finding.severity) == ("thermal_derate", Severity.P2)


def test_a_report_of_heat_that_a_cool_cabinet_contradicts_stays_a_report() -> None:
    story = Story(make_engine())
    story.measure(source="mqtt", cabinet_temperature_c=4.0)
    story.connect()
    story.status(ConnectorState.FAULTED, "HighTemperature", mrec=("CX003",))
    story.wait(120)
    assert [finding.fault for finding in story.standing] == ["reported_fault"]


def test_a_hot_plug_is_another_matter(story: Story) -> None:
    story.status(ConnectorState.CHARGING, "HighTemperature", mrec=("CX018",))
    assert story.kinds() == []


def test_a_taper_of_a_cool_station_never_fires(story: Story) -> None:
    for number in range(4):
        _session(story, f"{number}", [22_000, 12_000, 6_000], body_c=40.0)
    assert story.kinds() == []


def test_without_any_temperature_nothing_fires(story: Story) -> None:
    for number in range(4):
        _session(story, f"{number}", [22_000, 12_000, 6_000], body_c=None)
    assert story.kinds() == []


def test_a_hot_station_that_gives_full_power_never_fires(story: Story) -> None:
    for number in range(4):
        _session(story, f"{number}", [22_000, 21_500, 18_000], body_c=65.0)
    assert story.kinds() == []


def test_one_vehicle_that_takes_less_never_fires(story: Story) -> None:
    for number in range(4):
        story.start(f"{number}", "CARD-SAME")
        _session(story, f"{number}", [22_000, 12_000, 11_000])
    assert story.kinds() == []


@pytest.mark.parametrize("soc_pct", [5.0, 55.0, 80.0])
def test_dc_outside_its_window_of_charge_is_not_compared(soc_pct: float) -> None:
    story = _story("DC")
    for number in range(3):
        _session(story, f"{number}", [100_000, 50_000, 40_000], soc_pct=soc_pct)
    assert story.kinds() == []


def test_dc_within_its_window_of_charge_fires() -> None:
    story = _story("DC")
    for number in range(2):
        _session(story, f"{number}", [100_000, 50_000, 40_000], soc_pct=30.0)
    assert story.kinds() == [ChangeKind.RAISED]


def test_a_cold_battery_that_warms_up_never_fires() -> None:
    story = _story("DC")
    for number in range(3):
        _session(story, f"{number}", [30_000, 60_000, 90_000], soc_pct=30.0)
    assert story.kinds() == []


def _profile(story: Story, periods: list[tuple[int, float]]) -> None:
    schedule: dict[str, Any] = {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
    }
    told = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    request = json.dumps({"connectorId": 1, "csChargingProfiles": told})
    story.say(CommandSent(at=story.now, command_id="p", action="SetChargingProfile", request=request))
    story.say(
        CommandAnswered(at=story.now, command_id="p", action="SetChargingProfile", status=CommandStatus.ACCEPTED)
    )


def test_a_charging_profile_explains_it(story: Story) -> None:
    _profile(story, [(0, 32.0), (480, 16.0)])
    for number in range(3):
        _session(story, f"{number}", [22_000, 11_000, 11_000], offer=16.0)
    assert story.kinds() == []


def test_a_limit_from_outside_explains_it(story: Story) -> None:
    story.say(ChargingLimitReported(at=story.now, source="EMS", connector_id=1))
    for number in range(3):
        _session(story, f"{number}", [22_000, 11_000, 11_000])
    assert story.kinds() == []


def test_a_pause_and_a_few_minutes_never_fire(story: Story) -> None:
    for number in range(3):
        _session(story, f"{number}", [22_000, 0, 0, 22_000, 11_000])
    assert story.kinds() == []


def test_three_good_sessions_clear(story: Story) -> None:
    _session(story, "1", [22_000, 12_000, 11_000], offer=16.0)
    for number in range(2):
        _session(story, f"good{number}", [22_000, 22_000])
    assert ChangeKind.CLEARED not in story.kinds()
    _session(story, "good2", [22_000, 22_000])
    assert story.kinds()[-1] is ChangeKind.CLEARED
