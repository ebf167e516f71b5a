"""Ways to find what no rule names, on the same rows and with the same decision: a session is odd, a ticket opens.

Each way learns from rows up to a moment, judges those of the next days, and learns anew, as the detector does; but
nothing tells it what was broken, for there are no rules. What it flags goes through the rule `anomaly` itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from detector.changes import Change, ChangeKind, finding_key
from detector.evaluation.alone import Seen
from detector.evaluation.baselines import Array, Ecod, ewma
from detector.evaluation.truth import Alarm, alarms_of
from detector.features import FEATURES_OF, Window
from detector.models.calibration import Calibration, flag_below
from detector.models.model import FRAME, Model, TrainingError, train
from detector.models.samples import Floats, Samples
from detector.network import World
from detector.rules import anomaly
from detector.rules.base import News, Standing, Subject
from detector.tickets import decide
from detector.view import Cause, ScoredWindow, StationView
from laddvakt.domain.stations import Station
from laddvakt.domain.tickets import Finding, Ticket

AFRESH = timedelta(days=4)
"""How often each way learns anew."""

_LIMITS = anomaly.RULE.defaults()

Judge = Callable[[Sequence[Window]], list[ScoredWindow]]
Learn = Callable[[list[Window], float, datetime], Judge]


class _EcodShares:
    """ECOD in the place of a forest. It is not shown the frame of made-up rows, which only trees need."""

    def __init__(self, rows: Floats, features: int) -> None:
        real = rows[: round(len(rows) / (1 + FRAME))]
        self._features = features
        self._ecod = Ecod(self._with_gaps(real))

    @classmethod
    def fit(cls, rows: Floats, *, features: int, seed: int) -> _EcodShares:
        return cls(rows, features)

    def shares(self, rows: Floats) -> Floats:
        return self._ecod.shares(self._with_gaps(rows)).astype(np.float32)

    def _with_gaps(self, rows: Floats) -> Floats:
        return np.where(rows[:, self._features :] > 0, np.nan, rows[:, : self._features])


def _model(rows: list[Window], budget: float, now: datetime, **more: Any) -> Model:
    return train(Samples.of(rows), budget=budget, now=now, **more)


def models(rows: list[Window], budget: float, now: datetime) -> Judge:
    """The isolation forest over residuals in context, and the sum of the features' tails: what runs."""
    return _model(rows, budget, now).judge


def forest(rows: list[Window], budget: float, now: datetime) -> Judge:
    """The same without tails."""
    return _model(rows, budget, now, with_tails=False).judge


def plain(rows: list[Window], budget: float, now: datetime) -> Judge:
    """The forest over the features as they are, against the fleet as a whole."""
    return _model(rows, budget, now, with_tails=False, contextual=False).judge


def ecod(rows: list[Window], budget: float, now: datetime) -> Judge:
    return _model(rows, budget, now, with_tails=False, fit=_EcodShares.fit).judge


def chart(rows: list[Window], budget: float, now: datetime) -> Judge:
    """An EWMA control chart per connector and feature over the same residuals; its limit is found as the forest's,
    from the rows it learnt from: what is averaged clusters."""
    model = _model(rows, budget, now, fit=_EcodShares.fit)  # only its baseline is used: no trees are grown

    def statistic(windows: Sequence[Window]) -> tuple[Array, Floats]:
        residuals = model.baseline.residuals(Samples.of(windows))
        return ewma(residuals, [window.connector for window in windows]), residuals

    learnt = statistic(rows)[0].max(axis=1)
    usual = Calibration(learnt)
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row, p_value in zip(rows, usual.p_values(learnt).tolist(), strict=True):
        groups[row.connector, row.transaction_id].append(p_value)
    limit = flag_below(
        model.info.span,
        groups.values(),
        budget=budget,
        rows_per_day=model.info.rows_per_connector_day,
        sessions_per_day=model.info.sessions_per_connector_day,
    )

    def judge(windows: Sequence[Window]) -> list[ScoredWindow]:
        values, residuals = statistic(windows)
        p_values = usual.p_values(values.max(axis=1)).tolist()
        return [
            _scored(window, p, p <= limit, int(values[number].argmax()), residuals[number])
            for number, (window, p) in enumerate(zip(windows, p_values, strict=True))
        ]

    return judge


def _scored(window: Window, p_value: float, flagged: bool, column: int, residuals: Floats) -> ScoredWindow:
    name = tuple(FEATURES_OF[window.span])[column]
    value = window.values.get(name)
    causes: tuple[Cause, ...] = ()
    if flagged and value is not None:
        z = float(residuals[column])
        causes = (Cause(feature=name, z=z, value=value, normal=value, share=1.0, current_a=window.current_a),)
    return ScoredWindow(
        start=window.start,
        transaction_id=window.transaction_id,
        vehicle=window.vehicle,
        p_value=p_value,
        flagged=flagged,
        causes=causes,
        span=window.span,
    )


class Way(NamedTuple):
    """`apart`: what a row belongs to that must be unknown to who judges it; None: its future only."""

    learn: Learn
    apart: Callable[[Window], str] | None = None


