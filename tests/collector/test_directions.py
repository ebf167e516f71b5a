"""Which side may call what, held against the official schemas and against the actions that are read."""

from __future__ import annotations

import pytest

from collector.link import SUPPORTED
from collector.ocpp import schemas
from collector.ocpp.actions import ACTIONS
from collector.ocpp.directions import FROM_CENTRAL_SYSTEM, FROM_STATION
from tests.support.stations import Speaker

each_version = pytest.mark.parametrize("protocol", SUPPORTED)


@each_version
def test_every_action_of_a_version_has_a_caller(protocol: str) -> None:
    assert FROM_STATION[protocol] | FROM_CENTRAL_SYSTEM[protocol] == schemas.actions(protocol)
    assert FROM_STATION[protocol] & FROM_CENTRAL_SYSTEM[protocol] == {"DataTransfer"}


@each_version
def test_everything_that_a_station_may_call_is_read(protocol: str) -> None:
    assert FROM_STATION[protocol] == {name for name, action in ACTIONS.items() if protocol in action.versions}


@each_version
def test_actions_of_the_central_system_are_not_a_stations_to_call(protocol: str) -> None:
    for action in sorted(FROM_CENTRAL_SYSTEM[protocol] - FROM_STATION[protocol]):
        reply = Speaker(protocol=protocol).call(action, {})
        assert reply[2] == "NotSupported", action
        assert "central system" in reply[3], action
