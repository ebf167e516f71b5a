"""The vehicle is gone, and the connector takes nobody else: it stays Finishing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.attempts import used
from detector.rules.base import (
    News,
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
from detector.view import ConnectorView, Shown, StationView
from laddvakt.domain.facts import TransactionReported
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity

_RECHECK = timedelta(minutes=30)
_STARTS_WITHIN = timedelta(minutes=3)  # of its card, a session begins
_MAX_IN_VAIN = 4
_BLIP = timedelta(minutes=2)  # without a word: too short for one vehicle to leave and another to come
_TAKES = frozenset({ConnectorState.AVAILABLE, ConnectorState.PREPARING})  # a card may be for it
_OCCUPIED = frozenset(
    {
        ConnectorState.FINISHING,
        ConnectorState.PREPARING,  # OCPP 2.x: Occupied without a transaction
        ConnectorState.CHARGING,  # OCPP 2.x: what its transaction said last
        ConnectorState.SUSPENDED_EV,
        ConnectorState.SUSPENDED_EVSE,
    }
)


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    FREE = "free"  # free, or a session runs
    NOT_KNOWN = "not_known"  # nothing was said since the link was lost
    PARKED = "parked"  # for all we know the vehicle still stands there
    LEFT = "left"  # it left a moment ago
    STUCK = "stuck"  # it left long ago


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session that ended, while the connector is still occupied; since when its vehicle is gone, and how that
    is known."""

    ended_at: datetime | None = None
    vehicle: str = ""
    gone_at: datetime | None = None
    how: str = ""
    card: Shown | None = None  # that was read last, while it is not known what came of it
    card_at: datetime | None = None
    in_vain: tuple[Shown, ...] = ()  # cards of others that nothing came of
    unheard_at: datetime | None = None  # since when nothing is heard of it


_FREE = Verdict(standing=Standing.NOT_MET, reason=Reason.FREE)


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    connector = subject.connector
    if connector is None or not connector.connector_id or connector.session is not None:
        return _FREE
    memory = _after(memory or Memory(), subject.news)
    if memory.ended_at is None:
        return _FREE
    if connector.stale or not subject.view.connected:
        memory = msgspec.structs.replace(memory, unheard_at=memory.unheard_at or now)
        return Verdict(standing=Standing.UNKNOWN, reason=Reason.NOT_KNOWN, memory=memory)
    if connector.status not in _OCCUPIED or _changed_hands(memory, connector, thresholds, now):
        return _FREE
    memory = msgspec.structs.replace(memory, unheard_at=None)
    memory = _in_vain(_seen_elsewhere(memory, subject), subject, now)
    if memory.gone_at is None:
        check_at = now + (_STARTS_WITHIN if memory.card else _RECHECK)  # its vehicle may turn up elsewhere
        return Verdict(standing=Standing.NOT_MET, reason=Reason.PARKED, memory=memory, check_at=check_at)
    due = memory.gone_at + timedelta(seconds=thresholds["after_s"])
    if now < due:
        return Verdict(standing=Standing.NOT_MET, reason=Reason.LEFT, memory=memory, check_at=due)
    return Verdict(standing=Standing.MET, reason=Reason.STUCK, memory=memory)


def _changed_hands(memory: Memory, connector: ConnectorView, thresholds: Thresholds, now: datetime) -> bool:
    """Somebody else may stand there: Preparing followed Finishing (OCPP 1.6), or nobody heard of it for a while.
    What was told before that goes on standing."""
    if connector.status is ConnectorState.PREPARING and connector.status_before is ConnectorState.FINISHING:
        return True
    if memory.unheard_at is None or now - memory.unheard_at < _BLIP:
        return False
    told_at = memory.gone_at and memory.gone_at + timedelta(seconds=thresholds["after_s"])
    return told_at is None or told_at > memory.unheard_at


def _after(memory: Memory, news: News) -> Memory:
    for session in news.ended:
        memory = Memory(ended_at=session.heard_at, vehicle=session.vehicle)
        if session.stop_reason == "EVDisconnected" and not session.late:
            memory = Memory(session.heard_at, session.vehicle, session.heard_at, "the stop says EVDisconnected")
    if memory.ended_at is None or memory.gone_at is not None:
        return memory
    for fact in news.facts:
        if isinstance(fact, TransactionReported) and fact.trigger == "EVDeparted" and not fact.offline:
            return msgspec.structs.replace(memory, gone_at=memory.ended_at, how="its bay is empty (EVDeparted)")
    return memory


