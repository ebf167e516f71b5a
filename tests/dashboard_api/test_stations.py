"""GET /api/v1/stations."""

from __future__ import annotations

import pytest

from laddvakt.domain.stations import Connector, ConnectorState, Site, Station, StationState
from laddvakt.stores.ports import Variable
from tests.support.webapp import NOON, Web


@pytest.fixture(autouse=True)
def stations(web: Web) -> None:
    with web.records.begin() as work:
        work.stations.save_sites([Site(site_id="harbour", name="Harbour"), Site(site_id="mall", name="Mall")])
        work.stations.save(
            Station(
                station_id=f"SE-{number}",
                site_id="harbour" if number % 2 else "mall",
                vendor="Zaptec",
                connected=True,
                last_seen=NOON,
                state=StationState.CHARGING,
                connectors=(
                    Connector(connector_id=1, status=ConnectorState.CHARGING, status_since=NOON, power_w=11000.0),
                ),
            )
            for number in range(1, 6)
        )


def test_list_is_ordered_and_whole(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/stations")
    assert answer.status_code == 200
    assert [item["station_id"] for item in answer.json()["items"]] == ["SE-1", "SE-2", "SE-3", "SE-4", "SE-5"]
    assert answer.json()["next"] is None
    first = answer.json()["items"][0]
    assert first["last_seen"] == "2026-11-21T12:00:00Z"
    assert first["connectors"][0]["status"] == "Charging"


def test_list_pages_with_the_cursor(web: Web) -> None:
    client = web.program("viewer")
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = client.get("/api/v1/stations", params={"limit": "2", **after}).json()
        seen += [item["station_id"] for item in page["items"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert seen == ["SE-1", "SE-2", "SE-3", "SE-4", "SE-5"]


def test_list_of_a_site(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/stations", params={"site_id": "mall"})
    assert [item["station_id"] for item in answer.json()["items"]] == ["SE-2", "SE-4"]


def test_one_station(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/stations/SE-3")
    assert answer.status_code == 200
    assert answer.json()["vendor"] == "Zaptec"


def test_unknown_station_is_not_found(web: Web) -> None:
    answer = web.program("viewer").get("/api/v1/stations/SE-99")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Not Found"
    assert "SE-99" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/v1/stations", "/api/v1/stations/SE-1"])
def test_nobody_is_told_anything(web: Web, path: str) -> None:
    answer = web.nobody().get(path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/stations", "/api/v1/stations/SE-1"])
def test_drivers_may_not_see_stations(web: Web, path: str) -> None:
    assert web.program("driver").get(path).status_code == 403


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "stat=offline", "after="])
def test_bad_parameters_are_named(web: Web, query: str) -> None:
    answer = web.program("viewer").get(f"/api/v1/stations?{query}")
    assert answer.status_code == 422
    name = query.partition("=")[0]
    assert [part["where"] for part in answer.json()["errors"]] == [f"query.{name}"]


def test_records_away_is_a_problem_without_secrets(web: Web) -> None:
    client = web.program("viewer")
    assert client.get("/api/v1/stations").status_code == 200
    web.records.away = True
    answer = client.get("/api/v1/stations")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "db.internal" not in answer.text


@pytest.fixture
def inventory(web: Web) -> None:
    with web.records.begin() as work:
        work.inventory.save(
            Variable(
                station_id="SE-1", variable_id=f"v{number}", component="EVSE", variable="Power", reported_at=NOON
            )
            for number in range(3)
        )


@pytest.mark.usefixtures("inventory")
def test_variables_of_a_station_page(web: Web) -> None:
    client = web.program("maintainer")
    first = client.get("/api/v1/stations/SE-1/variables?limit=2").json()
    assert [item["variable_id"] for item in first["items"]] == ["v0", "v1"]
    rest = client.get("/api/v1/stations/SE-1/variables", params={"after": first["next"]}).json()
    assert [item["variable_id"] for item in rest["items"]] == ["v2"]
    assert client.get("/api/v1/stations/SE-2/variables").json() == {"items": [], "next": None}


def test_variables_of_a_station_that_is_not_there(web: Web) -> None:
    assert web.program("admin").get("/api/v1/stations/SE-99/variables").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "driver"])
def test_variables_are_not_for_everybody(web: Web, role: str) -> None:
    assert web.program(role).get("/api/v1/stations/SE-1/variables").status_code == 403
