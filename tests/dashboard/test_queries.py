"""Read models over real records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from dashboard import queries
from dashboard.pages.revenue import revenue_csv
from laddvakt.domain.sessions import Quality, SessionState
from laddvakt.domain.stations import ConnectorState, Site
from laddvakt.domain.tickets import Severity, TicketState
from laddvakt.stores.ports import Point, RevenueRow, Sample
from laddvakt.stores.sql.engine import SqlRecords
from tests.support import scene
from tests.support.dashboard import open_test_records
from tests.support.webapp import FixedTelemetry

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")


@pytest.fixture
def records() -> Iterator[SqlRecords]:
    opened = open_test_records()
    yield opened
    opened.close()


def save_ended(records: SqlRecords, name: str, ended: datetime, *, euro: bool = False, held: bool = False) -> None:
    session = scene.session(
        name,
        "SE-1",
        now=ended,
        state=SessionState.ENDED,
        ended_at=ended,
        site_id="hamnen",
        energy_wh=10_000,
        cost=scene.cost(10_000, price="4", currency="EUR" if euro else "SEK"),
        quality=Quality.SUSPECT if held else Quality.CONFIRMED,
    )
    with records.begin() as work:
        work.stations.save_sites([Site(site_id="hamnen", name="Norra hamnen")])
        work.sessions.save([session])


def test_today_begins_at_local_midnight_and_keeps_currencies_apart(records: SqlRecords) -> None:
    midnight = datetime(2026, 11, 20, 23, tzinfo=UTC)
    save_ended(records, "S-1", midnight - timedelta(minutes=1))
    save_ended(records, "S-2", midnight + timedelta(minutes=1))
    save_ended(records, "S-3", midnight + timedelta(minutes=2), euro=True)
    save_ended(records, "S-4", midnight + timedelta(minutes=3), held=True)
    today = queries.ended_today(records, now=NOW, zone=ZONE)
    assert today.money == {"SEK": Decimal(50), "EUR": Decimal(50)}
    assert (today.since.astimezone(UTC), today.energy_wh) == (midnight, 20_000)


def test_sessions_stop_at_the_limit_and_say_that_there_are_more(records: SqlRecords) -> None:
    with records.begin() as work:
        work.sessions.save([scene.session(f"S-{n}", "SE-1", now=NOW, minutes=n) for n in range(130)])
    found = queries.sessions(records, queries.SessionFilter(), limit=120)
    assert (len(found.sessions), found.more) == (120, True)
    assert found.sessions[0].session_id == "S-0"
    everything = queries.sessions(records, queries.SessionFilter(station_id="SE-1"))
    assert (len(everything.sessions), everything.more) == (130, False)
    assert queries.sessions(records, queries.SessionFilter(state=SessionState.ENDED)).sessions == []


def test_a_sessions_curves_end_where_it_ends(records: SqlRecords) -> None:
    session = scene.session(
        "S-1", "SE-1", now=NOW, minutes=10, state=SessionState.ENDED, ended_at=NOW, site_id="hamnen"
    )
    points = [
        Point(
            station_id="SE-1",
            connector_id=1,
            source="ocpp",
            at=NOW - timedelta(minutes=12 - minute),
            values={"power_w": 1_000.0 * minute},
        )
        for minute in range(15)
    ]
    with records.begin() as work:
        work.sessions.save([session])
    found = queries.session_detail(records, FixedTelemetry(*points), "S-1", now=NOW)
    assert found is not None
    assert [sample.value for sample in found.curves["power_w"]] == [1_000.0 * minute for minute in range(2, 13)]
    assert queries.session_detail(records, FixedTelemetry(), "S-404", now=NOW) is None


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 1_000])
def test_thinning_keeps_the_bound_the_first_and_the_last(count: int) -> None:
    samples = [Sample(at=NOW + timedelta(seconds=n), value=float(n)) for n in range(count)]
    thinned = queries.thin(samples, 10)
    assert len(thinned) <= 10
    assert thinned[:1] == samples[:1]
    assert thinned[-1:] == samples[-1:]


def test_open_tickets_come_gravest_then_newest_first(records: SqlRecords) -> None:
    with records.begin() as work:
        work.tickets.save(scene.ticket("T-old", "SE-1", now=NOW, minutes=50))
        work.tickets.save(scene.ticket("T-new", "SE-1", now=NOW, minutes=5))
        work.tickets.save(scene.ticket("T-grave", "SE-1", now=NOW, minutes=90, severity=Severity.P1))
        work.tickets.save(scene.ticket("T-done", "SE-1", now=NOW, state=TicketState.RESOLVED))
    assert [t.ticket_id for t in queries.tickets(records, settled=False)] == ["T-grave", "T-new", "T-old"]
    assert [t.ticket_id for t in queries.tickets(records, settled=True)] == ["T-done"]
    found = queries.ticket_detail(records, "T-new", now=NOW)
    assert found is not None
    assert [t.ticket_id for t in found.others] == ["T-grave", "T-old"]
    assert queries.ticket_detail(records, "T-404", now=NOW) is None


def test_a_station_comes_with_its_sessions_and_tickets(records: SqlRecords) -> None:
    with records.begin() as work:
        work.stations.save([scene.station("SE-1", ConnectorState.CHARGING)])
        work.sessions.save([scene.session("S-1", "SE-1", now=NOW)])
        work.tickets.save(scene.ticket("T-1", "SE-1", now=NOW))
    found = queries.station_detail(records, "SE-1")
    assert found is not None
    assert [s.session_id for s in found.sessions] == ["S-1"]
    assert [t.ticket_id for t in found.tickets] == ["T-1"]
    assert queries.station_detail(records, "SE-404") is None
    assert list(queries.stations(records).tickets) == ["SE-1"]
    assert queries.station_ids(records) == ["SE-1"]


@pytest.mark.parametrize(
    ("period", "words"),
    [
        ("today", "2026-11-21"),
        ("7d", "2026-11-15 to 2026-11-21"),
        ("30d", "2026-10-23 to 2026-11-21"),
        ("month", "2026-11-01 to 2026-11-21"),
        ("last_month", "2026-10-01 to 2026-10-31"),
        ("nonsense", "2026-11-21"),
    ],
)
def test_periods_are_whole_local_days(period: str, words: str) -> None:
    over = queries.span(period, now=NOW, zone=ZONE)
    assert over.words == words
    for edge in (over.from_, over.to):
        assert edge.astimezone(ZONE).strftime("%H:%M") == "00:00"


def test_revenue_by_day_adds_sites_and_by_site_has_their_names(records: SqlRecords) -> None:
    save_ended(records, "S-1", NOW)
    save_ended(records, "S-2", NOW - timedelta(days=1))
    save_ended(records, "S-3", NOW, held=True)
    over = queries.span("7d", now=NOW, zone=ZONE)
    days = queries.revenue(records, group_by="day", over=over, zone=ZONE)
    assert [(row.key, row.incl_vat, row.held_incl_vat) for row in days] == [
        ("2026-11-21", Decimal(50), Decimal(50)),
        ("2026-11-20", Decimal(50), Decimal(0)),
    ]
    sites = queries.revenue(records, group_by="site", over=over, zone=ZONE)
    assert [(row.key, row.sessions) for row in sites] == [("Norra hamnen", 2)]
    (total,) = queries.revenue_totals(days)
    assert (total.incl_vat, total.held_sessions, total.energy_wh) == (Decimal(100), 1, 20_000)


def row(**more: object) -> RevenueRow:
    base = {
        "key": "SE-1",
        "period": "",
        "sessions": 1,
        "energy_wh": 1,
        "excl_vat": Decimal("0.1"),
        "incl_vat": Decimal("0.125"),
        "currency": "SEK",
    }
    return RevenueRow(**{**base, **more})  # type: ignore[arg-type]  # the values fit their names


def test_currencies_are_never_added() -> None:
    with pytest.raises(ValueError, match="cannot add EUR to SEK"):
        queries.add_rows(row(), row(currency="EUR"))
    assert [total.currency for total in queries.revenue_totals([row(), row(currency="EUR"), row()])] == [
        "EUR",
        "SEK",
    ]


def test_the_file_has_exact_amounts_and_no_formulas() -> None:
    lines = revenue_csv([row(), row(key="=HYPERLINK(1)")]).split("\r\n")
    assert lines[1] == "SE-1,1,1,0.1,0.125,SEK,0,0"
    assert lines[2].startswith("'=HYPERLINK(1),")
