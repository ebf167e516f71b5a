"""Facts to records, through the collector's own link and the recorder's own transaction."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.recorder import RECORDS, Scribe
from laddvakt.domain.errors import ConflictError, StoreError
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Station, StationState
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import Assignment, Records
from laddvakt.stores.sql.engine import open_records
from tests.support.stations import T0, Speaker, at, stamp

TARIFF = {
    "id": "T1",
    "currency": "SEK",
    "elements": [
        {"price_components": [{"type": "ENERGY", "price": 4.0, "vat": 25.0, "step_size": 1}]},
        {"price_components": [{"type": "FLAT", "price": 5.0, "vat": 25.0, "step_size": 1}]},
    ],
}


@pytest.fixture
def records() -> Iterator[Records]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield store
    store.close()


def record(records: Records, station: Speaker) -> None:
    """Everything said so far, then forget it."""
    Scribe(records, "key").apply(station.said)
    station.said.clear()


def sessions(records: Records) -> list[Session]:
    with records.read() as work:
        return sorted(work.sessions.page().items, key=lambda s: s.started_at)


def only(records: Records) -> Session:
    (session,) = sessions(records)
    return session


def station_of(records: Records, station_id: str = "SE-1") -> Station:
    with records.read() as work:
        found = work.stations.get(station_id)
    assert found is not None
    return found


def test_whole_session_is_recorded_with_its_energy(records: Records) -> None:
    station = Speaker()
    station.up()
    station.boot()
    station.status("Preparing", 1)
    number = station.start(2, meter=1000)
    station.status("Charging", 3)
    station.energy(number, 1500.4, 62, Power_Active_Import="11000", SoC="40")
    record(records, station)
    live = only(records)
    assert (live.state, live.energy_wh, live.power_w, live.soc_pct) == (SessionState.ACTIVE, 500, 11000.0, 40.0)
    assert station_of(records).state is StationState.CHARGING
    connector = station_of(records).connectors[0]
    assert (connector.session_id, connector.power_w) == (live.session_id, 11000.0)
    station.stop(number, 1600, 120, reason="EVDisconnected")
    station.status("Available", 121)
    record(records, station)
    ended = only(records)
    assert ended.session_id == live.session_id
    assert (ended.state, ended.energy_wh, ended.duration_s) == (SessionState.ENDED, 600, 118)
    assert (ended.stop_reason, ended.quality, ended.power_w) == ("EVDisconnected", Quality.CONFIRMED, None)
    connector = station_of(records).connectors[0]
    assert (connector.session_id, connector.power_w, connector.status) == (None, None, ConnectorState.AVAILABLE)


def test_session_is_priced_by_the_tariff_of_its_start(records: Records) -> None:
    with records.begin() as work:
        work.tariffs.put("T1", TARIFF, now=T0)
        work.tariffs.save_assignments([Assignment(tariff_id="T1", scope="default")])
    station = Speaker()
    number = station.start(0, meter=0)
    record(records, station)
    with records.begin() as work:
        dearer = {**TARIFF, "elements": [{"price_components": [{"type": "ENERGY", "price": 9.0, "step_size": 1}]}]}
        work.tariffs.put("T1", dearer, now=at(10))
    station.energy(number, 1000, 60)
    record(records, station)
    live = only(records).cost
    assert live is not None
    assert live.excl_vat.amount == Decimal("9.00")
    station.stop(number, 2000, 600)
    record(records, station)
    cost = only(records).cost
    assert cost is not None
    assert (cost.excl_vat.amount, cost.vat.amount, cost.incl_vat.amount) == (
        Decimal("13.00"),
        Decimal("3.25"),
        Decimal("16.25"),
    )
    assert only(records).tariff_version == 1


def test_second_stop_with_another_message_id_is_billed_once(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.stop(number, 500, 60)
    station.stop(number, 900, 61, reason="Other")
    record(records, station)
    assert (only(records).energy_wh, only(records).stop_reason) == (500, "Local")


def test_retried_start_is_one_session(records: Records) -> None:
    station = Speaker()
    payload = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": stamp(0)}
    station.call("StartTransaction", payload, 0)
    record(records, station)
    station.call("StartTransaction", payload, 90)
    record(records, station)
    assert only(records).started_at == T0


def test_retried_start_after_the_stop_does_not_revive_the_session(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.stop(number, 100, 60)
    record(records, station)
    station.start(0, meter=0)
    record(records, station)
    assert only(records).state is SessionState.ENDED


def test_retried_start_behind_the_stop_in_one_transaction_does_not_revive_the_session(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.stop(number, 100, 60)
    station.start(0, meter=0)
    record(records, station)
    assert only(records).state is SessionState.ENDED


def test_stop_of_an_unknown_transaction_is_set_aside(records: Records) -> None:
    station = Speaker()
    assert station.stop(99, 100, 60)[0] == 3
    record(records, station)
    assert sessions(records) == []
    with records.read() as work:
        (item,) = work.quarantine.page().items
    assert item.reason is QuarantineReason.UNKNOWN_TRANSACTION
    assert "99" in item.detail


def test_values_without_a_transaction_go_to_the_session_on_the_connector(records: Records) -> None:
    station = Speaker()
    station.start(0, meter=0)
    station.energy(None, 250, 30)
    station.energy(0, 300, 40)
    record(records, station)
    assert only(records).energy_wh == 300


def test_values_after_the_stop_do_not_revive_the_session(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.stop(number, 500, 60)
    record(records, station)
    station.energy(number, 700, 70)
    record(records, station)
    assert (only(records).state, only(records).energy_wh) == (SessionState.ENDED, 500)


def test_suspended_is_not_ended(records: Records) -> None:
    station = Speaker()
    station.start(0)
    station.status("SuspendedEV", 10)
    record(records, station)
    assert only(records).state is SessionState.SUSPENDED
    station.status("Charging", 20)
    record(records, station)
    assert only(records).state is SessionState.ACTIVE


def test_single_zero_of_the_register_is_not_used(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    for second, register in ((10, 1100), (20, 0), (30, 1200)):
        station.energy(number, register, second)
    station.stop(number, 1300, 40)
    record(records, station)
    assert only(records).energy_wh == 300


def test_register_below_the_start_is_suspect_and_never_negative(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=1000)
    station.stop(number, 10, 60)
    record(records, station)
    assert (only(records).energy_wh, only(records).quality) == (0, Quality.SUSPECT)


def test_energy_beyond_the_rated_power_is_suspect(records: Records) -> None:
    with records.begin() as work:
        work.stations.save(
            [Station(station_id="SE-1", max_power_w=22_000, connectors=(Connector(connector_id=1),))]
        )
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 150_000, 60)
    station.stop(number, 150_000, 120)
    record(records, station)
    assert only(records).quality is Quality.SUSPECT
    assert "rated power" in only(records).quality_reasons[0]


def test_new_start_closes_the_forgotten_session_by_estimate(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 400, 50)
    station.start(100, meter=500, tag="TAG2")
    record(records, station)
    old, new = sessions(records)
    assert (old.state, old.quality, old.energy_wh) == (SessionState.ENDED, Quality.ESTIMATED, 400)
    assert new.state is SessionState.ACTIVE


def test_reboot_that_lost_the_session_closes_it_by_estimate(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 400, 50)
    station.boot(100)
    station.status("Available", 101)
    record(records, station)
    assert (only(records).state, only(records).quality) == (SessionState.ENDED, Quality.ESTIMATED)
    station.stop(number, 450, 60)
    record(records, station)
    assert (only(records).energy_wh, only(records).quality) == (450, Quality.CONFIRMED)


def test_power_is_worked_out_where_the_station_sends_energy_only(records: Records) -> None:
    station = Speaker()
    number = station.start(0, meter=0)
    station.energy(number, 100, 36)
    record(records, station)
    assert only(records).power_w == 10_000.0


def test_link_lost_makes_connectors_unknown(records: Records) -> None:
    station = Speaker()
    station.up()
    station.status("Available", 1)
    station.down(2)
    record(records, station)
    found = station_of(records)
    assert (found.state, found.connectors[0].status) == (StationState.OFFLINE, ConnectorState.UNKNOWN)


def test_end_of_an_old_link_changes_nothing_once_the_next_one_is_up(records: Records) -> None:
    old, new = Speaker(), Speaker()
    old.up(0)
    new.up(10)
    new.status("Available", 11)
    for speaker in (old, new):
        record(records, speaker)
    old.down(12)
    record(records, old)
    station = station_of(records)
    assert station.connected
    assert station.connected_since == at(10)
    assert station.connectors[0].status is ConnectorState.AVAILABLE
    new.down(20)
    record(records, new)
    assert not station_of(records).connected


def test_late_status_does_not_overwrite_a_newer_one(records: Records) -> None:
    station = Speaker()
    station.up()
    station.status("Charging", 10)
    station.status("Preparing", 5)
    record(records, station)
    assert station_of(records).connectors[0].status is ConnectorState.CHARGING


def test_station_fault_on_connector_zero_reaches_its_connectors(records: Records) -> None:
    station = Speaker()
    station.up()
    station.status("Available", 1)
    station.status("Faulted", 2, connector=0, errorCode="GroundFailure")
    record(records, station)
    assert station_of(records).state is StationState.FAULTED


def test_the_driver_is_a_pseudonym(records: Records) -> None:
    station = Speaker()
    station.start(0, tag="04A2B3C4D5")
    record(records, station)
    token = only(records).token
    assert token is not None
    assert token.startswith("tok_")
    assert "04A2" not in token


def test_position_is_stored_with_the_data_or_neither(records: Records) -> None:
    station = Speaker()
    station.start(0)
    scribe = Scribe(records, "key")
    scribe.apply(station.said, {0: 5})
    other = Speaker("SE-2")
    other.start(0)
    with pytest.raises(ConflictError):
        scribe.apply(other.said, {0: 5})
    assert [session.station_id for session in sessions(records)] == ["SE-1"]
    with records.read() as work:
        assert work.positions.get(RECORDS) == {0: 5}


def test_entry_that_the_store_refuses_is_set_aside_and_the_others_count(records: Records) -> None:
    good, bad = Speaker("SE-1"), Speaker("SE-2")
    good.start(0)
    bad.start(0)
    fact = replace(bad.said[0].facts[0], meter_start_wh=2**70)  # beyond any database's integer
    entries = [replace(bad.said[0], facts=(fact,)), *good.said]
    scribe = Scribe(records, "key")
    with pytest.raises((ValueError, OverflowError, StoreError)):
        scribe.apply(entries, {0: 1})
    scribe.apply_singly(entries, {0: 1})
    assert [session.station_id for session in sessions(records)] == ["SE-1"]
    with records.read() as work:
        (item,) = work.quarantine.page().items
        assert work.positions.get(RECORDS) == {0: 1}
    assert (item.station_id, item.reason) == ("SE-2", QuarantineReason.INTERNAL_ERROR)


@given(
    start=st.integers(0, 10**9),
    steps=st.lists(st.integers(-5, 400), max_size=12),
    split=st.integers(0, 12),
)
def test_energy_is_never_negative_and_does_not_depend_on_batches(start: int, steps: list[int], split: int) -> None:
    def run(cut: int) -> Session:
        store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
        store.migrate()
        station = Speaker()
        number = station.start(0, meter=start)
        register = start
        for index, step in enumerate(steps):
            register += step
            station.energy(number, register, 10 + index * 10)
        station.stop(number, max(register, 0), 500)
        Scribe(store, "key").apply(station.said[:cut])
        Scribe(store, "key").apply(station.said[cut:])
        session = only(store)
        store.close()
        return session

    whole, parts = run(0), run(split)
    assert whole == parts
    assert whole.energy_wh >= 0
