"""What became of each fault, and what false tickets were about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from detector.evaluation.alone import Blind
from detector.evaluation.fates import Fate, Needless, Why, fates, needless
from detector.evaluation.matching import match
from detector.evaluation.text import false_ticket, missed
from detector.evaluation.truth import Alarm, Fault, LookAlike, Truth
from laddvakt.domain.tickets import Asset

START = datetime(2026, 3, 2, tzinfo=UTC)
STATION = Asset(kind="station", id="A")
SITES = {"A": "S", "B": "S"}


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def fault(code: str = "no_power", **fields: Any) -> Fault:
    given = {"asset": STATION, "station_id": "A", "since": at(0), "until": at(10), "shown_at": at(1)}
    return Fault(fault=code, **(given | fields))


def alarm(code: str = "no_power", **fields: Any) -> Alarm:
    given: dict[str, Any] = {"asset": STATION, "station_id": "A", "opened_at": at(2)} | fields
    return Alarm(
        fault=code,
        ticket_id=f"{code} {given['opened_at']}",
        site_id="S",
        connector_id=None,
        severity="P2",
        resolved_at=None,
        confidence=1.0,
        again=False,
        says="says so",
        **given,
    )


def truth(*faults: Fault, likes: tuple[LookAlike, ...] = ()) -> Truth:
    return Truth(seed=7, from_=START, until=at(999), stations=tuple(SITES), faults=faults, look_alikes=likes)


def fate(of: Fault, *alarms: Alarm, sessions: tuple[int, int] = (9, 9)) -> Fate:
    all_of_it = truth(of)
    matched = match(all_of_it, alarms, SITES)
    alone = {"forest": matched}
    return next(iter(fates(all_of_it, matched, {0: sessions}, lambda _: "3 usual", alone, {0: Blind.USUAL})))


def of_ticket(ticket: Alarm, *faults: Fault, likes: tuple[LookAlike, ...] = ()) -> Needless:
    all_of_it = truth(*faults, likes=likes)
    return next(iter(needless(all_of_it, match(all_of_it, [ticket], SITES), SITES)))


def test_found_fault_has_its_ticket_and_its_time() -> None:
    told = fate(fault("offline"), alarm("offline", opened_at=at(1.5)))
    assert (told.ticket, told.delay_s, told.beyond_s, told.why) == ("offline", 1800, 900, None)
    assert (told.alone, told.blind) == (("forest",), Blind.USUAL)


def test_missed_fault_says_why() -> None:
    assert fate(fault()).why is Why.UNSURE
    assert fate(fault(), sessions=(1, 1)).why is Why.FEW
    assert fate(fault(), alarm("offline")).why is Why.OTHERWISE
    assert fate(fault(), alarm(asset=Asset(kind="connector", id="A/1"))).why is Why.ELSEWHERE
    late = fate(fault(until=None), alarm(opened_at=at(200)))
    assert (late.why, late.near) == (Why.LATE, ("late: no_power on station A",))
    assert "nobody was convinced; silence; the rule held: 3 usual" in missed(fate(fault()))


def test_fault_that_never_showed_has_no_fate() -> None:
    everything = truth(fault(shown_at=None))
    assert list(fates(everything, match(everything, [], SITES), {}, lambda _: "", {})) == []


def test_ticket_about_nothing_names_the_fault_that_was_over() -> None:
    told = of_ticket(alarm("anomaly", opened_at=at(20)), fault("rcd_trip"))
    assert (told.really, told.over_s) == ("rcd_trip", 36_000)
    assert "really rcd_trip, strength 1.00, over for 10.0 h" in false_ticket(told)


def test_fault_of_another_station_or_long_ago_explains_nothing() -> None:
    other = fault(station_id="B", asset=Asset(kind="station", id="B"))
    assert of_ticket(alarm("anomaly", opened_at=at(20)), other).really == ""
    assert of_ticket(alarm("anomaly", opened_at=at(300)), fault()).over_s is None


def test_ticket_that_a_look_alike_brought_names_it() -> None:
    like = LookAlike(look_alike="rain", station_id="A", since=at(0), until=at(5))
    assert of_ticket(alarm("isolation"), likes=(like,)).really == "rain"
