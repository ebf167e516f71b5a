"""voltage_range and site_voltage: the mains are too high or too low, at a station or a whole site."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from detector.rules import RULES, reported_fault, site_voltage, voltage_range
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import ConnectorState, Station
from tests.support.detector import Story, make_engine

SITE = [Station(station_id=f"SE-{n}", site_id="PARK", current="AC", phases=3) for n in range(1, 5)]
ALONE = Station(station_id="SE-1", current="AC", phases=3)
BOTH = (site_voltage.RULE, voltage_range.RULE)


def _story(*stations: Station) -> Story:
    return Story(make_engine(stations or [ALONE], rules=BOTH))


def _volts(
    story: Story, *volts: float, minutes: int = 11, every_s: float = 60, source: str = "ocpp", stations: int = 1
) -> None:
    values = {f"voltage_l{phase}_v": value for phase, value in enumerate(volts, start=1)}
    for _ in range(round(minutes * 60 / every_s)):
        story.wait(every_s)
        for number in range(1, stations + 1):
            story.station_id = f"SE-{number}"
            story.measure(source=source, **values)


@pytest.mark.parametrize(
    ("volts", "way", "mrec"), [((256.0, 250.0, 251.0), "high", "CX005"), ((206.0, 204.0, 209.0), "low", "CX006")]
)
@pytest.mark.parametrize("source", ["ocpp", "mqtt"])
def test_a_mean_out_of_range_fires(volts: tuple[float, ...], way: str, mrec: str, source: str) -> None:
    story = _story()
    _volts(story, *volts, minutes=10, source=source)
    assert story.standing == []
    _volts(story, *volts, minutes=1, source=source)
    (finding,) = story.standing
    assert (finding.fault, finding.asset.kind, finding.mrec) == ("voltage_range", "station", (mrec,))
    assert f"too {way}" in finding.explanation
    assert finding.evidence[0].threshold == ("253.0 V" if way == "high" else "207.0 V")


def test_fires_after_ten_minutes_at_one_sample_a_second() -> None:
    story = _story()
    _volts(story, 256.0, 255.0, 255.0, minutes=11, every_s=1)
    assert len(story.standing) == 1


@pytest.mark.parametrize(("other", "faults"), [(236.0, []), (253.0, ["voltage_range"])])
def test_a_meter_that_another_connector_contradicts_is_off_and_not_the_mains(
    other: float, faults: list[str]
) -> None:
    story = _story()
    for _ in range(12):
        story.wait(55)
        story.measure(connector_id=1, **{f"voltage_l{phase}_v": other for phase in (1, 2, 3)})
        for _ in range(3):
            story.wait(5)
            story.measure(connector_id=2, **{f"voltage_l{phase}_v": 256.0 for phase in (1, 2, 3)})
    assert [finding.fault for finding in story.standing] == faults


def test_sockets_on_different_phases_do_not_contradict_each_other() -> None:
    story = _story()
    for _ in range(12):
        story.wait(30)
        story.measure(connector_id=1, voltage_l1_v=232.0)
        for _ in range(3):
            story.wait(10)
            story.measure(connector_id=2, voltage_l1_v=265.0)
    assert [finding.fault for finding in story.standing] == ["voltage_range"]


def test_minutes_out_of_range_that_average_out_never_fire() -> None:
    story = _story()
    for _ in range(10):
        _volts(story, 260.0, 260.0, 260.0, minutes=4)
        _volts(story, 240.0, 240.0, 240.0, minutes=6)
    assert story.kinds() == []


@pytest.mark.parametrize(
    "volts",
    [
        (250.0, 250.0, 250.0),
        (231.0, 12.0, 230.0),
        (202.0, 244.0, 245.0),
        (120.0, 121.0, 120.0),
        (401.0, 399.0, 400.0),
        (390.0,),
    ],
    ids=["in_range", "lost_phase", "loose_neutral", "other_nominal", "between_phases", "dc_output"],
)
def test_look_alikes_never_fire(volts: tuple[float, ...]) -> None:
    story = _story()
    _volts(story, *volts, minutes=40)
    assert story.kinds() == []


def test_a_phase_that_comes_and_goes_is_lost_and_makes_no_other_low() -> None:
    story = _story()
    for _ in range(6):
        _volts(story, 231.0, 230.0, 230.0, minutes=6)
        _volts(story, 231.0, 4.0, 230.0, minutes=4)
    assert story.kinds() == []


def test_the_output_of_a_dc_station_is_not_the_mains_but_its_inlet_is() -> None:
    story = _story(Station(station_id="SE-1", current="DC"))
    for _ in range(12):
        story.wait(60)
        story.measure(voltage_v=260.0)
    assert story.kinds() == []
    for _ in range(12):
        story.wait(60)
        story.measure(voltage_l1_v=260.0, location="Inlet")
    assert len(story.standing) == 1


def test_a_single_phase_without_its_name_counts() -> None:
    story = _story()
    for _ in range(12):
        story.wait(60)
        story.measure(voltage_v=200.0)
    assert len(story.standing) == 1


def test_two_stations_are_the_sites() -> None:
    story = _story(*SITE)
    _volts(story, 262.0, 261.0, 262.0, minutes=15, stations=2)
    (finding,) = story.standing
    assert (finding.fault, finding.asset.kind, finding.asset.id) == ("site_voltage", "site", "PARK")
    assert finding.evidence[1].value == "SE-1, SE-2"
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["site_voltage"]


def test_a_station_alone_waits_for_a_word_of_its_neighbours() -> None:
    story = _story(*SITE)
    for number in (2, 3):
        story.heartbeat(f"SE-{number}")
    _volts(story, 262.0, 261.0, 262.0, minutes=22)
    assert story.standing == []
    _volts(story, 262.0, 261.0, 262.0, minutes=10)
    assert [finding.fault for finding in story.standing] == ["voltage_range"]


def test_a_neighbour_that_is_nearly_as_low_makes_it_the_sites() -> None:
    """The one that charges more sags more, and is the first under the border."""
    story = _story(*SITE)
    for _ in range(14):
        story.wait(60)
        story.station_id = "SE-2"
        story.measure(voltage_l1_v=209.5, voltage_l2_v=210.0, voltage_l3_v=209.0)
        story.station_id = "SE-1"
        story.measure(voltage_l1_v=206.0, voltage_l2_v=206.5, voltage_l3_v=206.0)
    (finding,) = story.standing
    assert (finding.fault, finding.asset.id) == ("site_voltage", "PARK")
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["site_voltage"]


@pytest.mark.parametrize(("neighbour_v", "standing"), [(203.0, ["site_voltage"]), (262.0, [])])
def test_a_neighbour_whose_newest_reading_is_as_far_off_makes_it_the_sites_at_once(
    neighbour_v: float, standing: list[str]
) -> None:
    story = _story(*SITE)
    for minute in range(12):
        story.wait(60)
        if minute == 8:
            story.station_id = "SE-2"
            story.measure(voltage_l1_v=neighbour_v, voltage_l2_v=neighbour_v, voltage_l3_v=neighbour_v)
        story.station_id = "SE-1"
        story.measure(voltage_l1_v=195.0, voltage_l2_v=196.0, voltage_l3_v=195.0)
    assert [finding.fault for finding in story.standing] == standing


def test_a_neighbour_in_range_makes_it_the_stations_at_once() -> None:
    story = _story(*SITE)
    for _ in range(12):
        story.wait(60)
        story.station_id = "SE-2"
        story.measure(voltage_l1_v=231.0, voltage_l2_v=230.0, voltage_l3_v=232.0)
        story.station_id = "SE-1"
        story.measure(voltage_l1_v=260.0, voltage_l2_v=259.0, voltage_l3_v=260.0)
    (finding,) = story.standing
    assert (finding.fault, finding.station_id) == ("voltage_range", "SE-1")
    assert finding.evidence[0].peers == "other stations of the site 231 V"


def test_reports_and_readings_together_are_the_sites() -> None:
    story = Story(make_engine(SITE, rules=RULES))
    for number in (1, 2):
        story.station_id = f"SE-{number}"
        story.connect()
        story.status(ConnectorState.FAULTED, "UnderVoltage")
    story.wait(90)
    assert [finding.fault for finding in story.standing] == ["site_voltage"]


def test_a_report_is_the_sites_at_once_where_a_neighbour_reads_the_same() -> None:
    story = Story(make_engine(SITE, rules=RULES))
    _volts(story, 255.0, 254.0, 256.0, minutes=2, stations=2)
    story.station_id = "SE-3"
    story.connect()
    story.status(ConnectorState.FAULTED, "OverVoltage")
    story.wait(60)
    assert [(f.fault, f.asset.kind) for f in story.standing] == [("site_voltage", "site")]


def test_a_report_is_the_stations_where_its_neighbours_are_in_range() -> None:
    story = Story(make_engine(SITE, rules=RULES))
    _volts(story, 235.0, 234.0, 236.0, minutes=2, stations=2)
    story.station_id = "SE-3"
    story.connect()
    story.status(ConnectorState.FAULTED, "OverVoltage")
    story.wait(60)
    assert [f.fault for f in story.standing] == ["reported_fault"]


@pytest.mark.parametrize("volts", [(230.0, 231.0, 0.0), (228.0, 196.0, 231.0)], ids=["lost", "parted"])
def test_a_neighbours_own_trouble_with_one_phase_is_not_the_sites(volts: tuple[float, ...]) -> None:
    story = Story(make_engine(SITE, rules=(*BOTH, reported_fault.RULE)))
    _volts(story, *volts, minutes=2, stations=2)
    story.station_id = "SE-3"
    story.connect()
    story.status(ConnectorState.FAULTED, "UnderVoltage")
    story.wait(60)
    assert [f.fault for f in story.standing] == ["reported_fault"]


def _problem(story: Story, value: str) -> None:
    fault = {"component": "Connector", "variable": "Problem", "tech_code": "CX006", "mrec": ("CX006",)}
    story.say(EventReported(at=story.now, connector_id=1, value=value, cleared=value == "false", **fault))


def test_an_event_that_is_cleared_before_its_status_raises_nothing() -> None:
    story = Story(make_engine(SITE, rules=RULES))
    for number in (1, 2):
        story.station_id = f"SE-{number}"
        story.connect()
        _problem(story, "true")
        story.status(ConnectorState.FAULTED)
    story.wait(600)
    for number in (1, 2):
        story.station_id = f"SE-{number}"
        _problem(story, "false")
        story.wait(1)
        story.status(ConnectorState.AVAILABLE)
        story.wait(90)
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["site_voltage"]


def test_clears_with_the_first_good_mean() -> None:
    story = _story()
    _volts(story, 256.0, 256.0, 256.0, minutes=12)
    _volts(story, 252.5, 252.5, 252.5, minutes=22)
    assert len(story.standing) == 1
    _volts(story, 240.0, 240.0, 240.0, minutes=22)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_clears_when_nothing_is_measured_for_a_day() -> None:
    story = _story()
    _volts(story, 256.0, 256.0, 256.0, minutes=12)
    story.wait(23 * 3600)
    assert len(story.standing) == 1
    story.wait(2 * 3600)
    assert story.standing == []


def test_a_site_that_is_back_leaves_no_ticket_of_a_station_behind() -> None:
    story = _story(*SITE)
    _volts(story, 262.0, 261.0, 262.0, minutes=15, stations=3)
    story.wait(3600)
    for number in (1, 2, 3):
        assert [finding.fault for finding in story.standing] == ["site_voltage"]
        for _ in range(12):
            story.wait(60)
            story.station_id = f"SE-{number}"
            story.measure(voltage_l1_v=231.0, voltage_l2_v=230.0, voltage_l3_v=232.0)
    story.wait(600)
    assert story.standing == []
    raised = [c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding]
    assert raised == ["site_voltage"]
