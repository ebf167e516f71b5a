"""The insulation of a cable or outlet is low: measured, or found by its check again and again."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.attribution import attribute
from detector.episodes import NOBODY, Repeats
from detector.rules import repeated
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
from detector.runs import Run, longer
from detector.view import Sample
from detector.vocabulary import Lean
from laddvakt.domain.tickets import Evidence, Finding, Severity

_CODES = frozenset({"CX011", "CX022"})
_MAX_VEHICLES = 4
_BACK = 1.2
_FRESH = timedelta(minutes=30)
_FIELD, _OHM = "isolation_ohm_per_v", "isolation_ohm"


class Reason(StrEnum):
    """Why a measurement is held or not; what is reported has the reasons of `detector.episodes`."""

    WET = "wet"  # low at another station of the site, too: rain
    MEASURED_LOW = "measured_low"  # for long enough, with nothing plugged in or with several vehicles
    MEASURED_POOR = "measured_poor"  # the same, under the first threshold only


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was reported; and `run`: low values with the same vehicle, or with none. `low` is the last that was
    long enough, `vehicles` those that it happened with (`NOBODY`: none was plugged in)."""

    repeats: Repeats = Repeats()
    run: Run | None = None
    vehicle: str = ""
    low: Run | None = None
    vehicles: tuple[str, ...] = ()


_NONE = msgspec.structs.replace(repeated.NONE, variant="reported")


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    before = memory or Memory()
    known = before.repeats if memory is not None else None
    reported = repeated.evaluate(subject, known, thresholds, now, codes=_CODES)
    if memory is None and reported.memory is None and not subject.news.samples:
        return _NONE
    memory = msgspec.structs.replace(before, repeats=reported.memory or Repeats())
    for sample in subject.news.samples:
        value = _ohm_per_v(sample, thresholds)
        if value is not None:
            memory = _sample(memory, subject, sample.at, value, thresholds)
    reason = _measured(memory, subject, thresholds, now)
    kept = memory if memory != Memory() else None
    if reported.standing is Standing.MET or reason in (None, Reason.WET):
        return msgspec.structs.replace(reported, memory=kept, variant="reported")
    return Verdict(standing=Standing.MET, reason=reason or Reason.MEASURED_LOW, variant=str(reason), memory=kept)


def _calm(memory: Any, sample: Sample, thresholds: Thresholds) -> bool:
    """The insulation is good, as it was before."""
    value = _ohm_per_v(sample, thresholds)
    return memory is None and (value is None or value >= thresholds["warn_ohm_per_v"])


def _ohm_per_v(sample: Sample, thresholds: Thresholds) -> float | None:
    value = sample.values.get(_FIELD)
    if value is None and (ohm := sample.values.get(_OHM)) is not None:
        value = ohm / thresholds["rated_v"]
    return value if value is not None and value > 0 else None  # 0 is a monitor that is off


def _sample(memory: Memory, subject: Subject, at: datetime, value: float, thresholds: Thresholds) -> Memory:
    replace = msgspec.structs.replace
    if value >= thresholds["warn_ohm_per_v"]:
        if value >= _BACK * thresholds["warn_ohm_per_v"] and memory.low is not None:
            return replace(memory, run=None, low=None, vehicles=())
        return memory if memory.run is None else replace(memory, run=None)
    session = subject.connector.session if subject.connector is not None else None
    vehicle = session.vehicle_key if session is not None else NOBODY
    run = longer(memory.run if vehicle == memory.vehicle else None, at, value, low=True)
    memory = replace(memory, run=run, vehicle=vehicle)
    if not run.lasted(thresholds["persist_s"]):
        return memory
    known = memory.vehicles
    return replace(memory, low=run, vehicles=known if vehicle in known else (*known, vehicle)[-_MAX_VEHICLES:])


