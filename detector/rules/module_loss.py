"""A fast charger has lost power modules: no vehicle gets more than a ceiling that used to be higher."""

from __future__ import annotations

import zlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from detector.limits import is_dc, limit_of, limited_outside, rated_w
from detector.rules.base import Rule, Scope, Standing, Subject, Threshold, Thresholds, Verdict, Wake, place
from detector.temperatures import body_of
from detector.view import Sample, SessionEnded
from laddvakt.domain.tickets import Evidence, Finding, Severity

_LEAST_W = 10_000.0
_UNRATED_W = 400_000.0
_RECENT = 20
_BINS = 40  # of the rated power, for what sessions reached before
_ALL_BINS = 50  # meters before the rectifiers read more than the rated power
_MOST_COUNTED = 400  # then older sessions fade
_SAMPLES = 3
_OVER = 1.03
_UNDER = 0.85
_HOT_C = 50.0


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOT_DC = "not_dc"  # AC has no power modules
    LEARNING = "learning"  # too few sessions yet
    LIMITED = "limited"  # shared with a neighbour, limited by somebody, or hot: nothing to learn from
    NO_CEILING = "no_ceiling"  # sessions reach what they reach, each its own
    AS_BEFORE = "as_before"  # a ceiling, as high as before
    CHANCE = "chance"  # lower, but few vehicles could take more before either
    LOWER = "lower"  # a ceiling that is lower than before


