"""The rule behind the forests: three odd sessions, two vehicles, never more urgent than P4."""

from __future__ import annotations

import random
from datetime import timedelta

import msgspec
import pytest

from detector.features.day import counted
from detector.network import World
from detector.rules import anomaly
from detector.rules.base import News, Standing, Subject
from detector.view import Cause, ConnectorView, Lean, ScoredWindow, StationView
from laddvakt.domain.tickets import Asset, Finding, Severity
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


CAUSE = Cause(feature="plug_heat", z=6.5, value=50.4, normal=21.0, share=0.8, current_a=28.0, against="this model")


def _row(
    transaction: str, *, span: str = "session", flagged: bool = True, vehicle: str = "A", day: int = 0
) -> ScoredWindow:
    return ScoredWindow(
        start=START + timedelta(days=day),
        transaction_id=transaction,
        vehicle=vehicle,
        p_value=0.001 if flagged else 0.5,
        flagged=flagged,
        causes=(CAUSE,) if flagged else (),
        span=span,
    )


def _subject(*rows: ScoredWindow) -> Subject:
    return Subject(
        view=StationView(station_id="SE-1"),
        connector=ConnectorView(connector_id=1),
        station=None,
        network=World({}, 300),
        news=News(scored=rows),
    )


def _memory(rows: list[ScoredWindow]) -> anomaly.Memory:
    memory = anomaly.evaluate(_subject(*rows), None, anomaly.RULE.defaults(), START).memory
    assert isinstance(memory, anomaly.Memory)
    return memory


def _verdict(rows: list[ScoredWindow]) -> tuple[Standing, str]:
    verdict = anomaly.evaluate(_subject(*rows), None, anomaly.RULE.defaults(), START)
    return verdict.standing, str(verdict.reason)


def test_a_session_is_odd_by_its_windows_or_as_a_whole() -> None:
    whole = [_row("1"), _row("2", vehicle="B"), _row("3")]
    assert _verdict(whole) == (Standing.MET, "unusual")
    by_windows = [_row("3", span="window", flagged=flag) for flag in ODD]
    assert _verdict([*whole[:2], *by_windows, _row("3", flagged=False)]) == (Standing.MET, "unusual")
    too_few = [*whole[:2], *by_windows[:2], _row("3", flagged=False)]
    assert _verdict(too_few) == (Standing.NOT_MET, "some_sessions")


def test_odd_days_need_sessions_of_two_vehicles() -> None:
    days = [_row(f"day {n}", span="day", day=n) for n in range(5)]
    assert _verdict(days) == (Standing.NOT_MET, "some_sessions")
    sessions = [_row(str(n), flagged=False, vehicle="AB"[n % 2], day=n) for n in range(3)]
    assert _verdict([*days, *sessions]) == (Standing.MET, "unusual_days")
    one_vehicle = [_row(str(n), flagged=False, day=n) for n in range(3)]
    assert _verdict([*days, *one_vehicle])[0] is Standing.NOT_MET
    usual = _row("day 5", span="day", day=5, flagged=False)
    assert _verdict([*days, *sessions, usual])[0] is Standing.NOT_MET


def test_a_driver_who_parks_for_three_days_is_no_finding() -> None:
    days = [_row(f"day {n}", span="day", day=n) for n in range(3)]
    sessions = [_row(str(n), flagged=False, vehicle="AB"[n % 2], day=n) for n in range(3)]
    assert _verdict([*days, *sessions]) == (Standing.NOT_MET, "some_sessions")


def test_the_finding_says_what_stands_out() -> None:
    memory = _memory([_row("1"), _row("2", vehicle="B"), _row("3")])
    finding = anomaly.describe(_subject(), memory, anomaly.RULE.defaults(), START)
    assert finding.asset == Asset(kind="connector", id="SE-1/1")
    assert finding.explanation == (
        "SE-1 connector 1 behaved unusually in 3 sessions of 2 vehicles: plug heat over current squared is "
        "2.4 times normal for this model at 28 A (50.4 against 21 mK/A2)."
    )
    assert finding.evidence[0].peers == "+6.5 deviations; 80 % of the score"
    assert finding.severity is Severity.P4


