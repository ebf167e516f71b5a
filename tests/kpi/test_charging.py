"""Plug-ins, deliveries, good ends and visits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import ConnectorState
from laddvakt.kpi.charging import Attempt, attempts, success

S = ConnectorState
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


def at(minute: float) -> datetime:
    return NOON + timedelta(minutes=minute)


def said(minute: float, status: ConnectorState) -> Transition:
    return Transition(station_id="SE-1", connector_id=1, at=at(minute), status=status, connected=True)


def session(
    start: float,
    end: float,
    *,
    energy_wh: int = 9000,
    reason: str | None = "EVDisconnected",
    token: str | None = None,
) -> Session:
    return Session(
        session_id=f"S{start}",
        station_id="SE-1",
        connector_id=1,
        site_id="A",
        transaction_id=str(start),
        state=SessionState.ENDED,
        started_at=at(start),
        ended_at=at(end),
        energy_wh=energy_wh,
        stop_reason=reason,
    )


def test_a_stay_with_a_session_is_one_attempt() -> None:
    changes = [said(0, S.PREPARING), said(1, S.CHARGING), said(40, S.FINISHING), said(42, S.AVAILABLE)]
    (found,) = attempts(changes, [session(0.5, 40)], until=LATER)
    assert (found.delivering, found.success) == (True, True)


def test_a_stay_that_no_session_came_of_is_a_failed_start() -> None:
    found = attempts([said(0, S.PREPARING), said(3, S.AVAILABLE), said(9, S.PREPARING)], [], until=LATER)
    assert [(a.at, a.delivering) for a in found] == [(at(0), False)]  # the second one is not over


def test_a_fault_ends_a_stay() -> None:
    found = attempts([said(0, S.PREPARING), said(1, S.FAULTED), said(9, S.AVAILABLE)], [], until=LATER)
    assert len(found) == 1


def test_rates_are_counts_over_counts() -> None:
    changes = [said(200, S.PREPARING), said(203, S.AVAILABLE)]
    sessions = [
        session(0, 30),
        session(60, 90, reason="PowerLoss"),
        session(100, 101, energy_wh=40),
        session(120, 150, reason=None),
    ]
    counts = success(attempts(changes, sessions, until=LATER))
    assert (counts.attempts, counts.deliveries, counts.valid_stops, counts.successes) == (5, 4, 2, 1)


def _attempt(
    minute: float, *, ok: bool, token: str | None = None, connector: int = 1, lasts: float = 1
) -> Attempt:
    return Attempt(
        station_id="SE-1",
        connector_id=connector,
        site_id="A",
        at=at(minute),
        until=at(minute + 1),
        token=token,
        delivering=ok,
        valid_stop=ok,
        energy_wh=5000 if ok else 0,
    )


def test_a_driver_who_tries_again_is_one_visit_that_failed_at_first() -> None:
    tries = [_attempt(0, ok=False, token="a"), _attempt(5, ok=True, token="a", connector=2)]
    counts = success(tries)
    assert (counts.visits, counts.first_successes) == (1, 0)


def test_without_a_name_only_the_same_connector_within_two_minutes_is_the_same_visit() -> None:
    assert success([_attempt(0, ok=False), _attempt(2.5, ok=True)]).visits == 1
    assert success([_attempt(0, ok=False), _attempt(4, ok=True)]).visits == 2
    assert success([_attempt(0, ok=False), _attempt(2, ok=True, connector=2)]).visits == 2


def test_a_driver_who_comes_back_an_hour_later_visits_again() -> None:
    counts = success([_attempt(0, ok=True, token="a"), _attempt(61, ok=True, token="a")])
    assert (counts.visits, counts.first_successes) == (2, 2)
