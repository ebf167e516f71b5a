"""`laddvakt evaluate` on the command line, and what the detector is fed."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from detector.replay import ReplayDetector
from laddvakt.cli import trial
from laddvakt.cli.main import cli
from laddvakt.domain.entries import Entry
from laddvakt.settings import Settings
from simulator.faults import KINDS
from simulator.lookalikes import LOOK_ALIKES
from simulator.spec import make_specs
from simulator.world import LogOptions, World

SMALL = ["--stations", "4", "--days", "0.5", "--first-seed", "1", "--processes", "1"]


def test_small_run_gives_a_table_and_json(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = CliRunner().invoke(
        cli,
        [
            "evaluate",
            "--seeds",
            "1",
            *SMALL,
            "--each",
            "1",
            "--only",
            "offline,reported_fault",
            "--explain",
            "--json",
            str(out),
        ],
    )
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_bytes())
    assert {one["fault"] for one in content["faults"]} == {"offline", "reported_fault"}
    assert len([one for one in content["faults"] if one.get("ticket")]) == content["result"]["overall"]["found"]
    assert len(content["needless"]) == content["result"]["overall"]["false_tickets"]
    written = content["result"]
    assert written["seeds"] == [1]
    assert set(written["overall"]) >= {"precision", "recall", "f1", "time_to_detect_p50_s", "right_asset"}
    assert set(written["classes"]) >= {"offline", "reported_fault"}
    assert written["overall"]["faults"] > 0
    for name, figures in written["classes"].items():
        assert f"\n{name}" in result.stdout
        assert figures["faults"] >= figures["found"]
    assert "us each" in result.stderr


def test_only_some_faults_are_laid_upon_the_fleet(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    args = ["evaluate", "--seeds", "1", *SMALL, "--only", "offline", "--json", str(out)]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0, result.output
    classes = json.loads(out.read_bytes())["result"]["classes"]
    assert {name for name, figures in classes.items() if figures["faults"]} == {"offline"}


def test_look_alikes_are_laid_upon_a_fleet_of_their_own(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    args = ["evaluate", "--seeds", "1", *SMALL, "--each", "1", "--only", "coarse_register,own_restart,parked_car"]
    args += ["--stations", "7"]  # of two sites
    result = CliRunner().invoke(cli, [*args, "--json", str(out)])
    assert result.exit_code == 0, result.output
    written = json.loads(out.read_bytes())
    assert written["result"]["overall"]["faults"] == 0
    assert written["result"]["look_alikes"] == {
        "coarse_register": [0, 1],
        "own_restart": [0, 1],
        "parked_car": [0, 1],
    }
    assert written["nothing_at_fault"]["look_alike_rate"] == 0
    assert "Look-alikes with a ticket: 0 of 3 (0.0 %)" in result.stdout


def test_planned_work_is_known_beforehand() -> None:
    """And is all that a detector is told of what is to come."""
    specs = make_specs(2)
    kind = LOOK_ALIKES["planned_maintenance"]
    start_s = LogOptions().start_s
    plan = kind.plan(specs[0], random.Random(1), start_s + 3600, start_s + 4 * 3600)
    options = LogOptions(specs=specs, seed=1, days=0.3, plans=(), likes=(plan,))
    (silence,) = trial.planned_work(World(options))
    assert (silence.target, silence.until - silence.from_) == ("SIM-0001", timedelta(hours=3))
    done = trial.run_trial(options, Settings.model_validate({"records": {"url": "sqlite://"}}))
    assert done.alarms == []


def test_miss_is_explained_by_what_its_rule_held() -> None:
    """One vehicle in a day and a half is no evidence about the station."""
    fleet = ["--stations", "6", "--days", "1.5", "--each", "3"]
    args = ["evaluate", "--seeds", "1", *SMALL, *fleet, "--only", "no_power", "--explain"]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0, result.output
    assert "missed no_power" in result.stdout
    assert "the rule held: " in result.stdout


def test_unknown_fault_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["evaluate", "--only", "gremlins"])
    assert result.exit_code == 2
    assert "gremlins is none of" in result.output


def test_the_same_seed_gives_the_same_alarms_in_any_process(tmp_path: Path) -> None:
    args = ["evaluate", "--seeds", "2", "--stations", "3", "--days", "0.2", "--first-seed", "1"]
    found = []
    for processes in ("1", "2"):
        out = tmp_path / f"{processes}.json"
        assert CliRunner().invoke(cli, [*args, "--processes", processes, "--json", str(out)]).exit_code == 0
        found.append(json.loads(out.read_bytes())["result"])
    assert found[0] == found[1]


def test_detector_is_fed_nameplates_and_messages_and_no_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that reaches it is there as well when nobody wrote the truth down."""
    fed: list[Any] = []

    class Listening(ReplayDetector):
        def __init__(self, settings: Settings, records: Any, **more: Any) -> None:
            super().__init__(settings, records, **more)
            with records.read() as work:
                fed.extend(work.stations.all())

        def apply(self, entries: Any, now: Any) -> None:
            fed.extend(entries)
            super().apply(entries, now)

    monkeypatch.setattr(trial, "ReplayDetector", Listening)
    options = LogOptions(stations=4, seed=1, days=0.3, faults=3)
    done = trial.run_trial(options, Settings.model_validate({"records": {"url": "sqlite://"}}))
    assert done.truth.faults
    entries = [one for one in fed if isinstance(one, Entry)]
    said = [str(line.frame or line.payload) for line in World(options).lines() if line.direction != "out"]
    assert len(entries) == len(said)
    text = " ".join(entry.raw + (entry.reply or "") for entry in entries)
    for word in ("shown_at", "strength", "look_alike", "since", *KINDS):
        assert f'"{word}"' not in text
    assert [one for one in fed if not isinstance(one, Entry)] == [
        trial.station_of(spec) for spec in World(options).specs
    ]