@pytest.mark.parametrize(
    ("feature", "other", "kind"),
    [
        ("ended_badly", True, "connector"),
        ("ended_badly", False, "station"),
        ("ended_badly", None, "station"),
        ("without_energy", True, "connector"),
        ("retries", True, "connector"),
        ("power_balance", True, "station"),
        ("plug_heat", True, "connector"),
    ],
)
def test_starts_that_fail_are_the_plugs_where_the_other_connector_charges(
    feature: str, other: bool | None, kind: str
) -> None:
    """Nothing in them tells plug from station but where it happens."""
    cause = msgspec.structs.replace(CAUSE, feature=feature)
    rows = [msgspec.structs.replace(_row(str(n), vehicle="AB"[n % 2]), causes=(cause,)) for n in range(3)]
    subject = _subject()
    second = ConnectorView(connector_id=2)
    if other is not None:
        second.good_at, second.bad_at = (START, None) if other else (None, START)
    assert subject.connector is not None
    subject.view.connectors.update({1: subject.connector, 2: second})
    finding = anomaly.describe(subject, _memory(rows), anomaly.RULE.defaults(), START)
    assert finding.asset.kind == kind


def _cause(feature: str, z: float, value: float, normal: float, current_a: float, against: str) -> Cause:
    return Cause(feature=feature, z=z, value=value, normal=normal, share=1, current_a=current_a, against=against)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (
            _cause("voltage_level", -4.2, 219, 231, 16, "this connector"),
            "voltage is 4.2 deviations below normal for this connector at 16 A (219 against 231 V)",
        ),
        (
            _cause("reconnects", 5, counted(12), counted(1), 0, ""),
            "reconnects are 5.0 deviations above normal for this model (12 against 1)",
        ),
        (
            _cause("plug_heat", 3, 22, 21, 6, "this model"),
            "plug heat over current squared is 3.0 deviations above normal for this model at 6 A "
            "(22 against 21 mK/A2)",
        ),
        (
            _cause("ended_badly", 2, 1, 0, 16, "this model"),
            "ended by the equipment, unusual for this model",
        ),
        (
            _cause("error_count", 4, counted(4), counted(0), 0, ""),
            "error reports are 4.0 deviations above normal for this model (4 against 0)",
        ),
    ],
)
def test_causes_in_words(cause: Cause, words: str) -> None:
    assert anomaly.in_words(cause) == words


def _finding(fault: str = "plug_resistance", confidence: float = 0.7) -> Finding:
    return Finding(
        fault=fault,
        asset=Asset(kind="connector", id="SE-1/1"),
        station_id="SE-1",
        connector_id=1,
        severity=Severity.P3,
        at=START,
        since=START,
        probable_cause="",
        explanation="",
        suggested_action="",
        confidence=confidence,
    )


def test_models_make_a_rules_finding_surer_or_less_sure() -> None:
    limits = anomaly.RULE.defaults()
    odd = _memory([_row("1"), _row("2", vehicle="B"), _row("3", flagged=False)])
    usual = _memory([_row(str(n), flagged=False) for n in range(6)])
    few = _memory([_row(str(n), flagged=False) for n in range(3)])
    surer = anomaly.second_opinion(_finding(), odd, limits)
    assert surer.confidence == pytest.approx(28 / 31, abs=0.001)  # odds of 7 to 3, doubled twice
    assert surer.evidence[-1].value == "2 of the last 3 sessions unusual"
    assert anomaly.second_opinion(_finding(), usual, limits).confidence == pytest.approx(7 / 13, abs=0.001)
    assert anomaly.second_opinion(_finding(), few, limits) == _finding()
    assert anomaly.second_opinion(_finding(), anomaly.Memory(), limits) == _finding()


@pytest.mark.parametrize("finding", [_finding("offline"), _finding(confidence=1.0), _finding("reported_fault")])
def test_what_models_cannot_see_is_as_sure_as_it_was(finding: Finding) -> None:
    odd = _memory([_row("1"), _row("2"), _row("3")])
    assert anomaly.second_opinion(finding, odd, anomaly.RULE.defaults()) == finding


def _leaning(number: int, evidence: float, vehicle: str) -> ScoredWindow:
    lean = Lean("plug_heat", evidence, CAUSE if abs(evidence) >= 2 else None)
    return msgspec.structs.replace(_row(str(number), flagged=False, vehicle=vehicle), leans=(lean,))


def test_weak_but_steady_deviations_add_up() -> None:
    steady = [_leaning(n, 5.0, "ABCDEF"[n % 6]) for n in range(6)]
    assert _verdict(steady[:2]) == (Standing.NOT_MET, "usual")
    assert _verdict(steady) == (Standing.MET, "steady")
    finding = anomaly.describe(_subject(), _memory(steady), anomaly.RULE.defaults(), START)
    assert "in 6 sessions of 6 vehicles: plug heat over current squared is 2.4 times normal" in finding.explanation


