"""Transactions of OCPP 2.x through the link and the recorder: late, twice, in any order, with gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import numbered
from collector.recorder import Scribe
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Station, StationState
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import Speaker, at, stamp

LATER = 10_000  # seconds; when what waited in a station's queue arrives


def open_empty() -> Records:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    return store


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_empty()
    yield store
    store.close()


def register(wh: float, seconds: float, context: str = "Sample.Periodic", **unit: Any) -> dict[str, Any]:
    sample = {"value": wh, "context": context, "unitOfMeasure": {"unit": "Wh", **unit}}
    return {"timestamp": stamp(seconds), "sampledValue": [sample]}


def event(
    kind: str,
    number: int,
    seconds: float,
    *meter: dict[str, Any],
    state: str | None = None,
    transaction: str = "T-1",
    **more: Any,
) -> dict[str, Any]:
    payload = {
        "eventType": kind,
        "timestamp": stamp(seconds),
        "triggerReason": "MeterValuePeriodic",
        "seqNo": number,
        "transactionInfo": {"transactionId": transaction},
        **more,
    }
    if meter:
        payload["meterValue"] = list(meter)
    if state is not None:
        payload["transactionInfo"]["chargingState"] = state
    return payload


EVSE: dict[str, Any] = {"evse": {"id": 1, "connectorId": 1}}
TOKEN: dict[str, Any] = {"idToken": {"idToken": "TAG1", "type": "ISO14443"}}


def started(number: int = 0, seconds: float = 0, wh: float = 1000, **more: Any) -> dict[str, Any]:
    begin = register(wh, seconds, "Transaction.Begin")
    return event("Started", number, seconds, begin, **{**EVSE, **TOKEN, **more})


def ended(number: int, seconds: float, wh: float, **more: Any) -> dict[str, Any]:
    return event("Ended", number, seconds, register(wh, seconds, "Transaction.End"), **more)


def hear(
    records: Records, *events: dict[str, Any], station: Speaker | None = None, seconds: float = LATER
) -> None:
    speaker = station or Speaker(protocol="ocpp2.0.1")
    for payload in events:
        reply = speaker.call("TransactionEvent", payload, seconds)
        assert reply[0] == 3, reply
    Scribe(records, "key").apply(speaker.said)
    speaker.said.clear()


def sessions(records: Records) -> list[Session]:
    with records.read() as work:
        return sorted(work.sessions.page().items, key=lambda session: session.started_at)


def only(records: Records) -> Session:
    (session,) = sessions(records)
    return session


def station_of(records: Records) -> Station:
    with records.read() as work:
        found = work.stations.get("SE-1")
    assert found is not None
    return found


def connector_of(records: Records) -> Connector:
    (connector,) = station_of(records).connectors
    return connector


def test_whole_transaction_is_one_confirmed_session(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.up()
    hear(records, started(state="EVConnected"), station=station, seconds=0)
    assert connector_of(records).status is ConnectorState.PREPARING
    power = {"value": 11, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "W", "multiplier": 3}}
    sample = register(1500.4, 60)
    sample["sampledValue"].append(power)
    hear(records, event("Updated", 1, 60, sample, state="Charging"), station=station, seconds=60)
    live, connector = only(records), connector_of(records)
    assert (live.state, live.energy_wh, live.power_w) == (SessionState.ACTIVE, 500, 11000.0)
    assert (connector.status, connector.power_w, connector.session_id) == (
        ConnectorState.CHARGING,
        11000.0,
        live.session_id,
    )
    assert station_of(records).state is StationState.CHARGING
    hear(records, event("Updated", 2, 90, state="SuspendedEV"), station=station, seconds=90)
    assert only(records).state is SessionState.SUSPENDED
    over = ended(3, 120, 1600)
    over["transactionInfo"]["stoppedReason"] = "EVDisconnected"
    hear(records, over, station=station, seconds=120)
    session = only(records)
    assert (session.state, session.energy_wh, session.duration_s) == (SessionState.ENDED, 600, 120)
    assert (session.quality, session.quality_reasons) == (Quality.CONFIRMED, ())
    assert (session.stop_reason, session.event_numbers) == ("EVDisconnected", "0-3")
    assert (session.meter_start_wh, session.meter_stop_wh) == (1000, 1600)
    connector = connector_of(records)
    assert (connector.status, connector.session_id, connector.power_w) == (ConnectorState.FINISHING, None, None)


def test_occupied_does_not_hide_that_energy_flows(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    station.up()
    occupied = {"timestamp": stamp(1), "connectorStatus": "Occupied", "evseId": 1, "connectorId": 1}
    station.call("StatusNotification", occupied, 1)
    hear(records, started(seconds=2), station=station, seconds=2)
    assert connector_of(records).status is ConnectorState.PREPARING
    hear(records, event("Updated", 1, 60, register(1200, 60)), station=station, seconds=60)
    assert connector_of(records).status is ConnectorState.CHARGING
    station.call("StatusNotification", {**occupied, "timestamp": stamp(70)}, 70)
    hear(records, station=station)
    assert connector_of(records).status is ConnectorState.CHARGING


def test_missing_number_is_named_until_it_comes(records: Records) -> None:
    hear(records, started(), ended(4, 100, 1500))
    session = only(records)
    assert (session.quality, session.energy_wh) == (Quality.ESTIMATED, 500)
    assert session.quality_reasons == ("events of the transaction never came: 1-3",)
    hear(records, *(event("Updated", number, 10 * number, register(1100, 10 * number)) for number in (3, 1)))
    assert only(records).quality_reasons == ("events of the transaction never came: 2",)
    hear(records, event("Updated", 2, 20))
    session = only(records)
    assert (session.quality, session.quality_reasons, session.energy_wh) == (Quality.CONFIRMED, (), 500)


def test_negative_numbers_count_nothing(records: Records) -> None:
    hear(records, started(), event("Updated", -1, 10), ended(1, 100, 1500))
    assert (only(records).quality, only(records).event_numbers) == (Quality.CONFIRMED, "0-1")


def test_station_that_numbers_nothing_is_believed_by_time(records: Records) -> None:
    hear(
        records,
        started(),
        event("Updated", 0, 20, register(1200, 20)),
        event("Updated", 0, 10, register(1100, 10)),
        ended(0, 60, 1500),
    )
    session = only(records)
    assert (session.energy_wh, session.quality, session.state) == (500, Quality.CONFIRMED, SessionState.ENDED)


def test_session_whose_start_never_came_is_estimated(records: Records) -> None:
    hear(records, event("Updated", 3, 30, register(1100, 30), **EVSE), ended(4, 60, 1300))
    session = only(records)
    assert (session.energy_wh, session.quality, session.started_at) == (200, Quality.ESTIMATED, at(30))
    assert numbered.START_UNHEARD in session.quality_reasons
    assert session.connector_id == 1


def test_late_start_puts_the_session_right(records: Records) -> None:
    hear(records, ended(1, 60, 1300))
    hear(records, started())
    session = only(records)
    assert (session.energy_wh, session.quality, session.state) == (300, Quality.CONFIRMED, SessionState.ENDED)
    assert (session.started_at, session.duration_s, session.connector_id) == (at(0), 60, 1)
    assert session.token is not None
    assert connector_of(records).session_id is None if station_of(records).connectors else True


def test_update_after_the_end_does_not_revive_the_session(records: Records) -> None:
    hear(records, started(), ended(2, 60, 1300), event("Updated", 1, 30, register(1200, 30), state="Charging"))
    hear(records, event("Updated", 3, 90, register(1900, 90), state="Charging"))
    session = only(records)
    assert (session.state, session.energy_wh, session.power_w) == (SessionState.ENDED, 300, None)


def test_end_without_a_register_takes_the_last_one(records: Records) -> None:
    hear(records, started(), event("Updated", 1, 30, register(1200, 30)), event("Ended", 2, 60))
    session = only(records)
    assert (session.energy_wh, session.quality) == (200, Quality.ESTIMATED)


def test_place_and_driver_may_come_with_a_later_event(records: Records) -> None:
    bare = event("Started", 0, 0, register(1000, 0))
    hear(records, bare, seconds=0)
    assert only(records).connector_id == 0
    hear(records, event("Updated", 1, 5, evse={"id": 2}, **TOKEN), seconds=5)
    session = only(records)
    assert (session.connector_id, session.evse_id) == (2, 2)
    assert session.token is not None
    assert connector_of(records).session_id == session.session_id


def test_who_stops_a_session_is_not_its_driver(records: Records) -> None:
    hear(records, started(idToken={"idToken": "A", "type": "Local"}))
    token = only(records).token
    hear(records, ended(1, 60, 1100, idToken={"idToken": "B", "type": "Local"}))
    assert only(records).token == token


def test_reused_transaction_id_is_a_new_session(records: Records) -> None:
    hear(records, started(), ended(1, 60, 1300))
    hear(records, started(seconds=100, wh=1300), ended(1, 160, 1400))
    first, second = sessions(records)
    assert (first.energy_wh, second.energy_wh) == (300, 100)


def test_new_transaction_closes_the_forgotten_one_and_its_late_end_counts(records: Records) -> None:
    hear(records, started(), event("Updated", 1, 30, register(1200, 30)))
    hear(records, started(seconds=100, wh=1300, transactionInfo={"transactionId": "T-2"}))
    old, new = sessions(records)
    assert (old.state, old.quality, old.energy_wh) == (SessionState.ENDED, Quality.ESTIMATED, 200)
    hear(records, ended(2, 60, 1290))
    old, new = sessions(records)
    assert (old.quality, old.energy_wh, new.state) == (Quality.CONFIRMED, 290, SessionState.ACTIVE)
    assert connector_of(records).session_id == new.session_id


def test_session_closed_by_us_goes_on_when_the_station_does(records: Records) -> None:
    station = Speaker(protocol="ocpp2.0.1")
    hear(records, started(), event("Updated", 1, 30, register(1200, 30)), station=station, seconds=30)
    boot = {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}}
    station.call("BootNotification", boot, 40)
    free = {"timestamp": stamp(50), "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    station.call("StatusNotification", free, 50)
    hear(records, station=station)
    assert only(records).state is SessionState.ENDED
    hear(records, event("Updated", 2, 60, register(1300, 60)), station=station, seconds=60)
    session = only(records)
    assert (session.state, session.energy_wh, session.quality) == (SessionState.ACTIVE, 300, Quality.CONFIRMED)


@pytest.mark.parametrize("max_power_w", [None, 22_000.0])
def test_wh_labelled_kwh_is_suspect_and_not_billed_a_thousand_times(
    records: Records, max_power_w: float | None
) -> None:
    with records.begin() as work:
        work.stations.save([Station(station_id="SE-1", max_power_w=max_power_w)])
    kwh: dict[str, Any] = {"unit": "kWh"}
    hear(
        records,
        event("Started", 0, 0, register(5_000_000, 0, "Transaction.Begin", **kwh), **EVSE),
        event("Updated", 1, 60, register(5_000_150, 60, **kwh)),
        event("Ended", 2, 120, register(5_000_300, 120, "Transaction.End", **kwh)),
    )
    session = only(records)
    assert (session.energy_wh, session.quality) == (300, Quality.SUSPECT)
    assert "rated power" in session.quality_reasons[0]


def test_register_that_cannot_be_is_not_billed(records: Records) -> None:
    hear(records, started(), event("Updated", 1, 30, register(1200, 30)), ended(2, 60, 900_000))
    session = only(records)
    assert (session.energy_wh, session.quality) == (200, Quality.SUSPECT)


@pytest.mark.parametrize("wh", [1e300, -1e300, 2.0**60])
def test_register_beyond_any_meter_is_left_out(records: Records, wh: float) -> None:
    hear(records, event("Updated", 1, 30, register(wh, 30), **EVSE), started(), ended(2, 60, 1300))
    assert only(records).energy_wh == 300


def test_single_zero_of_the_register_is_not_used(records: Records) -> None:
    samples = [event("Updated", n, 10 * n, register(wh, 10 * n)) for n, wh in ((1, 1100), (2, 0), (3, 1200))]
    hear(records, started(), *samples, ended(4, 50, 1300))
    assert only(records).energy_wh == 300


@given(st.lists(st.integers(0, 200), min_size=1, max_size=60))
def test_numbers_heard_are_kept_as_ranges(numbers: list[int]) -> None:
    text = ""
    for number in numbers:
        text = numbered.with_number(text, number)
    heard = {n for first, last in numbered.ranges_of(text) for n in range(first, last + 1)}
    missing = {
        n for first, last in numbered.ranges_of(numbered.missing_numbers(text)) for n in range(first, last + 1)
    }
    if len(numbered.ranges_of(text)) < 50:
        assert heard == set(numbers)
        assert missing == set(range(min(numbers), max(numbers))) - set(numbers)


def test_numbers_counted_at_random_do_not_grow_without_bound() -> None:
    text = ""
    for number in range(0, 10_000, 2):
        text = numbered.with_number(text, number)
    assert len(text) < 1000


@st.composite
def transactions(draw: st.DrawFn) -> tuple[list[dict[str, Any]], int]:
    """A station's events in the order in which they happened, and the energy between its registers."""
    first = draw(st.integers(0, 10**8))
    steps = draw(st.lists(st.integers(0, 900), max_size=6))  # Wh per minute
    kwh = draw(st.booleans())
    base = draw(st.sampled_from([0, 17]))
    place_in_each, begin_again = draw(st.booleans()), draw(st.booleans())
    wh = first

    def meter(seconds: float, context: str) -> dict[str, Any]:
        return register(wh / 1000, seconds, context, unit="kWh") if kwh else register(wh, seconds, context)

    begin = meter(0, "Transaction.Begin")
    events = [event("Started", base, 0, begin, **EVSE, **TOKEN)]
    for minute, step in enumerate(steps, 1):
        wh += step
        more = EVSE if place_in_each else {}
        sample = meter(60 * minute, "Sample.Periodic")
        events.append(event("Updated", base + minute, 60 * minute, sample, state="Charging", **more))
    seconds = 60 * (len(steps) + 1)
    last = meter(seconds, "Transaction.End")
    both = [begin, last] if begin_again else [last]
    events.append(event("Ended", base + len(steps) + 1, seconds, *both))
    return events, wh - first


@given(transaction=transactions(), data=st.data())
def test_any_order_and_repetition_gives_the_same_session(
    transaction: tuple[list[dict[str, Any]], int], data: st.DataObject
) -> None:
    events, energy = transaction
    heard: Sequence[dict[str, Any]] = data.draw(st.permutations(events))
    heard = [*heard, *data.draw(st.lists(st.sampled_from(events), max_size=4))]
    cut = data.draw(st.integers(0, len(heard)))
    records = open_empty()
    try:
        hear(records, *heard[:cut])
        hear(records, *heard[cut:])
        session = only(records)
    finally:
        records.close()
    assert session.energy_wh == energy
    assert (session.state, session.connector_id) == (SessionState.ENDED, 1)
    assert (session.quality, session.quality_reasons) == (Quality.CONFIRMED, ())
    assert session.started_at == at(0)
    assert session.ended_at == at(0) + timedelta(minutes=len(events) - 1)
    assert session.duration_s == 60 * (len(events) - 1)
    assert session.token is not None