class Top(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The most that one session reached and held. `vehicle`: a number that tells vehicles apart."""

    vehicle: int
    watts: int


class Run(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """This session: its three highest samples, and whether more than modules and vehicle held it back."""

    transaction: str = ""
    highest: tuple[float, ...] = ()
    held_back: bool = False


class Ceiling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the last sessions did not pass: watts, how many of so many sessions came up to it, the chance that
    this is how vehicles happened to come, and how high the highest tenth was before."""

    since: datetime
    watts: int
    at_it: int
    of: int
    chance: float
    before_w: float


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """The session that runs, the last ones, and how many of those before reached which share of the rated power.
    `over`: sessions in a row that passed the ceiling again."""

    run: Run = Run()
    recent: tuple[Top, ...] = ()
    before: tuple[int, ...] = ()
    ceiling: Ceiling | None = None
    over: int = 0
    reason: str = Reason.LEARNING


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    if subject.connector is None or not is_dc(subject):
        return Verdict(standing=Standing.NOT_MET, reason=Reason.NOT_DC)
    memory = memory or Memory()
    for sample in subject.news.samples:
        if sample.transaction and sample.power is not None and sample.source == "ocpp":
            memory = _sample(memory, sample, subject, sample.heard_at or now)
    for session in subject.news.ended:
        memory = _ended(memory, session, subject, thresholds)
    return Verdict(
        standing=Standing.MET if memory.ceiling is not None else Standing.NOT_MET,
        reason=Reason(memory.reason),
        memory=memory,
    )


def _sample(memory: Memory, sample: Sample, subject: Subject, now: datetime) -> Memory:
    """One more sample; it counts where nothing but modules and vehicle decides what flows."""
    power, run = sample.power, memory.run
    if power is None or power.basis == "register" or power.watts < _LEAST_W:
        return memory
    if run.transaction != sample.transaction:
        run = Run(sample.transaction)
    elif run.held_back or (len(run.highest) >= _SAMPLES and power.watts <= run.highest[0]):
        return memory
    if _shared(subject) or _limited(subject, sample, power.watts, now):
        return msgspec.structs.replace(memory, run=Run(run.transaction, held_back=True))
    highest = tuple(sorted((*run.highest, power.watts))[-_SAMPLES:])
    return msgspec.structs.replace(memory, run=Run(run.transaction, highest))


def _shared(subject: Subject) -> bool:
    """A neighbour is plugged in, which may get a part of the modules."""
    own = subject.connector
    return any(c.session is not None for c in subject.view.connectors.values() if c is not own)


def _limited(subject: Subject, sample: Sample, watts: float, now: datetime) -> bool:
    """Somebody limits it to what flows, or it is hot."""
    if limited_outside(subject):
        return True
    limit = limit_of(subject, now, sample)
    if limit.told_by != "rating" and limit.watts is not None and watts > 0.9 * limit.watts:
        return True
    amps = max(sample.currents, default=0.0)
    if limit.amps is not None and amps > 0.95 * limit.amps:
        return True  # the cable's own limit, or one that was told
    body_c = body_of(subject, now)
    return body_c is not None and body_c >= _HOT_C


def _ended(memory: Memory, session: SessionEnded, subject: Subject, thresholds: Thresholds) -> Memory:
    replace = msgspec.structs.replace
    run, memory = memory.run, replace(memory, run=Run())
    if run.transaction != session.transaction_id or len(run.highest) < _SAMPLES:
        return replace(memory, reason=Reason.LIMITED) if memory.ceiling is None else memory
    vehicle = zlib.crc32(session.vehicle.encode()) & 0xFFFF
    top = Top(vehicle, round(run.highest[0]))  # held in three samples
    if memory.ceiling is not None:
        return _standing(memory, top, thresholds)
    recent, before = (*memory.recent, top), memory.before
    if len(recent) > _RECENT:
        before = counted(before, recent[0].watts / _scale(subject))
        recent = recent[1:]
    memory = replace(memory, recent=recent, before=before)
    return _judge(memory, _scale(subject), thresholds, session.ended_at)


def _scale(subject: Subject) -> float:
    return rated_w(subject) or _UNRATED_W


def _standing(memory: Memory, top: Top, thresholds: Thresholds) -> Memory:
    """Sessions that pass the ceiling say that the modules are back."""
    over = memory.over + 1 if memory.ceiling is not None and top.watts > _OVER * memory.ceiling.watts else 0
    if over < thresholds["good_sessions"]:
        return msgspec.structs.replace(memory, over=over)
    return Memory(recent=(top,), before=memory.before, reason=Reason.AS_BEFORE)


def counted(before: tuple[int, ...], share: float) -> tuple[int, ...]:
    """With one more session; all fade by half when there are many."""
    bins = [*before, *(0,) * (_ALL_BINS - len(before))]
    bins[min(max(int(share * _BINS), 0), _ALL_BINS - 1)] += 1
    if sum(bins) > _MOST_COUNTED:
        bins = [count // 2 for count in bins]
    return tuple(bins)


def _judge(memory: Memory, scale: float, thresholds: Thresholds, now: datetime) -> Memory:
    """Looks for a ceiling of the last sessions, fewer and more of them, below what those before reached."""
    reason = Reason.LEARNING
    for length in range(int(thresholds["sessions"]), len(memory.recent) + 1):
        before = memory.before
        for top in memory.recent[:-length]:
            before = counted(before, top.watts / scale)
        if sum(before) < thresholds["known"]:
            break
        found = _ceiling(memory.recent[-length:], before, scale, thresholds, now)
        if isinstance(found, Ceiling):
            return msgspec.structs.replace(memory, ceiling=found, over=0, reason=Reason.LOWER)
        reason = found if reason in (Reason.LEARNING, Reason.NO_CEILING) else reason
    return msgspec.structs.replace(memory, reason=reason)


def _ceiling(
    last: tuple[Top, ...], before: tuple[int, ...], scale: float, thresholds: Thresholds, now: datetime
) -> Ceiling | Reason:
    ceiling_w = max(top.watts for top in last)
    near = [top for top in last if top.watts >= ceiling_w * (1 - thresholds["flat_pct"] / 100)]
    if len(near) < thresholds["at_it"] or len({top.vehicle for top in near}) < thresholds["vehicles"]:
        return Reason.NO_CEILING
    under = sum(1 for top in last if top.watts >= ceiling_w * _UNDER) - len(near)
    if len(near) < 2 * under:
        return Reason.NO_CEILING  # they thin out towards the highest
    before_w = _highest_tenth(before) * scale
    if ceiling_w > thresholds["share"] * before_w:
        return Reason.AS_BEFORE
    chance = _chance(before, ceiling_w * _OVER / scale, len(last))
    if chance > thresholds["chance"]:
        return Reason.CHANCE
    return Ceiling(now, ceiling_w, len(near), len(last), chance, before_w)


def _highest_tenth(before: tuple[int, ...]) -> float:
    """The share of the rated power that a tenth of the sessions passed: the 90th percentile."""
    left = 0.1 * sum(before)
    for number in range(len(before) - 1, -1, -1):
        left -= before[number]
        if left < 0:
            return (number + 0.5) / _BINS
    return 0.0


def _chance(before: tuple[int, ...], share: float, sessions: int) -> float:
    """That so many sessions in a row stay under a share of the rated power by chance alone, if vehicles come as
    they did: (1 - p) to the power of sessions. The share's own bin counts as under."""
    over = sum(before[int(share * _BINS) + 1 :])
    return float((1 - over / (sum(before) + 2)) ** sessions)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    ceiling: Ceiling = memory.ceiling
    rated = rated_w(subject)
    of_rated = f", {100 * ceiling.watts / rated:.0f} % of the rated power" if rated else ""
    return RULE.finding(
        subject,
        now,
        since=ceiling.since,
        probable_cause="One or more power modules have failed or were switched off.",
        explanation=(
            f"No vehicle gets more than {ceiling.watts / 1000:.0f} kW at {place(subject)} any more{of_rated}: "
            f"{ceiling.at_it} of the last {ceiling.of} sessions came up to it."
        ),
        evidence=(
            Evidence(
                label="Ceiling",
                value=f"{ceiling.watts / 1000:.1f} kW",
                threshold=f"{thresholds['share'] * ceiling.before_w / 1000:.1f} kW",
                at=ceiling.since,
            ),
            Evidence(label="A tenth of sessions before passed", value=f"{ceiling.before_w / 1000:.1f} kW"),
            Evidence(label="Sessions that came up to it", value=f"{ceiling.at_it} of {ceiling.of}"),
            Evidence(
                label="Chance that no vehicle could take more",
                value=f"{100 * ceiling.chance:.1f} %",
                threshold=f"{100 * thresholds['chance']:.0f} %",
            ),
        ),
        confidence=0.85,
    )


RULE = Rule(
    code="module_loss",
    title="Fast charger lost power modules",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P3,
    mrec=(),  # ChargeX has none; OCPP: InternalError
    thresholds=(
        Threshold(name="share", default=0.9, unit="share", doc="of what a tenth of sessions passed before"),
        Threshold(name="flat_pct", default=1.5, unit="%", doc="sessions within it are at the same ceiling"),
        Threshold(name="at_it", default=5, unit="sessions", doc="that must have come up to the ceiling"),
        Threshold(name="vehicles", default=3, unit="vehicles", doc="that must be among them"),
        Threshold(name="sessions", default=8, unit="sessions", doc="the fewest that are looked at, up to 20"),
        Threshold(name="chance", default=0.01, unit="probability", doc="that vehicles happened to come so"),
        Threshold(name="known", default=15, unit="sessions", doc="before those that are looked at"),
        Threshold(name="good_sessions", default=1, unit="sessions", doc="that pass the ceiling, and clear"),
    ),
    clears="A session that passes the ceiling by over 3 %.",
    action="Read the modules' states on site; exchange failed modules, check their supply and their bus.",
    doc=(
        "Of a DC station, what the last sessions reached (the third highest sample) has a ceiling: at least five "
        "of eight to 20, of three vehicles, lie within 1.5 % under the highest, and at most half as many in the "
        "13 % below. It is at most 90 % of what a tenth of the sessions before passed, and the chance that no "
        "vehicle could take more is under 1 %, if vehicles come as they did before ((1 - p) to the power of "
        "sessions). Vehicles each have their own limit, modules have one for all: so a season or low-power cars "
        "make no ceiling. Not counted is a session beside a plugged-in neighbour, one that comes near a limit "
        "that was told (site cap, profile, offer) or the cable's current, nor one at over 50 °C inside the "
        "station."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.SAMPLE, Wake.ENDED}),
    fields=frozenset({"power_w", "current_a"}),
    charging=True,
    slow=True,
    inhibited_by=("offline", "thermal_derate"),
)