def test_one_vehicle_adds_up_to_nothing() -> None:
    assert _verdict([_leaning(n, 8.0, "A") for n in range(30)])[0] is Standing.NOT_MET
    mostly_one = [_leaning(n, 8.0, "A") for n in range(30)] + [_leaning(31, 5.0, "B")]
    assert _verdict(mostly_one)[0] is Standing.NOT_MET


def test_what_goes_to_both_sides_does_not_add_up() -> None:
    assert _verdict([_leaning(n, 6.0 * (-1) ** n, f"v{n}") for n in range(40)])[0] is Standing.NOT_MET


def test_a_year_of_noise_adds_up_to_nothing() -> None:
    """Healthy evidence is exponential, with a random side."""
    draw = random.Random(1)
    noise = [
        _leaning(n, draw.choice((-1, 1)) * draw.expovariate(1), f"v{draw.randrange(300)}") for n in range(1500)
    ]
    memory = None
    for row in noise:
        verdict = anomaly.evaluate(_subject(row), memory, anomaly.RULE.defaults(), START)
        memory = verdict.memory
        assert verdict.standing is Standing.NOT_MET


def test_usual_sessions_wear_down_what_had_added_up() -> None:
    broken = [_leaning(n, 8.0, f"v{n}") for n in range(40)]
    mended = [_leaning(n, 0.2, f"v{n}") for n in range(40, 52)]
    assert _verdict(broken)[0] is Standing.MET
    assert _verdict([*broken, *mended])[0] is Standing.NOT_MET


def test_what_a_session_does_not_tell_leaves_the_sum_as_it_was() -> None:
    steady = [_leaning(n, 5.0, "ABCDEF"[n % 6]) for n in range(6)]
    silent = [_row(str(n), flagged=False) for n in range(10, 30)]
    assert _verdict([*steady, *silent])[0] is Standing.MET


def test_days_of_several_vehicles_add_up_and_of_one_do_not() -> None:
    def days(vehicles: str) -> list[ScoredWindow]:
        rows = []
        for day in range(6):
            rows += [_row(f"{day}-{v}", flagged=False, vehicle=v, day=day) for v in vehicles]
            lean = Lean("best_power", -6.0, _cause("best_power", -4, 0.6, 0.9, 0, "this model"))
            row = _row(f"day {day}", span="day", flagged=False, vehicle="", day=day)
            rows.append(msgspec.structs.replace(row, leans=(lean,)))
        return rows

    assert _verdict(days("AB")) == (Standing.MET, "steady")
    assert _verdict(days("A"))[0] is Standing.NOT_MET


@pytest.mark.parametrize("feature", ["start_latency", "status_changes", "idle_share"])
def test_what_drivers_make_does_not_add_up(feature: str) -> None:
    rows = [
        msgspec.structs.replace(_row(str(n), flagged=False, vehicle=f"v{n}"), leans=(Lean(feature, 8.0),))
        for n in range(20)
    ]
    assert _verdict(rows)[0] is Standing.NOT_MET


def _forgotten(rows: list[ScoredWindow], *, since: int, until: int) -> anomaly.Memory:
    assert anomaly.RULE.forget is not None
    memory = anomaly.RULE.forget(_memory(rows), START + timedelta(days=since), START + timedelta(days=until))
    assert isinstance(memory, anomaly.Memory)
    return memory


def test_a_fault_that_is_over_takes_what_it_brought_with_it() -> None:
    leaning = msgspec.structs.replace(_leaning(3, 6.0, "C"), start=START + timedelta(days=3))
    rows = [_row("1", day=0), _row("2", vehicle="B", day=3), leaning]
    memory = _forgotten(rows, since=3, until=5)
    assert [session.transaction for session in memory.sessions] == ["1", "3"]  # the last was usual
    assert memory.courses == ()


def _goes_on(memory: anomaly.Memory, *rows: ScoredWindow) -> tuple[Standing, str]:
    verdict = anomaly.evaluate(_subject(*rows), memory, anomaly.RULE.defaults(), START)
    return verdict.standing, str(verdict.reason)


def test_what_was_mended_before_another_fault_is_not_told_when_that_one_is_over() -> None:
    """Three odd sessions, the mend and four usual ones, of which the last are while another fault lasts."""
    odd = [_row(str(n), vehicle="AB"[n % 2], day=n) for n in range(3)]
    usual = [_row(str(n), flagged=False, vehicle="CD"[n % 2], day=n) for n in range(4, 8)]
    memory = _forgotten([*odd, *usual], since=5, until=9)
    assert _goes_on(memory, _row("9", flagged=False, vehicle="C", day=9)) == (Standing.NOT_MET, "some_sessions")


