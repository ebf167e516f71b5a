"""Read models: what a page needs, in one consistent read of the records. No page code, no figures, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from dashboard import formats
from laddvakt.domain.sessions import Session
from laddvakt.domain.stations import Site, Station
from laddvakt.domain.tickets import Ticket
from laddvakt.stores.ports import Records


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
