"""What the targets share: the recordings, a tariff, and what the recorder makes of entries."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from collector.book import Book
from collector.points import PointMaker
from collector.working_set import TariffShelf
from laddvakt.domain.entries import Entry
from laddvakt.domain.facts import Fact, Quarantined, QuarantineReason
from laddvakt.domain.sessions import Session, SessionState
from laddvakt.settings import SessionsSettings
from tests.fuzz.target import UnhandledError

ROOT = Path(__file__).parents[2]
RECORDINGS = tuple(sorted((ROOT / "tests/data").glob("*.jsonl.gz")))
_MEASURED = {"ENERGY": 4.0, "TIME": 24.0, "FLAT": 5.0}
TARIFF: dict[str, Any] = {
    "id": "T",
    "currency": "SEK",
    "elements": [
        {"price_components": [{"type": kind, "price": price_, "vat": 25.0, "step_size": 60}]}
        for kind, price_ in _MEASURED.items()
    ],
    "min_price": {"excl_vat": 1, "incl_vat": 1.25},
}


PLAIN_TARIFF = {key: value for key, value in TARIFF.items() if key != "min_price"}


def recorded_lines() -> Iterator[bytes]:
    for path in RECORDINGS:
        with gzip.open(path) as file:
            yield from file


def no_fault_of_ours(facts: Sequence[Fact]) -> None:
    for fact in facts:
        if isinstance(fact, Quarantined) and fact.reason is QuarantineReason.INTERNAL_ERROR:
            raise UnhandledError(fact.detail)


def signs_of(facts: Sequence[Fact]) -> tuple[Any, ...]:
    return tuple(sorted({getattr(fact, "reason", type(fact).__name__) for fact in facts[:12]}))


def plausible(tree: Any) -> bool:
    """Whether all times are as the collector writes them: of this era, in UTC."""
    if isinstance(tree, datetime):
        return tree.utcoffset() == timedelta(0) and 1970 <= tree.year < 2200
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, list | tuple):
        return True
    return all(map(plausible, tree))


def record(work: Any, shelf: TariffShelf, entries: Sequence[Entry]) -> None:
    """As the recorder does, three entries in a transaction."""
    PointMaker().points(entries)
    for start in range(0, len(entries), 3):
        _apply(work, shelf, entries[start : start + 3])


def _apply(work: Any, shelf: TariffShelf, entries: Sequence[Entry]) -> None:
    before = dict(work.sessions.kept)
    book = Book(work, pseudonym=str, shelf=shelf, settings=SessionsSettings())
    book.preload(entry.station_id for entry in entries)
    for entry in entries:
        book.apply(entry)
    book.write()
    for session in book.changed_sessions.values():
        _sound_session(before.get(session.session_id), session)
    for station in book.changed_stations.values():
        numbers = [connector.connector_id for connector in station.connectors]
        if numbers != sorted(set(numbers)):
            raise UnhandledError(f"connectors {numbers}")


def _sound_session(before: Session | None, after: Session) -> None:
    if after.energy_wh < 0 or after.duration_s < 0:
        raise UnhandledError(f"{after.energy_wh} Wh in {after.duration_s} s")
    if after.cost is not None and (after.cost.incl_vat.amount < 0 or after.cost.vat.amount < 0):
        raise UnhandledError(f"costs {after.cost.incl_vat}")
    if after.power_w is not None and not math.isfinite(after.power_w):
        raise UnhandledError(f"{after.power_w} W")
    stopped = before is not None and before.state is SessionState.ENDED and before.meter_stop_wh is not None
    if stopped and after.state is not SessionState.ENDED:
        raise UnhandledError("a session that its station had stopped goes on")
