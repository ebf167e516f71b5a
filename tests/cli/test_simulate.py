"""`laddvakt simulate` on the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from laddvakt.cli.simulate import command
from tests.support import servers
from tests.support.waiting import until


def test_a_log_and_its_truth_are_written(tmp_path: Path) -> None:
    out, truth = tmp_path / "log.jsonl", tmp_path / "truth.json"
    args = ["--out", str(out), "--truth", str(truth), "--stations", "3", "--days", "0.2", "--faults", "1"]
    args += ["--look-alikes", "1"]
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 0, result.output
    assert f"{len(out.read_text('utf-8').splitlines())} lines of 3 stations" in result.output
    told = json.loads(truth.read_text("utf-8"))
    assert told["faults"]
    assert told["look_alikes"]


def test_a_network_file_names_the_stations(tmp_path: Path) -> None:
    network = tmp_path / "network.toml"
    network.write_text(
        '[[stations]]\nid = "SE-7"\ncurrent = "DC"\nconnectors = [{ id = 1 }]\n'
        '[[tokens]]\nid_tag = "04AA"\n[[tokens]]\nid_tag = "04BB"\n'
    )
    out = tmp_path / "log.jsonl"
    args = ["--out", str(out), "--truth", str(tmp_path / "t.json"), "--network", str(network), "--days", "1"]
    assert CliRunner().invoke(command, args).exit_code == 0
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    assert {line["station_id"] for line in lines if "station_id" in line} == {"SE-7"}
    tags = {line["frame"][3].get("idTag") for line in lines if "StartTransaction" in str(line.get("frame"))}
    assert tags
    assert tags <= {"04AA", "04BB"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "either --url"),
        (["--url", "ws://x", "--out", "y"], "either --url"),
        (["--url", "http://x"], "ws://127.0.0.1:9000"),
        (["--out", "y"], "--truth"),
        (["--url", "ws://x", "--faults", "2"], "--faults"),
        (["--url", "ws://x", "--look-alikes", "0.1"], "--out"),
        (["--url", "ws://x", "--session", "9", "3"], "shortest"),
    ],
)
def test_wrong_usage_is_said_and_ends_with_two(args: list[str], says: str) -> None:
    result = CliRunner().invoke(command, args)
    assert result.exit_code == 2
    assert says in result.output


def test_a_live_fleet_ends_cleanly_when_told(tmp_path: Path) -> None:
    url = f"ws://127.0.0.1:{servers.free_port()}"
    said = tmp_path / "said"
    with said.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "laddvakt.cli", "simulate", "--url", url, "--stations", "2"],
            stderr=file,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        until(lambda: "connect to" in said.read_text("utf-8"), deadline_s=30, what="the fleet")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in said.read_text("utf-8")
