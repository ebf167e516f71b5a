"""The demo network and its logins."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from laddvakt.billing import choose, parse_tariff
from laddvakt.demo import DEMO_LOGINS, apply_demo, demo_network
from laddvakt.settings import Settings, privacy_key
from laddvakt.stores.sql.engine import open_records

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def test_default_network_is_a_believable_one() -> None:
    network = demo_network()
    assert len(network.stations) == 25 and network.stations[0].id == "SE-STO-001"
    assert len(network.sites) == 5
    assert {(site.timezone, site.currency) for site in network.sites} == {("Europe/Stockholm", "SEK")}
    kinds = Counter((station.current, station.max_power_w) for station in network.stations)
    assert kinds == {("AC", 22_080): 15, ("DC", 50_000): 5, ("DC", 150_000): 5}
    for station in network.stations:
        fixed = {connector.cable is not None for connector in station.connectors}
        assert fixed == {True} if station.current == "DC" else len(fixed) == 1
    assert len({token.id_tag for token in network.tokens}) == len(network.tokens) > 40
    assert [parse_tariff(tariff.ocpi).currency for tariff in network.tariffs] == ["SEK"] * 3


@pytest.mark.parametrize("stations", [1, 4, 100, 101, 1000])
def test_network_of_any_size(stations: int) -> None:
    network = demo_network(stations)
    assert len({station.id for station in network.stations}) == stations
    sites = Counter(station.site for station in network.stations)
    assert set(sites) <= {site.id for site in network.sites} and max(sites.values()) <= 20
    cables = [c.cable for station in network.stations for c in station.connectors if c.cable]
    assert len(cables) == len(set(cables))


def test_network_is_the_same_every_time() -> None:
    assert demo_network(30) == demo_network(30)
    assert demo_network(30).stations[:10] == demo_network(10).stations


def test_every_station_has_its_price() -> None:
    network = demo_network()
    tariffs = {tariff.id: tariff for tariff in network.tariffs}
    assignments = [item.as_assignment(tariffs[item.tariff]) for item in network.assignments or ()]
    for station in network.stations:
        chosen = choose(
            assignments, station_id=station.id, site_id=station.site, connector_id=1, plan="fleet", at=NOW
        )
        expected = "SE-MALMO" if station.site == "mma" else f"SE-{station.current}"
        assert chosen is not None and chosen.tariff_id == expected


def test_apply_demo_twice(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    records = open_records(settings)
    records.migrate()
    lines = apply_demo(records, settings, stations=25, now=NOW)
    assert any("admin/admin" in line for line in lines)
    with records.begin() as work:
        assert {user.name: user.role for user in work.people.users()} == {
            login.name: login.role for login in DEMO_LOGINS
        }
        admin = work.people.user("admin")
        assert admin is not None and PasswordHasher().verify(admin.password_hash, "admin")
        assert len(work.stations.all()) == 25
        before = work.people.audit_page().items
    apply_demo(records, settings, stations=25, now=NOW)
    with records.read() as work:
        assert work.people.user("admin") == admin
        assert work.people.audit_page().items == before
    assert privacy_key(settings) == (tmp_path / "secrets" / "privacy").read_text().strip()
    records.close()