def _half(window: Window) -> str:
    return str(sum(window.station_id.encode()) % 2)


RUNS = "isolation forest and tails"
"""The way that detection goes."""

WAYS: dict[str, Way] = {
    RUNS: Way(models),
    "isolation forest": Way(forest),
    "isolation forest, plain features": Way(plain),
    "ECOD": Way(ecod),
    "EWMA chart": Way(chart),
    "forest and tails, stations never seen": Way(models, _half),
    "forest and tails, models never seen": Way(models, lambda window: window.model),
}


class Told(NamedTuple):
    """What one way alone would have done: the tickets it would open, and the sessions as it saw them."""

    alarms: list[Alarm]
    sessions: list[Seen]


def tell(
    rows: Iterable[Window], stations: Mapping[str, Station], way: Way, *, budget: float, first: datetime
) -> Told:
    """Let one way judge, from `first` on."""
    by_kind: dict[tuple[str, str], list[Window]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.start, row.connector)):
        if row.values:
            by_kind[row.span, row.kind].append(row)
    scored: list[tuple[Window, ScoredWindow]] = []
    for mine in by_kind.values():
        parts = _by_time(mine, first) if way.apart is None else _by_part(mine, way.apart, first)
        for learnt, judged, now in parts:
            try:
                judge = way.learn(learnt, budget, now)
            except TrainingError:
                continue  # too little yet: nothing is judged
            scored += zip(judged, judge(judged), strict=True)
    tickets, sessions = _tickets(scored, stations)
    return Told(alarms_of(tickets), sessions)


def _by_time(rows: list[Window], first: datetime) -> Iterator[tuple[list[Window], list[Window], datetime]]:
    """What was learnt before, and what is judged after, moment by moment."""
    now = first
    while rows and now <= rows[-1].start:
        learnt = [row for row in rows if row.start < now]
        judged = [row for row in rows if now <= row.start < now + AFRESH]
        if learnt and judged:
            yield learnt, judged, now
        now += AFRESH


def _by_part(
    rows: list[Window], apart: Callable[[Window], str], first: datetime
) -> Iterator[tuple[list[Window], list[Window], datetime]]:
    """Each part is judged by who has learnt from the others only, over the whole time."""
    for part in sorted({apart(row) for row in rows}):
        learnt = [row for row in rows if apart(row) != part]
        judged = [row for row in rows if apart(row) == part and row.start >= first]
        if learnt and judged:
            yield learnt, judged, rows[-1].start


def _tickets(
    scored: list[tuple[Window, ScoredWindow]], stations: Mapping[str, Station]
) -> tuple[Iterable[Ticket], list[Seen]]:
    """What the rule makes of the flags: findings come and go; and each session as it last remembered it."""
    scored.sort(key=lambda pair: (pair[0].complete_at, pair[0].connector))
    places = _Places(stations)
    memories: dict[str, Any] = {}
    raised: dict[str, Finding] = {}
    tickets: dict[str, Ticket] = {}
    newest: dict[tuple[str, str, str], str] = {}
    sessions: dict[tuple[str, str], Seen] = {}
    for window, one in scored:
        place, at = window.connector, window.complete_at
        subject = places.subject(window, one)
        verdict = anomaly.RULE.evaluate(subject, memories.get(place), _LIMITS, at)
        memories[place] = verdict.memory
        score = next((s for s in verdict.memory.sessions if s.transaction == window.transaction_id), None)
        if score is not None:
            sessions[place, score.transaction] = Seen(window.station_id, window.connector_id, score)
        if verdict.standing is Standing.MET and place not in raised:
            kind, finding = ChangeKind.RAISED, anomaly.RULE.describe(subject, verdict.memory, _LIMITS, at)
            raised[place] = finding
        elif verdict.standing is Standing.NOT_MET and place in raised:
            kind, finding = ChangeKind.CLEARED, raised.pop(place)
        else:
            continue
        change = Change(
            kind=kind, at=at, station_id=window.station_id, finding=finding, reason=str(verdict.reason)
        )
        known = tickets.get(newest.get(finding_key(finding), ""))
        ticket = decide(change, known, site_id=places.site_of(window.station_id)).ticket
        if ticket is not None:
            tickets[ticket.ticket_id] = ticket
            newest[finding_key(finding)] = ticket.ticket_id
    return tickets.values(), list(sessions.values())


class _Places:
    """Connectors as the rule is shown them."""

    def __init__(self, stations: Mapping[str, Station]) -> None:
        self._stations = stations
        self._world = World({}, 300.0)
        self._world.register(stations.values())

    def subject(self, window: Window, scored: ScoredWindow) -> Subject:
        view = StationView(station_id=window.station_id)
        return Subject(
            view=view,
            connector=view.connector(window.connector_id),
            station=self._stations.get(window.station_id),
            network=self._world,
            news=News(scored=(scored,)),
        )

    def site_of(self, station_id: str) -> str | None:
        station = self._stations.get(station_id)
        return station.site_id if station is not None else None
