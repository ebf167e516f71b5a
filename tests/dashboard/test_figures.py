"""Figures: data in, traces out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from dashboard.figures.evidence import MARKED, evidence_chart
from dashboard.figures.reliability import over_time
from dashboard.figures.revenue import BARS, revenue_bars
from dashboard.figures.session import session_curves
from laddvakt.domain.tickets import Chart, Series
from laddvakt.kpi.report import Figure
from laddvakt.stores.ports import RevenueRow, Sample

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")


def samples(*values: float) -> list[Sample]:
    return [Sample(at=NOW + timedelta(minutes=n), value=value) for n, value in enumerate(values)]


def bar(key: str, amount: str, *, held: str = "0", currency: str = "SEK") -> RevenueRow:
    return RevenueRow(
        key=key,
        period="",
        sessions=1,
        energy_wh=1_000,
        excl_vat=Decimal(amount),
        incl_vat=Decimal(amount),
        currency=currency,
        held_incl_vat=Decimal(held),
    )


def test_curves_are_in_people_s_units_and_local_time() -> None:
    figure = session_curves({"power_w": samples(0, 11_000), "energy_wh": samples(5_000, 5_250)}, zone=ZONE)
    power, energy = figure.data
    assert list(power.y) == [0, 11]
    assert list(energy.y) == [0, 0.25]
    assert power.x[0] == datetime(2026, 11, 21, 11)  # noqa: DTZ001  plotly takes local times bare
    assert figure.layout.xaxis2.title.text == "Europe/Stockholm"


def test_a_session_without_readings_says_so() -> None:
    figure = session_curves({"power_w": []}, zone=ZONE)
    assert figure.layout.annotations[0].text == "No readings kept for this session"


def test_held_amounts_stand_apart() -> None:
    figure = revenue_bars([bar("SE-1", "10", held="3"), bar("SE-2", "5")], currency="SEK", by_day=False)
    assert [list(trace.y) for trace in figure.data] == [[10, 5], [3, 0]]
    alone = revenue_bars([bar("SE-1", "10")], currency="SEK", by_day=False)
    assert len(alone.data) == 1


def test_days_run_from_left_to_right() -> None:
    figure = revenue_bars([bar("2026-11-21", "1"), bar("2026-11-20", "2")], currency="SEK", by_day=True)
    assert list(figure.data[0].x) == ["2026-11-20", "2026-11-21"]


def test_bars_are_of_one_currency_and_not_too_many() -> None:
    rows = [bar(f"SE-{n}", "1") for n in range(BARS * 2)]
    figure = revenue_bars([*rows, bar("SE-E", "1", currency="EUR")], currency="SEK", by_day=False)
    assert len(figure.data[0].x) == BARS
    assert revenue_bars(rows, currency="EUR", by_day=False).layout.annotations[0].text.startswith("No ended")


def series(name: str, points: int) -> Series:
    return Series(name=name, points=tuple((NOW + timedelta(minutes=n), float(n)) for n in range(points)))


def test_evidence_is_drawn_over_local_time_with_its_threshold_and_what_is_normal_named() -> None:
    one = Chart(label="Heat", unit="K", series=(series("SE-1", 3), series("peers", 60)), threshold=21, normal=11.5)
    figure = evidence_chart(one, zone=ZONE)
    own, peers = figure.data
    assert (own.name, list(own.y)) == ("SE-1", [0, 1, 2])
    assert own.x[0] == datetime(2026, 11, 21, 11)  # noqa: DTZ001  plotly takes local times bare
    assert (own.mode, peers.mode) == ("lines+markers", "lines")
    assert [note.text for note in figure.layout.annotations] == ["threshold 21", "normal 11.5"]
    assert MARKED < 60


def test_a_threshold_of_nothing_is_drawn_too_and_no_readings_are_said() -> None:
    flat = Chart(label="Power", unit="W", series=(series("SE-1", 2),), threshold=0.0)
    assert [note.text for note in evidence_chart(flat, zone=ZONE).layout.annotations] == ["threshold 0"]
    empty = evidence_chart(Chart(label="Power", unit="W", series=()), zone=ZONE)
    assert "No readings" in empty.layout.annotations[0].text


def figure_of(period: str, value: float) -> Figure:
    return Figure(metric="nevi", key="all", period=period, unit="%", numerator=value, denominator=100, value=value)


def test_reliability_is_drawn_as_points_down_to_its_lowest_beside_its_goal() -> None:
    days = [figure_of(f"2026-11-{day:02}", 99 - day) for day in range(1, 10)]
    drawn = over_time(days, metric="nevi", goal=97)
    assert list(drawn.data[0].y) == [99 - day for day in range(1, 10)]
    assert drawn.layout.yaxis.range[0] == 89
    assert drawn.layout.annotations[0].text == "goal 97 %"
    assert "%m-%d" in drawn.layout.xaxis.tickformat
    months = [figure_of("2026-10", 98.0), figure_of("2026-11", 99.0)]
    assert over_time(months, metric="nevi", goal=None).layout.xaxis.dtick == "M1"
    assert "Nothing" in over_time([], metric="nevi", goal=97).layout.annotations[0].text
