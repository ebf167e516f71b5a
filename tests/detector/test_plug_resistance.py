"""plug_resistance: contacts that wear, and vehicles, weather and missing sensors that make sound ones look so."""

from __future__ import annotations

import math
from datetime import timedelta

import msgspec
import pytest

from detector.changes import ChangeKind
from detector.rules import plug_overheat, plug_resistance
from detector.warming import pin_squares
from laddvakt.domain.stations import Connector, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import START, Story, make_engine

_RISE_K = 20.0  # of a sound plug at 32 A
_LAG_S = 780.0


def _station(station_id: str) -> Station:
    connector = Connector(connector_id=1, type="IEC_62196_T2", max_current_a=32, cable_id=f"CABLE-{station_id}")
    return Station(station_id=station_id, connectors=(connector,), site_id="PARK")


class Plug:
    """A plug that warms with current squared, and the station around it."""

    def __init__(self, story: Story, *, air_c: float = 10.0, way: str = "1.6", says_air: bool = True) -> None:
        self.story, self.air_c, self.way, self.says_air = story, air_c, way, says_air
        self.plug_c = air_c
        self.worse = 1.0
        self.session = 0
        self.every_s = 60.0
        self.next_c = math.nan

    def charge(
        self,
        vehicle: str = "",
        *,
        amps: tuple[float, ...] = (32.0, 32.0, 32.0),
        minutes: float = 45,
        worse: float = 1.0,
        sun_k: float = 0.0,
    ) -> None:
        """One session. `sun_k`: by which the sun, which came out meanwhile, warms the plug."""
        story = self.story
        self.session += 1
        transaction = f"{story.station_id}-{self.session}"
        story.start(transaction, vehicle or f"CARD-{self.session}")
        for _ in range(round(minutes * 60 / self.every_s)):
            self._pass(self.every_s, amps, worse)
            self._say(transaction, amps, sun_k if self.plug_c > self.air_c + 1 else 0.0)
        story.stop(transaction, meter_wh=9000)
        self._pass(6 * 3600, (0.0, 0.0, 0.0), 1.0)

    def _pass(self, seconds: float, amps: tuple[float, ...], worse: float) -> None:
        target_c = self.air_c + _RISE_K * self.worse * worse * pin_squares(amps) / 32**2
        self.plug_c = target_c + (self.plug_c - target_c) * math.exp(-seconds / _LAG_S)
        self.story.now += timedelta(seconds=seconds)
        self.story.engine.tick(self.story.now)

    def _say(self, transaction: str, amps: tuple[float, ...], sun_k: float) -> None:
        story = self.story
        plug_c = self.plug_c + sun_k
        currents = {f"current_l{phase}_a": value for phase, value in enumerate(amps, 1)}
        if self.says_air:
            story.measure(connector_id=0, source="mqtt", ambient_temperature_c=self.air_c)
        if not math.isnan(self.next_c):
            story.measure(connector_id=2, source="mqtt", plug_temperature_c=self.next_c)
        if self.way == "1.6":
            story.measure(transaction=transaction, temperature_c=plug_c, **currents)
        else:
            story.measure(transaction=transaction, **currents)
            story.measure(source="mqtt", plug_temperature_c=plug_c)

    def days(self, count: int, **how: object) -> None:
        """Two sessions a day."""
        for _ in range(2 * count):
            self.charge(**how)  # type: ignore[arg-type]  # as of `charge`
            self.story.now += timedelta(hours=5)


@pytest.fixture
def story() -> Story:
    return Story(make_engine([_station("SE-1")], rules=(plug_resistance.RULE,)))


@pytest.mark.parametrize("way", ["1.6", "mqtt"])
@pytest.mark.parametrize("every_s", [10.0, 60.0])
def test_contacts_that_wear_fire(story: Story, way: str, every_s: float) -> None:
    plug = Plug(story, way=way)
    plug.every_s = every_s
    plug.days(5)
    plug.worse = 1.8
    plug.days(1)
    assert story.standing == []
    plug.charge()
    (finding,) = story.standing
    assert (finding.fault, finding.severity) == ("plug_resistance", Severity.P3)
    assert (finding.asset.kind, finding.asset.id) == ("cable", "CABLE-SE-1")
    assert "1.8 times as much as usual" in finding.explanation
    assert finding.explanation.endswith("in 3 of the last 4 sessions.")


def test_worn_contacts_stay_the_cables_while_another_connector_fails() -> None:
    """As its residual-current device trips: that says nothing of this plug's heat."""
    two = msgspec.structs.replace(
        _station("SE-1"), connectors=(*_station("SE-1").connectors, Connector(connector_id=2, cable_id="CABLE-2"))
    )
    story = Story(make_engine([two], rules=(plug_resistance.RULE,)))
    plug = Plug(story)
    plug.days(5)
    plug.worse = 1.8
    for number in range(2):
        plug.charge()
        story.start(f"failed-{number}", f"OTHER-{number}", connector_id=2)
        story.wait(300)
        story.stop(f"failed-{number}", reason="GroundFault")
    plug.charge()
    (finding,) = story.standing
    assert (finding.asset.kind, finding.asset.id) == ("cable", "CABLE-SE-1")


