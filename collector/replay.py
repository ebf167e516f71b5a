"""Replay through the collector: log lines to entries, by the same Link that serves live stations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from collector.link import SUPPORTED, Link
from collector.mqtt.facts import raw_bytes
from collector.mqtt.mappings import Mapping, Reader
from collector.ocpp.action import Policy, Purpose, Verdict
from collector.replaylog import LogLine, RecordedAnswers
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import FrameError
from laddvakt.domain.facts import NotObserved, Quarantined
from laddvakt.domain.identification import Shown


def _gap(line: LogLine, fact: NotObserved) -> Entry:
    return Entry(station_id=line.station_id, kind=EntryKind.GAP, received_at=line.received_at, facts=(fact,))


def _unique_id(frame: Any) -> str:
    return str(frame[1]) if isinstance(frame, list) and len(frame) > 1 else ""


class ReplayCollector:
    """`entries_of` turns one line into the entries that the live collector would have logged."""

    def __init__(self, answers: RecordedAnswers, mappings: Sequence[Mapping] = ()) -> None:
        self._reader = Reader(mappings)
        self._links: dict[str, Link] = {}
        self._answers = answers
        self._policy = Policy(recorded_transaction=answers.transaction, authorize=self._verdict)
        self._asking = ""  # the unique id of the call that is read
        self.counts: Counter[str] = Counter()

    def entries_of(self, number: int, line: LogLine) -> list[Entry]:
        entries = self._entries_of(number, line)
        if line.reprocessing is None:
            return entries
        return [replace(entry, reply=None, reprocessing=line.reprocessing) for entry in entries]

    def _entries_of(self, number: int, line: LogLine) -> list[Entry]:
        self._answers.current_line = number
        if line.kind == "mqtt":
            self.counts["mqtt"] += 1
            entry = self._reader.read(line.topic, raw_bytes(line.payload), line.received_at)
            return [] if entry is None else [entry]
        if line.kind == "connected":
            link = self._links[line.station_id] = Link(line.station_id, line.protocol, self._policy)
            return [link.connected(line.received_at)]
        if line.gap is not None:
            return [_gap(line, line.gap)]
        link = self._links.get(line.station_id) or Link(line.station_id, line.protocol, self._policy)
        self._links[line.station_id] = link
        if line.kind == "disconnected":
            return [link.disconnected(line.received_at, "recorded")]
        text = line.raw if line.raw is not None else msgspec.json.encode(line.frame).decode()
        return self._frame(link, line, text)

    def _frame(self, link: Link, line: LogLine, text: str) -> list[Entry]:
        if line.direction == "out":
            frame = line.frame
            if isinstance(frame, list) and frame[:1] == [2]:
                try:
                    return [link.sent(text, line.received_at)]
                except FrameError:
                    self.counts["out, unreadable"] += 1
            return []  # a reply: ours stands in the entry of the call it answers
        self._asking = _unique_id(line.frame)
        outcome = link.receive(text, line.received_at)
        self.counts[f"{link.protocol} in"] += 1
        for fact in outcome.entry.facts:
            if isinstance(fact, Quarantined):
                self.counts[f"{link.protocol} {fact.reason}"] += 1
        return [outcome.entry]

    def _verdict(self, shown: Shown, purpose: Purpose, now: datetime) -> Verdict:
        return self._answers.verdict(purpose.station_id, self._asking)

    def summary(self) -> list[str]:
        """What was done with the lines, for people."""
        lines = []
        for protocol in sorted({name.split()[0] for name in self.counts if name.startswith("ocpp")}):
            frames = self.counts[f"{protocol} in"]
            aside = {
                name.removeprefix(f"{protocol} "): count
                for name, count in sorted(self.counts.items())
                if name.startswith(f"{protocol} ") and not name.endswith(" in")
            }
            text = f"{protocol}: {frames} frames from stations"
            if protocol not in SUPPORTED:
                text += "; this version is not read yet: its calls are kept in the quarantine"
            if aside:
                text += "; set aside: " + ", ".join(f"{count} {reason}" for reason, count in aside.items())
            lines.append(text + ".")
        if self.counts["mqtt"]:
            lines.append(f"mqtt: {self.counts['mqtt']} messages from devices.")
        return lines
