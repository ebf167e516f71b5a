"""Tickets of two runs, side by side."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from detector.backtest import Change, compare, counts, in_lines
from laddvakt.domain.tickets import Asset, Severity, Ticket

START = datetime(2026, 3, 2, tzinfo=UTC)


def ticket(opened: float, resolved: float | None = None, *, station: str = "A", fault: str = "offline") -> Ticket:
    """Times in minutes."""
    return Ticket(
        ticket_id=f"{fault}-{station}-{opened}",
        fault=fault,
        asset=Asset(kind="station", id=station),
        station_id=station,
        severity=Severity.P2,
        opened_at=START + timedelta(minutes=opened),
        updated_at=START + timedelta(minutes=opened),
        resolved_at=None if resolved is None else START + timedelta(minutes=resolved),
    )


@pytest.mark.parametrize(
    ("after", "change", "opened", "resolved"),
    [
        (ticket(10, 30), Change.SAME, 0, 0),
        (ticket(5, 30), Change.EARLIER, -300, 0),
        (ticket(15, 31), Change.LATER, 300, 60),
        (ticket(10, 40), Change.ENDS_OTHERWISE, 0, 600),
        (ticket(10), Change.ENDS_OTHERWISE, 0, None),
    ],
)
def test_one_ticket_on_both_sides(after: Ticket, change: Change, opened: float, resolved: float | None) -> None:
    (one,) = compare([ticket(10, 30)], [after])
    assert (one.change, one.opened_later_s, one.resolved_later_s) == (change, opened, resolved)
    assert one.before is not None
    assert one.after is not None


def test_tickets_that_only_one_side_has() -> None:
    olds, news = [ticket(10, 30)], [ticket(5, 30, station="B"), ticket(50, fault="no_power")]
    found = compare(olds, news)
    assert [(one.change, one.asset.id, one.fault) for one in found] == [
        (Change.ONLY_AFTER, "B", "offline"),
        (Change.ONLY_BEFORE, "A", "offline"),
        (Change.ONLY_AFTER, "A", "no_power"),
    ]
    assert found[0].before is None
    assert found[1].after is None


def test_two_events_of_one_asset_are_paired_in_order_and_not_across_days() -> None:
    found = compare([ticket(10, 30), ticket(5000, 5030)], [ticket(5001, 5030)])
    assert [one.change for one in found] == [Change.ONLY_BEFORE, Change.LATER]
    assert [one.change for one in compare([ticket(10)], [ticket(5000)])] == [Change.LATER]


def test_table_shows_what_changes_and_counts_the_rest() -> None:
    found = compare([ticket(10, 30), ticket(10, station="B")], [ticket(10, 30), ticket(8.5, station="B")])
    head, row, last = in_lines(found)
    assert head.split()[:3] == ["change", "fault", "asset"]
    assert "station B" in row
    assert "opened 1 min 30 s earlier" in row
    assert last == "Tickets: 1 same, 1 earlier, 0 later, 0 ends otherwise, 0 only before, 0 only after."
    assert in_lines([]) == ["Tickets: " + ", ".join(f"0 {name.replace('_', ' ')}" for name in counts([])) + "."]
