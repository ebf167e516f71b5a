"""supply_resistance: how far voltage falls under load."""

from __future__ import annotations

import math
import random
from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import failed_starts, reported_fault, supply_resistance
from detector.slope import Line, add
from laddvakt.domain.stations import ConnectorState, Station
from tests.support.detector import START, Story, make_engine

SITE = [Station(station_id=f"SE-{n}", site_id="PARK", current="AC", phases=3) for n in (1, 2)]


class Mains:
    """Voltages at the station for its currents: the grid's own, less what its cable takes."""

    def __init__(self, seed: int = 1, *, restless_v: float = 1.0) -> None:
        self.rng = random.Random(seed)
        self.restless_v = restless_v
        self.drift_v = 0.0

    def volts(self, amps: tuple[float, ...], ohm: tuple[float, ...]) -> list[float]:
        return [
            230 + self.drift_v + self.rng.gauss(0, 0.4 * self.restless_v) - o * a
            for a, o in zip(amps, ohm, strict=True)
        ]


def _story() -> Story:
    return Story(make_engine(SITE, rules=(supply_resistance.RULE,)))


def _say(story: Story, mains: Mains, amps: tuple[float, ...], ohm: tuple[float, ...], transaction: str) -> None:
    values = {f"current_l{phase}_a": value for phase, value in enumerate(amps, start=1)}
    values |= {f"voltage_l{phase}_v": value for phase, value in enumerate(mains.volts(amps, ohm), start=1)}
    story.measure(transaction=transaction, **values)


def _session(
    story: Story,
    mains: Mains,
    number: int,
    ohm: tuple[float, ...] = (0.1, 0.1, 0.1),
    *,
    amps: tuple[float, ...] = (16.0, 16.0, 16.0),
    every_s: float = 60,
    minutes: int = 15,
) -> None:
    """Full current, then none, for so many minutes each."""
    transaction = str(number)
    story.start(transaction, f"CARD{number}")
    for now in (amps, tuple(0.0 for _ in amps)):
        for _ in range(round(minutes * 60 / every_s)):
            story.wait(every_s)
            _say(story, mains, now, ohm, transaction)
    story.stop(transaction, meter_wh=3000)
    story.wait(600)


def test_three_sessions_that_sag_fire() -> None:
    story, mains = _story(), Mains()
    for number in range(2):
        _session(story, mains, number, (0.1, 0.7, 0.1))
    assert story.standing == []
    _session(story, mains, 3, (0.1, 0.7, 0.1))
    (finding,) = story.standing
    assert (finding.fault, finding.asset.kind, finding.connector_id) == ("supply_resistance", "station", None)
    assert "L2" in finding.explanation
    assert finding.evidence[0].threshold == "0.40 ohm"
    assert float(finding.evidence[0].value.split()[0]) == pytest.approx(0.7, abs=0.08)


def test_fires_at_one_sample_a_second() -> None:
    story, mains = _story(), Mains()
    for number in range(3):
        _session(story, mains, number, (0.1, 0.7, 0.1), every_s=1, minutes=5)
    assert len(story.standing) == 1


def test_a_single_phase_without_its_name_counts() -> None:
    story, mains = _story(), Mains()
    for number in range(3):
        story.start(str(number))
        for amps in (30.0, 0.0):
            for _ in range(15):
                story.wait(60)
                (volts,) = mains.volts((amps,), (0.6,))
                story.measure(transaction=str(number), current_a=amps, voltage_v=volts)
        story.stop(str(number))
    assert len(story.standing) == 1


def test_twice_what_is_usual_here_fires() -> None:
    story, mains = _story(), Mains()
    for number in range(6):
        _session(story, mains, number)
    for number in range(6, 11):
        assert story.standing == []
        _session(story, mains, number, (0.35, 0.1, 0.1))
    (finding,) = story.standing
    assert finding.evidence[0].peers.startswith("usual here 0.1")


def test_twice_very_little_never_fires() -> None:
    story, mains = _story(), Mains()
    for number in range(6):
        _session(story, mains, number)
    for number in range(6, 14):
        _session(story, mains, number, (0.25, 0.25, 0.25))
    assert story.kinds() == []


def test_a_phase_that_has_twice_the_others_in_five_sessions_fires() -> None:
    story, mains = _story(), Mains()
    for number in range(6):
        _session(story, mains, number)
    for number in range(6, 9):
        _session(story, mains, number, (0.1, 0.1, 0.28))
    assert story.standing == []
    for number in range(9, 11):
        _session(story, mains, number, (0.1, 0.1, 0.28))
    (finding,) = story.standing
    assert "L3" in finding.explanation
    assert finding.evidence[0].peers == "the other phases"
    for number in range(11, 13):
        assert len(story.standing) == 1
        _session(story, mains, number)
    assert story.standing == []


def test_a_phase_that_differs_now_and_then_never_fires() -> None:
    story, mains = _story(), Mains()
    for number in range(24):
        _session(story, mains, number, (0.1, 0.1, 0.28 if number % 4 else -0.02))
    assert story.kinds() == []


def test_a_phase_on_which_a_second_vehicle_charges_alone_never_fires() -> None:
    """Its current goes back through the neutral, whose resistance is added to that of its phase."""
    story, mains = _story(), Mains()
    for number in range(12):
        _session(story, mains, number, (0.32, 0.12, 0.12), amps=(32.0, 16.0, 16.0))
    assert story.kinds() == []


def test_phases_of_a_long_cable_that_differ_a_little_never_fire() -> None:
    story, mains = _story(), Mains()
    for number in range(12):
        _session(story, mains, number, (0.18, 0.2, 0.3))
    assert story.kinds() == []


