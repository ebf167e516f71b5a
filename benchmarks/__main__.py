"""`python -m benchmarks [NAME ...] [--json OUT]`: runs benchmarks and prints tables with ratios."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks import (
    detector,
    eventlog,
    forests,
    half_load,
    idle_connections,
    meter_values,
    recorder,
    steps,
    storm,
    tap,
    whole_way,
)
from benchmarks.harness import SMALL, Benchmark, Result, Size, machine, report, table

BENCHMARKS: dict[str, Benchmark] = {
    "meter_values": meter_values.run,
    "half_load": half_load.run,
    "storm": storm.run,
    "steps": steps.run,
    "idle_connections": idle_connections.run,
    "recorder": recorder.run,
    "eventlog": eventlog.run,
    "tap": tap.run,
    "whole_way": whole_way.run,
    "detector": detector.run,
    "forests": forests.run,
}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if none is named"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write everything as JSON")
    parser.add_argument("--folder", type=Path, help="where servers keep data: a real disk (default: the system's)")
    parser.add_argument("--repeats", type=int, default=Size().repeats, help="default: %(default)s")
    parser.add_argument(
        "--tries",
        type=int,
        default=Size().tries,
        help="on a busy machine: tries per repeat, of which the least disturbed counts (default: %(default)s)",
    )
    parser.add_argument("--small", action="store_true", help="only see that everything runs")
    given = parser.parse_args()
    if unknown := set(given.names) - BENCHMARKS.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    return given


def main() -> int:
    given = _arguments()
    logging.basicConfig(level=logging.ERROR)
    size = SMALL if given.small else msgspec.structs.replace(Size(), repeats=given.repeats, tries=given.tries)
    about = machine()
    print("; ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    results: list[Result] = []
    for name in given.names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="laddvakt-bench-", dir=given.folder) as folder:
            results.append(BENCHMARKS[name](size, Path(folder)))
        print(f"\n{table(results[-1])}", flush=True)
    about["load_average_after"] = [round(value, 2) for value in os.getloadavg()]
    print(f"\nload average after: {about['load_average_after']}")
    if given.json:
        given.json.write_bytes(report(results, about))
    return 0 if all(result.asked == result.counted for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
