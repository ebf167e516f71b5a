"""emergency_stop: at once, one ticket for the station, until it is cleared."""

from __future__ import annotations

import pytest

from detector.changes import ChangeKind
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Severity
from tests.support.detector import Story


@pytest.mark.parametrize(
    ("mrec", "vendor"), [(("CX008",), None), ((), "EmergencyStop"), ((), "E-STOP_PRESSED"), ((), "ESTOP")]
)
def test_fires_at_once_as_one_ticket_and_clears(mrec: tuple[str, ...], vendor: str | None) -> None:
    story = Story()
    story.connect()
    for connector_id in (1, 2):
        story.status(
            ConnectorState.FAULTED, "OtherError", connector_id=connector_id, mrec=mrec, vendor_error_code=vendor
        )
    (finding,) = story.standing
    assert (finding.fault, finding.severity, finding.mrec) == ("emergency_stop", Severity.P1, ("CX008",))
    story.wait(600)
    assert [kind for kind in story.kinds() if kind is ChangeKind.RAISED] == [ChangeKind.RAISED]
    for connector_id in (1, 2):
        story.status(ConnectorState.AVAILABLE, connector_id=connector_id)
    story.wait(120)
    assert story.standing == []


def test_sensor_of_an_event_fires_until_it_is_released() -> None:
    story = Story()
    story.connect()
    for value in ("true", "false"):
        story.say(EventReported(at=story.now, component="EmergencyStopSensor", variable="Tripped", value=value))
        assert len(story.standing) == (value == "true")


def test_the_word_without_an_error_is_none() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.AVAILABLE, info="emergency stop test passed")
    story.wait(600)
    assert story.standing == []


def test_after_a_gap_it_stands_until_the_station_speaks() -> None:
    story = Story()
    story.connect()
    story.status(ConnectorState.FAULTED, "OtherError", mrec=("CX008",))
    story.disconnect()
    story.wait(60)
    story.connect()
    assert [finding.fault for finding in story.standing] == ["emergency_stop"]
    story.status(ConnectorState.AVAILABLE)
    assert story.standing == []


def test_a_station_that_has_no_status_of_its_own_is_not_waited_for() -> None:
    """OCPP 2.x: an event told of the station once, as connector 0; after a lost link nobody tells it a status."""
    story = Story()
    story.connect()
    for value in ("true", "false"):
        story.say(
            EventReported(at=story.now, component="TiltSensor", variable="Active", value=value, mrec=("CX015",))
        )
    story.disconnect()
    story.wait(30)
    story.connect()
    story.status(ConnectorState.FAULTED, "OtherError", mrec=("CX008",))
    assert [finding.fault for finding in story.standing] == ["emergency_stop"]
    story.status(ConnectorState.AVAILABLE)
    assert story.standing == []
