"""GET /api/v1/kpi and what stands beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.silences import Silence, SilenceScope
from laddvakt.domain.stations import Connector, ConnectorState, Station
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent, TicketState
from laddvakt.domain.times import rfc3339
from laddvakt.kpi.report import GROUPS, METRICS
from tests.support.webapp import NOON, Web

S = ConnectorState
DAY_AGO = NOON - timedelta(days=1)
PERIOD = f"from={rfc3339(DAY_AGO).replace('+', '%2B')}&to={rfc3339(NOON).replace('+', '%2B')}"


def _said(station: str, hours: float, status: ConnectorState) -> Transition:
    at = DAY_AGO + timedelta(hours=hours)
    return Transition(station_id=station, connector_id=1, at=at, status=status, connected=True)


@pytest.fixture(autouse=True)
def fleet(web: Web) -> None:
    opened = DAY_AGO + timedelta(hours=12)
    with web.records.begin() as work:
        for number, power_w in ((91, 22_000), (92, 150_000)):
            work.stations.save(
                [
                    Station(
                        station_id=f"KP-{number}",
                        site_id=None,
                        vendor="Acme",
                        model="One",
                        max_power_w=power_w,
                        connectors=(Connector(connector_id=1),),
                    )
                ]
            )
        work.history.add(
            [
                _said("KP-91", -50, S.AVAILABLE),
                _said("KP-91", 6, S.FAULTED),
                _said("KP-91", 12, S.AVAILABLE),
                _said("KP-92", -50, S.AVAILABLE),
            ]
        )
        work.tickets.save(
            Ticket(
                ticket_id="T-KP",
                fault="no_power",
                asset=Asset(kind="station", id="KP-92"),
                station_id="KP-92",
                connector_id=1,
                severity=Severity.P2,
                state=TicketState.RESOLVED,
                opened_at=opened,
                updated_at=opened,
                resolved_at=opened + timedelta(hours=3),
                events=(
                    TicketEvent(
                        at=opened,
                        action=TicketAction.OPENED,
                        actor="detector",
                        data={"since": rfc3339(opened - timedelta(minutes=10))},
                    ),
                    TicketEvent(at=opened + timedelta(minutes=30), action=TicketAction.ACKNOWLEDGED, actor="anna"),
                ),
            )
        )
        work.silences.save(
            Silence(
                silence_id="X-1",
                scope=SilenceScope.STATION,
                target="KP-91",
                from_=DAY_AGO + timedelta(hours=9),
                until=DAY_AGO + timedelta(hours=20),
                reason="new contactor",
                created_by="anna",
                created_at=DAY_AGO,
            )
        )
        work.sessions.save(
            [
                Session(
                    session_id=f"KPS-{number}",
                    station_id="KP-92",
                    connector_id=1,
                    transaction_id=str(number),
                    state=SessionState.ENDED,
                    started_at=DAY_AGO + timedelta(hours=number),
                    ended_at=DAY_AGO + timedelta(hours=number + 0.5),
                    energy_wh=energy_wh,
                    stop_reason="EVDisconnected",
                )
                for number, energy_wh in ((1, 20_000), (2, 0))
            ]
        )


def _figures(web: Web, metric: str, group_by: str = "station", more: str = "") -> dict[str, tuple[float, float]]:
    answer = web.program("viewer").get(f"/api/v1/kpi?metric={metric}&group_by={group_by}&{PERIOD}{more}")
    assert answer.status_code == 200, answer.text
    rows = answer.json()["items"]
    return {
        row["key"]: (row["numerator"], row["denominator"]) for row in rows if row["key"].startswith(("KP", "all"))
    }


def test_availability_counts_reports_and_urgent_tickets_and_leaves_planned_work_out(web: Web) -> None:
    day = 24 * 60
    assert _figures(web, "availability") == {"KP-91": (day - 180, day), "KP-92": (day - 180, day)}
    assert _figures(web, "availability_reported")["KP-92"] == (day, day)
    assert _figures(web, "nevi")["KP-91"] == (day - 180, day)


def test_the_british_figure_is_of_rapid_points(web: Web) -> None:
    assert set(_figures(web, "uk_reliability")) == {"KP-92"}


def test_charging_success(web: Web) -> None:
    assert _figures(web, "session_success")["KP-92"] == (1, 2)
    assert _figures(web, "charge_end")["KP-92"] == (2, 2)


def test_times_to_find_take_and_mend(web: Web) -> None:
    assert _figures(web, "time_to_detect")["KP-92"] == (10, 1)
    assert _figures(web, "time_to_acknowledge")["KP-92"] == (30, 1)
    assert _figures(web, "time_to_repair")["KP-92"] == (180, 1)


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize("group_by", GROUPS)
def test_every_figure_can_be_had_by_every_key_and_month(web: Web, metric: str, group_by: str) -> None:
    path = f"/api/v1/kpi?metric={metric}&group_by={group_by}&interval=month&{PERIOD}"
    rows = web.program("manager").get(path).json()["items"]
    assert all(row["unit"] == METRICS[metric].unit for row in rows)
    assert all(row["value"] is None or row["value"] <= 100 or row["unit"] == "min" for row in rows)


def test_who_took_minutes_out_and_why_is_told(web: Web) -> None:
    (row,) = web.program("viewer").get(f"/api/v1/kpi/exclusions?{PERIOD}").json()["items"]
    assert (row["by"], row["reason"], row["target"]) == ("anna", "new contactor", "KP-91")


def test_every_figure_is_explained(web: Web) -> None:
    rows = web.program("viewer").get("/api/v1/kpi/metrics").json()["items"]
    assert {row["metric"] for row in rows} == set(METRICS)
    assert all(row["formula"] and row["source"] and row["unit"] for row in rows)


def test_a_figure_that_does_not_exist_is_refused(web: Web) -> None:
    assert web.program("viewer").get("/api/v1/kpi?metric=luck").status_code == 422
