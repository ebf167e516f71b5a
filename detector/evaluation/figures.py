"""Counts of one run, and figures with confidence intervals of many."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from random import Random

import msgspec

from detector.evaluation.classes import grading
from detector.evaluation.matching import FINE, FOREST, Matched, Outcome
from detector.evaluation.truth import Alarm, Fault, Truth

STRENGTHS = ("weak", "middle", "strong")
_RESAMPLES = 1000
_INTERVAL = (0.025, 0.975)


class Counts(msgspec.Struct, kw_only=True):
    """What can be added up over seeds, of one class or of all. Delays: from the first message that showed it."""

    faults: int = 0
    found: int = 0
    false: int = 0
    not_shown: int = 0  # faults that no message ever showed; in no other figure
    named: int = 0  # faults with a ticket that names them, on whatever asset
    delays_s: list[float] = []
    beyond_s: list[float] = []  # of hard faults: what the delay was beyond the persistence that they must have
    by_strength: dict[str, tuple[int, int]] = {}  # found, faults
    confused: dict[str, int] = {}  # `cable -> station`: true asset kind, named asset kind
    outcomes: dict[str, int] = {}

    def add(self, other: Counts) -> None:
        self.faults += other.faults
        self.found += other.found
        self.false += other.false
        self.not_shown += other.not_shown
        self.named += other.named
        self.delays_s = self.delays_s + other.delays_s
        self.beyond_s = self.beyond_s + other.beyond_s
        for name, (found, faults) in other.by_strength.items():
            mine = self.by_strength.get(name, (0, 0))
            self.by_strength = {**self.by_strength, name: (mine[0] + found, mine[1] + faults)}
        self.confused = dict(Counter(self.confused) + Counter(other.confused))
        self.outcomes = dict(Counter(self.outcomes) + Counter(other.outcomes))


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One seed's counts: by class of fault (false tickets under their own code), and of the whole fleet."""

    seed: int
    connector_days: float
    classes: dict[str, Counts]
    look_alikes: dict[str, tuple[int, int]]  # with a ticket, of how many

    @property
    def total(self) -> Counts:
        total = Counts()
        for counts in self.classes.values():
            total.add(counts)
        return total


def score(truth: Truth, matched: Matched, *, connectors: int) -> Score:
    """Count one run. A false ticket counts against the class that it names."""
    classes: dict[str, Counts] = defaultdict(Counts)
    for number, fault in enumerate(truth.faults):
        classes[fault.fault].add(_of_fault(number, fault, matched))
    for judged in matched.judged:
        counts = Counts(outcomes={str(judged.outcome): 1})
        counts.false = int(judged.outcome not in FINE)
        hit = judged.outcome is Outcome.FOUND and judged.fault is not None
        code = truth.faults[judged.fault].fault if hit and judged.fault is not None else judged.alarm.fault
        classes[code].add(counts)
    taken_in = {one.look_alike for one in matched.judged if one.look_alike is not None}
    likes: dict[str, tuple[int, int]] = {}
    for number, like in enumerate(truth.look_alikes):
        wrong, of = likes.get(like.look_alike, (0, 0))
        likes[like.look_alike] = (wrong + (number in taken_in), of + 1)
    return Score(
        seed=truth.seed,
        connector_days=connectors * truth.days,
        classes=dict(classes),
        look_alikes=likes,
    )


def _of_fault(number: int, fault: Fault, matched: Matched) -> Counts:
    if fault.shown_at is None:
        return Counts(not_shown=1)
    alarm = matched.found_by[number]
    counts = Counts(faults=1, by_strength={strength(fault): (int(alarm is not None), 1)})
    wrong = [one.alarm for one in matched.judged if one.fault == number and one.outcome is Outcome.WRONG_ASSET]
    if alarm is not None:
        counts.found = counts.named = 1
        delay_s = max((alarm.opened_at - fault.shown_at).total_seconds(), 0.0)
        counts.delays_s = [delay_s]
        beyond = beyond_s(fault, alarm)
        counts.beyond_s = [] if beyond is None else [beyond]
    elif wrong:
        counts.named = 1
        counts.confused = {f"{fault.asset.kind} -> {wrong[0].asset.kind}": 1}
    return counts


def beyond_s(fault: Fault, alarm: Alarm) -> float | None:
    """Of a hard fault that showed, how long after its proof the ticket came: after it had held for as long, and
    been said as often, as the catalogue wants. None of others."""
    graded = grading(fault.fault)
    if graded.proof_s is None or fault.shown_at is None:
        return None
    said = (fault.shown_at, *fault.shown_again)[: graded.samples]
    proven = max(fault.shown_at + timedelta(seconds=graded.proof_s), said[-1])
    return max((alarm.opened_at - proven).total_seconds(), 0.0)


def strength(fault: Fault) -> str:
    return STRENGTHS[min(int(fault.strength * len(STRENGTHS)), len(STRENGTHS) - 1)]


