"""Figures of any length of time, folded from stretches of it: what must be in memory is one stretch at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session
from laddvakt.domain.silences import Silence, SilenceKind, SilenceScope
from laddvakt.domain.tickets import Severity, Ticket, stood
from laddvakt.kpi.availability import Availability, availability, standing
from laddvakt.kpi.charging import COUNTS, Attempt, PlugIns, Visits
from laddvakt.kpi.hours import open_spans
from laddvakt.kpi.repair import Durations, durations
from laddvakt.kpi.report import METRICS, Figure, Fleet, Port, ports
from laddvakt.kpi.spans import Span

PORT_DAYS = 5_000
"""How much a stretch holds at most: so many days of connectors, that is one day of 5,000 or a month of 160 (and
never less than a day). With four sessions a day and connector it takes under 100 MB."""

LONGEST_DAYS = 31

_DOWN = {Severity.P1, Severity.P2}
_UPTIME = {"availability", "availability_reported", "nevi", "uk_reliability", "uk_reliability_offline_up"}


class Ask(NamedTuple):
    """A figure that is wanted, by which key, of which periods: named, in order of time, none over another."""

    metric: str
    group_by: str
    periods: Sequence[tuple[str, Span]]

    def period_at(self, at: datetime) -> tuple[str, Span] | None:
        number = bisect_right([span[0] for _, span in self.periods], at) - 1
        return self.periods[number] if number >= 0 and at < self.periods[number][1][1] else None


class Stretch(NamedTuple):
    """What happened in a time: changes in order, sessions that began in it."""

    span: Span
    history: Sequence[Transition]
    sessions: Sequence[Session]


def stretches(asks: Iterable[Ask], connectors: int) -> list[Span]:
    """How to cut the time of the asks: at the bounds of their periods, and so that no stretch holds too much."""
    step = timedelta(days=max(1, min(LONGEST_DAYS, PORT_DAYS // max(connectors, 1))))
    bounds = sorted({at for ask in asks for _, span in ask.periods for at in span})
    found: list[Span] = []
    for start, end in pairwise(bounds):
        at = start
        while at < end:
            found.append((at, min(at + step, end)))
            at = found[-1][1]
    return found


def reckon(
    fleet: Fleet, asks: Sequence[Ask], before: Iterable[Transition], told: Iterable[Stretch]
) -> list[list[Figure]]:
    """The figures of each ask, pooled: sum of numerators over sum of denominators. `before`: the last change of
    each connector before the first stretch; `told`: the stretches of `stretches`, one after the other."""
    fold = _Fold(fleet, asks, before)
    for stretch in told:
        fold.take(stretch)
        del stretch  # before the next one is read
    fold.take_tickets()
    return fold.figures()


_At = tuple[str, int]


class _Fold:
    def __init__(self, fleet: Fleet, asks: Sequence[Ask], before: Iterable[Transition]) -> None:
        self._fleet, self._asks = fleet, asks
        self._ports = ports(fleet.stations)
        self._last: dict[_At, Transition] = {(t.station_id, t.connector_id): t for t in before}
        self._plug_ins = {_at(port): PlugIns(port.station.site_id) for port in self._ports}
        self._visits: dict[tuple[str, str], Visits] = defaultdict(Visits)  # by kind of key, key
        self._seen: set[tuple[int, str, _At]] = set()
        self._sums: list[dict[tuple[str, str], list[float]]] = [defaultdict(lambda: [0.0, 0.0, 0.0]) for _ in asks]
        self._outages = _Outages(fleet.tickets)
        self._excluded = _by_target(fleet.silences)
        self._sites = {site.site_id: site for site in fleet.sites}
        self._uptime = [(n, ask) for n, ask in enumerate(asks) if ask.metric in _UPTIME]
        self._charging = [(n, ask) for n, ask in enumerate(asks) if ask.metric in COUNTS]

    def take(self, stretch: Stretch) -> None:
        changes: dict[_At, list[Transition]] = defaultdict(list)
        for change in stretch.history:
            changes[(change.station_id, change.connector_id)].append(change)
        sessions: dict[_At, list[Session]] = defaultdict(list)
        for session in stretch.sessions:
            sessions[(session.station_id, session.connector_id)].append(session)
        hours: dict[str | None, list[Span] | None] = {}
        attempts: list[tuple[Attempt, Port]] = []
        for port in self._ports:
            at, last = _at(port), self._last.get(_at(port))
            own = [*([last] if last is not None else []), *changes.get(at, [])]
            if own:
                self._take_uptime(port, own, stretch.span, hours)
            if self._charging:
                tried = self._plug_ins[at].take(own, sessions.get(at, []), until=stretch.span[1])
                attempts += [(attempt, port) for attempt in tried]
            now = standing(own)
            if now is not None:
                self._last[at] = now
        self._take_attempts(attempts, stretch.span[1])

    def _take_uptime(
        self, port: Port, own: Sequence[Transition], span: Span, hours: dict[str | None, list[Span] | None]
    ) -> None:
        known: dict[tuple[bool, bool], Availability] = {}
        for number, ask in self._uptime:
            period = ask.period_at(span[0])
            uk, by_tickets = ask.metric.startswith("uk"), ask.metric in ("availability", "nevi")
            if period is None or (uk and not port.rapid):
                continue
            if (uk, by_tickets) not in known:
                site_id = port.station.site_id
                if uk and site_id not in hours:
                    hours[site_id] = open_spans(self._sites.get(site_id or ""), span)
                known[uk, by_tickets] = availability(
                    own,
                    period=span,
                    tickets=self._outages.of(port, span[1]) if by_tickets else (),
                    excluded=self._excluded_of(port),
                    open_hours=hours[site_id] if uk else None,
                )
            self._add_uptime(number, ask, port, period, known[uk, by_tickets])

    def _add_uptime(
        self, number: int, ask: Ask, port: Port, period: tuple[str, Span], found: Availability
    ) -> None:
        if found.observed_s <= 0:
            return
        name, span = period
        up_s, all_s = found.up_s, found.observed_s
        if ask.metric == "uk_reliability_offline_up":
            up_s += found.offline_s
        if ask.metric == "nevi":  # the whole period counts, from the first sign of life
            here = (number, name, _at(port))
            all_s = 0.0 if here in self._seen else (span[1] - span[0]).total_seconds()
            up_s = all_s - (found.outage_s - found.excluded_s)
            self._seen.add(here)
        self._add(number, name, port.keys[ask.group_by], up_s / 60, all_s / 60, found.excluded_s / 60)

    def _excluded_of(self, port: Port) -> list[Span]:
        targets = (
            (SilenceScope.FLEET, ""),
            (SilenceScope.SITE, port.keys["site"]),
            (SilenceScope.STATION, port.keys["station"]),
            (SilenceScope.CONNECTOR, port.keys["connector"]),
        )
        return [span for target in targets for span in self._excluded.get(target, ())]

    def _take_attempts(self, attempts: list[tuple[Attempt, Port]], until: datetime) -> None:
        for attempt, port in sorted(attempts, key=lambda pair: pair[0].at):
            first = {
                group_by: self._visits[group_by, port.keys[group_by]].opens(attempt)
                for group_by in {ask.group_by for _, ask in self._charging}
            }
            for number, ask in self._charging:
                period = ask.period_at(attempt.at)
                if period is not None:
                    numerator, denominator = COUNTS[ask.metric](attempt, first[ask.group_by])
                    self._add(number, period[0], port.keys[ask.group_by], numerator, denominator)
        for visits in self._visits.values():
            visits.forget(until)

    def take_tickets(self) -> None:
        keys = {_at(port): port.keys for port in self._ports}
        of_station = {port.station.station_id: port.keys for port in self._ports}
        for number, ask in enumerate(self._asks):
            if ask.metric not in _TOOK:
                continue
            for ticket in self._fleet.tickets:
                known = keys.get((ticket.station_id, ticket.connector_id or 0)) or of_station.get(
                    ticket.station_id
                )
                period = ask.period_at(ticket.opened_at)
                if known is not None and period is not None:
                    took_s, count = _TOOK[ask.metric](durations([ticket]))
                    self._add(number, period[0], known[ask.group_by], took_s / 60, count)

    def _add(
        self, number: int, name: str, key: str, numerator: float, denominator: float, excluded: float = 0.0
    ) -> None:
        total = self._sums[number][name, key]
        total[0] += numerator
        total[1] += denominator
        total[2] += excluded

    def figures(self) -> list[list[Figure]]:
        return [
            [_figure(ask.metric, key, name, *sums) for (name, key), sums in sorted(found.items()) if sums[1] > 0]
            for ask, found in zip(self._asks, self._sums, strict=True)
        ]


_TOOK: dict[str, Callable[[Durations], tuple[float, int]]] = {
    "time_to_detect": lambda took: (took.detect_s, took.detected),
    "time_to_acknowledge": lambda took: (took.acknowledge_s, took.acknowledged),
    "time_to_repair": lambda took: (took.repair_s, took.repaired),
}


def _at(port: Port) -> _At:
    return port.station.station_id, port.connector_id


def _figure(metric: str, key: str, period: str, numerator: float, denominator: float, excluded: float) -> Figure:
    unit = METRICS[metric].unit
    return Figure(
        metric=metric,
        key=key,
        period=period,
        unit=unit,
        numerator=round(numerator, 3),
        denominator=round(denominator, 3),
        value=round(numerator / denominator * (100 if unit == "%" else 1), 4),
        excluded_minutes=round(excluded, 3),
    )


class _Outages:
    """When urgent tickets stood open, by what they are about. Between its end and its return a fault is none."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self._of_site: dict[str, list[Ticket]] = defaultdict(list)
        self._of_station: dict[str, list[Ticket]] = defaultdict(list)
        for ticket in tickets:
            if ticket.severity not in _DOWN:
                continue
            if ticket.asset.kind == "site":
                self._of_site[ticket.asset.id].append(ticket)
            else:
                self._of_station[ticket.station_id].append(ticket)

    def of(self, port: Port, until: datetime) -> list[Span]:
        """Those of the port, its station or site."""
        here = self._of_station.get(port.station.station_id, ())
        mine = [ticket for ticket in here if ticket.connector_id in (None, 0, port.connector_id)]
        mine += self._of_site.get(port.station.site_id or "", ())
        return [(since, settled or until) for ticket in mine for since, settled in stood(ticket)]


def _by_target(silences: Iterable[Silence]) -> dict[tuple[SilenceScope, str], list[Span]]:
    """Planned work, by where it is."""
    found: dict[tuple[SilenceScope, str], list[Span]] = defaultdict(list)
    for silence in silences:
        if silence.kind is SilenceKind.MAINTENANCE:
            found[silence.scope, silence.target].append((silence.from_, silence.end))
    return found
