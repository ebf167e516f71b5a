"""Every benchmark runs at its smallest and counts what it asked for. Times are never judged here."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks import soak
from benchmarks.__main__ import BENCHMARKS
from benchmarks.harness import SMALL, Result, Row, machine, report, table

ROWS = {
    "meter_values": 6,
    "half_load": 3,
    "storm": 4,
    "steps": 6,
    "idle_connections": 4,
    "recorder": 4,
    "eventlog": 4,
    "tap": 7,
    "whole_way": 4,
    "detector": 5,
    "forests": 9,
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


def test_the_soak_samples_every_process_while_stations_come_and_go(tmp_path: Path) -> None:
    plan = soak.Plan(seconds=3, stations=5, calls_per_s=100, sample_s=0.2, sessions_per_link=1)
    found, answered = soak.run(plan, tmp_path)

    assert {drift.name for drift in found} >= {"eventlog", "collector", "recorder", "detector", "dashboard"}
    assert all(drift.before > 0 for drift in found)
    assert answered > 10


def test_memory_is_flat_within_five_per_cent_after_the_warm_up() -> None:
    warming = [soak.Sample(number, {"steady": number, "leaky": number}) for number in range(10)]
    then = [soak.Sample(number, {"steady": 100 + number % 3, "leaky": 100 + number}) for number in range(10, 40)]
    steady, leaky = soak.drifts(warming + then, warm_up_s=10)
    assert steady.flat
    assert not leaky.flat
    assert leaky.growth == pytest.approx(0.17, abs=0.02)


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
