"""`laddvakt log export`: what a live installation logged, replayed, gives the same sessions."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from laddvakt.cli.main import cli
from tests.support.installation import installation
from tests.support.waiting import until


def test_exported_log_replays_to_the_same_session(tmp_path: Path) -> None:
    with installation(tmp_path, LADDVAKT_OCPP__UNKNOWN_STATIONS="accept") as running:
        running.prepare()
        with running.station("X-1") as station:
            station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            start = {"connectorId": 1, "idTag": "T", "meterStart": 5, "timestamp": "2026-11-21T10:00:00Z"}
            number = station.call("StartTransaction", start)["transactionId"]
            stop = {"transactionId": number, "meterStop": 105, "timestamp": "2026-11-21T10:30:00Z"}
            station.call("StopTransaction", stop)
        with running.station("X-2") as other:
            other.call("Heartbeat", {})
        (live,) = until(lambda: running.items("/sessions", state="ended"), what="the session")
        log = tmp_path / "log.jsonl"
        log.write_text(running.cli("log", "export", "--station", "X-1"))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["station_id"] for line in lines} == {"X-1"}
    assert [line["received_at"] for line in lines] == sorted(line["received_at"] for line in lines)
    out = tmp_path / "out.json"
    done = CliRunner().invoke(cli, ["replay", str(log), "--out", str(out)])
    assert done.exit_code == 0, done.output
    (again,) = json.loads(out.read_bytes())["sessions"]
    same = ("session_id", "transaction_id", "energy_wh", "started_at", "ended_at", "state")
    assert [again[name] for name in same] == [live[name] for name in same]


def test_export_takes_only_times(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["--data", str(tmp_path), "log", "export", "--from", "yesterday"])
    assert done.exit_code == 2
