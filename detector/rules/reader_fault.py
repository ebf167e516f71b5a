"""The card reader reads no cards any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from math import ceil, log
from typing import Any, NamedTuple

import msgspec

from detector.assets import station_asset
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake
from detector.ways import Run, Way, Ways, at_least_poisson, chance_of_both, follow, newest_only, runs, suspicion
from laddvakt.domain.tickets import Evidence, Finding, Severity

_ENOUGH = 10
"""Visits from which on a station's share is worth telling its peers."""


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    USUAL = "usual"  # as many are identified so as use to be, or too few visits are known
    OTHERS_MORE = "others_more"  # a smaller share, because more come by other ways: a campaign
    OTHER_WAY = "other_way"  # those who left may as well be drivers of the other way, which fails
    EVERYWHERE = "everywhere"  # the same happens at most other stations: not this one's fault
    MISSING = "missing"  # too few by this way to be chance, and the other ways are as usual


class Memory(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`held_since`: a finding is due, and when the run began; `usual` is the share before it. `last`: when
    somebody was last identified so, UTC seconds."""

    ways: Ways
    last: float = 0.0
    held_since: datetime | None = None
    usual: float = 0.0


class Kind(NamedTuple):
    """A way of identification that can fail, and its words."""

    way: Way
    code: str
    title: str
    what: str
    cause: str
    action: str


def judge_by(kind: Kind) -> Callable[[Subject, Any, Thresholds, datetime], Verdict]:
    """The rule's `evaluate` for one way."""

    def evaluate(subject: Subject, memory: Memory | None, thresholds: Thresholds, now: datetime) -> Verdict:
        memory = memory or Memory(Ways(now))
        ways = follow(memory.ways, subject, now, learn=memory.held_since is None)
        if ways is memory.ways:
            found, reason = memory, Reason.USUAL if memory.held_since is None else Reason.MISSING
        else:
            last = ways.last(kind.way)
            at = last.timestamp() if last is not None else memory.last
            found, reason = _judge(kind, subject, msgspec.structs.replace(memory, ways=ways, last=at), thresholds)
        return Verdict(
            standing=Standing.MET if found.held_since is not None else Standing.NOT_MET,
            reason=reason,
            memory=found,
        )

    return evaluate


def _judge(kind: Kind, subject: Subject, memory: Memory, thresholds: Thresholds) -> tuple[Memory, Reason]:
    if memory.held_since is not None:
        newest = memory.ways.visits[-ceil(thresholds["good"] / memory.usual) :]
        if sum(visit.way is kind.way for visit in newest) >= thresholds["good"]:
            return Memory(newest_only(memory.ways, len(newest)), memory.last), Reason.USUAL
        return memory, Reason.MISSING
    others = subject.network.peers(kind.code, "share", subject)
    usual = others.median if others is not None and others.n >= thresholds["peers"] else None
    run = _missing(kind, memory.ways, usual, thresholds)
    if run is None:
        return memory, Reason.USUAL
    if at_least_poisson(run.others, run.others_usual) < thresholds["others_chance"]:
        return memory, Reason.OTHERS_MORE
    if _may_be_other(kind, memory.ways, thresholds):
        return memory, Reason.OTHER_WAY
    peers = subject.network.peers(kind.code, "last", subject)
    if peers is not None and peers.n >= thresholds["peers"] and peers.median < run.since.timestamp():
        return memory, Reason.EVERYWHERE
    return Memory(memory.ways, memory.last, run.since, run.usual), Reason.MISSING


def _missing(kind: Kind, ways: Ways, usual: float | None, thresholds: Thresholds) -> Run | None:
    """The run that tells most, if any tells enough."""
    found = [
        run
        for run in runs(ways, kind.way, least=thresholds["visits"], known=thresholds["known"], peers=usual)
        if run.usual >= thresholds["least_share"] and run.came <= thresholds["share_left"] * run.usual * run.visits
    ]
    return min((run for run in found if _tells(run, thresholds)), default=None)


def _tells(run: Run, thresholds: Thresholds) -> bool:
    """The way seems to be missing, and about as many drivers left unidentified; or it is missing altogether, and
    those who took it do not come by another way."""
    explained = thresholds["leavers"] <= run.nobody <= thresholds["unidentified"] * run.usual * run.visits
    left = thresholds["share"]
    if explained and chance_of_both(run.came, run.nobody, run.visits, run.known, left=left) <= thresholds["both"]:
        return True
    gone = run.came <= thresholds["share"] * run.usual * run.visits and run.chance <= thresholds["chance"]
    return gone and run.switched <= thresholds["switched"]


def _may_be_other(kind: Kind, ways: Ways, thresholds: Thresholds) -> bool:
    """Whether the other way that is read at the station is suspected as well, and about as much."""
    other = Way.CARD if kind.way is Way.READER else Way.READER
    own, its = (
        suspicion(ways, way, left=thresholds["share"], known=thresholds["known"]) for way in (kind.way, other)
    )
    return its > -log(thresholds["left"]) and own - its < log(thresholds["surer"])


def share_by(kind: Kind) -> Callable[[Memory], Mapping[str, float]]:
    """The rule's `share`: when somebody was last identified so, and how many use to be. It tells what happens
    everywhere, and what a station that is new may expect."""

    def share(memory: Memory) -> Mapping[str, float]:
        if not memory.last:
            return {}
        shared, visits = {"last": memory.last}, memory.ways.visits
        if memory.held_since is None and len(visits) >= _ENOUGH:
            by_way = memory.ways.before[kind.way] + sum(visit.way is kind.way for visit in visits)
            shared["share"] = by_way / (sum(memory.ways.before) + len(visits))
        return shared

    return share


def describe_by(kind: Kind) -> Callable[[Subject, Any, Thresholds, datetime], Finding]:
    """The rule's `describe` for one way."""

    def describe(subject: Subject, memory: Memory, thresholds: Thresholds, now: datetime) -> Finding:
        since = memory.held_since or now
        whole = runs(memory.ways, kind.way, least=1, known=1, peers=None)
        nothing = Run(1.0, since, 0, 0, memory.usual, 0, (0.0, 0.0, 0.0), 0, 0.0, 1.0)
        run = next((run for run in whole if run.since >= since), nothing)
        return Finding(
            fault=kind.code,
            asset=station_asset(subject),
            station_id=subject.view.station_id,
            severity=Severity.P3,
            at=now,
            since=since,
            probable_cause=kind.cause,
            explanation=(
                f"{run.came} of the last {run.visits} visits to {subject.view.station_id} were identified by "
                f"{kind.what}, where {100 * run.usual:.0f} % use to be."
            ),
            suggested_action=kind.action,
            evidence=(
                Evidence(
                    label=f"Visits by {kind.what}",
                    value=f"{run.came} of {run.visits}",
                    threshold=f"{100 * thresholds['share'] * run.usual:.0f} %",
                    peers=f"{100 * run.usual:.0f} % before",
                    at=since,
                ),
                Evidence(
                    label="Chance of so few", value=f"{run.chance:.1g}", threshold=f"{thresholds['chance']:g}"
                ),
                Evidence(
                    label="Other ways",
                    value=f"{run.others} visits",
                    peers=f"{run.others_usual:.0f} are usual in that time",
                ),
            ),
            confidence=0.85,
        )

    return describe


THRESHOLDS = (
    Threshold(name="share", default=0.2, unit="share", doc="of its usual share that may be left, at most"),
    Threshold(name="share_left", default=0.4, unit="share", doc="the same where drivers leave unidentified"),
    Threshold(name="chance", default=0.0001, unit="probability", doc="of so few by chance, at most"),
    Threshold(name="visits", default=4, unit="visits", doc="in a run, at least"),
    Threshold(name="known", default=6, unit="visits", doc="that must be known from before it"),
    Threshold(
        name="both",
        default=0.00007,
        unit="probability",
        doc="of so few by this way and so many who leave unidentified together, at most",
    ),
    Threshold(
        name="left",
        default=0.001,
        unit="probability",
        doc="from which on those who leave are suspected to be the other way's: its inverse, a likelihood ratio",
    ),
    Threshold(
        name="leavers", default=4, unit="visits", doc="of drivers who leave unidentified, at least, to count"
    ),
    Threshold(
        name="unidentified",
        default=1.5,
        unit="times",
        doc="the usual share of the way: were more unidentified, it would be another",
    ),
    Threshold(name="least_share", default=0.1, unit="share", doc="a way that is used less is not judged"),
    Threshold(
        name="others_chance",
        default=0.01,
        unit="probability",
        doc="more by other ways than this lets expect are a campaign",
    ),
    Threshold(
        name="switched",
        default=0.01,
        unit="times",
        doc="likelier that all came and took other ways than that only the others came, at most",
    ),
    Threshold(
        name="surer",
        default=10,
        unit="times",
        doc="likelier than the other way's failure, where those who left speak for that as well",
    ),
    Threshold(name="peers", default=2, unit="stations", doc="of the same model that tell what happens everywhere"),
    Threshold(
        name="good",
        default=3,
        unit="visits",
        doc="by this way that clear, among as many as usually have so many",
    ),
)

WAKES = frozenset({Wake.STATUS, Wake.STARTED, Wake.ENDED})

READER = Kind(
    Way.READER,
    "reader_fault",
    "Card reader reads nothing",
    "card",
    "The card reader does not read: its cable, its supply, a damaged antenna, or a blocked slot.",
    "Restart the station when idle; try a known card; check the reader's cable; replace the reader.",
)

RULE = Rule(
    code=READER.code,
    title=READER.title,
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=THRESHOLDS,
    clears="As many of the last visits are identified by card as use to be, three in a row where all are.",
    action=READER.action,
    doc=(
        "Of the last visits, four or more, under a fifth of what is usual were identified by a card at the "
        "reader, and the chance of so few is under 0.0001: beta-binomial, a binomial whose share is known "
        "from the visits before the run, six or more, and from ten that the model's other stations lend; half "
        "a visit that failed is taken for seen. Those who came by other ways must be so few that the card "
        "holders are not among them. Two fifths will do where four drivers or more left unidentified, no more "
        "than such cards explain, and so few by card and so many who leave together have a chance under 0.00007: "
        "that of all outcomes which speak as much for it (Dirichlet-multinomial, by likelihood ratio). A visit "
        "is a session's start, or a plug that came and went within 20 minutes while nobody was identified: "
        "drivers whose card is not read leave. A start whose kind of token is not said (OCPP 1.6) counts as "
        "one by card, a remote start as one by app. Not for a campaign, in which more than usual start by "
        "other ways, or card holders do; nor where those who left are nearly as likely drivers whose payment "
        "fails (likelihood ratio from the likeliest visit on, a fifth of the way left); nor where most stations "
        "of the model have had no card since either; "
        "nor for a parked car, which stays longer. Who tries again within ten minutes is one visit. "
        "ReaderFailure as reported by the station is a reported fault."
    ),
    evaluate=judge_by(READER),
    describe=describe_by(READER),
    memory=Memory,
    wakes=WAKES,
    inhibited_by=("offline", "emergency_stop", "reported_fault", "payment_fault"),  # who leaves is that one's
    share=share_by(READER),
)
