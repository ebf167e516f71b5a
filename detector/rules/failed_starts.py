"""Drivers come, plug in and identify, and nothing begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import comb
from typing import Any

import msgspec

from detector.attempts import Open, follow
from detector.attribution import attribute
from detector.rules import supply_resistance
from detector.rules.base import (
    Named,
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
)
from detector.vocabulary import OCPP, Lean, look_up
from laddvakt.domain.attempts import ChargeAttempt, Outcome
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_VISITS = 24
_MAX_NAMED = 6
_USUAL = 0.05
"""The share of first tries that fail at a good connector; only for whether the fault is the station's."""
_TOLD = frozenset(
    name
    for code in ("CX003", "CX004", "CX005", "CX006", "CX008", "CX015", "CX018", "CX019", "CX024", "CX026")
    for name in (code, *(said for said, known in OCPP.items() if code in known.mrec))
)
"""Reports that keep a vehicle from charging and are no failure of the start: heat, overcurrent, the supply, the
emergency stop, a live outlet, a cable that is off. They have a ticket of their own, which may be gone by the next
start. Checks before a start (cable, insulation, pilot, pre-charge, contactor) are not among them."""
_FAILED = frozenset({outcome.value for outcome in Outcome if outcome.failed})
_SAID = {
    Outcome.NO_START: "accepted, no session began",
    Outcome.NO_POWER: "session without energy",
    Outcome.ERROR: "error",
    Outcome.CHARGED: "charged",
    Outcome.CUT_SHORT: "charged briefly",
}


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NO_ATTEMPTS = "no_attempts"  # nobody tried lately
    STARTS = "starts"  # attempts succeed often enough
    ONE_DRIVER = "one_driver"  # all that failed are one driver's
    IN_A_ROW = "in_a_row"  # several drivers failed one after the other
    UNLIKELY = "unlikely"  # too many of the last attempts failed to be chance


class Visit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Attempts of one driver at a connector within half an hour, and the best that came of them. `first_failed`:
    whatever came later, the first attempt did not succeed."""

    at: datetime
    connector_id: int
    driver: str  # pseudonym; "" unknown
    outcome: str
    first_failed: bool = False
    code: str = ""

    @property
    def failed(self) -> bool:
        return self.outcome in _FAILED


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last visits to the station, oldest first, and the attempts that run, by connector. `held`: a finding is
    due about this connector; `others`: whether the station's others charged meanwhile, as seen then."""

    visits: tuple[Visit, ...] = ()
    opened: dict[int, Open] = {}
    held: int | None = None
    others: tuple[bool, ...] = ()

    @property
    def whole(self) -> bool:
        """Other connectors of the station fail likewise."""
        return False in self.others

    @property
    def about(self) -> tuple[Visit, ...]:
        """The visits that a finding is about."""
        return _at(self.visits, None if self.whole else self.held)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    memory = memory or Memory()
    visits, opened = memory.visits, dict[int, Open]()
    for connector in subject.view.connectors.values():
        runs, attempts = follow(
            memory.opened.get(connector.connector_id),
            subject.view,
            connector,
            tuple(one for one in subject.news.ended if one.connector_id == connector.connector_id),
            start_within_s=thresholds["start_within_s"],
            now=now,
        )
        if runs is not None and connector.connector_id:
            opened[connector.connector_id] = runs
        for attempt in attempts:
            visits = with_attempt(visits, attempt, thresholds)
    oldest = now - timedelta(hours=thresholds["window_h"])
    if visits and visits[0].at < oldest:
        visits = tuple(visit for visit in visits if visit.at >= oldest)
    memory, reason = _judge(msgspec.structs.replace(memory, visits=visits, opened=opened), thresholds)
    held = memory.held is not None
    return Verdict(
        standing=Standing.MET if held else Standing.NOT_MET,
        reason=reason,
        memory=memory if memory != Memory() else None,
        check_at=memory.visits[0].at + timedelta(hours=thresholds["window_h"], seconds=1) if held else None,
    )


