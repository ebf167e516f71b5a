"""Sorts what an entry brought by the connector it is about, for the rules that want to be woken. Pure."""

from __future__ import annotations

from datetime import datetime

from detector.features import Window
from detector.fold import Folded
from detector.rules.base import News, Wake
from detector.view import StationView
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    ChargingLimitReported,
    CommandAnswered,
    CommandSent,
    EventReported,
    Fact,
    FirmwareReported,
    LinkDown,
    LinkUp,
    Measured,
    NonConforming,
    Quarantined,
    RemoteStartAsked,
    SecurityEventReported,
    StatusReported,
    TokenPresented,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)

_WAKES: dict[type, Wake] = {
    LinkUp: Wake.LINK,
    LinkDown: Wake.LINK,
    Booted: Wake.BOOT,
    StatusReported: Wake.STATUS,
    TransactionReported: Wake.STATUS,
    EventReported: Wake.EVENT,
    SecurityEventReported: Wake.SECURITY,
    FirmwareReported: Wake.FIRMWARE,
    TokenPresented: Wake.TOKEN,
    TransactionStarted: Wake.STARTED,
    TransactionStopped: Wake.ENDED,
    CommandSent: Wake.COMMAND,
    CommandAnswered: Wake.COMMAND,
    RemoteStartAsked: Wake.COMMAND,
    ChargingLimitReported: Wake.LIMIT,
    NonConforming: Wake.CONFORMITY,
    Quarantined: Wake.CONFORMITY,
}


_OF_THE_STATION = (StatusReported, Measured, EventReported)
_FRAMES = (EntryKind.OCPP_IN, EntryKind.CONNECTED)


class Told:
    """What an entry brought: about the whole station (`None`) and about single connectors."""

    __slots__ = ("_facts", "_folded", "_windows", "at", "broad", "samples", "wakes")

    def __init__(
        self, view: StationView, entry: Entry, folded: Folded, windows: list[Window], at: datetime
    ) -> None:
        self.at = at
        self._folded = folded
        self._windows = windows
        self.samples = folded.samples
        self.wakes: dict[int | None, set[Wake]] = {}
        self._facts: dict[int | None, list[Fact]] = {}
        for fact in entry.facts:
            connector_id = _connector(fact)
            self._facts.setdefault(connector_id, []).append(fact)
            wake = _WAKES.get(type(fact))
            if wake is not None:
                self.wakes.setdefault(connector_id, set()).add(wake)
        self.broad = bool(self.wakes.get(None))
        """Whether the whole station is concerned, and so each connector."""
        for connector_id in folded.samples:
            self.wakes.setdefault(connector_id, set()).add(Wake.SAMPLE)
        for window in windows:
            self.wakes.setdefault(window.connector_id, set()).add(Wake.WINDOW)
        for session in folded.ended:
            self.wakes.setdefault(session.connector_id, set()).add(Wake.ENDED)
        if entry.kind in _FRAMES:
            self.wakes.setdefault(None, set()).add(Wake.FRAME)

    @property
    def connectors(self) -> list[int]:
        """Those that are concerned by themselves."""
        return [connector_id for connector_id in self.wakes if connector_id is not None]

    def everything(self) -> News:
        """For a rule about the station."""
        return News(
            facts=tuple(fact for facts in self._facts.values() for fact in facts),
            samples=tuple(sample for samples in self._folded.samples.values() for sample in samples),
            windows=tuple(self._windows),
            ended=tuple(self._folded.ended),
        )

    def about(self, connector_id: int) -> News:
        """For a rule about one connector: with what concerns the whole station."""
        return News(
            facts=(*self._facts.get(None, ()), *self._facts.get(connector_id, ())),
            samples=tuple(self._folded.samples.get(connector_id, ())),
            windows=tuple(window for window in self._windows if window.connector_id == connector_id),
            ended=tuple(session for session in self._folded.ended if session.connector_id == connector_id),
        )


def _connector(fact: Fact) -> int | None:
    """The connector that a fact is about; None: the whole station, or not known."""
    connector_id: int = getattr(fact, "connector_id", 0)
    if connector_id:
        return connector_id
    return 0 if isinstance(fact, _OF_THE_STATION) else None  # the station as a subject of its own
