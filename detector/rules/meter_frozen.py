"""The energy register stands still while power flows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from detector.registers import COARSEST_WH, step_of
from detector.rules.base import (
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
    span,
)
from detector.view import ConnectorView
from laddvakt.domain.tickets import Evidence, Finding, Severity

_FRESH_S = 120.0
_LONGEST_S = 900.0  # two samples further apart do not prove that power flowed all the time between
_SAMPLES = 3
_GOOD_WH = 500.0
_MOVES = 2  # a line that dies between two samples may bring one other value yet, not two
STOPPED = "The energy meter counts no more, though the power that it measures goes up and down."
_STOPPED_OR_CUT_OFF = "The energy meter has stopped, or the station has lost the line to it and repeats itself."


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SESSION = "no_session"  # nothing is charged
    NO_REGISTER = "no_register"  # the station has not said what its register reads
    COUNTS = "counts"  # the register rises
    STANDS = "stands"  # it stands, and nothing much has flowed meanwhile
    COARSE = "coarse"  # power flows, but not yet for as much as the register's steps may hide
    FROZEN = "frozen"  # power flows and the register does not count it


class Still(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The register reads the same in all samples of a stretch. `passed_wh` and `flowed_s`: what the lower power of
    each two samples says has flowed meanwhile, and for how long. `own_watts`: the station's own power, which is
    another than in the sample before in `moves` of them: a dead line repeats itself."""

    wh: float
    since: datetime
    until: datetime
    watts: float  # at its end
    samples: int = 1
    passed_wh: float = 0.0
    flowed_s: float = 0.0
    own_watts: float | None = None  # it has not said
    moves: int = 0

    @property
    def variant(self) -> str:
        return "register" if self.moves >= _MOVES else ""


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stretch that runs, what stands, and how fine the register is: the largest power of ten that divides all
    it ever read, in watt-hours."""

    transaction: str = ""
    step_wh: int = COARSEST_WH
    first_wh: float | None = None  # of this session
    still: Still | None = None
    frozen: Still | None = None  # stands until enough good sessions
    good_sessions: int = 0


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    session = connector.session if connector is not None else None
    transaction = session.transaction_id if session is not None else ""
    if transaction != memory.transaction:
        memory = _next_session(memory, transaction, thresholds)
    if session is None or connector is None:
        return _verdict(memory, Reason.NO_SESSION)
    for sample in subject.news.samples:
        wh = sample.values.get("energy_wh")
        if wh is not None and sample.source == "ocpp" and sample.transaction == transaction:
            memory = _sample(memory, sample.at, wh, _powers(connector, sample.at), thresholds)
    return _verdict(memory, _reason(memory, thresholds))


def _verdict(memory: Memory, reason: Reason) -> Verdict:
    if memory.frozen is not None:
        return Verdict(standing=Standing.MET, reason=Reason.FROZEN, variant=memory.frozen.variant, memory=memory)
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)


def _next_session(memory: Memory, transaction: str, thresholds: Thresholds) -> Memory:
    """The session is over: a good one counted all the way."""
    frozen, good = memory.frozen, memory.good_sessions
    still = memory.still
    if frozen is not None and still is not None and memory.first_wh is not None:
        counted = still.wh - memory.first_wh >= _GOOD_WH and not _is_frozen(still, memory.step_wh, thresholds)
        good = good + 1 if counted else good
        if good >= thresholds["good_sessions"]:
            frozen, good = None, 0
    return Memory(transaction=transaction, step_wh=memory.step_wh, frozen=frozen, good_sessions=good)


class _Powers(NamedTuple):
    """As the station says, if it does, and the higher of that and what a device beside it says. What is worked out
    from the register says nothing of the register."""

    own: float | None
    flows: float


def _powers(connector: ConnectorView, at: datetime) -> _Powers:
    power, device = connector.power, connector.devices.get("power_w")
    own = None
    if power is not None and power.basis != "register" and abs((at - power.at).total_seconds()) <= _FRESH_S:
        own = power.watts
    flows = own or 0.0
    if device is not None and abs((at - device.at).total_seconds()) <= _FRESH_S:
        flows = max(flows, device.value)
    return _Powers(own, flows)


def _sample(memory: Memory, at: datetime, wh: float, powers: _Powers, thresholds: Thresholds) -> Memory:
    replace = msgspec.structs.replace
    still = memory.still
    if still is None or wh != still.wh:
        return replace(
            memory,
            step_wh=min(memory.step_wh, step_of(wh)),
            first_wh=wh if memory.first_wh is None else memory.first_wh,
            still=Still(wh, at, at, powers.flows, own_watts=powers.own),
        )
    still = _longer(still, at, powers, thresholds)
    if _is_frozen(still, memory.step_wh, thresholds):
        return replace(memory, still=still, frozen=still, good_sessions=0)
    return replace(memory, still=still)


def _longer(still: Still, at: datetime, powers: _Powers, thresholds: Thresholds) -> Still:
    seconds = min((at - still.until).total_seconds(), _LONGEST_S)
    lower = min(powers.flows, still.watts)
    flows = lower >= thresholds["power_w"]
    return Still(
        still.wh,
        still.since,
        at,
        powers.flows,
        still.samples + 1,
        still.passed_wh + (lower * seconds / 3600 if flows else 0.0),
        still.flowed_s + (seconds if flows else 0.0),
        still.own_watts if powers.own is None else powers.own,
        still.moves + (None not in (powers.own, still.own_watts) and powers.own != still.own_watts),
    )


def _is_frozen(still: Still, step_wh: int, thresholds: Thresholds) -> bool:
    return (
        still.samples >= _SAMPLES
        and still.flowed_s >= thresholds["for_s"]
        and still.passed_wh >= thresholds["steps"] * step_wh
    )


def _reason(memory: Memory, thresholds: Thresholds) -> Reason:
    still = memory.still
    if still is None:
        return Reason.NO_REGISTER
    if still.samples == 1:
        return Reason.COUNTS
    return Reason.COARSE if still.flowed_s >= thresholds["for_s"] else Reason.STANDS


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    frozen: Still = memory.frozen
    lasted_s = (frozen.until - frozen.since).total_seconds()
    return RULE.finding(
        subject,
        now,
        since=frozen.since,
        probable_cause=STOPPED if frozen.variant else _STOPPED_OR_CUT_OFF,
        explanation=(
            f"The energy register of {place(subject)} stood still for {span(lasted_s)} "
            f"while {frozen.passed_wh / 1000:.1f} kWh flowed."
        ),
        evidence=(
            Evidence(label="Register", value=f"{frozen.wh:.0f} Wh", at=frozen.since),
            Evidence(label="Register still", value=f"{frozen.wh:.0f} Wh", at=frozen.until),
            Evidence(
                label="Flowed meanwhile, by the power",
                value=f"{frozen.passed_wh:.0f} Wh",
                threshold=f"{thresholds['steps'] * memory.step_wh:.0f} Wh",
            ),
            Evidence(label="For", value=span(frozen.flowed_s), threshold=span(thresholds["for_s"])),
        ),
        confidence=0.95,
    )


RULE = Rule(
    code="meter_frozen",
    title="Energy register stands still",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=(),  # ChargeX has none; OCPP: PowerMeterFailure
    thresholds=(
        Threshold(name="power_w", default=500, unit="W", doc="power that counts as flowing"),
        Threshold(name="steps", default=10, unit="steps", doc="steps of the register that must have been missed"),
        Threshold(name="for_s", default=300, unit="s", doc="how long power must have flowed meanwhile"),
        Threshold(name="good_sessions", default=2, unit="sessions", doc="good sessions after which it is cleared"),
    ),
    clears="Two sessions on the connector whose register counts at least 0.5 kWh and does not stop.",
    action="Hold its sessions from invoicing, check supply and bus wiring of the meter, replace the meter.",
    doc=(
        "Within a session the register reads the same for 5 minutes in which over 0.5 kW flows, and misses ten of "
        "its steps. Power is what the station or an MQTT device beside it says (the lower one of each two "
        "samples), never what is worked out from the register itself. The step is the largest of 1, 10, 100 and "
        "1000 Wh that divides all it ever read, so a coarse register is given its time. Not for a pause or a full "
        "battery, nor for stations that say neither power nor current."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED, Wake.ENDED}),
    fields=frozenset({"energy_wh"}),
    source="ocpp",
    charging=True,
    inhibited_by=("offline",),
)
