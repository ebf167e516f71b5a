"""Read models: what a page needs, in one consistent read of the records. No page code, no figures, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec

from dashboard import formats
from dashboard.auth import Action, allowed
from laddvakt.domain.commands import SentCommand
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.silences import Place, Silence, covering
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import UNSETTLED, Ticket, TicketState
from laddvakt.domain.tokens import Token
from laddvakt.stores.ports import (
    Delivery,
    Page,
    QuarantineCount,
    QuarantineItem,
    Records,
    RevenueRow,
    Sample,
    SecurityEvent,
    Telemetry,
    Variable,
)

SESSIONS_SHOWN = 500
"""The most sessions that one table holds; a narrower filter shows the others."""

TICKETS_SHOWN = 200

COMMANDS_SHOWN = 5
"""Of a ticket's station."""

QUARANTINE_SHOWN = 500

SILENCES_SHOWN = 100

CURVE_FIELDS = ("power_w", "soc_pct", "energy_wh")

CURVE_POINTS = 2_000
"""The most points of one curve that are worth drawing."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Everything that is going on now."""

    sites: list[Site]
    stations: list[Station]
    sessions: list[Session]  # not ended
    tickets: list[Ticket]  # unsettled


@dataclass(frozen=True, kw_only=True)
class EndedToday:
    """What ended since local midnight; amounts include VAT and leave out held sessions."""

    since: datetime
    energy_wh: int
    money: dict[str, Decimal]  # by currency


def network(records: Records) -> Network:
    """The present state of the network."""
    with records.read() as work:
        return Network(
            sites=work.stations.sites(),
            stations=work.stations.all(),
            sessions=work.sessions.unended(),
            tickets=work.tickets.unsettled(),
        )


def ended_today(records: Records, *, now: datetime, zone: ZoneInfo) -> EndedToday:
    """Energy and revenue of the sessions that ended since midnight in `zone`, by currency."""
    since = formats.day_start(now, zone)
    with records.read() as work:
        rows = work.sessions.revenue(group_by="site", interval=None, from_=since, to=None, timezone=zone.key)
    money: dict[str, Decimal] = {}
    for row in rows:
        money[row.currency] = money.get(row.currency, Decimal(0)) + row.incl_vat
    return EndedToday(since=since, energy_wh=sum(row.energy_wh for row in rows), money=money)


# Sessions


@dataclass(frozen=True, kw_only=True)
class SessionFilter:
    """Which sessions; None is no limit. Times are of the start."""

    state: SessionState | None = None
    station_id: str | None = None
    from_: datetime | None = None
    to: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class SessionList:
    """Newest first. `more`: there are others that fit the filter."""

    sessions: list[Session]
    more: bool


@dataclass(frozen=True, kw_only=True)
class SessionDetail:
    """One session with what is told beside it."""

    session: Session
    site: Site | None
    token: Token | None
    curves: dict[str, list[Sample]]  # by telemetry field


def sessions(records: Records, wanted: SessionFilter, *, limit: int = SESSIONS_SHOWN) -> SessionList:
    found: list[Session] = []
    cursor: str | None = None
    with records.read() as work:
        while len(found) < limit:
            page = work.sessions.page(
                state=wanted.state,
                station_id=wanted.station_id,
                from_=wanted.from_,
                to=wanted.to,
                after=cursor,
                limit=min(100, limit - len(found)),
            )
            found += page.items
            cursor = page.next
            if cursor is None:
                break
    return SessionList(sessions=found, more=cursor is not None)


def session_detail(
    records: Records, telemetry: Telemetry, session_id: str, *, now: datetime
) -> SessionDetail | None:
    """None when there is no such session."""
    with records.read() as work:
        session = work.sessions.get(session_id)
        if session is None:
            return None
        site = next((site for site in work.stations.sites() if site.site_id == session.site_id), None)
        token = work.tokens.get(session.token) if session.token else None
    curves = telemetry.read(
        station_id=session.station_id,
        connector_id=session.connector_id,
        fields=CURVE_FIELDS,
        from_=session.started_at,
        to=(session.ended_at or now) + timedelta(seconds=1),
    )
    thinned = {name: thin(samples, CURVE_POINTS) for name, samples in curves.items()}
    return SessionDetail(session=session, site=site, token=token, curves=thinned)


