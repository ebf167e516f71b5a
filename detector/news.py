"""Sorts what an entry brought by the connector it is about, for the rules that want to be woken. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

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


_BITS = {wake: 1 << place for place, wake in enumerate(Wake)}
_OF_FACT = {fact: _BITS[wake] for fact, wake in _WAKES.items()}
_SAMPLE, _WINDOW, _ENDED, _FRAME = (_BITS[w] for w in (Wake.SAMPLE, Wake.WINDOW, Wake.ENDED, Wake.FRAME))

_OF_THE_STATION = (StatusReported, Measured, EventReported)
_VALUES = frozenset({Measured})
_FRAMES = (EntryKind.OCPP_IN, EntryKind.CONNECTED)


def only_values(facts: Iterable[Fact]) -> bool:
    """Whether nothing but measured values came, or a sign of life: all else may change what they mean."""
    return _VALUES.issuperset(map(type, facts))


def bits(wakes: Iterable[Wake]) -> int:
    """A set of wakes as one number, which is compared and kept much faster."""
    return sum(_BITS[wake] for wake in wakes)


class Told:
    """What an entry brought: about the whole station (`None`) and about single connectors. `wakes` are `bits`."""

    __slots__ = ("_facts", "_folded", "_windows", "at", "broad", "only_values", "samples", "wakes")

    def __init__(
        self, view: StationView, entry: Entry, folded: Folded, windows: list[Window], at: datetime
    ) -> None:
        self.at = at
        self.only_values = only_values(entry.facts)
        self._facts = entry.facts
        self._folded = folded
        self._windows = windows
        self.samples = folded.samples
        wakes: dict[int | None, int] = {}
        for fact in () if self.only_values else entry.facts:
            wake = _OF_FACT.get(type(fact))
            if wake is not None:
                connector_id = _connector(fact)
                wakes[connector_id] = wakes.get(connector_id, 0) | wake
        self.broad = None in wakes
        """Whether the whole station is concerned, and so each connector."""
        for number in folded.samples:
            wakes[number] = wakes.get(number, 0) | _SAMPLE
        for window in windows:
            wakes[window.connector_id] = wakes.get(window.connector_id, 0) | _WINDOW
        for session in folded.ended:
            wakes[session.connector_id] = wakes.get(session.connector_id, 0) | _ENDED
        if entry.kind in _FRAMES:
            wakes[None] = wakes.get(None, 0) | _FRAME
        self.wakes = wakes

    @property
    def connectors(self) -> list[int]:
        """Those that are concerned by themselves."""
        return [connector_id for connector_id in self.wakes if connector_id is not None]

    def everything(self) -> News:
        """For a rule about the station."""
        ended, samples = self._folded.ended, self.samples
        return News(
            facts=self._facts,
            samples=tuple(chain.from_iterable(samples.values())) if samples else (),
            windows=tuple(self._windows),
            ended=tuple(ended),
        )

    def about(self, connector_id: int) -> News:
        """For a rule about one connector: with what concerns the whole station."""
        ended, samples = self._folded.ended, self.samples.get(connector_id)
        return News(
            facts=tuple([fact for fact in self._facts if _connector(fact) in (None, connector_id)]),
            samples=tuple(samples) if samples else (),
            windows=tuple([one for one in self._windows if one.connector_id == connector_id]),
            ended=tuple([session for session in ended if session.connector_id == connector_id]),
        )


def _connector(fact: Fact) -> int | None:
    """The connector that a fact is about; None: the whole station, or not known."""
    connector_id: int = getattr(fact, "connector_id", 0)
    if connector_id:
        return connector_id
    return 0 if isinstance(fact, _OF_THE_STATION) else None  # the station as a subject of its own