def with_attempt(visits: tuple[Visit, ...], attempt: ChargeAttempt, thresholds: Thresholds) -> tuple[Visit, ...]:
    """One driver who tries again is one visit; only what tells of equipment or vehicle counts."""
    failed = attempt.outcome.failed
    if not (failed or attempt.outcome.started) or _hung(attempt, thresholds):
        return visits
    if failed and not _TOLD.isdisjoint(attempt.errors):
        return visits
    code = next(iter(attempt.errors), "")[:24]
    visit = Visit(attempt.ended_at, attempt.connector_id, attempt.driver, attempt.outcome.value, failed, code)
    last = next((one for one in reversed(visits) if one.connector_id == visit.connector_id), None)
    if last is None or not _again(last, attempt, thresholds):
        return (*visits[-(_MAX_VISITS - 1) :], visit)
    best = last if failed and not last.failed else visit
    visit = msgspec.structs.replace(best, driver=visit.driver or last.driver, first_failed=last.first_failed)
    return (*(one for one in visits if one is not last), visit)


def _hung(attempt: ChargeAttempt, thresholds: Thresholds) -> bool:
    """Whether the controller hung for so long that this start was told by itself (`stuck_preparing`)."""
    lasted = attempt.ended_at - attempt.started_at
    return attempt.outcome is Outcome.NO_START and lasted >= timedelta(seconds=thresholds["hung_s"])


def _again(last: Visit, attempt: ChargeAttempt, thresholds: Thresholds) -> bool:
    """Whether it is the same driver, who tries again. Who was not known is taken for whoever follows at once."""
    gap = attempt.started_at - last.at
    if last.driver == attempt.driver:
        return gap <= timedelta(minutes=thresholds["same_visit_min"])
    return "" in (last.driver, attempt.driver) and gap <= timedelta(minutes=thresholds["anonymous_min"])


def _judge(memory: Memory, thresholds: Thresholds) -> tuple[Memory, Reason]:
    visits = memory.visits
    if memory.held is not None and _recovered(memory.about, thresholds):
        kept = tuple(visit for visit in visits if not visit.first_failed)
        return Memory(visits=kept, opened=memory.opened), Reason.STARTS
    if not visits:
        return memory, Reason.NO_ATTEMPTS
    found = Reason.STARTS
    for number in (*dict.fromkeys(visit.connector_id for visit in visits), None):
        reason = _reason(_at(visits, number), thresholds)
        if memory.held is None and reason in (Reason.IN_A_ROW, Reason.UNLIKELY):
            worst = _worst(visits) if number is None else number
            return msgspec.structs.replace(memory, held=worst, others=_others(visits, worst)), reason
        found = reason if reason is not Reason.STARTS else found
    return memory, found if memory.held is None else Reason.UNLIKELY


def _at(visits: tuple[Visit, ...], connector_id: int | None) -> tuple[Visit, ...]:
    """Those at one connector; None: at all of the station."""
    return visits if connector_id is None else tuple(v for v in visits if v.connector_id == connector_id)


def _reason(visits: tuple[Visit, ...], thresholds: Thresholds) -> Reason:
    last_good = max((i for i, visit in enumerate(visits) if not visit.failed), default=-1)
    row = visits[last_good + 1 :]
    in_a_row = len(row) >= thresholds["in_a_row"]
    if in_a_row and _drivers(row) >= thresholds["drivers"]:
        return Reason.IN_A_ROW
    good = sum(not visit.first_failed for visit in visits)
    failed = _drivers([visit for visit in visits if visit.first_failed])
    if failed >= thresholds["drivers"] and p_below(thresholds["success"], good, failed) > thresholds["posterior"]:
        return Reason.UNLIKELY
    return Reason.ONE_DRIVER if in_a_row else Reason.STARTS


def _drivers(visits: Sequence[Visit]) -> int:
    """How many drivers are known to have been there. One that nobody knows may be one of those."""
    found = {visit.driver for visit in visits}
    return len(found - {""}) or len(found)


def _worst(visits: tuple[Visit, ...]) -> int:
    """The connector at which most visits began with a failure."""
    return Counter(visit.connector_id for visit in visits if visit.first_failed).most_common(1)[0][0]


