"""meter_drift: registers that count wrong, and what makes honest ones look so."""

from __future__ import annotations

from datetime import timedelta

import pytest

from detector.changes import ChangeKind
from detector.rules import meter_drift
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story, make_engine


@pytest.fixture
def story() -> Story:
    station = Station(station_id="SE-1", current="AC")
    return Story(make_engine([station], rules=(meter_drift.RULE,)))


class Meter:
    """A register that counts what flows, times `gain`."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.wh = 1_000_003.0
        self.device_wh = 77.0
        self.session = 0

    def charge(
        self,
        *,
        gain: float = 1.0,
        watts: float = 11_000.0,
        minutes: float = 30,
        every_s: float = 60,
        step_wh: int = 1,
        device: float | None = None,
        says_power: bool = True,
        behind_s: float = 0,
        slow: float = 0,
        taper: bool = False,
    ) -> None:
        """One session. `device`: the gain of an independent meter beside it, which speaks every 30 s. `behind_s`:
        by which the station's clock is wrong; `slow`: by how much of the time it falls behind; `taper`: power
        falls to a tenth."""
        story = self.story
        self.session += 1
        transaction = str(self.session)
        story.start(transaction, f"CARD-{self.session}")
        for tick in range(1, round(minutes * 60 / 5) + 1):
            story.now += timedelta(seconds=5)
            if taper and tick * 5 > minutes * 30:
                watts = max(watts * 0.98, 1100)
            self.wh += gain * watts * 5 / 3600
            self.device_wh += (device or 1.0) * watts * 5 / 3600
            if device is not None and tick % 6 == 1:
                story.measure(source="mqtt", energy_wh=round(self.device_wh, 1))
            if (tick * 5) % every_s < 5:
                power = {"power_w": watts} if says_power else {}
                at = story.now - timedelta(seconds=behind_s + slow * tick * 5)
                story.measure(transaction=transaction, energy_wh=self.wh // step_wh * step_wh, at=at, **power)
        story.stop(transaction)
        story.wait(600)


@pytest.mark.parametrize(("gain", "sessions"), [(1.042, 5), (0.93, 5), (1.12, 3), (0.85, 3)])
def test_a_register_off_against_its_own_power_fires(story: Story, gain: float, sessions: int) -> None:
    meter = Meter(story)
    for _ in range(6):
        meter.charge()
    assert story.standing == []
    for _ in range(sessions):
        meter.charge(gain=gain)
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.asset.kind) == ("meter_drift", Severity.P3, "station")
    assert ("more" if gain > 1 else "less") + " than its own power says" in finding.explanation


def test_one_session_alone_proves_nothing(story: Story) -> None:
    meter = Meter(story)
    meter.charge(gain=1.3)
    meter.charge(gain=1.3)
    meter.charge()
    assert story.kinds() == []


def test_an_independent_meter_sees_what_all_of_the_stations_meter_gets_wrong(story: Story) -> None:
    meter = Meter(story)
    for _ in range(5):
        meter.charge(device=1.0)
    for _ in range(6):
        meter.charge(device=1 / 1.03)  # register and power are off by the same
    (finding,) = story.standing
    assert "more than an independent meter says" in finding.explanation


def test_meters_of_their_own_class_of_accuracy_never_fire(story: Story) -> None:
    meter = Meter(story)
    for number in range(20):
        meter.charge(gain=1.008, device=0.995 if number % 2 else 0.999)
    assert story.kinds() == []


@pytest.mark.parametrize("loss", [0.01, 0.02, 0.04])
@pytest.mark.parametrize("before", [0, 6])
def test_the_loss_of_a_cable_left_out_never_fires(story: Story, loss: float, before: int) -> None:
    """From the beginning, or once somebody has switched it on."""
    meter = Meter(story)
    for _ in range(before):
        meter.charge()
    for number in range(25):
        watts = (11_000.0, 7_400.0, 3_700.0)[number % 3]
        meter.charge(gain=1 - loss * watts / 11_000, watts=watts, minutes=45)
    assert story.kinds() == []


def test_a_register_that_agrees_with_its_power_is_right_whatever_was_usual(story: Story) -> None:
    """Somebody set it right, or the first sessions were told with gaps."""
    meter = Meter(story)
    for _ in range(5):
        meter.charge(gain=0.955)
    for _ in range(12):
        meter.charge()
    assert story.kinds() == []


def test_sparse_samples_never_fire(story: Story) -> None:
    meter = Meter(story)
    for _ in range(12):
        meter.charge(gain=1.2, every_s=300, minutes=60)
    assert story.kinds() == []


def test_a_station_that_says_no_power_never_fires(story: Story) -> None:
    meter = Meter(story)
    for _ in range(12):
        meter.charge(gain=1.2, says_power=False)
    assert story.kinds() == []


@pytest.mark.parametrize("step_wh", [10, 100, 1000])
def test_coarse_registers_never_fire(story: Story, step_wh: int) -> None:
    meter = Meter(story)
    for number in range(20):
        meter.charge(step_wh=step_wh, minutes=22 + number)
    assert story.kinds() == []


def test_new_firmware_begins_anew(story: Story) -> None:
    meter = Meter(story)
    for _ in range(6):
        meter.charge()
    for _ in range(2):
        meter.charge(gain=1.1)
    story.boot()
    engine_view = story.engine.view("SE-1")
    assert engine_view is not None
    engine_view.firmware = "2.0"
    meter.charge(gain=1.1)
    assert story.standing == []


def test_a_device_in_front_of_a_dc_station_counts_its_losses_too() -> None:
    story = Story(make_engine([Station(station_id="SE-1", current="DC")], rules=(meter_drift.RULE,)))
    meter = Meter(story)
    for _ in range(10):
        meter.charge(device=1.04, watts=50_000)
    assert story.kinds() == []
    for _ in range(5):
        meter.charge(device=1.12, watts=50_000)
    assert [finding.fault for finding in story.standing] == ["meter_drift"]


def test_a_device_that_measures_the_whole_station_never_fires(story: Story) -> None:
    meter = Meter(story)
    for _ in range(12):
        meter.charge(device=2.0)
    assert story.kinds() == []


def test_three_sessions_that_agree_clear(story: Story) -> None:
    meter = Meter(story)
    for _ in range(5):
        meter.charge()
    for _ in range(5):
        meter.charge(gain=1.1)
    for _ in range(2):
        meter.charge()
    assert ChangeKind.CLEARED not in story.kinds()
    meter.charge()
    assert story.kinds()[-1] is ChangeKind.CLEARED


def test_one_sample_a_second_says_the_same(story: Story) -> None:
    meter = Meter(story)
    for _ in range(5):
        meter.charge(every_s=5)
    for _ in range(4):
        meter.charge(gain=0.88, every_s=5)
    assert [finding.fault for finding in story.standing] == ["meter_drift"]


@pytest.mark.parametrize("slow", [0.2, -0.2])
def test_a_clock_that_runs_slow_or_fast_does_not_say_how_long_power_flowed(story: Story, slow: float) -> None:
    meter = Meter(story)
    for _ in range(6):
        meter.charge(every_s=30)
    for _ in range(6):
        meter.charge(every_s=30, slow=slow)
    assert story.kinds() == []
    for _ in range(4):
        meter.charge(every_s=30, gain=1.12)
    assert [finding.fault for finding in story.standing] == ["meter_drift"]


def test_a_clock_that_is_wrong_is_not_the_meters_fault(story: Story) -> None:
    meter = Meter(story)
    for _ in range(8):
        meter.charge(device=1.0, taper=True, watts=22_000, minutes=16)
    for _ in range(8):
        meter.charge(device=1.0, taper=True, watts=22_000, minutes=16, behind_s=25)
    assert story.kinds() == []
