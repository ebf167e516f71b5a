"""Tickets of one log under two settings, side by side: what came, what would have come. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from laddvakt.domain.tickets import Asset, Severity, Ticket

PAIRED_WITHIN = timedelta(hours=24)
"""Tickets of one fault and asset whose lives are further apart than this are about two events."""
_EQUAL = timedelta(seconds=1)


class Change(StrEnum):
    """What the other settings do to a ticket."""

    SAME = "same"  # opened and resolved at the same times
    EARLIER = "earlier"  # opened earlier
    LATER = "later"  # opened later
    ENDS_OTHERWISE = "ends_otherwise"  # opened at the same time, resolved at another, or never
    ONLY_BEFORE = "only_before"  # it would not come any more
    ONLY_AFTER = "only_after"  # it would come as well


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One side of a comparison."""

    ticket_id: str
    severity: Severity
    opened_at: datetime
    resolved_at: datetime | None
    explanation: str


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One ticket, before and after; `opened_later_s` is negative where the other settings are earlier."""

    change: Change
    fault: str
    asset: Asset
    station_id: str
    before: Life | None
    after: Life | None
    opened_later_s: float | None = None
    resolved_later_s: float | None = None


def compare(before: Iterable[Ticket], after: Iterable[Ticket]) -> list[Compared]:
    """Every ticket of either side once, in the order of time."""
    sides: dict[tuple[str, str, str], tuple[list[Ticket], list[Ticket]]] = defaultdict(lambda: ([], []))
    for side, tickets in enumerate((before, after)):
        for ticket in sorted(tickets, key=lambda ticket: ticket.opened_at):
            sides[ticket.fault, ticket.asset.kind, ticket.asset.id][side].append(ticket)
    found = [one for olds, news in sides.values() for one in _of_asset(olds, news)]
    return sorted(found, key=lambda one: (_first(one), one.fault, one.asset.kind, one.asset.id))


def _first(one: Compared) -> datetime:
    return min(life.opened_at for life in (one.before, one.after) if life is not None)


def _of_asset(olds: list[Ticket], news: list[Ticket]) -> Iterable[Compared]:
    """Pairs in the order of time: each with the first of the other side that is not too far away."""
    waiting = list(news)
    for old in olds:
        new = next((candidate for candidate in waiting if _belong(old, candidate)), None)
        if new is not None:
            waiting.remove(new)
        yield _compared(old, new)
    for new in waiting:
        yield _compared(None, new)


def _belong(one: Ticket, other: Ticket) -> bool:
    first, second = sorted((one, other), key=lambda ticket: ticket.opened_at)
    return first.resolved_at is None or second.opened_at <= first.resolved_at + PAIRED_WITHIN


def _compared(old: Ticket | None, new: Ticket | None) -> Compared:
    ticket = old or new
    if ticket is None:
        raise ValueError("a comparison has at least one side")
    opened = resolved = None
    if old is not None and new is not None:
        opened = (new.opened_at - old.opened_at).total_seconds()
        if old.resolved_at is not None and new.resolved_at is not None:
            resolved = (new.resolved_at - old.resolved_at).total_seconds()
    return Compared(
        change=_change(old, new, opened, resolved),
        fault=ticket.fault,
        asset=ticket.asset,
        station_id=ticket.station_id,
        before=_life(old),
        after=_life(new),
        opened_later_s=opened,
        resolved_later_s=resolved,
    )


def _change(old: Ticket | None, new: Ticket | None, opened: float | None, resolved: float | None) -> Change:
    if old is None or new is None or opened is None:
        return Change.ONLY_AFTER if old is None else Change.ONLY_BEFORE
    if abs(opened) >= _EQUAL.total_seconds():
        return Change.EARLIER if opened < 0 else Change.LATER
    both_open = old.resolved_at is None and new.resolved_at is None
    same_end = both_open or (resolved is not None and abs(resolved) < _EQUAL.total_seconds())
    return Change.SAME if same_end else Change.ENDS_OTHERWISE


def _life(ticket: Ticket | None) -> Life | None:
    if ticket is None:
        return None
    return Life(
        ticket_id=ticket.ticket_id,
        severity=ticket.severity,
        opened_at=ticket.opened_at,
        resolved_at=ticket.resolved_at,
        explanation=ticket.explanation,
    )


def counts(compared: Sequence[Compared]) -> dict[str, int]:
    """How many of each change; all are named, so that a zero is seen."""
    return {str(change): sum(one.change is change for one in compared) for change in Change}


def in_lines(compared: Sequence[Compared]) -> list[str]:
    """A table for the terminal; tickets that stay as they are only counted."""
    rows = [("change", "fault", "asset", "opened, resolved", "with the other settings")]
    rows += [_row(one) for one in compared if one.change is not Change.SAME]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows] if len(rows) > 1 else []
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts(compared).items())
    return [*lines, f"Tickets: {told}."]


def _row(one: Compared) -> tuple[str, str, str, str, str]:
    shifts = [_shift(one.opened_later_s, "opened"), _shift(one.resolved_later_s, "resolved")]
    moved = "; ".join(shift for shift in shifts if shift)
    after = f"{_times(one.after)} ({moved})" if moved else _times(one.after)
    return (
        str(one.change).replace("_", " "),
        one.fault,
        f"{one.asset.kind} {one.asset.id}",
        _times(one.before),
        after,
    )


def _times(life: Life | None) -> str:
    if life is None:
        return "none"
    end = "open" if life.resolved_at is None else f"{life.resolved_at:%m-%d %H:%M:%S}"
    return f"{life.severity} {life.opened_at:%m-%d %H:%M:%S}, {end}"


def _shift(seconds: float | None, what: str) -> str:
    if seconds is None or abs(seconds) < _EQUAL.total_seconds():
        return ""
    minutes, rest = divmod(round(abs(seconds)), 60)
    amount = f"{minutes} min {rest} s" if minutes else f"{rest} s"
    return f"{what} {amount} {'earlier' if seconds < 0 else 'later'}"