def _measured(memory: Memory, subject: Subject, thresholds: Thresholds, now: datetime) -> Reason | None:
    if memory.low is None or (NOBODY not in memory.vehicles and len(memory.vehicles) < thresholds["vehicles"]):
        return None
    if memory.low.worst < thresholds["fault_ohm_per_v"]:
        return Reason.MEASURED_LOW
    return Reason.WET if _wet(subject, thresholds, now) else Reason.MEASURED_POOR


def _wet(subject: Subject, thresholds: Thresholds, now: datetime) -> bool:
    """Whether another station of the site is nearly as low: it rains."""
    border = 2 * thresholds["warn_ohm_per_v"]
    for view in subject.network.siblings(subject.view):
        for connector in view.connectors.values():
            known = connector.devices.get(_FIELD)
            if known is not None and now - known.at <= _FRESH and known.value < border:
                return True
    return False


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    reason = _measured(memory, subject, thresholds, now)
    low: Run | None = memory.low
    if low is None or reason in (None, Reason.WET):
        return repeated.describe(RULE, subject, memory.repeats, thresholds, now, lean=Lean.CABLE, cause=_CAUSE)
    blame = attribute(subject, memory.vehicles, now, lean=Lean.CABLE, least=0.7)
    fault = reason is Reason.MEASURED_LOW
    border = thresholds["fault_ohm_per_v" if fault else "warn_ohm_per_v"]
    return RULE.finding(
        subject,
        now,
        blame=blame,
        severity=Severity.P1 if fault else Severity.P3,
        since=low.since,
        probable_cause=_CAUSE,
        explanation=f"The insulation of {place(subject)} is down to {low.worst:.0f} ohm per volt.",
        evidence=(
            Evidence(
                label="Insulation",
                value=f"{low.worst:.0f} ohm/V",
                threshold=f"{border:.0f} ohm/V",
                at=low.worst_at,
            ),
            Evidence(label="For", value=span((low.until - low.since).total_seconds()), at=low.since),
            Evidence(
                label="Plugged in",
                value="nothing" if NOBODY in memory.vehicles else f"{len(memory.vehicles)} vehicles in turn",
            ),
        ),
    )


_CAUSE = "Insulation to earth is too low: a damaged or wet cable or plug, or the station's output."

RULE = Rule(
    code="isolation",
    title="Insulation fails",
    scope=Scope.CONNECTOR,
    asset="cable",
    severity=Severity.P1,
    mrec=("CX011", "CX022"),
    thresholds=(
        *repeated.thresholds(times=2),
        Threshold(name="warn_ohm_per_v", default=500, unit="ohm/V", doc="measured insulation that is poor"),
        Threshold(name="fault_ohm_per_v", default=100, unit="ohm/V", doc="measured insulation that is dangerous"),
        Threshold(
            name="persist_s", default=300, unit="s", doc="how long it must be measured, in two samples or more"
        ),
        Threshold(
            name="rated_v",
            default=500,
            unit="V",
            doc="highest output, where a station tells ohm and not ohm per volt",
        ),
    ),
    clears=(
        "Reported: two vehicles charge at least 0.1 kWh each without it, or too few are left within the window. "
        "Measured: a value a fifth over the first threshold."
    ),
    action="Keep out of use. Look over cable and plug, dry them, measure insulation, replace the cable.",
    doc=(
        "Cable check or insulation resistance fails (CX011, CX022; OCPP 2.x: the component "
        "GroundIsolationProtection in trouble) twice within 24 h, with two vehicles or with none plugged in. Or "
        "it is measured (isolation_ohm_per_v of a device, Impedance of that component in OCPP 2.x) under "
        "100 ohm per volt (P1) or 500 (P3) for 5 min, with nothing plugged in or with two vehicles in turn: a "
        "vehicle's own insulation lies beside. Poor insulation that another station of the site shares is rain. "
        "Source: ChargeX INL/RPT-23-74378; IEC 61851-23 (insulation check before DC charging)."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=repeated.WAKES | {Wake.SAMPLE},
    fields=frozenset({_FIELD, _OHM}),
    calm=_calm,
    inhibited_by=("offline", "emergency_stop"),
)
