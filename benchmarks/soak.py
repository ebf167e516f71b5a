"""`python -m benchmarks.soak [--minutes 30]`: a fleet at an even pace on all of `laddvakt up`, sessions beginning
and ending, stations coming and going. The resident memory of every process is sampled; after a warm-up it must
stay within 5 %. Exit status 1 when it does not; an error when a call was not answered."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psutil
import uvloop

from benchmarks.harness import cores, many_sockets
from benchmarks.load import Station, call, framed, meter_values, names
from benchmarks.whole_way import all_services

WITHIN = 0.05
_PATIENCE_S = 60.0
_READINGS = 10  # of a session


class Plan(NamedTuple):
    """How long and how much."""

    seconds: float
    stations: int = 300
    calls_per_s: float = 300.0
    sessions_per_link: int = 5  # on average; then the station goes and comes back
    sample_s: float = 5.0

    @property
    def warm_up_s(self) -> float:
        return self.seconds / 4


class Sample(NamedTuple):
    """Resident memory, bytes, by process."""

    at_s: float
    rss: dict[str, int]


class Drift(NamedTuple):
    """One process after the warm-up: its memory in the first and in the last third of the time."""

    name: str
    before: float
    after: float

    @property
    def growth(self) -> float:
        return self.after / self.before - 1

    @property
    def flat(self) -> bool:
        return abs(self.growth) <= WITHIN


def drifts(samples: list[Sample], warm_up_s: float) -> list[Drift]:
    """Means of thirds, so that a single high sample decides nothing."""
    settled = [sample for sample in samples if sample.at_s >= warm_up_s]
    third = max(len(settled) // 3, 1)

    def mean(name: str, part: list[Sample]) -> float:
        return sum(sample.rss[name] for sample in part) / len(part)

    return [Drift(name, mean(name, settled[:third]), mean(name, settled[-third:])) for name in settled[0].rss]


class _Life:
    """One station for as long as the soak lasts: one session after the other, over links that end now and then."""

    def __init__(self, station_id: str, port: int, plan: Plan, chance: random.Random, until: float) -> None:
        self._station_id = station_id
        self._port = port
        self._pause_per_s = plan.calls_per_s / plan.stations
        self._sessions_per_link = plan.sessions_per_link
        self._chance = chance
        self._until = until  # of the event loop's clock
        self._number = 0
        self._meter_wh = 1000
        self._reply: asyncio.Future[bytes] | None = None
        self.answered = 0

    def _on(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    async def live(self) -> None:
        while self._on():
            station = Station(f"/{self._station_id}", self._on_reply)
            await asyncio.get_running_loop().create_connection(lambda: station, "127.0.0.1", self._port)  # noqa: B023  # called at once
            await station.open
            try:
                await self._link(station)
            finally:
                station.close()

    async def _link(self, station: Station) -> None:
        await self._say(station, "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
        while self._on():
            await self._session(station)
            if self._chance.random() < 1 / self._sessions_per_link:
                return

    async def _session(self, station: Station) -> None:
        status = {"connectorId": 1, "errorCode": "NoError", "status": "Charging", "timestamp": _stamp()}
        await self._say(station, "StatusNotification", status)
        start = {"connectorId": 1, "idTag": "SOAK", "meterStart": self._meter_wh, "timestamp": _stamp()}
        number = (await self._say(station, "StartTransaction", start))["transactionId"]
        for _ in range(_READINGS):
            if self._on():
                self._meter_wh += 100
                values = meter_values(self._meter_wh - 1_234_567, datetime.now(UTC), number)
                await self._say(station, "MeterValues", values)
        stop = {"transactionId": number, "meterStop": self._meter_wh, "timestamp": _stamp()}
        await self._say(station, "StopTransaction", stop)

    async def _say(self, station: Station, action: str, payload: dict[str, Any]) -> Any:
        """The reply's payload. Raises RuntimeError for any other answer, TimeoutError for none."""
        await asyncio.sleep(self._chance.expovariate(self._pause_per_s))
        self._number += 1
        self._reply = asyncio.get_running_loop().create_future()
        station.send(framed(call(self._number, payload, action)))
        async with asyncio.timeout(_PATIENCE_S):
            kind, _, *rest = msgspec.json.decode(await self._reply)
        if kind != 3:
            raise RuntimeError(f"{self._station_id}: {action} was refused: {rest}")
        self.answered += 1
        return rest[0]

    def _on_reply(self, _: Station, text: bytes) -> None:
        if text[:2] != b"[2" and self._reply is not None:  # this fleet takes no commands
            self._reply.set_result(text)


def _stamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _sample(processes: dict[str, psutil.Process], every_s: float, into: list[Sample]) -> None:
    begin = time.perf_counter()
    while True:
        rss = {name: int(process.memory_info().rss) for name, process in processes.items()}
        into.append(Sample(time.perf_counter() - begin, rss))
        await asyncio.sleep(every_s)


async def _soak(port: int, processes: dict[str, psutil.Process], plan: Plan) -> tuple[list[Sample], int]:
    samples: list[Sample] = []
    until = asyncio.get_running_loop().time() + plan.seconds
    lives = [
        _Life(name, port, plan, random.Random(number), until) for number, name in enumerate(names(plan.stations))
    ]
    sampling = asyncio.create_task(_sample(processes, plan.sample_s, samples))
    async with asyncio.TaskGroup() as group:
        for life in lives:
            group.create_task(life.live())
    if sampling.done():
        sampling.result()  # a process has died
    sampling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sampling
    return samples, sum(life.answered for life in lives)


def run(plan: Plan, folder: Path) -> tuple[list[Drift], int]:
    """How the memory of each process went, and how many calls were answered. Raises where one was not, or where a
    process died."""
    with (
        many_sockets(),
        tempfile.TemporaryDirectory(dir=folder) as own,
        all_services(Path(own), cores()) as running,
    ):
        samples, answered = uvloop.run(_soak(running.port, running.processes, plan))
    return drifts(samples, plan.warm_up_s), answered


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="default: %(default)s")
    parser.add_argument("--stations", type=int, default=300, help="default: %(default)s")
    parser.add_argument("--calls", type=float, default=300, metavar="PER_S", help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where servers keep data: a real disk (default: the system's)")
    given = parser.parse_args()
    plan = Plan(seconds=60 * given.minutes, stations=given.stations, calls_per_s=given.calls)
    with tempfile.TemporaryDirectory(prefix="laddvakt-soak-", dir=given.folder) as folder:
        found, answered = run(plan, Path(folder))
    print(f"{answered} calls answered in {given.minutes} minutes, {plan.stations} stations\n")
    print("| process | MiB after the warm-up | MiB at the end | growth | |\n| --- | --- | --- | --- | --- |")
    for one in found:
        verdict = "flat" if one.flat else "NOT FLAT"
        print(
            f"| {one.name} | {one.before / 2**20:.1f} | {one.after / 2**20:.1f} | {one.growth:+.1%} | {verdict} |"
        )
    return 0 if all(one.flat for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
