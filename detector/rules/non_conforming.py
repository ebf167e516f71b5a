"""A station's messages break the specification."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from laddvakt.domain.facts import NonConforming, Quarantined
from laddvakt.domain.tickets import Evidence, Finding, Severity

_MAX_BREACHES = 3
_MAX_WORDS = 80
_PEERS = 3


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    CONFORMS = "conforms"  # no message broke the specification
    FEW = "few"  # some did, not enough of them
    THE_MODEL = "the_model"  # all of its model do: a matter for its maker, or a quirk profile
    MANY = "many"  # too many did


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The messages being counted: how many the station had sent, and how many of those broke the specification,
    when counting began. `share`: of the last full count. `breaches`: which fields, as examples. `held`: a finding
    is due since; `conforming`: full counts in a row since with less than half of what counts."""

    frames: int = 0
    odd: int = 0
    began: datetime | None = None
    share: float = 0.0
    breaches: tuple[str, ...] = ()
    held: bool = False
    conforming: int = 0


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    view = subject.view
    memory = memory or Memory(frames=max(view.frames - 1, 0), odd=max(view.odd_frames - 1, 0), began=now)
    memory = _with_breaches(memory, subject)
    frames, odd = view.frames - memory.frames, view.odd_frames - memory.odd
    if frames >= thresholds["messages"]:
        # The rule is woken by a message that breaks the specification: the one that ends the count is not in it.
        memory = _counted_out(memory, subject, max(odd - 1, 0) / frames, thresholds, now)
    elif odd > thresholds["share"] * thresholds["messages"]:
        memory = msgspec.structs.replace(memory, held=True, share=max(memory.share, odd / frames))
    if not memory.held:
        reason = Reason.FEW if memory.breaches else Reason.CONFORMS
        return Verdict(standing=Standing.NOT_MET, reason=reason, memory=memory)
    if _all_of_the_model(subject, memory):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.THE_MODEL, memory=memory)
    return Verdict(standing=Standing.MET, reason=Reason.MANY, memory=memory)


def _counted_out(memory: Memory, subject: Subject, share: float, thresholds: Thresholds, now: datetime) -> Memory:
    """All messages are counted: what came of it, and counting begins anew."""
    view, most = subject.view, thresholds["share"]
    conforming = memory.conforming + 1 if memory.held and share <= most / 2 else 0
    held = share > most or (memory.held and conforming < thresholds["conforming"])
    return msgspec.structs.replace(
        memory,
        frames=view.frames,
        odd=view.odd_frames,
        began=now,
        share=share,
        held=held,
        conforming=conforming if held else 0,
    )


def _with_breaches(memory: Memory, subject: Subject) -> Memory:
    """What was wrong, without the values: they may be a driver's."""
    for fact in subject.news.facts:
        if not isinstance(fact, NonConforming | Quarantined):
            continue
        words = fact.detail.partition(":")[0][:_MAX_WORDS]
        if words not in memory.breaches and len(memory.breaches) < _MAX_BREACHES:
            memory = msgspec.structs.replace(memory, breaches=(*memory.breaches, words))
    return memory


def _all_of_the_model(subject: Subject, memory: Memory) -> bool:
    peers = subject.network.peers(RULE.code, "share", subject)
    return peers is not None and peers.n >= _PEERS and peers.median >= memory.share / 2


def _share(memory: Memory) -> dict[str, float]:
    return {"share": memory.share}


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    view = subject.view
    peers = subject.network.peers(RULE.code, "share", subject)
    usual = f"{100 * peers.median:.0f} % of {peers.n} others of its model" if peers is not None else ""
    return RULE.finding(
        subject,
        now,
        since=memory.began or now,
        probable_cause="Firmware or configuration sends messages that the specification does not know.",
        explanation=f"{100 * memory.share:.0f} % of the messages of {view.station_id} break the specification.",
        evidence=(
            Evidence(
                label="Share of messages",
                value=f"{100 * memory.share:.0f} %",
                threshold=f"{100 * thresholds['share']:.0f} % of {thresholds['messages']:.0f}",
                peers=usual,
            ),
            Evidence(label="Firmware", value=view.firmware or "not said", at=view.booted_at),
            *(Evidence(label="Breach", value=words) for words in memory.breaches),
        ),
        confidence=0.9,
    )


RULE = Rule(
    code="non_conforming",
    title="Messages break the specification",
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P4,
    mrec=(),
    thresholds=(
        Threshold(name="share", default=0.05, unit="share", doc="share of messages that counts"),
        Threshold(name="messages", default=100, unit="messages", doc="of so many"),
        Threshold(
            name="conforming",
            default=3,
            unit="times",
            doc="in a row that less than half of that share clears; once may be chance",
        ),
    ),
    clears="Of as many messages, three times in a row, less than half of that share break the specification.",
    action="Compare its firmware with others of its model; update it, or undo the last update. Tell the maker.",
    doc=(
        "More than 5 of 100 messages break the specification: those that are used all the same (their sense is "
        "plain) and those that are set aside (malformed frames, payloads that the schema refuses, unknown "
        "actions). Not for what a device says over MQTT, for actions that Laddvakt itself does not read, or when "
        "half of the other stations of its model do so half as often or more: then it is the model's way, and a "
        "matter for its maker or a quirk profile."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.CONFORMITY, Wake.FRAME}),
    share=_share,
)
