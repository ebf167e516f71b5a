"""Messages that were set aside, read again after what kept them was mended: once, at their own time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from collector.link import Link
from collector.mqtt.mapping_file import load_mappings
from collector.mqtt.mappings import Mapping, Reader
from collector.ocpp.action import Policy
from collector.ocpp.actions import ACTIONS
from collector.recorder import Scribe
from collector.replay import ReplayCollector
from collector.replaylog import LogLine, RecordedAnswers, lines_of, parse_line
from collector.reprocess import read_again
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState, ReprocessRequest
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.settings import RecordsSettings, Settings
from laddvakt.stores.ports import QuarantineItem, Records
from laddvakt.stores.sql.engine import open_records
from tests.support.detector import make_engine
from tests.support.stations import T0, Speaker, at, stamp

LATER = T0 + timedelta(days=2)


def asked(item: QuarantineItem) -> ReprocessRequest:
    return ReprocessRequest(
        item_id=item.item_id,
        station_id=item.station_id,
        kind=item.kind,
        reason=item.reason,
        raw=item.raw,
        received_at=item.received_at,
        protocol=item.protocol,
        topic=item.topic,
        by="erik",
        at=LATER,
    )


class Desk:
    """Records, and the way of a message that is read again."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.mappings: list[Mapping] = []
        self.policy = Policy()

    def record(self, *entries: Entry) -> None:
        Scribe(self.records, "key").apply(list(entries))

    @property
    def items(self) -> tuple[QuarantineItem, ...]:
        with self.records.read() as work:
            return work.quarantine.page().items

    @property
    def only(self) -> QuarantineItem:
        (item,) = self.items
        return item

    @property
    def sessions(self) -> tuple[Session, ...]:
        with self.records.read() as work:
            return work.sessions.page().items

    def entry(self, item: QuarantineItem) -> Entry:
        return read_again(asked(item), self.policy, self.mappings)

    def reprocess(self, item: QuarantineItem) -> QuarantineItem:
        self.record(self.entry(item))
        with self.records.read() as work:
            after = work.quarantine.get(item.item_id)
        assert after is not None
        return after


@pytest.fixture
def desk() -> Iterator[Desk]:
    store = open_records(Settings(records=RecordsSettings(url="sqlite://")))
    store.migrate()
    yield Desk(store)
    store.close()


def said(action: str, payload: dict[str, Any], protocol: str = "ocpp1.6", policy: Policy | None = None) -> Entry:
    raw = json.dumps([2, "1", action, payload])
    return Link("SE-1", protocol, policy or Policy()).receive(raw, T0).entry


STATUS = {"connectorId": 1, "status": "Charging", "errorCode": "NoError", "timestamp": stamp(0)}


def broken(ask: Any) -> Any:
    raise KeyError("injected")


