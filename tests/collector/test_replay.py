"""Replaying logs, among them recordings of stations that others wrote."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from collector.replay import ReplayCollector
from collector.replaylog import RecordedAnswers, parse_line, read_lines
from laddvakt.cli.main import cli
from laddvakt.domain.errors import LogLineError
from laddvakt.domain.facts import TransactionStarted

DATA = Path(__file__).parents[1] / "data"


def replay(tmp_path: Path, log: Path, name: str = "out.json") -> tuple[Result, dict[str, list[dict[str, Any]]]]:
    out = tmp_path / name
    result = CliRunner().invoke(cli, ["replay", str(log), "--out", str(out)])
    return result, json.loads(out.read_bytes())


def registers(log: Path) -> dict[tuple[str, str], int]:
    """What the recording itself says: (station, transaction id) -> energy between its registers."""
    starts: dict[tuple[str, str], dict[str, Any]] = {}
    given: dict[tuple[str, str], str] = {}
    energy: dict[tuple[str, str], int] = {}
    with gzip.open(log) as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        frame = line.get("frame")
        if frame is None:
            continue
        station = line["station_id"]
        if line["direction"] == "in" and frame[0] == 2 and frame[2] == "StartTransaction":
            starts[station, frame[1]] = frame[3]
        elif line["direction"] == "out" and frame[0] == 3 and "transactionId" in frame[2]:
            given[station, str(frame[2]["transactionId"])] = frame[1]
        elif line["direction"] == "in" and frame[0] == 2 and frame[2] == "StopTransaction":
            key = (station, str(frame[3]["transactionId"]))
            start = starts[station, given[key]]
            energy.setdefault(key, frame[3]["meterStop"] - start["meterStart"])
    return energy


def registers_2x(log: Path, station_id: str) -> dict[str, float]:
    """What TransactionEvents say: transaction id -> last register less the first, in the unit as labelled."""
    values: dict[str, list[float]] = {}
    with gzip.open(log) as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        frame = line.get("frame")
        if line["station_id"] != station_id or not frame or frame[0] != 2 or frame[2] != "TransactionEvent":
            continue
        registers = values.setdefault(frame[3]["transactionInfo"]["transactionId"], [])
        for meter_value in frame[3].get("meterValue", ()):
            for sample in meter_value["sampledValue"]:
                if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register":
                    registers.append(sample["value"])
    return {transaction: found[-1] - found[0] for transaction, found in values.items()}


def test_recorded_sessions_come_back_once_with_their_own_registers_energy(tmp_path: Path) -> None:
    log = DATA / "ten-stations.jsonl.gz"
    result, out = replay(tmp_path, log)
    assert result.exit_code == 0, result.output
    expected = registers(log)
    assert len(expected) == 35
    for station_id in ("CS-KEBA-OCPP2-00001", "CS-KEBA-OCPP2-SIGNED-00001"):
        said = registers_2x(log, station_id)
        assert len(said) == 4
        expected |= {(station_id, transaction): round(rise) for transaction, rise in said.items()}
    assert {(s["station_id"], s["transaction_id"]): s["energy_wh"] for s in out["sessions"]} == expected
    assert len(out["sessions"]) == 43
    of_2x = [s for s in out["sessions"] if "OCPP2" in str(s["station_id"])]
    assert {s["quality"] for s in of_2x} == {"confirmed"}
    assert not [s for s in of_2x if s["token"] is None]
    assert {s["state"] for s in out["sessions"]} == {"ended"}
    assert "ocpp2.0.1" in result.output


def test_replay_gives_the_same_twice(tmp_path: Path) -> None:
    log = DATA / "ten-stations.jsonl.gz"
    replay(tmp_path, log, "a.json")
    replay(tmp_path, log, "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_sessions_of_all_three_versions_come_back(tmp_path: Path) -> None:
    log = DATA / "three-versions.jsonl.gz"
    result, out = replay(tmp_path, log)
    assert result.exit_code == 0
    assert out["quarantine"] == []
    assert "ocpp2.1" in result.output
    sessions = {str(s["station_id"]): s for s in out["sessions"]}
    assert len(out["sessions"]) == 3
    assert {s["state"] for s in out["sessions"]} == {"ended"}
    (rise_kwh,) = registers_2x(log, "VCP_21").values()
    assert sessions["VCP_21"]["energy_wh"] == round(rise_kwh * 1000) == 400
    assert sessions["VCP_21"]["quality"] == "estimated"  # its last register names no unit
    (station,) = [s for s in out["stations"] if s["station_id"] == "VCP_21"]
    (connector,) = station["connectors"]
    assert (connector["connector_id"], connector["evse_id"], connector["status"]) == (1, 1, "Available")
    assert station["vendor"] == "Solidstudio"


def test_station_that_labels_wh_as_kwh_is_caught_and_not_billed_a_thousand_times(tmp_path: Path) -> None:
    log = DATA / "three-versions.jsonl.gz"
    _, out = replay(tmp_path, log)
    (session,) = [s for s in out["sessions"] if s["station_id"] == "VCP_201"]
    (said,) = registers_2x(log, "VCP_201").values()
    assert session["quality"] == "suspect"
    assert "rated power" in str(session["quality_reasons"])
    assert "kWh" in str(session["quality_reasons"])
    assert session["energy_wh"] == round(said) == 400


def test_versions_that_are_not_read_are_kept_in_the_quarantine(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    line = {"received_at": "2026-11-21T10:00:00Z", "station_id": "S"}
    frame = [2, "1", "Heartbeat", {}]
    lines = [{**line, "kind": "connected", "protocol": "ocpp1.5"}, {**line, "kind": "ocpp", "frame": frame}]
    log.write_text("\n".join(map(json.dumps, lines)))
    result, out = replay(tmp_path, log)
    assert [item["reason"] for item in out["quarantine"]] == ["unsupported_protocol"]
    assert "ocpp1.5" in result.output


def test_bad_line_is_reported_by_number_and_the_rest_is_read(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    good = {"received_at": "2026-11-21T10:00:00Z", "station_id": "S", "kind": "connected", "protocol": "ocpp1.6"}
    log.write_text("\n".join(["{oops", json.dumps(good), "", '{"kind":"ocpp"}']) + "\n")
    result, out = replay(tmp_path, log)
    assert result.exit_code == 1
    assert "line 1" in result.stderr
    assert "line 4" in result.stderr
    assert [station["station_id"] for station in out["stations"]] == ["S"]


@pytest.mark.parametrize(
    "text",
    [
        b'{"received_at":"2026-11-21T10:00:00","station_id":"S","kind":"connected"}',
        b'{"received_at":"2026-11-21T10:00:00Z","kind":"connected"}',
        b'{"received_at":"2026-11-21T10:00:00Z","kind":"mqtt","payload":"{}"}',
        b'{"received_at":"2026-11-21T10:00:00Z","station_id":"S","kind":"ocpp"}',
        b'{"received_at":"2026-11-21T10:00:00Z","station_id":"S","kind":"flew"}',
        b"\xff",
    ],
)
def test_line_that_cannot_be_used_says_why(text: bytes) -> None:
    with pytest.raises(LogLineError, match="line 7"):
        parse_line(7, text)


def test_recorded_transaction_ids_follow_reused_message_ids(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    line = {"received_at": "2026-11-21T10:00:00Z", "station_id": "S", "kind": "ocpp", "direction": "out"}
    answers = [[3, "1", {"transactionId": number}] for number in (7, 8)]
    log.write_text("\n".join(json.dumps({**line, "frame": frame}) for frame in answers))
    recorded = RecordedAnswers.scan(log)
    recorded.current_line = 0
    assert recorded.transaction("S", "1") == 7
    recorded.current_line = 1
    assert recorded.transaction("S", "1") == 8
    recorded.current_line = 2
    assert recorded.transaction("S", "1") is None
    assert recorded.transaction("S", "2") is None


def test_word_of_the_recorded_central_system_on_a_token_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    line = {"received_at": "2026-11-21T10:00:00Z", "station_id": "S", "kind": "ocpp"}
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-21T10:00:00Z"}
    lines = []
    for status in ("Accepted", "Blocked", "NoSuchWord"):  # a station that uses one message id again and again
        answer = {"transactionId": 5, "idTagInfo": {"status": status}}
        lines.append({**line, "direction": "in", "frame": [2, "1", "StartTransaction", start]})
        lines.append({**line, "direction": "out", "frame": [3, "1", answer]})
    log.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    collector = ReplayCollector(RecordedAnswers.scan(log))
    read = [parse_line(number, json.dumps(text).encode()) for number, text in enumerate(lines, 1)]
    entries = [entry for number, one in enumerate(read, 1) for entry in collector.entries_of(number, one)]
    starts = [fact for entry in entries for fact in entry.facts if isinstance(fact, TransactionStarted)]
    assert [fact.refused for fact in starts] == [None, "Blocked", "Invalid"]


def test_plain_and_compressed_logs_read_the_same(tmp_path: Path) -> None:
    packed = DATA / "three-versions.jsonl.gz"
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert list(read_lines(plain)) == list(read_lines(packed))


def test_silent_session_is_closed_on_virtual_time(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    of = {"station_id": "S", "kind": "ocpp", "direction": "in"}
    start = {"connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": "2026-11-21T10:00:00Z"}
    lines = [
        {"received_at": "2026-11-21T10:00:00Z", **of, "frame": [2, "1", "StartTransaction", start]},
        {"received_at": "2026-11-21T10:05:00Z", "station_id": "S", "kind": "disconnected"},
        {"received_at": "2026-11-23T10:00:00Z", "station_id": "Q", "kind": "connected", "protocol": "ocpp1.6"},
    ]
    log.write_text("\n".join(map(json.dumps, lines)))
    _, out = replay(tmp_path, log)
    (session,) = out["sessions"]
    assert (session["state"], session["quality"]) == ("ended", "estimated")
