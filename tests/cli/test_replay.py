"""`laddvakt replay --compare`: a backtest on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from laddvakt.cli.main import cli
from laddvakt.domain.tickets import Asset
from simulator.faults import FaultPlan
from simulator.log import LogOptions, write_log
from simulator.world import DEFAULT_START_S


def _silent(station_id: str, hours: float) -> FaultPlan:
    since_s = DEFAULT_START_S + 3600 * hours
    return FaultPlan(
        fault="offline",
        asset=Asset(kind="station", id=station_id),
        station_id=station_id,
        connector_id=None,
        since_s=since_s,
        until_s=since_s + 7200,
        strength=1.0,
        detail="power",
    )


def test_other_settings_are_compared_with_those_in_force(tmp_path: Path) -> None:
    log, other, out = tmp_path / "log.jsonl", tmp_path / "other.toml", tmp_path / "out.json"
    plans = tuple(_silent(station, hours) for station, hours in (("SIM-0001", 3), ("SIM-0003", 5)))
    write_log(LogOptions(stations=4, seed=5, days=0.5, plans=plans), log, tmp_path / "truth.json")
    other.write_text("[detector.rules.offline]\nafter_s = 600\nheartbeats = 1\n")
    args = ["replay", str(log), "--compare", str(other), "--out", str(out)]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_bytes())
    comparison = content["comparison"]
    offline = [one for one in comparison["tickets"] if one["fault"] == "offline"]
    assert offline
    assert {one["change"] for one in offline} == {"earlier"}
    assert {one["opened_later_s"] for one in offline} == {-300.0}
    others = {one["change"] for one in comparison["tickets"] if one["fault"] != "offline"}
    assert others <= {"same"}
    assert comparison["counts"]["earlier"] == len(offline)
    before = {one["before"]["ticket_id"] for one in comparison["tickets"]}
    assert before == {ticket["ticket_id"] for ticket in content["tickets"]}
    assert "opened 5 min 0 s earlier" in result.stdout


def test_settings_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    log, other = tmp_path / "log.jsonl", tmp_path / "other.toml"
    log.write_text("")
    other.write_text("[detector.rules.gremlins]\nafter_s = 1\n")
    result = CliRunner().invoke(
        cli, ["replay", str(log), "--compare", str(other), "--out", str(tmp_path / "out.json")]
    )
    assert result.exit_code == 1
    assert "gremlins" in str(result.exception)