def test_what_was_odd_before_a_fault_is_told_when_it_is_odd_after_it_as_well() -> None:
    memory = _forgotten([_row(str(n), vehicle="AB"[n % 2], day=n) for n in range(3)], since=5, until=9)
    assert _goes_on(memory, _row("9", flagged=False, vehicle="C", day=9)) == (Standing.NOT_MET, "not_since")
    assert _goes_on(memory, _row("9", vehicle="C", day=9)) == (Standing.MET, "unusual")


def test_what_had_added_up_before_a_fault_is_told_when_it_grows_after_it() -> None:
    rows = [msgspec.structs.replace(_leaning(n, 8.0, f"v{n}"), start=START + timedelta(days=n)) for n in range(4)]
    memory = _forgotten(rows, since=6, until=8)
    usual, odd = (
        msgspec.structs.replace(_leaning(9, evidence, "v9"), start=START + timedelta(days=9))
        for evidence in (0.2, 8.0)
    )
    assert _goes_on(memory, usual) == (Standing.NOT_MET, "not_since")
    assert _goes_on(memory, odd) == (Standing.MET, "steady")


def test_what_is_over_is_no_evidence_of_what_comes_next() -> None:
    """Usual sessions took a finding away. It takes as much as the first time to raise it again."""
    verdict = anomaly.evaluate(_subject(), None, anomaly.RULE.defaults(), START)
    standings = []
    for n, evidence in enumerate((8.0, 8.0, 8.0, 0.2, 0.2, 0.2, 5.0, 5.0)):
        row = msgspec.structs.replace(_leaning(n, evidence, f"v{n}"), start=START + timedelta(days=n))
        verdict = anomaly.evaluate(_subject(row), verdict.memory, anomaly.RULE.defaults(), START)
        standings.append(verdict.standing is Standing.MET)
    assert standings == [False, False, True, True, False, False, False, False]


def test_a_sum_that_a_fault_added_to_goes_with_it_and_an_older_one_stays() -> None:
    """A meter's ratio was a little off long before it was set wrongly."""
    rows = [msgspec.structs.replace(_leaning(n, 6.0, f"v{n}"), start=START + timedelta(days=n)) for n in range(4)]
    assert _forgotten(rows, since=3, until=5).courses == ()
    (kept,) = _forgotten(rows, since=5, until=6).courses
    assert kept.seen == 4


def test_what_is_judged_after_a_fault_but_began_before_its_end_does_not_count() -> None:
    memory = _forgotten([], since=0, until=2)
    late, new = _row("2026-03-01", span="day", day=1), _row("4", day=3)
    verdict = anomaly.evaluate(_subject(late, new), memory, anomaly.RULE.defaults(), START)
    assert isinstance(verdict.memory, anomaly.Memory)
    assert [session.transaction for session in verdict.memory.sessions] == ["4"]
    assert not verdict.memory.days


class _Site(World):
    """A network in which the other bays of the site remember something."""

    def __init__(self, *others: anomaly.Memory) -> None:
        super().__init__({}, 300)
        self._others = others

    def remembered(self, view: StationView, code: str) -> list[object]:
        return list(self._others)


SUPPLY = Cause(feature="voltage_level", z=-7.0, value=206.0, normal=230.0, share=0.8, current_a=16.0)


@pytest.mark.parametrize(
    ("cause", "others", "reason"),
    [
        (SUPPLY, (), "unusual"),  # nobody to compare with
        (SUPPLY, (SUPPLY,), "of_the_site"),
        (SUPPLY, (SUPPLY, None), "of_the_site"),
        (SUPPLY, (SUPPLY, None, None), "unusual"),  # one other of three may be chance
        (SUPPLY, (CAUSE, CAUSE), "unusual"),  # odd by something else
        (CAUSE, (CAUSE, CAUSE), "unusual"),  # plugs share nothing
    ],
)
def test_what_the_supply_does_to_a_site_is_no_stations(
    cause: Cause, others: tuple[Cause | None, ...], reason: str
) -> None:
    def row(n: int, why: Cause | None) -> ScoredWindow:
        plain = _row(str(n), vehicle=str(n), flagged=why is not None)
        return msgspec.structs.replace(plain, causes=(why,) if why else ())

    subject = _subject(*(row(n, cause) for n in range(3)))
    subject.network = _Site(*(_memory([row(0, other)]) for other in others))
    verdict = anomaly.evaluate(subject, None, anomaly.RULE.defaults(), START)
    assert str(verdict.reason) == reason
