"""What a ticket is worth, given what really happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detector.evaluation.matching import Judged, Matched, Outcome, match
from detector.evaluation.truth import Alarm, Fault, LookAlike, Truth
from laddvakt.domain.tickets import Asset

START = datetime(2026, 3, 2, tzinfo=UTC)
SITES = {"A": "S", "B": "S", "C": "T"}
STATION = Asset(kind="station", id="A")
PLUG = Asset(kind="connector", id="A/1")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def fault(code: str = "no_power", **fields: Any) -> Fault:
    given = {"asset": STATION, "station_id": "A", "since": at(0), "until": at(600), "shown_at": at(10)}
    return Fault(fault=code, **(given | fields))


def alarm(code: str = "no_power", **fields: Any) -> Alarm:
    given: dict[str, Any] = {
        "ticket_id": "t1",
        "asset": STATION,
        "station_id": "A",
        "connector_id": None,
        "severity": "P2",
        "opened_at": at(20),
        "resolved_at": None,
        "confidence": 1.0,
        "again": False,
        "says": "",
    }
    given |= fields
    return Alarm(fault=code, site_id=SITES[given["station_id"]], **given)


def judge(
    *alarms: Alarm, faults: tuple[Fault, ...] = (fault(),), likes: tuple[LookAlike, ...] = ()
) -> tuple[list[Outcome], Matched]:
    truth = Truth(seed=1, from_=START, until=at(20_000), stations=tuple(SITES), faults=faults, look_alikes=likes)
    matched = match(truth, alarms, SITES)
    return [one.outcome for one in matched.judged], matched


def test_first_ticket_on_the_right_asset_in_time_finds_the_fault() -> None:
    outcomes, matched = judge(alarm())
    assert outcomes == [Outcome.FOUND]
    assert matched.found_by == (alarm(),)
    assert matched.false == []


def test_second_ticket_for_the_same_fault_is_a_duplicate() -> None:
    second = alarm("reported_fault", ticket_id="t2", opened_at=at(30))
    assert judge(alarm(), second)[0] == [Outcome.FOUND, Outcome.DUPLICATE]


def test_same_ticket_reopened_while_the_fault_lasts_is_no_duplicate() -> None:
    assert judge(alarm(), alarm(opened_at=at(60), again=True))[0] == [Outcome.FOUND, Outcome.AGAIN]


def test_ticket_reopened_after_the_fault_is_false() -> None:
    outcomes, matched = judge(alarm(), alarm(opened_at=at(1000), again=True))
    assert outcomes == [Outcome.FOUND, Outcome.NOTHING_THERE]
    assert len(matched.false) == 1


def test_ticket_renamed_to_another_asset_than_the_right_one_is_false() -> None:
    wrong = alarm("reported_fault", asset=PLUG, opened_at=at(60), again=True)
    assert judge(alarm(), wrong)[0] == [Outcome.FOUND, Outcome.WRONG_ASSET]


def test_false_ticket_that_is_reopened_about_the_same_fault_is_counted_once() -> None:
    wrong = alarm("offline")
    outcomes, matched = judge(wrong, alarm("offline", opened_at=at(60), again=True))
    assert outcomes == [Outcome.OTHER_NAME, Outcome.AGAIN]
    assert len(matched.false) == 1
    about_nothing = [alarm(opened_at=at(minutes), again=minutes > 1000) for minutes in (1000, 1100)]
    assert judge(*about_nothing)[0] == [Outcome.NOTHING_THERE, Outcome.NOTHING_THERE]


def test_two_faults_of_one_asset_may_share_a_ticket_that_is_reopened() -> None:
    later = fault(since=at(900), until=at(1500), shown_at=at(905))
    outcomes, matched = judge(alarm(), alarm(opened_at=at(910), again=True), faults=(fault(), later))
    assert outcomes == [Outcome.FOUND, Outcome.FOUND]
    assert None not in matched.found_by


@pytest.mark.parametrize(
    ("ticket", "worth"),
    [
        (alarm(asset=PLUG, connector_id=1), Outcome.WRONG_ASSET),
        (alarm("site_outage", asset=Asset(kind="site", id="S")), Outcome.OTHER_NAME),
        (alarm("offline"), Outcome.OTHER_NAME),
        (alarm(opened_at=at(-5)), Outcome.NOTHING_THERE),
        (alarm(asset=Asset(kind="station", id="B"), station_id="B"), Outcome.NOTHING_THERE),
    ],
)
def test_anything_else_is_false(ticket: Alarm, worth: Outcome) -> None:
    outcomes, matched = judge(ticket)
    assert outcomes == [worth]
    assert matched.found_by == (None,)


def test_ticket_after_the_deadline_is_late() -> None:
    long = fault("offline", until=None)
    assert judge(alarm("offline", opened_at=at(75)), faults=(long,))[0] == [Outcome.LATE]
    assert judge(alarm("offline", opened_at=at(65)), faults=(long,))[0] == [Outcome.FOUND]


def test_a_register_that_counts_wrong_by_its_voltage_is_the_meters() -> None:
    sensor = fault("voltage_sensor")
    assert judge(alarm("meter_drift"), faults=(sensor,))[0] == [Outcome.FOUND]
    assert judge(alarm("voltage_range"), faults=(sensor,))[0] == [Outcome.OTHER_NAME]


@pytest.mark.parametrize(
    ("detail", "outcome"),
    [("plug CX011", Outcome.FOUND), ("station CX012", Outcome.OTHER_NAME), ("plug", Outcome.OTHER_NAME)],
)
def test_cable_checks_that_fail_are_isolation_by_the_catalogue(detail: str, outcome: Outcome) -> None:
    starts = fault("failed_starts", asset=PLUG, connector_id=1, detail=detail)
    outcomes, _ = judge(alarm("isolation", asset=PLUG, connector_id=1), faults=(starts,))
    assert outcomes == [outcome]


def test_what_names_the_fault_goes_before_an_earlier_anomaly() -> None:
    odd = alarm("anomaly", ticket_id="t0", opened_at=at(15))
    outcomes, matched = judge(odd, alarm())
    assert outcomes == [Outcome.DUPLICATE, Outcome.FOUND]
    assert matched.found_by == (alarm(),)


def test_anomaly_alone_finds_any_fault_of_its_asset() -> None:
    assert judge(alarm("anomaly"))[0] == [Outcome.FOUND]


def test_site_fault_is_found_by_one_site_ticket_and_those_of_its_stations_are_false() -> None:
    site = Asset(kind="site", id="S")
    outage = fault("site_outage", asset=site, stations=("A", "B"))
    tickets = (
        alarm("site_outage", asset=site),
        alarm("offline", ticket_id="t2", station_id="B", asset=Asset(kind="station", id="B")),
        alarm("offline", ticket_id="t3", station_id="C", asset=Asset(kind="station", id="C")),
    )
    outcomes, _ = judge(*tickets, faults=(outage,))
    assert outcomes == [Outcome.FOUND, Outcome.OTHER_NAME, Outcome.NOTHING_THERE]


@pytest.mark.parametrize(
    ("like", "worth"),
    [
        (LookAlike(look_alike="taper", station_id="A", connector_id=1, since=at(0), until=at(60)), "look_alike"),
        (
            LookAlike(look_alike="taper", station_id="A", connector_id=2, since=at(0), until=at(60)),
            "nothing_there",
        ),
        (LookAlike(look_alike="taper", station_id="B", since=at(0), until=at(60)), "nothing_there"),
        (LookAlike(look_alike="holiday", site_id="S", since=at(0)), "look_alike"),
        (LookAlike(look_alike="holiday", site_id="T", since=at(0)), "nothing_there"),
        (LookAlike(look_alike="restart", since=at(0), until=at(30)), "look_alike"),
    ],
)
def test_ticket_about_a_look_alike_is_counted_against_it(like: LookAlike, worth: str) -> None:
    ticket = alarm(asset=PLUG, connector_id=1)
    _, matched = judge(ticket, faults=(), likes=(like,))
    expected = 0 if worth == "look_alike" else None
    assert matched.judged == (Judged(alarm=ticket, outcome=Outcome(worth), look_alike=expected),)
