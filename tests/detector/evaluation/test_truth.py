"""What tickets said, call by call, under the name that they had then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from detector.changes import Change, ChangeKind
from detector.evaluation.truth import alarms_of
from detector.tickets import decide
from laddvakt.domain.tickets import Asset, Finding, Severity, Ticket

START = datetime(2026, 3, 2, tzinfo=UTC)


def found(fault: str, asset: Asset) -> Finding:
    return Finding(
        fault=fault,
        asset=asset,
        station_id="A",
        connector_id=1,
        severity=Severity.P2,
        at=START,
        since=START,
        probable_cause="",
        explanation=fault,
        suggested_action="",
    )


def test_a_renamed_ticket_is_judged_by_the_name_that_it_had_at_each_call() -> None:
    station, plug = Asset(kind="station", id="A"), Asset(kind="connector", id="A/1")
    report, lock = found("reported_fault", station), found("lock", plug)
    ticket: Ticket | None = None
    for hours, kind, finding in (
        (0, ChangeKind.RAISED, report),
        (1, ChangeKind.RAISED, lock),
        (2, ChangeKind.CLEARED, lock),
        (3, ChangeKind.RAISED, report),
    ):
        change = Change(kind=kind, at=START + timedelta(hours=hours), station_id="A", finding=finding)
        ticket = decide(change, ticket, site_id=None).ticket or ticket
    assert ticket is not None
    calls = [(one.fault, one.asset, one.again, one.resolved_at is None) for one in alarms_of([ticket])]
    assert calls == [
        ("reported_fault", station, False, True),
        ("lock", plug, True, False),
        ("reported_fault", station, True, True),
    ]
