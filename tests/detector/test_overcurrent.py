"""overcurrent: more flows than may."""

from __future__ import annotations

import json

import pytest

from detector.changes import ChangeKind
from detector.rules import RULES, overcurrent
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.facts import CommandAnswered, CommandSent
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine

RATED = Station(
    station_id="SE-1",
    current="AC",
    phases=3,
    connectors=(Connector(connector_id=1, max_current_a=32.0),),
)


def _story(*stations: Station) -> Story:
    story = Story(make_engine(stations, rules=(overcurrent.RULE,)))
    story.connect()
    return story


def _begin(story: Story, transaction: str = "1", card: str = "A") -> None:
    story.start(transaction, card)
    story.status(ConnectorState.CHARGING)


def _draw(
    story: Story, amps: float, *, samples: int = 3, every_s: float = 60, transaction: str = "1", **values: float
) -> None:
    for _ in range(samples):
        story.wait(every_s)
        phases = {f"current_l{phase}_a": amps for phase in (1, 2, 3)}
        story.measure(transaction=transaction, **phases, **values)


def test_more_than_is_offered_fires() -> None:
    story = _story()
    _begin(story)
    _draw(story, 18.5, samples=1, current_offered_a=16.0)
    assert story.standing == []
    _draw(story, 18.9, samples=1, current_offered_a=16.0)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("overcurrent", Severity.P1, "station")
    assert (finding.evidence[0].value, finding.evidence[0].threshold) == ("18.9 A", "18.1 A")
    assert "vehicle" in [suspect.asset.kind for suspect in finding.suspects]


def test_more_than_the_rating_fires() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 37.0)
    assert len(story.standing) == 1


def test_two_samples_within_seconds_are_not_enough() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 37.0, samples=8, every_s=1)
    assert story.standing == []
    _draw(story, 37.0, samples=5, every_s=1)
    assert len(story.standing) == 1


@pytest.mark.parametrize("offered_a", [16.0, 17.0])
def test_a_meters_error_never_fires(offered_a: float) -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 18.0, samples=10, current_offered_a=offered_a)
    assert story.kinds() == []


def test_a_vehicle_that_follows_a_falling_limit_never_fires() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 32.0, current_offered_a=32.0)
    _draw(story, 32.0, samples=10, every_s=4, current_offered_a=10.0)
    _draw(story, 10.0, current_offered_a=10.0)
    assert story.kinds() == []


def test_a_vehicle_that_does_not_follow_fires() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 32.0, current_offered_a=32.0)
    _draw(story, 32.0, samples=4, current_offered_a=10.0)
    assert len(story.standing) == 1


def test_an_offer_in_a_message_of_its_own_is_the_limit() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 16.0)
    story.measure(transaction="1", current_offered_a=10.0)
    _draw(story, 16.0, samples=4)
    assert len(story.standing) == 1


def test_who_kept_an_offer_and_takes_more_may_be_offered_more_by_now() -> None:
    """The station tells its offer each five minutes, and a meter of its own the current each minute."""
    story = _story(RATED)
    _begin(story)
    _draw(story, 10.0, samples=1, current_offered_a=10.0)
    _draw(story, 10.0, samples=2)
    _draw(story, 16.0, samples=3)
    assert story.standing == []
    _draw(story, 16.0, samples=1, current_offered_a=10.0)
    assert len(story.standing) == 1


def test_a_charging_profile_is_a_limit() -> None:
    story = _story(RATED)
    _begin(story)
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10}]}
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile"}
    request = {"connectorId": 1, "csChargingProfiles": profile | {"chargingSchedule": schedule}}
    action = "SetChargingProfile"
    _draw(story, 16.0)
    story.say(CommandSent(at=story.now, command_id="c", action=action, request=json.dumps(request)))
    accepted = CommandStatus.ACCEPTED
    story.say(CommandAnswered(at=story.now, command_id="c", action=action, status=accepted))
    story.wait(5)
    story.measure(transaction="1", current_l1_a=15.0)
    _draw(story, 10.0)
    assert story.kinds() == []
    _draw(story, 16.0)
    (finding,) = story.standing
    assert finding.evidence[1].peers == "charging profile in force"


