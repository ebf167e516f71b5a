"""The figures of a fleet: per connector, station, cable, site, model or all of it, whole or month by month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session
from laddvakt.domain.silences import Silence, SilenceKind, SilenceScope
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import Severity, Ticket
from laddvakt.kpi import charging, repair
from laddvakt.kpi.availability import Availability, availability
from laddvakt.kpi.hours import open_spans
from laddvakt.kpi.spans import Span

RAPID_W = 50_000
"""United Kingdom: the reliability duty is about rapid points of 50 kW or more."""
_DOWN = {Severity.P1, Severity.P2}


class Metric(NamedTuple):
    """One row: what a figure is called, its unit, its formula in words, its source."""

    label: str
    unit: str  # "%" or "min"
    formula: str
    source: str


METRICS: dict[str, Metric] = {
    "availability": Metric(
        "Availability",
        "%",
        "(minutes observed - (minutes of outage - minutes excluded)) / minutes observed. Outage: the port "
        "reported a fault, was out of service, had no link, or an urgent ticket (P1, P2) said that it was down.",
        "own; outage as 23 CFR 680.116(b), with what is found and not only what is reported",
    ),
    "availability_reported": Metric(
        "Availability as reported",
        "%",
        "the same by what the port itself reported, without tickets",
        "what most networks publish",
    ),
    "nevi": Metric(
        "NEVI uptime",
        "%",
        "(minutes of the period - (minutes of outage - minutes excluded)) / minutes of the period, of the port's "
        "reports and urgent tickets; over 12 months the minutes are 525,600. Goal: over 97 %",
        "23 CFR 680.116(b)",
    ),
    "uk_reliability": Metric(
        "UK reliability",
        "%",
        "minutes neither out of order nor out of service nor offline / minutes of open hours, network mean of "
        "points of 50 kW or more; no report counts as down. Goal: 99 %",
        "SI 2023/1168 regulation 8",
    ),
    "uk_reliability_offline_up": Metric(
        "UK reliability, offline as up", "%", "the same, with no report counted as working", "SI 2023/1168 reg. 8"
    ),
    "charge_start": Metric(
        "Charge start success", "%", "power-delivery attempts / plug-ins", "ChargeX INL/RPT-24-77406"
    ),
    "charge_end": Metric(
        "Charge end success", "%", "valid stops / power-delivery attempts", "ChargeX INL/RPT-24-77406"
    ),
    "session_success": Metric(
        "Session success", "%", "valid stops of over 0.1 kWh / plug-ins", "ChargeX INL/RPT-24-77406"
    ),
    "first_attempt": Metric(
        "First-attempt success",
        "%",
        "visits whose first plug-in succeeded / visits; a visit is one driver at a site within 30 minutes, or one "
        "connector within 2 minutes where the driver is not known",
        "ChargeX INL/RPT-24-77406",
    ),
    "time_to_detect": Metric(
        "Time to detect", "min", "from when the fault began, as far as known, to the ticket; mean", "own"
    ),
    "time_to_acknowledge": Metric(
        "Time to acknowledge", "min", "from the ticket to the first person who took it; mean", "own"
    ),
    "time_to_repair": Metric("Time to repair", "min", "from the ticket to the end of the fault; mean", "own"),
}
GROUPS = ("fleet", "site", "model", "station", "cable", "connector")


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one key in one period (API object). `value` is 100 x numerator / denominator for shares, and
    their quotient for times; None where the denominator is 0. Numerators of availability are minutes."""

    metric: str
    key: str
    period: str
    unit: str
    numerator: float
    denominator: float
    value: float | None
    excluded_minutes: float = 0.0


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes that somebody took out of the figures: who, why, where, when (API object)."""

    silence_id: str
    scope: str
    target: str
    from_: datetime = msgspec.field(name="from")
    until: datetime
    reason: str
    by: str
    taken_back_by: str | None = None


class Material(NamedTuple):
    """What figures are made of. `history` in order, with the last change before the period of each connector."""

    stations: Sequence[Station]
    sites: Sequence[Site]
    history: Sequence[Transition]
    sessions: Sequence[Session]
    tickets: Sequence[Ticket]
    silences: Sequence[Silence]


class Port(NamedTuple):
    """One connector and the keys that it counts under."""

    station: Station
    connector_id: int
    keys: dict[str, str]
    rapid: bool


def ports(stations: Iterable[Station]) -> list[Port]:
    """Every connector; a station without any is none."""
    return [
        Port(
            station=station,
            connector_id=connector.connector_id,
            keys={
                "fleet": "all",
                "site": station.site_id or "",
                "model": f"{station.vendor or ''} {station.model or ''}".strip(),
                "station": station.station_id,
                "cable": connector.cable_id or f"{station.station_id}/{connector.connector_id}",
                "connector": f"{station.station_id}/{connector.connector_id}",
            },
            rapid=(connector.max_power_w or station.max_power_w or 0.0) >= RAPID_W,
        )
        for station in stations
        for connector in station.connectors
        if connector.connector_id
    ]


def exclusions(silences: Iterable[Silence], period: Span) -> list[Exclusion]:
    """Planned work that was written down, of the period."""
    return [
        Exclusion(
            silence_id=silence.silence_id,
            scope=str(silence.scope),
            target=silence.target,
            from_=silence.from_,
            until=silence.end,
            reason=silence.reason,
            by=silence.created_by,
            taken_back_by=silence.ended_by,
        )
        for silence in silences
        if silence.kind is SilenceKind.MAINTENANCE and silence.from_ < period[1] and silence.end > period[0]
    ]


def months(period: Span, zone: ZoneInfo) -> list[tuple[str, Span]]:
    """The period's calendar months in the installation's time zone, the first and last cut to the period."""
    found: list[tuple[str, Span]] = []
    at = period[0]
    while at < period[1]:
        local = at.astimezone(zone)
        following = (local.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=32)).replace(
            day=1
        )
        end = min(following.astimezone(period[0].tzinfo), period[1])
        found.append((local.strftime("%Y-%m"), (at, end)))
        at = end
    return found


def figures(
    material: Material, metric: str, *, group_by: str, periods: Sequence[tuple[str, Span]]
) -> list[Figure]:
    """Of every key, pooled: sum of numerators over sum of denominators."""
    found: list[Figure] = []
    of = _OF[metric]
    for name, period in periods:
        for key, (numerator, denominator, excluded) in sorted(of(material, group_by, period, metric).items()):
            found.append(_figure(metric, key, name, numerator, denominator, excluded))
    return found


def _figure(metric: str, key: str, period: str, numerator: float, denominator: float, excluded: float) -> Figure:
    unit = METRICS[metric].unit
    value = None
    if denominator > 0:
        value = numerator / denominator * (100 if unit == "%" else 1)
    return Figure(
        metric=metric,
        key=key,
        period=period,
        unit=unit,
        numerator=round(numerator, 3),
        denominator=round(denominator, 3),
        value=None if value is None else round(value, 4),
        excluded_minutes=round(excluded, 3),
    )


_Sums = dict[str, tuple[float, float, float]]


def _availability(material: Material, group_by: str, period: Span, metric: str) -> _Sums:
    uk, with_tickets = metric.startswith("uk"), metric in ("availability", "nevi")
    history = _by_port((t.station_id, t.connector_id, t) for t in material.history if t.at < period[1])
    sites = {site.site_id: site for site in material.sites}
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for port in ports(material.stations):
        if uk and not port.rapid:
            continue
        own = history.get((port.station.station_id, port.connector_id), [])
        found = availability(
            own,
            period=period,
            tickets=_outages(material.tickets, port, period[1]) if with_tickets else (),
            excluded=_excluded(material.silences, port),
            open_hours=open_spans(sites.get(port.station.site_id or ""), period) if uk else None,
        )
        if found.observed_s <= 0:
            continue
        total = sums[port.keys[group_by]]
        for index, value in enumerate(_of_port(found, metric, period)):
            total[index] += value / 60
    return {key: (total[0], total[1], total[2]) for key, total in sums.items()}


def _of_port(found: Availability, metric: str, period: Span) -> tuple[float, float, float]:
    if metric == "nevi":
        whole = (period[1] - period[0]).total_seconds()
        return whole - (found.outage_s - found.excluded_s), whole, found.excluded_s
    up_s = found.up_s + (found.offline_s if metric == "uk_reliability_offline_up" else 0.0)
    return up_s, found.observed_s, found.excluded_s


def _by_port(rows: Iterable[tuple[str, int, Transition]]) -> dict[tuple[str, int], list[Transition]]:
    found: dict[tuple[str, int], list[Transition]] = defaultdict(list)
    for station_id, connector_id, change in rows:
        found[(station_id, connector_id)].append(change)
    return found


def _outages(tickets: Iterable[Ticket], port: Port, until: datetime) -> list[Span]:
    """When urgent tickets of the port, its station or site stood open."""
    spans = []
    for ticket in tickets:
        if ticket.severity not in _DOWN:
            continue
        if ticket.asset.kind == "site":
            mine = ticket.asset.id == port.station.site_id
        else:
            here = ticket.connector_id in (None, 0, port.connector_id)
            mine = ticket.station_id == port.station.station_id and here
        if mine:
            spans.append((ticket.opened_at, ticket.resolved_at or until))
    return spans


def _excluded(silences: Iterable[Silence], port: Port) -> list[Span]:
    targets = {
        SilenceScope.FLEET: "",
        SilenceScope.SITE: port.keys["site"],
        SilenceScope.STATION: port.keys["station"],
        SilenceScope.CONNECTOR: port.keys["connector"],
    }
    return [
        (silence.from_, silence.end)
        for silence in silences
        if silence.kind is SilenceKind.MAINTENANCE and silence.target == targets[silence.scope]
    ]


def _charging(material: Material, group_by: str, period: Span, metric: str) -> _Sums:
    history = _by_port((t.station_id, t.connector_id, t) for t in material.history)
    sessions: dict[tuple[str, int], list[Session]] = defaultdict(list)
    for session in material.sessions:
        sessions[(session.station_id, session.connector_id)].append(session)
    found: dict[str, list[charging.Attempt]] = defaultdict(list)
    for port in ports(material.stations):
        at = (port.station.station_id, port.connector_id)
        own = charging.attempts(history.get(at, []), sessions.get(at, []), until=period[1])
        found[port.keys[group_by]] += [a for a in own if period[0] <= a.at < period[1]]
    sums: _Sums = {}
    for key, listed in found.items():
        counts = charging.success(listed)
        numerator, denominator = {
            "charge_start": (counts.deliveries, counts.attempts),
            "charge_end": (counts.valid_stops, counts.deliveries),
            "session_success": (counts.successes, counts.attempts),
            "first_attempt": (counts.first_successes, counts.visits),
        }[metric]
        if denominator:
            sums[key] = (float(numerator), float(denominator), 0.0)
    return sums


def _repair(material: Material, group_by: str, period: Span, metric: str) -> _Sums:
    keys = {(p.station.station_id, p.connector_id): p.keys for p in ports(material.stations)}
    of_station = {p.station.station_id: p.keys for p in ports(material.stations)}
    found: dict[str, list[Ticket]] = defaultdict(list)
    for ticket in material.tickets:
        known = keys.get((ticket.station_id, ticket.connector_id or 0)) or of_station.get(ticket.station_id)
        if known is not None and period[0] <= ticket.opened_at < period[1]:
            found[known[group_by]].append(ticket)
    sums: _Sums = {}
    for key, listed in found.items():
        took = repair.durations(listed)
        total, count = {
            "time_to_detect": (took.detect_s, took.detected),
            "time_to_acknowledge": (took.acknowledge_s, took.acknowledged),
            "time_to_repair": (took.repair_s, took.repaired),
        }[metric]
        if count:
            sums[key] = (total / 60, float(count), 0.0)
    return sums


_OF: dict[str, Callable[[Material, str, Span, str], _Sums]] = {
    **dict.fromkeys(("availability", "availability_reported", "nevi"), _availability),
    **dict.fromkeys(("uk_reliability", "uk_reliability_offline_up"), _availability),
    **dict.fromkeys(("charge_start", "charge_end", "session_success", "first_attempt"), _charging),
    **dict.fromkeys(("time_to_detect", "time_to_acknowledge", "time_to_repair"), _repair),
}
