"""Recordings of stations that were not made by us, through collector and detector: nothing in them is broken.

`ten-stations` is what emulators of five makers said to a central system within two and a half minutes: they
boot, charge a few watt-hours several times, and are taken out of service at the end. `three-versions` is one
virtual charge point in OCPP 1.6, 2.0.1 and 2.1. Judged by hand: quick repeated starts and stops, registers that
begin anew with each session, one that is labelled kWh and counts Wh, events that are not numbered. None of it is
a fault of equipment.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from laddvakt.cli.main import cli

DATA = Path(__file__).parents[1] / "data"


def _replayed(tmp_path: Path, name: str) -> dict[str, Any]:
    out = tmp_path / "out.json"
    result = CliRunner().invoke(cli, ["replay", str(DATA / name), "--out", str(out)])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(out.read_text("utf-8"))
    return found


@pytest.mark.parametrize(
    ("name", "stations", "sessions"), [("ten-stations.jsonl.gz", 7, 43), ("three-versions.jsonl.gz", 3, 3)]
)
def test_a_recording_of_sound_stations_opens_no_ticket(
    tmp_path: Path, name: str, stations: int, sessions: int
) -> None:
    out = _replayed(tmp_path, name)
    assert (len(out["stations"]), len(out["sessions"])) == (stations, sessions)
    assert [(ticket["fault"], ticket["explanation"]) for ticket in out["tickets"]] == []
