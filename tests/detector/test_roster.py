"""Which rules an entry wakes, seen from outside: a rule that counts how often it is asked."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import pytest

from detector.rules.base import Rule, Scope, Standing, Subject, Thresholds, Verdict, Wake
from detector.view import Sample
from laddvakt.domain.tickets import Finding, Severity
from tests.support.detector import Story, make_engine


class Reason(StrEnum):
    ASKED = "asked"


class Asked:
    """How often its rule was asked."""

    def __init__(self, **declared: Any) -> None:
        self.times = 0
        self.standing, self.persist_s = Standing.NOT_MET, 0.0
        self.given: list[tuple[float, str]] = []  # power of each sample, and the session when it was judged
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
        connector = subject.connector
        session = connector.session.transaction_id if connector is not None and connector.session else ""
        self.given += [(sample.values.get("power_w", 0.0), session) for sample in subject.news.samples]
        return Verdict(standing=self.standing, reason=Reason.ASKED, persist_s=self.persist_s)


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


def slow(**declared: Any) -> tuple[Asked, Story]:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES | {Wake.STARTED}, slow=True, **declared)
    return asked, story(asked)


def test_slow_rule_is_asked_after_five_minutes_with_all_samples_since() -> None:
    asked, told = slow()
    for minute in range(5):
        told.measure(power_w=float(minute))
        told.wait(60)
        assert asked.times == 0
    told.measure(power_w=5.0)
    assert (asked.times, [power for power, _ in asked.given]) == (1, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    told.measure(power_w=6.0)
    assert asked.times == 1


def test_slow_rule_is_given_what_was_put_aside_before_anything_else_changes() -> None:
    asked, told = slow()
    told.measure(power_w=1.0)
    told.start("T", "CARD")
    assert (asked.times, asked.given) == (2, [(1.0, "")])  # once for the sample, once for the start
    told.measure(power_w=7.0, transaction="T")
    told.stop("T")
    assert asked.given == [(1.0, ""), (7.0, "T")]


def test_slow_rule_is_asked_at_once_when_sixty_samples_wait() -> None:
    asked, told = slow()
    for second in range(60):
        assert asked.times == 0
        told.measure(power_w=float(second))
        told.wait(1)
    assert (asked.times, len(asked.given)) == (1, 60)


def test_slow_rule_of_the_station_is_given_samples_in_the_order_they_came() -> None:
    asked = Asked(scope=Scope.STATION, wakes=SAMPLES, slow=True)
    told = story(asked)
    for number in range(4):
        told.measure(connector_id=1 + number % 2, power_w=float(number))
        told.wait(10)
    told.disconnect()
    assert [power for power, _ in asked.given] == [0.0, 1.0, 2.0, 3.0]


def test_restart_loses_nothing_but_what_waited_for_slow_rules() -> None:
    asked, told = slow()
    told.measure(power_w=1.0)
    again = make_engine(rules=(asked.rule,))
    again.restore(told.engine.encode([told.station_id]))
    told.engine = again
    told.start("T", "CARD")
    assert asked.given == []


def below_one(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    return sample.values["power_w"] < 1


def test_calm_samples_do_not_wake_a_rule_that_holds_nothing() -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES | {Wake.STARTED}, calm=below_one)
    told = story(asked)
    told.measure(power_w=0.0)
    assert asked.times == 0
    told.measure(power_w=5.0)
    assert asked.times == 1
    told.start("T", "CARD")
    assert asked.times == 2


def test_calm_samples_wake_a_rule_whose_condition_is_met() -> None:
    asked = Asked(scope=Scope.CONNECTOR, wakes=SAMPLES, calm=below_one)
    asked.standing, asked.persist_s = Standing.MET, 3_600.0
    told = story(asked)
    told.measure(power_w=5.0)
    told.measure(power_w=0.0)
    assert asked.times == 2