def thin(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most `most` (at least 2) of the samples, evenly, the first and the last always among them."""
    if len(samples) <= most:
        return list(samples)
    step = -(-(len(samples) - 1) // (most - 1))
    return [*samples[:-1:step], samples[-1]]


# Tickets


@dataclass(frozen=True, kw_only=True)
class TicketDetail:
    """One ticket with what is told beside it."""

    ticket: Ticket
    station: Station | None
    site: Site | None
    others: list[Ticket]  # unsettled, of the same station
    related: list[Ticket]  # those that it names, also settled ones
    commands: list[SentCommand]  # what the station was told last
    deliveries: list[Delivery]  # oldest first
    silence: Silence | None  # what holds its like back now


def tickets(records: Records, *, settled: bool, limit: int = TICKETS_SHOWN) -> list[Ticket]:
    """Unsettled ones, gravest then newest first; or settled ones, the last changed first."""
    with records.read() as work:
        if not settled:
            return by_gravity(work.tickets.unsettled())[:limit]
        states = [state for state in TicketState if state not in UNSETTLED]
        page = work.tickets.page(states=states, limit=limit)
    return sorted(page.items, key=lambda ticket: ticket.updated_at, reverse=True)


def by_gravity(found: Iterable[Ticket]) -> list[Ticket]:
    newest_first = sorted(found, key=lambda ticket: ticket.opened_at, reverse=True)
    return sorted(newest_first, key=lambda ticket: ticket.severity)


def ticket_detail(records: Records, ticket_id: str, *, now: datetime) -> TicketDetail | None:
    """None when there is no such ticket."""
    with records.read() as work:
        ticket = work.tickets.get(ticket_id)
        if ticket is None:
            return None
        station = work.stations.get(ticket.station_id)
        site_id = ticket.site_id or (station.site_id if station else None)
        site = next((site for site in work.stations.sites() if site.site_id == site_id), None)
        unsettled = work.tickets.unsettled()
        deliveries = work.routes.deliveries([ticket_id])
        known = {t.ticket_id: t for t in unsettled}
        named = [known.get(name) or work.tickets.get(name) for name in ticket.related]
        commands = list(work.commands.page(ticket.station_id, limit=COMMANDS_SHOWN).items)
        silences_now = work.silences.overlapping(now, now)
    place = Place(
        asset=ticket.asset, station_id=ticket.station_id, connector_id=ticket.connector_id, site_id=site_id
    )
    others = [t for t in unsettled if t.station_id == ticket.station_id and t.ticket_id != ticket_id]
    related = [t for t in named if t is not None and t not in others]
    return TicketDetail(
        ticket=ticket,
        station=station,
        site=site,
        others=by_gravity(others),
        related=by_gravity(related),
        commands=commands,
        deliveries=deliveries,
        silence=covering(silences_now, place, ticket.fault, now),
    )


def hands(records: Records) -> list[str]:
    """The users who may be given a ticket."""
    with records.read() as work:
        users = work.people.users()
    return [user.name for user in users if not user.disabled and allowed(user.role, Action.WORK_ON_TICKETS)]


# Sites and silences


def site_names(records: Records) -> dict[str, str]:
    """What the sites are called."""
    with records.read() as work:
        return {site.site_id: site.name for site in work.stations.sites()}


def silences(records: Records, *, limit: int = SILENCES_SHOWN) -> tuple[list[Silence], dict[str, str]]:
    """Those that begin last first, and what the sites are called."""
    with records.read() as work:
        names = {site.site_id: site.name for site in work.stations.sites()}
        return list(work.silences.page(limit=limit).items), names


def faults(records: Records) -> list[str]:
    """Codes of faults that ever had a ticket here."""
    with records.read() as work:
        return work.tickets.faults()


def places(records: Records) -> tuple[list[Site], list[str]]:
    """Sites, and the names of stations: where something can be planned."""
    with records.read() as work:
        return work.stations.sites(), [station.station_id for station in work.stations.bare()]


# Stations


@dataclass(frozen=True, kw_only=True)
class StationList:
    """All stations, with their sites' names and their unsettled tickets."""

    stations: list[Station]
    site_names: dict[str, str]
    tickets: dict[str, list[Ticket]]  # by station


@dataclass(frozen=True, kw_only=True)
class StationDetail:
    """One station with its latest sessions and unsettled tickets."""

    station: Station
    site: Site | None
    sessions: list[Session]
    tickets: list[Ticket]


def stations(records: Records) -> StationList:
    with records.read() as work:
        everything, sites, unsettled = work.stations.all(), work.stations.sites(), work.tickets.unsettled()
    by_station: dict[str, list[Ticket]] = {}
    for ticket in unsettled:
        by_station.setdefault(ticket.station_id, []).append(ticket)
    names = {site.site_id: site.name for site in sites}
    return StationList(stations=everything, site_names=names, tickets=by_station)


def station_detail(records: Records, station_id: str, *, sessions_shown: int = 8) -> StationDetail | None:
    """None when there is no such station."""
    with records.read() as work:
        station = work.stations.get(station_id)
        if station is None:
            return None
        return StationDetail(
            station=station,
            site=next((site for site in work.stations.sites() if site.site_id == station.site_id), None),
            sessions=work.sessions.recent(station_id, None, sessions_shown),
            tickets=by_gravity(t for t in work.tickets.unsettled() if t.station_id == station_id),
        )


@dataclass(frozen=True, kw_only=True)
class SaidByStation:
    """What a station says of itself beside its state: the first page of each."""

    variables: Page[Variable]
    events: Page[SecurityEvent]


def said_by_station(records: Records, station_id: str) -> SaidByStation:
    with records.read() as work:
        return SaidByStation(
            variables=work.inventory.page(station_id, limit=300),
            events=work.security_log.page(station_id=station_id, limit=20),
        )


def station(records: Records, station_id: str) -> Station | None:
    with records.read() as work:
        return work.stations.get(station_id)


def station_and_transaction(records: Records, station_id: str, connector_id: int) -> tuple[Station | None, str]:
    """A station, and the transaction that runs on one of its connectors ("" where none does)."""
    with records.read() as work:
        found = work.stations.get(station_id)
        running = [s for s in work.sessions.unended([station_id]) if s.connector_id == connector_id]
    return found, running[-1].transaction_id if running else ""


def latest_commands(records: Records, station_id: str, *, shown: int = 5) -> list[SentCommand]:
    """Newest first."""
    with records.read() as work:
        return list(work.commands.page(station_id, limit=shown).items)


def station_ids(records: Records) -> list[str]:
    with records.read() as work:
        return [station.station_id for station in work.stations.all()]


# Revenue


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time, from inclusive to exclusive; `words` says it to people."""

    from_: datetime
    to: datetime
    words: str


PERIODS: dict[str, str] = {
    "today": "Today",
    "7d": "7 days",
    "30d": "30 days",
    "month": "This month",
    "last_month": "Last month",
}


def span(period: str, *, now: datetime, zone: ZoneInfo) -> Span:
    """A period of PERIODS (an unknown one is today) in local days of `zone`; days count today."""
    today = formats.day_start(now, zone)
    end = formats.next_midnight(now, zone)
    first = today.replace(day=1)
    if period == "7d":
        return _span(formats.days_before(today, 6, zone), end)
    if period == "30d":
        return _span(formats.days_before(today, 29, zone), end)
    if period == "month":
        return _span(first, end)
    if period == "last_month":
        return _span(formats.days_before(first, 1, zone).replace(day=1), first)
    return _span(today, end)


def _span(from_: datetime, to: datetime) -> Span:
    last = (to - timedelta(hours=12)).date()
    words = f"{from_:%Y-%m-%d}" if from_.date() == last else f"{from_:%Y-%m-%d} to {last:%Y-%m-%d}"
    return Span(from_=from_, to=to, words=words)


def revenue(records: Records, *, group_by: str, over: Span, zone: ZoneInfo) -> list[RevenueRow]:
    """Ended sessions by `station`, `site` or `day`, one row per currency; the largest (the newest day) first.
    Sites come with their names."""
    by_day = group_by == "day"
    with records.read() as work:
        rows = work.sessions.revenue(
            group_by="site" if by_day else group_by,
            interval="day" if by_day else None,
            from_=over.from_,
            to=over.to,
            timezone=zone.key,
        )
        names = {site.site_id: site.name for site in work.stations.sites()} if group_by == "site" else {}
    if by_day:
        return sorted(_merge(rows), key=lambda row: row.key, reverse=True)
    named = [msgspec.structs.replace(row, key=names.get(row.key, row.key)) for row in rows]
    return sorted(named, key=lambda row: (-row.incl_vat, row.key))


def _merge(rows: Iterable[RevenueRow]) -> list[RevenueRow]:
    """Rows of several keys as one per period and currency, with the period as their key."""
    merged: dict[tuple[str, str], RevenueRow] = {}
    for row in rows:
        place = (row.period, row.currency)
        merged[place] = (
            add_rows(merged[place], row) if place in merged else msgspec.structs.replace(row, key=row.period)
        )
    return list(merged.values())


def add_rows(one: RevenueRow, other: RevenueRow) -> RevenueRow:
    """The sum, under the first one's key and period. Raises ValueError for two currencies."""
    if one.currency != other.currency:
        raise ValueError(f"cannot add {other.currency} to {one.currency}")
    return msgspec.structs.replace(
        one,
        sessions=one.sessions + other.sessions,
        energy_wh=one.energy_wh + other.energy_wh,
        excl_vat=one.excl_vat + other.excl_vat,
        incl_vat=one.incl_vat + other.incl_vat,
        paid=one.paid + other.paid,
        outstanding=one.outstanding + other.outstanding,
        held_sessions=one.held_sessions + other.held_sessions,
        held_incl_vat=one.held_incl_vat + other.held_incl_vat,
    )


def revenue_totals(rows: Iterable[RevenueRow]) -> list[RevenueRow]:
    """The sum of all rows, one per currency."""
    sums: dict[str, RevenueRow] = {}
    for row in rows:
        known = sums.get(row.currency)
        sums[row.currency] = add_rows(known, row) if known else row
    return [sums[name] for name in sorted(sums)]


# Quarantine


@dataclass(frozen=True, kw_only=True)
class QuarantineList:
    """Newest first, with how much there is in all. `more`: there are others that fit the filter."""

    items: tuple[QuarantineItem, ...]
    more: bool
    counts: list[QuarantineCount]


def quarantine(
    records: Records,
    *,
    state: QuarantineState | None,
    reason: QuarantineReason | None,
    station_id: str | None,
) -> QuarantineList:
    with records.read() as work:
        page = work.quarantine.page(state=state, reason=reason, station_id=station_id, limit=QUARANTINE_SHOWN)
        return QuarantineList(items=page.items, more=page.next is not None, counts=work.quarantine.counts())