def _seen_elsewhere(memory: Memory, subject: Subject) -> Memory:
    """A vehicle that charges somewhere else is gone from here. Its visit began after the session here ended."""
    if memory.gone_at is not None or memory.ended_at is None:
        return memory
    here = (subject.view.station_id, subject.connector_id)
    for visit in subject.network.visits(memory.vehicle):
        if visit.at > memory.ended_at and (visit.station_id, visit.connector_id) != here:
            how = f"its token charged at {visit.station_id} meanwhile"
            return msgspec.structs.replace(memory, gone_at=visit.at, how=how)
    return memory


def _in_vain(memory: Memory, subject: Subject, now: datetime) -> Memory:
    """Another driver's card was read, and nothing began anywhere at the station: somebody stands before an empty
    bay. Where another connector is free the card may have been for that, so a second driver must tell."""
    if memory.gone_at is not None or memory.ended_at is None:
        return memory
    memory = _resolved(_with_card(memory, subject.view.shown), subject.view, now)
    if len(memory.in_vain) < (1 if _alone(subject) else 2):
        return memory
    how = "other drivers' cards were read, and no session began"
    return msgspec.structs.replace(memory, gone_at=memory.in_vain[0].at, how=how)


def _with_card(memory: Memory, shown: Shown | None) -> Memory:
    """A card that was read since, of somebody who is new here. Each is looked at once."""
    since = memory.card_at or memory.ended_at
    if shown is None or since is None or shown.at <= since:
        return memory
    known = {memory.vehicle, *(one.vehicle for one in memory.in_vain)}
    card = shown if shown.accepted and shown.vehicle not in known else None
    return msgspec.structs.replace(memory, card=card, card_at=shown.at)


def _resolved(memory: Memory, view: StationView, now: datetime) -> Memory:
    """What came of the card."""
    card = memory.card
    if card is None:
        return memory
    if used(view, card.vehicle, card.at):
        return msgspec.structs.replace(memory, card=None)
    if now - card.at < _STARTS_WITHIN:
        return memory
    return msgspec.structs.replace(memory, card=None, in_vain=(*memory.in_vain, card)[-_MAX_IN_VAIN:])


def _alone(subject: Subject) -> bool:
    """No other connector of the station takes anybody now."""
    others = [one for number, one in subject.view.connectors.items() if number not in (0, subject.connector_id)]
    return all(one.session is not None or one.status not in _TAKES for one in others)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    connector, gone_at = subject.connector, memory.gone_at
    if connector is None or gone_at is None:
        raise AssertionError("described without a vehicle that left")
    return RULE.finding(
        subject,
        now,
        since=gone_at,
        probable_cause="The station does not see that the plug was pulled: proximity switch, lock or controller.",
        explanation=f"{place(subject)} is still {connector.status}, and its vehicle is gone.",
        evidence=(
            Evidence(
                label="Occupied since the vehicle left",
                value=span((now - gone_at).total_seconds()),
                threshold=span(thresholds["after_s"]),
                at=gone_at,
            ),
            Evidence(label="The vehicle is gone", value=memory.how, at=gone_at),
        ),
        confidence=0.8 if gone_at == memory.ended_at else 0.6,
    )


RULE = Rule(
    code="stuck_finishing",
    title="Stuck after the session",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P4,
    mrec=(),
    thresholds=(
        Threshold(
            name="after_s", default=3600, unit="s", doc="how long it may stay occupied once the vehicle has left"
        ),
    ),
    clears="The connector is free, or a session begins.",
    action="Restart the station when idle; check the proximity switch of plug or socket.",
    doc=(
        "Finishing (OCPP 2.x: Occupied, the transaction over) for 60 minutes after the vehicle left. That it left "
        "is known from the stop's reason EVDisconnected, from the trigger EVDeparted, because its token has "
        "charged elsewhere since, or because another driver's card was read and no session began (two drivers' "
        "where another connector is free). Not where the station was not heard for two minutes meanwhile: another "
        "vehicle may stand there. A car that is parked after charging says none of these: it may stand "
        "there for days."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.STARTED, Wake.ENDED, Wake.LINK, Wake.TOKEN}),
    inhibited_by=("offline", "emergency_stop", "reported_fault", "non_conforming"),
)
