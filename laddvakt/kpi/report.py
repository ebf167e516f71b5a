"""What figures there are of a fleet, and by what: connector, station, cable, site, model or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from laddvakt.domain.silences import Silence, SilenceKind
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import Ticket
from laddvakt.kpi.spans import Span

RAPID_W = 50_000
"""United Kingdom: the reliability duty is about rapid points of 50 kW or more."""


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
        "reported a fault, was out of service, had no link, or an urgent ticket (P1, P2) said that it was down",
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
    "time_to_repair": Metric(
        "Time to repair",
        "min",
        "from the ticket to the end of the fault, less what lies between an end and a return; mean",
        "own",
    ),
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


class Fleet(NamedTuple):
    """What figures are made of that is small: not what happened at the connectors."""

    stations: Sequence[Station]
    sites: Sequence[Site]
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


def calendar(period: Span, zone: ZoneInfo, interval: str) -> list[tuple[str, Span]]:
    """The period's calendar days or months in the installation's time zone, the first and last cut to it."""
    found: list[tuple[str, Span]] = []
    at = period[0]
    while at < period[1]:
        local = at.astimezone(zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if interval == "month":
            name, following = (
                local.strftime("%Y-%m"),
                (midnight.replace(day=1) + timedelta(days=32)).replace(day=1),
            )
        else:
            name, following = local.strftime("%Y-%m-%d"), midnight + timedelta(days=1)
        end = min(following.astimezone(UTC), period[1])
        found.append((name, (at, end)))
        at = end
    return found