def _others(visits: tuple[Visit, ...], connector_id: int) -> tuple[bool, ...]:
    """Whether the station's other connectors start since it began, if anybody tried: whether what failed there is
    likelier what fails anywhere now and then than what fails here."""
    own = _at(visits, connector_id)
    since = next(visit.at for visit in own if visit.first_failed)
    elsewhere = [v.first_failed for v in visits if v.connector_id != connector_id and v.at >= since]
    if not elsewhere:
        return ()
    here = [visit.first_failed for visit in own if visit.at >= since]
    share = (sum(here) + 1) / (len(here) + 2)
    failed, good = sum(elsewhere), len(elsewhere) - sum(elsewhere)
    return (_USUAL**failed * (1 - _USUAL) ** good > share**failed * (1 - share) ** good,)


def _recovered(own: tuple[Visit, ...], thresholds: Thresholds) -> bool:
    """So many visits in a row began well that those which fail as often as before would hardly do so by chance."""
    last = max((i for i, visit in enumerate(own) if visit.first_failed), default=None)
    if last is None:
        return True
    first = next(i for i, visit in enumerate(own) if visit.first_failed)
    bad, good = own[first : last + 1], len(own) - 1 - last
    share = (sum(visit.first_failed for visit in bad) + 1) / (len(bad) + 2)
    return bool(good >= thresholds["good"] and (1 - share) ** good <= thresholds["good_by_chance"])


def p_below(success: float, good: int, failed: int) -> float:
    """P(true share of good starts < `success`) after so many, with a prior of Beta(3, 1), which is what a station
    gets the benefit of the doubt by: the regularised incomplete beta function, here a binomial sum."""
    a, b = good + 3, failed + 1
    n = a + b - 1
    return sum(comb(n, j) * success**j * (1 - success) ** (n - j) for j in range(a, n + 1))


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    on = msgspec.structs.replace(subject, connector=subject.view.connectors[memory.held])
    visits = memory.about
    failed = [visit for visit in visits if visit.first_failed]
    code = next((code for code, _ in Counter(visit.code for visit in failed if visit.code).most_common(1)), "")
    known = look_up(code, (code,))[1] if code else None
    drivers = _drivers(failed)
    lean = known.lean if known is not None and known.lean is not Lean.LINK else None
    blame = attribute(on, [visit.driver for visit in failed], now, lean=lean, others_charge=memory.others)
    cause = f"{known.title}. {known.cause}" if known is not None else _cause(failed)
    share = p_below(thresholds["success"], len(visits) - len(failed), drivers)
    where = place(subject if memory.whole else on)
    return RULE.finding(
        subject if memory.whole else on,
        now,
        blame=blame,
        since=failed[0].at,
        probable_cause=cause,
        explanation=(
            f"{len(failed)} of the last {len(visits)} visits to {where} failed at first, of {drivers} drivers."
        ),
        suggested_action=known.remedy if known is not None else RULE.action,
        evidence=(
            Evidence(
                label=f"Chance that under {100 * thresholds['success']:.0f} % of first tries succeed",
                value=f"{100 * share:.0f} %",
                threshold=f"{100 * thresholds['posterior']:.0f} %",
            ),
            *(
                Evidence(label="Failed visit", value=_words(visit), threshold="charged", at=visit.at)
                for visit in failed[-_MAX_NAMED:]
            ),
        ),
        mrec=tuple(known.mrec) if known is not None else RULE.mrec,
    )


def _cause(failed: Sequence[Visit]) -> str:
    said = next((v.outcome for v in reversed(failed) if v.failed), Outcome.NO_POWER.value)
    return _CAUSES[Outcome(said)]


_CAUSES = {
    Outcome.NO_START: "The station accepts drivers and does not begin: pilot, lock or its controller.",
    Outcome.NO_POWER: "Sessions begin and no energy flows: contactor, pre-charge, or talk with the vehicle fails.",
    Outcome.ERROR: "Each start ends in an error.",
}


def _words(visit: Visit) -> str:
    said = _SAID[Outcome(visit.outcome)]
    said = said if visit.failed else f"{said}, not at the first try"
    return f"{said} {visit.code}" if visit.code else said


_ACCOUNT = frozenset(
    {
        *("emergency_stop", "isolation", "rcd_trip", "cut_cable", "phase_loss", "no_power", "lock"),
        *("pilot_proximity", "supply_resistance"),
    }
)
"""Faults that stand until vehicles charge again or nothing is left of them: what failed meanwhile was their doing.
A report or a hanging controller stands for minutes, and may come again: starts that fail between are news."""


