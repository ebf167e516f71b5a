"""What a rule is: a declaration and two pure functions.

`evaluate` judges one connector (or station, or site) from its view, the news of the entry, what the rule
remembered, its thresholds and `now`; it answers with a `Verdict` that names its reason. It is asked when an entry
brings what the rule `wakes` on, and when a time it asked for has come; then the news is empty. `describe` words
the finding; it is asked only when a finding is raised or refreshed. A `slow` rule is given samples a few minutes
late, many at once, yet under the status and in the session in which they were taken (ADR 12). The engine adds what
all rules share: persistence, clearing, inhibition, timers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from detector.assets import station_asset
from detector.features import Window
from detector.view import ConnectorView, Sample, ScoredWindow, SessionEnded, StationView
from laddvakt.domain.facts import Fact
from laddvakt.domain.stations import Connector, Station
from laddvakt.domain.tickets import Asset, Chart, Evidence, Finding, Severity

if TYPE_CHECKING:
    from detector.attribution import Blame


class Scope(StrEnum):
    """What one evaluation of a rule is about."""

    SITE = "site"  # once per site; woken by what its stations' rules in `gathers` hold
    STATION = "station"  # once per station
    CONNECTOR = "connector"  # once per connector, 0 (the station as a whole) included


class Wake(StrEnum):
    """What an entry may bring that a rule wants to be asked about."""

    FRAME = "frame"  # any frame of the station, but only while the rule's condition is met or clearing
    LINK = "link"  # the link came or went
    BOOT = "boot"  # BootNotification
    STATUS = "status"  # a connector's status or charging state
    EVENT = "event"  # NotifyEvent (OCPP 2.x)
    SECURITY = "security"  # SecurityEventNotification
    FIRMWARE = "firmware"  # a firmware update's progress
    TOKEN = "token"  # Authorize  # noqa: S105 - a driver's, not ours
    STARTED = "started"  # a transaction started
    ENDED = "ended"  # a session ended: in `news.ended`
    SAMPLE = "sample"  # values measured: in `news.samples`
    WINDOW = "window"  # five minutes of steady charging are complete: in `news.windows`
    SCORED = "scored"  # models judged: in `news.scored`
    COMMAND = "command"  # a command was sent or answered
    LIMIT = "limit"  # somebody else limits the station
    CONFORMITY = "conformity"  # a message that breaks the specification, or any other message it is held against


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


class Verdict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Back(NamedTuple):
    """How many links came up within two minutes of a moment, at how many sites; how many stations there are."""

    links: int
    sites: int
    stations: int


class Peers(NamedTuple):
    """What is usual among assets of the same kind: median, and median absolute deviation (not scaled)."""

    median: float
    mad: float
    n: int


class Visit(msgspec.Struct, frozen=True, gc=False):
    """One session of a vehicle, as far as it tells whether vehicle or equipment is at fault."""

    station_id: str
    connector_id: int
    at: datetime
    energy_wh: float
    good: bool  # over 0.1 kWh and no error


class Named(Protocol):
    """What is named: a finding, or the ticket of one."""

    @property
    def fault(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def mrec(self) -> tuple[str, ...]: ...
    @property
    def probable_cause(self) -> str: ...


class Holder(NamedTuple):
    """A station of a site on which a rule's condition is met."""

    view: StationView
    since: datetime


class Network(Protocol):
    """What a rule may ask of the world around a station."""

    @property
    def blind_since(self) -> datetime | None: ...  # our own collector is known to be down since
    @property
    def listening_since(self) -> datetime | None: ...  # we are known to listen without a break since
    @property
    def heartbeat_s(self) -> float: ...  # the interval told to stations whose own is not known
    def silence(self, view: StationView, *, window_s: float) -> Silence: ...

    def came_back(self, at: datetime) -> Back:
        """Who came back together with a station, within the last ten minutes."""

    def peers(self, code: str, feature: str, subject: Subject) -> Peers | None:
        """What rule `code` shares of other connectors of the subject's group; None where there is none."""

    def siblings(self, view: StationView) -> list[StationView]:
        """The other stations of its site that were ever heard."""

    def remembered(self, view: StationView, code: str) -> list[Any]:
        """What rule `code` remembers of the other stations of its site, one for each thing that it judges."""

    def holders(self, site_id: str, code: str) -> list[Holder]:
        """Stations of a site on which rule `code` is met now, raised or held back, oldest first."""

    def site_stations(self, site_id: str) -> list[StationView]:
        """The stations of a site that were ever heard."""

    def visits(self, vehicle: str) -> tuple[Visit, ...]:
        """The vehicle's last sessions anywhere, oldest first; empty where it is not known."""


