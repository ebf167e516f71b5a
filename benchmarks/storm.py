"""A whole fleet comes back at once, as after a power cut: every station knocks, boots, says what its connectors do
and hands in the session that it kept meanwhile, each call as soon as the last one was answered."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import uvloop

from benchmarks.harness import Result, Row, Running, Size, cores, many_sockets, pinned, server
from benchmarks.load import Station, call, framed, names, percentile

GOAL_P99_S = 1.0
_PATIENCE_S = 180.0
_OTHER_FILES = 500  # of the server, beside its stations


def _status(number: int, connector: int, stamp: str) -> bytes:
    payload = {"connectorId": connector, "errorCode": "NoError", "status": "Available", "timestamp": stamp}
    return framed(call(number, payload, "StatusNotification"))


def _story(now: datetime) -> list[bytes]:
    """What each station says, up to the end of its session, which needs to know its number."""
    stamp = (now - timedelta(hours=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    boot = {"chargePointVendor": "Acme", "chargePointModel": "One", "firmwareVersion": "1.0"}
    start = {"connectorId": 1, "idTag": "BENCH", "meterStart": 1000, "timestamp": stamp}
    return [
        framed(call(1, boot, "BootNotification")),
        _status(2, 0, stamp),
        _status(3, 1, stamp),
        framed(call(4, start, "StartTransaction")),
    ]


def _stop(now: datetime, transaction_id: int) -> bytes:
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    payload = {"transactionId": transaction_id, "meterStop": 9000, "timestamp": stamp}
    return framed(call(5, payload, "StopTransaction"))


class _Found(NamedTuple):
    replies: list[tuple[float, float]]  # when, seconds after the storm began; how long it took
    opened: list[float]  # how long each station knocked
    told: int  # sessions handed in

    def worst_s(self) -> float:
        """The 99th percentile of the worst second."""
        by_second: dict[int, list[float]] = defaultdict(list)
        for at, took in self.replies:
            by_second[int(at)].append(took)
        return max(percentile(sorted(took), 0.99) for took in by_second.values())


class _Storm:
    def __init__(self, now: datetime) -> None:
        self._now = now
        self._story = _story(now)
        self._begin = time.perf_counter()
        self._done = asyncio.Event()
        self._left = 0
        self.found = _Found([], [], 0)

    async def run(self, port: int, station_ids: list[str]) -> list[Station]:
        self._left = len(station_ids)
        self._begin = time.perf_counter()
        async with asyncio.timeout(_PATIENCE_S):
            stations = await asyncio.gather(*(self._come(port, station_id) for station_id in station_ids))
            await self._done.wait()
        return stations

    async def _come(self, port: int, station_id: str) -> Station:
        knocked = time.perf_counter()
        station = Station(f"/{station_id}", self._on_reply)
        await asyncio.get_running_loop().create_connection(lambda: station, "127.0.0.1", port)
        await station.open
        self.found.opened.append(time.perf_counter() - knocked)
        self._say(station, self._story[0])
        return station

    def _say(self, station: Station, frame: bytes) -> None:
        station.number += 1
        station.sent_at = time.perf_counter()
        station.send(frame)

    def _on_reply(self, station: Station, text: bytes) -> None:
        now = time.perf_counter()
        self.found.replies.append((now - self._begin, now - station.sent_at))
        if station.number < len(self._story):
            self._say(station, self._story[station.number])
        elif station.number == len(self._story):
            self._say(station, _stop(self._now, msgspec.json.decode(text)[2]["transactionId"]))
        else:
            self.found = self.found._replace(told=self.found.told + (text[:2] == b"[3"))
            self._left -= 1
            if not self._left:
                self._done.set()


async def _come_back(running: Running, station_ids: list[str]) -> _Found:
    storm = _Storm(datetime.now(UTC))
    for station in await storm.run(running.port, station_ids):
        station.close()
    return storm.found


def _row(name: str, samples: list[float], **notes: float) -> Row:
    return Row(name=name, unit="s", samples=tuple(round(value, 3) for value in samples), notes=notes)


def run(size: Size, folder: Path) -> Result:
    """At most three repeats. Event log on the collector's core, the fleet on the other."""
    found: list[_Found] = []
    with many_sockets() as most:
        count = min(size.storm, most - _OTHER_FILES)
        for _ in range(min(size.repeats, 3)):
            with (
                tempfile.TemporaryDirectory(dir=folder) as own,
                server("collector", cores().server, Path(own), stations=count) as running,
                pinned(cores().load),
            ):
                found.append(uvloop.run(_come_back(running, names(count))))
    p50 = round(statistics.median(took for one in found for _, took in one.replies), 3)
    return Result(
        benchmark="storm",
        title=f"A storm: {count} stations come back at once",
        rows=(
            _row(
                "99th percentile of a reply in the worst second",
                [one.worst_s() for one in found],
                **{"goal s": GOAL_P99_S},
            ),
            _row(
                "99th percentile of a reply",
                [percentile(sorted(took for _, took in one.replies), 0.99) for one in found],
                **{"p50 s": p50},
            ),
            _row("99th percentile of being let in", [percentile(sorted(one.opened), 0.99) for one in found]),
            _row("until all had said everything", [max(at for at, _ in one.replies) for one in found]),
        ),
        asked=count * len(found),
        counted=sum(one.told for one in found),
    )