@pytest.mark.parametrize("amps", [0.0, 12.0])
def test_a_pause_never_fires(amps: float) -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, amps, samples=5, current_offered_a=0.0)
    assert story.kinds() == []


def test_a_sum_of_phases_never_fires() -> None:
    story = _story(RATED)
    _begin(story)
    for _ in range(5):
        story.wait(60)
        story.measure(transaction="1", current_a=48.0, current_offered_a=16.0)
    assert story.kinds() == []


def test_a_dc_outlet_has_one_current() -> None:
    connectors = (Connector(connector_id=1, max_current_a=150.0),)
    story = _story(Station(station_id="SE-1", current="DC", connectors=connectors))
    _begin(story)
    for _ in range(2):
        story.wait(60)
        story.measure(source="mqtt", current_a=170.0)
    assert len(story.standing) == 1


_RIPPLE_A = (151.0, 146.0, 160.0, 149.0, 163.0, 152.0, 144.0, 158.0)


def _read(story: Story, *readings: float) -> None:
    for amps in readings:
        story.wait(60)
        story.measure(transaction="1", current_a=amps, current_offered_a=150.0)


@pytest.fixture
def dc() -> Story:
    connectors = (Connector(connector_id=1, max_current_a=200.0),)
    story = _story(Station(station_id="SE-1", current="DC", connectors=connectors))
    _begin(story)
    return story


def test_peaks_of_a_varying_current_never_fire(dc: Story) -> None:
    _read(dc, *_RIPPLE_A, 170.4, 166.1, *_RIPPLE_A, 166.0, 171.0, *_RIPPLE_A)
    assert dc.kinds() == []


def test_a_varying_current_that_is_over_in_the_mean_fires(dc: Story) -> None:
    _read(dc, *[amps + 17 for amps in _RIPPLE_A])
    assert len(dc.standing) == 1


@pytest.mark.parametrize(
    "before", [(), (140.0,) * 8, (150.9, 151.0, 150.8, 151.0), _RIPPLE_A, (151.0, 155.0, 160.0, 165.0)]
)
def test_more_than_chance_fires_at_the_second_reading(dc: Story, before: tuple[float, ...]) -> None:
    _read(dc, *before, 185.0)
    assert dc.standing == []
    _read(dc, 184.0)
    assert len(dc.standing) == 1


def test_a_varying_current_that_stays_over_fires_in_the_end(dc: Story) -> None:
    _read(dc, *_RIPPLE_A, 168.0, 167.0, 168.0, 167.0, 168.0, 167.0)
    assert len(dc.standing) == 1


def test_without_any_limit_nothing_is_over() -> None:
    story = _story()
    _begin(story)
    _draw(story, 60.0)
    assert story.kinds() == []


def test_clears_when_other_vehicles_keep_the_limit() -> None:
    story = _story(RATED)
    _begin(story)
    _draw(story, 37.0)
    story.stop("1", meter_wh=5000)
    for number in range(2, 8):
        _begin(story, str(number), f"CARD{number}")
        _draw(story, 31.0, transaction=str(number))
        story.stop(str(number), meter_wh=5000)
    assert story.kinds() == [ChangeKind.RAISED, ChangeKind.CLEARED]


def test_the_report_as_such_is_put_under_it() -> None:
    story = Story(make_engine([RATED], rules=RULES))
    story.connect()
    _begin(story)
    _draw(story, 37.0)
    story.status(ConnectorState.FAULTED, "OverCurrentFailure")
    assert [finding.fault for finding in story.standing] == ["overcurrent"]


def test_a_current_that_the_power_contradicts_is_a_reading_that_is_wrong() -> None:
    story = _story(RATED)
    _begin(story)
    volts = {f"voltage_l{phase}_v": 230.0 for phase in (1, 2, 3)}
    _draw(story, 44.0, power_w=3 * 230 * 31.5, **volts)
    assert story.kinds() == []
    _draw(story, 44.0, power_w=230 * 44.0, **volts)  # one phase's power: it contradicts nothing
    assert [finding.fault for finding in story.standing] == ["overcurrent"]