class News(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an entry brought about the subject; about all its connectors where the subject is a station."""

    facts: tuple[Fact, ...] = ()
    samples: tuple[Sample, ...] = ()
    windows: tuple[Window, ...] = ()
    scored: tuple[ScoredWindow, ...] = ()
    ended: tuple[SessionEnded, ...] = ()


NOTHING = News()


class Subject(msgspec.Struct, kw_only=True):
    """One thing to judge: a site, a station, or one connector of it, and what the network file says of it. A
    site's view has no connectors; its `station_id` is the site's key."""

    view: StationView
    connector: ConnectorView | None = None
    station: Station | None = None
    network: Network
    news: News = NOTHING
    site_id: str | None = None
    limits: Mapping[str, Mapping[str, float]] = {}  # thresholds by rule, where it is

    @property
    def connector_id(self) -> int | None:
        return self.connector.connector_id if self.connector is not None else None

    @property
    def connector_info(self) -> Connector | None:
        """What the network file says of the connector."""
        if self.station is None or not self.connector_id:
            return None
        return self.station.connector(self.connector_id)

    @property
    def group(self) -> str:
        """What makes connectors comparable: vendor, model and kind of connector."""
        known = self.connector_info
        return f"{self.view.vendor}/{self.view.model}/{known.type if known is not None and known.type else ''}"

    @property
    def key(self) -> str:
        """The connector, or the station, among its peers."""
        return f"{self.view.station_id}/{self.connector_id}" if self.connector_id else self.view.station_id


Thresholds = Mapping[str, float]

Calm = Callable[[Any, Sample, Thresholds], bool]
"""Whether a sample cannot change what a rule remembers nor what it holds: as most, at a connector at rest. It is
asked instead of `evaluate`, so it must be quick, and may be wrong in one direction only."""


EVERYTHING = frozenset(Wake) - {Wake.SCORED, Wake.FRAME}


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
    wakes: frozenset[Wake] = EVERYTHING
    fields: frozenset[str] = frozenset()  # only samples with one of these wake it; empty: any
    charging: bool | None = None  # only samples of a session wake it (True), or those outside any (False)
    slow: bool = False  # its evidence takes long: samples alone ask it now and then, with all that came since
    calm: Calm | None = None  # samples that do not wake it while nothing stands and no timer runs
    source: str = ""  # only samples of this source wake it: `ocpp`, the station itself; empty: any
    inhibited_by: tuple[
        str, ...
    ] = ()  # while one of these stands on its station or site, none is raised; "*": any
    absorbed_by: tuple[str, ...] = ()  # the same, and one that stands already is put under it
    spent_by: Callable[[str], bool] | None = None  # faults that account for what they held back
    forget: Callable[[Any, datetime | None, datetime], Any] | None = None
    # its memory without what such a fault brought, from a moment (None: ever) until it was over
    explained: Callable[[Named, Named], bool] | None = None  # whether one in `absorbed_by` (first) explains it
    gathers: tuple[str, ...] = ()  # of a SITE rule: the rules of its stations whose findings wake it
    share: Callable[[Any], Mapping[str, float]] | None = None  # of its memory: what peers are compared by

    def wants(self, fields: Iterable[str], *, source: str, charging: bool) -> bool:
        """Whether a sample of these fields, from this source, taken in a session or not, wakes it."""
        if Wake.SAMPLE not in self.wakes or self.charging not in (None, charging):
            return False
        if self.source not in ("", source):
            return False
        return not self.fields or not self.fields.isdisjoint(fields)

    def finding(
        self,
        subject: Subject,
        now: datetime,
        *,
        since: datetime,
        probable_cause: str,
        explanation: str,
        evidence: tuple[Evidence, ...],
        blame: Blame | None = None,
        asset: Asset | None = None,
        confidence: float = 1.0,
        severity: Severity | None = None,
        mrec: tuple[str, ...] | None = None,
        suggested_action: str = "",
        chart: Chart | None = None,
    ) -> Finding:
        """About the subject, as declared but for what is given. `blame` decides asset, confidence and suspects;
        without it the asset is the station unless another is named."""
        return Finding(
            fault=self.code,
            asset=blame.asset if blame is not None else asset or station_asset(subject),
            station_id=subject.view.station_id,
            connector_id=subject.connector_id,
            severity=self.severity if severity is None else severity,
            at=now,
            since=since,
            probable_cause=probable_cause,
            explanation=explanation,
            suggested_action=suggested_action or self.action,
            evidence=evidence,
            mrec=self.mrec if mrec is None else mrec,
            confidence=blame.confidence if blame is not None else confidence,
            suspects=blame.suspects if blame is not None else (),
            chart=chart,
        )

    def defaults(self) -> dict[str, float]:
        return {threshold.name: threshold.default for threshold in self.thresholds}


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
