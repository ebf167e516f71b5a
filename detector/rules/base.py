"""What a rule is: a declaration and two pure functions.

`evaluate` judges one connector (or one station) from its view, what the rule remembered, its thresholds and
`now`; it answers with a `Verdict` that names its reason. `describe` words the finding; it is asked only when a
finding is raised or refreshed. The engine adds what all rules share: persistence, clearing, inhibition, timers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from detector.view import ConnectorView, StationView
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Asset, Finding, Severity


class Scope(StrEnum):
    """What one evaluation of a rule is about."""

    STATION = "station"  # once per station
    CONNECTOR = "connector"  # once per connector, 0 (the station as a whole) included


class Standing(StrEnum):
    """What a rule holds now."""

    MET = "met"  # the fault's condition holds
    NOT_MET = "not_met"  # it does not
    UNKNOWN = "unknown"  # it cannot be judged now: whatever was held stays


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """One number of a rule that the operator may set: `detector.rules.<code>.<name>`."""

    name: str
    default: float
    unit: str
    doc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A rule's answer.

    `variant` tells kinds of one fault apart: a change makes the engine word the finding anew. The condition must
    hold for `persist_s` before the finding is raised and be gone for `clear_after_s` before it is cleared.
    `check_at` is when the answer may change without a new message. `memory` is kept for the next evaluation.
    """

    standing: Standing
    reason: StrEnum
    variant: str = ""
    persist_s: float = 0.0
    clear_after_s: float = 0.0
    check_at: datetime | None = None
    memory: Any = None


class Silence(NamedTuple):
    """How many of the stations that were alive fell silent together with one, and at how many sites."""

    stations: int
    silent: int
    sites: int
    site_others: int  # other stations of the same site
    site_others_silent: int


class Network(Protocol):
    """What a rule may ask of the world around a station."""

    @property
    def blind_since(self) -> datetime | None: ...  # our own collector is known to be down since
    @property
    def listening_since(self) -> datetime | None: ...  # we are known to listen without a break since
    @property
    def heartbeat_s(self) -> float: ...  # the interval told to stations whose own is not known
    def silence(self, view: StationView, *, window_s: float) -> Silence: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing to judge: a station, or one connector of it, and what the network file says of it."""

    view: StationView
    connector: ConnectorView | None
    station: Station | None
    network: Network

    @property
    def connector_id(self) -> int | None:
        return self.connector.connector_id if self.connector is not None else None


Thresholds = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The declaration of one fault of the catalogue."""

    code: str
    title: str
    scope: Scope
    asset: str  # asset kind by default: `station`, `cable` or `connector`; `describe` decides
    severity: Severity  # by default; `describe` decides
    mrec: tuple[str, ...]  # ChargeX codes it corresponds to
    thresholds: tuple[Threshold, ...]
    clears: str  # when a finding is cleared, in words
    action: str  # what to do, by default
    doc: str  # what it means and what it must not be taken for
    evaluate: Callable[[Subject, Any, Thresholds, datetime], Verdict]
    describe: Callable[[Subject, Any, Thresholds, datetime], Finding]
    memory: type | None = None  # msgspec Struct, frozen, default constructible
    inhibited_by: tuple[str, ...] = ()  # a finding of one of these rules on the same station holds this one back

    def defaults(self) -> dict[str, float]:
        return {threshold.name: threshold.default for threshold in self.thresholds}


def station_asset(subject: Subject) -> Asset:
    return Asset(kind="station", id=subject.view.station_id)


def cable_asset(subject: Subject) -> Asset:
    """The connector's fixed cable where the network file names one, else the connector itself."""
    connector_id = subject.connector_id or 0
    if connector_id == 0:
        return station_asset(subject)
    known = subject.station.connector(connector_id) if subject.station is not None else None
    if known is not None and known.cable_id:
        return Asset(kind="cable", id=known.cable_id)
    return Asset(kind="connector", id=f"{subject.view.station_id}/{connector_id}")


def place(subject: Subject) -> str:
    """The subject in words: `SE-1 connector 2`."""
    if not subject.connector_id:
        return subject.view.station_id
    return f"{subject.view.station_id} connector {subject.connector_id}"


def span(seconds: float) -> str:
    """A duration for people: `45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest and hours < 48 else f"{hours} h"
