"""From what an entry brought to rows of sessions and days that it completed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from detector.features.day import OpenDay, close_day, open_day
from detector.features.sample import Window
from detector.features.session import OpenSession, add_samples, close_session
from detector.fold import Folded
from detector.view import ConnectorView, SessionEnded, StationView
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import (
    Booted,
    EventReported,
    LinkUp,
    Measured,
    StatusReported,
    TransactionReported,
    TransactionStarted,
)
from laddvakt.domain.stations import Station

_ABOUT_STATUS = (StatusReported, TransactionReported, TransactionStarted, EventReported)


class Gathered(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is being gathered of a station, by connector."""

    sessions: dict[int, OpenSession] = {}
    days: dict[int, OpenDay] = {}
    day_ends: datetime | None = None


def gather(
    gathered: Gathered,
    view: StationView,
    entry: Entry,
    folded: Folded,
    windows: Sequence[Window],
    at: datetime,
    station: Station | None,
) -> list[Window]:
    """Take in what an entry brought, after it was folded into the view; the rows that it completed. `windows` are
    those of five minutes that it completed."""
    rows = _turn_of_day(gathered, view, at, station)
    for connector_id, samples in folded.samples.items():
        open_ = _session(gathered, view.connectors.get(connector_id))
        if open_ is not None:
            add_samples(open_, samples)
        elif (day := gathered.days.get(connector_id)) is not None:
            day.note_idle(samples)
    for window in windows:
        open_ = gathered.sessions.get(window.connector_id)
        if open_ is not None and open_.transaction_id == window.transaction_id:
            open_.note(window)
    for fact in entry.facts:
        if not isinstance(fact, Measured):  # by far the most, which are in the samples
            _count(gathered, view, fact, at)
    for ended in folded.ended:
        rows += _ended(gathered, view, ended, station)
    return rows


def _turn_of_day(gathered: Gathered, view: StationView, at: datetime, station: Station | None) -> list[Window]:
    """The days that are over."""
    if gathered.day_ends is not None and at < gathered.day_ends:
        return []
    rows = []
    for connector_id, day in gathered.days.items():
        connector = view.connectors.get(connector_id)
        row = close_day(day, view, connector, station) if connector is not None else None
        rows += [row] if row is not None else []
        gathered.days[connector_id] = day.next(at)
    gathered.day_ends = min((day.end for day in gathered.days.values()), default=None)
    return rows


def _session(gathered: Gathered, connector: ConnectorView | None) -> OpenSession | None:
    """The running session of a connector, opened when it is first seen."""
    if connector is None or connector.session is None:
        return None
    transaction_id = connector.session.transaction_id
    open_ = gathered.sessions.get(connector.connector_id)
    if open_ is None or open_.transaction_id != transaction_id:
        open_ = gathered.sessions[connector.connector_id] = OpenSession(transaction_id)
    return open_


def _day(gathered: Gathered, connector: ConnectorView | None, at: datetime) -> OpenDay | None:
    if connector is None or connector.connector_id == 0:
        return None
    day = gathered.days.get(connector.connector_id)
    if day is None:
        day = gathered.days[connector.connector_id] = open_day(connector, at)
        gathered.day_ends = gathered.day_ends or day.end
    return day


def _count(gathered: Gathered, view: StationView, fact: object, at: datetime) -> None:
    if isinstance(fact, _ABOUT_STATUS):
        connector = view.connectors.get(fact.connector_id)
        day = _day(gathered, connector, at)
        if connector is None or day is None:
            return
        day.note_status(connector, at)
        if isinstance(fact, TransactionStarted) and fact.refused is None:
            day.note_start(fact.at)
    elif isinstance(fact, LinkUp | Booted):
        for day in gathered.days.values():
            day.reconnects += isinstance(fact, LinkUp)
            day.boots += isinstance(fact, Booted)


def _ended(gathered: Gathered, view: StationView, ended: SessionEnded, station: Station | None) -> list[Window]:
    connector = view.connectors.get(ended.connector_id)
    open_ = gathered.sessions.pop(ended.connector_id, None)
    if open_ is not None and open_.transaction_id != ended.transaction_id:
        open_ = None
    day = gathered.days.get(ended.connector_id)
    retries = day.retries(ended.started_at) if day is not None else 0
    if day is not None and not ended.late:
        day.note_end(ended, power_known=open_ is None or not open_.other_unit)
    if connector is None:
        return []
    row = close_session(open_, ended, retries, view, connector, station)
    return [row] if row is not None else []
