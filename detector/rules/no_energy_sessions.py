"""Sessions run, and the vehicles take nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import comb
from typing import Any

import msgspec

from detector.attempts import of_session
from detector.attribution import attribute
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.view import ConnectorView, SessionEnded
from laddvakt.domain.attempts import FULL_SOC_PCT, Outcome
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_TRIES = 24
_MAX_NAMED = 6


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_SESSIONS = "no_sessions"  # none lately that tells
    CHARGES = "charges"  # empty sessions are no more than usual
    ONE_VEHICLE = "one_vehicle"  # all that took nothing are one vehicle's
    NONE_DECLINED = "none_declined"  # no vehicle suspended: the starts fail, which other rules name
    PATIENT = "patient"  # all that suspended stood there for long, and nobody minded: too few of those
    THEY_WAIT = "they_wait"  # others here declined at first as well and charged later: they wait for their hour
    EMPTY = "empty"  # several vehicles took nothing


class Try(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came of one vehicle's stay at a connector. `declined`: the vehicle itself suspended charging. `waited`:
    it did so for long at first, and then charged. `patient`: it declined for long, and its driver let it."""

    at: datetime
    connector_id: int
    vehicle: str
    empty: bool
    declined: bool = False
    waited: bool = False
    patient: bool = False


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last stays at the station, oldest first. `held`: a finding is due, about these connectors."""

    tries: tuple[Try, ...] = ()
    held: tuple[int, ...] = ()


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    tries, held = memory.tries, memory.held
    for session in subject.news.ended:
        tries = _with(tries, session, subject.view.connectors.get(session.connector_id), thresholds)
    window = timedelta(hours=thresholds["window_h"])
    oldest = now - window
    if not held:  # what a finding rests on is kept with it, lest its blame move as old stays are forgotten
        tries = tuple(one for one in tries if one.at >= oldest)
    tries, held = _still(tries, held, oldest, thresholds)
    held, reason = _judge(tries, held, thresholds)
    last = _last_empty(tries, held)
    return Verdict(
        standing=Standing.MET if held else Standing.NOT_MET,
        reason=reason,
        memory=Memory(tries=tries, held=held) if tries else None,
        check_at=last + window + timedelta(seconds=1) if last is not None else None,
    )


def _with(
    tries: tuple[Try, ...], session: SessionEnded, connector: ConnectorView | None, thresholds: Thresholds
) -> tuple[Try, ...]:
    """One vehicle that comes again within half an hour is one stay, and its first try counts: whom the station
    refused mostly charges in the end."""
    empty = _empty(session, connector, thresholds)
    if empty is None:
        return tries
    suspended = bool(session.suspended_by)
    waited = not empty and suspended and _first_s(session) >= thresholds["waits_s"]
    declined = empty and suspended
    patient = declined and session.duration_s >= thresholds["patient_s"]
    stay = Try(session.ended_at, session.connector_id, session.vehicle, empty, declined, waited, patient)
    last = next((one for one in reversed(tries) if one.connector_id == stay.connector_id), None)
    same_stay = timedelta(minutes=thresholds["same_stay_min"])
    if last is None or last.vehicle != stay.vehicle or session.started_at - last.at > same_stay:
        return (*tries[-(_MAX_TRIES - 1) :], stay)
    stay = msgspec.structs.replace(
        stay,
        empty=last.empty,
        declined=last.empty and (last.declined or stay.declined),
        waited=last.waited or stay.waited,
        patient=last.patient and (stay.patient or not stay.declined),
    )
    return (*(one for one in tries if one is not last), stay)


def _first_s(session: SessionEnded) -> float:
    """How long it took until power flowed."""
    flow = session.first_flow_at
    return (flow - session.started_at).total_seconds() if flow is not None else 0.0


def _empty(session: SessionEnded, connector: ConnectorView | None, thresholds: Thresholds) -> bool | None:
    """Whether the vehicle took nothing; None where that tells nothing of the equipment."""
    attempt = of_session(session)
    if attempt is None:
        return None
    if attempt.outcome is Outcome.CHARGED:
        return False
    if session.limited or session.suspended_by == "EVSE" or (session.soc_last_pct or 0.0) >= FULL_SOC_PCT:
        return None
    if attempt.outcome not in (Outcome.NO_POWER, Outcome.HELD_OFF) or session.first_flow_at is not None:
        return None
    power = connector.power if connector is not None else None
    seen = power is not None and power.basis != "register"
    return True if session.duration_s >= thresholds["over_s" if seen else "register_over_s"] else None


def _still(
    tries: tuple[Try, ...], held: tuple[int, ...], oldest: datetime, thresholds: Thresholds
) -> tuple[tuple[Try, ...], tuple[int, ...]]:
    """The stays that count, and the connectors that a finding is still about. It is over where vehicles charge at
    all of them, or where none that took nothing came since `oldest`; one of them is out of it that charges while
    vehicles take nothing at another. What was before that is no evidence any more."""
    last = _last_empty(tries, held)
    if held and (last is None or last < oldest or _recovered(tries, held, thresholds)):
        kept = tuple(one for one in tries if one.at >= oldest and not _before(one, held, last))
        return kept, ()
    for connector_id in held:
        own = _last_empty(tries, (connector_id,))
        others = _last_empty(tries, tuple(one for one in held if one != connector_id))
        good = [one.at for one in tries if one.connector_id == connector_id and (own is None or one.at > own)]
        if others is not None and len(good) >= thresholds["good"] and others >= good[-int(thresholds["good"])]:
            tries = tuple(one for one in tries if not _before(one, (connector_id,), own))
            held = tuple(one for one in held if one != connector_id)
    return tries, held


def _before(one: Try, held: tuple[int, ...], last: datetime | None) -> bool:
    """Whether a stay is part of a time that is over at these connectors."""
    return one.connector_id in held and last is not None and one.at <= last


def _last_empty(tries: Sequence[Try], held: tuple[int, ...]) -> datetime | None:
    return next((one.at for one in reversed(tries) if one.empty and one.connector_id in held), None)


def _recovered(tries: Sequence[Try], held: tuple[int, ...], thresholds: Thresholds) -> bool:
    """So many vehicles in a row charged at these connectors, the last one at each, that where as many are refused
    as before it would hardly be chance."""
    own = [one for one in tries if one.connector_id in held]
    first, last = (next(i for i in order if own[i].empty) for order in (range(len(own)), range(len(own))[::-1]))
    good = len(own) - 1 - last
    newest = {one.connector_id: one for one in own}
    if good < thresholds["good"] or any(one.empty for one in newest.values()):
        return False
    refused = sum(one.empty for one in own)
    share = (refused + 1) / (last - first + 3)
    return bool((1 - share) ** good <= thresholds["good_by_chance"])


def _judge(
    tries: tuple[Try, ...], held: tuple[int, ...], thresholds: Thresholds
) -> tuple[tuple[int, ...], Reason]:
    """The connectors that are at fault, and why."""
    if not tries:
        return (), Reason.NO_SESSIONS
    reason, found = Reason.CHARGES, set(held)
    for own in (*(own for _, own in _by_connector(tries)), list(tries)):  # each connector, and the whole station
        for run in _runs(own, thresholds):
            reason = _reason(run, tries, thresholds)
            if reason is Reason.EMPTY:
                found |= {one.connector_id for one in run if one.empty}
                break
    return tuple(sorted(found)), Reason.EMPTY if found else reason


def _reason(run: list[Try], tries: tuple[Try, ...], thresholds: Thresholds) -> Reason:
    """What a stretch that is no chance tells, of all stays at the station lately."""
    if len({one.vehicle for one in run if one.empty}) < thresholds["vehicles"]:
        return Reason.ONE_VEHICLE
    if not any(one.declined for one in run):
        return Reason.NONE_DECLINED
    if all(one.patient for one in run if one.declined) and not _beyond_patience(run, thresholds):
        return Reason.PATIENT
    waits = sum(one.waited for one in tries)
    return Reason.THEY_WAIT if waits * thresholds["excused"] >= sum(one.empty for one in run) else Reason.EMPTY


def _beyond_patience(run: list[Try], thresholds: Thresholds) -> bool:
    """So many vehicles without one that charged do not all wait for their hour: it is the station."""
    return all(one.empty for one in run) and len({one.vehicle for one in run}) >= thresholds["patient"]


def _by_connector(tries: Sequence[Try]) -> Iterator[tuple[int, list[Try]]]:
    for connector_id in sorted({one.connector_id for one in tries}):
        yield connector_id, [one for one in tries if one.connector_id == connector_id]


def _runs(own: list[Try], thresholds: Thresholds) -> Iterator[list[Try]]:
    """Stretches up to now in which too many took nothing to be chance."""
    for first, one in enumerate(own):
        if not one.empty:
            continue
        run = own[first:]
        empty = sum(stay.empty for stay in run)
        if empty < thresholds["sessions"]:
            return
        if at_least(empty, len(run), thresholds["usual"]) <= thresholds["chance"]:
            yield run


def at_least(k: int, n: int, share: float) -> float:
    """Binomial P(X >= k) of n."""
    return sum(comb(n, j) * share**j * (1 - share) ** (n - j) for j in range(k, n + 1))


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    by_connector = dict(_by_connector(memory.tries))
    worst = max(memory.held, key=lambda connector_id: sum(one.empty for one in by_connector.get(connector_id, ())))
    own = by_connector[worst]
    empty = [one for one in own if one.empty]
    since = empty[0].at
    on = msgspec.structs.replace(subject, connector=subject.view.connectors[worst])
    blame = attribute(on, [one.vehicle for one in empty], now, others_charge=_others(memory, worst, thresholds))
    vehicles = len({one.vehicle for one in empty})
    counted = [one for one in own if one.at >= since]
    return RULE.finding(
        on,
        now,
        blame=blame,
        since=since,
        probable_cause="The vehicles do not take the station's offer: pilot signal, proximity or earth contact.",
        explanation=(
            f"{len(empty)} of the last {len(counted)} vehicles at {place(on)} took nothing at first, "
            f"{vehicles} different ones, though they were offered at least 6 A."
        ),
        evidence=(
            Evidence(
                label="Chance of that many",
                value=f"{at_least(len(empty), len(counted), thresholds['usual']):.1g}",
                threshold=f"{thresholds['chance']:g}",
                peers=f"usual are {100 * thresholds['usual']:.0f} %",
            ),
            *(
                Evidence(label="Session without energy", value="under 0.1 kWh", threshold="0.1 kWh", at=one.at)
                for one in empty[-_MAX_NAMED:]
            ),
        ),
    )


def _others(memory: Memory, worst: int, thresholds: Thresholds) -> tuple[bool, ...]:
    """Whether the station's other connectors charge since it began, if anybody came: whether what took nothing
    there is likelier what is usual anywhere than what happens here."""
    since = next(one.at for one in memory.tries if one.empty and one.connector_id in memory.held)
    lately = [one for one in memory.tries if one.at >= since]
    here = [one.empty for one in lately if one.connector_id == worst]
    elsewhere = [one.empty for one in lately if one.connector_id != worst]
    if not elsewhere:
        return ()
    share, usual = (sum(here) + 1) / (len(here) + 2), thresholds["usual"]
    empty, good = sum(elsewhere), len(elsewhere) - sum(elsewhere)
    return (usual**empty * (1 - usual) ** good > share**empty * (1 - share) ** good,)


RULE = Rule(
    code="no_energy_sessions",
    title="Sessions without energy",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=(
        Threshold(name="sessions", default=3, unit="sessions", doc="at a connector or the station"),
        Threshold(name="vehicles", default=2, unit="vehicles", doc="so many must be among them"),
        Threshold(name="over_s", default=120, unit="s", doc="a shorter session does not count"),
        Threshold(
            name="register_over_s",
            default=1200,
            unit="s",
            doc="the same where only the energy register tells; it may count in whole kilowatt-hours",
        ),
        Threshold(name="usual", default=0.05, unit="share", doc="of sessions that take nothing at a good station"),
        Threshold(name="chance", default=0.002, unit="probability", doc="of so many among so few, at most"),
        Threshold(name="good", default=5, unit="sessions", doc="good ones in a row that clear"),
        Threshold(
            name="good_by_chance",
            default=0.05,
            unit="probability",
            doc="that so many in a row charge though as many are refused as before, at most",
        ),
        Threshold(
            name="same_stay_min", default=30, unit="min", doc="sessions of one vehicle within it are one stay"
        ),
        Threshold(name="waits_s", default=900, unit="s", doc="until power flows: so long a vehicle waited for it"),
        Threshold(
            name="excused", default=4, unit="vehicles", doc="that took nothing, for each that waited and then did"
        ),
        Threshold(
            name="patient_s",
            default=1500,
            unit="s",
            doc="a vehicle that stood suspended so long may have waited for its hour",
        ),
        Threshold(
            name="patient", default=8, unit="vehicles", doc="of these alone must be so many, and none that charged"
        ),
        Threshold(name="window_h", default=168, unit="h", doc="how long a session counts"),
    ),
    clears="Five vehicles in a row charge at the first try, or more where fewer were refused before, the last one "
    "at each connector that it is about; or none that took nothing came within the window.",
    action="Measure the pilot signal under load with a test adapter; check its proximity and earth.",
    doc=(
        "Three vehicles' sessions over two minutes take under 0.1 kWh, of two vehicles, at a connector or at the "
        "station as a whole, and with a probability under 0.002 (binomial, at a usual share of 5 %) that is no "
        "chance: three in a row, three of five, four of ten. SuspendedEV counts, because a vehicle that dislikes "
        "the pilot signal says just that; so one vehicle is no evidence. Not counted: a full battery (state of "
        "charge of 95 % or more, or power that flowed first and then ceased), a limit under 6 A, a pause by the "
        "station, a token that was refused, an error, a reset. A vehicle that comes again within 30 minutes is "
        "one stay, of which the first try counts: whom the station refuses tries again. Vehicles that "
        "suspended at first and charged a quarter of an hour later or more, in one session, wait for cheap "
        "power or their departure: each excuses four that left before. Those that stood suspended for 25 minutes "
        "or more may have waited likewise: where no driver left sooner, eight different ones in a row must have "
        "taken nothing. Where no vehicle suspended, the starts fail, which other rules name."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.ENDED}),
    inhibited_by=("offline", "emergency_stop", "reported_fault"),
    absorbed_by=("no_power", "failed_starts"),
    spent_by=lambda fault: fault in ("no_power", "failed_starts"),  # nothing was offered meanwhile
)
