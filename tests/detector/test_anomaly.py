"""The rule behind the forests: three odd sessions, two vehicles, never more urgent than P4."""

from __future__ import annotations

from detector.network import World
from detector.rules import anomaly
from detector.rules.base import News, Standing, Subject
from detector.view import ConnectorView, ScoredWindow, StationView
from laddvakt.domain.tickets import Severity
from tests.support.detector import START


def _score(transaction: str, vehicle: str, flagged: bool) -> ScoredWindow:
    return ScoredWindow(
        start=START,
        transaction_id=transaction,
        vehicle=vehicle,
        p_value=0.001 if flagged else 0.5,
        flagged=flagged,
    )


def _rule(sessions: list[tuple[str, str, list[bool]]]) -> tuple[Standing, str]:
    connector, memory = ConnectorView(connector_id=1), None
    subject = Subject(
        view=StationView(station_id="SE-1"), connector=connector, station=None, network=World({}, 300)
    )
    verdict = anomaly.evaluate(subject, memory, anomaly.RULE.defaults(), START)
    for transaction, vehicle, flags in sessions:
        for flagged in flags:
            subject.news = News(scored=(_score(transaction, vehicle, flagged),))
            verdict = anomaly.evaluate(subject, verdict.memory, anomaly.RULE.defaults(), START)
    if verdict.standing is Standing.MET:
        finding = anomaly.describe(subject, verdict.memory, anomaly.RULE.defaults(), START)
        assert finding.severity is Severity.P4
    return verdict.standing, str(verdict.reason)


ODD, FINE = [True, False, True, True], [False] * 4


def test_the_rule_wants_three_sessions_and_two_vehicles() -> None:
    assert _rule([]) == (Standing.NOT_MET, "nothing_scored")
    assert _rule([("1", "A", FINE)]) == (Standing.NOT_MET, "usual")
    assert _rule([("1", "A", ODD), ("2", "B", ODD)]) == (Standing.NOT_MET, "some_sessions")
    assert _rule([("1", "A", ODD), ("2", "A", ODD), ("3", "A", ODD)]) == (Standing.NOT_MET, "one_vehicle")
    assert _rule([("1", "A", ODD), ("2", "A", ODD), ("3", "B", ODD)]) == (Standing.MET, "unusual")


def test_flags_too_far_apart_make_no_odd_session() -> None:
    apart = [True, False, False, True, False, False, True]
    assert _rule([(str(n), str(n), apart) for n in range(3)]) == (Standing.NOT_MET, "usual")


def test_good_sessions_clear() -> None:
    odd = [(str(n), str(n), ODD) for n in range(3)]
    fine = [(str(n), str(n), FINE) for n in range(3, 7)]
    assert _rule(odd + fine[:3])[0] is Standing.MET
    assert _rule(odd + fine)[0] is Standing.NOT_MET
    short = [(str(n), str(n), [False]) for n in range(3, 9)]
    assert _rule(odd + short)[0] is Standing.MET  # too short to tell
