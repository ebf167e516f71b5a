"""The remediation ladder: when it steps, which step, and above all when it does not."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.ladders import LADDERS, RESETS, Step, command_for
from detector.remediation import (
    ACTOR,
    JUST_ENDED,
    PATIENCE,
    PERSON_AT_WORK,
    Past,
    Policy,
    Present,
    Reason,
    Tried,
    answered,
    gave_up,
    helped,
    is_given_up,
    next_step,
    present_of,
    tried_of,
    trying,
    unanswered,
)
from detector.rules import RULES
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import (
    Asset,
    Severity,
    Ticket,
    TicketAction,
    TicketEvent,
    TicketState,
    apply_event,
)
from tests.support.detector import START, Story

POLICY = Policy(sites=frozenset({"north"}))
WAIT = POLICY.wait
DUE = START + POLICY.after
STATION = Asset(kind="station", id="SE-1")
FREE = ConnectorState.AVAILABLE
changed = msgspec.structs.replace


def ticket(fault: str = "reported_fault", **more: Any) -> Ticket:
    opened = TicketEvent(at=START, action=TicketAction.OPENED, actor="detector", data={"severity": "P2"})
    made = Ticket(
        ticket_id="T-1",
        fault=fault,
        asset=STATION,
        station_id="SE-1",
        connector_id=1,
        site_id="north",
        severity=Severity.P2,
        opened_at=START,
        updated_at=START,
        events=(opened,),
    )
    return changed(made, **more)


def present(fault: str = "reported_fault", **more: Any) -> Present:
    statuses = {1: ConnectorState.FAULTED, 2: FREE}
    return Present(connected=True, statuses=statuses, found=frozenset({(fault, "station", "SE-1")}))._replace(
        **more
    )


def past(*steps: tuple[Step, datetime], **more: Any) -> Past:
    return Past(site_id="north", tried=tuple(Tried("T-1", step, at) for step, at in steps))._replace(**more)


def decide(
    of: Ticket | None = None,
    here: Present | None = None,
    before: Past | None = None,
    now: datetime = DUE,
    policy: Policy = POLICY,
) -> Reason | Step:
    of = of or ticket()
    decision = next_step(of, here or present(of.fault), before or past(), policy, now)
    return decision.step or decision.reason


# The way up


def test_it_climbs_from_asking_to_a_hard_reset_and_then_leaves_it_to_people() -> None:
    at, steps = DUE, []
    while isinstance(step := decide(before=past(*steps), now=at), Step):
        steps.append((step, at))
        at += POLICY.wait_of(step)
    assert [step for step, _ in steps] == [Step.ASK, Step.SOFT_RESET, Step.HARD_RESET]
    assert step is Reason.EXHAUSTED


def test_a_fault_is_left_alone_first() -> None:
    assert decide(now=DUE - timedelta(seconds=1)) is Reason.FRESH
    assert decide(now=DUE) is Step.ASK


def test_each_step_has_its_time_and_a_reset_three_times_as_much() -> None:
    asked = past((Step.ASK, DUE))
    assert decide(before=asked, now=DUE + WAIT - timedelta(seconds=1)) is Reason.WAITING
    assert decide(before=asked, now=DUE + WAIT) is Step.SOFT_RESET
    reset = past((Step.ASK, DUE), (Step.SOFT_RESET, DUE + WAIT))
    assert decide(before=reset, now=DUE + 3 * WAIT) is Reason.WAITING
    assert decide(before=reset, now=DUE + 4 * WAIT) is Step.HARD_RESET


def test_what_the_station_refuses_is_not_waited_for() -> None:
    refused = Past(site_id="north", tried=(Tried("T-1", Step.ASK, DUE, refused=True),))
    assert decide(before=refused) is Step.SOFT_RESET


def test_a_step_for_another_ticket_of_the_station_has_its_time_too() -> None:
    other = Past(site_id="north", tried=(Tried("T-2", Step.SOFT_RESET, DUE - WAIT),))
    assert decide(before=other, now=DUE + WAIT) is Reason.WAITING
    assert decide(before=other, now=DUE + 2 * WAIT) is Step.ASK


def test_what_needs_a_session_to_be_seen_waits_for_one_but_not_for_ever() -> None:
    reset = past((Step.ASK, DUE), (Step.CLEAR_PROFILE, DUE), (Step.SOFT_RESET, DUE))
    no_power, later = ticket("no_power"), DUE + timedelta(hours=1)
    assert decide(no_power, before=reset, now=later) is Reason.UNPROVEN
    charged = present("no_power", ended_at=DUE + timedelta(minutes=30))
    assert decide(no_power, charged, reset, later) is Step.HARD_RESET
    assert decide(no_power, before=reset, now=DUE + PATIENCE) is Step.HARD_RESET
    assert decide(no_power, before=past((Step.ASK, DUE)), now=DUE + WAIT) is Step.CLEAR_PROFILE


def test_what_is_no_connectors_has_no_connector_to_unlock() -> None:
    hanging = ticket("stuck_finishing", connector_id=None)
    assert decide(hanging, before=past((Step.ASK, DUE)), now=DUE + WAIT) is Step.SOFT_RESET
    assert decide(ticket("stuck_finishing"), before=past((Step.ASK, DUE)), now=DUE + WAIT) is Step.UNLOCK


# What keeps it away


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"state": TicketState.ACKNOWLEDGED}, Reason.TAKEN),
        ({"state": TicketState.IN_PROGRESS}, Reason.TAKEN),
        ({"state": TicketState.RESOLVED}, Reason.SETTLED),
        ({"severity": Severity.P1}, Reason.SAFETY),
        ({"fault": "flapping"}, Reason.NO_LADDER),
        ({"fault": "offline"}, Reason.NO_LADDER),
        ({"storm": "S-1"}, Reason.MANY),
        ({"flapping_since": START}, Reason.MANY),
    ],
)
def test_a_ticket_that_is_not_for_it(more: dict[str, Any], reason: Reason) -> None:
    assert decide(ticket(**more)) is reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"found": frozenset()}, Reason.NOT_FOUND),
        ({"connected": False}, Reason.NOT_CONNECTED),
        ({"linked_at": DUE - WAIT / 2}, Reason.JUST_CONNECTED),
        ({"codes": frozenset({"CX003"})}, Reason.HARDWARE),
        ({"firmware": "Installing", "firmware_at": START}, Reason.UPDATING),
        ({"in_session": True}, Reason.IN_SESSION),
        ({"ended_at": DUE - JUST_ENDED / 2}, Reason.IN_SESSION),
    ],
)
def test_a_station_that_is_not_for_it_now(more: dict[str, Any], reason: Reason) -> None:
    assert decide(here=present(**more)) is reason


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"site_id": "south"}, Reason.OFF),
        ({"site_id": None}, Reason.OFF),
        ({"danger": True}, Reason.SAFETY),
        ({"silenced": True}, Reason.SILENCED),
        ({"in_session": True}, Reason.IN_SESSION),
        ({"person_at": DUE - PERSON_AT_WORK / 2}, Reason.PERSON_AT_WORK),
    ],
)
def test_surroundings_that_are_not_for_it(more: dict[str, Any], reason: Reason) -> None:
    assert decide(before=past(**more)) is reason


def test_a_station_that_is_not_heard_as_it_speaks_is_left_alone() -> None:
    assert next_step(ticket(), None, past(), POLICY, DUE).reason is Reason.NOT_KNOWN


def test_no_site_is_enabled_unless_somebody_says_so_and_a_star_is_all() -> None:
    assert decide(policy=Policy(sites=frozenset())) is Reason.OFF
    assert decide(before=past(site_id=None), policy=Policy(sites=frozenset({"*"}))) is Step.ASK


def test_what_was_dangerous_once_is_not_restarted_because_it_looks_better() -> None:
    worse = TicketEvent(at=START, action=TicketAction.UPDATED, actor="detector", data={"severity": "P1"})
    better = TicketEvent(at=START, action=TicketAction.UPDATED, actor="detector", data={"severity": "P2"})
    assert decide(changed(ticket(), events=(*ticket().events, worse, better))) is Reason.SAFETY


def test_an_update_that_never_says_its_end_does_not_keep_it_away_for_ever() -> None:
    assert decide(here=present(firmware="Downloading", firmware_at=START - timedelta(days=2))) is Step.ASK


# Resets


def resetting(**more: Any) -> Reason | Step:
    return decide(before=past((Step.ASK, DUE), **more), now=DUE + WAIT)


@pytest.mark.parametrize(
    ("other", "idle"),
    [
        (ConnectorState.AVAILABLE, True),
        (ConnectorState.FINISHING, True),
        (ConnectorState.UNAVAILABLE, True),
        (ConnectorState.FAULTED, True),
        (ConnectorState.PREPARING, False),
        (ConnectorState.CHARGING, False),
        (ConnectorState.SUSPENDED_EV, False),
        (ConnectorState.SUSPENDED_EVSE, False),
        (ConnectorState.RESERVED, False),
        (ConnectorState.UNKNOWN, False),
    ],
)
def test_a_reset_disturbs_nobody_at_another_connector(other: ConnectorState, idle: bool) -> None:
    here = present(statuses={1: ConnectorState.FAULTED, 2: other})
    expected = Step.SOFT_RESET if idle else Reason.NOT_IDLE
    assert decide(here=here, before=past((Step.ASK, DUE)), now=DUE + WAIT) is expected


def test_a_connector_that_hangs_before_a_session_may_be_reset_and_one_nobody_knows_of_may_not() -> None:
    hanging = present(statuses={1: ConnectorState.PREPARING, 2: FREE})
    assert decide(here=hanging, before=past((Step.ASK, DUE)), now=DUE + WAIT) is Step.SOFT_RESET
    assert decide(here=present(statuses={}), before=past((Step.ASK, DUE)), now=DUE + WAIT) is Reason.NOT_IDLE


def test_two_resets_a_day_whoever_sent_them() -> None:
    this_morning = START - timedelta(hours=20)
    assert resetting(resets_by_others=(this_morning,)) is Step.SOFT_RESET
    assert resetting(resets_by_others=(this_morning, this_morning)) is Reason.RESETS_USED
    long_ago = START - timedelta(hours=25)
    assert resetting(resets_by_others=(this_morning, long_ago)) is Step.SOFT_RESET
    mine = (Tried("T-0", Step.HARD_RESET, this_morning), Tried("T-1", Step.ASK, DUE))
    assert resetting(tried=mine) is Step.SOFT_RESET
    assert resetting(tried=mine, resets_by_others=(this_morning,)) is Reason.RESETS_USED


def test_without_resets_the_ladder_is_short() -> None:
    policy = POLICY._replace(resets_per_day=0)
    assert decide(before=past((Step.ASK, DUE)), now=DUE + WAIT, policy=policy) is Reason.EXHAUSTED


def test_one_station_of_a_site_at_a_time() -> None:
    assert resetting(neighbour=DUE) is Reason.NEIGHBOUR
    assert resetting(neighbour=DUE - timedelta(hours=1)) is Step.SOFT_RESET


state = st.sampled_from(list(ConnectorState))
hours = st.floats(0, 72)


@given(
    fault=st.sampled_from([*sorted(LADDERS), "offline", "rcd_trip"]),
    severities=st.lists(st.sampled_from(["P1", "P2", "P3"]), min_size=1, max_size=3),
    statuses=st.dictionaries(st.integers(1, 3), state, max_size=3),
    sessions=st.tuples(st.booleans(), st.booleans()),
    tried=st.lists(st.tuples(st.sampled_from(list(Step)), hours, st.sampled_from(["T-1", "T-2"])), max_size=5),
    others=st.lists(hours, max_size=3),
    at=hours,
)
def test_whatever_happened_it_keeps_its_promises(
    fault: str,
    severities: list[str],
    statuses: dict[int, ConnectorState],
    sessions: tuple[bool, bool],
    tried: list[tuple[Step, float, str]],
    others: list[float],
    at: float,
) -> None:
    now = START + timedelta(hours=at)
    events = tuple(
        TicketEvent(at=START, action=TicketAction.UPDATED, actor="detector", data={"severity": one})
        for one in severities
    )
    of = ticket(fault, severity=Severity(severities[-1]), events=events)
    before = Past(
        site_id="north",
        tried=tuple(
            sorted((Tried(i, s, START + timedelta(hours=h)) for s, h, i in tried), key=lambda one: one.at)
        ),
        resets_by_others=tuple(START + timedelta(hours=hour) for hour in others),
        in_session=sessions[0],
    )
    here = present(fault, statuses=statuses, in_session=sessions[1])
    step = next_step(of, here, before, POLICY, now).step
    if step is None:
        return
    assert "P1" not in severities and not any(sessions)
    assert step in LADDERS[fault].steps
    assert step not in {one.step for one in before.tried if one.ticket_id == "T-1"}
    if step in RESETS:
        day = now - timedelta(hours=24)
        resets = [*before.resets_by_others, *(one.at for one in before.tried if one.step in RESETS)]
        assert sum(one > day for one in resets) < 2
        assert not {ConnectorState.CHARGING, ConnectorState.UNKNOWN, ConnectorState.RESERVED} & set(
            statuses.values()
        )


# What is said to the station


@pytest.mark.parametrize(
    ("step", "protocol", "connector_id", "command"),
    [
        (
            Step.ASK,
            "ocpp1.6",
            2,
            ("TriggerMessage", {"requestedMessage": "StatusNotification", "connectorId": 2}),
        ),
        (Step.ASK, "ocpp1.6", None, ("TriggerMessage", {"requestedMessage": "StatusNotification"})),
        (
            Step.ASK,
            "ocpp2.0.1",
            1002,
            (
                "TriggerMessage",
                {"requestedMessage": "StatusNotification", "evse": {"id": 1, "connectorId": 2}},
            ),
        ),
        (Step.ASK, "ocpp2.1", None, ("TriggerMessage", {"requestedMessage": "Heartbeat"})),
        (
            Step.CLEAR_PROFILE,
            "ocpp1.6",
            2,
            ("ClearChargingProfile", {"connectorId": 2, "chargingProfilePurpose": "TxProfile"}),
        ),
        (
            Step.CLEAR_PROFILE,
            "ocpp2.0.1",
            2,
            (
                "ClearChargingProfile",
                {"chargingProfileCriteria": {"evseId": 2, "chargingProfilePurpose": "TxProfile"}},
            ),
        ),
        (Step.UNLOCK, "ocpp1.6", 2, ("UnlockConnector", {"connectorId": 2})),
        (Step.UNLOCK, "ocpp2.1", 2, ("UnlockConnector", {"evseId": 2, "connectorId": 1})),
        (Step.SOFT_RESET, "ocpp1.6", 1, ("Reset", {"type": "Soft"})),
        (Step.HARD_RESET, "ocpp1.6", 1, ("Reset", {"type": "Hard"})),
        (Step.SOFT_RESET, "ocpp2.0.1", 1, ("Reset", {"type": "OnIdle"})),
        (Step.HARD_RESET, "ocpp2.1", 1, ("Reset", {"type": "Immediate"})),
    ],
)
def test_the_words_of_each_version(
    step: Step, protocol: str, connector_id: int | None, command: tuple[str, dict[str, Any]]
) -> None:
    from collector.ocpp import commands

    assert command_for(step, ticket(connector_id=connector_id), protocol) == command
    assert commands.problems(protocol, *command) == ()


def test_a_clock_is_set_by_the_answer_to_a_heartbeat() -> None:
    action, payload = command_for(Step.ASK, ticket("clock_drift"), "ocpp1.6")
    assert (action, payload) == ("TriggerMessage", {"requestedMessage": "Heartbeat"})


def test_every_ladder_is_for_a_fault_that_a_rule_finds() -> None:
    assert {rule.code for rule in RULES} >= set(LADDERS)


DOCUMENTED = {
    "ask": Step.ASK,
    "clear the profile": Step.CLEAR_PROFILE,
    "unlock": Step.UNLOCK,
    "soft reset": Step.SOFT_RESET,
    "hard reset": Step.HARD_RESET,
}


def test_the_documented_ladders_are_those_in_force() -> None:
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "remediation.md").read_text("utf-8")
    found = {}
    for line in page.partition("| --- | --- |\n")[2].partition("\n\n")[0].splitlines():
        faults, steps = line.strip("| ").split(" | ")
        for fault in faults.split(", "):
            found[fault.strip("`")] = tuple(DOCUMENTED[step] for step in steps.split(", "))
    assert found == {fault: ladder.steps for fault, ladder in LADDERS.items()}


# What the engine hears


def test_the_present_is_what_the_station_said_since_its_link_came_up() -> None:
    story = Story()
    story.connect()
    story.boot()
    story.status(ConnectorState.FAULTED, "HighTemperature")
    story.status(ConnectorState.AVAILABLE, connector_id=2)
    story.start("7", connector_id=2)
    story.wait(120)
    view = story.engine.view("SE-1")
    assert view is not None
    here = present_of(view, story.engine.findings_of("SE-1"))
    assert (here.connected, here.in_session, here.codes) == (True, True, frozenset({"CX003"}))
    assert here.statuses[1] is ConnectorState.FAULTED
    assert ("reported_fault", "station", "SE-1") in here.found
    story.stop("7")
    story.disconnect()
    story.connect()
    here = present_of(view, [])
    assert (here.in_session, here.ended_at, here.linked_at) == (False, story.now, story.now)
    assert set(here.statuses.values()) == {ConnectorState.UNKNOWN}


# What the history tells


def stepped(step: Step, status: CommandStatus | None, of: Ticket | None = None) -> Ticket:
    made = apply_event(of or ticket(), trying(step, "Reset", f"id-{step}", DUE))
    return made if status is None else apply_event(made, answered("Reset", status, "", f"id-{step}", DUE))


def test_the_history_holds_what_was_tried_and_what_came_of_it() -> None:
    assert tried_of(stepped(Step.ASK, None)) == [Tried("T-1", Step.ASK, DUE)]
    assert unanswered(stepped(Step.ASK, None)) == ["id-ask"]
    assert tried_of(stepped(Step.ASK, CommandStatus.TIMEOUT)) == [Tried("T-1", Step.ASK, DUE)]
    refused = stepped(Step.ASK, CommandStatus.REJECTED)
    assert tried_of(refused) == [Tried("T-1", Step.ASK, DUE, refused=True)]
    assert unanswered(refused) == []
    assert {event.actor for event in refused.events[1:]} == {ACTOR}


def test_giving_up_is_said_once_each_time_the_fault_comes() -> None:
    done = apply_event(ticket(), gave_up(DUE))
    assert is_given_up(done)
    back = TicketEvent(at=DUE + WAIT, action=TicketAction.REOPENED, actor="detector")
    cleared = TicketEvent(at=DUE, action=TicketAction.CLEARED, actor="detector")
    assert not is_given_up(apply_event(apply_event(done, cleared), back))


def test_a_step_helped_only_if_nobody_else_can_have() -> None:
    accepted = stepped(Step.SOFT_RESET, CommandStatus.ACCEPTED)
    assert helped(ticket()) is None
    assert helped(accepted) is Step.SOFT_RESET
    assert helped(stepped(Step.SOFT_RESET, CommandStatus.REJECTED)) is None
    taken = TicketEvent(at=DUE, action=TicketAction.ACKNOWLEDGED, actor="eva")
    assert helped(apply_event(accepted, taken)) is None
    assert helped(apply_event(accepted, gave_up(DUE))) is None
