"""The lock of plug or socket does not close or open."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from detector.episodes import Episode, Reason, Repeats, one_more, vehicle_at, with_news, within
from detector.rules import repeated
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.vocabulary import Lean
from laddvakt.domain.commands import words_of
from laddvakt.domain.facts import CommandAnswered, CommandSent
from laddvakt.domain.stations import EVSE_STEP
from laddvakt.domain.tickets import Finding, Severity

_CODES = frozenset({"ConnectorLockFailure", "CX001", "CX025"})
_UNLOCK, _FAILED = "UnlockConnector", "UnlockFailed"
_MAX_ASKED = 4
_CAUSE = "The lock does not reach its end: a worn actuator, dirt, a broken latch, or a plug under tension."


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """Failures, and commands to unlock this connector that are not answered yet."""

    repeats: Repeats = Repeats()
    asked: tuple[str, ...] = ()


_NONE = Verdict(standing=Standing.NOT_MET, reason=Reason.NONE)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    if not subject.connector_id:
        return _NONE
    if memory is None and _quiet(subject):
        return _NONE
    memory = memory or Memory()
    window_s = thresholds["window_h"] * 3600
    before = memory.repeats
    repeats = with_news(before, subject, _CODES, window_s, now)
    asked, failed = _unlocking(memory.asked, subject)
    if failed:
        repeats = one_more(repeats, Episode(now, vehicle_at(subject, now), _FAILED))
    repeats = _occasions(before, repeats, timedelta(minutes=thresholds["same_visit_min"]))
    if len(repeats.episodes) < thresholds["times"]:
        # Good sessions between two failures acquit nothing: a worn lock fails now and then.
        verdict = _few(within(repeats, window_s, now))
    else:
        verdict = repeated.verdict(repeats, thresholds)
    kept = Memory(repeats=verdict.memory or Repeats(), asked=asked)
    return msgspec.structs.replace(verdict, memory=kept if kept != Memory() else None)


def _quiet(subject: Subject) -> bool:
    """Whether no code stands and nobody unlocks: it is asked with every change of a status."""
    connector = subject.connector
    if connector is None or connector.mrec or connector.problems or connector.error_code not in ("", "NoError"):
        return False
    return not any(isinstance(fact, CommandSent) for fact in subject.news.facts)


def _few(repeats: Repeats) -> Verdict:
    reason = Reason.FEW if repeats.episodes else Reason.NONE
    return Verdict(standing=Standing.NOT_MET, reason=reason, memory=repeats)


def _unlocking(asked: tuple[str, ...], subject: Subject) -> tuple[tuple[str, ...], bool]:
    """Commands to unlock that wait, and whether one was answered with UnlockFailed (OCPP 1.6 section 7.46, 2.0.1
    part 2 section 3.91)."""
    failed = False
    for fact in subject.news.facts:
        if isinstance(fact, CommandSent) and fact.action == _UNLOCK:
            if _connector_of(fact.request) == subject.connector_id:
                asked = (*asked[-(_MAX_ASKED - 1) :], fact.command_id)
        elif isinstance(fact, CommandAnswered) and fact.command_id in asked:
            asked = tuple(one for one in asked if one != fact.command_id)
            failed = failed or _FAILED in words_of(_read(fact.said))
    return asked, failed


def _connector_of(request: str) -> int:
    """The connector that a command to unlock names."""
    payload = _read(request)
    evse, connector = payload.get("evseId"), payload.get("connectorId")
    if not isinstance(evse, int):
        return connector if isinstance(connector, int) else 0
    return EVSE_STEP * evse + connector if isinstance(connector, int) and connector > 1 else evse


def _read(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}  # cut because it was long, or a CALLERROR in words


def _occasions(before: Repeats, repeats: Repeats, same_visit: timedelta) -> Repeats:
    """One driver who tries again and again is one occasion, and so is the attempt to free the plug by command: a
    plug under tension."""
    if repeats.episodes == before.episodes or len(repeats.episodes) < 2:
        return repeats
    earlier, latest = repeats.episodes[-2:]
    another = earlier.vehicle != latest.vehicle and latest.what != _FAILED
    if another or latest.at - earlier.at > same_visit:
        return repeats
    return Repeats(episodes=repeats.episodes[:-1], lasts=repeats.lasts, good=before.good)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    return repeated.describe(RULE, subject, memory.repeats, thresholds, now, lean=Lean.CABLE, cause=_CAUSE)


RULE = Rule(
    code="lock",
    title="Plug lock fails",
    scope=Scope.CONNECTOR,
    asset="cable",
    severity=Severity.P2,
    mrec=("CX001", "CX025"),
    thresholds=(
        *repeated.thresholds(times=2, vehicles=1),
        Threshold(
            name="same_visit_min",
            default=30,
            unit="min",
            doc="failures of one driver within it, or to free the plug by command, are one occasion",
        ),
    ),
    clears=repeated.CLEARS,
    action="Relieve and reseat the plug, clean the inlet, work the lock by UnlockConnector; replace the actuator.",
    doc=(
        "ConnectorLockFailure, CX001 or CX025 (OCPP 2.x: the component ConnectorPlugRetentionLock or "
        "EVRetentionLock in trouble), or UnlockFailed in answer to UnlockConnector, on two occasions within 24 h. "
        "Once may be a plug under tension: what one driver tries within 30 minutes is one occasion. Sessions that "
        "go well between two failures acquit nothing; once it stands, two of them clear it."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=repeated.WAKES | {Wake.COMMAND},
    inhibited_by=("offline", "emergency_stop"),
)
