"""`python -m tests.fuzz`: random inputs through every door, on all cores; see docs/reference/testing.md."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Hashable

from tests.fuzz import corpus
from tests.fuzz.plan import planned, run_slice
from tests.fuzz.slices import Fault
from tests.fuzz.target import Seed
from tests.fuzz.targets import TARGETS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named"
    )
    parser.add_argument("--inputs", type=int, default=10_000_000, help="in total (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="another one gives other inputs (default: %(default)s)"
    )
    parser.add_argument("--slice", type=int, help="only this slice of a target, to see a fault again")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="default: %(default)s")
    parser.add_argument("--keep", action="store_true", help="keep what was found in tests/data/corpus")
    given = parser.parse_args()
    if unknown := set(given.targets) - TARGETS.keys():
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    return given


def _keep(fresh: dict[str, dict[Hashable, Seed]], faults: dict[str, list[Fault]]) -> None:
    for name in fresh.keys() | faults.keys():
        found = [
            corpus.kept(fault.seed, fault.error) for fault in faults.get(name, ()) if len(fault.seed.data) < 20_000
        ]
        corpus.add(name, found, [corpus.kept(seed) for seed in fresh.get(name, {}).values()])


def main() -> int:
    given = _arguments()
    parts = planned(given.targets or list(TARGETS), given.inputs, given.seed)
    if given.slice is not None:
        parts = [part for part in parts if part.number == given.slice]
    fresh: dict[str, dict[Hashable, Seed]] = {}  # with --keep only: inputs take gigabytes
    outcomes: dict[str, set[int]] = {}
    faults: dict[str, list[Fault]] = {}
    done: dict[str, int] = {}
    begin = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(given.workers) as pool, contextlib.suppress(KeyboardInterrupt):
        for found in pool.imap_unordered(run_slice, parts):
            name = found.slice.target
            done[name] = done.get(name, 0) + found.done
            outcomes.setdefault(name, set()).update(map(hash, found.fresh))
            if given.keep:
                fresh.setdefault(name, {}).update(found.fresh)
            for fault in found.faults:
                known = {one.error.partition(":")[0] + one.trace[-300:] for one in faults.get(name, ())}
                if fault.error.partition(":")[0] + fault.trace[-300:] not in known:
                    faults.setdefault(name, []).append(fault)
                    print(
                        f"\n{name}, slice {found.slice.number}: {fault.error}\n{fault.seed!r:.500}\n{fault.trace}"
                    )
            total, took = sum(done.values()), time.monotonic() - begin
            print(
                f"{total:>12,} inputs  {total / took:>8,.0f}/s  {sum(map(len, faults.values()))} faults  {name}",
                end="\n" if not sys.stdout.isatty() else "\r",
                flush=True,
            )
    print()
    for name, count in sorted(done.items()):
        led_to = f"{len(outcomes[name]):>6,} outcomes, {len(faults.get(name, ()))} faults"
        print(f"{name:>10} {count:>12,} inputs, {led_to}")
    if given.keep:
        _keep(fresh, faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
