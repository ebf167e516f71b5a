"""The queue of calls: one under way, none of a transaction lost, in order."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from simulator import outbox
from simulator.outbox import CALL_TIMEOUT_S, Outbox


def make() -> Outbox:
    box = Outbox(random.Random(1))
    box.connected()
    box.accepted = True
    return box


def test_what_is_not_kept_is_dropped_offline_and_told_so() -> None:
    box = Outbox(random.Random(1))
    told: list[Any] = []
    box.push("Authorize", {}, 0, on_reply=lambda reply, now: told.append(reply))
    assert told == [None]
    assert len(box) == 0


def test_an_answer_to_another_call_is_no_answer() -> None:
    box = make()
    box.push("Heartbeat", {}, 0)
    frame = box.next_frame(0)
    assert frame is not None
    assert box.answered("other", {}, 1) is None
    assert box.next_frame(1) is None
    answered = box.answered(frame[1], {}, 1)
    assert answered is not None
    assert answered.action == "Heartbeat"


def test_a_late_heartbeat_is_dropped_a_late_stop_sent_again() -> None:
    box = make()
    box.push("Heartbeat", {}, 0)
    box.push("StopTransaction", {"n": 1}, 0, kept=True)
    assert box.next_frame(0) is not None
    box.expire(CALL_TIMEOUT_S)
    first = box.next_frame(CALL_TIMEOUT_S)
    assert first is not None
    box.expire(2 * CALL_TIMEOUT_S)
    assert box.next_frame(2 * CALL_TIMEOUT_S) == first


def test_a_refused_call_waits_and_nothing_of_a_transaction_overtakes_it() -> None:
    box = make()
    box.push("StartTransaction", {}, 0, kept=True)
    box.push("MeterValues", {}, 0, kept=True)
    frame = box.next_frame(0)
    assert frame is not None
    box.refused(frame[1], 0)
    assert box.next_frame(1) is None
    box.push("Heartbeat", {}, 1)
    beat = box.next_frame(1)
    assert beat is not None
    assert beat[2] == "Heartbeat"
    box.answered(beat[1], {}, 2)
    assert box.next_at_s == outbox.RETRY_INTERVAL_S
    again = box.next_frame(outbox.RETRY_INTERVAL_S)
    assert again == frame


def test_a_long_time_offline_leaves_out_meter_values_not_stops() -> None:
    box = Outbox(random.Random(1))
    for _ in range(outbox.MAX_QUEUED + 10):
        box.push("MeterValues", {}, 0, kept=True)
    box.push("StopTransaction", {}, 0, kept=True)
    assert len(box) == outbox.MAX_QUEUED + 1


@given(st.lists(st.sampled_from(["push", "send", "answer", "cut", "connect", "expire"]), max_size=120))
def test_kept_calls_are_all_delivered_once_answered_in_order(script: list[str]) -> None:
    box, now_s, pushed, answered = make(), 0.0, 0, []
    frame: list[Any] | None = None

    def answer(frame: list[Any]) -> None:
        if box.answered(frame[1], {}, now_s):
            answered.append(frame[3]["n"])

    for step in [*script, "connect"]:
        now_s += 1
        match step:
            case "push":
                box.push("MeterValues", {"n": pushed}, now_s, kept=True)
                pushed += 1
            case "send":
                frame = box.next_frame(now_s) or frame
            case "answer" if frame is not None:
                answer(frame)
            case "cut":
                box.disconnected(now_s)
            case "connect":
                box.connected()
            case "expire":
                now_s += CALL_TIMEOUT_S
                box.expire(now_s)
    now_s += CALL_TIMEOUT_S
    box.expire(now_s)
    while (frame := box.next_frame(now_s)) is not None:
        answer(frame)
    assert answered == list(range(pushed))
