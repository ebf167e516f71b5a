"""Availability of a port, worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from laddvakt.domain.history import Transition
from laddvakt.domain.stations import ConnectorState, Site
from laddvakt.kpi.availability import Availability, Cause, availability
from laddvakt.kpi.hours import open_spans

S = ConnectorState
DAY = datetime(2026, 11, 20, tzinfo=UTC)  # a Friday
PERIOD = (DAY, DAY + timedelta(days=1))


def at(hour: float) -> datetime:
    return DAY + timedelta(hours=hour)


def said(hour: float, status: ConnectorState, *, connected: bool = True) -> Transition:
    return Transition(station_id="SE-1", connector_id=1, at=at(hour), status=status, connected=connected)


def of(*changes: Transition, **more: object) -> Availability:
    return availability(list(changes), period=PERIOD, **more)  # type: ignore[arg-type]  # a table of mixed words


def test_a_faulted_hour_is_an_hour_of_outage() -> None:
    found = of(said(-5, S.AVAILABLE), said(10, S.FAULTED), said(11, S.AVAILABLE))
    assert (found.observed_s, found.outage_s, found.up_s) == (24 * 3600, 3600, 23 * 3600)
    assert found.down_s == {Cause.FAULTED: 3600}


def test_what_lasts_from_before_and_beyond_is_cut() -> None:
    assert of(said(-5, S.UNAVAILABLE), said(2, S.AVAILABLE)).outage_s == 2 * 3600
    assert of(said(-5, S.AVAILABLE), said(22, S.FAULTED)).outage_s == 2 * 3600


def test_a_port_counts_from_when_it_was_first_heard_of() -> None:
    assert of(said(20, S.AVAILABLE)).observed_s == 4 * 3600
    assert of() == Availability()


def test_without_a_link_nobody_knows() -> None:
    found = of(
        said(0, S.CHARGING), said(6, S.UNKNOWN, connected=False), said(8, S.UNKNOWN), said(8.01, S.AVAILABLE)
    )
    assert (found.outage_s, found.offline_s) == (2 * 3600, 2 * 3600)


def test_a_fault_holds_through_a_gap_of_the_link() -> None:
    changes = (said(0, S.FAULTED), said(6, S.UNKNOWN, connected=False), said(8, S.UNKNOWN), said(9, S.AVAILABLE))
    found = of(*changes)
    assert found.outage_s == 9 * 3600
    assert found.offline_s == 0  # the fault explains it


def test_a_port_that_looks_well_is_down_while_an_urgent_ticket_says_so() -> None:
    found = of(said(0, S.AVAILABLE), tickets=[(at(3), at(7))])
    assert found.down_s == {Cause.TICKET: 4 * 3600}


def test_planned_work_is_taken_out_of_the_outage_and_of_nothing_else() -> None:
    found = of(said(0, S.AVAILABLE), said(4, S.UNAVAILABLE), said(8, S.AVAILABLE), excluded=[(at(2), at(6))])
    assert (found.outage_s, found.excluded_s, found.up_s) == (4 * 3600, 2 * 3600, 22 * 3600)


def test_only_open_hours_count_where_they_are_asked_for() -> None:
    site = Site(site_id="A", name="A", timezone="Europe/Stockholm", opening_hours="Mo-Fr 07:00-19:00")
    found = of(said(0, S.AVAILABLE), said(17, S.FAULTED), open_hours=open_spans(site, PERIOD))
    assert found.observed_s == 12 * 3600
    assert found.outage_s == 3600  # 18 to 19 local time


@pytest.mark.parametrize("text", [None, "24/7", "when the shop is open"])
def test_a_site_whose_hours_are_not_known_is_always_open(text: str | None) -> None:
    assert open_spans(Site(site_id="A", name="A", opening_hours=text), PERIOD) is None


def test_hours_past_midnight() -> None:
    site = Site(site_id="A", name="A", opening_hours="Th 22:00-06:00; Sa 00:00-23:59")
    assert open_spans(site, PERIOD) == [(at(0), at(6))]
