"""A station is hot inside and gives less power for it."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.limits import is_dc, limited_outside
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.temperatures import BODY, body_of
from detector.view import ConnectorView, Sample, SessionEnded, SessionView
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_SMOOTH_S = 120.0
_LEAST_W = 1000.0
_RAMP = timedelta(seconds=120)
_GOOD_WH = 2000.0
_MAX_CASES = 6
_HOT_CODE = "CX003"
_PLUG_CODES = {"CX018", "CX019"}


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_CHARGING = "not_charging"  # no session, a pause, or next to nothing flows
    TAPER = "taper"  # a state of charge at which vehicles take less by themselves
    LIMITED = "limited"  # somebody limits the station
    FULL_POWER = "full_power"  # as much as before
    NOT_HOT = "not_hot"  # less, and the station is not hot, or does not say how hot it is
    WAITING = "waiting"  # less and hot, not yet long enough
    ONE_VEHICLE = "one_vehicle"  # it may take less by itself
    DERATES = "derates"  # less and hot


class Case(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session in which it happened. `proven`: not the vehicle's doing; `said`: by the station's own word."""

    at: datetime
    vehicle: str
    watts: float
    before_w: float
    body_c: float
    proven: bool
    said: bool = False


class Run(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """This session: power, smoothed, at `at`; the best so far, what was offered then (amperes), what profiles
    allow (-1: not said); since when it is less and hot."""

    transaction: str = ""
    begun: datetime | None = None  # or the limit changed
    at: datetime | None = None
    watts: float = 0.0
    best_w: float = 0.0
    offered_a: float = -1.0
    allowed: float = -1.0
    low_since: datetime | None = None
    told: bool = False


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sessions in which it happened, oldest first, good ones since, and whether the connector was down for it."""

    run: Run = Run()
    cases: tuple[Case, ...] = ()
    good: int = 0
    stopped: bool = False


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    connector = subject.connector
    if connector is None or not connector.connector_id:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NOT_CHARGING)
    for ended in subject.news.ended:
        memory = _ended(memory, ended, thresholds)
    session = connector.session
    reason = Reason.NOT_CHARGING
    if session is not None:
        for sample in subject.news.samples:
            memory, reason = _sample(memory, sample, subject, connector, session, thresholds)
    if (
        memory.cases
        and connector.status is ConnectorState.FAULTED
        and _said_hot(subject, connector, thresholds, now)
    ):
        memory = msgspec.structs.replace(memory, stopped=True, good=0)
    if memory.cases and memory.cases[-1].at < now - timedelta(hours=thresholds["window_h"]):
        memory = msgspec.structs.replace(memory, cases=())
    return _verdict(memory, reason, thresholds)


def _verdict(memory: Memory, reason: Reason, thresholds: Thresholds) -> Verdict:
    cases = memory.cases
    if not cases:
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory if memory != Memory() else None)
    check_at = cases[-1].at + timedelta(hours=thresholds["window_h"], seconds=1)
    several = len({case.vehicle for case in cases}) >= thresholds["vehicles"]
    if several or any(case.proven for case in cases):
        variant = "stopped" if memory.stopped else ""
        return Verdict(
            standing=Standing.MET, reason=Reason.DERATES, variant=variant, check_at=check_at, memory=memory
        )
    return Verdict(standing=Standing.NOT_MET, reason=Reason.ONE_VEHICLE, check_at=check_at, memory=memory)


def _said_hot(subject: Subject, connector: ConnectorView, thresholds: Thresholds, now: datetime) -> bool:
    """The station itself reports, as news, that its inside is too hot, and no measured temperature contradicts it:
    a cool cabinet's report says something else, whatever made the station say so."""
    if not subject.view.status_is_news(connector) and not connector.problems:
        return False
    if _HOT_CODE not in connector.codes or not _PLUG_CODES.isdisjoint(connector.codes):
        return False
    body_c = body_of(subject, now)
    return body_c is None or body_c >= thresholds["cool_c"]


def _sample(
    memory: Memory,
    sample: Sample,
    subject: Subject,
    connector: ConnectorView,
    session: SessionView,
    thresholds: Thresholds,
) -> tuple[Memory, Reason]:
    power = sample.power
    if power is None or power.basis == "register" or sample.source != "ocpp" or not sample.transaction:
        return memory, Reason.NOT_CHARGING
    run = memory.run
    if run.transaction != sample.transaction:
        run = Run(sample.transaction, session.started_at)
    if limited_outside(subject):
        return _with(memory, Run(sample.transaction, sample.at)), Reason.LIMITED
    allowed = _allowed(subject, connector, session, sample.at)
    if allowed != run.allowed:
        run = Run(sample.transaction, sample.at, allowed=allowed)  # what was before is no measure any more
    begun = run.begun is None or sample.at >= run.begun + _RAMP
    if connector.status is not ConnectorState.CHARGING or not begun or power.watts < _LEAST_W:
        return _with(memory, run, low_since=None), Reason.NOT_CHARGING
    if not _comparable(subject, connector, session, thresholds):
        return _with(memory, run, low_since=None), Reason.TAPER
    watts = _smoothed(run, sample.at, power.watts)
    offered_a = sample.values.get("current_offered_a", -1.0)
    if watts >= run.best_w:
        offered_a = max(offered_a, run.offered_a)
        memory = _with(memory, run, at=sample.at, watts=watts, best_w=watts, offered_a=offered_a, low_since=None)
        return memory, Reason.FULL_POWER
    run = msgspec.structs.replace(run, at=sample.at, watts=watts)
    if watts >= thresholds["share"] * run.best_w:
        return _with(memory, run, low_since=None), Reason.FULL_POWER
    return _low(memory, run, sample, offered_a, subject, connector, session, thresholds)


def _low(
    memory: Memory,
    run: Run,
    sample: Sample,
    offered_a: float,
    subject: Subject,
    connector: ConnectorView,
    session: SessionView,
    thresholds: Thresholds,
) -> tuple[Memory, Reason]:
    """Less than before: is it hot, and for how long?"""
    body_c, said = body_of(subject, sample.at), _said_hot(subject, connector, thresholds, sample.at)
    if not said and (body_c is None or body_c < thresholds["hot_c"]):
        return _with(memory, run, low_since=None), Reason.NOT_HOT
    low_since = run.low_since or sample.at
    memory = _with(memory, run, low_since=low_since)
    if sample.at - low_since < timedelta(seconds=thresholds["for_s"]):
        return memory, Reason.WAITING
    if run.told:
        return memory, Reason.DERATES
    offers_less = 0 <= offered_a < thresholds["share"] * run.offered_a
    celsius = math.nan if body_c is None else body_c
    case = Case(sample.at, session.vehicle_key, run.watts, run.best_w, celsius, offers_less or said, said)
    cases = (*memory.cases[-(_MAX_CASES - 1) :], case)
    memory = msgspec.structs.replace(memory, cases=cases, good=0)
    return _with(memory, memory.run, told=True), Reason.DERATES


def _with(memory: Memory, run: Run, **changes: Any) -> Memory:
    run = msgspec.structs.replace(run, **changes) if changes else run
    return msgspec.structs.replace(memory, run=run)


def _comparable(subject: Subject, connector: ConnectorView, session: SessionView, thresholds: Thresholds) -> bool:
    """DC: only where no vehicle tapers yet, and none is empty."""
    if not is_dc(subject):
        return True
    soc = connector.value("soc_pct", not_before=session.started_at)
    return soc is not None and thresholds["soc_from_pct"] <= soc <= thresholds["soc_to_pct"]


def _allowed(subject: Subject, connector: ConnectorView, session: SessionView, now: datetime) -> float:
    """The lowest charging profile in force, whatever its unit; -1: none."""
    profiles = subject.view.profiles
    if not profiles.accepted:
        return -1.0
    held = profiles.limits(connector.connector_id, session.transaction_id, session.started_at, now)
    return min((value for value, _ in held), default=-1.0)


def _smoothed(run: Run, at: datetime, watts: float) -> float:
    if run.at is None:
        return watts
    passed_s = max((at - run.at).total_seconds(), 0.0)
    return watts + (run.watts - watts) * math.exp(-passed_s / _SMOOTH_S)


def _ended(memory: Memory, session: SessionEnded, thresholds: Thresholds) -> Memory:
    """Good is a session that charged enough to get hot, and did not derate."""
    fine = not memory.run.told and session.energy_wh >= _GOOD_WH and not session.errors
    good = memory.good + 1 if memory.cases and fine else memory.good
    if good >= thresholds["good_sessions"]:
        return Memory()
    return msgspec.structs.replace(memory, run=Run(), good=good)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    cases: tuple[Case, ...] = memory.cases
    last = cases[-1]
    how_hot = f" at {last.body_c:.0f} °C inside" if not math.isnan(last.body_c) else ""
    whose = ", and says itself that it is too hot" if last.said else ", and offers no more" if last.proven else ""
    return RULE.finding(
        subject,
        now,
        severity=Severity.P2 if memory.stopped else RULE.severity,
        since=cases[0].at,
        probable_cause="Blocked filter or vents, a dead fan, full sun, or a loose power terminal.",
        explanation=(
            f"{place(subject)} gives {last.watts / 1000:.1f} kW of {last.before_w / 1000:.1f} kW{how_hot}{whose}."
        ),
        evidence=tuple(
            item for number, case in enumerate(cases, start=1) for item in _words(number, case, thresholds)
        ),
        confidence=0.95 if last.proven else 0.85,
    )


def _words(number: int, case: Case, thresholds: Thresholds) -> list[Evidence]:
    found = [
        Evidence(
            label=f"Power, session {number}",
            value=f"{case.watts / 1000:.1f} kW",
            threshold=f"{thresholds['share'] * case.before_w / 1000:.1f} kW",
            at=case.at,
        )
    ]
    if not math.isnan(case.body_c):
        found.append(
            Evidence(
                label="Inside the station",
                value=f"{case.body_c:.0f} °C",
                threshold=f"{thresholds['hot_c']:.0f} °C",
                at=case.at,
            )
        )
    if case.said:
        found.append(Evidence(label="Reported", value=_HOT_CODE, at=case.at))
    return found


RULE = Rule(
    code="thermal_derate",
    title="Hot station gives less power",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=("CX003",),
    thresholds=(
        Threshold(
            name="share", default=0.7, unit="share", doc="of the session's best power (or offer): less counts"
        ),
        Threshold(name="hot_c", default=50, unit="°C", doc="inside the station"),
        Threshold(name="cool_c", default=30, unit="°C", doc="inside: under it, no report of heat is believed"),
        Threshold(name="for_s", default=600, unit="s", doc="how long it must be hot and give less"),
        Threshold(
            name="vehicles", default=2, unit="vehicles", doc="where the station does not offer less, either"
        ),
        Threshold(name="soc_from_pct", default=10, unit="%", doc="DC: state of charge from which is compared"),
        Threshold(name="soc_to_pct", default=45, unit="%", doc="DC: state of charge up to which is compared"),
        Threshold(name="good_sessions", default=3, unit="sessions", doc="good sessions after which it is cleared"),
        Threshold(name="window_h", default=168, unit="h", doc="how long a session counts"),
    ),
    clears="Three sessions of 2 kWh or more at full power, or none that derated within the window.",
    action="Check fans and filters, clean vents, tighten power terminals to torque, give shade.",
    doc=(
        "Within a session, power (smoothed over two minutes) falls under 70 % of the best before and stays there"
        " for 10 minutes, while the station is at 50 °C or more inside, or says itself that it is too hot (CX003) "
        "and is not measured to be cool; for two vehicles, or one where the station says so, or also offers that "
        "much less (Current.Offered). The word alone, at full power or without any, is a `reported_fault`. "
        "Not for a taper or a cold battery (DC counts between 10 and 45 % state of charge only, and against the "
        "same session), a pause, a charging profile or a limit from outside. Inside is OCPP 1.6 Temperature at "
        "Body, an OCPP 2.x event, or a device's `cabinet_temperature_c`. Source: ChargeX INL/RPT-23-74378."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED, Wake.STATUS, Wake.EVENT}),
    fields=frozenset({"power_w", "power_l1_w", "current_a", "current_l1_a", *BODY}),
    charging=True,
    slow=True,
    inhibited_by=("offline", "plug_overheat"),
)
