"""Where models, the rows that they learn from, and how far learning has come are kept: in the records."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from detector.features import Window
from detector.models.chunk import chunks
from detector.models.task import Task
from detector.models.training import read_model, task_for
from detector.models.trial import PROMOTED, Outcome
from detector.models.watch import TRAILING, Decision, ModelKey, ModelWatch, Need, all_keys
from laddvakt.stores.ports import DetectorStates, Records, Work

if TYPE_CHECKING:
    from detector.models.model import Model

logger = logging.getLogger(__name__)

PROGRESS = "~learning"
"""Where progress is kept among the states; no station id begins so."""


def load(watch: ModelWatch, states: DetectorStates, progress: bytes | None) -> None:
    """Champions judge again, challengers begin their trial anew."""
    watch.restore(progress or b"")
    for key in all_keys():
        for name in (_champion(key), _challenger(key)):
            data = states.model(name)
            model = read_model(data) if data is not None else None
            if model is not None and watch.is_newer(model):
                watch.install(model)


def keep_rows(states: DetectorStates, gathered: Sequence[Window], progress: bytes, now: datetime) -> None:
    """What was gathered since the last time; what is too old to be learnt from goes."""
    for chunk in chunks(gathered):
        until = datetime.fromtimestamp(max(chunk.times()), UTC)
        states.keep_rows(ModelKey(chunk.span, chunk.kind).name, chunk.encode(), until=until)
    states.forget_rows(before=now - TRAILING)
    states.save({PROGRESS: progress})


def plan(need: Need, work: Work, *, budget: float, now: datetime) -> Task:
    """What is to be learnt for a need."""
    tickets = [*work.tickets.unsettled(), *work.tickets.settled_since(now - TRAILING)]
    return task_for(need, tickets, budget=budget, now=now)


def rows(records: Records, key: ModelKey, now: datetime) -> Iterator[bytes]:
    """Every chunk that may be learnt from, a few in memory at a time."""
    after = 0
    while page := page_of_rows(records, key, now, after):
        yield from (data for _, data in page)
        after = page[-1][0]


def page_of_rows(records: Records, key: ModelKey, now: datetime, after: int) -> list[tuple[int, bytes]]:
    with records.read() as work:
        return work.detector.rows(key.name, since=now - TRAILING, after=after)


def keep_model(states: DetectorStates, model: Model, outcome: Outcome, *, now: datetime) -> None:
    """A model that was trained: as the champion if it is the first."""
    key = ModelKey(model.info.span, model.info.kind)
    name = _champion(key) if outcome in PROMOTED else _challenger(key)
    states.save_model(name, model.encode(), _info(model, {"outcome": outcome}), now=now)


def keep_decision(states: DetectorStates, decision: Decision, *, now: datetime) -> None:
    """A challenger that won is the champion from now on; of one that lost, it is only said."""
    figures = ", ".join(f"{name} {value:.3g}" for name, value in decision.figures.items())
    logger.info("the new %s model: %s (%s)", decision.key.name, decision.outcome, figures)
    if decision.outcome in PROMOTED:
        info = _info(decision.challenger, {"outcome": decision.outcome, "trial": decision.figures})
        states.save_model(_champion(decision.key), decision.challenger.encode(), info, now=now)


def _champion(key: ModelKey) -> str:
    return f"forest-{key.name}"


def _challenger(key: ModelKey) -> str:
    return f"challenger-{key.name}"


def _info(model: Model, more: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = msgspec.to_builtins(model.info)
    known.update(msgspec.to_builtins(more))
    return known
