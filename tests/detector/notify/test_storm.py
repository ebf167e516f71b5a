"""Many tickets at once: the first ones singly, the rest together; safety hardly waits."""

from __future__ import annotations

from datetime import timedelta

from detector.notify.plan import Telling, plan
from detector.notify.storm import PAUSE, gather
from laddvakt.domain.tickets import Severity
from tests.support.detector import START
from tests.support.telling import book, route, ticket

SECOND = timedelta(seconds=1)


def waiting(count: int, *, severity: Severity = Severity.P2, held: bool = False) -> list[Telling]:
    made = [ticket(ticket_id=f"T-{number}", severity=severity) for number in range(count)]
    tellings = [telling for one in made for telling in plan(one, book(route()), (), START)]
    return [telling._replace(held=held) for telling in tellings]


def test_a_few_are_told_one_by_one_at_once() -> None:
    three = waiting(3)
    assert gather(three, (), START) == ((three[0],), None)
    assert gather(three[1:], (START,), START) == ((three[1],), None)
    assert gather(three[2:], (START, START), START) == ((three[2],), None)


def test_many_that_come_together_are_one_message() -> None:
    many = waiting(20)
    assert gather(many, (), START) == (tuple(many), None)


def test_what_comes_after_the_first_few_waits_and_comes_together() -> None:
    sent = (START, START, START)
    late = waiting(2)
    assert gather(late, sent, START + SECOND) == ((), PAUSE - SECOND)
    assert gather(late, sent, START + PAUSE) == (tuple(late), None)


def test_safety_waits_seconds_at_most() -> None:
    sent = (START, START, START)
    grave = waiting(1, severity=Severity.P1)
    assert gather(grave, sent, START + 2 * SECOND) == ((), SECOND)
    assert gather([*waiting(5), *grave], sent, START + 3 * SECOND).now[-1] == grave[0]


def test_a_storm_is_over_after_minutes() -> None:
    sent = (START, START, START)
    one = waiting(1)
    assert gather(one, sent, START + timedelta(minutes=5)) == (tuple(one), None)


def test_what_was_held_over_night_is_one_message_and_delays_nothing_else() -> None:
    held, fresh = waiting(2, held=True), waiting(1)
    assert gather([*held, *fresh], (), START).now == tuple(held)


def test_several_of_one_ticket_are_one_message() -> None:
    (one,) = waiting(1)
    again = one._replace(delivery_id="other")
    assert gather([one, again], (), START).now == (one, again)


def test_nothing_waiting_nothing_to_do() -> None:
    assert gather([], (), START) == ((), None)
