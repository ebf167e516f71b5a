"""The energy register counts too much or too little: against the station's own power, or an independent meter."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean
from typing import Any

import msgspec

from detector.cusum import Chart, Tuning
from detector.limits import is_dc
from detector.registers import COARSEST_WH, step_of
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.view import Sample
from laddvakt.domain.tickets import Evidence, Finding, Severity

_RAMP = timedelta(seconds=120)
_FLOWS_W = 500.0
_STEADY = 0.2  # power that changes by more from one sample to the next was something else between
_DEVICE_GAP_S = 120.0
_PUNCTUAL = timedelta(seconds=10)
"""A station whose clock is further off, or that tells later, does not say when its register read what it says."""
_STEPS = 50  # a register that counts in coarse steps needs so many of them
_SLIPS, _JITTER_S = 0.01, 5.0
"""By so much the station's clock may run otherwise than ours while power is counted: a share, and seconds."""
_NO_DRIFT = 0.35  # two meters further apart do not measure the same thing


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    LEARNING = "learning"  # too few sessions with enough energy yet
    AGREES = "agrees"  # what is counted is what flowed
    OFF_POWER = "off_power"  # the register is off against the station's own power
    OFF_DEVICE = "off_device"  # the register is off against an independent meter


class Point(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A register at a moment; `watts` of the station, where it says so. `punctual`: both clocks agree on when.
    `late_s`: how much later it was by ours."""

    at: datetime
    wh: float
    watts: float = -1.0
    punctual: bool = True
    late_s: float = 0.0


class Pair(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Both registers at one moment."""

    wh: float
    device_wh: float


class Run(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """What this session has shown so far: the station's last sample and the device's, what register and power
    counted over steady stretches, and both registers at two moments. `steady_s`: how long those stretches were by
    the station's clock, and `slipped_s`: how much longer by ours."""

    transaction: str = ""
    last: Point | None = None
    device: Point | None = None
    counted_wh: float = 0.0
    flowed_wh: float = 0.0
    begin: Pair | None = None
    end: Pair | None = None
    steady_s: float = 0.0
    slipped_s: float = 0.0


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session that runs, and both comparisons over those that ended. New firmware may count anew."""

    run: Run = Run()
    step_wh: int = COARSEST_WH
    firmware: str = ""
    power: Chart = Chart()
    device: Chart = Chart()


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    session = connector.session if connector is not None else None
    transaction = session.transaction_id if session is not None else ""
    if transaction != memory.run.transaction:
        memory = _next_session(memory, transaction, subject, thresholds)
    if session is not None and subject.news.samples:
        run, step_wh = memory.run, memory.step_wh
        settled = session.started_at + _RAMP
        for sample in subject.news.samples:
            wh = sample.values.get("energy_wh")
            if wh is None or sample.transaction != transaction or sample.at < settled:
                continue
            if sample.source == "ocpp":
                step_wh = min(step_wh, step_of(wh))
                run = _own(run, sample, wh, thresholds, late=(sample.heard_at or now) - sample.at)
            else:
                run = _device(run, sample.at, wh)
        memory = msgspec.structs.replace(memory, run=run, step_wh=step_wh)
    return _verdict(memory, thresholds)


def _verdict(memory: Memory, thresholds: Thresholds) -> Verdict:
    if memory.device.high:
        return Verdict(standing=Standing.MET, reason=Reason.OFF_DEVICE, memory=memory)
    if memory.power.high and abs(fmean(memory.power.recent)) >= thresholds["off_pct"] / 200:
        return Verdict(standing=Standing.MET, reason=Reason.OFF_POWER, memory=memory)
    known = memory.power.recent or memory.device.recent
    reason = Reason.AGREES if known else Reason.LEARNING
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)


def _own(run: Run, sample: Sample, wh: float, thresholds: Thresholds, *, late: timedelta) -> Run:
    """One more sample of the station: what register and power say of the time since the last."""
    power, last = sample.power, run.last
    watts = power.watts if power is not None and power.basis == "measured" else -1.0
    point = Point(sample.at, wh, watts, abs(late) <= _PUNCTUAL, late.total_seconds())
    run = msgspec.structs.replace(run, last=point)
    if last is None:
        return run
    seconds = (point.at - last.at).total_seconds()
    dense = 0 < seconds <= thresholds["densest_s"]
    lower, higher = min(watts, last.watts), max(watts, last.watts)
    if not dense or lower < _FLOWS_W or higher - lower > _STEADY * higher:
        return run
    return msgspec.structs.replace(
        run,
        counted_wh=run.counted_wh + wh - last.wh,
        flowed_wh=run.flowed_wh + (watts + last.watts) / 2 * seconds / 3600,
        steady_s=run.steady_s + seconds,
        slipped_s=run.slipped_s + point.late_s - last.late_s,
    )


def _device(run: Run, at: datetime, wh: float) -> Run:
    """One more sample of the independent meter: what it read when the station's last sample was taken."""
    before, own = run.device, run.last
    begin, end = run.begin, run.end
    if before is not None and own is not None and own.punctual and before.at <= own.at <= at:
        seconds = (at - before.at).total_seconds()
        if 0 < seconds <= _DEVICE_GAP_S:
            share = (own.at - before.at).total_seconds() / seconds
            pair = Pair(own.wh, before.wh + share * (wh - before.wh))
            begin, end = begin or pair, pair
    return msgspec.structs.replace(run, device=Point(at, wh), begin=begin, end=end)


def _next_session(memory: Memory, transaction: str, subject: Subject, thresholds: Thresholds) -> Memory:
    run, firmware = memory.run, subject.view.firmware
    charts = memory.power, memory.device
    if firmware != memory.firmware:
        charts = Chart(), Chart()
    least_wh = max(thresholds["least_wh"], _STEPS * memory.step_wh)
    own, device = of_power(run, least_wh), of_device(run, least_wh)
    good = thresholds["good_sessions"]
    return Memory(
        run=Run(transaction),
        step_wh=memory.step_wh,
        firmware=firmware,
        power=charts[0] if own is None else charts[0].after(own, _tuning(thresholds), good),
        device=charts[1] if device is None else charts[1].after(device, _device_tuning(thresholds, subject), good),
    )


def of_power(run: Run, least_wh: float) -> float | None:
    """By which share the register counted more than the power says; None where too little flowed, where the
    station's clock ran otherwise than ours, so that nobody knows for how long, and where they are so far apart
    that the register stands still or leaps: other rules name that."""
    if run.flowed_wh < least_wh or abs(run.slipped_s) > _SLIPS * run.steady_s + _JITTER_S:
        return None
    error = run.counted_wh / run.flowed_wh - 1
    return error if abs(error) <= _NO_DRIFT else None


def of_device(run: Run, least_wh: float) -> float | None:
    """The same against the independent meter; None also where that one measures something else."""
    if run.begin is None or run.end is None:
        return None
    counted, device = run.end.wh - run.begin.wh, run.end.device_wh - run.begin.device_wh
    if device < least_wh:
        return None
    error = counted / device - 1
    return error if abs(error) <= _NO_DRIFT else None


def _tuning(thresholds: Thresholds) -> Tuning:
    """A station that leaves the loss of its cable out of the register counts less than flowed."""
    off, loss = thresholds["off_pct"] / 100, thresholds["cable_loss_pct"] / 100
    return _tuned(off, thresholds["sessions"], usual=loss, loss=loss / 2)


def _device_tuning(thresholds: Thresholds, subject: Subject) -> Tuning:
    """A meter in front of a DC station also counts what rectifiers lose: only a change says something there."""
    off, loss = thresholds["device_off_pct"] / 100, thresholds["cable_loss_pct"] / 100
    tuning = _tuned(off, thresholds["sessions"], usual=loss, loss=loss / 2)
    return tuning._replace(usual=_NO_DRIFT, learns=True) if is_dc(subject) else tuning


def _tuned(off: float, sessions: float, *, usual: float, loss: float) -> Tuning:
    """So that an error of `off` alarms after `sessions`, and no error before half of them."""
    limit = (off / 2) * (sessions - 0.5)
    return Tuning(usual=usual, slack_up=off / 2, slack_down=off / 2 + loss, most=2 * limit / sessions, limit=limit)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    by_device = memory.device.high
    chart: Chart = memory.device if by_device else memory.power
    tuning = _device_tuning(thresholds, subject) if by_device else _tuning(thresholds)
    against = "an independent meter" if by_device else "its own power"
    worst = max(chart.recent, key=lambda error: abs(error - chart.usual(tuning)))
    return RULE.finding(
        subject,
        now,
        since=now,
        probable_cause=(
            "The energy meter has drifted, or a transformer ratio or pulse constant is set wrong."
            if by_device
            else "Register and power come from different sources: one of them is set wrong or has drifted."
        ),
        explanation=(
            f"Over several sessions, the energy register of {place(subject)} counts up to "
            f"{100 * abs(worst):.1f} % {'more' if worst > 0 else 'less'} than {against} says."
        ),
        evidence=(
            *(
                Evidence(
                    label=f"Register against {against}",
                    value=f"{100 * error:+.1f} %",
                    threshold=f"{thresholds['device_off_pct' if by_device else 'off_pct']:.0f} %",
                )
                for error in chart.recent
            ),
            Evidence(label="Usual here", value=f"{100 * chart.usual(tuning):+.1f} %"),
        ),
        confidence=0.9,
    )


RULE = Rule(
    code="meter_drift",
    title="Energy register counts wrong",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=(),  # ChargeX has none; OCPP: PowerMeterFailure
    thresholds=(
        Threshold(name="off_pct", default=4, unit="%", doc="register against the station's own power"),
        Threshold(name="device_off_pct", default=2, unit="%", doc="register against an independent meter"),
        Threshold(name="sessions", default=5, unit="sessions", doc="after so many of them that is a fault"),
        Threshold(name="least_wh", default=2000, unit="Wh", doc="a session with less says nothing"),
        Threshold(
            name="densest_s", default=60, unit="s", doc="samples further apart say nothing of the power between"
        ),
        Threshold(
            name="cable_loss_pct", default=4, unit="%", doc="by which a register may leave out what a cable loses"
        ),
        Threshold(name="good_sessions", default=3, unit="sessions", doc="good sessions after which it is cleared"),
    ),
    clears="Three sessions in a row agree.",
    action="Hold its sessions from invoicing, compare with a reference meter, have the meter exchanged.",
    doc=(
        "Per session of at least 2 kWh, the share by which the register counted more or less than power times "
        "time over steady stretches with samples of 60 s or denser; and the same against an independent meter "
        "(MQTT `energy_wh`), whose register is interpolated to the moment of the station's sample. Both go into "
        "a two-sided CUSUM (Page 1954) with half the threshold as slack, against the median of the connector's "
        "first five sessions: an error as large as the threshold alarms after five sessions, a larger one after "
        "three. A register that agrees with its power now, within half the threshold, is right, whatever was "
        "usual. Not for the loss of a cable that the register leaves out (the usual may be 4 % off; less counted"
        " is given more slack), for sparse samples, ramps, coarse registers (a session must count fifty steps), "
        "for samples whose time our clock does not confirm (a clock that drifts is not the meter's fault), "
        "or new firmware, which begins anew. A device that counts a third more or less measures something else."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.STARTED, Wake.ENDED}),
    fields=frozenset({"energy_wh"}),
    charging=True,
    slow=True,
    inhibited_by=("offline", "meter_frozen", "meter_jump", "meter_rollback"),
)
