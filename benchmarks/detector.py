"""The detector's rules over a fleet's log: facts per second of processor time, and the state of a connector.

The log is a simulated fleet's of a few hours, read by the collector before the clock starts: sessions, statuses,
heartbeats, values of devices, in the proportions of the field. Its peers in the same run are the least that any
reader of the log must do: decode the bytes, and take each fact into what is known of its station.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.harness import Result, Row, Size
from collector.replay import ReplayCollector
from collector.replaylog import LogLine, RecordedAnswers, read_lines
from detector.assembly import make_engine, make_watch
from detector.engine import Engine
from detector.fold import fold
from detector.view import StationView
from laddvakt.cli.trial import station_of
from laddvakt.domain.entries import Entry, decode_batch, encode_entry, join_entries
from laddvakt.domain.stations import Station
from laddvakt.settings import Settings
from simulator.log import LogOptions, write_log
from simulator.world import World

DECODE = "decode the log's bytes"
FOLD = "and take the facts into the stations' views"


def run(size: Size, folder: Path) -> Result:
    stations, entries = _fleet(size, folder)
    facts = sum(len(entry.facts) for entry in entries)
    packed = join_entries([encode_entry(entry) for entry in entries])
    engines: list[Engine] = []

    def judge() -> None:
        engines.append(_engine(stations))
        engines[-1].observe(entries)

    def row(name: str, work: Callable[[], None], *peers: str) -> Row:
        samples = tuple(facts / _processor_time(work) for _ in range(min(size.repeats, 3)))
        return Row(name=name, unit="facts/s", samples=samples, peers=peers)

    rows = (
        row(DECODE, lambda: _decode(packed)),
        row(FOLD, lambda: _fold(entries), DECODE),
        row("Laddvakt: all rules and features", judge, DECODE, FOLD),
        *_state(engines[-1], stations),
    )
    return Result(
        benchmark="detector",
        title=f"Rules over the log of {len(stations)} stations, {facts} facts, one core",
        rows=rows,
        asked=len(stations),
        counted=sum(1 for station in stations if engines[-1].view(station.station_id) is not None),
    )


def _fleet(size: Size, folder: Path) -> tuple[list[Station], list[Entry]]:
    options = LogOptions(stations=max(size.connections // 2, 3), days=size.seconds / 16, seed=7, faults=0.1)
    log = folder / "fleet.jsonl"
    write_log(options, log, folder / "truth.json")
    collector = ReplayCollector(RecordedAnswers.scan(log))
    entries = [
        entry
        for number, line in read_lines(log)
        if isinstance(line, LogLine)
        for entry in collector.entries_of(number, line)
    ]
    return [station_of(spec) for spec in World(options).specs], entries


def _engine(stations: Sequence[Station]) -> Engine:
    settings = Settings()
    engine = make_engine(settings, "bench", 1, make_watch(settings))
    engine.register(stations)
    return engine


def _decode(packed: bytes) -> None:
    decode_batch(packed)


def _fold(entries: Sequence[Entry]) -> None:
    views: dict[str, StationView] = {}
    for entry in entries:
        view = views.get(entry.station_id)
        if view is None:
            view = views[entry.station_id] = StationView(station_id=entry.station_id)
        fold(view, entry, str)


def _state(engine: Engine, stations: Sequence[Station]) -> Iterator[Row]:
    """What is stored of a connector, and how long a detector that starts takes to have it back."""
    known = [station.station_id for station in stations]
    states = engine.encode(known)
    connectors = sum(len(station.connectors) for station in stations)
    total = sum(map(len, states.values()))
    largest = max(map(len, states.values()))
    yield Row(
        name="state of a connector, as stored",
        unit="bytes",
        samples=(total / connectors,),
        notes={"of the largest station": largest},
    )
    taken = _processor_time(lambda: _engine(stations).restore(states))
    yield Row(name="restart: states taken up again", unit="connectors/s", samples=(connectors / taken,))


def _processor_time(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
