"""OCPP frames, log records with their facts, and lines of a replay log."""

from __future__ import annotations

import gzip
import json
from collections.abc import Hashable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from collector.link import SUPPORTED, Link
from collector.ocpp.action import Policy
from collector.replay import ReplayCollector
from collector.replaylog import RecordedAnswers, lines_of, parse_line
from collector.working_set import TariffShelf
from laddvakt.domain.entries import Entry, decode_batch, encode_entry, join_entries
from laddvakt.domain.errors import LogLineError
from tests.fuzz.memory_work import MemoryWork
from tests.fuzz.recorded import (
    PLAIN_TARIFF,
    RECORDINGS,
    no_fault_of_ours,
    plausible,
    record,
    recorded_lines,
    signs_of,
)
from tests.fuzz.target import Run, Seed, UnhandledError
from tests.support.payloads import HAPPY
from tests.support.stations import T0, Speaker


def _recorded() -> Iterator[tuple[str, list[Any]]]:
    """Protocol and frame of some calls of every action in the recordings, and some answers."""
    protocols: dict[str, str] = {}
    seen: dict[tuple[str, str], int] = {}
    for text in recorded_lines():
        line = msgspec.json.decode(text)
        if line["kind"] == "connected":
            protocols[line["station_id"]] = line.get("protocol", "ocpp1.6")
        frame = line.get("frame")
        if frame and line.get("direction") == "in":
            protocol = protocols.get(line["station_id"], "ocpp1.6")
            key = (protocol, frame[2] if frame[0] == 2 else "answer")
            seen[key] = seen.get(key, 0) + 1
            if seen[key] <= 4 and protocol in SUPPORTED:
                yield protocol, frame


# OCPP frames

LINKS = [(protocol, strict, text) for protocol in SUPPORTED for strict in (False, True) for text in (True, False)]


def frame_seeds() -> list[Seed]:
    frames = [
        (protocol, [2, "1", name, payload]) for protocol in SUPPORTED for name, payload in HAPPY[protocol].items()
    ]
    frames += _recorded()
    frames += [(protocol, [3, "1", {"status": "Accepted"}]) for protocol in SUPPORTED]
    frames += [(protocol, [4, "1", "InternalError", "x", {}]) for protocol in SUPPORTED]
    frames += [
        ("ocpp2.1", [5, "1", "FormatViolation", "x", {}]),
        ("ocpp2.1", [6, "1", "NotifyPeriodicEventStream", {}]),
    ]
    return [
        Seed(variant, msgspec.json.encode(frame))
        for number, (protocol, frame) in enumerate(frames)
        for variant, (spoken, _, _) in enumerate(LINKS)
        if spoken == protocol and variant % 4 == number % 4
    ]


def frames() -> Run:
    shelf = TariffShelf()
    policies = {strict: Policy(strict=strict) for strict in (False, True)}

    def run(variant: int, data: bytes) -> Hashable:
        protocol, strict, as_text = LINKS[variant]
        link = Link("SE-1", protocol, policies[strict])
        outcome = link.receive(data.decode("utf-8", "replace") if as_text else data, T0)
        facts = outcome.entry.facts
        no_fault_of_ours(facts)
        _sound_reply(outcome.reply)
        (kept,) = decode_batch(join_entries([encode_entry(outcome.entry)]))
        if kept != outcome.entry:
            raise UnhandledError("the log gives back another entry than it was given")
        if facts and len(data) % 8 == 0:  # the rest of the way costs twice as much
            record(MemoryWork(PLAIN_TARIFF, T0), shelf, (kept,))
        return variant, (outcome.reply or "")[:2], signs_of(facts)

    return run


def _sound_reply(reply: str | None) -> None:
    if reply is None:
        return
    frame = msgspec.json.decode(reply)
    length = {3: 3, 4: 5, 5: 5}[frame[0]]
    if len(frame) != length or not isinstance(frame[1], str):
        raise UnhandledError(f"a reply of another shape: {reply[:200]}")


# Log records, and the facts in them

_INTO_BOOK = 3


def entry_seeds() -> list[Seed]:
    seeds = []
    for number, (protocol, payloads) in enumerate(HAPPY.items()):
        station = Speaker(protocol=protocol)
        station.up()
        for second, (name, payload) in enumerate(payloads.items()):
            station.call(name, payload, second)
        station.down(99)
        said = [encode_entry(entry) for entry in station.said]
        seeds += [Seed(number, join_entries(said[start : start + 3])) for start in range(0, len(said), 3)]
        seeds.append(Seed(_INTO_BOOK, join_entries(said)))
    return [*seeds, *_session_seeds()]


def _session_seeds() -> list[Seed]:
    """Whole sessions of the recordings, each station's first entries."""
    collector = ReplayCollector(RecordedAnswers.scan(RECORDINGS[0]))
    entries: dict[str, list[Entry]] = {}
    for path in RECORDINGS:
        with gzip.open(path) as file:
            for number, text in enumerate(file, 1):
                with suppress(LogLineError):
                    for entry in collector.entries_of(number, parse_line(number, text)):
                        entries.setdefault(entry.station_id, []).append(entry)
    return [
        Seed(_INTO_BOOK, join_entries([encode_entry(entry) for entry in said[start : start + 6]]))
        for said in entries.values()
        for start in range(0, min(len(said), 120), 6)
    ]


def entries_run() -> Run:
    """What can be read goes, in one variant of four, into the book and the points, as the recorder does."""
    shelf = TariffShelf()

    def run(variant: int, data: bytes) -> Hashable:
        try:
            entries = decode_batch(data)
        except msgspec.MsgspecError:
            return "damaged"
        if variant != _INTO_BOOK:
            return tuple(signs_of(entry.facts)[:3] for entry in entries[:4])
        if not plausible(msgspec.to_builtins(entries, builtin_types=(datetime,))):
            return "times that the collector does not write"
        work = MemoryWork(PLAIN_TARIFF, T0)
        record(work, shelf, entries)
        found = work.sessions.kept.values()
        return tuple(sorted({(s.state, s.quality, s.quality_reasons[:2]) for s in found}))[:3]

    return run


# Lines of a replay log


def line_seeds() -> list[Seed]:
    lines = list(recorded_lines())
    station = Speaker()
    station.up()
    station.start(0)
    station.down(5)
    own = [json.dumps(line).encode() for entry in station.said for line in lines_of(entry)]
    return [Seed(0, line.strip()) for line in (*lines[:: max(1, len(lines) // 150)], *own)]


def lines_run() -> Run:
    def run(_: int, data: bytes) -> Hashable:
        collector = ReplayCollector(RecordedAnswers())
        try:
            line = parse_line(1, data)
        except LogLineError as error:
            return error.message[:20]
        entries = collector.entries_of(1, line)
        for entry in entries:
            no_fault_of_ours(entry.facts)
            for again in lines_of(entry):
                json.dumps(again, default=str)
        return line.kind, tuple(signs_of(entry.facts) for entry in entries)

    return run