def test_a_long_cable_a_little_over_the_limit_never_fires() -> None:
    story, mains = _story(), Mains()
    for number in range(6):
        _session(story, mains, number, (0.37, 0.37, 0.37))
    for number in range(6, 14):
        _session(story, mains, number, (0.43, 0.43, 0.43))
    assert story.kinds() == []


@pytest.mark.parametrize(("neighbour", "sessions"), [(True, 3), (False, 5)])
def test_a_little_over_needs_more_sessions_where_nobody_tells_of_the_grid(neighbour: bool, sessions: int) -> None:
    story, mains = _story(), Mains(restless_v=0.2)
    for number in range(sessions):
        assert story.standing == []
        transaction = str(number)
        story.start(transaction)
        for amps in [16.0] * 15 + [0.0] * 15:
            story.wait(60)
            if neighbour:
                story.station_id = "SE-2"
                _say(story, mains, (0.0,) * 3, (0.1,) * 3, "")
                story.station_id = "SE-1"
            _say(story, mains, (amps,) * 3, (0.46, 0.1, 0.1), transaction)
        story.stop(transaction)
    assert len(story.standing) == 1


@pytest.mark.parametrize("ohm", [0.15, 0.35])
def test_a_long_cable_never_fires(ohm: float) -> None:
    story, mains = _story(), Mains()
    for number in range(8):
        _session(story, mains, number, (ohm, ohm, ohm))
    assert story.kinds() == []


def test_currents_that_hardly_change_say_nothing() -> None:
    story, mains = _story(), Mains()
    for number in range(5):
        _session(story, mains, number, (0.9, 0.9, 0.9), amps=(7.0, 7.0, 7.0))
    assert story.kinds() == []


def test_the_grids_drift_never_fires() -> None:
    """Voltage falls while a vehicle charges and rises when it is done, and an idle neighbour sees it, too."""
    story, mains = _story(), Mains()
    for number in range(5):
        transaction = str(number)
        story.start(transaction)
        for step, amps in enumerate([16.0] * 20 + [0.0] * 20):
            story.wait(60)
            mains.drift_v = -8 * math.sin(math.pi * min(step, 20) / 20) - (8 if amps else 0)
            story.station_id = "SE-2"
            _say(story, mains, (0.0,) * 3, (0.1,) * 3, "")
            story.station_id = "SE-1"
            _say(story, mains, (amps,) * 3, (0.1,) * 3, transaction)
        story.stop(transaction)
    assert story.kinds() == []


def test_the_output_of_a_dc_station_says_nothing() -> None:
    story = Story(make_engine([Station(station_id="SE-1", current="DC")], rules=(supply_resistance.RULE,)))
    for number in range(5):
        story.start(str(number))
        for amps in [200.0] * 15 + [20.0] * 15:
            story.wait(60)
            story.measure(transaction=str(number), current_a=amps, voltage_v=400 - amps)
        story.stop(str(number))
    assert story.kinds() == []


def test_clears_after_two_good_sessions() -> None:
    story, mains = _story(), Mains()
    for number in range(3):
        _session(story, mains, number, (0.7, 0.1, 0.1))
    _session(story, mains, 3)
    assert len(story.standing) == 1
    _session(story, mains, 4)
    assert [kind for kind in story.kinds() if kind is not ChangeKind.STILL] == [
        ChangeKind.RAISED,
        ChangeKind.CLEARED,
    ]


def test_a_line_through_points_is_found_exactly() -> None:
    line: Line | None = None
    for step in range(10):
        x = float(step % 4)
        line = add(line, START + timedelta(minutes=step), x, 5 - 0.3 * x, 600)
    assert line is not None
    assert line.slope == pytest.approx(-0.3)
    assert line.r_squared == pytest.approx(1)


@pytest.mark.parametrize(
    ("error", "others"),
    [("UnderVoltage", []), ("PowerSwitchFailure", ["reported_fault", "failed_starts"])],
    ids=["it sags", "another fault"],
)
def test_starts_that_undervoltage_ends_are_the_sags(error: str, others: list[str]) -> None:
    rules = (reported_fault.RULE, supply_resistance.RULE, failed_starts.RULE)
    story, mains = Story(make_engine(SITE, rules=rules)), Mains()
    story.connect()
    for number in range(3):
        _session(story, mains, number, (0.1, 0.7, 0.1))
    assert [finding.fault for finding in story.standing] == ["supply_resistance"]
    for number in range(10, 14):
        story.start(str(number), f"CARD{number}")
        story.wait(10)
        story.status(ConnectorState.FAULTED, error)
        story.stop(str(number), reason="Other")
        story.wait(70)
        story.status(ConnectorState.AVAILABLE)
        story.wait(3600)
    raised = {c.finding.fault for c in story.changes if c.kind is ChangeKind.RAISED and c.finding is not None}
    assert raised == {"supply_resistance", *others}


def test_two_meters_that_read_apart_are_no_sag() -> None:
    """Connector 2's reads 11 V less than connector 1's: one idle and the other under load make no line."""
    story, mains = _story(), Mains()
    amps = (16.0, 16.0, 16.0)
    for number in range(8):
        for _ in range(15):
            story.wait(60)
            _say(story, mains, (0.0, 0.0, 0.0), (0.1, 0.1, 0.1), "")
        story.start(str(number), f"CARD{number}", connector_id=2)
        for _ in range(15):
            story.wait(60)
            values = {f"current_l{phase}_a": value for phase, value in enumerate(amps, start=1)}
            volts = [volts - 11 for volts in mains.volts(amps, (0.1, 0.1, 0.1))]
            values |= {f"voltage_l{phase}_v": value for phase, value in enumerate(volts, start=1)}
            story.measure(connector_id=2, transaction=str(number), **values)
        story.stop(str(number), meter_wh=3000)
    assert story.standing == []
