"""Why forests by themselves did not find a fault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detector.evaluation.alone import Blind, Seen, blindness
from detector.evaluation.matching import match
from detector.evaluation.truth import Alarm, Fault, Truth
from detector.rules.anomaly import SessionScore
from detector.view import Cause
from laddvakt.domain.tickets import Asset

START = datetime(2026, 3, 2, tzinfo=UTC)
STATION = Asset(kind="station", id="A")
CAUSE = Cause(feature="voltage_level", z=8, value=250, normal=230, share=1, current_a=16)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def fault(**fields: Any) -> Fault:
    given = {"asset": STATION, "station_id": "A", "since": at(0), "until": at(100), "shown_at": at(1)}
    return Fault(fault="voltage_sensor", **(given | fields))


def alarm(hours: float, asset: Asset = STATION) -> Alarm:
    return Alarm(
        fault="anomaly",
        ticket_id="1",
        asset=asset,
        station_id="A",
        site_id=None,
        connector_id=1,
        severity="P4",
        opened_at=at(hours),
        resolved_at=None,
        confidence=0.5,
        again=False,
        says="says so",
    )


def sessions(odd: str, *, connectors: int = 1, vehicles: int = 9) -> list[Seen]:
    """An hour each, by a letter: `o`dd, `m`inutes odd, `u`sual; taking turns at connectors."""
    return [
        Seen(
            "A",
            1 + number % connectors,
            SessionScore(
                str(number),
                f"car {number % vehicles}",
                at(number),
                odd=letter == "o",
                judged=True,
                causes=() if letter == "u" else (CAUSE,),
            ),
        )
        for number, letter in enumerate(odd)
    ]


def why(of: Fault, seen: list[Seen], *alarms: Alarm, met: tuple[int, int] = (9, 9)) -> Blind | None:
    truth = Truth(seed=7, from_=START, until=at(999), stations=("A",), faults=(of,))
    return blindness(truth, match(truth, alarms, {}), {0: met}, seen).get(0)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ([], Blind.UNJUDGED),
        (sessions("uuuu"), Blind.USUAL),
        (sessions("ummu"), Blind.MOMENTS),
        (sessions("ouuo"), Blind.SOME),
        (sessions("ouuuouuuo"), Blind.SOME),  # never three of six
        (sessions("oooo", vehicles=1), Blind.SOME),
        (sessions("oouuo"), Blind.STOOD),
        (sessions("oooo", connectors=2), Blind.APART),
        (sessions("oooooo", connectors=2), Blind.STOOD),
    ],
)
def test_what_its_sessions_were_says_why(seen: list[Seen], reason: Blind) -> None:
    assert why(fault(), seen) is reason


def test_only_sessions_where_and_while_it_was_count() -> None:
    assert why(fault(connector_id=2), sessions("oooo")) is Blind.UNJUDGED
    assert why(fault(since=at(2), shown_at=at(2)), sessions("oouuu")) is Blind.USUAL
    assert why(fault(until=at(2)), sessions("uuooo")) is Blind.USUAL


def test_few_who_met_it_come_first() -> None:
    assert why(fault(), sessions("oo"), met=(2, 2)) is Blind.FEW
    assert why(fault(), sessions("ooo"), met=(3, 1)) is Blind.FEW


def test_a_ticket_that_does_not_count_says_why() -> None:
    assert why(fault(until=None), sessions("ooo"), alarm(500)) is Blind.LATE
    assert why(fault(), sessions("ooo"), alarm(5, Asset(kind="cable", id="C"))) is Blind.ELSEWHERE


def test_what_was_found_or_never_showed_needs_no_reason() -> None:
    assert why(fault(), sessions("ooo"), alarm(5)) is None
    assert why(fault(shown_at=None), sessions("ooo")) is None
