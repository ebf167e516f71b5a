"""Facts of OCPP 2.x in a station's view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detector.fold import fold
from detector.view import ConnectorView, StationView
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Fact,
    LinkDown,
    LinkUp,
    Measured,
    StatusReported,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def entry(seconds: float, *facts: Fact) -> Entry:
    return Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=at(seconds), facts=facts)


def take(view: StationView, seconds: float, *facts: Fact) -> ConnectorView:
    fold(view, entry(seconds, *facts), str)
    return view.connectors[2]


def reported(seconds: float, event: str = "Updated", **more: Any) -> TransactionReported:
    return TransactionReported(at=at(seconds), transaction_id="T", event=event, seq_no=1, **more)


def charging() -> StationView:
    view = StationView(station_id="SE-1")
    start = TransactionStarted(at=at(0), connector_id=2, transaction_id="T", meter_start_wh=0, numbered=True)
    take(view, 0, start, reported(0, "Started", connector_id=2))
    return view


def test_charging_state_reaches_the_connector_of_the_transaction() -> None:
    view = charging()
    connector = take(view, 5, reported(5, charging_state=ConnectorState.CHARGING))
    assert connector.status is ConnectorState.CHARGING
    assert 0 not in view.connectors


def test_occupied_does_not_hide_that_the_transaction_charges() -> None:
    view = charging()
    take(view, 5, reported(5, charging_state=ConnectorState.CHARGING))
    occupied = StatusReported(at=at(6), connector_id=2, status=ConnectorState.PREPARING, reported="Occupied")
    assert take(view, 6, occupied).status is ConnectorState.CHARGING


def test_values_without_a_place_go_to_the_connector_of_their_transaction() -> None:
    view = charging()
    readings = (Reading(at=at(60), field="power_w", value=7000.0),)
    connector = take(view, 60, Measured(at=at(60), connector_id=0, transaction_id="T", readings=readings))
    assert connector.power is not None
    assert connector.power.watts == 7000.0


def test_values_without_a_place_are_gathered_for_the_connector_of_their_transaction() -> None:
    view = charging()
    readings = (Reading(at=at(60), field="power_w", value=7000.0),)
    fact = Measured(at=at(60), connector_id=0, transaction_id="T", readings=readings)
    samples = fold(view, entry(60, fact), str).samples
    assert [sample.values for sample in samples[2]] == [{"power_w": 7000.0}]


def test_charging_state_from_the_time_without_a_link_is_not_of_now() -> None:
    view = charging()
    connector = take(view, 5, reported(5, charging_state=ConnectorState.CHARGING, offline=True))
    assert connector.status is ConnectorState.UNKNOWN


def test_start_that_was_refused_does_not_take_the_place_of_a_live_session() -> None:
    view = charging()
    stranger = TransactionStarted(at=at(60), connector_id=2, transaction_id="U", refused="Unknown")
    session = take(view, 60, stranger).session
    assert session is not None
    assert session.transaction_id == "T"


@pytest.mark.parametrize(("reason", "bad"), [("Other", True), ("Local", False), ("PowerLoss", False)])
def test_a_session_that_the_station_ends_before_anything_flowed_is_a_bad_one(reason: str, *, bad: bool) -> None:
    stop = TransactionStopped(at=at(20), transaction_id="T", meter_stop_wh=0, reason=reason)
    assert (take(charging(), 20, stop).bad_at is not None) is bad


def link(view: StationView, seconds: float, fact: LinkUp | LinkDown) -> bool:
    """Whether the station is connected after it."""
    kind = EntryKind.CONNECTED if isinstance(fact, LinkUp) else EntryKind.DISCONNECTED
    entry = Entry(station_id="SE-1", kind=kind, received_at=at(seconds), facts=(fact,))
    fold(view, entry, lambda text: text)
    return view.connected


def test_end_of_an_old_link_changes_nothing_once_the_next_one_is_up() -> None:
    view = StationView(station_id="SE-1")
    assert link(view, 0, LinkUp(at=at(0), protocol="ocpp1.6"))
    assert link(view, 10, LinkUp(at=at(10), protocol="ocpp1.6"))
    assert link(view, 12, LinkDown(at=at(12), since=at(0)))
    assert view.link_since == at(10)
    assert not link(view, 20, LinkDown(at=at(20), since=at(10)))


def test_end_of_a_link_that_says_not_which_is_believed() -> None:
    view = StationView(station_id="SE-1")
    assert link(view, 0, LinkUp(at=at(0), protocol="ocpp1.6"))
    assert not link(view, 20, LinkDown(at=at(20)))
