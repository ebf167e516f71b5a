"""The station machine: what it says to a central system over whole sessions, in virtual time."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.times import parse_time
from simulator.commands import HANDLERS
from simulator.outbox import MAX_ATTEMPTS
from simulator.spec import StationSpec
from tests.support.central import AC, AC_ONE, DC, Central, Said, make_station, power_w, register_wh, schema


def run(spec: StationSpec, seconds: float, **options: Any) -> Central:
    central = Central(make_station(spec, **options))
    central.connect()
    central.run(seconds)
    return central


@pytest.mark.parametrize("spec", [AC, AC_ONE, DC], ids=lambda spec: spec.model)
def test_every_call_keeps_to_the_official_schema(spec: StationSpec) -> None:
    central = run(spec, 6 * 3600, firmware_updates_per_day=8.0)
    seen = Counter(call.action for call in central.said)
    assert set(seen) == {
        "BootNotification",
        "Heartbeat",
        "StatusNotification",
        "Authorize",
        "StartTransaction",
        "MeterValues",
        "StopTransaction",
        "FirmwareStatusNotification",
    }
    validators = {action: schema(action) for action in seen}
    for call in central.said:
        validators[call.action].validate(call.payload)


def test_it_boots_first_and_then_says_how_it_is() -> None:
    central = run(AC, 2)
    first = [(call.action, call.payload.get("connectorId")) for call in central.said[:4]]
    assert first == [
        ("BootNotification", None),
        ("StatusNotification", 0),
        ("StatusNotification", 1),
        ("StatusNotification", 2),
    ]


def test_a_session_goes_through_its_statuses_in_order() -> None:
    central = run(AC_ONE, 900)
    assert central.statuses()[:6] == ["Available", "Preparing", "Charging", "Finishing", "Available", "Preparing"]


def test_a_transaction_uses_the_id_it_was_given() -> None:
    central = run(AC, 3600)
    stops = [call.payload["transactionId"] for call in central.calls("StopTransaction")]
    assert len(stops) > 4
    assert len(set(stops)) == len(stops)
    assert {call.payload["transactionId"] for call in central.calls("MeterValues")} >= set(stops)
    assert min(stops) > 100


@pytest.mark.parametrize("spec", [AC, AC_ONE, DC], ids=lambda spec: spec.model)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_register_is_the_integral_of_power(spec: StationSpec, seed: int) -> None:
    central = run(spec, 5400, seed=seed, session_s=(1200, 2400))
    by_transaction: dict[int, list[Said]] = {}
    for call in central.calls("MeterValues"):
        by_transaction.setdefault(call.payload["transactionId"], []).append(call)
    checked = 0
    for calls in by_transaction.values():
        metered_wh = register_wh(calls[-1].payload) - register_wh(calls[0].payload)
        integral_wh = sum(power_w(call.payload) * 10 / 3600 for call in calls[1:])
        if metered_wh > 300:
            checked += 1
            assert metered_wh == pytest.approx(integral_wh, rel=0.02, abs=12)
    assert checked


def test_a_stop_never_reads_less_than_its_start() -> None:
    central = run(DC, 4 * 3600)
    starts = {}
    for call, acknowledged in zip(
        central.calls("StartTransaction"),
        [item for item in central.acknowledged if item.action == "StartTransaction"],
        strict=True,
    ):
        starts[acknowledged.reply["transactionId"]] = call.payload["meterStart"]
    for call in central.calls("StopTransaction"):
        assert call.payload["meterStop"] >= starts[call.payload["transactionId"]]


def test_the_same_seed_says_the_same_and_another_does_not() -> None:
    first, same, other = (run(AC, 1800, seed=seed) for seed in (4, 4, 5))
    assert first.said == same.said
    assert first.said != other.said


def test_only_one_call_is_under_way() -> None:
    central = Central(make_station(), answer=lambda call: None)
    central.connect()
    central.run(29)
    assert [call.action for call in central.said] == ["BootNotification"]


def test_a_pending_station_asks_again_and_says_nothing_else() -> None:
    central = Central(make_station())
    central.answer = lambda call: {"status": "Pending", "interval": 30, "currentTime": "2026-11-18T10:00:00Z"}
    central.connect()
    central.run(100)
    assert Counter(call.action for call in central.said) == {"BootNotification": 4}
    central.answer = central.accept
    central.run(60)
    assert central.calls("StatusNotification")


def test_what_happened_offline_is_told_later_in_order_with_its_own_times() -> None:
    central = Central(make_station(AC_ONE, session_s=(60, 90)))
    central.connect()
    central.run(1)
    central.cut()
    cut_s = central.now_s
    before = len(central.said)
    central.run(1800)
    assert len(central.said) == before
    reconnected_s = central.now_s
    central.connect()
    central.run(120)
    told = [call for call in central.said[before:] if call.action in {"StartTransaction", "StopTransaction"}]
    times = [parse_time(call.payload["timestamp"]) for call in told]
    offline = [at for at in times if at is not None and cut_s < at.timestamp() < reconnected_s]
    assert len(offline) >= 4
    assert times == sorted(times, key=str)
    assert [call.action for call in told[:4]] == ["StartTransaction", "StopTransaction"] * 2


def test_an_unanswered_start_is_sent_again_unchanged_and_its_stop_waits() -> None:
    central = Central(make_station(AC_ONE, session_s=(60, 70)))
    central.connect()
    accept = central.answer
    central.answer = lambda call: None if call.action == "StartTransaction" else accept(call)
    central.run(200)
    starts = central.calls("StartTransaction")
    assert len(starts) >= 3
    assert len({(start.unique_id, str(start.payload)) for start in starts}) == 1
    assert not central.calls("StopTransaction")
    central.answer = accept
    central.run(120)
    stop = central.calls("StopTransaction")[0]
    assert stop.payload["transactionId"] == 101


def test_a_start_under_way_when_the_link_breaks_keeps_its_message_id() -> None:
    central = Central(make_station(AC_ONE))
    central.connect()
    accept = central.answer
    central.answer = lambda call: None if call.action == "StartTransaction" else accept(call)
    central.run(55)
    first = central.calls("StartTransaction")[0]
    central.cut()
    central.run(5)
    central.answer = accept
    central.connect()
    central.run(20)
    again = central.calls("StartTransaction")[-1]
    assert (again.unique_id, again.payload) == (first.unique_id, first.payload)


def test_a_refused_start_is_given_up_after_some_tries() -> None:
    central = Central(make_station(AC_ONE, session_s=(100, 110)))
    central.connect()
    accept = central.answer
    central.answer = lambda call: (
        [4, call.unique_id, "InternalError", "", {}] if call.action == "StartTransaction" else accept(call)
    )
    central.run(200)
    starts = central.calls("StartTransaction")
    assert Counter(start.unique_id for start in starts)[starts[0].unique_id] == MAX_ATTEMPTS
    assert central.calls("StopTransaction")[0].payload["transactionId"] == -1


def test_a_driver_who_is_refused_does_not_charge() -> None:
    central = Central(make_station(AC_ONE))
    central.answer = lambda call: (
        {"idTagInfo": {"status": "Invalid"}} if call.action == "Authorize" else central.accept(call)
    )
    central.connect()
    central.run(60)
    assert central.calls("Authorize")
    assert not central.calls("StartTransaction")


def test_a_start_that_is_not_accepted_ends_as_deauthorised() -> None:
    central = Central(make_station(AC_ONE))
    central.answer = lambda call: (
        {"transactionId": 7, "idTagInfo": {"status": "Blocked"}}
        if call.action == "StartTransaction"
        else central.accept(call)
    )
    central.connect()
    central.run(60)
    stop = central.calls("StopTransaction")[0].payload
    assert (stop["reason"], stop["transactionId"]) == ("DeAuthorized", 7)


def test_heartbeats_come_at_the_told_interval() -> None:
    central = run(AC, 3000)
    times = [call.at_s for call in central.calls("Heartbeat")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps
    assert gaps == pytest.approx([300] * len(gaps), abs=2)


def test_a_boot_that_is_never_answered_is_tried_again_after_a_reconnect() -> None:
    central = Central(make_station(), answer=lambda call: None)
    central.connect()
    central.run(40)
    central.cut()
    central.answer = central.accept
    central.connect()
    central.run(5)
    assert central.station.online
    assert len(central.calls("BootNotification")) == 2


def test_a_lost_triggered_boot_does_not_silence_a_station() -> None:
    central = run(AC, 60)
    central.answer = lambda call: None
    central.send([2, "t", "TriggerMessage", {"requestedMessage": "BootNotification"}])
    central.run(100)
    central.answer = central.accept
    central.run(200)
    assert central.station.online
    assert central.calls("StatusNotification")[-1].at_s > central.now_s - 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.sampled_from(
    [
        "connectorId",
        "transactionId",
        "idTagInfo",
        "status",
        "interval",
        "key",
        "value",
        "type",
        "requestedMessage",
        "idTag",
    ]
)
_PAYLOAD = st.dictionaries(
    _WORDS, _JSON | st.sampled_from(["Accepted", "MeterValues", "Soft", 0, 1, 2]), max_size=4
)


@given(_JSON | st.tuples(st.just(2), st.just("id"), st.sampled_from(sorted(HANDLERS)), _PAYLOAD).map(list))
def test_no_frame_breaks_a_station(frame: object) -> None:
    central = run(AC, 20)
    central.send(frame)
    central.run(20)


@given(st.sampled_from(["BootNotification", "Authorize", "StartTransaction", "StopTransaction"]), _PAYLOAD)
def test_no_reply_breaks_a_station(action: str, payload: dict[str, Any]) -> None:
    central = Central(make_station(AC_ONE, session_s=(20, 30)))
    central.answer = lambda call: payload if call.action == action else central.accept(call)
    central.connect()
    central.run(150)


def test_strange_frames_change_nothing() -> None:
    central = run(AC, 30)
    for frame in (
        None,
        [],
        {},
        [3, "unknown", {}],
        [4, "unknown", "x", "y", {}],
        [2, 1, "Reset", {}],
        [9, "a", {}],
    ):
        central.send(frame)
    assert not central.answers


def test_devices_publish_numbers_with_units_in_their_names() -> None:
    central = run(DC, 300, mqtt=True, mqtt_interval_s=30.0)
    topics = {item.topic for item in central.published}
    assert topics == {
        f"laddvakt/{DC.station_id}/telemetry",
        f"laddvakt/{DC.station_id}/1/meter",
        f"laddvakt/{DC.station_id}/2/meter",
    }
    meters = [item.payload for item in central.published if item.topic.endswith("/1/meter")]
    assert len(meters) >= 9
    assert set(meters[0]) == {"ts", "energy_wh", "power_w", "plug_temperature_c", "isolation_ohm_per_v"}
    telemetry = next(item.payload for item in central.published if item.topic.endswith("telemetry"))
    assert set(telemetry) == {"ts", "ambient_temperature_c", "cabinet_temperature_c", "rssi_dbm", "fan_rpm"}


@pytest.mark.parametrize("spec", [AC, DC], ids=lambda spec: spec.model)
def test_a_fleet_that_is_started_again_never_counts_back(spec: StationSpec) -> None:
    central = run(spec, 3 * 3600)
    again = make_station(spec, now_s=central.now_s + 60)
    for connector_id, bay in central.station.bays.items():
        assert again.bays[connector_id].circuit.register_wh > bay.circuit.register_wh
