"""module_loss: fast chargers with fewer modules, and cars, seasons and limits that only look like it."""

from __future__ import annotations

import random

import pytest

from detector.changes import ChangeKind
from detector.rules import module_loss
from laddvakt.domain.facts import ChargingLimitReported
from laddvakt.domain.stations import Connector, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

_RATED_W = 150_000.0


def _story(current: str = "DC") -> Story:
    station = Station(
        station_id="SE-1",
        current=current,
        max_power_w=_RATED_W,
        connectors=tuple(
            Connector(connector_id=number, max_power_w=_RATED_W, max_current_a=400) for number in (1, 2)
        ),
    )
    return Story(make_engine([station], rules=(module_loss.RULE,)))


@pytest.fixture
def story() -> Story:
    return _story()


class Traffic:
    """Vehicles that each take what they can, up to what the station has."""

    def __init__(self, story: Story, seed: int = 1) -> None:
        self.story = story
        self.rng = random.Random(seed)
        self.session = 0

    def come(
        self, count: int, *, has_w: float = _RATED_W, can_w: tuple[float, float] = (45e3, 240e3), **more: float
    ) -> None:
        for _ in range(count):
            self.one(min(self.rng.uniform(*can_w), has_w), **more)

    def one(self, watts: float, *, vehicle: str = "", **more: float) -> None:
        story = self.story
        self.session += 1
        transaction = str(self.session)
        story.start(transaction, vehicle or f"CARD-{self.session}")
        for share in (0.6, 1.0, 1.0, 0.999, 0.998, 0.7, 0.4):
            story.wait(120)
            noisy_w = watts * share * self.rng.gauss(1, 0.002)
            story.measure(transaction=transaction, power_w=noisy_w, current_a=noisy_w / 400, **more)
        story.stop(transaction, meter_wh=30_000)
        story.wait(1800)


@pytest.mark.parametrize("left", [0.4, 0.625, 0.75, 0.875])
def test_a_ceiling_lower_than_before_fires(story: Story, left: float) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    assert story.standing == []
    traffic.come(20, has_w=left * _RATED_W)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("module_loss", Severity.P3, "station")
    assert f"{left * _RATED_W / 1000:.0f} kW at SE-1 connector 1 any more" in finding.explanation


def test_a_meter_before_the_rectifiers_reads_more_than_the_rated_power(story: Story) -> None:
    """One module of nine: 135 of 151.5 kW, at a station that is rated 150."""
    traffic = Traffic(story)
    traffic.come(60, has_w=151_500.0)
    assert story.standing == []
    traffic.come(20, has_w=135_000.0)
    assert [finding.fault for finding in story.standing] == ["module_loss"]


def test_twenty_sessions_are_enough_to_know_what_was_before(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(20)
    traffic.come(10, has_w=0.5 * _RATED_W)
    assert len(story.standing) == 1


@pytest.mark.parametrize("seed", range(1, 6))
def test_vehicles_that_come_as_they_did_never_fire(seed: int) -> None:
    story = _story()
    Traffic(story, seed).come(150)
    assert story.kinds() == []


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_cold_season_with_low_power_never_fires(seed: int) -> None:
    story = _story()
    traffic = Traffic(story, seed)
    traffic.come(50)
    traffic.come(60, can_w=(20e3, 90e3))
    assert story.kinds() == []


def test_one_vehicle_that_comes_again_and_again_is_no_ceiling(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    for _ in range(15):
        traffic.one(80e3, vehicle="CARD-TAXI")
    assert story.kinds() == []


def test_a_few_vehicles_that_come_near_one_power_are_no_ceiling(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(20)
    for watts in (75e3, 50e3, 74.6e3, 48e3, 74.4e3, 52e3):
        traffic.one(watts)
    assert story.kinds() == []


def test_a_limit_that_was_told_explains_it(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    traffic.come(20, has_w=75e3, power_offered_w=75e3)
    assert story.kinds() == []


def test_a_limit_from_outside_explains_it(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    story.say(ChargingLimitReported(at=story.now, source="EMS", connector_id=1))
    traffic.come(20, has_w=75e3)
    assert story.kinds() == []


def test_a_neighbour_who_takes_his_part_explains_it(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    story.start("neighbour", "CARD-N", connector_id=2)
    traffic.come(20, has_w=75e3)
    assert story.kinds() == []


def test_a_hot_station_is_another_matter(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    for _ in range(20):
        story.measure(connector_id=0, source="mqtt", cabinet_temperature_c=62.0)
        traffic.come(1, has_w=75e3)
    assert story.kinds() == []


def test_ac_has_no_modules() -> None:
    story = _story("AC")
    traffic = Traffic(story)
    traffic.come(50)
    traffic.come(20, has_w=75e3)
    assert story.kinds() == []


def test_a_session_that_passes_the_ceiling_clears(story: Story) -> None:
    traffic = Traffic(story)
    traffic.come(50)
    traffic.come(20, has_w=75e3)
    assert ChangeKind.CLEARED not in story.kinds()
    traffic.one(120e3)
    assert story.kinds()[-1] is ChangeKind.CLEARED
