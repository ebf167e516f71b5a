"""Every benchmark runs at its smallest and counts what it asked for. Times are never judged here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.harness import SMALL, Result, Row, machine, report, table

ROWS = {
    "meter_values": 6,
    "steps": 6,
    "idle_connections": 4,
    "recorder": 4,
    "eventlog": 4,
    "tap": 7,
    "whole_way": 4,
}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_its_rows_and_counts_every_reply(name: str, tmp_path: Path) -> None:
    result = BENCHMARKS[name](SMALL, tmp_path)

    assert result.benchmark == name
    assert len(result.rows) == ROWS[name]
    assert all(row.samples for row in result.rows)
    if name not in ("idle_connections", "tap"):  # so few connections may fit into memory that is there already
        assert all(sample > 0 for row in result.rows for sample in row.samples)
    assert result.counted == result.asked > 0
    shown = table(result)
    assert all(row.name in shown for row in result.rows)


def _result() -> Result:
    slow = Row(name="slow", unit="calls/s", samples=(9.0, 10.0, 12.0))
    fast = Row(name="fast", unit="calls/s", samples=(25.0, 20.0, 30.0), peers=("slow",), notes={"cpu %": 99})
    return Result(benchmark="example", title="An example", rows=(slow, fast), asked=5, counted=5)


def test_a_table_shows_the_median_the_spread_and_the_ratio() -> None:
    assert "| fast | 25 calls/s | 20 .. 30 | 2.50 x slow | cpu % 99 |" in table(_result()).splitlines()


def test_the_report_names_the_machine_and_every_sample() -> None:
    said = msgspec.json.decode(report([_result()], machine()))

    assert said["machine"]["python"]
    assert said["results"][0]["rows"][1]["samples"] == [25.0, 20.0, 30.0]
    assert said["results"][0]["rows"][1]["ratios"] == {"slow": 2.5}
