"""Tickets and their events. Events are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Row

from laddvakt.domain.errors import ConflictError
from laddvakt.domain.money import Money
from laddvakt.domain.tickets import (
    UNSETTLED,
    Asset,
    Label,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
)
from laddvakt.stores.ports import Page
from laddvakt.stores.sql.cursors import newest_first
from laddvakt.stores.sql.db import Db, chunks
from laddvakt.stores.sql.schema import ticket_events, tickets

_SETTLED = [state for state in TicketState if state not in UNSETTLED]
_OLDEST = (tickets.c.opened_at, tickets.c.ticket_id)


def _to_row(ticket: Ticket) -> dict[str, Any]:
    row = msgspec.structs.asdict(ticket)
    asset, risk = row.pop("asset"), row.pop("revenue_at_risk")
    del row["events"]
    return row | {
        "asset_kind": asset.kind,
        "asset_id": asset.id,
        "risk_amount": risk.amount if risk else None,
        "risk_currency": risk.currency if risk else None,
    }


def _from_row(row: Row[Any], events: tuple[TicketEvent, ...]) -> Ticket:
    fields = dict(row._mapping)
    asset = Asset(kind=fields.pop("asset_kind"), id=fields.pop("asset_id"))
    amount, currency = fields.pop("risk_amount"), fields.pop("risk_currency")
    risk = None if amount is None else Money(amount=amount, currency=currency)
    return Ticket(**fields, asset=asset, revenue_at_risk=risk, events=events)


def _label(row: Row[Any]) -> Label:
    """The ticket holds its newest verdict."""
    asset = Asset(kind=row.asset_kind, id=row.asset_id)
    return Label(
        ticket_id=row.ticket_id,
        fault=row.fault,
        asset=asset,
        station_id=row.station_id,
        connector_id=row.connector_id,
        from_=row.opened_at,
        to=row.resolved_at,
        confidence=row.confidence,
        verdict=row.verdict,
        right_asset=asset if row.verdict == "confirmed" else row.right_asset,
        judged_at=row.judged_at,
        judged_by=row.judged_by,
    )


class SqlTickets:
    """`unsettled` and `settled_since` give the oldest first."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def get(self, ticket_id: str) -> Ticket | None:
        found = self._build(self._db.all(sa.select(tickets).where(tickets.c.ticket_id == ticket_id)))
        return found[0] if found else None

    def unsettled(self) -> list[Ticket]:
        states = sorted(UNSETTLED)
        return self._build(self._db.all(sa.select(tickets).where(tickets.c.state.in_(states)).order_by(*_OLDEST)))

    def settled_since(self, since: datetime) -> list[Ticket]:
        settled = sa.and_(tickets.c.state.in_(_SETTLED), tickets.c.resolved_at >= since)
        return self._build(self._db.all(sa.select(tickets).where(settled).order_by(*_OLDEST)))

    def save(self, ticket: Ticket) -> None:
        """Raises ConflictError when the stored ticket has events that the given one does not know."""
        count = sa.select(sa.func.count()).where(ticket_events.c.ticket_id == ticket.ticket_id)
        row = self._db.first(count)
        stored = row[0] if row else 0
        if stored > len(ticket.events):
            raise ConflictError(
                f"ticket {ticket.ticket_id} has {stored} events, not {len(ticket.events)}: it changed meanwhile.",
                mend="Read it again in the same unit of work.",
            )
        self._db.upsert(tickets, [_to_row(ticket)])
        self._db.insert(
            ticket_events,
            [
                {"ticket_id": ticket.ticket_id, "number": number, **msgspec.structs.asdict(event)}
                for number, event in enumerate(ticket.events[stored:], start=stored)
            ],
        )

    def page(
        self,
        *,
        states: Sequence[TicketState] | None = None,
        severity: Severity | None = None,
        asset: str | None = None,
        station_id: str | None = None,
        storm: str | None = None,
        assignee: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Page[Ticket]:
        """Newest first by `opened_at`."""
        statement = sa.select(tickets)
        if states is not None:
            statement = statement.where(tickets.c.state.in_(list(states)))
        for column, wanted in (
            (tickets.c.severity, severity),
            (tickets.c.asset_id, asset),
            (tickets.c.station_id, station_id),
            (tickets.c.storm, storm),
            (tickets.c.assignee, assignee),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        return newest_first(
            self._db,
            statement,
            time=tickets.c.opened_at,
            tie=tickets.c.ticket_id,
            after=after,
            limit=limit,
            build=self._build,
        )

    def faults(self) -> list[str]:
        statement = sa.select(tickets.c.fault).distinct().order_by(tickets.c.fault)
        return [row.fault for row in self._db.all(statement)]

    def labels(self, since: datetime) -> list[Label]:
        """In the order of their verdicts."""
        judged = sa.and_(ticket_events.c.action == TicketAction.VERDICT, ticket_events.c.at >= since)
        events = ticket_events.c
        statement = (
            sa.select(tickets, events.at.label("judged_at"), events.actor.label("judged_by"))
            .join(ticket_events, sa.and_(events.ticket_id == tickets.c.ticket_id, judged))
            .order_by(events.at, events.ticket_id, events.number)
        )
        newest: dict[str, Label] = {}
        for row in self._db.all(statement):
            newest.pop(row.ticket_id, None)
            newest[row.ticket_id] = _label(row)
        return list(newest.values())

    def _build(self, rows: Sequence[Row[Any]]) -> list[Ticket]:
        events: dict[str, list[TicketEvent]] = {}
        for ids in chunks(row.ticket_id for row in rows):
            statement = sa.select(ticket_events).where(ticket_events.c.ticket_id.in_(ids))
            for row in self._db.all(statement.order_by(ticket_events.c.ticket_id, ticket_events.c.number)):
                event = TicketEvent(
                    at=row.at, action=row.action, actor=row.actor, detail=row.detail, data=row.data
                )
                events.setdefault(row.ticket_id, []).append(event)
        return [_from_row(row, tuple(events.get(row.ticket_id, ()))) for row in rows]
