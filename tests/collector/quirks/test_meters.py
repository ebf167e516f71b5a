"""What real stations do with meters. The numbers are the lines of docs/reference/quirks.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.points import PointMaker
from collector.quality import COUNTED_ANEW, FAR_BELOW_POWER, KWH_AS_WH, MISLABELLED, TOO_FAST
from detector.engine import Engine
from detector.rules import RULES
from laddvakt.domain.facts import Measured, QuarantineReason
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality, SessionState
from tests.support.recording import Desk
from tests.support.recording import desk as opened_desk
from tests.support.stations import Speaker, at, stamp

REGISTER = "Energy.Active.Import.Register"


def sample(value: object, **more: str) -> dict[str, Any]:
    return {"value": str(value), **more}


def values(station: Speaker, seconds: float, *samples: dict[str, Any], transaction: int | None = None) -> Any:
    payload: dict[str, Any] = {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(seconds), "sampledValue": list(samples)}],
    }
    if transaction is not None:
        payload["transactionId"] = transaction
    return station.call("MeterValues", payload, seconds)


def readings(station: Speaker) -> dict[str, Reading]:
    facts = [fact for entry in station.said for fact in entry.facts if isinstance(fact, Measured)]
    return {reading.field: reading for fact in facts for reading in fact.readings}


# 11


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ({"measurand": "Power.Active.Import", "unit": "Wh"}, "power_w", 7.0),
        ({"measurand": "Power.Active.Import", "unit": "kWh"}, "power_w", 7000.0),
        ({"measurand": REGISTER, "unit": "W"}, "energy_wh", 7.0),
        ({"measurand": REGISTER, "unit": "kW"}, "energy_wh", 7000.0),
        ({"measurand": "Temperature", "unit": "C"}, "temperature_c", 7.0),
        ({"measurand": "Temperature", "unit": "Celcius"}, "temperature_c", 7.0),
        ({"measurand": REGISTER}, "energy_wh", 7.0),
        ({"unit": "Wh"}, "energy_wh", 7.0),
        ({}, "energy_wh", 7.0),
    ],
)
def test_q11_units_that_are_wrong_or_missing_are_normalised(
    said: dict[str, str], field: str, value: float
) -> None:
    station = Speaker()
    assert values(station, 0, sample(7, **said))[0] == 3
    assert {name: reading.value for name, reading in readings(station).items()} == {field: value}


def test_q11_kwh_labelled_wh_is_told_by_the_start_register(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=4_076_000)
    for second, kwh in ((60, "4076.1"), (120, "4076.3")):
        values(station, second, sample(kwh, measurand=REGISTER, unit="Wh"), transaction=number)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (300, Quality.ESTIMATED)
    assert desk.session.quality_reasons == (KWH_AS_WH,)


def test_q11_whole_kwh_labelled_wh_are_told_by_the_power(desk: Desk) -> None:
    desk.register(max_power_w=11_000)
    station = Speaker()
    number = station.start(0, meter=361)
    power = {"measurand": "Power.Active.Import", "unit": "W"}
    for minute in range(1, 31):
        register = sample(361 + round(minute * 9450 / 60) // 1000, measurand=REGISTER, unit="Wh")
        values(station, minute * 60, register, sample(9450, **power), transaction=number)
    station.stop(number, 365, 1800)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (4000, Quality.SUSPECT)
    assert FAR_BELOW_POWER in desk.session.quality_reasons


def test_q11_wh_labelled_kwh_is_suspect_and_not_billed_a_thousand_times(desk: Desk) -> None:
    desk.register(max_power_w=22_000)
    station = Speaker()
    number = station.start(0, meter=0)
    for minute in range(1, 4):
        values(station, minute * 60, sample(minute * 350, measurand=REGISTER, unit="kWh"), transaction=number)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (1050, Quality.SUSPECT)
    assert desk.session.quality_reasons == (MISLABELLED,)


def test_q11_more_than_the_rated_power_allows_is_suspect_and_not_used(desk: Desk) -> None:
    desk.register(max_power_w=22_000)
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 300, 60)
    station.energy(number, 300_000, 120)
    station.energy(number, 900, 180)
    station.stop(number, 1200, 240)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (1200, Quality.SUSPECT)
    assert desk.session.quality_reasons == (TOO_FAST,)


# 12


def test_q12_values_per_session_beside_a_lifetime_start_and_stop(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=4_076_000)
    for second, wh in ((60, 100), (120, 300), (180, 500)):
        station.energy(number, wh, second)
        desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality_reasons) == (500, (COUNTED_ANEW,))
    station.stop(number, 4_076_600, 240)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (600, Quality.ESTIMATED)


def test_q12_stop_per_session_beside_a_lifetime_start(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=4_076_000)
    for second, wh in ((60, 100), (120, 300)):
        station.energy(number, wh, second)
    station.stop(number, 350, 180)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (350, Quality.ESTIMATED)


def test_q12_lifetime_values_beside_a_start_per_session_are_not_the_energy(desk: Desk) -> None:
    desk.register(max_power_w=22_000)
    station = Speaker()
    number = station.start(0, meter=0)
    for second, wh in ((60, 4_076_100), (120, 4_076_400)):
        station.energy(number, wh, second)
    station.stop(number, 4_076_700, 180)
    desk.record(station)
    session = desk.session
    assert (session.energy_wh, session.quality) == (600, Quality.SUSPECT)


def test_q12_lifetime_stop_of_a_start_per_session_is_not_the_energy(desk: Desk) -> None:
    desk.register(max_power_w=22_000)
    station = Speaker()
    number = station.start(0, meter=0)
    station.stop(number, 4_076_700, 3600)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (0, Quality.SUSPECT)
    assert desk.session.meter_stop_wh == 4_076_700


def test_q12_register_since_boot_goes_on_over_a_reboot(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=5000)
    station.energy(number, 6000, 600)
    station.boot(700)
    for second, wh in ((760, 100), (820, 300)):
        station.energy(number, wh, second)
    station.stop(number, 500, 900)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality_reasons) == (1000 + 400, (COUNTED_ANEW,))


# 13


def test_q13_register_that_drops_to_zero_once_is_ignored_and_counted(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    for second, wh in ((10, 1100), (20, 0), (30, 1200), (40, 0), (50, 1300)):
        station.energy(number, wh, second)
        desk.record(station)
        assert desk.session.energy_wh >= 100
    station.stop(number, 1400, 60)
    desk.record(station)
    session = desk.session
    assert (session.energy_wh, session.readings_ignored, session.quality) == (400, 2, Quality.CONFIRMED)


def test_q13_register_that_stays_at_zero_for_a_while_comes_back(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    for second, wh in ((10, 1100), (20, 0), (30, 0), (40, 0), (50, 1300)):
        station.energy(number, wh, second)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.readings_ignored) == (300, 3)
    assert desk.session.quality is Quality.CONFIRMED


def test_q13_rollback_is_believed_when_a_second_value_goes_on_from_it(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    station.energy(number, 1100, 60)
    station.energy(number, 20, 120)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (100, Quality.CONFIRMED)
    station.energy(number, 120, 180)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality_reasons) == (200, (COUNTED_ANEW,))


# 14


def test_q14_begin_repeated_beside_each_sample_is_not_the_register(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=157_440)
    for second, wh in ((60, 157_640), (120, 157_840)):
        now = sample(wh, context="Sample.Periodic", measurand=REGISTER, unit="Wh")
        begin = sample(157_440, context="Transaction.Begin", measurand=REGISTER, unit="Wh")
        values(station, second, now, begin, transaction=number)
    points = PointMaker().points(station.said)
    assert [point.values["energy_wh"] for point in points] == [157_640, 157_840]
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (400, Quality.CONFIRMED)


def test_q14_entries_of_one_message_keep_their_own_time_and_context() -> None:
    station = Speaker()
    entries = [
        {"timestamp": stamp(second), "sampledValue": [sample(wh, context=context)]}
        for second, wh, context in ((10, 5, "Sample.Clock"), (20, 6, "Sample.Periodic"))
    ]
    station.call("MeterValues", {"connectorId": 1, "meterValue": entries}, 30)
    (fact,) = station.said[0].facts
    assert isinstance(fact, Measured)
    assert [(r.at, r.context) for r in fact.readings] == [(at(10), "Sample.Clock"), (at(20), "Sample.Periodic")]


# 15


def test_q15_phases_that_disagree_with_the_total_do_not_replace_it(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    power = {"measurand": "Power.Active.Import", "unit": "W"}
    phases = [sample(3000, phase=f"L{n}", **power) for n in (1, 2, 3)]
    values(station, 60, *phases, sample(11_000, **power), transaction=number)
    desk.record(station)
    assert desk.session.power_w == 11_000
    values(station, 120, *phases, transaction=number)
    desk.record(station)
    assert desk.session.power_w == 9000


def test_q15_currents_tagged_l1_n_are_those_of_l1() -> None:
    station = Speaker()
    values(station, 0, sample(16, measurand="Current.Import", phase="L1-N", unit="A"))
    assert readings(station)["current_l1_a"].value == 16


def test_q15_one_phase_said_of_three_does_not_stand_for_the_power(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    for second, wh in ((60, 183), (120, 366)):
        one = sample(3660, measurand="Power.Active.Import", phase="L1", unit="W")
        values(station, second, one, sample(wh, measurand=REGISTER, unit="Wh"), transaction=number)
    desk.record(station)
    assert desk.session.power_w == pytest.approx(10_980)


def test_q15_registers_of_three_phases_without_a_total_are_added(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=3000)
    phases = [sample(1100, measurand=REGISTER, phase=f"L{n}", unit="Wh") for n in (1, 2, 3)]
    values(station, 60, *phases, transaction=number)
    desk.record(station)
    assert desk.session.energy_wh == 300


# 16


def test_q16_odd_texts_are_read_or_set_aside_and_the_rest_survives(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    odd = [
        sample("T0NNRnx7fQ==", format="SignedData", measurand=REGISTER),
        sample("", measurand="Voltage"),
        sample("NaN", measurand="Current.Import"),
        sample("1,5 kWh", measurand=REGISTER, unit="kWh"),
        sample("230.1 V", measurand="Voltage", phase="L2"),
    ]
    assert values(station, 600, *odd, transaction=number)[0] == 3
    assert "T0NNRnx7fQ==" in station.said[-1].raw
    assert {name: r.value for name, r in readings(station).items()} == {"energy_wh": 1500.0, "voltage_l2_v": 230.1}
    desk.record(station)
    assert desk.session.energy_wh == 1500
    assert [item.reason for item in desk.quarantine] == [QuarantineReason.UNREADABLE_VALUE] * 2


# 17


def test_q17_station_that_sends_energy_alone_has_a_power_and_no_finding(desk: Desk) -> None:
    station = Speaker()
    station.up()
    station.boot()
    station.status("Charging", 1)
    number = station.start(1, meter=0)
    for minute in range(1, 61):
        station.energy(number, minute * 180, minute * 60)
    engine = Engine(
        thresholds={rule.code: {t.name: t.default for t in rule.thresholds} for rule in RULES},
        pseudonymise=lambda tag: tag,
    )
    changes = [*engine.observe(station.said), *engine.tick(at(3600) + timedelta(seconds=30))]
    assert [change.finding for change in changes if change.finding] == []
    desk.record(station)
    assert (desk.session.power_w, desk.session.state) == (10_800.0, SessionState.ACTIVE)


# Any register at all


@given(
    start=st.sampled_from([0, 5000, 4_076_000]),
    said=st.lists(st.sampled_from([0, 20, 400, 5100, 5400, 4076.2, 4_076_100, 4_076_500, 9e9]), max_size=10),
    unit=st.sampled_from(["Wh", "kWh"]),
    stop=st.sampled_from([0, 300, 5600, 4_076_900, 2**40]),
)
def test_energy_is_never_negative_and_never_more_than_can_flow(
    start: int, said: list[float], unit: str, stop: int
) -> None:
    with opened_desk() as desk:
        desk.register(max_power_w=22_000)
        station = Speaker()
        number = station.start(0, meter=start)
        for minute, value in enumerate(said, start=1):
            values(station, minute * 60, sample(value, measurand=REGISTER, unit=unit), transaction=number)
        seconds = (len(said) + 1) * 60
        station.stop(number, stop, seconds)
        desk.record(station)
        most = 1.2 * 22_000 * seconds / 3600 + 500 * (len(said) + 1)
        assert 0 <= desk.session.energy_wh <= most
