"""Replaying logs, among them recordings of stations that others wrote."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collector.replaylog import RecordedTransactions, parse_line, read_lines
from laddvakt.cli.main import cli
from laddvakt.domain.errors import LogLineError

DATA = Path(__file__).parents[1] / "data"


def replay(tmp_path: Path, log: Path, name: str = "out.json") -> tuple[Result, dict[str, list[dict[str, object]]]]:
    out = tmp_path / name
    result = CliRunner().invoke(cli, ["replay", str(log), "--out", str(out)])
    return result, json.loads(out.read_bytes())


def registers(log: Path) -> dict[tuple[str, str], int]:
    """What the recording itself says: (station, transaction id) -> energy between its registers."""
    starts: dict[tuple[str, str], dict[str, object]] = {}
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
            energy.setdefault(key, frame[3]["meterStop"] - start["meterStart"])  # type: ignore[operator]  # JSON
    return energy


def test_recorded_sessions_come_back_once_with_their_own_registers_energy(tmp_path: Path) -> None:
    log = DATA / "ten-stations.jsonl.gz"
    result, out = replay(tmp_path, log)
    assert result.exit_code == 0, result.output
    expected = registers(log)
    assert len(expected) == 35
    assert {(s["station_id"], s["transaction_id"]): s["energy_wh"] for s in out["sessions"]} == expected
    assert len(out["sessions"]) == 35
    assert {s["state"] for s in out["sessions"]} == {"ended"}
    assert "ocpp2.0.1" in result.output


def test_replay_gives_the_same_twice(tmp_path: Path) -> None:
    log = DATA / "ten-stations.jsonl.gz"
    replay(tmp_path, log, "a.json")
    replay(tmp_path, log, "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_versions_not_read_yet_are_kept_in_the_quarantine(tmp_path: Path) -> None:
    result, out = replay(tmp_path, DATA / "three-versions.jsonl.gz")
    assert result.exit_code == 0
    assert len(out["sessions"]) == 1
    assert {item["reason"] for item in out["quarantine"]} == {"unsupported_protocol"}
    assert "ocpp2.1" in result.output


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
    recorded = RecordedTransactions.scan(log)
    recorded.current_line = 0
    assert recorded.lookup("S", "1") == 7
    recorded.current_line = 1
    assert recorded.lookup("S", "1") == 8
    recorded.current_line = 2
    assert recorded.lookup("S", "1") is None
    assert recorded.lookup("S", "2") is None


def test_plain_and_compressed_logs_read_the_same(tmp_path: Path) -> None:
    packed = DATA / "three-versions.jsonl.gz"
    plain = tmp_path / "plain.jsonl"
    plain.write_bytes(gzip.decompress(packed.read_bytes()))
    assert list(read_lines(plain)) == list(read_lines(packed))