def test_wear_that_creeps_over_a_week_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(8)
    for step in range(14):
        plug.worse = 1 + step / 10
        plug.days(1)
    assert [finding.fault for finding in story.standing] == ["plug_resistance"]


def test_vehicles_of_sixteen_amperes_at_a_plug_for_thirty_two_tell_as_well(story: Story) -> None:
    plug = Plug(story)
    plug.days(5, amps=(15.1, 15.1, 15.1), minutes=120)
    plug.worse = 4.0
    plug.days(2, amps=(15.1, 15.1, 15.1), minutes=120)
    assert len(story.standing) == 1


def test_weak_currents_between_do_not_hide_what_strong_ones_show(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 1.8
    for _ in range(3):
        plug.charge()
        plug.charge(amps=(15.1, 15.1, 15.1), minutes=120)
    assert len(story.standing) == 1


def test_a_few_sessions_are_no_baseline(story: Story) -> None:
    plug = Plug(story)
    for _ in range(4):  # days
        plug.charge("CARD-HOME")
        plug.story.now += timedelta(hours=18)
    plug.worse = 2.0
    plug.days(2)
    assert story.kinds() == []


def test_a_baseline_of_one_vehicle_says_nothing_of_others(story: Story) -> None:
    plug = Plug(story)
    plug.days(6, vehicle="CARD-HOME")
    for _ in range(4):
        plug.charge("CARD-OTHER", worse=2.0)
        plug.charge("CARD-HOME", worse=2.0)
    assert story.kinds() == []


def test_a_plug_whose_days_differ_much_needs_more(story: Story) -> None:
    plug = Plug(story)
    for day in range(8):
        plug.worse = (1.0, 1.3, 0.6, 1.4)[day % 4]
        plug.days(1)
    plug.worse = 1.75
    plug.days(2)
    assert story.kinds() == []


def test_single_sessions_of_peers_are_not_held_against_a_new_plug() -> None:
    stations = [_station(f"SE-{number}") for number in range(1, 7)]
    engine = make_engine(stations, rules=(plug_resistance.RULE,))
    now = START
    for station in stations[1:]:
        other = Plug(Story(engine, station_id=station.station_id, now=now))
        other.charge()
        now = other.story.now
    story = Story(engine, now=now)
    plug = Plug(story)
    plug.worse = 2.0
    plug.days(2)
    assert story.kinds() == []


def test_other_currents_and_phases_heat_the_same_plug_and_never_fire(story: Story) -> None:
    plug = Plug(story)
    for amps in ((32.0, 32.0, 32.0), (32.0, 0.0, 0.0), (20.0, 20.0, 20.0), (32.0, 32.0, 0.0)) * 3:
        plug.days(1, amps=amps)
    assert story.kinds() == []


def test_one_vehicle_with_a_worn_inlet_never_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for _ in range(6):
        plug.charge("CARD-WORN", worse=2.5)
    assert story.kinds() == []


def test_two_worn_inlets_among_sound_ones_never_fire(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for vehicle in ("A", "B", "A", "B"):
        plug.charge(f"CARD-{vehicle}", worse=2.5)
        plug.charge()
    assert story.kinds() == []


def _sun_k(plug: Plug) -> float:
    """By which the sun warms a plug at this hour (UTC)."""
    return 7.0 if 6 <= plug.story.now.hour < 17 else 0.0


def test_the_sun_on_a_plug_with_little_current_never_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for _ in range(24):
        plug.charge(amps=(18.0, 18.0, 18.0), sun_k=_sun_k(plug))
    assert story.kinds() == []


def test_the_sun_on_sessions_of_the_same_hours_never_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for _ in range(10):
        for begun in (8, 13):
            story.now = story.now.replace(hour=begun, minute=0) + timedelta(days=begun < story.now.hour)
            plug.charge(amps=(18.0, 18.0, 18.0), sun_k=_sun_k(plug))
    assert story.kinds() == []


def test_little_more_in_session_after_session_at_all_hours_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 2.0  # 5 K more
    for _ in range(4):
        plug.charge(amps=(16.0, 16.0, 16.0), minutes=120)
    assert story.standing == []
    for _ in range(2):
        plug.charge(amps=(16.0, 16.0, 16.0), minutes=120)
    (finding,) = story.standing
    assert "1.8 times as much as usual" in finding.explanation
    assert finding.explanation.endswith("in each of 5 sessions in a row.")
    plug.worse = 1.0
    plug.days(1)
    (finding,) = story.standing
    assert finding.explanation.endswith("in each of 5 sessions in a row.")
    plug.charge()
    assert story.standing == []


@pytest.mark.parametrize(("next_c", "found"), [(10.5, True), (17.0, False)])
def test_little_more_by_day_needs_a_plug_beside_it_that_the_sun_does_not_warm(
    story: Story, next_c: float, found: bool
) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 2.0
    for _ in range(3):
        for begun in (6, 13):
            story.now = story.now.replace(hour=begun, minute=0) + timedelta(days=begun < story.now.hour)
            plug.next_c = next_c
            plug.charge(amps=(16.0, 16.0, 16.0), minutes=120)
    assert bool(story.standing) is found


def test_little_more_by_one_vehicle_never_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for _ in range(10):
        plug.charge("CARD-WORN", amps=(16.0, 16.0, 16.0), minutes=120, worse=2.0)
    assert story.kinds() == []


def test_little_more_where_nobody_measures_the_air_never_fires(story: Story) -> None:
    plug = Plug(story, says_air=False)
    plug.days(5)
    plug.worse = 2.0
    for _ in range(10):
        plug.charge(amps=(16.0, 16.0, 16.0), minutes=120)
    assert story.kinds() == []


def test_little_more_that_differs_each_time_never_fires(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    for number in range(20):
        plug.charge(amps=(16.0, 16.0, 16.0), minutes=120, worse=(1.6, 2.5)[number % 2])
    assert story.kinds() == []


def test_seasons_never_fire(story: Story) -> None:
    plug = Plug(story)
    for day in range(20):
        plug.air_c = -10 + 2.0 * day
        plug.days(1)
    assert story.kinds() == []


def test_without_an_ambient_sensor_the_plug_at_rest_serves(story: Story) -> None:
    plug = Plug(story, says_air=False)
    for day in range(10):
        plug.air_c = plug.plug_c = -10 + 4.0 * day
        plug.days(1)
    assert story.kinds() == []
    plug.worse = 2.0
    plug.days(2)
    assert [finding.fault for finding in story.standing] == ["plug_resistance"]


def test_a_neighbours_ambient_sensor_serves(story: Story) -> None:
    engine = make_engine([_station("SE-1"), _station("SE-2")], rules=(plug_resistance.RULE,))
    story = Story(engine)
    plug = Plug(story, says_air=False)
    for day in range(10):
        plug.air_c = plug.plug_c = -10 + 4.0 * day
        story.station_id = "SE-2"
        story.measure(connector_id=0, source="mqtt", ambient_temperature_c=plug.air_c)
        story.station_id = "SE-1"
        plug.days(1)
    assert story.kinds() == []


def test_an_open_sensor_is_not_compared(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 20.0
    plug.days(5)
    assert story.kinds() == []


def test_sessions_too_short_or_too_weak_tell_nothing(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 3.0
    plug.days(5, minutes=9)
    plug.days(5, amps=(10.0, 10.0, 10.0))
    assert story.kinds() == []


def _fleet(*worse: float) -> Story:
    """A station among others of its kind, each of which knows what is usual there. Sound is 1."""
    stations = [_station(f"SE-{number}") for number in range(1, len(worse) + 2)]
    engine = make_engine(stations, rules=(plug_resistance.RULE,))
    now = START
    for station, factor in zip(stations[1:], worse, strict=True):
        plug = Plug(Story(engine, station_id=station.station_id, now=now))
        plug.worse = factor
        plug.days(5)
        now = plug.story.now
    return Story(engine, now=now)


def test_a_new_plug_is_held_against_its_peers() -> None:
    story = _fleet(0.9, 0.95, 1.0, 1.05, 1.1)
    plug = Plug(story)
    plug.worse = 2.0
    plug.days(2)
    (finding,) = story.standing
    assert "of 5" in finding.evidence[0].peers


def test_a_plug_like_its_peers_never_fires_for_its_own_ups_and_downs() -> None:
    story = _fleet(0.8, 1.0, 1.2, 1.4, 1.6)
    plug = Plug(story)
    plug.worse = 0.8
    plug.days(5)
    plug.worse = 1.5  # much for itself, and ordinary among the others
    plug.days(3)
    assert story.kinds() == []


def test_three_usual_sessions_clear(story: Story) -> None:
    plug = Plug(story)
    plug.days(5)
    plug.worse = 2.0
    plug.days(2)
    plug.worse = 1.0
    plug.days(1)
    assert ChangeKind.CLEARED not in story.kinds()
    plug.charge()
    assert story.kinds()[-1] is ChangeKind.CLEARED


def test_what_it_saw_before_the_plug_was_mended_does_not_count_afterwards() -> None:
    story = Story(make_engine([_station("SE-1")], rules=(plug_overheat.RULE, plug_resistance.RULE)))
    plug = Plug(story)
    plug.days(5)
    plug.worse = 4.0
    plug.days(2)
    assert [finding.fault for finding in story.standing] == ["plug_overheat"]
    plug.worse = 1.0
    plug.days(1)
    assert story.standing == []
    plug.worse = 2.0  # the new one wears as well: that takes as long as ever
    plug.days(1)
    assert story.standing == []
    plug.charge()
    assert [finding.fault for finding in story.standing] == ["plug_resistance"]
