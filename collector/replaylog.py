"""Replay logs (JSON Lines): what was said, read back in order. One bad line is reported and skipped.

Two passes over the file keep memory small: the first collects what the recorded central system
answered, the second yields one line at a time.
"""

from __future__ import annotations

import gzip
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import msgspec

from collector.ocpp.action import ACCEPTED, Verdict
from collector.ocpp.id_token import verdict_of
from laddvakt.domain.entries import Entry, EntryKind, Reprocessing
from laddvakt.domain.errors import LogLineError
from laddvakt.domain.facts import NotObserved
from laddvakt.domain.times import require_utc, rfc3339_exact

Kind = Literal["connected", "ocpp", "mqtt", "disconnected", "gap"]


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `frame` is the OCPP-J message; `raw` stands for it where it is not JSON."""

    received_at: datetime
    kind: Kind
    station_id: str = ""
    protocol: str = "ocpp1.6"
    direction: Literal["in", "out"] = "in"
    frame: Any = None
    raw: str | None = None
    topic: str = ""
    payload: str = ""
    gap: NotObserved | None = None
    reprocessing: Reprocessing | None = None


_decode = msgspec.json.Decoder(LogLine).decode


def parse_line(number: int, text: bytes) -> LogLine:
    """A line of a replay log. Raises LogLineError with its number and what is wrong."""
    try:
        line = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise LogLineError(number, str(error)) from error
    try:
        line = msgspec.structs.replace(line, received_at=require_utc(line.received_at))
    except (ValueError, OverflowError) as error:
        raise LogLineError(number, f"received_at: {error}") from error
    if line.kind == "mqtt":
        if not line.topic:
            raise LogLineError(number, "an mqtt line needs a topic")
    elif not line.station_id:
        raise LogLineError(number, f"a line of kind {line.kind} needs a station_id")
    if line.kind == "gap" and line.gap is None:
        raise LogLineError(number, "a line of kind gap needs a gap")
    if line.kind == "ocpp" and line.frame is None and line.raw is None:
        raise LogLineError(number, "an ocpp line needs a frame")
    return line


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def read_lines(path: Path) -> Iterator[tuple[int, LogLine | LogLineError]]:
    """Numbered lines, blank ones left out; a line that cannot be read comes as its error."""
    with _open(path) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                yield number, parse_line(number, text)
            except LogLineError as error:
                yield number, error


class _Recorded(NamedTuple):
    """What a recorded answer gave."""

    line: int
    transaction: int | None
    verdict: Verdict | None


class RecordedAnswers:
    """What a recorded central system answered: the transaction ids that it gave, and its word on tokens. Station,
    uniqueId and the line of the call lead to the first answer behind it, since stations count their ids anew after
    a reboot."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], list[_Recorded]] = defaultdict(list)
        self.current_line = 0

    @classmethod
    def scan(cls, path: Path) -> RecordedAnswers:
        found = cls()
        for number, line in read_lines(path):
            if isinstance(line, LogLine) and line.kind == "ocpp" and line.direction == "out":
                found.note(number, line)
        return found

    def note(self, number: int, line: LogLine) -> None:
        frame = line.frame
        if not (isinstance(frame, list) and len(frame) == 3 and frame[0] == 3 and isinstance(frame[2], dict)):
            return
        given, answer = frame[2].get("transactionId"), frame[2]
        verdict = verdict_of(answer) if answer.keys() & {"idTagInfo", "idTokenInfo"} else None
        transaction = given if isinstance(given, int) else None
        if (transaction, verdict) != (None, None) and isinstance(frame[1], str):
            self._given[line.station_id, frame[1]].append(_Recorded(number, transaction, verdict))

    def transaction(self, station_id: str, unique_id: str) -> int | None:
        """The id that a start was given; None where the log does not say."""
        found = self._find(station_id, unique_id)
        return None if found is None else found.transaction

    def verdict(self, station_id: str, unique_id: str) -> Verdict:
        """What was answered about a token; Accepted where the log does not say."""
        found = self._find(station_id, unique_id)
        return (found and found.verdict) or ACCEPTED

    def _find(self, station_id: str, unique_id: str) -> _Recorded | None:
        answers = self._given.get((station_id, unique_id), [])
        place = bisect_right(answers, self.current_line, key=lambda recorded: recorded.line)
        return answers[place] if place < len(answers) else None


def lines_of(entry: Entry) -> Iterator[dict[str, Any]]:
    """An entry of the event log as lines of a replay log: what came in, and what was answered."""
    base: dict[str, Any] = {"received_at": rfc3339_exact(entry.received_at)}
    if entry.reprocessing is not None:
        base["reprocessing"] = entry.reprocessing
    if entry.kind is EntryKind.MQTT:
        yield {**base, "kind": "mqtt", "topic": entry.topic, "payload": entry.raw}
        return
    base["station_id"] = entry.station_id
    if entry.kind is EntryKind.CONNECTED:
        yield {**base, "kind": "connected", "protocol": entry.protocol}
    elif entry.kind is EntryKind.DISCONNECTED:
        yield {**base, "kind": "disconnected"}
    elif entry.kind is EntryKind.GAP:
        yield from ({**base, "kind": "gap", "gap": fact} for fact in entry.facts)
    else:
        direction = "in" if entry.kind is EntryKind.OCPP_IN else "out"
        if entry.raw or direction == "in":
            yield {**base, "kind": "ocpp", "direction": direction, **_frame(entry.raw)}
        if entry.reply is not None:
            yield {**base, "kind": "ocpp", "direction": "out", **_frame(entry.reply)}


def _frame(text: str) -> dict[str, Any]:
    try:
        return {"frame": msgspec.json.decode(text)}
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {"raw": text}
