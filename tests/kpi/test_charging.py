"""Plug-ins, deliveries, good ends and visits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from laddvakt.domain.history import Transition
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.domain.stations import ConnectorState
from laddvakt.kpi.charging import COUNTS, Attempt, PlugIns, Visits

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


def attempts(transitions: list[Transition], sessions: list[Session]) -> list[Attempt]:
    return PlugIns("A").take(transitions, sessions, until=LATER)


def counted(metric: str, found: list[Attempt]) -> tuple[int, int]:
    visits = Visits()
    counts = [COUNTS[metric](one, visits.opens(one)) for one in sorted(found, key=lambda one: one.at)]
    return sum(n for n, _ in counts), sum(d for _, d in counts)


def visits_of(*found: Attempt) -> int:
    return counted("first_attempt", list(found))[1]


def test_a_stay_with_a_session_is_one_attempt() -> None:
    changes = [said(0, S.PREPARING), said(1, S.CHARGING), said(40, S.FINISHING), said(42, S.AVAILABLE)]
    (found,) = attempts(changes, [session(0.5, 40)])
    assert (found.delivering, found.success) == (True, True)


def test_a_stay_that_no_session_came_of_is_a_failed_start() -> None:
    found = attempts([said(0, S.PREPARING), said(3, S.AVAILABLE), said(9, S.PREPARING)], [])
    assert [(a.at, a.delivering) for a in found] == [(at(0), False)]  # the second one is not over


def test_a_fault_ends_a_stay() -> None:
    found = attempts([said(0, S.PREPARING), said(1, S.FAULTED), said(9, S.AVAILABLE)], [])
    assert len(found) == 1


def test_rates_are_counts_over_counts() -> None:
    changes = [said(200, S.PREPARING), said(203, S.AVAILABLE)]
    sessions = [
        session(0, 30),
        session(60, 90, reason="PowerLoss"),
        session(100, 101, energy_wh=40),
        session(120, 150, reason=None),
    ]
    found = attempts(changes, sessions)
    assert counted("charge_start", found) == (4, 5)
    assert counted("charge_end", found) == (2, 4)
    assert counted("session_success", found) == (1, 5)


def test_a_stay_that_goes_on_into_the_next_stretch_is_one() -> None:
    port = PlugIns("A")
    assert port.take([said(0, S.PREPARING)], [session(-5, 2)], until=at(10)) == [
        *attempts([], [session(-5, 2)]),
    ]
    assert port.take([said(12, S.AVAILABLE)], [], until=at(20)) == []  # the session before it was of the same stay
    assert port.take([said(21, S.PREPARING)], [], until=at(30)) == []
    assert [a.at for a in port.take([said(31, S.AVAILABLE)], [], until=at(40))] == [at(21)]


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
    assert counted("first_attempt", tries) == (0, 1)


def test_without_a_name_only_the_same_connector_within_two_minutes_is_the_same_visit() -> None:
    assert visits_of(_attempt(0, ok=False), _attempt(2.5, ok=True)) == 1
    assert visits_of(_attempt(0, ok=False), _attempt(4, ok=True)) == 2
    assert visits_of(_attempt(0, ok=False), _attempt(2, ok=True, connector=2)) == 2


def test_a_driver_who_comes_back_an_hour_later_visits_again() -> None:
    tries = [_attempt(0, ok=True, token="a"), _attempt(61, ok=True, token="a")]
    assert counted("first_attempt", tries) == (2, 2)
