"""Tickets decide what is not learnt, and verdicts decide about tickets."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from detector.features import Span
from detector.models.history import BEFORE_TICKET, exclusions
from laddvakt.domain.tickets import Asset, Severity, Ticket
from tests.support.detector import START

NOW = START + timedelta(days=3)


def ticket(fault: str = "plug_resistance", verdict: str | None = None, resolved: datetime | None = None) -> Ticket:
    return Ticket(
        ticket_id="T-1",
        fault=fault,
        asset=Asset(kind="station", id="SE-1"),
        station_id="SE-1",
        severity=Severity.P3,
        opened_at=START,
        updated_at=START,
        resolved_at=resolved,
        verdict=verdict,
    )


def test_a_ticket_covers_the_day_before_it_and_until_it_was_resolved() -> None:
    (still,) = exclusions([ticket()], NOW)
    (over,) = exclusions([ticket(resolved=START + timedelta(hours=2))], NOW)
    assert still.station_id == "SE-1"
    assert (still.since, still.until) == ((START - BEFORE_TICKET).timestamp(), NOW.timestamp())
    assert over.until == (START + timedelta(hours=2)).timestamp()


@pytest.mark.parametrize(
    ("verdict", "left_out"),
    [(None, True), ("confirmed", True), ("wrong_asset", True), ("no_fault_found", False), ("vehicle", False)],
)
def test_what_was_healthy_after_all_is_learnt(verdict: str | None, left_out: bool) -> None:
    assert bool(exclusions([ticket(verdict=verdict)], NOW)) is left_out


@pytest.mark.parametrize(
    ("right", "stations"),
    [
        (Asset(kind="station", id="SE-2"), {"SE-1", "SE-2"}),
        (Asset(kind="connector", id="SE-2/1"), {"SE-1", "SE-2"}),
        (Asset(kind="cable", id="CABLE-7"), {"SE-1"}),
    ],
)
def test_what_a_person_found_broken_instead_is_not_learnt_either(right: Asset, stations: set[str]) -> None:
    wrong = msgspec.structs.replace(ticket(verdict="wrong_asset"), right_asset=right)
    assert {one.station_id for one in exclusions([wrong], NOW)} == stations


def test_faults_of_the_link_concern_days_only() -> None:
    (found,) = exclusions([ticket(fault="offline")], NOW)
    assert [found.concerns(span) for span in Span] == [False, False, True]
