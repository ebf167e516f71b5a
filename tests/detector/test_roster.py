"""Which rules an entry wakes, seen from outside: a rule that counts how often it is asked."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest

from detector.rules.base import Rule, Scope, Standing, Subject, Thresholds, Verdict, Wake
from laddvakt.domain.tickets import Finding, Severity
from tests.support.detector import Story, make_engine


class Reason(StrEnum):
    ASKED = "asked"


class Asked:
    """How often its rule was asked."""

    def __init__(self, **declared: Any) -> None:
        self.times = 0
        self.rule = Rule(
            code="asked",
            title="",
            asset="station",
            severity=Severity.P4,
            mrec=(),
            thresholds=(),
            clears="",
            action="",
            doc="",
            evaluate=self._evaluate,
            describe=_describe,
            **declared,
        )

    def _evaluate(self, subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
        self.times += subject.connector_id in (None, 1)
        return Verdict(standing=Standing.NOT_MET, reason=Reason.ASKED)


def _describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    raise AssertionError("never raised")


def story(asked: Asked) -> Story:
    told = Story(make_engine(rules=(asked.rule,)))
    told.connect()
    told.boot()
    asked.times = 0
    return told


SAMPLES = frozenset({Wake.SAMPLE})


@pytest.mark.parametrize(("fields", "times"), [((), 1), (("power_w",), 1), (("temperature_c", "power_w"), 1)])
def test_sample_with_one_of_the_fields_wakes(fields: tuple[str, ...], times: int) -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES, fields=frozenset(fields))
    story(asked).measure(power_w=7_000.0)
    assert asked.times == times


def test_sample_without_any_of_the_fields_does_not() -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES, fields=frozenset({"temperature_c"}))
    story(asked).measure(power_w=7_000.0)
    assert asked.times == 0


@pytest.mark.parametrize(("charging", "outside", "inside"), [(None, 1, 1), (True, 0, 1), (False, 1, 0)])
def test_samples_of_a_session_and_those_outside_any(charging: bool | None, outside: int, inside: int) -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES, charging=charging)
    told = story(asked)
    told.measure(power_w=10.0)
    assert asked.times == outside
    told.start("T", "CARD")
    asked.times = 0
    told.measure(power_w=10.0)
    assert asked.times == inside


def test_rule_of_the_station_is_woken_by_its_connectors_samples() -> None:
    asked = Asked(scope=Scope.STATION, wakes=SAMPLES, fields=frozenset({"voltage_v"}))
    told = story(asked)
    told.measure(power_w=10.0)
    assert asked.times == 0
    told.measure(voltage_v=230.0)
    assert asked.times == 1


def test_rule_woken_by_something_else_is_not_kept_away_by_the_sample_of_the_same_entry() -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES | {Wake.STARTED}, fields=frozenset({"temperature_c"}))
    told = story(asked)
    told.start("T", "CARD")
    assert asked.times == 1


@pytest.mark.parametrize(("source", "station", "device"), [("", 1, 1), ("ocpp", 1, 0), ("mqtt", 0, 1)])
def test_samples_of_the_station_itself_and_those_of_a_device(source: str, station: int, device: int) -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES, source=source)
    told = story(asked)
    told.measure(power_w=10.0)
    assert asked.times == station
    asked.times = 0
    told.measure(power_w=10.0, source="mqtt")
    assert asked.times == device
