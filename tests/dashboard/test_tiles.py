"""What a tile, a card and the totals say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from dashboard.components import tiles, words
from laddvakt.domain.sessions import Quality, Session, SessionState
from laddvakt.domain.stations import Connector, ConnectorState, Station, StationState
from laddvakt.domain.tickets import Asset, Severity, TicketAction, TicketState
from tests.support import scene

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Stockholm")
CHARGING, FREE, FAULTED = ConnectorState.CHARGING, ConnectorState.AVAILABLE, ConnectorState.FAULTED


def tile(station: Station, *sessions: Session, worst: Severity | None = None) -> dict[str, Any]:
    return tiles.station_tile(station, sessions, worst, now=NOW, zone=ZONE)


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (words.STATION, StationState),
        (words.CONNECTOR, ConnectorState),
        (words.SEVERITY, Severity),
        (words.TICKET, TicketState),
        (words.ACTION, TicketAction),
        (words.SESSION, SessionState),
        (words.QUALITY, Quality),
    ],
)
def test_every_state_has_its_word(table: dict[Any, Any], members: Any) -> None:
    assert set(table) == set(members)


def test_no_two_station_states_share_word_or_colour_and_icon() -> None:
    looks = list(words.STATION.values())
    assert len({look.word for look in looks}) == len(looks)
    assert len({look.icon for look in looks}) == len(looks)


def test_two_sessions_are_added_up() -> None:
    one = scene.session("S-1", "SE-1", now=NOW, minutes=10, energy_wh=4_000, power_w=20_000.0)
    other = scene.session("S-2", "SE-1", now=NOW, minutes=30, energy_wh=8_000, power_w=30_500.0, connector_id=2)
    view = tile(scene.station("SE-1", CHARGING, CHARGING), one, other)
    assert (view["kw"], view["sessions"], view["soc"]) == ("50.5", 2, None)
    assert view["since"] == "2026-11-21T09:30:00.000Z"
    assert "59.25" in view["cost"]


def test_power_of_a_station_that_is_gone_is_not_counted() -> None:
    session = scene.session("S-1", "SE-1", now=NOW)
    station = scene.station("SE-1", CHARGING, connected=False, last_seen=NOW - timedelta(minutes=20))
    view = tile(station, session)
    assert (view["kw"], view["state"], view["note"], view["down"]) == ("0.0", "offline", "last seen 10:40", True)
    assert tiles.note(scene.station("SE-2", connected=False), now=NOW, zone=ZONE) == "never connected"


def test_a_silent_session_counts_by_its_connector() -> None:
    session = scene.session("S-1", "SE-1", now=NOW, power_w=None)
    connector = Connector(connector_id=1, status=CHARGING, power_w=11_000.0)
    station = msgspec.structs.replace(scene.station("SE-1", CHARGING), connectors=(connector,))
    assert tiles.total_power_w(station, [session]) == 11_000.0


def test_a_fault_names_its_code_and_place() -> None:
    assert tile(scene.station("SE-1", FREE, FAULTED))["note"] == "GroundFailure · connector 2"
    vendor = Connector(connector_id=0, status=FAULTED, error_code="OtherError", vendor_error_code="E-77")
    station = msgspec.structs.replace(scene.station("SE-1", FAULTED), connectors=(vendor,))
    assert tile(station)["note"] == "E-77 · station"


def test_occupied_says_why_and_free_how_many() -> None:
    assert tile(scene.station("SE-1", ConnectorState.FINISHING))["note"] == "Finishing"
    assert tile(scene.station("SE-1", FREE, CHARGING))["note"] == "1 of 2 free"


def test_the_label_says_everything_in_words() -> None:
    session = scene.session("S-1", "SE-1", now=NOW, energy_wh=9_340)
    label = tile(scene.station("SE-1", CHARGING), session, worst=Severity.P2)["label"]
    for part in ("SE-1: Charging", "42.7 kW", "battery 61 percent", "SEK", "open P2 ticket"):
        assert part in label


def test_assets_are_named_so_that_one_finds_them() -> None:
    def named(**more: Any) -> str:
        return tiles.asset_text(scene.ticket("T-1", "SE-1", now=NOW, **more))

    assert named() == "SE-1"
    assert named(connector_id=2, asset=Asset(kind="connector", id="SE-1/2")) == "SE-1, connector 2"
    assert named(asset=Asset(kind="cable", id="C-17")) == "cable C-17 at SE-1"
    assert named(asset=Asset(kind="cable", id="SE-1/1")) == "cable SE-1/1"
    assert named(asset=Asset(kind="site", id="hamnen")) == "site hamnen"


def test_settled_tickets_do_not_colour_a_tile() -> None:
    grave = scene.ticket("T-1", "SE-1", now=NOW, severity=Severity.P1, state=TicketState.RESOLVED)
    light = scene.ticket("T-2", "SE-1", now=NOW, severity=Severity.P3)
    assert tiles.worst_severity([grave, light]) is Severity.P3
    assert tiles.worst_severity([grave]) is None


def test_totals_add_what_runs_to_what_ended_per_currency() -> None:
    stations = [scene.station("SE-1", CHARGING), scene.station("SE-2", FAULTED), scene.station("SE-3", FREE)]
    euro = scene.session(
        "S-1", "SE-1", now=NOW, energy_wh=10_000, cost=scene.cost(10_000, price="1", currency="EUR")
    )
    crown = scene.session("S-2", "SE-1", now=NOW, energy_wh=10_000, cost=scene.cost(10_000, price="1"))
    view = tiles.totals_view(
        stations=stations,
        sessions=[euro, crown],
        ended_wh=80_000,
        ended_money={"SEK": Decimal(100)},
        currency="SEK",
        kw_w=43_210.0,
    )
    assert (view["up"], view["stations"], view["charging"], view["faulted"]) == (2, 3, 1, 1)
    assert (view["kw"], view["kwh"]) == ("43.2", "100.0")
    assert view["revenue"] == [["112.50", "SEK"], ["12.50", "EUR"]]


def test_totals_of_nothing_are_zero_in_the_own_currency() -> None:
    view = tiles.totals_view(stations=[], sessions=[], ended_wh=0, ended_money={}, currency="SEK", kw_w=0)
    assert view["revenue"] == [["0.00", "SEK"]]