def _forget(memory: Any, since: datetime | None, until: datetime) -> Memory | None:
    """Without the visits that failed at first while such a fault lasted, up to now, when it is over."""
    if not isinstance(memory, Memory) or since is None:
        return None
    kept = tuple(visit for visit in memory.visits if not (visit.first_failed and visit.at >= since))
    return memory if len(kept) == len(memory.visits) else Memory(visits=kept, opened=memory.opened)


def _explains(finding: Named, own: Named) -> bool:
    """A supply that sags under load explains starts that undervoltage ends, and no others."""
    return finding.fault != supply_resistance.RULE.code or own.mrec == finding.mrec


RULE = Rule(
    code="failed_starts",
    title="Starts fail",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P2,
    mrec=("CX011", "CX012"),
    thresholds=(
        Threshold(name="in_a_row", default=3, unit="visits", doc="failed one after the other"),
        Threshold(name="drivers", default=2, unit="drivers", doc="so many must be among those that failed"),
        Threshold(
            name="success", default=0.8, unit="share", doc="of drivers whose first try succeeds; less is a fault"
        ),
        Threshold(name="posterior", default=0.95, unit="probability", doc="how sure of that it must be"),
        Threshold(name="good", default=2, unit="visits", doc="in a row that charge at the first try clear"),
        Threshold(
            name="good_by_chance",
            default=0.05,
            unit="probability",
            doc="that so many in a row charge though as many fail as before, at most",
        ),
        Threshold(
            name="same_visit_min", default=30, unit="min", doc="tries of one driver within it are one visit"
        ),
        Threshold(
            name="anonymous_min", default=2, unit="min", doc="the same where one of the tries shows no driver"
        ),
        Threshold(
            name="start_within_s",
            default=120,
            unit="s",
            doc="how long a start may take once plugged in and accepted",
        ),
        Threshold(
            name="hung_s",
            default=1000,
            unit="s",
            doc="a start that a plug waits for longer is told by stuck_preparing, and not counted",
        ),
        Threshold(name="window_h", default=168, unit="h", doc="how long a visit counts"),
    ),
    clears="Two visits in a row charge at the first try, or more where fewer failed before; or none that failed "
    "remains within the window.",
    action="Try a start with a known good vehicle; read the diagnostics log; reset when idle.",
    doc=(
        "At a connector, or at the station as a whole: three visits in a row fail, of two drivers or vehicles; or "
        "of the last 24 visits so many fail at the first try that the share of good first tries is under 0.8 with "
        "a probability over 0.95. With g good first tries and f drivers whose first try failed, each counted "
        "once, that probability is the distribution function of Beta(3 + g, 1 + f) at 0.8 (conjugate prior of a "
        "binomial share; the prior Beta(3, 1) gives a station the benefit of the doubt): three of four, five of "
        "eleven, eight of 22. First tries, because drivers try again: where one start in three fails, nearly all "
        "charge in the end. A visit is what one driver tries within 30 minutes (within two, where a try shows no "
        "driver), and the best that came of it. Failed is: accepted and plugged in, but no session within 120 s; "
        "a session in which nothing flowed, or that the station itself ended before; an error code. Not counted: "
        "a token that was refused, a driver who left within a minute, a vehicle that was full or paused, a limit "
        "under 6 A, a reset, a start that ends in a report of heat, overcurrent, the supply, an emergency stop, a "
        "live outlet or a cut cable, which has its own ticket; nor, once it is over, what failed while a lost "
        "phase, the lock, the pilot or the like kept vehicles from charging. One driver who tries again and again "
        "is one driver. Where the station's other "
        "connectors fail likewise, it is the station's one ticket."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.EVENT, Wake.TOKEN, Wake.STARTED, Wake.ENDED, Wake.COMMAND}),
    inhibited_by=("offline", "emergency_stop", "reported_fault", "cut_cable"),
    absorbed_by=(
        *("phase_loss", "no_power", "stuck_preparing", "lock", "pilot_proximity", "isolation", "rcd_trip"),
        "supply_resistance",
    ),
    explained=_explains,
    spent_by=lambda fault: fault in _ACCOUNT,
    forget=_forget,
)
