"""Counts and figures from judged tickets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from detector.evaluation.figures import Counts, Result, Score, group, score
from detector.evaluation.figures import result as pooled
from detector.evaluation.matching import match
from detector.evaluation.text import summary, table
from detector.evaluation.truth import Alarm, Fault, LookAlike, Truth, alarms_of
from laddvakt.domain.tickets import Asset, Severity, Ticket, TicketAction, TicketEvent

START = datetime(2026, 3, 2, tzinfo=UTC)


RULED = {"offline", "plug_resistance", "anomaly"}


def result(scores: list[Score]) -> Result:
    return pooled(scores, ruled=RULED)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def station(name: str) -> Asset:
    return Asset(kind="station", id=name)


def fault(name: str, *, shown: bool = True, strength: float = 1.0) -> Fault:
    shown_at = at(1) if shown else None
    return Fault(
        fault="offline", asset=station(name), station_id=name, since=at(0), until=at(90), shown_at=shown_at,
        strength=strength,
    )  # fmt: skip


def ticket(name: str, fault: str = "offline", *, asset: Asset | None = None, opened: float = 16) -> Ticket:
    events = (TicketEvent(at=at(opened), action=TicketAction.OPENED, actor="detector", data={"confidence": 0.7}),)
    return Ticket(
        ticket_id=f"{name}-{fault}",
        fault=fault,
        asset=asset or station(name),
        station_id=name,
        severity=Severity.P2,
        opened_at=at(opened),
        updated_at=at(opened),
        events=events,
    )


def counted(*tickets: Ticket, seed: int = 1) -> Score:
    truth = Truth(
        seed=seed,
        from_=START,
        until=START + timedelta(days=2),
        stations=("A", "B", "C", "D"),
        faults=(fault("A"), fault("B", strength=0.1), fault("C", shown=False)),
        look_alikes=(
            LookAlike(look_alike="update", station_id="D", since=at(0), until=at(30)),
            LookAlike(look_alike="update", station_id="A", since=at(500), until=at(530)),
        ),
    )
    return score(truth, match(truth, alarms_of(tickets), {}), connectors=5)


def test_one_run_in_figures() -> None:
    figures = result([counted(ticket("A"), ticket("B", asset=station("B/1")), ticket("D"))])
    overall = figures.overall
    assert (overall.faults, overall.found, overall.false_tickets, overall.not_shown) == (2, 1, 2, 1)
    assert overall.precision == pytest.approx(1 / 3)
    assert overall.recall == 0.5
    assert overall.f1 == pytest.approx(0.4)
    assert overall.right_asset == 0.5
    assert overall.confusion == {"station -> station": 1}
    assert overall.recall_by_strength == {"weak": (0.0, 1), "strong": (1.0, 1)}
    assert overall.time_to_detect_p50_s == 15 * 60
    assert figures.classes["offline"].beyond_proof_p95_s == 0
    assert figures.false_tickets_per_connector_day == 2 / 10
    assert figures.look_alikes == {"update": (1, 2)}
    assert figures.look_alike_rate == 0.5
    assert overall.recall_interval is None


def test_a_hard_fault_is_proven_once_it_was_said_as_often_as_the_catalogue_wants() -> None:
    over = msgspec.structs.replace(fault("A"), fault="overcurrent", shown_again=(at(6), at(11)))
    truth = Truth(seed=1, from_=START, until=START + timedelta(days=2), stations=("A",), faults=(over,))
    found = match(truth, alarms_of([ticket("A", "overcurrent", opened=6.5)]), {})
    counts = score(truth, found, connectors=1).classes["overcurrent"]
    assert (counts.delays_s, counts.beyond_s) == ([5.5 * 60], [30.0])


def test_false_ticket_counts_against_the_class_that_it_names() -> None:
    classes = result([counted(ticket("A", "no_power"))]).classes
    assert (classes["no_power"].false_tickets, classes["no_power"].precision) == (1, 0)
    assert (classes["offline"].false_tickets, classes["offline"].recall) == (0, 0)


def test_seeds_are_pooled_and_their_spread_is_the_interval() -> None:
    figures = result([counted(ticket("A"), seed=1), counted(ticket("A"), ticket("B"), seed=2)])
    assert figures.seeds == (1, 2)
    assert figures.overall.recall == 0.75
    assert figures.overall.recall_interval == (0.5, 1.0)
    assert figures.connector_days == 20
    assert figures == result([counted(ticket("A"), seed=1), counted(ticket("A"), ticket("B"), seed=2)])


def test_nothing_to_divide_gives_no_figure() -> None:
    empty = Score(seed=1, connector_days=0, classes={}, look_alikes={})
    figures = result([empty, empty])
    assert (figures.overall.precision, figures.overall.recall, figures.look_alike_rate) == (None, None, None)
    assert table(figures)[-1].split()[:4] == ["all", "0", "0", "0"]
    assert summary(figures)[-1] == "Tickets: none."


def test_reopening_is_an_alarm_of_its_own() -> None:
    events = [
        TicketEvent(at=at(1), action=TicketAction.OPENED, actor="detector", detail="first"),
        TicketEvent(at=at(2), action=TicketAction.CLEARED, actor="detector"),
        TicketEvent(at=at(3), action=TicketAction.VERIFIED, actor="detector"),
        TicketEvent(at=at(5), action=TicketAction.REOPENED, actor="detector", detail="again"),
    ]
    one = ticket("A")
    alarms = alarms_of(
        [Ticket(**{name: getattr(one, name) for name in one.__struct_fields__} | {"events": tuple(events)})]
    )
    assert [(a.opened_at, a.resolved_at, a.again, a.says) for a in alarms] == [
        (at(1), at(2), False, "first"),
        (at(5), None, True, "again"),
    ]
    assert all(isinstance(a, Alarm) for a in alarms)


def test_groups_are_of_faults_that_a_rule_names_that_creep_and_that_none_names() -> None:
    assert group("offline", RULED) == "rule-covered"
    assert group("plug_resistance", RULED) == "incipient"
    assert group("current_ripple", RULED) == group("anomaly", RULED) == "no rule"
    figures = result([counted(ticket("A"), ticket("D", "no_power"))])
    assert (figures.groups["rule-covered"].found, figures.groups["rule-covered"].false_tickets) == (1, 0)
    assert (figures.groups["no rule"].faults, figures.groups["no rule"].false_tickets) == (0, 1)


def test_counts_add_up() -> None:
    one = Counts(faults=1, found=1, delays_s=[3.0], by_strength={"weak": (1, 1)}, outcomes={"found": 1})
    one.add(Counts(faults=2, false=1, delays_s=[4.0], by_strength={"weak": (0, 2)}, outcomes={"found": 2}))
    assert one == Counts(
        faults=3, found=1, false=1, delays_s=[3.0, 4.0], by_strength={"weak": (1, 3)}, outcomes={"found": 3}
    )