class Figures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Precision, recall and the rest of one class, or of all; None where there is nothing to divide."""

    faults: int
    found: int
    false_tickets: int
    not_shown: int
    precision: float | None
    recall: float | None
    f1: float | None
    recall_interval: tuple[float, float] | None  # 95 %, over seeds
    precision_interval: tuple[float, float] | None
    time_to_detect_p50_s: float | None
    time_to_detect_p95_s: float | None
    beyond_proof_p95_s: float | None  # hard faults: after the catalogue's own persistence
    right_asset: float | None
    confusion: dict[str, int]
    recall_by_strength: dict[str, tuple[float, int]]  # recall, of how many
    tickets: dict[str, int]  # by what they were worth


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one way of detecting, over all seeds."""

    seeds: tuple[int, ...]
    connector_days: float
    overall: Figures
    groups: dict[str, Figures]  # see `group`
    classes: dict[str, Figures]
    false_tickets_per_connector_day: float
    false_tickets_per_connector_day_interval: tuple[float, float] | None
    look_alike_rate: float | None
    look_alikes: dict[str, tuple[int, int]]


COVERED = "rule-covered"
INCIPIENT = "incipient"
UNKNOWN = "no rule"


def group(fault: str, ruled: Collection[str]) -> str:
    """Faults that a rule names, those of them that creep up while charging still works, and the rest."""
    if fault not in ruled or fault == FOREST:
        return UNKNOWN
    return INCIPIENT if grading(fault).incipient else COVERED


def result(scores: Sequence[Score], *, ruled: Collection[str]) -> Result:
    """Pooled over seeds (sums before division), with 95 % bootstrap intervals over seeds. `ruled`: the codes that
    there are rules for."""
    names = sorted({name for score in scores for name in score.classes})
    likes: dict[str, tuple[int, int]] = {}
    for one in scores:
        for name, (wrong, of) in one.look_alikes.items():
            mine = likes.get(name, (0, 0))
            likes[name] = (mine[0] + wrong, mine[1] + of)
    days = sum(one.connector_days for one in scores)
    totals = [one.total for one in scores]
    taken_in, of_all = sum(wrong for wrong, _ in likes.values()), sum(of for _, of in likes.values())
    return Result(
        seeds=tuple(one.seed for one in scores),
        connector_days=days,
        overall=_figures(totals),
        groups={
            kind: _figures([_of_group(one, kind, ruled) for one in scores])
            for kind in (COVERED, INCIPIENT, UNKNOWN)
        },
        classes={name: _figures([one.classes.get(name, Counts()) for one in scores]) for name in names},
        false_tickets_per_connector_day=sum(counts.false for counts in totals) / days if days else 0.0,
        false_tickets_per_connector_day_interval=_interval(
            [(counts.false, one.connector_days) for counts, one in zip(totals, scores, strict=True)]
        ),
        look_alike_rate=_share(taken_in, of_all),
        look_alikes=dict(sorted(likes.items())),
    )


def _of_group(score: Score, kind: str, ruled: Collection[str]) -> Counts:
    total = Counts()
    for name, counts in score.classes.items():
        if group(name, ruled) == kind:
            total.add(counts)
    return total


def _figures(parts: Sequence[Counts]) -> Figures:
    whole = Counts()
    for part in parts:
        whole.add(part)
    precision, recall = _share(whole.found, whole.found + whole.false), _share(whole.found, whole.faults)
    return Figures(
        faults=whole.faults,
        found=whole.found,
        false_tickets=whole.false,
        not_shown=whole.not_shown,
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / (precision + recall) if precision and recall else None,
        recall_interval=_interval([(part.found, part.faults) for part in parts]),
        precision_interval=_interval([(part.found, part.found + part.false) for part in parts]),
        time_to_detect_p50_s=_quantile(whole.delays_s, 0.5),
        time_to_detect_p95_s=_quantile(whole.delays_s, 0.95),
        beyond_proof_p95_s=_quantile(whole.beyond_s, 0.95),
        right_asset=_share(whole.found, whole.named),
        confusion=whole.confused,
        recall_by_strength={
            level: (found / faults, faults)
            for level in STRENGTHS
            if (pair := whole.by_strength.get(level)) and (faults := pair[1]) and (found := pair[0]) is not None
        },
        tickets=dict(sorted(whole.outcomes.items())),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _quantile(values: Iterable[float], q: float) -> float | None:
    """The value that a share of at least `q` does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)] if ordered else None


def _interval(parts: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """95 % interval of a ratio of sums, by drawing seeds with replacement. None for a single seed."""
    if len(parts) < 2 or not any(whole for _, whole in parts):
        return None
    random = Random(len(parts))  # noqa: S311  # a fixed draw: the same counts give the same interval
    drawn = []
    for _ in range(_RESAMPLES):
        sample = random.choices(parts, k=len(parts))
        whole = sum(of for _, of in sample)
        if whole:
            drawn.append(sum(part for part, _ in sample) / whole)
    drawn.sort()
    low, high = (drawn[min(int(q * len(drawn)), len(drawn) - 1)] for q in _INTERVAL)
    return low, high
