"""The one word for a station."""

from __future__ import annotations

import pytest

from laddvakt.domain.stations import Connector, ConnectorState, Station, StationState, station_state

C = ConnectorState


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], StationState.UNKNOWN),
        ([C.UNKNOWN], StationState.UNKNOWN),
        ([C.UNAVAILABLE, C.UNKNOWN], StationState.UNAVAILABLE),
        ([C.AVAILABLE, C.UNAVAILABLE], StationState.AVAILABLE),
        ([C.AVAILABLE, C.FINISHING], StationState.OCCUPIED),
        ([C.SUSPENDED_EV, C.AVAILABLE], StationState.OCCUPIED),
        ([C.CHARGING, C.PREPARING], StationState.CHARGING),
        ([C.CHARGING, C.FAULTED], StationState.FAULTED),
    ],
)
def test_the_worst_comes_first_then_the_busiest(statuses: list[ConnectorState], expected: StationState) -> None:
    assert station_state(connected=True, statuses=statuses) is expected
    assert station_state(connected=False, statuses=statuses) is StationState.OFFLINE


def test_a_connector_is_found_by_its_number() -> None:
    second = Connector(connector_id=2)
    station = Station(station_id="SE-1", connectors=(Connector(connector_id=1), second))
    assert station.connector(2) is second
    assert station.connector(3) is None
