"""The engine: the outcome depends on what was said and when, not on how it was fed or whether it was restarted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.changes import Change, ChangeKind
from detector.engine import Engine
from detector.rules import RULES, anomaly, reported_fault, thresholds_for
from detector.rules.base import Rule, Scope, Standing, Subject, Thresholds, Verdict, Wake
from detector.state import decode
from detector.view import MAX_CONNECTORS
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.errors import SettingsError
from laddvakt.domain.facts import Quarantined, QuarantineReason
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Finding, Severity
from tests.support.detector import START, Story, make_engine

S = ConnectorState

_SAYINGS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                ("heartbeat",),
                ("disconnect",),
                ("connect",),
                ("status", S.AVAILABLE, "NoError"),
                ("status", S.CHARGING, "NoError"),
                ("status", S.FAULTED, "InternalError"),
                ("status", S.FAULTED, "GroundFailure"),
                ("status", S.FINISHING, "InternalError"),
                ("start", "1"),
                ("start", "2"),
                ("stop", "1"),
                ("power", 0.0),
                ("power", 7000.0),
                ("energy", 1000.0),
                ("energy", 5000.0),
            ]
        ),
        st.sampled_from(["SE-1", "SE-2"]),
        st.sampled_from([0, 1, 30, 61, 200, 950, 4000]),
    ),
    min_size=1,
    max_size=25,
)


def _entries(sayings: list[tuple[tuple[object, ...], str, int]]) -> list[Entry]:
    story = Story()
    for (verb, *words), station, pause in sayings:
        story.station_id = station
        story.now += timedelta(seconds=pause)
        if verb == "status":
            story.status(words[0], str(words[1]))  # type: ignore[arg-type]  # a table of mixed rows
        elif verb == "start":
            story.start(str(words[0]), f"CARD-{words[0]}")
        elif verb == "stop":
            story.stop(str(words[0]))
        elif verb == "power":
            story.measure(power_w=float(str(words[0])))
        elif verb == "energy":
            story.measure(energy_wh=float(str(words[0])))
        else:
            getattr(story, verb)()  # type: ignore[call-overload]  # a verb of the story
    return story.entries


def _until_end(engine: Engine, entries: list[Entry]) -> list[Change]:
    return engine.tick(entries[-1].received_at + timedelta(hours=3))


@given(_SAYINGS, st.lists(st.integers(1, 5), min_size=1), st.booleans())
def test_the_outcome_does_not_depend_on_batches_or_ticks(
    sayings: list[tuple[tuple[object, ...], str, int]], sizes: list[int], ticked: bool
) -> None:
    entries = _entries(sayings)
    plain, batched = make_engine(), make_engine()
    one_by_one = [change for entry in entries for change in plain.observe([entry])]
    one_by_one += _until_end(plain, entries)
    in_batches: list[Change] = []
    position, turn = 0, 0
    while position < len(entries):
        size = sizes[turn % len(sizes)]
        batch = entries[position : position + size]
        if ticked:
            in_batches += batched.tick(batch[0].received_at)
        in_batches += batched.observe(batch)
        position, turn = position + size, turn + 1
    in_batches += _until_end(batched, entries)
    assert in_batches == one_by_one


@given(_SAYINGS, st.integers(0, 25))
def test_a_restart_at_any_point_changes_nothing(
    sayings: list[tuple[tuple[object, ...], str, int]], cut: int
) -> None:
    entries = _entries(sayings)
    whole = make_engine()
    expected = whole.observe(entries) + _until_end(whole, entries)
    first = make_engine()
    changes = first.observe(entries[:cut])
    second = make_engine()
    second.restore(first.encode(first.take_touched()))
    changes += second.observe(entries[cut:]) + _until_end(second, entries)
    assert changes == expected


def test_persistence_survives_a_restart_in_its_middle() -> None:
    story = Story()
    story.status(S.FAULTED, "InternalError")
    story.wait(40)
    resumed = make_engine()
    resumed.restore(story.engine.encode(story.engine.take_touched()))
    assert resumed.tick(story.now + timedelta(seconds=19)) == []
    (change,) = resumed.tick(story.now + timedelta(seconds=20))
    assert change.kind is ChangeKind.RAISED
    assert change.at == START + timedelta(seconds=60)


def test_a_fault_that_came_and_went_while_we_were_behind_raises_nothing() -> None:
    told = Story()
    told.status(S.FAULTED, "InternalError")
    told.now += timedelta(seconds=30)
    told.status(S.AVAILABLE)
    engine = make_engine()
    engine.observe(told.entries)
    assert engine.tick(START + timedelta(minutes=10)) == []


def test_timers_of_a_partition_that_is_behind_wait() -> None:
    engine = Engine(
        thresholds=thresholds_for({}),
        pseudonymise=str,
        partition_of=lambda station_id: 0 if station_id == "SE-1" else 1,
    )
    story = Story(engine)
    story.heartbeat("SE-1")
    story.heartbeat("SE-2")
    later = START + timedelta(hours=1)
    assert {change.station_id for change in engine.tick(later, behind={0})} == {"SE-2"}
    story.now = START + timedelta(minutes=10)
    story.heartbeat("SE-1")  # what it said meanwhile arrives now
    assert {change.at for change in engine.tick(later)} == {START + timedelta(minutes=25)}


def test_strangers_are_not_watched() -> None:
    story = Story()
    story.say(Quarantined(at=START, reason=QuarantineReason.UNKNOWN_STATION, detail="SE-1"))
    assert story.engine.view("SE-1") is None


def test_memory_of_a_station_is_bounded() -> None:
    story = Story()
    story.start("1")
    for connector in range(200):
        story.status(S.AVAILABLE, connector_id=connector)
    for number in range(500):
        story.now += timedelta(seconds=10)
        story.measure(energy_wh=number, power_w=1.0, **{f"field_{number}_a": 1.0})
        story.measure(source="mqtt", **{f"field_{number}_a": 1.0})
    view = story.engine.view("SE-1")
    assert view is not None
    assert len(view.connectors) == MAX_CONNECTORS
    assert len(story.engine.encode(["SE-1"])["SE-1"]) < 30_000


def test_what_the_detector_keeps_shows_no_tag() -> None:
    story = Story()
    story.start("1", "04A2B3C4")
    assert b"04A2B3C4" not in story.engine.encode(["SE-1"])["SE-1"]


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x80", b"not a state"])
def test_a_damaged_state_begins_anew(data: bytes) -> None:
    assert decode(data, {rule.code: rule for rule in RULES}) is None
    engine = make_engine()
    engine.restore({"SE-1": data})
    assert Story(engine).standing == []


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"offlin": {"after_s": 1.0}}, "detector.rules.offlin: there is no such rule"),
        ({"offline": {"after": 1.0}}, "detector.rules.offline.after: the rule has no such threshold"),
        ({"offline": {"after_s": -1.0}}, "not a usable number"),
        ({"offline": {"after_s": float("nan")}}, "not a usable number"),
    ],
)
def test_a_threshold_that_does_not_exist_is_an_error(overrides: dict[str, dict[str, float]], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        thresholds_for(overrides)


def test_every_rule_is_documented() -> None:
    for rule in RULES:
        assert rule.title and rule.doc and rule.clears and rule.action
        assert all(threshold.doc and threshold.unit for threshold in rule.thresholds)
    assert len({rule.code for rule in RULES}) == len(RULES)


def test_findings_of_a_connector_are_held_back_while_its_station_is_offline() -> None:
    story = Story(make_engine(thresholds={"no_power": {"persist_s": 2000}}))
    for transaction, minutes in (("1", 40), ("2", 3)):
        story.start(transaction, f"CARD-{transaction}")
        story.status(S.CHARGING)
        for _ in range(minutes):
            story.wait(60)
            story.measure(transaction=transaction, power_w=0)
        if transaction == "1":
            story.stop("1")
    story.wait(3600)
    assert [finding.fault for finding in story.standing] == ["offline"]
    story.heartbeat()
    assert [finding.fault for finding in story.standing] == ["no_power"]


class _Count(msgspec.Struct, frozen=True):
    reports: int = 0


def _thrice(
    spent_by: Callable[[str], bool] | None,
    *,
    forgets: bool = False,
    code: str = "thrice",
    absorbed_by: tuple[str, ...] | None = None,
) -> Rule:
    """Holds what any fault also shows: three reports."""

    def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
        count = _Count((memory or _Count()).reports + len(subject.news.facts))
        standing = Standing.MET if count.reports >= 3 else Standing.NOT_MET
        return Verdict(standing=standing, reason="counted", memory=count)

    def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
        return rule.finding(subject, now, since=now, probable_cause="", explanation="", evidence=())

    rule = Rule(
        code=code,
        title="",
        scope=Scope.CONNECTOR,
        asset="station",
        severity=Severity.P4,
        mrec=(),
        thresholds=(),
        clears="",
        action="",
        doc="",
        evaluate=evaluate,
        describe=describe,
        memory=_Count,
        wakes=frozenset({Wake.STATUS}),
        inhibited_by=("*",) if absorbed_by is None else (),
        absorbed_by=absorbed_by or (),
        spent_by=spent_by,
        forget=(lambda memory, since, until: _Count()) if forgets else None,
    )
    return rule


@pytest.mark.parametrize(
    ("spent_by", "left"), [(None, ["thrice"]), (lambda _: False, ["thrice"]), (lambda _: True, [])]
)
def test_what_a_fault_accounts_for_is_spent_when_it_is_over(
    spent_by: Callable[[str], bool] | None, left: list[str]
) -> None:
    story = Story(make_engine(rules=(reported_fault.RULE, _thrice(spent_by))))
    story.connect()
    for _ in range(4):
        story.status(S.FAULTED, "GroundFailure")
        story.wait(10)
    assert [finding.fault for finding in story.standing] == ["reported_fault"]
    story.status(S.AVAILABLE)
    story.wait(120)
    assert [finding.fault for finding in story.standing] == left


def test_what_one_message_proves_has_the_name_of_what_explains_it() -> None:
    weaker = _thrice(None, code="weaker", absorbed_by=("thrice",))
    story = Story(make_engine(rules=(weaker, _thrice(None, absorbed_by=()))))
    story.connect()
    for state in (S.PREPARING, S.CHARGING, S.FINISHING):
        story.status(state)
    assert [(change.kind, change.finding and change.finding.fault) for change in story.changes] == [
        (ChangeKind.RAISED, "thrice")
    ]
    assert [finding.fault for finding in story.standing] == ["thrice"]


def test_a_finding_stands_since_it_was_found_though_its_rule_forgets_how_it_began() -> None:
    story = Story(make_engine(rules=(_thrice(None),)))
    story.connect()
    for state in (S.PREPARING, S.CHARGING, S.FINISHING):
        story.status(state)
    (found,) = story.standing
    story.wait(7200)
    story.status(S.AVAILABLE)
    (later,) = story.standing
    assert story.kinds()[-1] is ChangeKind.STILL
    assert (later.since, later.at > found.at) == (found.since, True)


@pytest.mark.parametrize(("forgets", "left"), [(False, ["thrice"]), (True, [])])
def test_what_a_fault_brought_is_forgotten_when_it_is_over(forgets: bool, left: list[str]) -> None:
    story = Story(make_engine(rules=(reported_fault.RULE, _thrice(lambda _: True, forgets=forgets))))
    story.connect()
    story.status(S.FAULTED, "GroundFailure")  # once: not enough to be held back
    story.wait(80)
    assert [finding.fault for finding in story.standing] == ["reported_fault"]
    story.status(S.AVAILABLE)
    story.wait(120)
    story.status(S.CHARGING)
    assert [finding.fault for finding in story.standing] == left


@pytest.mark.parametrize(("fault", "spent"), [("meter_frozen", True), ("offline", False), ("anomaly", False)])
def test_odd_sessions_are_accounted_for_by_faults_that_make_sessions_odd(fault: str, spent: bool) -> None:
    assert anomaly.RULE.spent_by is not None
    assert anomaly.RULE.spent_by(fault) is spent


def test_entries_of_a_skewed_collector_never_turn_time_back() -> None:
    engine = make_engine()
    story = Story(engine)
    story.heartbeat()
    engine.tick(START + timedelta(minutes=5))
    late = Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=START + timedelta(minutes=4))
    assert engine.observe([late]) == []