def test_our_own_failure_takes_effect_after_the_mend(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as fault:
        fault.setitem(ACTIONS["StatusNotification"].versions, "ocpp1.6", broken)
        desk.record(said("StatusNotification", STATUS))
        assert desk.only.reason is QuarantineReason.INTERNAL_ERROR
        still = desk.reprocess(desk.only)
        assert (still.state, still.tried_at) == (QuarantineState.OPEN, LATER)
    after = desk.reprocess(desk.only)
    assert after.state is QuarantineState.REPROCESSED
    assert (after.settled_by, after.settled_at, after.outcome) == ("erik", LATER, "StatusReported")
    with desk.records.read() as work:
        station = work.stations.get("SE-1")
    assert station is not None
    assert station.connectors[0].status_since == T0
    assert station.last_seen == T0


def test_an_action_that_an_older_version_did_not_have(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as older:
        older.delitem(ACTIONS, "StatusNotification")
        desk.record(said("StatusNotification", STATUS))
    assert desk.only.reason is QuarantineReason.UNSUPPORTED_ACTION
    assert desk.reprocess(desk.only).state is QuarantineState.REPROCESSED


def test_an_unknown_action_stays_one(desk: Desk) -> None:
    desk.record(said("Dance", {}))
    after = desk.reprocess(desk.only)
    assert (after.state, after.reason) == (QuarantineState.OPEN, QuarantineReason.UNKNOWN_ACTION)
    assert len(desk.items) == 1


def test_a_station_that_is_registered_meanwhile(desk: Desk) -> None:
    pending = Policy(registration="Pending")
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": stamp(0)}
    desk.record(said("StartTransaction", start, policy=pending))
    desk.policy = pending
    assert desk.reprocess(desk.only).reason is QuarantineReason.UNKNOWN_STATION
    desk.policy = Policy()
    assert desk.reprocess(desk.only).outcome == "TransactionStarted"
    assert desk.sessions[0].started_at == T0


def test_a_stop_finds_its_session_when_the_start_has_arrived(desk: Desk) -> None:
    station = Speaker()
    number = station.start(0, meter=100)
    (start,) = station.said
    station.said.clear()
    station.stop(number, 900, 600)
    stop = station.said[-1]
    desk.record(stop)
    stops = [item for item in desk.items if item.reason is QuarantineReason.UNKNOWN_TRANSACTION]
    assert stops
    desk.record(start)
    for item in stops:
        after = desk.reprocess(item)
        assert after.state is QuarantineState.REPROCESSED
    (session,) = [s for s in desk.sessions if s.transaction_id == str(number)]
    assert (session.state, session.energy_wh, session.ended_at) == (SessionState.ENDED, 800, at(600))


def test_a_second_time_has_no_effect(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as fault:
        fault.setitem(ACTIONS["StatusNotification"].versions, "ocpp1.6", broken)
        desk.record(said("StatusNotification", STATUS))
    item = desk.only
    once = desk.reprocess(item)
    with desk.records.begin() as work:
        station = work.stations.get("SE-1")
        assert station is not None
        work.stations.save([replace(station, connectors=())])
    assert desk.reprocess(item) == once
    desk.record(desk.entry(item), desk.entry(item))
    with desk.records.read() as work:
        station = work.stations.get("SE-1")
    assert station is not None
    assert station.connectors == ()


def test_a_dismissed_one_is_not_read_again(desk: Desk) -> None:
    desk.record(said("Dance", {}))
    item = desk.only
    with desk.records.begin() as work:
        work.quarantine.save([replace(item, state=QuarantineState.DISMISSED)])
    assert desk.reprocess(desk.only).state is QuarantineState.DISMISSED


def test_an_older_boot_does_not_undo_a_newer_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    boot = {"chargePointVendor": "Old", "chargePointModel": "M"}
    with monkeypatch.context() as fault:
        fault.setitem(ACTIONS["BootNotification"].versions, "ocpp1.6", broken)
        desk.record(said("BootNotification", boot))
    newer = json.dumps([2, "2", "BootNotification", boot | {"chargePointVendor": "New"}])
    desk.record(Link("SE-1", "ocpp1.6", Policy()).receive(newer, at(60)).entry)
    assert desk.reprocess(desk.only).state is QuarantineState.REPROCESSED
    with desk.records.read() as work:
        station = work.stations.get("SE-1")
    assert station is not None
    assert (station.vendor, station.booted_at) == ("New", at(60))


MAPPING = """
[[mappings]]
topic = "meters/{station}"
payload = "json"
[[mappings.fields]]
path = "%s"
field = "power_w"
unit = "W"
"""


def test_a_device_message_after_the_mapping_was_mended(desk: Desk, tmp_path: Path) -> None:
    def mappings(path: str) -> list[Mapping]:
        file = tmp_path / "mappings.toml"
        file.write_text(MAPPING % path)
        return list(load_mappings([file]))

    wrong = Reader(mappings("watts")).read("meters/SE-1", b'{"w": 1200}', T0)
    assert wrong is not None
    desk.record(wrong)
    item = desk.only
    assert (item.kind, item.topic) == (EntryKind.MQTT, "meters/SE-1")
    desk.mappings = []
    assert "nor in a mapping" in desk.reprocess(item).detail
    desk.mappings = mappings("w")
    after = desk.reprocess(item)
    assert (after.state, after.outcome) == (QuarantineState.REPROCESSED, "Measured")


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": QuarantineReason.UNANSWERED_START},
        {"kind": EntryKind.OCPP_OUT},
        {"kind": EntryKind.MQTT, "topic": None},
        {"raw": "["},
    ],
)
def test_what_cannot_be_read_again_says_why(desk: Desk, changes: dict[str, Any]) -> None:
    item = QuarantineItem(
        item_id="Q-1",
        station_id="SE-1",
        received_at=T0,
        reason=QuarantineReason.MALFORMED_FRAME,
        detail="?",
        raw=json.dumps([2, "1", "Heartbeat", {}]),
    )
    with desk.records.begin() as work:
        work.quarantine.add([replace(item, **changes)])
    after = desk.reprocess(desk.only)
    assert after.state is QuarantineState.OPEN
    assert after.detail != "?"


def test_a_replayed_log_knows_what_was_read_again(desk: Desk) -> None:
    desk.record(said("Dance", {}))
    entry = desk.entry(desk.only)
    (line,) = lines_of(entry)
    read = parse_line(1, msgspec.json.encode(line))
    assert isinstance(read, LogLine)
    (again,) = ReplayCollector(RecordedAnswers()).entries_of(1, read)
    assert again == replace(entry, raw=again.raw)


def test_what_is_read_again_raises_no_live_alarm() -> None:
    faulted = said("StatusNotification", STATUS | {"status": "Faulted", "errorCode": "GroundFailure"})
    kept = QuarantineItem(
        item_id="Q-1",
        station_id="SE-1",
        received_at=T0,
        reason=QuarantineReason.INTERNAL_ERROR,
        detail="",
        raw=faulted.raw,
        protocol="ocpp1.6",
    )
    again = read_again(asked(kept), Policy())
    assert again.facts == faulted.facts
    assert make_engine().observe([again]) == []
    assert make_engine().observe([replace(again, reprocessing=None)]) != []
