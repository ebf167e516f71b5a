"""What a station and its central system say to each other, as entries of the event log. No sockets.

A call of the station is read when its answer is there: the central system's transaction ids and its word on
tokens count, as in a replayed log that holds them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from msgspec.structs import replace

from collector.link import Link
from collector.ocpp import frames
from collector.ocpp.action import Policy, Purpose, Verdict
from collector.ocpp.frames import Call, CallResult, CallResultError, Send, parse
from collector.ocpp.id_token import verdict_of
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import FrameError
from laddvakt.domain.facts import Fact, NotObserved, Quarantined, QuarantineReason, TransactionStarted
from laddvakt.domain.identification import Shown
from laddvakt.privacy import without_secrets

ANSWERED_WITHIN = timedelta(seconds=120)
_MOST_HELD = 16


class _Held(NamedTuple):
    """A call that waits for its answer."""

    text: str | bytes
    at: datetime


class Conversation:
    """One connection. Each method gives the entries that are now complete, in order."""

    def __init__(self, station_id: str, protocol: str) -> None:
        policy = Policy(recorded_transaction=self._transaction, authorize=self._verdict)
        self._link = Link(station_id, protocol, policy)
        self._held: dict[str, _Held] = {}
        self._answer: dict[str, Any] | None = None
        self.held_bytes = 0
        self.station_id = station_id
        self.protocol = protocol

    def opened(self, now: datetime) -> list[Entry]:
        return [self._link.connected(now)]

    def closed(self, now: datetime, reason: str) -> list[Entry]:
        return [*self._release(len(self._held)), self._link.disconnected(now, reason)]

    def given_up(self) -> list[Entry]:
        """The calls that wait, as unanswered: the connection ended, but the station has a newer one."""
        return self._release(len(self._held))

    def blind(self, now: datetime, reason: str) -> list[Entry]:
        """The rest of the connection is not observed."""
        fact = NotObserved(at=now, reason=reason)
        gap = Entry(
            station_id=self.station_id,
            kind=EntryKind.GAP,
            received_at=now,
            protocol=self.protocol,
            facts=(fact,),
        )
        return [*self._release(len(self._held)), gap]

    def overdue(self, now: datetime) -> list[Entry]:
        """Calls whose answer does not come any more."""
        late = sum(now - held.at > ANSWERED_WITHIN for held in self._held.values())
        return self._release(late)

    def heard(self, message: str | bytes, now: datetime) -> list[Entry]:
        """A message of the station."""
        try:
            frame = parse(message)
        except FrameError:
            return [self._read(_Held(message, now))]
        if not isinstance(frame, Call):
            return [self._read(_Held(message, now))]
        before = self._drop(frame.unique_id)
        entries = [] if before is None or before.text == message else [self._unanswered(before)]
        entries += self._release(len(self._held) - _MOST_HELD + 1)
        self._held[frame.unique_id] = _Held(message, now)
        self.held_bytes += len(message)
        return entries

    def told(self, message: str | bytes, now: datetime) -> list[Entry]:
        """A message of the central system."""
        try:
            frame = parse(message)
        except FrameError as error:
            fact = Quarantined(
                at=now,
                reason=QuarantineReason.MALFORMED_FRAME,
                detail=f"from the central system: {error.message}",
            )
            return [self._out(message, now, (fact,))]
        if isinstance(frame, Call):
            return [self._called(frame, message, now)]
        if isinstance(frame, Send | CallResultError):
            return [self._out(message, now, ())]
        held = self._drop(frame.unique_id)
        if held is None:
            return []  # of a call that was not observed
        if not isinstance(frame, CallResult):
            return [replace(self._unanswered(held), reply=_text(message))]
        return [replace(self._read(held, frame.payload), reply=_text(message))]

    def _called(self, call: Call, message: str | bytes, now: datetime) -> Entry:
        """A call of the central system, but for its secrets."""
        hidden = without_secrets(call.payload)
        said = _text(message) if hidden == call.payload else frames.call(call.unique_id, call.action, hidden)
        return self._link.sent(said, now)

    def _drop(self, unique_id: str) -> _Held | None:
        held = self._held.pop(unique_id, None)
        if held is not None:
            self.held_bytes -= len(held.text)
        return held

    def _release(self, count: int) -> list[Entry]:
        oldest = list(self._held)[: max(count, 0)]
        return [self._unanswered(held) for held in map(self._drop, oldest) if held is not None]

    def _read(self, held: _Held, answer: dict[str, Any] | None = None) -> Entry:
        """The entry as the collector would make it; what the collector would have answered does not matter."""
        self._answer = answer
        return replace(self._link.receive(held.text, held.at).entry, reply=None)

    def _unanswered(self, held: _Held) -> Entry:
        """A start that got no transaction id is none: the station says it again, or charges without."""
        entry = self._read(held)
        if not any(_needs_id(fact) for fact in entry.facts):
            return entry
        aside = Quarantined(
            at=held.at,
            reason=QuarantineReason.UNANSWERED_START,
            detail="the central system gave this start no transaction id",
        )
        return replace(entry, facts=(*(fact for fact in entry.facts if not _needs_id(fact)), aside))

    def _out(self, message: str | bytes, now: datetime, facts: tuple[Fact, ...]) -> Entry:
        return Entry(
            station_id=self.station_id,
            kind=EntryKind.OCPP_OUT,
            received_at=now,
            raw=_text(message),
            protocol=self.protocol,
            facts=facts,
        )

    # What the central system answered, for the actions.

    def _transaction(self, station_id: str, unique_id: str) -> int | None:
        given = (self._answer or {}).get("transactionId")
        return given if isinstance(given, int) else None

    def _verdict(self, shown: Shown, purpose: Purpose, now: datetime) -> Verdict:
        return verdict_of(self._answer or {})


def _needs_id(fact: Fact) -> bool:
    """OCPP 2.x: the station gives the id itself."""
    return isinstance(fact, TransactionStarted) and not fact.numbered


def _text(message: str | bytes) -> str:
    return message if isinstance(message, str) else message.decode("utf-8", "backslashreplace")
